"""`netts train` for real: it learns, reports, and refuses what it cannot use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

import netts.cli.train
from netts.cli import main
from netts.data import find_table
from netts.data.datasets import dataset_path
from netts.errors import InterruptedFitWarning
from netts.training import Callback

NO_UNITS = "is not a list of units such as 64 or 64,32 (0 for no hidden layer)"


@pytest.fixture(autouse=True)
def own_directory(tmp_path, monkeypatch):
    """Write models where no other test does."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def score(printed: str, name: str) -> float:
    """Read one score off a report."""
    return float(re.search(rf"^{name} +(-?[\d.]+)", printed, re.MULTILINE)[1])


@pytest.fixture
def table_file(tmp_path):
    """Write a small CSV of two classes that a line divides; give its path."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 2))
    lines = [f"{a:.3f};{b:.3f};{'up' if a + b > 0 else 'down'}" for a, b in X]
    path = tmp_path / "sides.csv"
    path.write_text("a;b;side\n" + "\n".join(lines), encoding="utf-8")
    return path


def test_iris_is_learned_and_everything_is_said(capsys):
    assert main(["train", "iris"]) == 0
    captured = capsys.readouterr()
    data, columns, training, report, saved = captured.out.split("\n\n", 4)
    assert data.splitlines() == [
        "iris: 150 rows, 4 columns, separated by commas, utf-8",
        "target 'species': 3 classes (setosa 50, versicolor 50, virginica 50)",
        "training on 120 rows, 30 held back",
    ]
    assert [line.partition(" (cm)")[0] for line in columns.splitlines()[2:]] == [
        "sepal length", "sepal width", "petal length", "petal width",
    ]  # fmt: skip
    assert re.fullmatch(
        r"trained a 4-64-32-3 network for \d+ epochs on \w+ in [\d.]+ s, loss [\d.e-]+", training
    )
    assert report.startswith("on the 30 rows held back:\n")
    assert score(captured.out, "accuracy") >= 0.93
    assert re.search(
        r"^saved iris.netts \(\d+ kB\); predict with: netts predict iris.netts TABLE$",
        saved,
        re.MULTILINE,
    )
    assert captured.err == ""


@pytest.mark.parametrize(("name", "least"), [("wine", 0.94), ("breast_cancer", 0.92)])
def test_the_bundled_classifications_are_learned(capsys, name, least):
    assert main(["train", name, "--quiet"]) == 0
    assert score(capsys.readouterr().out, "accuracy") >= least


@pytest.mark.slow
def test_digits_are_learned(capsys):
    assert main(["train", "digits", "--quiet"]) == 0
    assert score(capsys.readouterr().out, "accuracy") >= 0.95


def test_diabetes_is_learned_in_the_targets_own_unit(capsys):
    assert main(["train", "diabetes", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert score(printed, "R2") > 0.2
    spread = find_table("diabetes").y.std()
    assert 0.3 * spread < score(printed, "RMSE") < spread


def test_a_file_is_learned_and_its_target_may_be_chosen(capsys, table_file):
    assert main(["train", str(table_file), "--target", "side"]) == 0
    printed = capsys.readouterr().out
    assert "target 'side': 2 classes" in printed
    assert score(printed, "accuracy") >= 0.8


def test_the_task_may_be_chosen(capsys):
    arguments = ["train", "digits", "--task", "regression", "--epochs", "2", "--quiet"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("RMSE")


def test_quiet_prints_the_report_only(capsys, table_file):
    assert main(["train", str(table_file), "--quiet", "--epochs", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.lstrip().startswith("precision")
    assert captured.out.splitlines()[-1].startswith("Brier score")
    assert captured.err == ""


def test_the_same_seed_prints_the_same_report(capsys, table_file):
    arguments = ["train", str(table_file), "--quiet", "--epochs", "5", "--seed", "7"]
    reports = []
    for _ in range(2):
        assert main(arguments) == 0
        reports.append(capsys.readouterr().out)
    assert reports[0] == reports[1]


def test_hidden_layers_epochs_and_test_size_are_as_asked(capsys, table_file):
    options = ["--hidden", "5,3,2", "--epochs", "2", "--test-size", "0.5"]
    assert main(["train", str(table_file), *options]) == 0
    printed = capsys.readouterr().out
    assert "training on 30 rows, 30 held back" in printed
    # One output decides between two classes.
    assert "trained a 2-5-3-2-1 network for 2 epochs" in printed


def test_the_solver_is_as_asked_and_kept(capsys, table_file, own_directory):
    options = ["--solver", "lbfgs", "--epochs", "5", "--out", "m.netts"]
    assert main(["train", str(table_file), *options]) == 0
    assert "for 5 epochs on" in capsys.readouterr().out
    assert main(["inspect", "m.netts"]) == 0
    history = netts.load("m.netts").estimator_.history_
    assert (history.stopped_by, history.outcome.status) == ("epochs", 1)


def test_ctrl_c_in_training_still_reports_and_exits_with_130(monkeypatch, capsys, table_file):
    class InterruptedClassifier(netts.cli.train.MLPClassifier):
        def fit(self, X, y, sample_weight=None):
            super().fit(X, y, sample_weight)
            warnings.warn("the model of epoch 2 is kept", InterruptedFitWarning, stacklevel=2)
            return self

    monkeypatch.setattr(netts.cli.train, "MLPClassifier", InterruptedClassifier)
    assert main(["train", str(table_file), "--epochs", "2", "--no-save"]) == 130
    captured = capsys.readouterr()
    assert captured.err == "netts: warning: the model of epoch 2 is kept\n"
    assert score(captured.out, "accuracy") > 0


def test_ctrl_c_before_an_epoch_has_ended_leaves_the_model_that_was_there(
    monkeypatch, capsys, table_file, own_directory
):
    model = own_directory / "m.netts"
    assert main(["train", str(table_file), "--epochs", "2", "--out", "m.netts"]) == 0
    before = model.read_bytes()
    capsys.readouterr()

    class Interrupt(Callback):
        def on_fit_begin(self, trainer):
            raise KeyboardInterrupt

    monkeypatch.setattr(netts.cli.train, "_callbacks", lambda _options: [Interrupt()])
    options = ["--out", "m.netts", "--report", "r.html"]
    assert main(["train", str(table_file), *options]) == 130
    captured = capsys.readouterr()
    assert captured.err == (
        "netts: warning: training was interrupted: the network has the weights it began with\n"
        "netts: no epoch had ended: nothing was learned, and nothing is reported or saved\n"
    )
    assert "accuracy" not in captured.out
    assert model.read_bytes() == before
    assert not (own_directory / "r.html").exists()


def test_sigint_ends_a_training_that_runs_with_a_report():
    program = """
        import math, os, signal, sys, threading
        import netts.cli.train
        from netts.cli import main
        from netts.training import Callback

        class Signal(Callback):
            def on_fit_begin(self, trainer):
                kill = lambda: os.kill(os.getpid(), signal.SIGINT)
                threading.Timer(0.3, kill).start()

        class Endless(netts.cli.train.MLPClassifier):
            def fit(self, X, y, sample_weight=None):
                self.set_params(n_iter_no_change=math.inf, callbacks=[Signal()])
                return super().fit(X, y)

        netts.cli.train.MLPClassifier = Endless
        sys.exit(main(["train", "iris", "--epochs", "100000000", "--no-save"]))
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 130
    message = r"netts: warning: training was interrupted: the network has the weights of epoch \d+"
    assert re.match(message, found.stderr)
    assert "Traceback" not in found.stderr
    assert score(found.stdout, "accuracy") > 0


def test_a_terminal_sees_a_progress_bar_on_stderr(tmp_path):
    terminal, its_end = os.openpty()
    command = [sys.executable, "-m", "netts", "train", "iris", "--epochs", "5"]
    environment = {**os.environ, "TERM": "xterm", "NETTS_CACHE_DIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=its_end, env=environment
    ) as process:
        os.close(its_end)
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # how Linux tells that the other end of a terminal is closed
            pass
        finally:
            os.close(terminal)
    assert process.returncode == 0
    assert b"compiling for this machine, once" in shown  # the cache is empty
    assert b"epoch" in shown
    assert b"5/5" in shown


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--hidden", "64,x", f"'64,x' {NO_UNITS}"),
        ("--hidden", "64,0", f"'64,0' {NO_UNITS}"),
        ("--epochs", "0", "'0' is not a whole number of at least 1"),
        ("--epochs", "1.5", "'1.5' is not a whole number of at least 1"),
        ("--test-size", "1", "'1' is not a number of at least 0 and below 1"),
        ("--test-size", "some", "'some' is not a number of at least 0 and below 1"),
        ("--learning-rate", "0", "'0' is not a number above 0"),
        ("--learning-rate", "inf", "'inf' is not a number above 0"),
        ("--seed", "-1", "'-1' is not a whole number from 0 to 4294967295"),
        ("--seed", "4294967296", "'4294967296' is not a whole number from 0 to 4294967295"),
    ],
)
def test_a_wrong_option_is_wrong_usage(capsys, option, value, complaint):
    with pytest.raises(SystemExit) as stop:
        main(["train", "iris", f"{option}={value}"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(
        f"netts train: error: argument {option}: {complaint}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["irsi"], "'irsi' is neither a bundled table (did you mean 'iris'?) nor a file here; "),
        (["missing.csv"], "there is no file missing.csv"),
        (["iris", "--target", "specis"], "iris.csv has no column 'specis'; it has 'species', "),
        (["iris", "--test-size", "0.01"], "iris: holding back 2 of 150 rows leaves a part with "),
        (["iris", "--device", "abacus"], "abacus"),
    ],
)
def test_what_cannot_be_done_is_explained_without_a_traceback(capsys, arguments, message):
    assert main(["train", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("netts: ")
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("row", "message"),
    [("1e200,0.5", "column 'a' holds 1e+200, "), ("1,-3e155", "the target holds 3e+155, ")],
)
def test_numbers_too_large_to_standardise_are_refused(capsys, tmp_path, row, message):
    path = tmp_path / "huge.csv"
    path.write_text("a,b\n" + f"{row}\n" * 8 + "0.1,0.2\n0.3,0.4\n", encoding="utf-8")
    assert main(["train", str(path), "--task", "regression", "--quiet"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"netts: {message}")
    assert printed.endswith("in a larger unit\n")


def test_a_messy_table_is_understood_column_by_column(capsys, flats):
    assert main(["train", str(flats), "--target", "Klasse", "--epochs", "3", "--no-save"]) == 0
    printed = capsys.readouterr().out
    kinds = dict(re.findall(r"^(\S.*?)   +(number|category|yes/no|date|ignored) ", printed, re.M))
    assert kinds == {
        "Größe (m²)": "number", "Ort": "category", "Baujahr": "number", "Garten": "yes/no",
        "verkauft": "date", "Notiz": "ignored", "Preis": "number",
    }  # fmt: skip


def test_a_model_goes_where_it_is_asked_to(capsys, table_file, tmp_path, own_directory):
    arguments = ["train", str(table_file), "--epochs", "2", "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "a.netts")]) == 0
    assert main([*arguments, "--no-save"]) == 0
    assert list(own_directory.iterdir()) == []
    assert main(arguments) == 0
    assert [path.name for path in own_directory.iterdir()] == ["sides.netts"]


def test_another_model_is_replaced_but_no_other_file(capsys, table_file):
    arguments = ["train", str(table_file), "--epochs", "2", "--quiet", "--out"]
    for _ in range(2):
        assert main([*arguments, "model.netts"]) == 0
    before = table_file.read_bytes()
    assert main([*arguments, str(table_file)]) == 1
    message = capsys.readouterr().err
    assert "sides.csv is no model file" in message
    assert message.endswith(
        "it would be replaced by the model: choose another --out, or delete it\n"
    )
    assert table_file.read_bytes() == before


@pytest.mark.parametrize("path", ["nowhere/model.netts", "."])
def test_a_place_where_no_model_can_be_is_refused_before_training(capsys, table_file, path):
    assert main(["train", str(table_file), "--epochs", "2", "--out", path]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"netts: {path} ")


def test_nothing_need_be_held_back(capsys, table_file):
    assert main(["train", str(table_file), "--test-size", "0", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "training on 60 rows\n" in printed
    assert "accuracy" not in printed


def test_columns_can_be_ignored_and_numbers_be_categories(capsys, flats):
    arguments = ["--ignore", "Preis", "--ignore", "Notiz", "--category", "Baujahr"]
    arguments += ["--target", "Klasse", "--epochs", "2", "--no-save"]
    assert main(["train", str(flats), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "not used: 'Preis' (as asked), 'Notiz' (as asked)" in printed
    assert re.search(r"^Baujahr +category ", printed, re.MULTILINE)


def test_the_checkouts_own_file_trains_as_the_design_shows(capsys):
    path = dataset_path("iris")
    assert main(["train", str(path), "--target", "species", "--epochs", "2", "--quiet"]) == 0
    assert "virginica" in capsys.readouterr().out


@pytest.fixture
def hostile_file(tmp_path):
    """Write a table whose file, columns and labels are HTML."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 2))
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    labels = ("<script>alert(2)</script>", "</title><b>$\\frac{")
    lines = [f"{a:.3f};{b:.3f};{labels[int(a + b > 0)]}" for a, b in X]
    path.write_text("a;<i>b</i>;<u>side</u>\n" + "\n".join(lines), encoding="utf-8")
    return path


def test_a_report_shows_scores_learning_and_times(capsys, hostile_file, own_directory):
    pytest.importorskip("matplotlib")
    for _ in range(2):  # the second one replaces the first
        assert main(["train", str(hostile_file), "--epochs", "4", "--report", "report.html"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^wrote the report to report.html \(\d+ kB\)$", printed, re.MULTILINE)
    html = (own_directory / "report.html").read_text(encoding="utf-8")
    for heading in (
        "Scores",
        "Confusions",
        "Ranking",
        "Calibration",
        "Learning",
        "Time per operation",
    ):
        assert f">{heading}</h2>" in html
    for name in ("&lt;script&gt;alert(2)", "&lt;u&gt;side&lt;/u&gt;", "&lt;img src=x onerror"):
        assert name in html
    for tag in ("<script", "<img", "<u>", "<b>", "<i>"):
        assert tag not in html


def test_a_report_measures_without_changing_what_is_learned(capsys, table_file):
    pytest.importorskip("matplotlib")
    arguments = ["train", str(table_file), "--epochs", "4", "--quiet"]
    reports = []
    for more in ([], ["--report", "report.html"]):
        assert main([*arguments, *more]) == 0
        reports.append(capsys.readouterr().out)
    assert reports[0] == reports[1]


def test_a_report_where_nothing_is_held_back_shows_the_training(capsys, table_file, own_directory):
    pytest.importorskip("matplotlib")
    options = ["--test-size", "0", "--epochs", "2", "--report", "report.html"]
    assert main(["train", str(table_file), *options]) == 0
    html = (own_directory / "report.html").read_text(encoding="utf-8")
    assert ">Learning</h2>" in html
    assert ">Scores</h2>" not in html


@pytest.mark.parametrize("path", ["nowhere/report.html", "."])
def test_a_report_that_cannot_be_is_refused_before_training(capsys, table_file, path):
    pytest.importorskip("matplotlib")
    assert main(["train", str(table_file), "--report", path]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"netts: {path} ")


def test_a_report_without_its_packages_is_refused_before_training(
    capsys, table_file, own_directory, monkeypatch
):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["train", str(table_file), "--report", "report.html"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("pip install 'netts-engine[report]'\n")
    assert list(own_directory.iterdir()) == []


def test_a_log_and_a_checkpoint_to_go_on_from(own_directory, capsys):
    command = ["train", "iris", "--quiet", "--no-save", "--log", "log.jsonl"]
    command += ["--checkpoint", "run.ckpt"]
    assert main([*command, "--epochs", "3"]) == 0
    assert main([*command, "--epochs", "6", "--resume"]) == 0
    resumed = capsys.readouterr().out
    lines = [json.loads(line) for line in (own_directory / "log.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in lines if one["event"] == "epoch"] == [1, 2, 3, 4, 5, 6]
    assert main(["train", "iris", "--quiet", "--no-save", "--epochs", "6"]) == 0
    assert resumed.endswith(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "name it by --checkpoint FILE"),
        (["--checkpoint", "a", "--solver", "lbfgs"], "solvers that go step by step"),
        (["--checkpoint", "table.csv"], "choose another"),
        (["--log", "none/log"], "cannot be written"),
    ],
)
def test_logs_and_checkpoints_that_cannot_be(options, message, own_directory, capsys):
    (own_directory / "table.csv").write_text("a,b\n1,2\n")
    assert main(["train", "iris", *options]) == 1
    assert message in capsys.readouterr().err
