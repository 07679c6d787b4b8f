"""Embeddings: rows of a table, and a gradient that adds up in a fixed order."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts import Network, Trainer, layers
from netts.errors import DataError, ParameterError, ShapeError
from netts.layers import Embedding
from netts.layers.embedding import embedding_forward, embedding_grad_weight
from netts.testing import check_layer


@given(
    n_embeddings=st.integers(1, 9),
    units=st.integers(1, 5),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 7)),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_embedding_is_a_look_up(run_layer, n_embeddings, units, shape, dtype):
    generator = np.random.default_rng(0)
    x = generator.integers(0, n_embeddings, shape)
    weight = generator.normal(size=(n_embeddings, units)).astype(dtype)
    found = run_layer(
        Embedding(n_embeddings, units),
        x.astype(dtype),
        lambda shape: generator.integers(-9, 10, shape),
        weights={"weight": weight},
    )
    np.testing.assert_array_equal(found["output"], weight[x])
    expected = np.zeros_like(weight)
    np.add.at(expected, x, found["grad_output"])
    np.testing.assert_array_equal(found["grad_weight"], expected)


def test_embedding_equals_pytorchs(run_layer):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x, weight = generator.integers(0, 11, (5, 7)), generator.normal(size=(11, 3))
    found = run_layer(
        Embedding(11, 3), x * 1.0, generator.standard_normal, weights={"weight": weight}
    )
    tensor = torch.tensor(weight, requires_grad=True)
    output = torch.nn.functional.embedding(torch.tensor(x), tensor)
    output.backward(torch.tensor(found["grad_output"]))
    np.testing.assert_array_equal(found["output"], output.detach().numpy())
    np.testing.assert_allclose(found["grad_weight"], tensor.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize(("n_embeddings", "units"), [(1, 1), (5, 3), (7, 2)])
def test_gradients_equal_differences(n_embeddings, units):
    samples = np.random.default_rng(0).integers(0, n_embeddings, (3, 4))
    check_layer(Embedding(n_embeddings, units), 4, samples=samples)


def test_the_gradients_bits_do_not_depend_on_the_run():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 3, (500, 4)).astype(np.float32)
    grad_output = generator.normal(size=(500, 4, 8)).astype(np.float32)
    first, again = np.empty((3, 8), np.float32), np.empty((3, 8), np.float32)
    embedding_grad_weight(x, grad_output, first)
    for _ in range(5):
        embedding_grad_weight(x, grad_output, again)
        np.testing.assert_array_equal(first, again)


def test_an_empty_batch_has_no_gradient(device):
    x, weight, output = np.ones((0, 2)), np.ones((4, 3)), np.ones((0, 2, 3))
    embedding_forward.on(device)(x, weight, output)
    embedding_grad_weight.on(device)(x, output, weight)
    np.testing.assert_array_equal(weight, 0)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64])
def test_samples_may_have_any_dtype(dtype):
    X = np.array([[0, 1], [2, 1]], dtype)
    network = Network([Embedding(3, 2)]).build(2, random_state=0)
    np.testing.assert_array_equal(network.predict(X), network.weights()["0.weight"][X.astype(int)])


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (-1, "-1"), (0.5, "0.5"), (1e9, "1e+09"), (2.75, "2.75")]
)
def test_samples_that_are_no_categories_are_refused_at_the_door(value, shown):
    X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    wrong = X.copy()
    wrong[2, 1] = value
    message = (
        r"layer 0 \(Embedding, n_embeddings=3, units=2\) takes whole numbers from 0 to 2, but "
        rf"{{}} has {shown.replace('+', '.')} in row 2, column 1"
    )
    network = Network([Embedding(3, 2), layers.Flatten(), layers.Dense(2)], np.float32)
    trainer = Trainer(network, epochs=1, random_state=0)
    with pytest.raises(DataError, match=message.format("X")):
        trainer.fit(wrong, y)
    with pytest.raises(DataError, match=message.format("validation X")):
        trainer.fit(X, y, validation_data=(wrong, y))
    with pytest.raises(DataError, match=message.format("X")):
        network.predict(wrong)


def test_more_categories_than_float32_can_tell_apart_are_refused():
    layer, X = Embedding(2**24 + 1, 1), np.zeros((1, 1))
    layer.check_samples(X, "X")
    with pytest.raises(DataError, match="at most 16777216 categories apart in float32: build"):
        layer.check_samples(X.astype(np.float32), "X")


def test_an_embedding_reads_the_samples_themselves():
    with pytest.raises(ParameterError, match=r"layer 1 \(Embedding.*but layer 0 \(Dense.*first"):
        Network([layers.Dense(3), Embedding(3, 2)])
    Network([layers.Flatten(), Embedding(3, 2)]).build((2, 2))
    with pytest.raises(ShapeError, match=r"expects input of shape \(batch, n_positions\)"):
        Network([Embedding(3, 2)]).build((2, 2))


@pytest.mark.parametrize("settings", [(0, 2), (3, 0), (2.5, 2), (3, True)])
def test_sizes_are_positive_whole_numbers(settings):
    with pytest.raises(ParameterError, match="is a whole number of at least 1"):
        Embedding(*settings)


def test_a_network_learns_which_words_are_kind(device):
    # Word k is kind where k is even; a text is kind where its words mostly are.
    generator = np.random.default_rng(0)
    X = generator.integers(0, 12, (60, 5))
    y = ((X % 2 == 0).sum(axis=1) > 2).astype(int)
    network = Network([Embedding(12, 4), layers.Flatten(), layers.Dense(2)])
    trainer = Trainer(network, epochs=30, batch_size=16, random_state=0, device=device)
    trainer.fit(X[:40], y[:40], validation_data=(X[40:], y[40:]))
    assert trainer.history_.loss[-1] < trainer.history_.loss[0]
    if device != "reference":
        trainer.epochs = 300
        trainer.fit(X, y)
        assert (trainer.predict(X).argmax(axis=1) == y).mean() > 0.95
