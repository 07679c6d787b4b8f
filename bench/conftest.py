"""What the suites share: a process for each library, and how a round is written down.

A round of a case is one benchmark of pytest-benchmark. Its extra_info is what
`bench.measurements` reads: `case`, `library`, `unit`, and either `steps`, by which the time of the
round is divided, or `value`, a number that was measured inside; `details` are further numbers, and
`axis` and `point` make a curve of cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bench.machine import gpu, versions
from bench.separate import Workers
from bench.size import is_smoke


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    found = Workers(shared=is_smoke())
    yield found
    found.close()


@dataclass(frozen=True)
class Round:
    """One round of a case with one library."""

    benchmark: Any

    def time(
        self,
        call: Callable[[], Any],
        *,
        case: str,
        library: str,
        unit: str,
        steps: int,
        **curve: Any,
    ) -> None:
        """Time a call of so many steps. `unit` says of what: "seconds per step"."""
        self._note(case, library, unit, curve | {"steps": steps})
        self.benchmark.pedantic(call, rounds=1, iterations=1)

    def value(
        self, call: Callable[[], Any], *, case: str, library: str, unit: str, **curve: Any
    ) -> None:
        """Keep the number that a call returns, or the first of a pair with a dict of details."""
        found = self.benchmark.pedantic(call, rounds=1, iterations=1)
        value, details = found if isinstance(found, tuple) else (found, {})
        self._note(case, library, unit, curve | {"value": value, "details": details})

    def _note(self, case: str, library: str, unit: str, more: dict[str, Any]) -> None:
        self.benchmark.extra_info.update(case=case, library=library, unit=unit, **more)


@pytest.fixture
def one_round(benchmark) -> Round:
    return Round(benchmark)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """Add what times depend on, and leave out what names the machine."""
    import netts

    machine_info.pop("node", None)
    machine_info["gpu"] = gpu()
    machine_info["smoke"] = is_smoke()
    machine_info["packages"] = versions() | {"netts": netts.__version__}
