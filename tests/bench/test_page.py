"""Pages and plots of rounds, and the command that makes them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from bench import plots
from bench.__main__ import main
from bench.errors import BenchError
from bench.measurements import Measured, Series, read
from bench.page import page
from bench.questions import QUESTIONS, ask

ROUNDS = Path(__file__).parent / "rounds"
BEFORE, AFTER = str(ROUNDS / "before.json"), str(ROUNDS / "after.json")
BENCH = Path(__file__).parents[2] / "bench"


def measured(*series: Series) -> Measured:
    return Measured("2026-11-23", "abc", "a machine", {"numpy": "2.4"}, series)


def step(library: str, *values: float, **fields) -> Series:
    return Series("training_step", "a net", library, "seconds per step", values, **fields)


def test_a_page_has_medians_with_spread_and_ratios_to_netts():
    text = page(measured(step("other", 3e-6, 3e-6), step("netts", 1e-6, 2e-6, 3e-6)), "c", {}, "T")
    assert "| seconds per step | netts | other |" in text
    assert "| a net | 2 us ± 25 % | 3 us ± 0 % (1.5x) |" in text
    assert "netts is behind in: none." in text


def test_a_page_says_where_netts_is_behind():
    text = page(measured(step("netts", 2e-6), step("other", 1e-6)), "c", {}, "T")
    assert "netts is behind in: a net (other 0.5x)." in text


def test_a_page_names_machine_versions_commit_and_date():
    text = page(measured(step("netts", 2e-6)), "the command", {}, "Title")
    head = text.split("\n\n")[:3]
    assert head == ["# Title", "`the command`", "a machine, numpy 2.4; commit abc; 2026-11-23."]


def test_what_was_noted_beside_a_time_is_on_the_page():
    noted = step("netts", 2e-6, details={"test score": 0.973684, "epochs": 200})
    text = page(measured(noted), "c", {}, "T")
    assert "| noted beside | library | test score | epochs |" in text
    assert "| a net | netts | 0.9737 | 200 |" in text


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def test_ratios_and_curves_are_plotted_in_few_bytes():
    pytest.importorskip("matplotlib")
    ratios = plots.plot(read(Path(BEFORE)).series)
    curve = [
        step(library, 1e-6 * n, axis="batch", point=n) for library in ("netts", "b") for n in (1, 8)
    ]
    for png in (ratios, plots.plot(curve)):
        assert min(size(png)) > 100
        assert len(png) < 60_000


def test_there_is_no_plot_where_netts_is_compared_with_nobody():
    assert plots.plot([step("netts", 1.0)]) is None
    assert plots.plot([step("a", 1.0), step("b", 1.0)]) is None


def test_report_writes_a_page_and_the_plots_that_it_shows(tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "machine.md"
    assert main(["report", BEFORE, AFTER, "--out", str(out), "--title", "This machine"]) == 0
    text = out.read_text(encoding="utf-8")
    shown = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert text.startswith("# This machine")
    assert "`python -m bench report before.json after.json`" in text
    assert shown == ["machine-predictions.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*shown, "machine.md"]


def test_report_and_compare_print_where_no_file_is_asked_for(capsys):
    assert main(["report", BEFORE]) == 0
    assert "| predict, 1 row |" in capsys.readouterr().out
    assert main(["compare", BEFORE, AFTER]) == 0
    assert "| B / A | verdict |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["report", "none.json"], ["compare", BEFORE, "none.json"], ["run", "nothing"],
     ["run", "fits", "fashion"], ["run", "fashion", "--json", "x.json"],
     ["report", BEFORE, "--out", "no/such/folder/page.md"]],
)  # fmt: skip
def test_a_mistake_is_one_line_and_status_2(capsys, arguments):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("bench: ")
    assert said.count("\n") == 1


def test_a_suite_is_not_run_if_its_file_could_not_be_written(tmp_path):
    with pytest.raises(BenchError, match="its folder does not exist"):
        ask(["fits"], tmp_path / "none" / "fits.json")


def test_every_question_has_its_file_and_every_suite_its_question(capsys):
    assert all((BENCH / one.file).exists() for one in QUESTIONS.values())
    suites = {path.name for path in BENCH.glob("test_*.py")}
    assert suites == {one.file for one in QUESTIONS.values() if one.is_suite}
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"| python -m bench run {name} |" in listed for name in QUESTIONS)
