"""Whatever a file holds, `netts.load` gives a model or an error of ours, soon, in little memory."""

from __future__ import annotations

import copy
import functools
import gzip
import io
import json
import pickle
import tempfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from estimator_cases import data as table
from estimator_cases import estimator, fit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_bytes import assemble, repaired, take_apart

import netts
from netts import MLPClassifier, MLPRegressor, Network, Trainer, layers
from netts.data import TableEncoder, load
from netts.errors import NettsError
from netts.estimators import TableModel
from netts.persistence.forms import KEYS, MAX_TEXT_BYTES
from netts.training import Checkpoint, EarlyStopping

MOST_SECONDS = 5
"""Of one file of a few kB, with room for a busy machine: it takes some milliseconds."""

BYTES_PER_BYTE = 200
SPARE_BYTES = 16 * 2**20
"""Memory that a file may take: JSON's objects are about 50 times their text."""


SCALED = TableEncoder(
    scaler={"a": "robust", "size": (0.0, 1.0)}, encodings={"size": ["s", "m", "l"], "n": "one-hot"}
)
COLUMNS = {"a": [1.0, None, 3.0], "size": ["l", "s", None], "n": [3, 4, 3]}


@functools.cache
def originals():
    """The bytes of some small models."""
    X, labels = table("multiclass")
    models = [
        Network([layers.Dense(3, layers.ELU(0.5)), layers.Dropout(0.5), layers.Dense(2)]).build(4),
        Network([layers.Dense(2, weight_initializer="he_normal")], np.float64),
        Network(
            [
                layers.Concatenate([[layers.Input("x")], [layers.Input("k"), layers.Dense(1)]]),
                layers.Residual([layers.Dense(5)], activation="relu"),
            ]
        ).build({"x": 4, "k": 2}),
        fit(estimator("multiclass", random_state=np.random.RandomState(0)), X, labels),
        fit(estimator("binary", max_iter=3), X, labels == "low"),
        fit(estimator("two outputs", max_iter=3, early_stopping=True), *table("two outputs")),
        fit(TableModel(estimator("multiclass", max_iter=3)), load("iris"), load("iris").y),
        fit(
            TableModel(MLPRegressor(hidden_layer_sizes=(3,), max_iter=3), encoder=SCALED),
            COLUMNS,
            [1.0, 2.5, 4],
        ),
    ]
    return [*[saved(model) for model in models], checkpoint()]


def checkpoint():
    """The bytes of a training that stands within an epoch."""
    X, labels = table("multiclass")
    y = np.unique(labels, return_inverse=True)[1]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.ckpt"
        Trainer(
            Network([layers.Dense(4, "relu"), layers.BatchNorm(), layers.Dense(int(y.max()) + 1)]),
            epochs=3, batch_size=8, random_state=0, validation_fraction=0.3, device="cpu",
            early_stopping=EarlyStopping("validation_loss"),
            callbacks=[Checkpoint(path, every_steps=2)],
        ).fit(X, y)  # fmt: skip
        return path.read_bytes()


def saved(model):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.netts"
        model.save(path)
        return path.read_bytes()


def cut_off(draw, content):
    return content[: draw(st.integers(0, len(content)))]


def with_flipped_bits(draw, content):
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(changed) - 1))
        changed[place] ^= 1 << draw(st.integers(0, 7))
    return repaired(bytes(changed)) if draw(st.booleans()) else bytes(changed)


HUGE = st.sampled_from([2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**299])
EXTENTS = st.one_of(st.integers(0, 40), HUGE, st.integers(-3, -1), st.just(1.5))


def with_lying_arrays(draw, content):
    header, said, data = take_apart(content)
    names = [name for name in header if name != "__metadata__"]
    for _ in range(draw(st.integers(1, 3)) if names else 0):
        name = draw(st.sampled_from(names))
        lie = draw(
            st.one_of(
                st.fixed_dictionaries({"shape": st.lists(EXTENTS, max_size=5)}),
                st.fixed_dictionaries({"data_offsets": st.lists(EXTENTS, max_size=3)}),
                st.fixed_dictionaries(
                    {"dtype": st.sampled_from(["F64", "F32", "F16", "I8", "BOOL", "F4", "C64", 3])}
                ),
                st.fixed_dictionaries({"shape": HUGE}),
                st.sampled_from([{"more": 1}, {}]),
            )
        )
        header[name] = header[name] | copy.deepcopy(lie)
        if draw(st.integers(0, 9)) == 0:
            header[draw(st.sampled_from([*names, "new"]))] = header.pop(name)
            names = [one for one in header if one != "__metadata__"]
    return assemble(header, data, said)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def any_place(draw, root):
    below = [path for path in places(root) if path]
    return below[draw(st.integers(0, len(below) - 1))]


def at(value, path):
    for key in path:
        value = value[key]
    return value


# Too deep for json.dumps: put into the text in the place of these words.
DEEP = {f"@{n}": "[" * n + "]" * n for n in (10, 60, 200, 5000)}


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    HUGE,
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "nan", "float64", "Dense", "relu", "mlp_regressor", "x" * 10_000]),
    st.sampled_from([[], {}, [[]], {"$": "tuple", "items": []}, {"$": "float", "text": "inf"}]),
    st.sampled_from(list(DEEP)),
    st.builds(
        lambda form, parts: {"$": form, **dict.fromkeys(KEYS[form], parts)},
        st.sampled_from(list(KEYS)),
        st.sampled_from([0, "a", [], [1], {}, -1, 10**9, True]),
    ),
    st.builds(
        lambda items, width: {"$": "text array", "items": items, "shape": [1], "width": width},
        st.lists(st.text(max_size=3), max_size=3),
        st.integers(0, 4) | HUGE | st.sampled_from([10**5, MAX_TEXT_BYTES // 4]),
    ),
).map(copy.deepcopy)  # as they are changed


def with_lying_description(draw, content):
    header, said, data = take_apart(content)
    is_whole = draw(st.integers(0, 9)) == 0
    root = {"said": said if is_whole else said["content"]}
    for _ in range(draw(st.integers(1, 3))):
        path = any_place(draw, root)
        parent, key = at(root, path[:-1]), path[-1]
        change = draw(st.sampled_from(["replace", "drop", "add", "swap"]))
        if change == "replace":
            parent[key] = draw(plain)
        elif change == "drop" and len(path) > 1:
            del parent[key]
        elif change == "add" and isinstance(parent[key], list):
            parent[key].append(draw(plain))
        elif change == "add" and isinstance(parent[key], dict):
            parent[key][draw(st.sampled_from(["$", "units", "coefs_", "a"]))] = draw(plain)
        elif change == "swap":
            parent[key] = copy.deepcopy(at(root, any_place(draw, root)))
    said = root["said"] if is_whole else {**said, "content": root["said"]}
    text = json.dumps(said, separators=(",", ":"))
    for word, nested in DEEP.items():
        text = text.replace(f'"{word}"', nested)
    return assemble(header, data, text)


def of_another_format(draw, content):
    value = draw(st.lists(st.floats() | st.text(max_size=5), max_size=20))
    archive, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as one:
        one.writestr("a", content)
    np.savez(arrays, np.zeros(3))
    table_text = "\n".join(",".join(map(repr, value)) for _ in range(3)).encode()
    return draw(
        st.sampled_from(
            [
                archive.getvalue(),
                arrays.getvalue(),
                pickle.dumps(value, protocol=draw(st.integers(0, 5))),
                json.dumps([str(one) for one in value]).encode(),
                gzip.compress(content, mtime=0),
                b"\x89PNG\r\n\x1a\n" + bytes(draw(st.binary(max_size=50))),
                table_text,
                bytes(draw(st.binary(max_size=200))),
                len(value).to_bytes(8, "little") + b"{" + bytes(draw(st.binary(max_size=200))),
                b"[" * draw(st.integers(0, 10_000)),
                assemble(b'{"__metadata__":{"netts":"' + b"[" * 10_000 + b'"}}', b""),
            ]
        )
    )


WAYS = [
    cut_off,
    with_flipped_bits,
    with_lying_arrays,
    *[with_lying_description] * 4,  # which gets furthest
    of_another_format,
]


@st.composite
def files(draw):
    """A file that was a model once."""
    content = draw(st.sampled_from(originals()))
    return draw(st.sampled_from(WAYS))(draw, content)


def check_network(model):
    given = model.input_shape
    shapes = given if isinstance(given, dict) else {"": given}
    if max(map(max, shapes.values())) < 100:
        X = {name: np.zeros((2, *shape)) for name, shape in shapes.items()}
        X = X if isinstance(given, dict) else X[""]
        assert model.predict(X, device="reference").size >= 0


def check_loading(path, content):
    path.write_bytes(content)
    tracemalloc.reset_peak()
    before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
    model, message = None, ""
    try:
        model = netts.load(path)
    except NettsError as error:
        message = str(error)
    assert len(message) < 2000
    seconds = time.perf_counter() - start
    n_bytes = tracemalloc.get_traced_memory()[1] - before
    assert seconds < MOST_SECONDS
    assert n_bytes < SPARE_BYTES + MAX_TEXT_BYTES + BYTES_PER_BYTE * len(content)
    if isinstance(model, Network) and model.is_built:
        check_network(model)
    elif isinstance(model, MLPClassifier | MLPRegressor):
        model.set_params(device="reference").predict(np.zeros((2, model.n_features_in_)))


def law(n_examples):
    @settings(max_examples=n_examples, suppress_health_check=list(HealthCheck))
    @given(files())
    def load_whatever_it_is(tmp_path_factory, content):
        tracemalloc.start()
        try:
            check_loading(tmp_path_factory.getbasetemp() / "fuzzed.netts", content)
        finally:
            tracemalloc.stop()

    return load_whatever_it_is


test_any_file_is_a_model_or_an_error_of_ours = law(200)
test_ten_thousand_files_are_models_or_errors_of_ours = pytest.mark.slow(law(10_000))


def test_a_large_text_of_the_wrong_kind_is_refused_without_a_copy(tmp_path_factory):
    """A file of 1 kB declares 64 MiB of text; its message must not make as much again."""
    header, said, data = take_apart(originals()[0])
    wide = {"$": "text array", "items": [""], "shape": [1], "width": MAX_TEXT_BYTES // 4}
    said["content"]["fields"]["layers"] = wide
    load = law(1).hypothesis.inner_test
    load(tmp_path_factory, assemble(header, data, json.dumps(said, separators=(",", ":"))))
