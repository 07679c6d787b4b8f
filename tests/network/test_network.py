"""Networks: shapes, parameters, prediction, copies."""

import copy
import pickle
import threading

import numpy as np
import pytest

from netts import Network, layers
from netts.errors import DataError, NotBuiltError, ParameterError, ShapeError
from netts.network.inference import chunk_rows, rows_for


@pytest.fixture(name="X")
def samples():
    return np.random.default_rng(0).normal(size=(21, 4))


@pytest.fixture
def network():
    parts = [layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3)]
    return Network(parts, np.float64).build(4, random_state=0)


def by_hand(network, X):
    weights = network.weights()
    hidden = np.maximum(X @ weights["0.weight"] + weights["0.bias"], 0)
    return hidden @ weights["2.weight"] + weights["2.bias"]


def test_prediction_equals_numpy(network, X):
    np.testing.assert_allclose(network.predict(X), by_hand(network, X), rtol=1e-13)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 21, 100])
def test_prediction_does_not_depend_on_batch_size(network, X, batch_size):
    found = network.predict(X, batch_size=batch_size)
    np.testing.assert_allclose(found, network.predict(X), rtol=1e-13)


def test_few_plans_serve_every_number_of_samples(network, X):
    for n_samples in range(len(X) + 1):
        assert network.predict(X[:n_samples]).shape == (n_samples, 3)
    assert {rows_for(n, 4096) for n in range(1, 22)} == {1, 2, 4, 8, 16, 32}
    assert len(network._predictor.plans) == 6


def test_a_chunk_is_bounded_in_bytes_and_rows():
    def rows(*units):
        return chunk_rows(Network([layers.Dense(n) for n in units]).build(4))

    assert rows(3) == 4096
    assert rows(2048, 2048) == 1024  # 16 kB a row: 2048 of them are just over 32 MiB
    assert rows(5_000_000) == 1


def test_prediction_with_the_loss_gives_probabilities(network, X):
    probabilities = network.predict(X, loss="cross_entropy")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), network.predict(X).argmax(axis=1))


def test_prediction_sees_new_weights(network, X):
    before = network.predict(X)
    network.set_weights({name: 2 * one for name, one in network.weights().items()})
    np.testing.assert_allclose(network.predict(X), by_hand(network, X), rtol=1e-13)
    assert np.abs(network.predict(X) - before).max() > 0.1


def test_threads_may_predict_at_once(network):
    X = np.random.default_rng(1).normal(size=(64, 4))
    expected, found = network.predict(X), {}

    def work(k):
        found[k] = [network.predict(X[k : k + 32]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for k, results in found.items():
        for one in results:
            np.testing.assert_allclose(one, expected[k : k + 32], rtol=1e-13)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_predict_alike_and_are_independent(network, X, copied):
    expected = network.predict(X)
    other = copied(network)
    np.testing.assert_array_equal(other.predict(X), expected)
    other.set_weights({name: one + 1 for name, one in other.weights().items()})
    np.testing.assert_array_equal(network.predict(X), expected)


def test_a_pickle_holds_arrays_and_no_plan(network, X):
    network.predict(X)
    state = network.__getstate__()
    assert set(state) == {"layers", "requested_dtype", "input_shape", "dtype", "weights"}
    assert all(type(one) is np.ndarray for one in state["weights"].values())


def test_an_unbuilt_network_copies_too():
    assert copy.deepcopy(Network([layers.Dense(2)])).layers == (layers.Dense(2),)


def test_the_layer_list_is_never_changed():
    parts = [layers.Dense(5, "relu")]
    network = Network(parts)
    parts.append(layers.Dense(2))
    assert network.layers == (layers.Dense(5, "relu"),)
    assert [str(node) for node in network.nodes] == ["layer 0 (Dense, units=5)", "layer 0.1 (ReLU)"]


def test_a_seed_gives_the_same_weights_again():
    def weights(seed):
        return Network([layers.Dense(3)]).build(4, random_state=seed).weights()["0.weight"]

    np.testing.assert_array_equal(weights(0), weights(0))
    assert (weights(0) != weights(1)).all()


def test_decaying_parameters_come_first_and_gaps_are_zero(network):
    parameters = network.parameters
    flat = parameters.flat.array
    weights = network.weights()
    n_weights = sum(one.size for name, one in weights.items() if name.endswith("weight"))
    assert parameters.n_decaying >= n_weights
    assert np.count_nonzero(flat[: parameters.n_decaying]) == n_weights
    assert not flat[parameters.n_decaying :].any()
    assert parameters.n_elements == 4 * 5 + 5 + 5 * 3 + 3


def test_summary_lists_layers_shapes_and_parameters():
    text = Network([layers.Dense(5, "relu"), layers.Dense(3)]).summary(4)
    assert text.splitlines() == [
        "     layer           output shape  parameters",
        "---------------------------------------------",
        "     input           (batch, 4)",
        "0    Dense, units=5  (batch, 5)            25",
        "0.1  ReLU            (batch, 5)             0",
        "1    Dense, units=3  (batch, 3)            18",
        "---------------------------------------------",
        "     total                                 43",
    ]


def test_dtype_is_that_of_the_network(X):
    network = Network([layers.Dense(2)]).build(4, dtype=np.float64, random_state=0)
    assert network.predict(X.astype(np.float32)).dtype == np.float64
    assert Network([layers.Dense(2)]).build(4).dtype == np.float32


class TwoMeanings(layers.Layer):
    def parameters(self, input_shape):
        return {"input": layers.Parameter(input_shape)}


class NoParameter(layers.Layer):
    def state(self, input_shape):
        return {"a": 3}


class NoTuple(layers.Layer):
    def output_shape(self, input_shape):
        return input_shape[0]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda n, X: n.predict(X[:, :3]), ShapeError, r"\(n_samples, 4\), got \(21, 3\)"),
        (lambda n, X: n.predict(X[0]), ShapeError, r"\(n_samples, 4\), got \(4,\)"),
        (lambda n, X: n.predict(X / 0), DataError, r"X has \d+ values that are not finite"),
        (lambda n, X: n.predict([["a"] * 4]), DataError, "X holds numbers"),
        (lambda n, X: n.predict(X, batch_size=0), ParameterError, "batch_size is a whole number"),
        (lambda n, X: n.predict(X, loss="mse"), ParameterError, "unknown loss 'mse'"),
        (lambda n, X: n.set_weights({}), ParameterError, r"weights lack \['0.bias', '0.weight'"),
        (
            lambda n, X: n.set_weights({**n.weights(), "0.bias": np.zeros(3)}),
            ShapeError,
            r"0.bias has shape \(5,\), got \(3,\)",
        ),
        (lambda n, X: Network(["relu"]), ParameterError, "got 'relu' at position 0"),
        (lambda n, X: Network([layers.ReLU]), ParameterError, "ReLU'> at position 0"),
        (lambda n, X: Network([]), ParameterError, "at least one layer"),
        (lambda n, X: Network([layers.Dense(2)], int), ParameterError, "float32 or float64"),
        (lambda n, X: Network([layers.Dense(2)]).predict(X), NotBuiltError, "train it, or call"),
        (lambda n, X: Network([layers.Dense(2)]).weights(), NotBuiltError, "train it, or call"),
        (lambda n, X: Network([layers.Dense(2)]).summary(), NotBuiltError, "train it, or call"),
        (lambda n, X: n.build(2.5), ParameterError, "each axis of input_shape is a whole .*2.5"),
        (lambda n, X: n.build(0), ParameterError, "each axis of input_shape is a whole .* 0"),
        (lambda n, X: n.build(4, dtype="foo"), ParameterError, "float32 or float64, got 'foo'"),
        (lambda n, X: Network(layers.ReLU()), ParameterError, r"got ReLU\(\): write \[ReLU\(\)\]"),
        (lambda n, X: Network([TwoMeanings()]).build(4), ParameterError, "`at.input` means somet"),
        (lambda n, X: Network([NoParameter()]).build(4), ParameterError, "'a' as 3: write Param"),
        (lambda n, X: Network([NoTuple()]).build(4), ShapeError, r"output_shape 4: .* as \(4,\)"),
        (
            lambda n, X: n.set_weights({**n.weights(), "0.bias": list("abcde")}),
            DataError,
            "0.bias holds numbers",
        ),
        (lambda n, X: n.build(4, random_state=-1), ParameterError, "random_state is a non-neg"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_mistakes_are_named(network, X, act, error, message):
    with pytest.raises(error, match=message):
        act(network, X)
