"""The same training in netts, scikit-learn and PyTorch: float32, Adam, ReLU, cross-entropy.

Each function trains for a number of epochs on data in memory, with a new order of the samples every
epoch, and does what that library's users do; nothing is done for one that is not done for all.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LEARNING_RATE = 1e-3


def data(sizes: tuple[int, ...], n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 features and class numbers."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_samples, sizes[0])).astype(np.float32)
    return X, np.arange(n_samples) % sizes[-1]


def netts_network(sizes: tuple[int, ...]) -> Any:
    """Return dense layers with ReLU between them."""
    from netts import Network, layers

    hidden = [layers.Dense(units, "relu") for units in sizes[1:-1]]
    return Network([*hidden, layers.Dense(sizes[-1])], dtype=np.float32)


def train_netts(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    from netts import Trainer
    from netts.optimizers import Adam

    Trainer(
        netts_network(sizes),
        optimizer=Adam(LEARNING_RATE),
        epochs=epochs,
        batch_size=batch_size,
        random_state=0,
    ).fit(X, y)


def train_sklearn(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge, and should not
        MLPClassifier(
            sizes[1:-1],
            batch_size=batch_size,
            max_iter=epochs,
            learning_rate_init=LEARNING_RATE,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=epochs + 1,
            random_state=0,
        ).fit(X, y)


def torch_model(sizes: tuple[int, ...]) -> Any:
    """Return dense layers with ReLU between them."""
    import torch

    modules: list[torch.nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def torch_step(model: Any, is_compiled: bool) -> Callable[[Any, Any], None]:
    """Return a training step of a model; compiled, loss and update are one graph each.

    Gradients cannot cross the boundary of a graph, so the backward pass starts between them.
    """
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss_function = torch.nn.CrossEntropyLoss()

    def loss_of(x: Any, y: Any) -> Any:
        return loss_function(model(x), y)

    update: Callable[[], Any] = optimizer.step
    if is_compiled:
        loss_of, update = torch.compile(loss_of), torch.compile(update)

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        loss_of(x, y).backward()
        update()

    return step


def torch_epochs(step: Callable[[Any, Any], None], batch_size: int, epochs: int, X, y) -> None:
    """Train on every batch of a new order, as often as asked."""
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(batch_size):
            step(inputs[rows], targets[rows])


def train_torch(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    torch_epochs(torch_step(torch_model(sizes), is_compiled=False), batch_size, epochs, X, y)


@functools.cache
def compiled_torch_step(sizes: tuple[int, ...]) -> Callable[[Any, Any], None]:
    """Return a compiled step, with a model of its own: a new model would be compiled anew."""
    return torch_step(torch_model(sizes), is_compiled=True)


def train_compiled_torch(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    torch_epochs(compiled_torch_step(sizes), batch_size, epochs, X, y)


def jax_start(parameters: Any) -> Any:
    """Return the state that `jax_adam` begins with."""
    import jax
    import jax.numpy as jnp

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return parameters, zeros, zeros, jnp.zeros((), jnp.float32)


def jax_adam(state: Any, gradients: Any) -> Any:
    """Return the state after a step of Adam."""
    import jax
    import jax.numpy as jnp

    parameters, first, second, t = state
    t += 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), parameters, first, second
    )
    return parameters, first, second, t


def jax_mean_loss(hidden: Any, dense: Any, y: Any) -> Any:
    """Return the mean cross-entropy behind dense layers with ReLU between them."""
    import jax
    import jax.numpy as jnp

    for weight, bias in dense[:-1]:
        hidden = jax.nn.relu(hidden @ weight + bias)
    weight, bias = dense[-1]
    logits = jax.nn.log_softmax(hidden @ weight + bias)
    return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))


def jax_step(loss_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return a training step on given rows of a data set."""
    import jax

    def step(state, rows, X, y):
        loss, gradients = jax.value_and_grad(loss_of)(state[0], X[rows], y[rows])
        return jax_adam(state, gradients), loss

    return step


def jax_epoch_in_order(
    loss_of: Callable[..., Any], batch_size: int, unroll: int = 1
) -> Callable[..., Any]:
    """Return an epoch as a `lax.scan` over its steps, and a step of its own for a shorter batch.

    It takes state, order, X and y, and returns the state and the mean loss.
    """
    import jax
    import jax.numpy as jnp

    step = jax_step(loss_of)

    def epoch(state, order, X, y):
        n_full = len(X) // batch_size * batch_size
        rows = order[:n_full].reshape(-1, batch_size)
        state, losses = jax.lax.scan(
            lambda state, rows: step(state, rows, X, y), state, rows, unroll=unroll
        )
        total = batch_size * jnp.sum(losses)
        if n_full < len(X):
            state, loss = step(state, order[n_full:], X, y)
            total += (len(X) - n_full) * loss
        return state, total / len(X)

    return epoch


def jax_scan(loss_of: Callable[..., Any], batch_size: int) -> Callable[..., Any]:
    """Return an epoch in a new order as one jitted `lax.scan`, JAX's best case."""
    import jax

    in_order = jax_epoch_in_order(loss_of, batch_size)

    @jax.jit
    def epoch(state, key, X, y):
        return in_order(state, jax.random.permutation(key, len(X)), X, y)

    return epoch


@functools.cache
def jax_epoch(sizes: tuple[int, ...], batch_size: int) -> Callable[..., Any]:
    """Return an epoch of a dense network; compiled once."""
    return jax_scan(lambda parameters, x, y: jax_mean_loss(x, parameters, y), batch_size)


def jax_parameters(sizes: tuple[int, ...]) -> Any:
    """Return weights and zero biases of a dense network."""
    import jax.numpy as jnp

    generator = np.random.default_rng(0)
    return [
        (
            jnp.asarray(generator.normal(size=fans, scale=fans[0] ** -0.5), jnp.float32),
            jnp.zeros(fans[1], jnp.float32),
        )
        for fans in itertools.pairwise(sizes)
    ]


def train_jax(sizes: tuple[int, ...], batch_size: int, epochs: int, X, y) -> None:
    import jax
    import jax.numpy as jnp

    state = jax_start(jax_parameters(sizes))
    inputs, targets = jnp.asarray(X), jnp.asarray(y)
    for key in jax.random.split(jax.random.key(0), epochs):
        state, loss = jax_epoch(sizes, batch_size)(state, key, inputs, targets)
        float(loss)  # as the others, it knows the loss of each epoch


LIBRARIES: dict[str, Callable[..., None]] = {
    "netts": train_netts,
    "scikit-learn": train_sklearn,
    "PyTorch eager": train_torch,
    "PyTorch compiled": train_compiled_torch,
    "JAX scan": train_jax,
}


@functools.cache
def _data(net: str, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    return data(tuple(map(int, net.split("-"))), n_samples)


def train(library: str, net: str, batch_size: int, n_steps: int, epochs: int) -> None:
    """Train a net, named by its layers' sizes, with a library; the data are made once."""
    sizes = tuple(map(int, net.split("-")))
    LIBRARIES[library](sizes, batch_size, epochs, *_data(net, batch_size * n_steps))
