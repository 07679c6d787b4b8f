"""A second file is read as the first one was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netts.data import Reading, ReadOptions, read_table
from netts.data.reading import RowsToPredict, read_again
from netts.errors import DataError, UnknownColumnError

FIRST = (
    "size;place;garden;sold;kind\n"
    "12,5;Bern;yes;2026-03-31;x\n"
    "13;Genf;no;2026-04-01;y\n"
    "-;Bern;no;;x\n"
    "14;Chur;yes;2026-04-02;y\n"
)
NAMES = {"size", "place", "garden", "sold"}


@pytest.fixture
def first(tmp_path) -> Reading:
    """How the first file was read."""
    path = tmp_path / "first.csv"
    path.write_text(FIRST, encoding="utf-8")
    return read_table(path, options=ReadOptions(missing=("-",))).reading


@pytest.fixture
def again(write, first):
    """Read a second file as the first one was."""

    def read(content: str, used: set[str] = NAMES, **settings) -> RowsToPredict:
        settings = {"with_target": False} | settings
        return read_again(write(content), first, used, **settings)

    return read


def test_columns_are_found_by_name_in_any_order(again):
    rows = again("garden,place,sold,size\nyes,Genf,2026-05-01,7\nno,-,,-\n")
    assert list(rows.columns) == ["size", "place", "garden", "sold"]
    np.testing.assert_array_equal(rows.columns["size"], [7, np.nan])
    assert rows.columns["place"].tolist() == ["Genf", None]
    assert rows.columns["garden"].tolist() == [True, False]
    assert np.isnat(rows.columns["sold"]).tolist() == [False, True]
    assert (rows.y, rows.unused, rows.line_numbers.tolist()) == (None, (), [2, 3])


def test_a_decimal_comma_is_one_in_a_single_row_too(again):
    rows = again('size,place,garden,sold\n"1,234",Bern,yes,\n')
    assert rows.columns["size"].tolist() == [1.234]


def test_additional_columns_are_named_and_the_target_is_none_of_them(again):
    rows = again("size;place;garden;sold;kind;colour;note\n1;Bern;no;;z;red;hm\n")
    assert rows.unused == ("colour", "note")
    assert list(rows.columns) == ["size", "place", "garden", "sold"]


def test_columns_that_the_model_does_not_use_need_not_be_there(again):
    rows = again("place;size\nBern;1\n", used={"size", "place"})
    assert list(rows.columns) == ["size", "place"]


def test_missing_columns_are_all_named_and_the_nearest_of_those_there(again, refused):
    message = (
        " lacks 'size', 'sold', which the model needs; it has 'sizes', 'kind', 'place', 'garden'"
    )
    with refused(message, UnknownColumnError):
        again("sizes;place;garden;kind\n1;Bern;no;x\n")


def test_a_missing_target_is_named_where_it_is_asked_for(again, refused):
    with refused(
        " lacks 'kind', which the model needs; it has 'size', 'sold', 'garden', 'place'",
        UnknownColumnError,
    ):
        again("size;place;garden;sold\n1;Bern;no;\n", with_target=True)


def test_the_target_is_read_where_it_is_asked_for(again):
    rows = again("kind;size;place;garden;sold\nx;1;Bern;no;\nnew;2;Bern;no;\n", with_target=True)
    assert rows.y.tolist() == ["x", "new"]


def test_a_first_row_of_numbers_is_a_header_as_in_the_first_file(again, refused):
    with pytest.raises(UnknownColumnError, match="lacks 'size', 'place'"):
        again("1;Bern;no;2026-05-01\n2;Bern;yes;\n")


def test_further_marks_of_missing_values_can_be_said(again):
    rows = again(
        "size;place;garden;sold\n-1;Bern;no;\n-;none;no;\n",
        options=ReadOptions(missing=("-1", "None")),
    )
    assert np.isnan(rows.columns["size"]).all()
    assert rows.columns["place"].tolist() == ["Bern", None]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            "1.5;Bern;no;",
            "'size': '1.5' is not a number with a decimal comma, as the others of this column are",
        ),
        ("x;Bern;no;", ("'size': 'x' is not a number with a decimal comma, as the others of this "
         "column are")),
        ("1;Bern;perhaps;", "'garden': 'perhaps' is neither yes nor no, true nor false"),
        ("1;Bern;no;3/31/2026", "'sold': '3/31/2026' is not a date such as 2026-03-31"),
    ],
)  # fmt: skip
def test_a_cell_of_another_kind_is_refused_with_line_and_column(again, refused, row, complaint):
    with refused(f", line 3, column {complaint}"):
        again(f"size;place;garden;sold\n2;Bern;no;\n{row}\n")


@pytest.fixture
def by_places(tmp_path, write):
    """Read a second file as a first one without a header."""
    path: Path = tmp_path / "first.csv"
    path.write_text("x,1.5,red\ny,2.5,blue\nx,3.5,red\ny,4.5,red\n", encoding="utf-8")
    reading = read_table(path, "column_1").reading

    def read(content: str, **settings) -> RowsToPredict:
        settings = {"with_target": False} | settings
        return read_again(write(content), reading, {"column_2", "column_3"}, **settings)

    return read


@pytest.mark.parametrize("content", ["x,1,red\ny,2,green\n", "1,red\n2,green\n"])
def test_without_a_header_columns_have_their_places_with_the_target_or_without(by_places, content):
    rows = by_places(content)
    assert rows.columns["column_2"].tolist() == [1, 2]
    assert rows.columns["column_3"].tolist() == ["red", "green"]


def test_a_header_can_name_the_places(by_places):
    rows = by_places("column_3,column_2\nred,1\n", options=ReadOptions(has_header=True))
    assert rows.columns["column_2"].tolist() == [1]


def test_without_a_header_the_target_is_in_its_place(by_places):
    assert by_places("y,1,red\n", with_target=True).y.tolist() == ["y"]


def test_another_number_of_columns_without_a_header_is_refused(by_places, refused):
    with refused(
        " has no header and 4 columns, but the model was trained on 3, target 'column_1' "
        "included: give the columns the names that they had there"
    ):
        by_places("x,1,red,5\n")


@pytest.mark.parametrize(
    ("first", "second", "labels"),
    [
        (["1", "2", "1", "2"], ["2.0", "1"], [2, 1]),
        (["1", "2", "1", "2"], ["1.5", "1"], ["1.5", "1"]),
        (["0.5", "1", "0.5", "1"], ["0.50", "1.0"], ["0.5", "1"]),
        (["0,5", "1", "0,5", "1"], ["0,50", "1"], ["0.5", "1"]),
        (["no", "yes", "no", "yes"], ["yes", "YES"], ["yes", "YES"]),
    ],
)
def test_labels_are_read_as_in_the_first_file(tmp_path, write, first, second, labels):
    path = tmp_path / "first.csv"
    path.write_text("a;t\n" + "".join(f"{k};{cell}\n" for k, cell in enumerate(first)))
    reading = read_table(path, task="classification").reading
    content = "a;t\n" + "".join(f"1;{cell}\n" for cell in second)
    y = read_again(write(content), reading, {"a"}, with_target=True).y
    assert y.tolist() == labels


def test_a_missing_target_is_refused_where_it_is_asked_for(again, refused):
    with refused(
        ", line 2, column 'kind': the cell is missing ('?'), and every row needs a target: fill it "
        "or leave the row out"
    ):
        again("size;place;garden;sold;kind\n1;Bern;no;;?\n2;Bern;no;;x\n", with_target=True)


def test_every_refusal_of_a_first_file_holds_for_a_second(again):
    with pytest.raises(DataError, match="line 3: 1 cells, but line 1 has 4"):
        again("size;place;garden;sold\n1;Bern;no;\n2\n")
