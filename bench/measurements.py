"""Reads files of rounds, as the suites and pytest-benchmark write them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError

OURS = "netts"

Key = tuple[str, str, str]
"""Suite, case, library."""


@dataclass(frozen=True)
class Series:
    """The rounds of a case with a library.

    Attributes
    ----------
    suite, case, library : str
    unit : str
        "seconds", "seconds per step" and the like, or "MB".
    values : tuple of float
        One of each round, in that unit.
    details : dict
        What else was noted, of the last round.
    axis : str
        What the case is a point of, empty if of nothing.
    point : float
    """

    suite: str
    case: str
    library: str
    unit: str
    values: tuple[float, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    axis: str = ""
    point: float = 0.0

    @property
    def key(self) -> Key:
        """Return by what it is found in another file."""
        return self.suite, self.case, self.library

    @property
    def median(self) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float | None:
        """Return the distance between the quartiles, None of a single round."""
        if len(self.values) < 2:
            return None
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return high - low


@dataclass(frozen=True)
class Measured:
    """What a file of rounds says.

    Attributes
    ----------
    date : str
    commit : str
        With "+ changes" where files were changed since.
    machine : str
        Processor, cores, GPU, Python.
    packages : dict of str to str
    series : tuple of Series
    is_smoke : bool
        Whether it is of a smoke test, whose numbers mean nothing.
    """

    date: str
    commit: str
    machine: str
    packages: Mapping[str, str]
    series: tuple[Series, ...]
    is_smoke: bool = False


def read(path: Path) -> Measured:
    """Read a file that `python -m bench run` has written.

    Raises
    ------
    BenchError
        If there is no such file, or it is none of these.
    """
    content = _content(path)
    rounds = content.get("benchmarks") if isinstance(content, dict) else None
    if not isinstance(rounds, list) or "machine_info" not in content:
        raise BenchError(
            f"{path} is no file of pytest-benchmark: it has no list of benchmarks and machine_info"
        )
    if not rounds:
        raise BenchError(f"{path} has no round in it: every case was skipped or deselected")
    commit = content.get("commit_info") or {}
    return Measured(
        date=str(content.get("datetime", ""))[:10],
        commit=str(commit.get("id", "unknown"))[:10] + (" + changes" * bool(commit.get("dirty"))),
        machine=_machine(content["machine_info"]),
        packages=content["machine_info"].get("packages", {}),
        series=tuple(_series(path, rounds)),
        is_smoke=bool(content["machine_info"].get("smoke")),
    )


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(
            f"{path} cannot be read ({error.strerror or error}); "
            "`python -m bench run QUESTION --json FILE` writes such files"
        ) from error
    except ValueError as error:
        raise BenchError(f"{path} is not JSON: {error}") from error


def _machine(info: Mapping[str, Any]) -> str:
    cpu = info.get("cpu", {})
    name = cpu.get("brand_raw") or cpu.get("brand") or info.get("machine", "unknown processor")
    gpu = info.get("gpu", "no GPU")
    python = info.get("python_version", "?")
    return f"{name}, {cpu.get('count', '?')} cores, {gpu}, Python {python}"


def _series(path: Path, rounds: Iterable[Mapping[str, Any]]) -> list[Series]:
    found: dict[Key, list[Mapping[str, Any]]] = {}
    values: dict[Key, list[float]] = {}
    for one in rounds:
        try:
            info = one["extra_info"]
            suite = Path(one["fullname"].partition("::")[0]).stem.removeprefix("test_")
            key = suite, info["case"], info["library"]
            value = info["value"] if "value" in info else one["stats"]["min"] / info["steps"]
            found.setdefault(key, []).append(info | {"unit": info["unit"]})
        except (KeyError, TypeError) as error:
            raise BenchError(
                f"{path}: the benchmark {_name(one)} is of no suite of bench/: it lacks {error}"
            ) from error
        values.setdefault(key, []).append(float(value))
    return [
        Series(
            *key,
            unit=infos[-1]["unit"],
            values=tuple(values[key]),
            details=infos[-1].get("details", {}),
            axis=infos[-1].get("axis", ""),
            point=infos[-1].get("point", 0.0),
        )
        for key, infos in found.items()
    ]


def _name(one: Any) -> str:
    return repr(one.get("name", "without a name")) if isinstance(one, Mapping) else repr(one)


def together(all_: Iterable[Measured]) -> Measured:
    """Return files of one machine as one; of a case that several have, the last counts.

    Raises
    ------
    BenchError
        If they are of different machines or versions: medians of two machines make no page.
    """
    first, *others = all_
    series = {one.key: one for one in first.series}
    for other in others:
        if (other.machine, other.packages) != (first.machine, first.packages):
            raise BenchError(
                "these files are of different machines or versions, which makes no page: "
                f"{described(first)} and {described(other)}"
            )
        series |= {one.key: one for one in other.series}
    commits = " and ".join(dict.fromkeys(one.commit for one in (first, *others)))
    dates = " and ".join(dict.fromkeys(one.date for one in (first, *others)))
    return replace(
        first,
        date=dates,
        commit=commits,
        series=tuple(series.values()),
        is_smoke=any(one.is_smoke for one in (first, *others)),
    )


def described(measured: Measured) -> str:
    """Return machine and versions in words."""
    versions = [f"{name} {version}" for name, version in measured.packages.items()]
    return ", ".join([measured.machine, *versions])
