"""Read a file as text: its encoding, and what it is if it is no text at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from netts.choices import did_you_mean_file
from netts.errors import DataError, DataFileError, DataFileNotFoundError
from netts.persistence.recognition import describe_binary

BYTE_ORDER_MARKS = {
    # The longer first: UTF-32's begins with UTF-16's.
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

FALLBACK = "cp1252"
"""What spreadsheets on Windows write where they do not write UTF-8."""

# Text has tabs, line ends and form feeds; a zero byte or an escape is a sign of something else.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Text:
    """The text of a file.

    Attributes
    ----------
    content : str
    encoding : str
        As Python calls it.
    is_guessed : bool
        Whether the encoding is what remained, as neither the caller nor the file said it.
    """

    content: str
    encoding: str
    is_guessed: bool = False


def read_text(path: Path, encoding: str | None = None) -> Text:
    """Read a file in an encoding, or in the one that its bytes tell.

    That is UTF-8, UTF-16 or UTF-32 where a byte order mark says so, UTF-8 where all bytes fit, and
    Windows-1252 for what remains.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        If there is no such file, or it cannot be read.
    DataError
        If it is empty or no text, or not in that encoding.
    """
    content = read_bytes(path)
    known = describe_binary(content)
    if known is not None:
        raise DataError(f"{path} is {known}, and no text: write the table as CSV")
    text = _decode(content, path, encoding)
    if not text.content.strip():
        raise DataError(f"{path} is empty")
    control = _CONTROL.search(text.content)
    if control:
        line = text.content.count("\n", 0, control.start()) + 1
        raise DataError(
            f"{path}, line {line}: character {control.group()!r} stands in no text, so this is no "
            f"table (it was read as {text.encoding}; choose another encoding if it is one)"
        )
    return text


def read_bytes(path: Path) -> bytes:
    """Read a file, or say why that is impossible."""
    try:
        if path.is_char_device() or path.is_block_device():
            raise DataFileError(f"{path} is a device, which has no end: give a file")
        return path.read_bytes()
    except DataFileError:
        raise
    except FileNotFoundError as error:
        raise DataFileNotFoundError(f"there is no file {path}{did_you_mean_file(path)}") from error
    except IsADirectoryError as error:
        raise DataFileError(f"{path} is a directory: give the CSV file itself") from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataFileError(f"{str(path)!r} cannot be read: {error}") from error
    except MemoryError as error:
        raise DataFileError(f"{path} is too large for the memory of this machine") from error


def _decode(content: bytes, path: Path, encoding: str | None) -> Text:
    is_guessed = False
    if encoding is None:
        marks = (name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark))
        encoding = next(marks, "utf-8")
        is_guessed = encoding == "utf-8" and not _is_utf8(content)
        encoding = FALLBACK if is_guessed else encoding
    try:
        return Text(content.decode(encoding), encoding, is_guessed)
    except UnicodeError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        tried = f"neither utf-8 nor {encoding}" if is_guessed else f"not {encoding}"
        raise DataError(
            f"{path} is {tried} text{at}: save the table as 'CSV UTF-8', or name its encoding"
        ) from error
    except (LookupError, ValueError) as error:
        raise DataError(
            f"there is no text encoding {encoding!r}: utf-8, cp1252 and utf-16 are usual ones"
        ) from error


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
