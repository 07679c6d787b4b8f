"""The law of the table reader: any file gives a table or a netts error, soon and in little memory.

What bounds time and memory is that both are proportional to the size of the file. So cases are
small, and the files that stress one place of the reader most are measured apart.
"""

from __future__ import annotations

import contextlib
import csv
import io
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netts.data import ReadOptions, Table, TableEncoder, load, read_table
from netts.data.datasets import dataset_path
from netts.data.reading import read_again
from netts.data.rows import AS_FOUND
from netts.data.text import BYTE_ORDER_MARKS
from netts.errors import NettsError
from netts.persistence.recognition import BEGINNINGS

# Many times what the slowest case takes, for a machine that is busy with other things.
MAX_SECONDS = 10.0

SEEDS = [
    *(dataset_path(name).read_bytes()[:2000] for name in ("iris", "wine", "diabetes")),
    (
        b"size;place;sold;garden;price\n"
        b'12,5;"Bern, Stadt";2026-03-31;yes;1\n13;Genf;;no;2\n;;2026-04-01;?;3\n14;Genf;;yes;4\n'
    ),
    "Größe,Ort,Art\n1.5,Zürich,a\n2,Genf,b\nNA,Zürich,a\n3,Bern,b\n".encode("utf-16"),
    "Größe\tOrt\tArt\r\n1\tZürich\ta\r\n2\tGenf\tb\r\n3\tBern\ta\r\n4\tBern\tb\r\n".encode(
        "cp1252"
    ),
    b'a|b|t\n"1,234"|"x ""y"""|1\n"5,678"|"z\nz"|2\n"9"||1\n"12"|x|2\n',
]

# What has a meaning somewhere in the reader, so that random bytes reach every branch.
WORDS = [
    *(b',', b';', b'\t', b'|', b'"', b'""', b'\n', b'\r', b'\r\n', b' ', b'_', b'.', b'-', b'\x00'),
    *(b'a', b'x', b'id', b'1', b'0', b'2.5', b'1,5', b'1,234', b'1e999', b'nan', b'inf', b'NA'),
    *(b'yes', b'no', b'true', b'2026-03-31', b'2026-03-31T24:00Z', b'31.03.2026', b'9' * 400),
    *(b'0001-01-01T00:00+14:00', '²'.encode(), '٣'.encode(), '\u2028'.encode(), b'\xff', b'\x81'),
]  # fmt: skip


SORTS = [
    [b"1", b"2", b"3"], [b"2.5", b"-1e3", b"7"], [b"1,5", b"2,25", b"3"], [b"1,234", b"2,500.5"],
    [b"yes", b"no"], [b"red", b"blue", b""], [b"2026-03-31", b"2026-04-01T12:30", b"NA"],
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A table with pieces cut out, written over, put in, doubled and moved, and flipped bits."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        end = draw(st.integers(at, len(content)))
        change = draw(st.sampled_from(["cut", "truncate", "write", "flip", "double", "move"]))
        if change == "cut":
            del content[at:end]
        elif change == "truncate":
            del content[at:]
        elif change == "write":
            content[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from(WORDS))
        elif change == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "double":
            content[at:at] = content[at:end]
        elif change == "move":
            content = content[at:end] + content[:at] + content[end:]
    return bytes(content)


@st.composite
def headers_that_lie(draw: st.DrawFn) -> bytes:
    """Rows of unequal length under a header of another, with any names."""
    words = st.sampled_from([word.decode("latin-1") for word in WORDS])
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=draw(st.sampled_from(",;\t|")))
    width = draw(st.integers(1, 5))
    for _ in range(draw(st.integers(1, 8))):
        n_cells = draw(st.sampled_from([width] * 9 + [width + 1]))
        writer.writerow(draw(st.lists(words, min_size=n_cells, max_size=n_cells)))
    return file.getvalue().encode(draw(st.sampled_from(["utf-8", "cp1252", "utf-16"])), "replace")


@st.composite
def columns_that_lie(draw: st.DrawFn) -> bytes:
    """Rows of equal length, each column of words of one sort, but for a few cells of any."""
    n_rows, target = draw(st.integers(2, 12)), draw(st.sampled_from([b"t", b"a", b"species", b"1"]))
    columns = []
    for name in [b"id", b"a", b"price", target]:
        cells = st.sampled_from(draw(st.sampled_from(SORTS)))
        column = draw(st.lists(cells, min_size=n_rows, max_size=n_rows))
        for place in draw(st.lists(st.integers(0, n_rows - 1), max_size=1)):
            column[place] = draw(st.sampled_from(WORDS))
        columns.append([name, *column])
    delimiter = draw(st.sampled_from([b",", b";", b"\t", b"|"]))
    quote = draw(st.sampled_from([b'"', b""]))
    rows = zip(*columns, strict=True)
    return b"\n".join(delimiter.join(quote + cell + quote for cell in row) for row in rows)


contents = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(WORDS), max_size=60).map(b"".join),
    damaged(),
    columns_that_lie(),
    columns_that_lie(),
    columns_that_lie(),
    headers_that_lie(),
    st.tuples(st.sampled_from([*BEGINNINGS, *BYTE_ORDER_MARKS]), st.binary(max_size=50)).map(
        b"".join
    ),
)
any_options = st.builds(
    ReadOptions,
    delimiter=st.none() | st.sampled_from([",", ";", "x", "1", "\0", "²", "", "ab"]),
    encoding=st.none() | st.sampled_from(["utf-8", "utf-16", "utf-7", "cp1252", "hex", "a\0"]),
    has_header=st.none() | st.booleans(),
    missing=st.sampled_from([(), ("x", "1"), ("",)]),
    ignored=st.sampled_from([(), ("a",), ("id", "a")]),
    categories=st.sampled_from([(), ("a",), ("column_1",)]),
)
options = st.sampled_from([True, True, True, False]).flatmap(
    lambda are_told: st.just(AS_FOUND) if are_told else any_options
)
targets = st.none() | st.sampled_from(["a", "species", "column_1", "price", "a", ""])
tasks = st.none() | st.sampled_from(["classification", "regression"])


def check_law(path: Path, content: bytes, target, task, options: ReadOptions) -> None:
    """Read, encode and read again: each works or says why not, in time."""
    path.write_bytes(content)
    start = time.process_time()  # not of the clock: others may have the processor
    with contextlib.suppress(NettsError):
        table = read_table(path, target, task=task, options=options)
        check_is_sound(table)
        TableEncoder(handle_unknown="error").fit(table).transform(table)
        again = ReadOptions(options.delimiter, options.encoding, options.has_header)
        rows = read_again(path, table.reading, set(table.columns), with_target=True, options=again)
        np.testing.assert_array_equal(rows.y, table.y)
        for name, values in table.columns.items():
            is_nan_equal = values.dtype.kind != "O"
            assert np.array_equal(rows.columns[name], values, equal_nan=is_nan_equal), name
    assert time.process_time() - start < MAX_SECONDS


def check_is_sound(table: Table) -> None:
    """What a table promises."""
    assert table.n_samples == len(table.line_numbers) > 1
    assert table.X.shape == (table.n_samples, table.n_features)
    assert np.all(np.diff(table.line_numbers) > 0)
    assert table.y.dtype.kind in ("f" if table.task == "regression" else "iU")
    for values in table.columns.values():
        assert values.dtype.kind in "fMO"
        assert not (values.dtype.kind == "f" and np.isinf(values).any())
    assert str(table).startswith("table: ")


def law(n_cases: int):
    """Make a test of the law with as many cases."""

    @settings(max_examples=n_cases, suppress_health_check=list(HealthCheck), deadline=None)
    @given(content=contents, target=targets, task=tasks, options=options)
    @example(content=b"", target=None, task=None, options=AS_FOUND)
    def test(tmp_path_factory, content, target, task, options):
        path = tmp_path_factory.getbasetemp() / "table.csv"
        check_law(path, content, target, task, options)

    return test


test_any_file_gives_a_table_or_a_netts_error = law(200)
test_ten_thousand_files_give_tables_or_netts_errors = pytest.mark.slow(law(10_000))

# More than the 131,072 characters that Python's reader allows a cell.
LENGTH = 140_000
STRESSES = {
    "quotes": b'"' * LENGTH,
    "an odd number of quotes": b'"' * (LENGTH + 1),
    "empty quoted cells": b'"",' * (LENGTH // 3),
    "delimiters": b"," * LENGTH,
    "cells of one letter": b"b," * (LENGTH // 2),
    "columns of three rows": (b"1," * 5_000 + b"1\n") * 2 + b"2," * 5_000 + b"2\n",
    "rows of empty cells": b",\n" * (LENGTH // 2),
    "line ends": b"\n" * LENGTH + b"a",
    "carriage returns": b"\r" * LENGTH + b"a",
    "one long cell": b"a" * LENGTH,
    "one long number": b"a,t\n" + b"1" * (LENGTH // 2) + b",2\n1,2\n",
    "a quote that is never closed": b'a,t\n"' + b"x\n" * (LENGTH // 2),
    "texts all different": b"a,t\n" + b"".join(b"x%d,%d\n" % (k, k % 2) for k in range(20_000)),
    "dates all different": b"a,t\n"
    + b"".join(b"2026-03-31T10:00:00.%06d,%d\n" % (k, k % 2) for k in range(9_000)),
    "numbers with commas": b'a;t\n' + b"".join(b"1,%d;%d\n" % (k, k % 2) for k in range(20_000)),
    "one long label": b"a,t\n" + b"1,x\n1,y\n" * 10_000 + b"1," + b"x" * (LENGTH // 2) + b"\n",
    "targets missing": b"a,t\n" + b"1,\n" * (LENGTH // 3),
    "ragged at the end": b"a,t\n" + b"1,2\n" * (LENGTH // 4) + b"3\n",
    "zero bytes": b"\x00" * LENGTH,
    "other bytes": b"\x81" * LENGTH,
}  # fmt: skip


@pytest.mark.parametrize("stress", STRESSES)
def test_memory_is_bounded_by_the_size_of_the_file(tmp_path, stress):
    content = STRESSES[stress]
    load("iris")  # imports what is imported once
    tracemalloc.start()
    try:
        check_law(tmp_path / "table.csv", content, None, None, AS_FOUND)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The most is taken by a column of few rows: its name, its rule, a list and an array.
    assert peak_bytes < 300 * len(content)
