"""A file is read as text in the encoding that it tells, or refused by what it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from netts.data.text import read_text
from netts.errors import DataError, DataFileError, DataFileNotFoundError
from netts.persistence.recognition import BEGINNINGS


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding_and_is_no_part_of_the_text(write, written, found):
    text = read_text(write("größe;λ\n1;2\n".encode(written)))
    assert (text.content, text.encoding, text.is_guessed) == ("größe;λ\n1;2\n", found, False)


@pytest.mark.parametrize("byte_order", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
def test_either_byte_order_is_read(write, byte_order):
    text = read_text(write("\ufeffa,b\n1,x\n".encode(byte_order)))
    assert text.content == "a,b\n1,x\n"


def test_what_is_not_utf_8_is_guessed_to_be_windows_1252(write):
    text = read_text(write("Größe,5 €\n".encode("cp1252")))
    assert (text.content, text.encoding, text.is_guessed) == ("Größe,5 €\n", "cp1252", True)


def test_the_encoding_can_be_chosen(write):
    text = read_text(write("Ж,1\n".encode("koi8-r")), "koi8-r")
    assert (text.content, text.is_guessed) == ("Ж,1\n", False)


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"", None, " is empty"),
        (b" \r\n\t\n", None, " is empty"),
        (b"\xef\xbb\xbf", None, " is empty"),
        (
            b"a,b\n1,\x81\n",
            None,
            (
                " is neither utf-8 nor cp1252 text (byte 6): save the table as 'CSV UTF-8', or "
                "name its encoding"
            ),
        ),
        (
            b"a,b\n1,\xe9\n",
            "ascii",
            " is not ascii text (byte 6): save the table as 'CSV UTF-8', or name its encoding",
        ),
        (
            b"\xff\xfea",
            None,
            " is not utf-16 text (byte 2): save the table as 'CSV UTF-8', or name its encoding",
        ),
        (
            b"a,b\n1,\x00\n",
            None,
            (
                ", line 2: character '\\x00' stands in no text, so this is no table (it was read "
                "as utf-8; choose another encoding if it is one)"
            ),
        ),
        (
            "a,b\n".encode("utf-16-le"),
            None,
            (
                ", line 1: character '\\x00' stands in no text, so this is no table (it was read "
                "as utf-8; choose another encoding if it is one)"
            ),
        ),
    ],
)
def test_what_is_no_text_is_refused(write, content, encoding, message):
    path = write(content)
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}{message}')}$"):
        read_text(path, encoding)


@pytest.mark.parametrize("encoding", ["utf8000", "hex", "rot13", "a\0b", ""])
def test_an_encoding_that_does_not_exist_is_refused(write, encoding):
    message = f"there is no text encoding {encoding!r}: utf-8, cp1252 and utf-16 are usual ones"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_text(write("a,b\n1,2\n"), encoding)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_another_format_named_csv_is_refused_by_what_it_is(write, beginning):
    path = write(beginning + b"\x00\x01,\n")
    message = f"{path} is {BEGINNINGS[beginning]}, and no text: write the table as CSV"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_text(path)


def test_text_may_begin_as_another_format_does(write):
    assert read_text(write("BZhang,PAR1\n1,2\n")).content.startswith("BZhang")


def test_a_device_without_an_end_is_refused():
    with pytest.raises(DataFileError, match=r"^/dev/zero is a device, which has no end: give a"):
        read_text(Path("/dev/zero"))


def test_a_missing_file_is_refused_with_its_neighbour(write):
    path = write("a,b\n1,2\n", name="houses.csv")
    message = f"there is no file {path.with_name('house.csv')} (did you mean 'houses.csv'?)"
    with pytest.raises(DataFileNotFoundError, match=f"^{re.escape(message)}$"):
        read_text(path.with_name("house.csv"))


def test_a_file_of_the_same_kind_is_no_neighbour_by_that(write):
    path = write("a,b\n1,2\n", name="cut.parquet")
    with pytest.raises(DataFileNotFoundError, match=r"^there is no file \S+$"):
        read_text(path.with_name("iris.parquet"))


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*nowhere either$"):
        read_text(tmp_path / "nowhere" / "table.csv")


def test_a_directory_is_refused(tmp_path):
    message = f"^{re.escape(str(tmp_path))} is a directory: give the CSV file itself$"
    with pytest.raises(DataFileError, match=message):
        read_text(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="no permission stops root")
def test_a_file_without_permission_is_refused_by_the_system(write):
    path = write("a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(DataFileError, match=r"table\.csv cannot be read: Permission denied$"):
        read_text(path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
        (MemoryError(), "is too large for the memory of this machine"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(write, monkeypatch, error, message):
    def refuse(path):
        raise error

    path = write("a,b\n1,2\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataFileError, match=f"^{re.escape(f'{path} {message}')}$"):
        read_text(path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "table.csv/x"])
def test_a_path_that_no_file_can_have_is_refused(write, name):
    path = write("a,b\n1,2\n")
    with pytest.raises(DataFileError, match="cannot be read: "):
        read_text(path.parent / name)
