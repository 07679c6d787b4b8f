"""Pictures to arrays: the one module that imports Pillow.

Whatever the bytes of a file are, the answer is an array of the size asked for or an error that
names the file. Only formats that Pillow decodes by itself are tried: others, such as PostScript,
would start programs.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np

from netts.data.image_options import MODES, ImageOptions
from netts.data.jpeg_decoding import decode_plain_jpeg
from netts.errors import (
    DataFileError,
    DataFileNotFoundError,
    ImageFileError,
    MissingPackageError,
)
from netts.persistence.places import in_short

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as error:
    raise MissingPackageError(
        "images are read by Pillow, which is not installed: pip install Pillow, or install netts "
        "with its extra `images`"
    ) from error

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")


READ_AT_ONCE = 2**22
"""Bytes of the largest file that is read as a whole before it is decoded: it is one call then.

A choice, above the size of most photographs; what is larger, maybe by far, is read in pieces.
"""


def decode_image(path: Path, options: ImageOptions) -> np.ndarray:
    """Return a picture as uint8 of shape (height, width, channels), upright as its EXIF data say.

    Raises
    ------
    DataFileNotFoundError, DataFileError
        Where there is no such file, or it cannot be opened.
    ImageFileError
        Where it is no picture of a known format, is damaged or cut off, has several frames, or
        more pixels than allowed.
    """
    try:
        with _opened(path) as file:
            plain = _plain_jpeg(file, options)
            return _decoded(file, path, options) if plain is None else plain
    except (ImageFileError, DataFileError):
        raise
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{path} is no picture of a format that netts reads: {', '.join(FORMATS)}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, options, str(error)) from error
    except Exception as error:  # decoders raise anything about damaged bytes
        raise ImageFileError(f"{path} is damaged: {in_short(error)}") from error


def _plain_jpeg(file: BinaryIO, options: ImageOptions) -> np.ndarray | None:
    pixels = None
    if isinstance(file, io.BytesIO):
        pixels = decode_plain_jpeg(file.getvalue(), options)
    if pixels is None or options.sides in (None, pixels.shape[:2]):
        return pixels
    plane = pixels if options.n_channels > 1 else pixels[:, :, 0]
    return _as_array(_resized(Image.fromarray(plane), options))


def _decoded(file: BinaryIO, path: Path, options: ImageOptions) -> np.ndarray:
    with Image.open(file, formats=FORMATS) as picture:
        _check_header(picture, path, options)
        return _as_array(_resized(_colored(picture, options, path), options))


def _as_array(picture: Image.Image) -> np.ndarray:
    """Return a picture as (height, width, channels)."""
    levels = np.frombuffer(picture.tobytes(), np.uint8)
    return levels.reshape(picture.height, picture.width, -1)


def _opened(path: Path) -> BinaryIO:
    """Return the content of a file; refuse what is none, as a pipe would be waited for for ever."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataFileNotFoundError(f"there is no file {path}") from error
    except PermissionError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror}") from error
    except (OSError, ValueError) as error:
        raise DataFileError(f"{str(path)!r} cannot be read: {error}") from error
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ImageFileError(f"{path} is no file: a picture is one")
        if status.st_size > READ_AT_ONCE:
            return open(os.dup(number), "rb")  # noqa: PTH123 - of a number
        return io.BytesIO(os.read(number, status.st_size))
    finally:
        os.close(number)


def _check_header(picture: Image.Image, path: Path, options: ImageOptions) -> None:
    width, height = picture.size
    if width * height > options.max_pixels:
        raise _too_large(path, options, f"{width} x {height} pixels")
    n_frames = getattr(picture, "n_frames", 1)
    if n_frames > 1:
        raise ImageFileError(
            f"{path} has {n_frames} frames, and an image is one: save the one that counts"
        )


def _too_large(path: Path, options: ImageOptions, what: str) -> ImageFileError:
    return ImageFileError(
        f"{path} is too large ({what}): at most {options.max_pixels:,} pixels are decoded; pass "
        "max_pixels if it is meant"
    )


def _colored(picture: Image.Image, options: ImageOptions, path: Path) -> Image.Image:
    """Return the picture upright and in its colours."""
    if picture.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8
        picture = _in_eight_bits(picture)
    elif picture.mode in ("I", "F"):
        raise ImageFileError(
            f"{path} has numbers of 32 bits, of which nobody can tell what is white: save it with "
            "8 or 16"
        )
    ImageOps.exif_transpose(picture, in_place=True)
    mode = MODES[options.color_mode][0]
    # Pillow would copy what is in its mode already.
    return picture if picture.mode == mode else _opaque(picture).convert(mode)


def _resized(colored: Image.Image, options: ImageOptions) -> Image.Image:
    """Return a picture of the size that is asked for."""
    if options.sides is None or colored.size == options.sides[::-1]:
        return colored
    size = options.sides[::-1]
    if options.fit == "crop":
        return ImageOps.fit(colored, size, Image.Resampling.BILINEAR)
    if options.fit == "pad":
        return ImageOps.pad(colored, size, Image.Resampling.BILINEAR)
    return colored.resize(size, Image.Resampling.BILINEAR)


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    orientation = picture.getexif()
    wide = np.asarray(picture).astype(np.uint32)
    narrow = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    narrow.getexif().update(orientation)
    return narrow


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture with a palette in its colours; transparency is dropped, as usual."""
    return picture.convert("RGBA") if picture.mode == "P" else picture
