"""A file becomes columns, a target and a task."""

from __future__ import annotations

import csv
import io
import pickle
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.data import ReadOptions, load, read_table
from netts.data.cells import MISSING, TRUTHS, is_number, is_other_date
from netts.data.cells import date as as_date
from netts.errors import DataError, NettsError, UnknownColumnError

MESSY = (
    "size;place;sold;garden;note;price\n"
    '12,5;"Bern, Stadt";2026-03-31;yes;a;1\n'
    "13;Genf;;no;b;2\n"
    ";;2026-04-01;?;c;3\n"
    "14,25;Genf;2026-04-02;yes;d;4\n"
)


def test_the_last_column_is_the_target(read):
    table = read("a,b,kind\n1,2.5,x\n3,-4,y\n5,6,x\n7,8,y\n")
    assert (table.name, table.target_name, table.feature_names) == ("table", "kind", ("a", "b"))
    assert table.X.dtype == np.float64
    np.testing.assert_array_equal(table.X, [[1, 2.5], [3, -4], [5, 6], [7, 8]])
    assert table.y.tolist() == ["x", "y", "x", "y"]
    assert (table.n_samples, table.n_features) == (4, 2)


def test_another_column_can_be_the_target(read):
    table = read("kind,a,b\nx,1,2\ny,3,4\nx,5,6\ny,7,8\n", "kind")
    assert (table.target_name, table.feature_names) == ("kind", ("a", "b"))
    np.testing.assert_array_equal(table.X[0], [1, 2])


def test_numbers_categories_dates_and_yes_or_no_stand_side_by_side(read):
    table = read(MESSY)
    assert [rule.kind for rule in table.reading.columns] == [
        "number",
        "category",
        "date",
        "yes/no",
        "category",
    ]
    np.testing.assert_array_equal(table.columns["size"], [12.5, 13, np.nan, 14.25])
    assert table.X.dtype == object
    assert table.X[0].tolist() == [12.5, "Bern, Stadt", datetime(2026, 3, 31), True, "a"]
    assert table.X[2].tolist()[1:] == [None, datetime(2026, 4, 1), None, "c"]


def test_columns_can_be_ignored(read):
    table = read(MESSY, options=ReadOptions(ignored=("note", "sold")))
    assert table.feature_names == ("size", "place", "garden")
    assert table.unused == {"note": "(as asked)", "sold": "(as asked)"}


@pytest.mark.parametrize("name", ["", "id", "index", "Unnamed: 0"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_first_column_that_numbers_the_rows_is_not_used(read, name, first):
    lines = [f"{first + row},{row * row},{'xy'[row % 2]}\n" for row in range(4)]
    table = read(f"{name},a,t\n" + "".join(lines))
    assert table.feature_names == ("a",)
    assert list(table.unused.values()) == ["(it numbers the rows)"]


def test_a_first_column_of_other_numbers_is_used(read):
    assert read("id,a,t\n3,1,x\n1,2,y\n2,3,x\n4,4,y\n").feature_names == ("id", "a")


def test_some_rows_can_be_taken(read):
    part = read(MESSY).take(np.array([3, 0]))
    assert part.columns["place"].tolist() == ["Genf", "Bern, Stadt"]
    assert (part.y.tolist(), part.line_numbers.tolist()) == ([4, 1], [5, 2])


def test_a_table_describes_itself(read):
    assert str(read("a,t\n1,x\n2,y\n3,x\n4,y\n5,x\n")) == (
        "table: 5 rows, 1 columns, separated by commas, utf-8\ntarget 't': 2 classes (x 3, y 2)"
    )
    assert str(read("id,a,t\n1,1,0.5\n2,2,1.5\n3,3,4\n")) == (
        "table: 3 rows, 1 columns, separated by commas, utf-8\n"
        "target 't': regression, 0.5 to 4, mean 2\n"
        "not used: 'id' (it numbers the rows)"
    )


def test_a_description_names_ten_classes_and_counts_the_rest(read):
    table = read("a,t\n" + "".join(f"{row},c{row % 12:02d}\n" for row in range(24)))
    assert str(table).endswith("c09 2, and 2 more)")


def test_a_table_can_be_pickled(read):
    table = read(MESSY)
    copy = pickle.loads(pickle.dumps(table))
    assert (str(copy), copy.reading) == (str(table), table.reading)


def test_an_unknown_target_lists_the_columns_nearest_first(read, refused):
    with refused(" has no column 'Specis'; it has 'species', 'a'", UnknownColumnError):
        read("a,species\n1,x\n", "Specis")


@pytest.mark.parametrize("option", ["ignored", "categories"])
def test_an_option_that_names_no_column_lists_the_columns_too(read, refused, option):
    with refused(" has no column 'colour'; it has 'colours', 'a', 't'", UnknownColumnError):
        read("a,colours,t\n1,2,x\n", options=ReadOptions(**{option: ("colour",)}))


def test_of_many_columns_the_nearest_ten_are_named(read):
    header = ",".join(f"c{place}" for place in range(1000))
    with pytest.raises(UnknownColumnError, match=r"'c77', .* and 990 more$"):
        read(f"{header}\n{','.join(['1'] * 1000)}\n", "c77x")


@pytest.mark.parametrize(
    ("content", "target", "options", "message"),
    [
        (
            "a\n1\n",
            None,
            {},
            (
                " has one column, 'a': a table needs features and a target, separated by "
                "semicolons, tabs, bars or commas"
            ),
        ),
        ("a,t\n1,2\n", "t", {"ignored": ("t",)}, ": 't' is the target and cannot be ignored"),
        (
            "a,t\n1,2\n",
            None,
            {"ignored": ("a",)},
            ": no column is left to learn from beside the target: 'a' (as asked)",
        ),
        (
            "id,t\n1,2\n2,2.5\n",
            None,
            {},
            ": no column is left to learn from beside the target: 'id' (it numbers the rows)",
        ),
    ],
)
def test_a_table_without_features_or_target_is_refused(
    read, refused, content, target, options, message
):
    with refused(message):
        read(content, target, options=ReadOptions(**options))


def test_long_cells_and_names_are_shortened_in_messages(read):
    with pytest.raises(DataError) as caught:
        read(f"{'a' * 1000},t\n1,x\n{'9' * 1000},y\n3,x\n4,y\n")
    assert len(str(caught.value)) < 400


def test_every_refusal_is_also_a_value_error():
    assert issubclass(DataError, ValueError)
    assert issubclass(DataError, NettsError)
    assert issubclass(UnknownColumnError, LookupError)


def is_plain_text(text: str) -> bool:
    """Tell whether a text is one that its column can only take for a category."""
    return (
        text == text.strip()
        and text.lower() not in MISSING | set(TRUTHS)
        and not is_number(text.replace(",", ""))
        and not is_other_date(text)
        and as_date(text) is None
    )


# No control characters, no line ends that the reader takes for one of its own, no surrogates.
characters = st.characters(exclude_categories=("Cc", "Cs"))
texts = st.text(characters, min_size=1, max_size=8).filter(is_plain_text)
numbers = st.floats(allow_nan=False, allow_infinity=False)
dates = st.datetimes()
missing_marks = st.sampled_from(sorted(MISSING))


@st.composite
def typed_columns(draw) -> tuple[dict[str, list], list[str]]:
    """Draw columns of the four kinds with missing values, and marks to write those with."""
    n_rows = draw(st.integers(2, 8))
    column = st.one_of(
        *(
            st.lists(st.none() | values, min_size=n_rows, max_size=n_rows)
            for values in (numbers, texts, dates, st.booleans())
        )
    )
    names = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    columns = {f"{name}.": draw(column) for name in names}
    return columns, draw(st.lists(missing_marks, min_size=n_rows, max_size=n_rows))


def cell(value: object, mark: str) -> str:
    """Write a value as a CSV file has it."""
    return mark if value is None else str(value)


@given(
    drawn=typed_columns(),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_reads_back(
    tmp_path_factory, drawn, delimiter, encoding, quoting, line_end
):
    columns, marks = drawn
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow([*columns, "target"])
    for row, mark in enumerate(marks):
        writer.writerow([*(cell(values[row], mark) for values in columns.values()), row + 0.5])
    path = tmp_path_factory.mktemp("written") / "table.csv"
    path.write_bytes(file.getvalue().encode(encoding))

    table = read_table(path, options=ReadOptions(delimiter=delimiter))
    assert table.y.tolist() == [row + 0.5 for row in range(len(marks))]
    assert table.feature_names == tuple(name.strip() for name in columns)
    for values, found in zip(columns.values(), table.columns.values(), strict=True):
        if found.dtype.kind == "f":
            values = [np.nan if value is None else value for value in values]
            np.testing.assert_array_equal(found, values)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(values))
        else:
            assert found.tolist() == values


@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
@pytest.mark.parametrize("delimiter", ";\t|")
def test_the_delimiter_of_a_table_is_found(tmp_path, name, delimiter):
    table = load(name)
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow([*table.feature_names, "target"])
        writer.writerows([*row, y] for row, y in zip(table.X.tolist(), table.y, strict=True))
    found = read_table(path)
    np.testing.assert_array_equal(found.X, table.X)
    np.testing.assert_array_equal(found.y, table.y)
