"""`netts evaluate` repeats the report on another table; `netts inspect` says what a file holds."""

from __future__ import annotations

import json
import re

import pytest
from messy_tables import messy_rows, write_csv

import netts as package
from netts.cli import main
from netts.errors import InterruptedFitWarning
from netts.training import Callback


@pytest.fixture
def model(flats, tmp_path):
    path = tmp_path / "flats.netts"
    arguments = ["train", flats, "--target", "Klasse", "--out", path, "--quiet"]
    assert main(list(map(str, arguments))) == 0
    return path


def test_evaluate_prints_the_report_of_another_table(capsys, model, tmp_path):
    capsys.readouterr()
    table = write_csv(tmp_path / "other.csv", messy_rows(90, seed=2))
    assert main(["evaluate", str(model), str(table)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"on the 90 rows of {table}:\n")
    assert float(re.search(r"accuracy +([\d.]+)", printed)[1]) > 0.8


def test_evaluate_needs_the_target(capsys, model, new_flats):
    assert main(["evaluate", str(model), str(new_flats)]) == 1
    assert "lacks 'Preis'" in capsys.readouterr().err


def test_evaluate_names_a_label_that_the_model_does_not_know(capsys, model, tmp_path):
    rows = messy_rows(30, seed=2)
    rows[5][7] = "gratis"
    assert main(["evaluate", str(model), str(write_csv(tmp_path / "other.csv", rows))]) == 1
    assert capsys.readouterr().err == (
        "netts: the target has the label 'gratis', which is none of the classes that the model "
        "knows: günstig, mittel, teuer\n"
    )


def test_evaluate_takes_a_bundled_table(capsys, tmp_path):
    path = tmp_path / "diabetes.netts"
    assert main(["train", "diabetes", "--out", str(path), "--epochs", "3", "--quiet"]) == 0
    assert main(["evaluate", str(path), "diabetes"]) == 0
    assert "on the 442 rows of diabetes:\nRMSE" in capsys.readouterr().out


def test_inspect_says_what_was_learned_from_what(capsys, model):
    capsys.readouterr()
    assert main(["inspect", str(model)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{model}: table model, ")
    for part in (
        f"written by netts {package.__version__}, python 3.",
        "learned 'Klasse' (classification) from 7 columns\n3 classes: günstig, mittel, teuer\n",
        "Größe (m²)   number ",
        "network: 14-64-32-3 units, relu, 3,139 parameters of float64",
        "trained for 100 epochs in ",
        "on the rows held back from training:\n",
    ):
        assert part in printed
    assert re.search(r"^loss: [\d.]+ [▁-█]{24} [\d.]+$", printed, re.MULTILINE)


def test_inspect_describes_networks_and_estimators_too(capsys, tmp_path):
    network = package.Network([package.layers.Dense(2)]).build(3, random_state=0)
    network.save(tmp_path / "network.netts")
    assert main(["inspect", str(tmp_path / "network.netts")]) == 0
    assert network.summary() in capsys.readouterr().out
    estimator = package.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="hasn't converged"):
        estimator.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    estimator.save(tmp_path / "mlp.netts")
    assert main(["inspect", str(tmp_path / "mlp.netts")]) == 0
    assert "network: 1-4-1 units, relu, 13 parameters" in capsys.readouterr().out


def test_inspect_describes_an_estimator_that_was_interrupted_before_it_learned(capsys, tmp_path):
    class Interrupt(Callback):
        def on_fit_begin(self, trainer):
            raise KeyboardInterrupt

    estimator = package.MLPRegressor(
        hidden_layer_sizes=(4,), callbacks=[Interrupt()], random_state=0
    )
    with pytest.warns(InterruptedFitWarning):
        estimator.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    estimator.save(tmp_path / "mlp.netts")
    assert main(["inspect", str(tmp_path / "mlp.netts")]) == 0
    printed = capsys.readouterr().out
    assert "trained for 0 epochs" in printed
    assert "until it was interrupted" in printed


def test_inspect_gives_the_header_as_json(capsys, model):
    capsys.readouterr()
    assert main(["inspect", str(model), "--json"]) == 0
    header = json.loads(capsys.readouterr().out)
    assert (header["kind"], header["format"]) == ("table_model", 1)
    assert len(header["checksum"]) == 64


def test_inspect_names_a_damaged_file(capsys, model):
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    assert main(["inspect", str(model)]) == 1
    assert "damaged" in capsys.readouterr().err


def test_evaluate_writes_a_page_and_all_numbers(capsys, model, tmp_path):
    pytest.importorskip("matplotlib")
    table = write_csv(tmp_path / "other.csv", messy_rows(90, seed=2))
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    arguments = ["evaluate", model, table, "--report", page, "--json", numbers]
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 0
    captured = capsys.readouterr()
    assert f"wrote the report to {page} (" in captured.err
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["n_samples"] == 90
    assert found["report"]["classes"][0]["label"] == "günstig"
    assert f"{found['report']['mcc']:.3f}" in captured.out
    html = page.read_text(encoding="utf-8")
    assert "How Klasse is predicted" in html
    assert "günstig" in html
    assert "Learning" in html  # how it was trained is in the model file


def test_evaluate_takes_a_target_of_another_name(capsys, model, tmp_path):
    rows = messy_rows(90, seed=2)
    same = write_csv(tmp_path / "same.csv", rows)
    rows[0] = ["kategorie" if name == "Klasse" else name for name in rows[0]]
    renamed = write_csv(tmp_path / "renamed.csv", rows)
    capsys.readouterr()
    assert main(["evaluate", str(model), str(same)]) == 0
    expected = capsys.readouterr().out.splitlines()[1:]
    assert main(["evaluate", str(model), str(renamed), "--target", "kategorie"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == expected
    assert main(["evaluate", str(model), str(renamed), "--target", "katgorie"]) == 1
    assert "lacks 'katgorie', which the model needs; it has 'kategorie'" in capsys.readouterr().err


def test_evaluate_needs_two_names_for_two_files(capsys, model, tmp_path):
    pytest.importorskip("matplotlib")
    one = str(tmp_path / "one")
    table = write_csv(tmp_path / "other.csv", messy_rows(30, seed=2))
    assert main(["evaluate", str(model), str(table), "--report", one, "--json", one]) == 1
    assert "choose two files" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "kind"), [("--report", "HTML page"), ("--json", "JSON text")])
def test_evaluate_replaces_no_other_file(capsys, model, tmp_path, option, kind):
    pytest.importorskip("matplotlib")
    table = write_csv(tmp_path / "other.csv", messy_rows(30, seed=2))
    before = table.read_bytes()
    assert main(["evaluate", str(model), str(table), option, str(table)]) == 1
    assert f"other.csv is no {kind}, and would be replaced by one" in capsys.readouterr().err
    assert table.read_bytes() == before
