"""What `import netts` loads, in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

import netts

HEAVY = (
    "numpy",
    "numba",
    "scipy",
    "sklearn",
    "rich",
    "torch",
    "pandas",
    "cupy",
    "jax",
    "matplotlib",
)


def modules_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_netts_loads_nothing_heavy():
    assert not modules_after("import netts") & set(HEAVY)


def test_the_estimators_load_neither_numba_nor_cuda_nor_another_framework():
    loaded = modules_after("from netts import MLPClassifier, Network, TaskGraph, Trainer")
    assert "numba" not in loaded  # 0.4 s that only a process that compiles has to spend
    # scikit-learn itself imports rich, and pandas where it is installed.
    assert not loaded & {"torch", "cupy", "jax", "matplotlib"}
    assert not any(name.startswith(("cuda.", "nvmath")) for name in loaded)


def test_auto_loads_nothing_of_cuda_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("NETTS_DEVICE", raising=False)
    loaded = modules_after(
        "import numpy as np\nfrom netts import MLPClassifier\n"
        "model = MLPClassifier((3,), max_iter=1, early_stopping=True)\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "model.fit(np.eye(40), np.arange(40) % 2).predict(np.eye(40))\n"
        "assert model.device_ == 'cpu', model.device_"
    )
    assert not any(
        name.startswith(("cuda", "numba_cuda", "numba.cuda.", "nvmath")) for name in loaded
    )


@pytest.mark.parametrize("name", netts.__all__)
def test_every_public_name_can_be_loaded(name):
    assert getattr(netts, name) is not None


@pytest.mark.parametrize("package", [netts, netts.data, netts.layers, netts.training])
def test_what_a_package_shows_can_be_loaded(package):
    shown = dir(package)
    assert set(package.__all__) <= set(shown)
    assert len(set(shown)) == len(shown)
    for name in shown:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("module", ["data", "errors", "evaluation", "layers", "losses", "testing"])
def test_modules_are_names_of_netts_without_an_import_of_their_own(module):
    loaded = modules_after(f"import netts\nnetts.{module}")
    assert f"netts.{module}" in loaded
    assert f"netts.{module}" not in modules_after("import netts")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'netts' has no attribute 'nothing'"):
        _ = netts.nothing


def test_python_suggests_the_name_that_was_meant():
    with pytest.raises(AttributeError) as caught:
        _ = netts.layers.Conv2d
    assert caught.value.name == "Conv2d"
    assert "Conv2D" in dir(caught.value.obj)
