"""`netts predict`: a messy table, another process, another directory, and what does not fit."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from messy_tables import messy_rows, write_csv

import netts as package
from netts.cli import main


@pytest.fixture
def model(flats, tmp_path):
    """Train on the messy table; return the model file."""
    path = tmp_path / "flats.netts"
    arguments = ["train", flats, "--target", "Klasse", "--ignore", "Preis", "--out", path]
    assert main([*map(str, arguments), "--quiet"]) == 0
    return path


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def predicted(capsys, *arguments) -> tuple[list[list[str]], str]:
    """Run `netts predict` here and return its rows and what it said on standard error."""
    capsys.readouterr()
    assert main(["predict", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    return read_csv(captured.out), captured.err


def refused(capsys, *arguments) -> str:
    capsys.readouterr()
    assert main(["predict", *map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_new_process_elsewhere_predicts_the_same_to_the_last_bit(
    netts, model, new_flats, tmp_path, capsys
):
    here, _ = predicted(capsys, model, new_flats, "--proba")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = netts("predict", model, new_flats, "--proba", directory=elsewhere)
    assert (done.returncode, read_csv(done.stdout)) == (0, here)


def test_a_minus_is_what_is_piped_in(netts, model, new_flats, capsys):
    here, _ = predicted(capsys, model, new_flats)
    done = netts("predict", model, "-", stdin=new_flats.read_text())
    assert (done.returncode, read_csv(done.stdout)) == (0, here)


def test_the_same_as_before_it_was_saved_to_the_last_bit(flats, new_flats, tmp_path):
    from netts.data import read_table
    from netts.data.reading import read_again
    from netts.estimators import MLPRegressor, TableModel

    table = read_table(flats, "Preis")
    model = TableModel(MLPRegressor(random_state=0, max_iter=5, n_iter_no_change=9))
    with pytest.warns(UserWarning, match="hasn't converged"):
        model.fit(table, table.y)
    rows = write_csv(tmp_path / "again.csv", messy_rows(80, seed=3))
    used = {column.name for column in model.encoder_.columns_}
    columns = read_again(rows, table.reading, used, with_target=False).columns
    model.save(tmp_path / "m.netts")
    loaded = package.load(tmp_path / "m.netts")
    model.encoder_.handle_unknown = loaded.encoder_.handle_unknown = "ignore"
    np.testing.assert_array_equal(loaded.predict(columns), model.predict(columns))


def test_one_prediction_is_written_for_each_row(capsys, model, new_flats):
    rows, said = predicted(capsys, model, new_flats)
    assert rows[0] == ["Klasse"]
    assert len(rows) == 61
    assert {row[0] for row in rows[1:]} == {"teuer", "mittel", "günstig"}
    assert said == ""


def test_the_predictions_are_good(capsys, model, new_flats):
    rows, _ = predicted(capsys, model, new_flats)
    truth = [row[7] for row in messy_rows(60, seed=1)[1:]]
    assert np.mean([row[0] == label for row, label in zip(rows[1:], truth, strict=True)]) > 0.75


def test_probabilities_stand_beside_the_most_probable_class(capsys, model, new_flats):
    rows, _ = predicted(capsys, model, new_flats, "--proba")
    assert rows[0] == [
        "Klasse", "probability of günstig", "probability of mittel", "probability of teuer",
    ]  # fmt: skip
    for row in rows[1:]:
        probabilities = list(map(float, row[1:]))
        assert sum(probabilities) == pytest.approx(1)
        assert row[0] == ["günstig", "mittel", "teuer"][int(np.argmax(probabilities))]


def test_columns_may_come_in_another_order(capsys, model, new_flats, tmp_path):
    rows = [row[:6] for row in messy_rows(60, seed=1)]
    mixed = write_csv(tmp_path / "mixed.csv", [row[::-1] for row in rows], delimiter=",")
    assert predicted(capsys, model, mixed)[0] == predicted(capsys, model, new_flats)[0]


def test_additional_columns_are_named(capsys, model, tmp_path):
    rows = [[*row[:6], "x", "7"] for row in messy_rows(9, seed=1)]
    rows[0][6:] = ["Hund", "Katze"]
    _, said = predicted(capsys, model, write_csv(tmp_path / "more.csv", rows))
    assert said == "netts: not used, as the model was trained without: 'Hund', 'Katze'\n"


def test_a_column_that_nothing_was_learned_from_may_be_missing(capsys, model, tmp_path):
    rows = [row[:5] for row in messy_rows(9, seed=1)]
    assert len(predicted(capsys, model, write_csv(tmp_path / "less.csv", rows))[0]) == 10


def test_missing_columns_are_named_with_those_that_there_are(capsys, model, tmp_path):
    rows = [[row[0], *row[4:6]] for row in messy_rows(9, seed=1)]
    path = write_csv(tmp_path / "less.csv", rows)
    message = refused(capsys, model, path)
    assert message.startswith(
        f"netts: {path} lacks 'Ort', 'Baujahr', 'Garten', which the model needs; it has 'Not"
    )


def test_a_category_never_seen_is_named_with_its_line(capsys, model, tmp_path):
    rows = [row[:6] for row in messy_rows(20, seed=5)]
    rows[7][1] = rows[9][1] = "Ulm"
    _, said = predicted(capsys, model, write_csv(tmp_path / "ulm.csv", rows))
    assert said == (
        "netts: warning: column 'Ort' has 'Ulm' in 2 rows, the first line 8, which no row trained "
        "on had: it counts as none of the categories known\n"
    )


def test_a_cell_that_is_no_number_is_refused_with_its_line(capsys, model, tmp_path):
    rows = [row[:6] for row in messy_rows(9, seed=1)]
    rows[3][0] = "wide"
    path = write_csv(tmp_path / "bad.csv", rows)
    assert refused(capsys, model, path) == (
        f"netts: {path}, line 4, column 'Größe (m²)': 'wide' is not a number with a decimal comma, "
        "as the others of this column are\n"
    )


def test_predictions_of_a_regression_read_back_to_the_last_bit(capsys, flats, tmp_path):
    model = tmp_path / "price.netts"
    arguments = ["train", flats, "--target", "Preis", "--out", model, "--epochs", "5", "--quiet"]
    assert main(list(map(str, arguments))) == 0
    rows, _ = predicted(capsys, model, flats)
    assert rows[0] == ["Preis"]
    values = [float(row[0]) for row in rows[1:]]
    assert [repr(value) for value in values] == [row[0] for row in rows[1:]]
    assert "quantities, which have no probabilities" in refused(capsys, model, flats, "--proba")


def test_out_writes_a_file_instead(capsys, model, new_flats, tmp_path):
    rows, _ = predicted(capsys, model, new_flats)
    nothing, said = predicted(capsys, model, new_flats, "--out", tmp_path / "predictions.csv")
    assert nothing == []
    assert said == f"netts: wrote 60 predictions to {tmp_path / 'predictions.csv'}\n"
    assert read_csv((tmp_path / "predictions.csv").read_text(encoding="utf-8")) == rows


def test_out_never_replaces_the_table_or_the_model(capsys, model, new_flats):
    before = model.read_bytes(), new_flats.read_bytes()
    for source in (model, new_flats):
        assert "would replace" in refused(capsys, model, new_flats, "--out", source)
    assert (model.read_bytes(), new_flats.read_bytes()) == before


def test_a_table_without_header_is_read_by_places(capsys, tmp_path):
    lines = [f"{k % 7},{k % 5},{'ab'[k % 7 > 3]}" for k in range(70)]
    table, new = tmp_path / "bare.csv", tmp_path / "new.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    new.write_text("\n".join(line[:-2] for line in lines), encoding="utf-8")
    model = tmp_path / "bare.netts"
    assert main(["train", str(table), "--out", str(model), "--quiet"]) == 0
    rows, _ = predicted(capsys, model, new)
    assert rows == predicted(capsys, model, table)[0]
    assert rows[0] == ["column_3"]
    new.write_text("1\n2\n", encoding="utf-8")
    assert "has no header and 1 columns, but the model was trained on 3" in refused(
        capsys, model, new
    )


def test_a_network_without_columns_is_the_wrong_kind(capsys, tmp_path, new_flats):
    path = tmp_path / "network.netts"
    package.Network([package.layers.Dense(2)]).build(3, random_state=0).save(path)
    message = refused(capsys, path, new_flats)
    assert re.search(r"network\.netts holds a Network and not how its table was read", message)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04rest", b"\0" * 100])
def test_what_is_no_model_is_named(capsys, tmp_path, new_flats, content):
    path = tmp_path / "no.netts"
    path.write_bytes(content)
    message = refused(capsys, path, new_flats)
    assert message.startswith(f"netts: {path} is ")
    assert "Traceback" not in message


def test_a_missing_model_and_a_missing_table_are_named(capsys, model, new_flats, tmp_path):
    assert "there is no file" in refused(capsys, tmp_path / "flat.netts", new_flats)
    assert "there is no file" in refused(capsys, model, tmp_path / "none.csv")
