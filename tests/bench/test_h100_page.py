"""The H100's page, made from the results that were measured there."""

from __future__ import annotations

import re

import pytest

from bench import h100_page
from bench.limits import work


def test_the_committed_page_is_what_its_results_say():
    committed = (h100_page.RESULTS / h100_page.PAGE).read_text(encoding="utf-8")
    assert committed == h100_page.page(), "after new results: python -m bench.h100_page"


def test_the_page_shows_plots_that_are_there_and_all_plots_are_small():
    shown = re.findall(r"!\[.*?\]\((.*?)\)", h100_page.page())
    pictures = list(h100_page.RESULTS.glob("*.png"))
    assert set(shown) <= {path.name for path in pictures}
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


def test_the_plots_are_made_of_the_results():
    pytest.importorskip("matplotlib")
    assert set(h100_page.pictures()) <= set(re.findall(r"\((.*?\.png)\)", h100_page.page()))
    rows = h100_page.of(h100_page.read(h100_page.STEPS), h100_page.CASE, "netts", "PyTorch graph")
    steps = h100_page.step_series(rows)
    assert ("steps", "4-16-16-3, 16", "netts") in {one.key for one in steps}
    wrong = ("steps", "1024-2048-2048-10, 512", "JAX scan")
    assert wrong not in {one.key for one in steps}


def test_the_work_of_a_step_is_that_of_its_products():
    assert work("3-5-2", 4).flop == 2 * 4 * (3 * (3 * 5 + 5 * 2) - 3 * 5)
    assert work("3-5-2", 4).adam_bytes == 7 * 4 * (4 * 5 + 6 * 2)
    # bench/results/training-step-2026-11-23.md counts these too.
    assert work("1024-2048-2048-10", 512).flop == pytest.approx(17.2e9, rel=0.01)
    assert work("784-256-128-10", 128).flop == pytest.approx(0.13e9, rel=0.02)


def test_the_work_of_convolutions_counts_every_place_of_the_kernel():
    images = work("conv32-conv64-128-10", 1).flop / 2
    convolutions = 2 * (9 * 32 * 784) + 3 * (32 * 9 * 64 * 196)
    assert images == convolutions + 3 * (3136 * 128 + 128 * 10)
