"""A part held back: disjoint, stratified, repeatable, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.data import Reading, Table, Task, load
from netts.data.splitting import split_rows, split_table
from netts.data.targets import TargetRule
from netts.errors import DataError, ParameterError, ShapeError


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


SHARES = [(0.8, 0.2), (0.7, 0.15, 0.15), (0.25, 0.25, 0.25, 0.25)]


@given(
    n_samples=st.integers(20, 200),
    shares=st.sampled_from(SHARES),
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.none() | st.integers(2, 3),
    group_size=st.none() | st.integers(1, 4),
)
def test_no_row_is_lost_or_doubled(n_samples, shares, seed, n_classes, group_size):
    rows = np.arange(n_samples)
    labels = None if n_classes is None else rows % n_classes
    groups = None if group_size is None else rows // group_size
    parts = split_rows(n_samples, shares, stratify=labels, groups=groups, random_state=seed)
    assert len(parts) == len(shares)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), rows)
    again = split_rows(n_samples, shares, stratify=labels, groups=groups, random_state=seed)
    assert all(map(np.array_equal, parts, again))
    if groups is not None:
        seen = [set(groups[part].tolist()) for part in parts]
        assert sum(map(len, seen)) == len(set().union(*seen))
    else:
        for part, share in list(zip(parts, shares, strict=True))[1:]:
            assert len(part) == int(np.ceil(round(share * n_samples, 9)))


def test_classes_keep_their_shares_in_every_part():
    labels = np.repeat(["a", "b"], [150, 50])
    for part in split_rows(200, (0.6, 0.2, 0.2), stratify=labels, random_state=0):
        assert np.mean(labels[part] == "b") == 0.25


def test_classes_keep_their_shares_where_groups_stay_together():
    random = np.random.default_rng(0)
    groups = random.integers(0, 60, 600)
    labels = (random.random(600) < 0.3).astype(int)
    parts = split_rows(600, (0.6, 0.2, 0.2), stratify=labels, groups=groups, random_state=0)
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(part) / 600 - share) < 0.05
        assert abs(labels[part].mean() - labels.mean()) < 0.05
        assert not np.isin(groups[part], np.delete(groups, part)).any()


@pytest.mark.parametrize(
    ("n_samples", "arguments", "error", "message"),
    [
        (10, {"shares": (0.5, 0.4)}, ParameterError, r"shares add up to 1, as .* got \(0.5, 0.4\)"),
        (10, {"shares": (1.0,)}, ParameterError, r"each of shares is a number in \(0, 1\), got"),
        (10, {"shares": (1.2, -0.2)}, ParameterError, "each of shares is a number in"),
        (0, {}, ParameterError, "n_samples is a whole number of at least 1, got 0"),
        (10, {"groups": [1, 2]}, ShapeError, "there is a group for each of 10 rows"),
        (4, {"stratify": [0, 0, 0, 1]}, DataError, "4 rows cannot be divided into 2 parts"),
        (4, {"groups": [7] * 4}, DataError, "4 rows cannot be divided into 2 parts"),
        (6, {"groups": [7] * 6, "stratify": [0, 1] * 3}, DataError, "2 parts need as many groups"),
    ],
)  # fmt: skip
def test_parts_that_cannot_be_are_refused(n_samples, arguments, error, message):
    with pytest.raises(error, match=message):
        split_rows(n_samples, **arguments)
