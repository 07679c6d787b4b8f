"""Networks in files: what is loaded is what was saved, down to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from model_bytes import assemble, take_apart

import netts
from netts import Network, layers
from netts.errors import BrokenModelError, ModelFileError, UnknownClassError, UnsavableError
from netts.initializers import Normal, Uniform
from netts.layers.dense import dense_forward_without_bias


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.netts"


def network(dtype=None):
    parts = [layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3, use_bias=False)]
    return Network(parts, dtype).build(4, random_state=0)


def same(one, other):
    assert one.layers == other.layers
    assert one.requested_dtype is other.requested_dtype
    assert one.input_shape == other.input_shape
    if one.is_built:
        assert one.shapes == other.shapes
        for name, array in one.weights().items():
            np.testing.assert_array_equal(other.weights()[name], array, strict=True)
    return True


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_a_loaded_network_predicts_the_same_bits(path, dtype):
    before = network(dtype)
    before.save(path)
    after = netts.load(path)
    assert same(before, after)
    X = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_array_equal(before.predict(X), after.predict(X), strict=True)


def test_a_loaded_network_trains_on(path):
    X = np.random.default_rng(0).normal(size=(50, 4))
    y = (X[:, 0] > 0).astype(int)
    before = network()
    before.save(path)
    after = netts.load(path)
    losses = [
        netts.Trainer(one, epochs=3, random_state=0).fit(X, y).loss for one in (before, after)
    ]
    assert losses[0] == losses[1]


initializers = st.sampled_from(["zeros", "he_normal", Uniform(-1, 2), Normal(0, 3.5)])
activations = st.sampled_from([None, "relu", "tanh", layers.LeakyReLU(0.2), layers.GELU()])
parts = st.one_of(
    st.builds(
        layers.Dense,
        st.integers(1, 5),
        activations,
        use_bias=st.booleans(),
        weight_initializer=initializers,
    ),
    st.builds(layers.Dropout, st.floats(0, 0.9)),
    st.builds(layers.ELU, st.floats(0, 10)),
    st.sampled_from([layers.Softmax(), layers.Identity(), layers.Activation("swish")]),
)


@settings(max_examples=50)
@given(
    st.lists(parts, min_size=1, max_size=4),
    st.sampled_from([None, np.float32, np.float64]),
    st.integers(0, 4),
)
def test_any_network_comes_back_as_it_was(tmp_path_factory, chosen, dtype, n_features):
    path = tmp_path_factory.getbasetemp() / "any.netts"
    before = Network(chosen, dtype)
    if n_features:
        before.build(n_features, random_state=n_features)
    before.save(path)
    assert same(before, netts.load(path))


@dataclass(frozen=True)
class Scale(layers.Layer):
    start: float = 1.0
    initializer: object = "ones"

    def parameters(self, input_shape):
        return {"factor": layers.Parameter(input_shape, self.initializer)}

    def state(self, input_shape):
        return {"seen": layers.Parameter((1,))}


def threes(generator, shape, fan_in, fan_out):
    return np.full(shape, 3.0)


def test_layers_of_ones_own_are_passed_to_load(path):
    before = Network([Scale(2.0, threes), layers.Dense(2, weight_initializer=threes)]).build(3)
    before.save(path)
    after = netts.load(path, custom=[Scale, threes])
    assert same(before, after)
    assert after.weights()["0.factor"].tolist() == [3.0] * 3
    assert set(after.weights()) == {"0.factor", "0.seen", "1.weight", "1.bias"}
    message = r"layers.0 is made by 'Scale', .* netts.load\(path, custom=\[Scale\]\)"
    with pytest.raises(UnknownClassError, match=message):
        netts.load(path)
    with pytest.raises(UnknownClassError, match=r"'threes', .* custom=\[threes\]\)"):
        netts.load(path, custom=Scale)


class Undecorated(layers.Layer):
    pass


@dataclass(frozen=True)
class Sloppy(layers.Layer):
    start: float = None


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Undecorated(), r"layers.0 is .*of class Undecorated, .* objects of your own are dataclas"),
        (Scale(1.0, lambda *shape: 3), r"layers.0.initializer is <lambda>, which has no name"),
        (Scale(1.0, dense_forward_without_bias), r"layers.0.initializer is .* cannot hold"),
        (Sloppy(), r"could not be loaded again: layers.0.start is float in a Sloppy, got None"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(path, layer, message):
    network().save(path)
    before = path.read_bytes()
    with pytest.raises(UnsavableError, match=message):
        Network([layer]).save(path)
    assert path.read_bytes() == before


def test_equal_networks_are_equal_files(path, tmp_path):
    network().save(path)
    network().save(tmp_path / "other")
    assert path.read_bytes() == (tmp_path / "other").read_bytes()


def test_a_path_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    with pytest.raises(ModelFileError, match="is a directory"):
        network().save(tmp_path)


def lie(path, change):
    header, said, data = take_apart(path.read_bytes())
    change(said["content"]["fields"], header)
    path.write_bytes(assemble(header, data, said))


def units(n):
    return lambda fields, _: fields["layers"]["items"][0]["fields"].update(units=n)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (units(10**15), r"0.weight has shape \(4, 1000000000000000\), got \(4, 5\)"),
        (units(0), "is no Dense: units is a whole number of at least 1, got 0"),
        (units("a"), "layers.items.0.units is int in a Dense|layers.0.units is int in a Dense"),
        (lambda fields, _: fields["input_shape"].update(items=[10**15]), r"has shape \(10000000"),
        (lambda fields, _: fields["input_shape"].update(items=[]), "expects input of shape"),
        (lambda fields, _: fields["layers"].update(items=[]), "needs at least one layer"),
        (lambda fields, _: fields["layers"].update(items=["relu"]), "a network is a list of la"),
        (lambda fields, _: fields["dtype"].update(name="float64"), "dtype float32, not float64"),
        (lambda fields, _: fields["dtype"].update(name="int8"), "float32 or float64|not int8"),
        (lambda fields, _: fields.update(dtype=None), "only some of input_shape, dtype and"),
        (lambda fields, _: fields.pop("dtype"), "only some of input_shape, dtype and"),
        (
            lambda fields, _: fields.update(requested_dtype={"$": "dtype", "name": "float64"}),
            "dtype float32, but float64 was asked for",
        ),
        (lambda _, header: header["weights.0.bias"].update(dtype="I32"), "0.bias has dtype int32"),
        (lambda _, header: header["weights.0.weight"].update(shape=[5, 4]), r"\(4, 5\), got \(5,"),
    ],
)
def test_a_file_that_contradicts_itself_is_named(path, change, message):
    network().save(path)
    lie(path, change)
    with pytest.raises(BrokenModelError, match=message):
        netts.load(path)
