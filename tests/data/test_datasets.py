"""The bundled tables are scikit-learn's, and found by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets as originals

from netts.data import dataset_names, find_table, load
from netts.data.datasets import dataset_path
from netts.errors import DataFileNotFoundError, UnknownDatasetError


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_a_table_of_classes_is_the_original_with_its_class_names(name):
    table, original = load(name), getattr(originals, f"load_{name}")()
    np.testing.assert_array_equal(table.X, original.data)
    np.testing.assert_array_equal(table.y, original.target_names[original.target])
    assert table.feature_names == tuple(original.feature_names)
    assert (table.name, table.task) == (name, "classification")


def test_digits_is_the_original():
    table, original = load("digits"), originals.load_digits()
    np.testing.assert_array_equal(table.X, original.data)
    np.testing.assert_array_equal(table.y, original.target)
    assert table.task == "classification"


def test_diabetes_is_the_original_in_its_own_units():
    table, original = load("diabetes"), originals.load_diabetes(scaled=False)
    # Older scikit-learns have eleven cells that are off in the last bit (4.803999999999999).
    np.testing.assert_allclose(table.X, original.data, rtol=1e-15)
    np.testing.assert_array_equal(table.y, original.target)
    assert table.task == "regression"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("iris", "species"),
        ("wine", "cultivar"),
        ("breast_cancer", "diagnosis"),
        ("digits", "digit"),
        ("diabetes", "progression"),
    ],
)
def test_targets_have_the_names_of_the_readme(name, target):
    assert load(name).target_name == target


def test_an_unknown_name_is_refused_with_the_nearest_and_all_names():
    message = (
        "there is no bundled table 'irsi' (did you mean 'iris'?); "
        "the bundled ones are iris, wine, breast_cancer, digits, diabetes; "
        "netts.data.read_table reads a file"
    )
    with pytest.raises(UnknownDatasetError, match=f"^{re.escape(message)}$"):
        load("irsi")


def test_a_bundled_name_is_found_with_any_of_its_columns_as_target():
    table = find_table("diabetes", "bmi")
    assert table.target_name == "bmi"
    assert "progression" in table.feature_names


def test_a_bundled_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("iris").write_text("a,t\n1,0.5\n2,1.5\n", encoding="utf-8")
    assert find_table("iris").n_samples == 150
    assert find_table("./iris").n_samples == 2


def test_a_path_is_read_as_a_file():
    assert find_table(str(dataset_path("wine"))).n_samples == 178


def test_a_word_that_is_neither_a_name_nor_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        "'wien' is neither a bundled table (did you mean 'wine'?) nor a file here; "
        "the bundled ones are iris, wine, breast_cancer, digits, diabetes"
    )
    with pytest.raises(UnknownDatasetError, match=f"^{re.escape(message)}$"):
        find_table("wien")


@pytest.mark.parametrize("path", ["missing.csv", "./missing"])
def test_what_looks_like_a_path_is_refused_as_a_missing_file(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataFileNotFoundError, match=r"^there is no file missing"):
        find_table(path)


def test_every_bundled_name_has_its_file():
    assert all(dataset_path(name).is_file() for name in dataset_names())
