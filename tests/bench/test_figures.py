"""Every figure of speed in the documentation stands in a file of bench/results/."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import blocks, untraced

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

SETTINGS = {
    "docs/architecture.md": {
        "0.1 s": "how often a replay looks at its stop word",
        "1.2 s": "what estimates take for starting CUDA (GpuCosts.start)",
        "1.1 times": "by how much a GPU must be faster to be chosen",
        "30 s": "from when on a trial pays",
    },
    "docs/task-graph.md": {"0.1 seconds": "how often a replay looks at its stop word"},
    "docs/training.md": {"0.1 seconds": "how often a replay looks at its stop word"},
}
"""Figures that are no measurements, and what they are."""


def read(name: str) -> str | None:
    path = RESULTS / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_figure_of_a_page_stands_in_the_results_that_its_section_names(path):
    page = path.read_text(encoding="utf-8")
    assert untraced(page, read, SETTINGS.get(name_of(path), {})) == []


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_that_is_excepted_stands_on_its_page(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    found = {figure.text for block in blocks(page) for figure in block.figures}
    assert set(SETTINGS[name]) <= found


RESULT = """
# Steps

| net | ours | theirs |
|---|---|---|
| small | 3.1 us | 233.6 us (74.3x) |
| large | 1,112.8 us | 2.77 ms (2.5x) |

A fit took 0.492 s, 12 to 15 ms of it imports, and 1.77 times as long before.

| epoch | seconds |
|---|---|
| 1 | 14.6 |
"""


def about(text: str, settings: tuple[str, ...] = ()) -> list[str]:
    page = f"# Page\n\nOf `bench/results/steps.md`:\n\n{text}\n"
    return untraced(page, {"steps.md": RESULT}.get, settings)


@pytest.mark.parametrize(
    "text",
    [
        "A step takes 3.1 us, 74x less.", "234 us, 0.49 s, 15 seconds an epoch.",
        "| small | 3.1 us | 0.234 ms (74x) |", "1.11 ms; ~2.8 ms", "13x28 images, 3 x 4",
        "12 to 15 ms, 1.8 times as long", "| epoch | seconds |\n|---|---|\n| first | 15 |",
        "```\n9 ms\n```\n\nand `9 ms`", "1,113 us", "version 3.11 of 2026",
    ],
)  # fmt: skip
def test_a_figure_that_rounds_one_of_the_results_is_traced(text):
    assert about(text) == []


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("A step takes 3.2 us.", "3.2 us"), ("It is 75x faster.", "75x"), ("3.1 ms", "3.1 ms"),
        ("234.0 us", "234.0 us"), ("12 to 16 ms", "16 ms"), ("1.9 times as long", "1.9 times"),
        ("| epoch | seconds |\n|---|---|\n| first | 16 |", "16 seconds"),
        ("0.5 minutes", "0.5 minutes"),
    ],
)  # fmt: skip
def test_a_figure_that_is_stale_is_named(text, figure):
    assert about(text) == [f"{figure}: not in steps.md"]


def test_figures_of_a_row_come_from_one_row():
    assert about("3.1 us here and 2.77 ms there") == []
    assert about("| mixed | 3.1 us | 2.77 ms |") == ["2.77 ms: not in steps.md"]


def test_a_figure_of_a_section_without_results_is_refused():
    page = "# One\n\n`bench/results/steps.md`\n\n# Two\n\nIt takes 3.1 us."
    (wrong,) = untraced(page, {"steps.md": RESULT}.get)
    assert wrong.startswith("3.1 us: not in a section that names no file")


def test_a_file_that_does_not_exist_is_named():
    assert untraced("bench/results/none.md", {}.get) == ["bench/results/none.md does not exist"]


def test_a_setting_is_no_figure():
    assert about("every 0.1 s", ("0.1 s",)) == []
    assert about("every 0.1 s, 0.2 s", ("0.1 s",)) == ["0.2 s: not in steps.md"]
