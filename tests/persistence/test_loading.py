"""`netts.load`: the right model, or an error that names the file and what is wrong with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from model_bytes import assemble, take_apart

import netts
from netts import Network, layers
from netts.errors import (
    BrokenModelError,
    ModelFileError,
    ModelFileNotFoundError,
    ModelKindError,
    NewerModelError,
    ParameterError,
)
from netts.persistence import loading, read_model_file
from netts.persistence.saving import versions


@pytest.fixture
def path(tmp_path):
    Network([layers.Dense(2, "relu")]).build(3, random_state=0).save(tmp_path / "model.netts")
    return tmp_path / "model.netts"


def rewrite(path, **changes):
    header, said, data = take_apart(path.read_bytes())
    path.write_bytes(assemble(header, data, said | changes))


def test_every_kind_of_model_has_its_module():
    for kind, module in loading.LOADERS.items():
        assert callable(__import__(module, fromlist=["x"]).from_model_file), kind


def test_reading_makes_no_model(path):
    found = read_model_file(path)
    assert (found.kind, found.versions, found.format) == ("network", versions(), 1)
    assert found.n_bytes == path.stat().st_size
    assert len(found.checksum) == 64
    assert found.versions["numpy"] == np.__version__


@pytest.mark.parametrize("load", [netts.load, read_model_file])
def test_what_is_no_model_file_is_named(path, load):
    directory = path.parent
    with pytest.raises(ModelFileError, match="is a directory: give a file"):
        load(directory)
    with pytest.raises(ModelFileNotFoundError, match=r"modl.netts \(did you mean 'model.netts'\?"):
        load(directory / "modl.netts")
    (directory / "empty").touch()
    with pytest.raises(BrokenModelError, match="empty is empty"):
        load(directory / "empty")
    (directory / "table.netts").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(BrokenModelError, match=r"table.netts is no model file: it is text, such"):
        load(str(directory / "table.netts"))


def test_a_model_of_a_newer_netts_says_so(path):
    rewrite(path, format=2, versions={"netts": "9.9"})
    with pytest.raises(NewerModelError, match=r"model.netts was written by netts 9.9 in format 2;"):
        netts.load(path)


def test_a_model_of_another_kind_is_named(path):
    assert isinstance(netts.load(path, kind="network"), Network)
    with pytest.raises(ModelKindError, match=r"netts holds a network, but a table_model is needed"):
        netts.load(path, kind="table_model")
    with pytest.raises(TypeError):
        netts.load(path, kind="mlp_classifier")
    with pytest.raises(ParameterError, match=r"unknown kind of model 'net' .*'network'"):
        netts.load(path, kind="net")


def test_a_kind_of_another_netts_is_named(path):
    rewrite(path, kind="forest", versions={"netts": "9.9"})
    with pytest.raises(ModelKindError, match=r"'forest', of which netts .* nothing; netts 9.9"):
        netts.load(path)


def test_a_flaw_of_the_content_is_named_with_the_file(path):
    rewrite(path, content={"a": [{"$": "tuple"}]})
    with pytest.raises(BrokenModelError, match=r"model.netts: a.0 is of form 'tuple'"):
        netts.load(path)
    rewrite(path, content={"layers": []})
    with pytest.raises(BrokenModelError, match=r"model.netts: array 'weights.0.* belongs to noth"):
        netts.load(path)


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ([3], r"custom is a list of classes and functions, got 3 in it"),
        (["Scale"], "got 'Scale' in it"),
        ([type("Dense", (), {})], "but netts has a Dense too: rename it"),
    ],
)
def test_custom_is_a_list_of_classes_and_functions(path, custom, message):
    with pytest.raises(ParameterError, match=message):
        netts.load(path, custom=custom)


def test_what_a_file_says_is_neither_imported_nor_called(path):
    for name in ("os.system", "netts.cli.main", "Network", "eval", "__import__"):
        rewrite(path, content={"$": "object", "class": name, "fields": {}})
        with pytest.raises(netts.errors.UnknownClassError, match=f"is made by '{name}'"):
            netts.load(path)


def test_a_network_loads_without_scikit_learn(path):
    script = (
        "import sys, netts; netts.load(sys.argv[1]).predict([[1.0, 2.0, 3.0]]);"
        "print('sklearn' in sys.modules)"
    )
    run = [sys.executable, "-c", script, str(path)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "False\n"
