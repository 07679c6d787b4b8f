"""A part held back: disjoint, stratified, repeatable, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.data import Reading, Table, Task, load
from netts.data.splitting import split_table
from netts.data.targets import TargetRule
from netts.errors import DataError


def numbered(y: list[object], task: Task = "classification") -> Table:
    """Make a table whose only feature is the number of the row."""
    columns = {"row": np.arange(float(len(y)))}
    reading = Reading((), TargetRule("t", task), (), ("row", "t"), has_header=True)
    return Table("numbered", columns, np.array(y), reading, np.arange(len(y)) + 2)


def test_classes_keep_their_shares():
    training, held_back = split_table(load("iris"), 0.2, random_state=0)
    for part, count in ((training, 40), (held_back, 10)):
        assert np.unique(part.y, return_counts=True)[1].tolist() == [count] * 3


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    table = load("diabetes")
    parts = [split_table(table, random_state=seed)[1].X for seed in (3, 3, 4)]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert not np.array_equal(parts[0], parts[2])


@given(
    n_samples=st.integers(4, 60),
    test_size=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_row_is_in_one_part_with_its_own_target(n_samples, test_size, seed):
    table = numbered([float(row) for row in range(n_samples)], "regression")
    if n_samples - np.ceil(n_samples * test_size) < 1:
        return
    parts = split_table(table, test_size, random_state=seed)
    rows = np.concatenate([part.X[:, 0] for part in parts])
    targets = np.concatenate([part.y for part in parts])
    lines = np.concatenate([part.line_numbers for part in parts])
    assert sorted(rows) == list(range(n_samples))
    np.testing.assert_array_equal(rows, targets)
    np.testing.assert_array_equal(rows + 2, lines)


def test_the_rest_of_the_table_stays():
    table = load("wine")
    for part in split_table(table):
        assert part.feature_names == table.feature_names
        assert (part.name, part.task, part.target_name) == ("wine", "classification", "cultivar")


@pytest.mark.parametrize(
    ("table", "test_size", "message"),
    [
        (
            numbered(["x", "x", "y", "y", "z"]),
            0.5,
            (
                "numbered: label 'z' of target 't' has one row, and both parts need one: leave "
                "that row out or merge it into another class"
            ),
        ),
        (
            numbered(["x", "x", "x", "y", "y", "y"]),
            0.1,
            (
                "numbered: holding back 1 of 6 rows leaves a part with fewer rows than the 2 "
                "classes: choose another test size"
            ),
        ),
        (
            numbered(["x", "x", "x", "y", "y", "y"]),
            0.8,
            (
                "numbered: holding back 5 of 6 rows leaves a part with fewer rows than the 2 "
                "classes: choose another test size"
            ),
        ),
        (numbered([1.0], "regression"), 0.5, "numbered: 1 rows cannot be divided into two parts"),
    ],
)
def test_a_division_that_leaves_too_little_is_refused(table, test_size, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        split_table(table, test_size)
