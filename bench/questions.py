"""What can be asked of netts's speed, by name, and the one command that answers it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.size import SMOKE, VARIABLE

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
ALL = "all"


@dataclass(frozen=True)
class Question:
    """A question and the file that answers it.

    Attributes
    ----------
    asks : str
    file : str
        In bench/: a suite of pytest-benchmark, which writes JSON, or a script, which prints
        Markdown.
    """

    asks: str
    file: str

    @property
    def is_suite(self) -> bool:
        """Return whether it is a suite of pytest-benchmark."""
        return self.file.startswith("test_")


QUESTIONS = {
    "kernels": Question("naive loops beside NumPy's and PyTorch's products", "test_kernels.py"),
    "training_step": Question("a training step of dense networks", "test_training_step.py"),
    "cnn_step": Question("a training step of convolutional networks", "test_cnn_step.py"),
    "epochs": Question("an epoch of a training that goes on", "test_epochs.py"),
    "fits": Question("a whole fit at scikit-learn's defaults", "test_fits.py"),
    "predictions": Question("predictions of one row, of a million", "test_predictions.py"),
    "startup": Question("import and first fit, cold and warm", "test_startup.py"),
    "memory": Question("the peak memory of a fit", "test_memory.py"),
    "device_choice": Question('what device="auto" costs', "test_device_choice.py"),
    "scaling": Question("curves in batch, width, depth, rows, cores", "test_scaling.py"),
    "fashion": Question("Fashion-MNIST: accuracy and seconds by epoch", "fashion.py"),
    "graph_networks": Question("networks that are graphs: accuracy", "graph_networks.py"),
    "quality": Question("test scores at scikit-learn's defaults", "quality.py"),
    "tables": Question("`netts train` beside a pipeline of scikit-learn", "tables.py"),
    "streaming_images": Question("images that do not fit in memory", "streaming_images.py"),
    "blas_libraries": Question("products by NumPy's BLAS and by SciPy's", "blas_libraries.py"),
    "small_products": Question("small products, turned or cut", "small_products.py"),
    "contraction_rule": Question("whether loops or BLAS are chosen well", "contraction_rule.py"),
    "train_defaults": Question("which settings `netts train` has", "train_defaults.py"),
    "train_penalty": Question("how strong `netts train` penalises weights", "train_penalty.py"),
}
"""Those that need a GPU are run by bench/gpu/run.sh."""

SUITES = [name for name, one in QUESTIONS.items() if one.is_suite]


def ask(
    names: Sequence[str], json: Path, options: Sequence[str] = (), *, smoke: bool = False
) -> int:
    """Run suites and write one JSON file of all, or run a script; return the exit status.

    The file is written when all have run, and not at all if pytest could not run them.

    Raises
    ------
    BenchError
        If a question is not known, a script is asked for together with others, or no case has run.
    """
    chosen = SUITES if list(names) == [ALL] else list(names)
    unknown = [name for name in chosen if name not in QUESTIONS]
    if unknown:
        raise BenchError(
            f"there is no question {unknown[0]!r}; `python -m bench list` names them: "
            f"{', '.join([*QUESTIONS, ALL])}"
        )
    scripts = [name for name in chosen if not QUESTIONS[name].is_suite]
    environment = os.environ | ({VARIABLE: SMOKE} if smoke else {})
    if not scripts:
        return _run_suites(chosen, json, options, environment)
    if len(chosen) > 1 or smoke:
        raise BenchError(f"{scripts[0]} is a script that prints Markdown: run it by itself, whole")
    module = f"bench.{Path(QUESTIONS[scripts[0]].file).stem}"
    command = [sys.executable, "-m", module, *options]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _run_suites(
    names: Sequence[str], json: Path, options: Sequence[str], environment: dict[str, str]
) -> int:
    if not json.resolve().parent.is_dir():
        raise BenchError(f"{json} cannot be written: its folder does not exist")
    with tempfile.TemporaryDirectory(dir=json.resolve().parent, prefix=".bench-") as folder:
        written = Path(folder) / "rounds.json"
        command = [sys.executable, "-m", "pytest", "-m", "bench", "-q", "--benchmark-quiet"]
        command += [str(FOLDER / QUESTIONS[name].file) for name in names]
        command += [f"--benchmark-json={written}", "-W", "ignore:Not saving anything", *options]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if written.exists() and written.stat().st_size:
            written.replace(json)
        elif status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise BenchError(
                f"no case of {', '.join(names)} has run: all were skipped or deselected, and "
                f"{json} is not written"
            )
    return status
