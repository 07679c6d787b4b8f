"""Networks of images: every layer that they are made of, together."""

import pickle

import numpy as np
import pytest

from netts import Network, Trainer, layers
from netts.graph import TaskGraph
from netts.network.propagation import Propagation
from netts.optimizers import Adam
from netts.training import EarlyStopping


def bars(n_samples, side=8, seed=0):
    """Images of noise with a bright row (class 0), a bright column (1), or nothing else (2)."""
    generator = np.random.default_rng(seed)
    X = generator.normal(0, 0.3, size=(n_samples, 1, side, side)).astype(np.float32)
    y = generator.integers(0, 3, n_samples)
    for image, kind, place in zip(X, y, generator.integers(0, side, n_samples), strict=True):
        if kind == 0:
            image[0, place] += 1
        elif kind == 1:
            image[0, :, place] += 1
    return X, y


def small_network(dtype=None):
    return Network(
        [
            layers.Conv2D(6, 3, padding="same", use_bias=False),
            layers.BatchNorm(),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Dropout(0.1),
            layers.Conv2D(8, 3, groups=2, activation="relu"),
            layers.AveragePool2D(2),
            layers.Flatten(),
            layers.LayerNorm(),
            layers.Dense(3),
        ],
        dtype,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_network_learns_to_tell_images_apart(dtype):
    X, y = bars(200)
    trainer = Trainer(
        small_network(dtype), optimizer=Adam(0.01), epochs=20, batch_size=16, random_state=0
    )
    trainer.fit(X, y)
    X_new, y_new = bars(100, seed=1)
    assert (trainer.predict(X_new).argmax(axis=1) == y_new).mean() > 0.95
    assert trainer.predict(X_new).dtype == dtype


def test_devices_train_alike(device):
    # A full batch and a shorter last one.
    X, y = bars(7)
    found = []
    for name in ("cpu", device):
        network = small_network(np.float64)
        trainer = Trainer(
            network, epochs=2, batch_size=5, random_state=0, device=name, validation_fraction=0.3
        )
        trainer.fit(X, y)
        found.append((trainer.history_.loss, trainer.history_.validation_loss, network.weights()))
    (loss, validation_loss, weights), (other, other_validation, other_weights) = found
    np.testing.assert_allclose(loss, other, rtol=1e-9)
    np.testing.assert_allclose(validation_loss, other_validation, rtol=1e-9)
    for name, values in weights.items():
        np.testing.assert_allclose(values, other_weights[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_seed_gives_the_same_bits_again():
    X, y = bars(30)
    weights = []
    for _ in range(2):
        network = small_network()
        Trainer(network, epochs=2, batch_size=8, random_state=3).fit(X, y)
        weights.append(network.weights())
    for name, values in weights[0].items():
        np.testing.assert_array_equal(values, weights[1][name], err_msg=name)


def test_what_an_image_gives_does_not_depend_on_its_batch():
    # Chunks are padded with what the chunk before left there; here with another set's leftovers.
    X, y = bars(30)
    network = small_network(np.float64)
    Trainer(network, epochs=1, batch_size=8, random_state=0).fit(X, y)
    whole = network.predict(X)
    network.predict(X * 1e6, batch_size=8)
    for batch_size in (1, 8, 13):
        found = network.predict(X, batch_size=batch_size)
        np.testing.assert_allclose(found, whole, rtol=1e-12, atol=1e-12)


def test_early_stopping_restores_running_statistics_with_the_weights():
    X, y = bars(40)
    network = small_network()
    rule = EarlyStopping("validation_loss", patience=2)
    trainer = Trainer(
        network,
        epochs=40,
        batch_size=8,
        validation_fraction=0.3,
        early_stopping=rule,
        optimizer="adam",
        random_state=0,
    )
    trainer.fit(X, y)
    best = int(np.argmin(trainer.history_.validation_loss))
    again = small_network()
    Trainer(again, epochs=best + 1, batch_size=8, validation_fraction=0.3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(
        network.weights()["1.running_mean"], again.weights()["1.running_mean"]
    )


def test_a_copy_has_the_running_statistics():
    X, y = bars(20)
    network = small_network()
    Trainer(network, epochs=2, batch_size=8, random_state=0).fit(X, y)
    copy = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(copy.predict(X), network.predict(X))


def test_the_summary_counts_what_is_trained():
    text = small_network().summary((1, 8, 8))
    assert "BatchNorm" in text
    assert "(batch, 6, 4, 4)" in text
    total = 6 * 9 + 2 * 6 + 8 * 3 * 9 + 8 + 2 * 8 + 8 * 3 + 3
    assert text.splitlines()[-1].split()[-1] == str(total)


def test_what_a_layer_keeps_is_sized_by_the_rows_of_its_pass():
    network = Network([layers.LayerNorm(), layers.BatchNorm()]).build((4, 5))
    propagation = Propagation(
        network, TaskGraph(), batch_size=8, gradients=network.parameters.like("gradients")
    )
    x = TaskGraph().transient((3, 4, 5), np.float32)
    at = [propagation._at(k, x, x) for k in range(2)]
    assert at[0].mean.shape == at[0].inverse_deviation.shape == (3 * 4,)
    assert at[1].mean.shape == (4,)
