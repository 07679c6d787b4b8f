"""What stands in docs/ as Python runs, page by page, on data such as the page speaks of.

A block of `output` behind one of `python` is what that prints, `...` standing for anything; blocks
of `pycon` are doctests; those of `console` are commands of `netts` with what they print.
"""

from __future__ import annotations

import doctest
import json
import re
import runpy
import shlex
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from messy_tables import messy_rows, write_csv
from safetensors.numpy import save_file
from test_examples import FLOORS

from netts import Network, initializers, layers, losses, optimizers, schedules
from netts.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}

LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

ELSEWHERE = ("task-graph.md",)
"""Pages with a test of their own: tests/test_task_graph_page.py has a fake GPU, and drawings."""

RUN = ("python", "pycon", "console", "json")


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page: their language, and what stands in them."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def has_code(text: str) -> bool:
    return any(language in RUN for language, _ in blocks(text))


def data(directory: Path) -> dict[str, Any]:
    """A Parquet file, a folder of pictures, and names that the page takes for granted."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pillow = pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(0)
    n = 200
    columns = {
        "size": draw.normal(80, 20, n),
        "year": draw.integers(1950, 2020, n),
        "condition": draw.choice(["poor", "fair", "good"], n),
        "city": draw.choice(["Genf", "Bern", "Chur"], n),
        "price": draw.normal(900, 100, n),
    }
    parquet.write_table(pyarrow.table(columns), directory / "flats.parquet")
    for path in [
        "photos/cat/1.jpg",
        "photos/cat/2.jpg",
        "photos/dog/1.jpg",
        "new/1.jpg",
        "new/2.jpg",
    ]:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(draw.integers(0, 256, (90, 70, 3), np.uint8)).save(directory / path)
    y = np.arange(60) % 3
    return {"y": y, "patient": np.arange(60) // 4, "estimator": _classifier()}


def command_line(directory: Path) -> dict[str, Any]:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    write_csv(directory / "flats.csv", messy_rows(600, seed=0))
    write_csv(directory / "flats_of_next_year.csv", messy_rows(200, seed=3))
    new = [row[:6] for row in messy_rows(5, seed=2)]
    new[-1][1] = "Ulm"
    write_csv(directory / "new.csv", new)
    return {}


def evaluation(_directory: Path) -> dict[str, Any]:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    X = np.random.default_rng(0).normal(size=(90, 4))
    y = np.where(X[:, 0] > 0, "yes", "no")
    return {"X": X[:60], "y": y[:60], "X_test": X[60:], "y_test": y[60:]}


def exchange(directory: Path) -> dict[str, Any]:
    """The weights that a PyTorch model of the page's layers would have saved."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    draw = np.random.default_rng(0)
    norm = "features.norm"
    channels = [f"{norm}.{one}" for one in ("weight", "bias", "running_mean", "running_var")]
    weights = {
        "features.conv.weight": draw.normal(size=(6, 1, 3, 3)),
        "features.conv.bias": draw.normal(size=6),
        **{name: draw.uniform(1, 2, 6) for name in channels},
        "classifier.1.weight": draw.normal(size=(10, 6 * 14 * 14)),
        "classifier.1.bias": draw.normal(size=10),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    weights[f"{norm}.num_batches_tracked"] = np.array(7)
    save_file(weights, directory / "weights.safetensors")
    write_csv(directory / "flats.csv", messy_rows(600, seed=0))
    main(["train", "flats.csv", "--ignore", "Preis", "--quiet"])
    return {}


def large_data(directory: Path) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    np.save(directory / "images.npy", draw.integers(0, 256, (300, 8, 8), np.uint8))
    np.save(directory / "classes.npy", draw.integers(0, 10, 300))
    return {"decode": lambda path: np.zeros(1024, np.float32)}


def _classifier() -> Any:
    from netts import MLPClassifier

    return MLPClassifier((4,), max_iter=2, random_state=0)


STAGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "command-line.md": command_line,
    "data.md": data,
    "evaluation.md": evaluation,
    "exchange.md": exchange,
    "large-data.md": large_data,
}


# As in scikit-learn, so few epochs may be too few to converge; the pages are about other things.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "page", [name for name, text in PAGES.items() if has_code(text) and name not in ELSEWHERE]
)
def test_the_code_of_a_page_does_what_the_page_shows(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where dataclasses look for their names
    vars(module).update(STAGES.get(page, lambda _directory: {})(tmp_path))
    printed = ""
    for number, (language, block) in enumerate(blocks(PAGES[page])):
        if language == "python":
            # A file of its own: a kernel's source is read from where it stands.
            path = tmp_path / f"block_{number}.py"
            path.write_text(block, encoding="utf-8")
            capsys.readouterr()
            exec(compile(block, str(path), "exec"), vars(module))
            printed = capsys.readouterr().out
        elif language == "output":
            assert doctest.OutputChecker().check_output(block, printed, LENIENT), printed
        elif language == "pycon":
            run_session(block, f"{page}, block {number}", vars(module))
        elif language == "console":
            run_commands(block, capsys)
        elif language == "json" and "netts_network" in json.loads(block):
            Network.from_json(block)


def run_session(text: str, name: str, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=LENIENT)
    results = runner.run(test, out=report.append, clear_globs=False)
    assert results.failed == 0, "".join(report)
    names.update(test.globs)


def run_commands(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command, shown in re.findall(r"^\$ netts (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        capsys.readouterr()
        main(shlex.split(command))
        out, err = capsys.readouterr()  # in which order a terminal shows them is not known here
        check = doctest.OutputChecker().check_output
        assert check(shown, out + err, LENIENT) or check(shown, err + out, LENIENT), err + out


def classes(module: types.ModuleType) -> set[str]:
    """Return what a user makes objects of; the rest is for those who write their own."""
    own = {"Layer", "LayerBuffers", "Parameter", "RandomCounters"}
    own |= {"Minimizer", "Optimizer", "OptimizerBuffers", "Outcome", "Progress", "Loss"}
    return {name for name in module.__all__ if isinstance(getattr(module, name), type)} - own


@pytest.mark.parametrize("module", [layers, losses, optimizers, schedules])
def test_every_part_of_a_training_is_on_its_page(module):
    assert not {name for name in classes(module) if f"`{name}" not in PAGES["training.md"]}


@pytest.mark.parametrize(
    "registry",
    [
        layers.ACTIVATIONS,
        losses.LOSSES,
        optimizers.OPTIMIZERS,
        schedules.SCHEDULES,
        initializers.INITIALIZERS,
    ],
)
def test_every_name_that_stands_for_a_part_is_on_its_page(registry):
    assert not {name for name in registry if f'`"{name}"`' not in PAGES["training.md"]}


@pytest.mark.parametrize("page", [*PAGES, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md"])
def test_links_within_the_repository_lead_somewhere(page):
    path = (DOCS / page).resolve()
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), target


def test_the_gallery_runs_the_examples_that_need_nothing_but_netts():
    conf = runpy.run_path(str(DOCS / "conf.py"))
    assert set(conf["EXECUTED"]) == set(FLOORS)
