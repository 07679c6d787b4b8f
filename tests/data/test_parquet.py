"""Parquet files: the types of their columns, the target, and what is no table."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from netts import cli
from netts.data import ReadOptions, TableEncoder, load, read_table
from netts.data.datasets import dataset_path
from netts.data.reading import read_again
from netts.errors import DataError, DataFileNotFoundError, UnknownColumnError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def write_file(columns, name="table.parquet", **options):
        path = tmp_path / name
        table = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns)
        parquet.write_table(table, path, **options)
        return path

    return write_file


MIXED = {
    "whole": pyarrow.array([1, None, 3, 4], pyarrow.int32()),
    "half": pyarrow.array([0.5, 1.5, None, float("nan")], pyarrow.float16()),
    "price": pyarrow.array([Decimal("1.25"), None, Decimal(3), Decimal(4)]),
    "garden": pyarrow.array([True, None, False, True]),
    "place": pyarrow.array(["Bern", "Genf", None, "Bern"]),
    "coded": pyarrow.array(["a", "b", "a", None]).dictionary_encode(),
    "code": pyarrow.array([3, 1, 3, None]).dictionary_encode(),
    "sold": pyarrow.array([datetime.date(2026, 3, 31), None] * 2),
    "at": pyarrow.array(
        [datetime.datetime(2026, 3, 31, 12, tzinfo=datetime.UTC)] * 4,
        pyarrow.timestamp("ns", tz="Europe/Zurich"),
    ),
    "nothing": pyarrow.nulls(4),
    "kind": pyarrow.array(["x", "y", "x", "y"]),
}


def test_types_tell_what_columns_are(write):
    table = read_table(write(MIXED))
    kinds = {rule.name: rule.kind for rule in table.reading.columns}
    assert kinds == {
        "whole": "number", "half": "number", "price": "number", "garden": "yes/no",
        "place": "category", "coded": "category", "code": "number", "sold": "date",
        "at": "date", "nothing": "number",
    }  # fmt: skip
    X = table.columns
    np.testing.assert_array_equal(X["whole"], [1, np.nan, 3, 4])
    np.testing.assert_array_equal(X["price"], [1.25, np.nan, 3, 4])
    assert X["garden"].tolist() == [True, None, False, True]
    assert X["place"].tolist() == ["Bern", "Genf", None, "Bern"]
    np.testing.assert_array_equal(X["code"], [3, 1, 3, np.nan])
    np.testing.assert_array_equal(X["at"], [np.datetime64("2026-03-31T12:00")] * 4)
    assert np.isnat(X["sold"]).tolist() == [False, True, False, True]
    assert table.y.tolist() == ["x", "y", "x", "y"]
    assert str(table).startswith("table: 4 rows, 10 columns, Parquet\ntarget 'kind': 2 classes")
    assert TableEncoder().fit(table).transform(table).shape[0] == 4


@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
def test_a_table_is_the_same_from_csv_and_parquet(write, name):
    csv = load(name)
    columns = dict(csv.columns) | {csv.target_name: csv.y}
    again = read_table(write({k: pyarrow.array(v) for k, v in columns.items()}, row_group_size=37))
    np.testing.assert_array_equal(again.y, csv.y)
    assert (again.task, again.reading.columns) == (csv.task, csv.reading.columns)
    np.testing.assert_array_equal(again.X, csv.X)


def test_a_model_of_one_format_reads_the_other(write):
    csv = load("iris")
    path = write({k: pyarrow.array(v) for k, v in (csv.columns | {"species": csv.y}).items()})
    names = set(csv.columns)
    rows = read_again(path, csv.reading, names, with_target=True)
    np.testing.assert_array_equal(rows.y, csv.y)
    table = read_table(path)
    rows = read_again(dataset_path("iris"), table.reading, names, with_target=True)
    np.testing.assert_array_equal(rows.y, csv.y)
    for name in names:
        np.testing.assert_array_equal(rows.columns[name], csv.columns[name])


def test_the_index_of_a_frame_is_not_learned_from(write):
    path = write({"__index_level_0__": [0, 1, 2, 3], "a": [1.0, 2.0, 3.5, 4.0], "t": [0, 1, 0, 1]})
    assert read_table(path).unused == {"__index_level_0__": "(it numbers the rows)"}


def test_what_stands_for_a_missing_value_and_what_is_a_name_can_be_said(write):
    path = write(
        {"a": [1, -9, 3, 4], "b": ["x", "?", "none", "y"], "c": [1, 2, 1, 2], "t": [0, 1] * 2}
    )
    options = ReadOptions(missing=("-9", "None"), categories=("c",), ignored=("t",))
    table = read_table(path, "c", options=options)
    np.testing.assert_array_equal(table.columns["a"], [1, np.nan, 3, 4])
    assert table.columns["b"].tolist() == ["x", None, None, "y"]
    assert table.y.tolist() == ["1", "2", "1", "2"]


def test_a_parquet_file_is_known_by_its_first_bytes(write):
    assert read_table(write(MIXED, name="table.csv")).n_samples == 4


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        ({"a": [1.0, 2.0], "t": [[1], [2]]}, {}, "column 't' is of type 'list<"),
        ({"a": [b"x", b"y"], "t": [1, 2]}, {}, "column 'a' is of type 'binary'"),
        ({"a": [1.0, 2.0]}, {}, "has one column, 'a': a table needs features"),
        ({"a": [1.0], "t": ["x"]}, {}, "target 't' is 'x' in every row"),
        ({"a": [1.0, 2.0], "t": ["x", None]}, {}, ", row 2, column 't': the value is missing, and"),
        ({"a": [1.0, 2.0], "t": ["x", "y" * 300]}, {}, "row 2, column 't': 'yyy"),
        (
            {"a": [1.0, 2.0], "t": ["x", "y"]},
            {"task": "regression"},
            "'x' is not a number, and",
        ),
        ({"a": [1.0, 2.0], "t": [datetime.date(2026, 1, 1)] * 2}, {}, "target 't' holds dates"),
        ({"a": [1, float("inf")] * 2, "t": ["x", "y"] * 2}, {}, "row 2, column 'a': inf is not a"),
        ({"a": [], "t": []}, {}, "has no rows"),
        (
            pyarrow.Table.from_arrays([pyarrow.array([1, 2])] * 2, ["a", "a"]),
            {},
            "2 columns are named 'a'",
        ),
        (MIXED, {"options": ReadOptions(delimiter=";")}, "Parquet file, which has no delimiter to"),
        (MIXED, {"options": ReadOptions(has_header=True)}, "Parquet file, which has no header to"),
    ],
)
def test_what_is_no_table_is_refused(write, columns, arguments, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_table(write(columns), **arguments)


def test_columns_that_are_not_there_are_named(write):
    with pytest.raises(UnknownColumnError, match="has no column 'Kind'; it has 'kind'"):
        read_table(write(MIXED), "Kind")


def test_files_that_are_none_are_refused(tmp_path, write):
    with pytest.raises(DataFileNotFoundError, match=r"there is no file .*none\.parquet"):
        read_table(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is no Parquet file: it does not begin with PAR1"):
        read_table(tmp_path / "text.parquet")
    whole = write(MIXED).read_bytes()
    for content in (whole[:-1], whole[: len(whole) // 2], b"PAR1", b"PAR1" * 3):
        (tmp_path / "cut.parquet").write_bytes(content)
        with pytest.raises(DataError, match="is damaged, or no Parquet file"):
            read_table(tmp_path / "cut.parquet")


def test_a_few_bytes_that_unpack_to_too_much_are_refused(write, monkeypatch):
    from netts.data import parquet as reader

    monkeypatch.setattr(reader, "MAX_CELLS", 10**6)
    monkeypatch.setattr(reader, "MAX_BYTES", 10**6)
    path = write({"a": pyarrow.nulls(500_001), "t": pyarrow.nulls(500_001)})
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="says that it has 500,001 rows of 2 columns, and at most"):
        read_table(path)
    path = write({"a": ["x" * 10**5] * 20, "t": [0, 1] * 10}, use_dictionary=False)
    assert path.stat().st_size < 10**5
    with pytest.raises(DataError, match=r"unpacks to 2,.* bytes, and at most 1,000,000 are read"):
        read_table(path)


def test_a_long_text_that_recurs_is_in_memory_once(write):
    path = write({"a": ["x" * 10_000, "y"] * 500, "t": [0, 1] * 500})
    found = read_table(path).columns["a"]
    assert len(set(map(id, found[::2]))) == 1


def test_the_commands_take_parquet(write, tmp_path, monkeypatch, capsys):
    csv = load("iris")
    path = write({k: pyarrow.array(v) for k, v in (csv.columns | {"species": csv.y}).items()})
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", str(path), "--epochs", "30", "--quiet"]) == 0
    capsys.readouterr()
    assert cli.main(["predict", "table.netts", str(path)]) == 0
    predicted = capsys.readouterr().out.split()[1:]
    assert np.mean(predicted == csv.y) > 0.9
    assert cli.main(["evaluate", "table.netts", str(path)]) == 0
    assert f"on the 150 rows of {path}" in capsys.readouterr().out
    assert Path("table.netts").exists()


def test_without_pyarrow_it_says_what_to_install(write, monkeypatch):
    import sys

    from netts.errors import MissingPackageError

    path = write(MIXED)
    monkeypatch.delitem(sys.modules, "netts.data.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match="pip install pyarrow, or install netts with its"):
        read_table(path)
