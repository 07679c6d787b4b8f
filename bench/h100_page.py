"""The page of the H100, from the results that were measured on it; measures nothing.

    python -m bench.h100_page

Those results came from bench/gpu/run.sh, which prints Markdown and no JSON of pytest-benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import plots
from bench.figures import figures_in
from bench.limits import work
from bench.markdown import duration, table, tables
from bench.measurements import OURS, Series
from netts.persistence.files import replace_file

RESULTS = Path(__file__).parent / "results"
STEPS, POLICY = "h100-2026-11-23.md", "policy-2026-11-23.md"
PAGE = "machine-h100.md"

FP32_FLOP_PER_SECOND, BYTES_PER_SECOND = 51e12, 2.3e12
"""Reached by cuBLAS in fp32 and by a copy: FACTS. TF32 is not used in these steps."""

CASE = "network, batch"
PEERS = ("PyTorch eager", "PyTorch graph", "JAX scan")
ENGINES = {"netts, 16 cores": "a step, cores, us", "netts, H100": "a step, GPU, us"}
MICROSECOND = 1e-6

RATIOS = {"graph / netts": "PyTorch graph", "scan / netts": "JAX scan"}
FASHION_COLUMNS = ("trained by", "median seconds per epoch", "first", "accuracy by epoch")
KERNEL_COLUMNS = (
    "kernel", "sizes", "cpu", "cuda call", "cuda resident", "cpu / call", "cpu / resident",
)  # fmt: skip

TEMPLATE = """# Benchmarks of the H100

`python -m bench.h100_page`, from [h100-2026-11-23.md](h100-2026-11-23.md),
[paper-2026-11-23.md](paper-2026-11-23.md), [policy-2026-11-23.md](policy-2026-11-23.md) and
[first-facts-2026-11.md](first-facts-2026-11.md), which say versions, dates and how it was measured:
one NVIDIA H100 80GB HBM3 with 16 cores of an Intel Xeon, fp32 without TF32. Nothing was measured
for this page.

## A training step

Adam, data on the device, medians over interleaved rounds. PyTorch graph is its whole step as one
CUDA graph. JAX is marked WRONG where its results left the tolerance.

{steps}

Not faster: {slower}.

![Steps](machine-h100-steps.png)

## What is left to the limits

The least time of a step's products at the 51 TFLOP/s that cuBLAS reaches in fp32, and of Adam's
bytes at the 2.3 TB/s that a copy reaches; the share is their sum over what was measured.
Activations are not counted. Small nets are bound by launches, not by either: 4-16-16-3 is 18
kernels, and a kernel in a graph takes 1.1 to 1.3 us with nothing to do, so 22 us of its step are
launches.

{limits}

## Width and batch, cores and GPU

A training step of n-n-n-10, one of 1000: a curve for the GPU and one for 16 cores. The table is in
[policy-2026-11-23.md](policy-2026-11-23.md).

![Width and batch](machine-h100-widths.png)

## The paper's experiment

The table is in [paper-2026-11-23.md](paper-2026-11-23.md); [paper.md](../../docs/paper.md) has what
the paper claimed, and what the baselines are worth.

![Speed-up over one core](paper-2026-11-23.png)

## Fashion-MNIST

conv32-conv64-128-10 in batches of 64. PyTorch as a graph is faster here.

{fashion}

## Kernels as users write them

A call sends arrays there and back, resident is the kernel alone; cpu has 16 cores. Where
"cpu / call" is below 1x, the copies cost more than the GPU saves.

{kernels}
"""

Row = dict[str, str]


def read(name: str) -> list[list[Row]]:
    """Return the tables of a file of results."""
    return tables((RESULTS / name).read_text(encoding="utf-8"))


def of(found: Sequence[list[Row]], *columns: str) -> list[Row]:
    """Return the rows of all tables that have these columns, the first of a case alone."""
    rows: dict[str, Row] = {}
    for one in found:
        if one and set(columns) <= set(one[0]):
            for row in one:
                rows.setdefault(row[columns[0]], row)
    return list(rows.values())


def seconds(cell: str) -> float | None:
    """Return the time that a cell says, None if it says none or one of wrong results."""
    found = figures_in(cell)
    return float(found[0].value) if found and "WRONG" not in cell else None


def step_series(rows: Sequence[Row]) -> list[Series]:
    """Return the steps as series of one round, for the plot."""
    return [
        Series("steps", row[CASE], library, "seconds per step", (found,))
        for row in rows
        for library in (OURS, *PEERS)
        if (found := seconds(row.get(library, ""))) is not None
    ]


def limit_row(row: Row) -> list[str]:
    """Return measured and least seconds of a step, and the share of the limit."""
    net, _, batch = row[CASE].rpartition(", ")
    products, adam = work(net, int(batch)).seconds(FP32_FLOP_PER_SECOND, BYTES_PER_SECOND)
    measured = seconds(row[OURS]) or float("nan")
    share = f"{(products + adam) / measured:.0%}".replace("%", " %")
    return [row[CASE], row[OURS], duration(products), duration(adam), share]


def policy_curves() -> list[Series]:
    """Return a training step by width and batch, on the cores and on the GPU."""
    rows = [row for one in read(POLICY) for row in one if row.get("pass") == "training step"]
    return [
        Series(
            "policy", row["inputs"], library, "seconds per step",
            values=(float(row[column]) * MICROSECOND,),
            axis=f"inputs, batch {row['batch']}", point=float(row["inputs"]),
        )
        for row in rows
        for library, column in ENGINES.items()
    ]  # fmt: skip


def page() -> str:
    """Return the page."""
    found = read(STEPS)
    steps = of(found, CASE, OURS, "PyTorch graph")
    limits = [CASE, "measured", "products, least", "Adam's bytes, least", "share of the limit"]
    return TEMPLATE.format(
        steps=_selected(steps, CASE, OURS, *PEERS, *RATIOS),
        slower="; ".join(_slower(steps)),
        limits=table(limits, [limit_row(row) for row in steps]),
        fashion=_selected(of(found, "trained by"), *FASHION_COLUMNS),
        kernels=_selected(of(found, "kernel", "cuda resident"), *KERNEL_COLUMNS),
    )


def _selected(rows: Sequence[Row], *columns: str) -> str:
    return table(columns, [[row.get(name, "") for name in columns] for row in rows])


def _slower(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row[CASE]} ({peer} {row[ratio]}{', whose results are WRONG' * ('WRONG' in row[peer])})"
        for row in rows
        for ratio, peer in RATIOS.items()
        if row.get(ratio) and float(row[ratio].rstrip("x")) < 1
    ]


def pictures() -> dict[str, bytes]:
    """Return the plots by file name."""
    steps = plots.plot(step_series(of(read(STEPS), CASE, OURS, "PyTorch graph")))
    widths = policy_curves()
    axes = list(dict.fromkeys(one.axis for one in widths))
    assert steps is not None
    return {
        "machine-h100-steps.png": steps,
        "machine-h100-widths.png": plots.curves(widths, list(ENGINES), axes),
    }


def main() -> int:
    """Write page and plots."""
    for name, picture in pictures().items():
        replace_file(RESULTS / name, picture)
    replace_file(RESULTS / PAGE, page().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
