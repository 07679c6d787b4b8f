"""Architectures as JSON: both ways, readable, and hostile texts refused."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netts import Network, layers
from netts.errors import (
    BrokenModelError,
    NettsError,
    NewerModelError,
    ParameterError,
    UnknownClassError,
    UnsavableError,
)
from netts.initializers import Normal, Uniform
from netts.layers import Concatenate, Conv1D, Conv2D, Dense, Embedding, Flatten, Input, Residual

initializers = st.sampled_from(["zeros", "he_normal", Uniform(-1, 2), Normal(0, 3.5)])
simple = st.one_of(
    st.builds(
        Dense,
        st.integers(1, 5),
        st.sampled_from([None, "relu", layers.LeakyReLU(0.2)]),
        use_bias=st.booleans(),
        weight_initializer=initializers,
    ),
    st.builds(layers.Dropout, st.floats(0, 0.9)),
    st.builds(layers.ELU, st.sampled_from([0.0, 0.5, 1e300])),
    st.builds(
        Conv2D,
        st.integers(1, 5),
        st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=st.sampled_from(["same", "valid", 0, (1, 0)]),
    ),
    st.sampled_from([Conv1D(2, (3,)), layers.Identity(), layers.Activation("swish")]),
)
lists = st.lists(simple, max_size=3)
blocks = st.one_of(
    st.builds(Residual, st.lists(simple, min_size=1, max_size=2), st.one_of(st.none(), lists)),
    st.builds(Concatenate, st.lists(lists, min_size=2, max_size=3), axis=st.sampled_from([1, -1])),
    st.builds(layers.Add, st.lists(st.lists(simple, max_size=2), min_size=2, max_size=2)),
)


@settings(max_examples=50)
@given(
    st.lists(st.one_of(simple, blocks), min_size=1, max_size=4),
    st.sampled_from([None, np.float32, np.float64]),
)
def test_any_architecture_comes_back_as_it_was(chosen, dtype):
    network = Network(chosen, dtype)
    text = network.to_json()
    again = Network.from_json(text)
    assert again.layers == network.layers
    assert again.requested_dtype is network.requested_dtype
    assert again.to_json() == text
    assert max(map(len, text.splitlines())) <= 130


def test_the_text_is_short_and_readable():
    network = Network([
        Concatenate([[Input("age")], [Input("city"), Embedding(9, 2), Flatten()]]),
        Residual([Dense(3, layers.LeakyReLU(0.2))], activation="relu"),
    ])  # fmt: skip
    assert json.loads(network.to_json()) == {
        "netts_network": 1,
        "dtype": None,
        "layers": [
            {
                "class": "Concatenate",
                "branches": [
                    [{"class": "Input", "name": "age"}],
                    [
                        {"class": "Input", "name": "city"},
                        {"class": "Embedding", "n_embeddings": 9, "units": 2},
                        {"class": "Flatten"},
                    ],
                ],
            },
            {
                "class": "Residual",
                "layers": [
                    {
                        "class": "Dense",
                        "units": 3,
                        "activation": {"class": "LeakyReLU", "slope": 0.2},
                    }
                ],
                "activation": "relu",
            },
        ],
    }


def test_a_built_network_gives_its_architecture_without_weights():
    network = Network([Dense(2)]).build(3, random_state=0)
    assert network.to_json() == Network([Dense(2)]).to_json()
    assert not Network.from_json(network.to_json().encode()).is_built


def fill(generator, shape, fan_in, fan_out):
    return np.ones(shape)


@dataclass(frozen=True)
class Own(layers.Layer):
    settings: dict = field(default_factory=dict)
    names: list = field(default_factory=list)
    limit: float = 1.0
    initializer: object = "ones"


def test_layers_of_ones_own_are_passed_by_name():
    settings = {"class": "a", "$": [1, (2,)], "plain": {"deep": [()]}}
    layer = Own(settings, ["a", ("b",), []], float("inf"), fill)
    network = Network([layer, Own(limit=1.0)])
    text = network.to_json()
    assert json.loads(text)["layers"][1] == {
        "class": "Own",
        "settings": {},
        "names": {"$": "list", "items": []},
    }
    assert Network.from_json(text, custom=[Own, fill]).layers == network.layers
    with pytest.raises(UnknownClassError, match=r"layers\.0 is made by 'Own'"):
        Network.from_json(text, custom=[fill])
    with pytest.raises(
        UnsavableError, match=r"layers\.0\.limit is an array, .*: save\(\) keeps it"
    ):
        Network([Own(limit=np.ones(3))]).to_json()
    with pytest.raises(UnsavableError, match=r"layers\.0\.initializer is <lambda>"):
        Network([Own(initializer=lambda: 3)]).to_json()


def said(*parts, **more):
    return json.dumps({"netts_network": 1, "layers": list(parts)} | more)


def nested(depth):
    layer = {"class": "ReLU"}
    for _ in range(depth):
        layer = {"class": "Residual", "layers": [layer]}
    return said(layer)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", BrokenModelError, "the architecture is not JSON"),
        (b"\xff\x00", BrokenModelError, "the architecture is not JSON"),
        (
            "[]",
            BrokenModelError,
            r"an object with \"netts_network\", \"dtype\" and \"layers\", got",
        ),
        ('{"layers": {}}', BrokenModelError, "is an object with"),
        (
            '{"layers": []}',
            BrokenModelError,
            "netts_network is the number of a format, 1, got None",
        ),
        (said(), BrokenModelError, "the network cannot be: a network needs at least one layer"),
        (said(netts_network=2), NewerModelError, "has format 2, this netts reads 1: install a new"),
        (said(netts_network=True), BrokenModelError, "netts_network is the number of a format"),
        (said(dtype="int8"), BrokenModelError, "dtype is null, float32 or float64, got 'int8'"),
        (said(dtype=[1]), BrokenModelError, "dtype is null, float32 or float64"),
        (said(weights=[]), BrokenModelError, "the architecture has 'weights': it means nothing"),
        (said("relu"), BrokenModelError, "a network is a list of layers, .* got 'relu'"),
        (said({"class": "Dense"}), BrokenModelError, r"layers\.0 is a Dense without 'units'"),
        (
            said({"class": "Dense", "units": "a"}),
            BrokenModelError,
            r"layers\.0\.units is int in a D",
        ),
        (
            said({"class": "Dense", "units": 0}),
            BrokenModelError,
            "units is a whole number of at le",
        ),
        (said({"class": "ReLU", "unit": 1}), BrokenModelError, "which it has no field for"),
        (said({"class": ["Dense"]}), BrokenModelError, r"layers\.0 has \('Dense',\) for str|has"),
        (said({"class": "system"}), UnknownClassError, "made by 'system', which netts does not"),
        (said({"class": "he_normal"}), BrokenModelError, "which is no dataclass"),
        (said({"class": "SavedNetwork", "layers": []}), BrokenModelError, "a list of layers"),
        (
            said({"$": "array", "name": "x"}),
            BrokenModelError,
            "is the array 'x', which is not there",
        ),
        (said({"$": "dict", "items": 3}), BrokenModelError, "has 3 for"),
        (said({"$": "list", "items": 3}), BrokenModelError, "is of the unknown form 'list'"),
        (said({"class": "Add", "branches": 3}), BrokenModelError, r"layers\.0\.branches is"),
        (said({"class": "Add", "branches": [[]]}), BrokenModelError, "at least two branches"),
        (
            said({"class": "Residual", "layers": "ab"}),
            BrokenModelError,
            "is a list of layers, got 'a",
        ),
        (said({"class": "Input", "name": "a b"}), BrokenModelError, "is an identifier"),
        (
            said({"class": "ELU", "alpha": 1e999}),
            BrokenModelError,
            "not JSON|too large for a float",
        ),
        (nested(28), BrokenModelError, "lies more than 24 branches deep"),
        (nested(200), BrokenModelError, "values deep"),
        ("[" * 10**5, BrokenModelError, "is nested too deep"),
        (3, ParameterError, r"an architecture is the text of network\.to_json\(\), got 3"),
    ],
)
def test_texts_that_are_no_architecture_are_refused(text, error, message):
    with pytest.raises(error, match=message):
        Network.from_json(text)


def test_blocks_in_blocks_come_back():
    assert Network.from_json(nested(10)).to_json()


PARTS = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=3),
        st.sampled_from(["relu", "Dense", "same", "zeros"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["class", "$", "items", "name", "units", "layers", "branches", "x"]),
            inner, max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip
CLASSES = st.sampled_from(["Dense", "Residual", "Add", "Concatenate", "Input", "Conv1D", "Normal"])


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            PARTS,
            st.builds(
                lambda name, rest: {**rest, "class": name},
                CLASSES,
                st.dictionaries(
                    st.sampled_from(["units", "layers", "branches", "filters", "kernel_size"]),
                    PARTS,
                    max_size=3,
                ),
            ),
        ),
        max_size=3,
    )
)
def test_any_text_gives_a_network_or_an_error_of_ours(parts):
    try:
        network = Network.from_json(said(*parts))
    except NettsError:
        return
    assert Network.from_json(network.to_json()).layers == network.layers
