"""Whatever holds a table becomes columns whose dtype tells what they hold."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array

from netts.data import load
from netts.data.frames import as_columns
from netts.data.values import is_missing, label
from netts.errors import DataError, ShapeError

UTC = datetime.UTC
NOON = datetime.datetime(2026, 3, 31, 12)


def column(values) -> np.ndarray:
    """The one column of a mapping."""
    columns, _ = as_columns({"a": values})
    return columns["a"]


def listed(values: np.ndarray) -> list:
    """The values of a column, None for each missing one."""
    return [None if is_missing(value) else value for value in values.tolist()]


def test_a_table_gives_its_own_columns():
    table = load("iris")
    columns, has_names = as_columns(table)
    assert has_names
    assert all(columns[name] is values for name, values in table.columns.items())


@pytest.mark.parametrize("X", [[[1, "x"], [2, "y"]], np.array([[1, "x"], [2, "y"]], object)])
def test_an_array_has_columns_without_names_of_their_own(X):
    columns, has_names = as_columns(X)
    assert not has_names
    assert {name: values.tolist() for name, values in columns.items()} == {
        "x0": [1.0, 2.0],
        "x1": ["x", "y"],
    }


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64", ">f4"]
)
def test_numbers_of_every_dtype_are_float64(dtype):
    values = column(np.array([1, 2], dtype))
    assert (values.dtype, values.tolist()) == (np.float64, [1, 2])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 2.5, None], [1, 2.5, np.nan]),
        ([Decimal("1.5"), Fraction(1, 4), True], [1.5, 0.25, 1]),
        ([Decimal("NaN"), Decimal("sNaN"), 2], [np.nan, np.nan, 2]),
        (np.ma.masked_array([1, 2, 3], [False, True, False]), [1, np.nan, 3]),
        ([None, None], [np.nan, np.nan]),
        ([], []),
    ],
)
def test_missing_numbers_are_nan(values, found):
    assert column(values).dtype == np.float64
    np.testing.assert_array_equal(column(values), found)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["x", "y", None], ["x", "y", None]),
        (["x", np.nan, float("nan")], ["x", None, None]),
        (np.array(["x", "y"]), ["x", "y"]),
        (np.array(["x", "y"], np.dtypes.StringDType()), ["x", "y"]),
        (np.array(["x", None], np.dtypes.StringDType(na_object=None)), ["x", None]),
        (["x", 1, 2.0, 0.5, True], ["x", "1", "2", "0.5", "True"]),
        ([True, False, None], [True, False, None]),
        (np.array([True, False]), [True, False]),
        (np.ma.masked_array(["x", "y"], [True, False]), [None, "y"]),
    ],
)
def test_texts_and_truths_are_objects(values, found):
    assert column(values).dtype == object
    assert column(values).tolist() == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array(["2026-03-31T12", "NaT"], "datetime64[ns]"), [NOON, None]),
        (np.array(["2026-03-31T12"], "datetime64[h]"), [NOON]),
        ([NOON, None, datetime.date(2026, 4, 1)], [NOON, None, datetime.datetime(2026, 4, 1)]),
        ([np.datetime64("2026-03-31T12"), np.datetime64("NaT")], [NOON, None]),
        ([NOON.replace(tzinfo=UTC)], [NOON]),
        ([NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=12)))],
         [datetime.datetime(2026, 3, 31)]),
    ],
)  # fmt: skip
def test_dates_are_datetime64_in_utc(values, found):
    assert column(values).dtype == np.dtype("datetime64[us]")
    assert column(values).tolist() == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), (2, "2"), (2.0, "2"), (np.float32(2), "2"), (0.1, "0.1"), (True, "True"),
        (np.bool(False), "False"), (np.int8(-3), "-3"), (None, None), (np.nan, None),
        (np.datetime64("NaT"), None), (Decimal("NaN"), None), (2**60 + 1, str(2**60 + 1)),
    ],
)  # fmt: skip
def test_a_category_is_the_same_as_text_and_as_a_number(value, text):
    assert label(value) == text


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (csr_array(np.eye(2)), DataError, "X is sparse, and a table is dense: pass X.toarray()"),
        (
            np.array([[1j]]),
            DataError,
            "Complex data not supported: X holds numbers, dates and text",
        ),
        (
            [1, 2],
            ShapeError,
            (
                "X is a table of shape (n_samples, n_features), got shape (2,). Reshape your data "
                "either using array.reshape(-1, 1) if it has a single feature or array.reshape(1, "
                "-1) if it contains a single sample."
            ),
        ),
        ({"a": 1}, ShapeError, "column 'a' has shape (), not (n_samples,)"),
        ({"a": [[1, 2]]}, ShapeError, "column 'a' has shape (1, 2), not (n_samples,)"),
        (
            {"a": [1, 2], "b": [1], "c": [1, 2]},
            ShapeError,
            "columns have equal lengths, but 'b' has 1 rows and 'a' 2",
        ),
        (
            {1: [1], "1": [2]},
            DataError,
            "X has 2 columns named '1'; each needs its own name",
        ),
        (
            {"a": np.array([b"x"])},
            DataError,
            "column 'a' has dtype |S1, and holds numbers, dates or text",
        ),
        ({"a": [b"x", "y"]}, DataError, "column 'a' holds bytes: decode them to text"),
        (
            {"a": np.array([1], "timedelta64[s]")},
            DataError,
            "column 'a' has dtype timedelta64[s], and holds numbers, dates or text",
        ),
        ({"a": [10**400]}, DataError, "column 'a' holds a number too large for float64"),
    ],
)
def test_what_is_no_table_is_refused(X, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        as_columns(X)


@pytest.mark.parametrize("X", [None, 3, "text", [[1], [1, 2]], [np.eye(2), np.eye(3)], []])
def test_what_has_no_rows_and_columns_is_refused(X):
    with pytest.raises(ShapeError):
        as_columns(X)


def test_a_pandas_frame_of_every_dtype():
    pandas = pytest.importorskip("pandas")
    noon = pandas.Timestamp(NOON)
    X = pandas.DataFrame(
        {
            "int": [1, 2],
            "float": [1.5, None],
            "Int64": pandas.array([1, None], "Int64"),
            "Float64": pandas.array([1.5, None], "Float64"),
            "boolean": pandas.array([True, None], "boolean"),
            "bool": [True, False],
            "object": pandas.Series(["x", None], dtype=object),
            "string": pandas.array(["x", None], "string"),
            "category": pandas.Categorical(["x", None]),
            "codes": pandas.Categorical([7, 8]),
            "date": [noon, pandas.NaT],
            "zone": [noon.tz_localize("Etc/GMT-2"), pandas.NaT],
            "objects": pandas.Series([noon, None], dtype=object),
        }
    )
    columns, has_names = as_columns(X)
    assert has_names
    two = datetime.timedelta(hours=2)
    found = {name: listed(values) for name, values in columns.items()}
    assert found == {
        "int": [1, 2], "float": [1.5, None], "Int64": [1, None], "Float64": [1.5, None],
        "boolean": [True, None], "bool": [True, False], "object": ["x", None],
        "string": ["x", None], "category": ["x", None], "codes": ["7", "8"],
        "date": [NOON, None], "zone": [NOON - two, None], "objects": [NOON, None],
    }  # fmt: skip
    kinds = {name: values.dtype.kind for name, values in columns.items()}
    assert [name for name, kind in kinds.items() if kind == "M"] == ["date", "zone", "objects"]


def test_pandas_columns_of_the_same_name_are_refused():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match=r"^X has 2 columns named 'a'; each needs its own name$"):
        as_columns(X)


def test_a_pandas_series_is_no_table():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ShapeError, match=r"got shape \(2,\)"):
        as_columns(pandas.Series([1, 2]))


def test_a_polars_frame_of_every_dtype():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(
        {
            "int": [1, None],
            "float": [1.5, None],
            "bool": [True, None],
            "string": ["x", None],
            "category": polars.Series(["x", None], dtype=polars.Categorical),
            "enum": polars.Series(["x", None], dtype=polars.Enum(["x", "y"])),
            "decimal": [Decimal("1.5"), None],
            "day": [datetime.date(2026, 3, 31), None],
            "date": [NOON, None],
            "zone": polars.Series([NOON, None], dtype=polars.Datetime("us", "UTC")),
        }
    )
    columns, has_names = as_columns(X)
    assert has_names
    found = {name: listed(values) for name, values in columns.items()}
    assert found == {
        "int": [1, None], "float": [1.5, None], "bool": [True, None], "string": ["x", None],
        "category": ["x", None], "enum": ["x", None], "decimal": [1.5, None],
        "day": [datetime.datetime(2026, 3, 31), None], "date": [NOON, None], "zone": [NOON, None],
    }  # fmt: skip
