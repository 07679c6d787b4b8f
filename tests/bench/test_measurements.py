"""Files of rounds: those in rounds/ were written by `python -m bench run predictions`."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from bench.comparison import comparison, verdict
from bench.errors import BenchError
from bench.measurements import Series, read, together

ROUNDS = Path(__file__).parent / "rounds"
BEFORE, AFTER = ROUNDS / "before.json", ROUNDS / "after.json"


def series(*values: float, unit: str = "seconds per step", **fields) -> Series:
    return Series("training_step", "case", "netts", unit, values, **fields)


def test_rounds_of_a_case_and_a_library_are_one_series():
    found = {one.key: one for one in read(BEFORE).series}
    content = json.loads(BEFORE.read_text())["benchmarks"]
    values = [
        one["extra_info"]["value"]
        for one in content
        if (one["extra_info"]["case"], one["extra_info"]["library"]) == ("predict, 1 row", "netts")
    ]
    ours = found["predictions", "predict, 1 row", "netts"]
    assert len(found) == 6
    assert ours.values == tuple(values)
    assert len(values) == 5
    assert ours.median == statistics.median(values)


def test_the_time_of_a_round_is_divided_by_its_steps(tmp_path):
    content = json.loads(BEFORE.read_text())
    one = content["benchmarks"][0]
    one["extra_info"] = {
        "case": "a", "library": "netts", "unit": "seconds per step", "steps": 50,
    }  # fmt: skip
    one["stats"]["min"] = 2.0
    content["benchmarks"] = [one]
    path = tmp_path / "steps.json"
    path.write_text(json.dumps(content))
    assert read(path).series[0].values == (0.04,)


def test_the_machine_its_versions_and_the_commit_come_from_the_file():
    found = read(BEFORE)
    assert found.machine == "AMD EPYC, 2 cores, no GPU, Python 3.11.7"
    assert found.packages["numpy"] == "2.4.6"
    assert found.date == "2026-11-23"
    assert found.commit == json.loads(BEFORE.read_text())["commit_info"]["id"][:10]


def test_the_spread_is_the_distance_between_quartiles_and_unknown_of_one_round():
    assert series(1.0, 2.0, 3.0, 4.0, 5.0).spread == 2.0
    assert series(1.0).spread is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no file of pytest-benchmark"),
        ('{"benchmarks": []}', "is no file of pytest-benchmark"),
        ('{"benchmarks": [], "machine_info": {}}', "has no round in it"),
        (
            '{"machine_info": {}, "benchmarks": [{"name": "x", "extra_info": {}}]}',
            "the benchmark 'x' is of no suite of bench/: it lacks 'fullname'",
        ),
        ('{"benchmarks": [7], "machine_info": {}}', "the benchmark 7 is of no suite"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=r"wrong\.json") as raised:
        read(path)
    assert message in str(raised.value)


def test_a_missing_file_is_refused_with_what_writes_one(tmp_path):
    with pytest.raises(BenchError, match=r"none\.json cannot be read \(No such file.*bench run"):
        read(tmp_path / "none.json")


def test_of_several_files_the_last_that_has_a_case_counts():
    before, after = read(BEFORE), read(AFTER)
    found = {one.key: one for one in together([before, after]).series}
    assert set(found) == {one.key for one in before.series}
    assert all(found[one.key] == one for one in after.series)


def test_files_of_two_machines_make_no_page():
    before = read(BEFORE)
    other = replace(before, machine="another, 16 cores")
    with pytest.raises(BenchError, match=r"different machines or versions.*another, 16 cores"):
        together([before, other])


@pytest.mark.parametrize(
    ("a", "b", "unit", "expected"),
    [
        ((1.0, 1.1, 1.2), (2.0, 2.1, 2.2), "seconds per step", "slower"),
        ((2.0, 2.1, 2.2), (1.0, 1.1, 1.2), "seconds per step", "faster"),
        ((1.0, 2.0, 3.0), (1.5, 2.5, 3.5), "seconds per step", "within the spread"),
        ((1.0, 1.0, 1.0), (1.5, 2.5, 9.5), "seconds per step", "within the spread"),
        ((1.0, 1.1, 1.2), (2.0, 2.1, 2.2), "MB", "more"),
        ((1.0,), (9.0, 9.1), "seconds", "one round: unknown"),
    ],
)
def test_a_difference_counts_beyond_the_spread_of_either_side(a, b, unit, expected):
    assert verdict(series(*a, unit=unit), series(*b, unit=unit)) == expected


def test_a_comparison_has_a_row_for_each_case_of_both_and_counts_the_others():
    before, after = read(BEFORE), read(AFTER)
    page = comparison(before, after)
    rows = [line for line in page.splitlines() if line.startswith("| predictions")]
    ours = next(one for one in before.series if one.key[1:] == ("predict, 1 row", "netts"))
    theirs = next(one for one in after.series if one.key == ours.key)
    row = next(line for line in rows if "predict, 1 row | netts" in line)
    assert len(rows) == 4
    assert f"| {theirs.median / ours.median:.3g}x |" in row
    assert row.endswith(f"{verdict(ours, theirs)} |")
    assert "2 cases are in one of the two only." in page
    assert "differ in machine" not in page


def test_a_comparison_says_when_machines_or_versions_differ():
    before = read(BEFORE)
    other = replace(before, packages=dict(before.packages) | {"numpy": "9.9"})
    assert "**They differ in machine or versions" in comparison(before, other)


def test_numbers_of_a_smoke_test_are_said_to_mean_nothing():
    before = read(BEFORE)
    assert "mean nothing" not in comparison(before, before)
    assert "mean nothing" in comparison(before, replace(before, is_smoke=True))


def test_a_comparison_of_files_without_a_common_case_is_refused():
    before = read(BEFORE)
    other = replace(before, series=(series(1.0, 2.0),))
    with pytest.raises(BenchError, match=r"no case in common: A has predictions: predict, 1 row"):
        comparison(before, other)
