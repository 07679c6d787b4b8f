"""Reading a file as text: delimiters, headers, encodings, and what is not a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netts.data.rows import is_number, read_rows
from netts.errors import DataError, DataFileError, DataFileNotFoundError


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write_file(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_separate_cells(write, delimiter):
    rows = read_rows(write("a,b,label\n1,2,x\n3,4,y\n".replace(",", delimiter)))
    assert rows.column_names == ("a", "b", "label")
    assert rows.cells == [["1", "2", "x"], ["3", "4", "y"]]


def test_a_semicolon_wins_over_as_many_commas(write):
    rows = read_rows(write("width, m;height, m;kind\n1;2;x\n"))
    assert rows.column_names == ("width, m", "height, m", "kind")


def test_a_byte_order_mark_and_windows_line_ends_are_not_part_of_the_cells(write):
    rows = read_rows(write(b"\xef\xbb\xbfa,b\r\n1,x\r\n"))
    assert (rows.column_names, rows.cells) == (("a", "b"), [["1", "x"]])


def test_spaces_around_cells_and_quotes_do_not_count(write):
    rows = read_rows(write('a , "b, c"\n 1, "x"\n'))
    assert (rows.column_names, rows.cells) == (("a", "b, c"), [["1", "x"]])


def test_line_numbers_count_blank_lines_and_line_ends_inside_quotes(write):
    rows = read_rows(write('a,b\n\n1,"x\ny"\n\n2,z\n'))
    assert rows.line_numbers == [3, 6]
    assert rows.place(1, 0).endswith("table.csv, line 6, column 'a'")


def test_without_a_header_the_columns_are_numbered(write):
    rows = read_rows(write("5.1,3.5,setosa\n4.9,3.0,setosa\n"))
    assert rows.column_names == ("column_1", "column_2", "column_3")
    assert len(rows.cells) == 2


def test_a_number_in_the_first_row_makes_it_data_even_with_a_missing_cell(write):
    assert len(read_rows(write("5.1,,setosa\n4.9,3.0,setosa\n")).cells) == 2


@pytest.mark.parametrize("cell", ["1", "-2.5", "1e-3", ".5", "nan", "inf"])
def test_what_python_reads_as_a_float_is_a_number(cell):
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "x", "1_000", "1,5", "0x10"])
def test_all_else_is_not_a_number(cell):
    assert not is_number(cell)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a,b\n", "has a header and no rows: there is nothing to learn from"),
        (
            "a\n1\n",
            (
                "has one column, 'a': a table needs features and a target, "
                "separated by commas, semicolons or tabs"
            ),
        ),
        ("a,b\n1,2\n3\n", ", line 3: 1 cells, but line 1 has 2"),
        ("a,b\n1,2\n\n3,4,5\n", ", line 4: 3 cells, but line 1 has 2"),
        ("a,b,a\n1,2,3\n", ": 2 columns are named 'a'; each needs its own name"),
        (
            ",a\n0,1\n",
            (
                ": column 1 has no name in the header (pandas leaves it out for its row numbers: "
                "save with index=False)"
            ),
        ),
        (
            "id,2019,2020\n1,2,3\n",
            (
                ", line 1: this is no header, because '2019' is a number, and no data, because "
                "'id' stands above numbers: give every column a name that is not a number, or "
                "correct the cell"
            ),
        ),
        ('a,b\n1,"x\n', ", line 2: unexpected end of data"),
        ('a,b\n1,"x"y\n', ", line 2: ',' expected after '\"'"),
        (
            b"a,b\n1,\xe9\n",
            "is not UTF-8 text (byte 6 is 0xe9): save the table as 'CSV UTF-8'",
        ),
    ],
)
def test_what_is_not_a_table_is_refused(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} ?{re.escape(message.lstrip())}$"):
        read_rows(path)


def test_a_missing_file_is_refused_with_its_neighbour(write):
    path = write("a,b\n1,2\n", name="houses.csv")
    message = f"there is no file {path.with_name('house.csv')} (did you mean 'houses.csv'?)"
    with pytest.raises(DataFileNotFoundError, match=f"^{re.escape(message)}$"):
        read_rows(path.with_name("house.csv"))


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*nowhere either$"):
        read_rows(tmp_path / "nowhere" / "table.csv")


def test_a_directory_is_refused(tmp_path):
    message = f"^{re.escape(str(tmp_path))} is a directory: give the CSV file itself$"
    with pytest.raises(DataFileError, match=message):
        read_rows(tmp_path)


def test_an_unreadable_file_is_refused_with_the_reason_of_the_system(write, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = write("a,b\n1,2\n")
    # Tests may run as root, whom no permission stops.
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(DataFileError, match=r"cannot be read: Permission denied$"):
        read_rows(path)
