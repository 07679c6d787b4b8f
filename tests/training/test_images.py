"""Networks of images: every layer that they are made of, together."""

import pickle

import numpy as np
import pytest

from netts import Network, Trainer, layers
from netts.data.fashion_mnist import DIRECTORY, fashion_mnist
from netts.graph import TaskGraph
from netts.network.propagation import Propagation
from netts.optimizers import SGD, Adam
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
    at = [propagation._at(k, (x,), x) for k in range(2)]
    assert at[0].mean.shape == at[0].inverse_deviation.shape == (3 * 4,)
    assert at[1].mean.shape == (4,)


def test_training_equals_pytorchs_step_by_step():
    torch = pytest.importorskip("torch")
    X, y = bars(17)
    network = Network(
        [
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNorm(),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Conv2D(6, 3, groups=2),
            layers.AveragePool2D(2),
            layers.Flatten(),
            layers.LayerNorm(),
            layers.Dense(3),
        ],
        np.float64,
    ).build(X.shape[1:], random_state=0)
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(6),
        nn.Linear(6, 3),
    ).double()
    names = {"gamma": "weight", "beta": "bias", "running_variance": "running_var"}

    def named(weights):
        """Our arrays under their names; their weight of a linear layer is ours, transposed."""
        parts = [(*name.split("."), value) for name, value in weights.items()]
        return {
            f"{label}.{names.get(name, name)}": value.T if value.ndim == 2 else value
            for label, name, value in parts
        }

    state = {name: torch.tensor(value) for name, value in named(network.weights()).items()}
    theirs.load_state_dict(theirs.state_dict() | state)
    trainer = Trainer(
        network,
        optimizer=SGD(0.2, momentum=0.0),
        epochs=3,
        batch_size=5,
        shuffle=False,
        random_state=0,
    )
    losses = trainer.fit(X.astype(np.float64), y).loss

    optimizer = torch.optim.SGD(theirs.parameters(), 0.2)
    expected = []
    for _ in range(3):
        total = 0.0
        for start in range(0, 17, 5):
            rows = slice(start, min(start + 5, 17))
            optimizer.zero_grad()
            scores = theirs(torch.tensor(X[rows]).double())
            loss = nn.functional.cross_entropy(scores, torch.tensor(y[rows]))
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(X[rows])
        expected.append(total / 17)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    found = named(network.weights())
    for name, value in theirs.state_dict().items():
        if name in found:
            np.testing.assert_allclose(
                found[name], value.numpy(), rtol=1e-8, atol=1e-10, err_msg=name
            )
    theirs.eval()
    with torch.no_grad():
        scores = theirs(torch.tensor(X).double()).numpy()
    np.testing.assert_allclose(network.predict(X), scores, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(not DIRECTORY.exists(), reason="needs Debian's dataset-fashion-mnist")
def test_a_small_network_learns_clothes():
    X, y, X_new, y_new = fashion_mnist()
    network = Network(
        [
            layers.Conv2D(8, 3, stride=2, padding=1, use_bias=False),
            layers.BatchNorm(),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(64, "relu"),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    trainer = Trainer(network, epochs=6, batch_size=64, random_state=0)
    trainer.fit(X[:10_000], y[:10_000])
    # scikit-learn's LogisticRegression, fitted to the same samples, scores 0.829.
    assert (trainer.predict(X_new).argmax(axis=1) == y_new).mean() > 0.84
