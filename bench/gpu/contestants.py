"""Training steps of netts, PyTorch and JAX on one device, each as fast as that library can.

float32, Adam, cross-entropy, the data set resident on the device. An epoch draws a new order,
trains on every batch, the short last one included, and ends when the host knows its mean loss.
`check` trains a few steps in the order of the data; `prepare` compiles and warms up; `round` trains
some epochs and returns the seconds of each divided by its steps.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from step_cases import CHECKED_STEPS, Case, Weights

from bench.peers import LEARNING_RATE, jax_epoch_in_order, jax_start, jax_step

ROUND_SECONDS = 0.3
MOST_EPOCHS = 50
TRIED_STEPS = 100
"""Steps that ways of doing the same are compared by, to take the fastest."""

Checked = tuple[float, Weights, str]
"""Mean loss of the epoch, weights after it, a remark."""


def epochs_for(seconds: float) -> int:
    """Return how many epochs of so many seconds make a round."""
    return min(max(int(ROUND_SECONDS / max(seconds, 1e-9)), 1), MOST_EPOCHS)


class Netts:
    """netts's trainer, with nothing said but the device."""

    def __init__(self, device: str, is_tf32: bool = False) -> None:
        self.options: dict[str, Any] = {"device": device}
        if is_tf32:
            from netts import Trainer

            if "precision" not in inspect.signature(Trainer).parameters:
                raise NotImplementedError("netts's Trainer takes no `precision` yet")
            self.options["precision"] = "tf32"

    def check(self, case: Case) -> Checked:
        first = self._train(case)
        if self.options["device"] != "cuda":
            return *first, ""
        second = self._train(case)
        same = all(np.array_equal(*pair) for pair in zip(first[1], second[1], strict=True))
        return *first, "two runs give the same bits" if same else "TWO RUNS DIFFER"

    def _train(self, case: Case) -> tuple[float, Weights]:
        network = case.netts_network()
        history = self._trainer(network, case, 1, shuffle=False).fit(*case.data(CHECKED_STEPS + 1))
        return history.loss[0], list(network.weights().values())

    def _trainer(self, network: Any, case: Case, epochs: int, **options: Any) -> Any:
        from netts import Trainer
        from netts.optimizers import Adam

        return Trainer(
            network,
            optimizer=Adam(LEARNING_RATE),
            epochs=epochs,
            batch_size=case.batch_size,
            random_state=0,
            **self.options,
            **options,
        )

    def prepare(self, case: Case) -> str:
        on_processor = self.options["device"] != "cuda"
        self.case, self.steps = case, case.processor_steps if on_processor else case.steps
        self.X, self.y = case.data(self.steps)
        self.network, self.epochs = case.netts_network(), 1
        self.epochs = epochs_for(self.round()[0] * self.steps)
        return ""

    def round(self) -> list[float]:
        """Train anew; the first epoch, which may capture and upload, does not count."""
        from netts.training import Callback

        times: list[float] = []

        class Clock(Callback):
            def on_epoch_end(self, trainer: Any, history: Any) -> None:
                times.append(time.perf_counter())

        trainer = self._trainer(self.network, self.case, self.epochs + 1, callbacks=[Clock()])
        trainer.fit(self.X, self.y)
        return [(end - start) / self.steps for start, end in itertools.pairwise(times)]


class Torch:
    """PyTorch: eager, or with whole steps captured as CUDA graphs."""

    def __init__(self, device: str, is_captured: bool, is_tf32: bool = False) -> None:
        import torch

        self.device, self.is_captured = device, is_captured and device == "cuda"
        torch.backends.cuda.matmul.allow_tf32 = is_tf32
        torch.backends.cudnn.allow_tf32 = is_tf32
        torch.backends.cudnn.benchmark = True  # shapes are fixed: let it find the fastest

    def check(self, case: Case) -> Checked:
        epoch = self._ways(case, CHECKED_STEPS + 1)[0][1]()
        loss = epoch.run(epoch.identity())
        return loss, epoch.weights(), ""

    def prepare(self, case: Case) -> str:
        self.steps = case.steps if self.device == "cuda" else case.processor_steps
        self.epoch, note = fastest(self._ways(case, self.steps))
        self.epochs = epochs_for(self.round_of(1)[0] * self.steps)
        return note

    def round(self) -> list[float]:
        return self.round_of(self.epochs)

    def round_of(self, epochs: int) -> list[float]:
        """Return seconds per step of some epochs."""
        return timed(lambda: self.epoch.run(self.epoch.shuffled()), epochs, self.steps)

    def _ways(self, case: Case, steps: int) -> list[tuple[str, Callable[[], Any]]]:
        """Return names of ways to train, and what makes each."""
        X, y = case.data(steps)

        def made(optimizer: str, feed: str) -> TorchEpoch:
            model = case.torch_model().to(self.device)
            return TorchEpoch(model, X, y, case.batch_size, self.device, optimizer, feed)

        optimizers = ("fused", "foreach") if self.device == "cuda" else ("foreach",)
        feeds = ("cursor", "copied rows") if self.is_captured else ("slices",)
        return [
            (f"{optimizer} Adam, {feed}", functools.partial(made, optimizer, feed))
            for optimizer in optimizers
            for feed in feeds
        ]


class TorchEpoch:
    """An epoch of PyTorch over a resident data set.

    Parameters
    ----------
    optimizer
        "fused" or "foreach".
    feed
        How a step learns its rows: "slices" of the order, eagerly; captured, from a "cursor" on
        the device that each step moves on, or from "copied rows", which the host asks for.
    """

    def __init__(
        self, model: Any, X: Any, y: Any, batch_size: int, device: str, optimizer: str, feed: str
    ) -> None:
        import torch

        self.torch, self.feed, self.batch_size = torch, feed, batch_size
        self.X, self.y = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
        self.n_samples, self.model = len(X), model
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=LEARNING_RATE,
            capturable=feed != "slices",
            **{optimizer: True},
        )
        self.loss_of = torch.nn.CrossEntropyLoss()
        self.total = torch.zeros((), device=device)
        self.order = self.identity()
        self.cursor = torch.zeros((), dtype=torch.int64, device=device)
        self.graphs: dict[int, Any] = {}
        if feed != "slices":
            self._capture()

    def identity(self) -> Any:
        """Return the order of the data."""
        return self.torch.arange(self.n_samples, device=self.X.device)

    def shuffled(self) -> Any:
        """Return a new order, drawn on the device."""
        return self.torch.randperm(self.n_samples, device=self.X.device)

    def run(self, order: Any) -> float:
        """Train on all batches and return the mean loss."""
        self.total.zero_()
        if self.feed == "slices":
            for rows in order.split(self.batch_size):
                self._step(rows)
        elif self.feed == "cursor":
            self.order.copy_(order)
            self.cursor.zero_()
            for start in range(0, self.n_samples, self.batch_size):
                self.graphs[min(self.batch_size, self.n_samples - start)][0].replay()
        else:
            for rows in order.split(self.batch_size):
                graph, static = self.graphs[len(rows)]
                static.copy_(rows)
                graph.replay()
        return float(self.total) / self.n_samples

    def _step(self, rows: Any) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(self.model(self.X[rows]), self.y[rows])
        loss.backward()
        self.optimizer.step()
        self.total.add_(loss.detach(), alpha=len(rows))

    def _captured_step(self, steps: Any) -> None:
        if self.feed == "copied rows":
            self._step(steps)
        else:
            self._step(self.order[self.cursor + steps])
            self.cursor.add_(len(steps))

    def _capture(self) -> None:
        torch = self.torch
        kept = [one.detach().clone() for one in self.model.parameters()]
        sizes = [self.batch_size, self.n_samples % self.batch_size]
        for n_rows in (one for one in sizes if one):
            rows = torch.arange(n_rows, device=self.X.device)
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):  # as PyTorch's notes on CUDA graphs ask for
                    self.cursor.zero_()
                    self._captured_step(rows)
            torch.cuda.current_stream().wait_stream(stream)
            self.cursor.zero_()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._captured_step(rows)
            self.graphs[n_rows] = graph, rows
        with torch.no_grad():
            for parameter, value in zip(self.model.parameters(), kept, strict=True):
                parameter.copy_(value)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def weights(self) -> Weights:
        """Return the weights in netts's layout."""
        found = [one.detach().cpu().numpy() for one in self.model.parameters()]
        return [one.T if one.ndim == 2 else one for one in found]


class Reference:
    """The law for the others: PyTorch in float64."""

    def __init__(self, device: str) -> None:
        import torch

        torch.set_default_dtype(torch.float64)
        self.device = device

    def check(self, case: Case) -> Checked:
        X, y = case.data(CHECKED_STEPS + 1)
        model = case.torch_model().to(self.device)
        wide = X.astype(np.float64)
        epoch = TorchEpoch(model, wide, y, case.batch_size, self.device, "foreach", "slices")
        loss = epoch.run(epoch.identity())
        return loss, epoch.weights(), ""


class Jax:
    """JAX: a jitted step called from Python, or an epoch as one `lax.scan`."""

    def __init__(self, device: str, is_scanned: bool) -> None:
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
        if jax.default_backend() != {"cuda": "gpu"}.get(device, device):
            raise RuntimeError(f"JAX runs on {jax.default_backend()}, not on {device}")
        self.device, self.is_scanned = device, is_scanned

    def check(self, case: Case) -> Checked:
        import jax

        self._load(case, CHECKED_STEPS + 1)
        state, loss = self._ways(case)[0][1]()(self.state, self.identity)
        parameters = jax.tree.map(np.asarray, state[0])
        return float(loss), jax.tree.leaves(parameters), ""

    def prepare(self, case: Case) -> str:
        self.steps = case.steps if self.device == "cuda" else case.processor_steps
        self._load(case, self.steps)
        ways = [
            (name, lambda make=make: _JaxTrial(self, make())) for name, make in self._ways(case)
        ]
        trial, note = fastest(ways)
        self.epoch = trial.epoch
        self._load(case, self.steps)
        self.epochs = epochs_for(self.round_of(1)[0] * self.steps)
        return note

    def round(self) -> list[float]:
        return self.round_of(self.epochs)

    def round_of(self, epochs: int) -> list[float]:
        """Return seconds per step of some epochs."""

        def epoch() -> float:
            self.state, loss = self.epoch(self.state, self.shuffled())
            return float(loss)

        return timed(epoch, epochs, self.steps)

    def shuffled(self) -> Any:
        """Return a new order, drawn on the device."""
        self.key, order = self._draw(self.key)
        return order

    def _load(self, case: Case, steps: int) -> None:
        import jax
        import jax.numpy as jnp

        X, y = case.data(steps)
        n_samples = len(X)
        self.X, self.y = jnp.asarray(X), jnp.asarray(y, jnp.int32)
        # Copies, as what is donated must not be there twice.
        self.state = jax.tree.map(jnp.copy, jax_start(case.jax_parameters()))
        self.identity, self.key = jnp.arange(n_samples), jax.random.key(0)

        @jax.jit
        def draw(key):
            key, used = jax.random.split(key)
            return key, jax.random.permutation(used, n_samples)

        self._draw = draw

    def _ways(self, case: Case) -> list[tuple[str, Callable[[], Any]]]:
        if not self.is_scanned:
            return [("", lambda: self._stepwise(case))]
        is_small = sum(one.size for one in case.weights()) < 1e6 and self.device == "cuda"
        return [
            (f"unroll={n}", functools.partial(self._scanned, case, n))
            for n in ((1, 4) if is_small else (1,))
        ]

    def _scanned(self, case: Case, unroll: int) -> Any:
        import jax

        in_order = jax_epoch_in_order(case.jax_loss(), case.batch_size, unroll)
        compiled = jax.jit(in_order, donate_argnums=0)
        return lambda state, order: compiled(state, order, self.X, self.y)

    def _stepwise(self, case: Case) -> Any:
        import jax
        import jax.numpy as jnp

        step = jax_step(case.jax_loss())

        @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
        def move(n_rows, carried, order, X, y):
            state, cursor, total = carried
            rows = jax.lax.dynamic_slice(order, (cursor,), (n_rows,))
            state, loss = step(state, rows, X, y)
            return state, cursor + n_rows, total + n_rows * loss

        def epoch(state, order):
            n_samples = len(self.X)
            carried = state, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32)
            for start in range(0, n_samples, case.batch_size):
                n_rows = min(case.batch_size, n_samples - start)
                carried = move(n_rows, carried, order, self.X, self.y)
            return carried[0], carried[2] / n_samples

        return epoch


class _JaxTrial:
    """A way to train, with a state of its own."""

    def __init__(self, contestant: Jax, epoch: Any) -> None:
        import jax
        import jax.numpy as jnp

        self.contestant, self.epoch = contestant, epoch
        self.state = jax.tree.map(jnp.copy, contestant.state)

    def run(self, order: Any) -> float:
        self.state, loss = self.epoch(self.state, order)
        return float(loss)

    def shuffled(self) -> Any:
        return self.contestant.shuffled()


def timed(epoch: Callable[[], Any], epochs: int, steps: int) -> list[float]:
    """Return seconds per step of each epoch."""
    times = [time.perf_counter()]
    for _ in range(epochs):
        epoch()
        times.append(time.perf_counter())
    return [(end - start) / steps for start, end in itertools.pairwise(times)]


def fastest(ways: list[tuple[str, Callable[[], Any]]]) -> tuple[Any, str]:
    """Make every way, let each train, and return the fastest with its name."""
    best: tuple[float, Any, str] | None = None
    for name, make in ways:
        way = make()
        way.run(way.shuffled())
        if len(ways) == 1:
            return way, name
        seconds = min(timed(lambda way=way: way.run(way.shuffled()), 3, 1))
        if best is None or seconds < best[0]:
            best = seconds, way, name
        del way
    assert best is not None
    return best[1], best[2]


CONTESTANTS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "netts": (Netts, ()),
    "netts, processor": (Netts, ()),
    "PyTorch eager": (Torch, (False,)),
    "PyTorch graph": (Torch, (True,)),
    "JAX step": (Jax, (False,)),
    "JAX scan": (Jax, (True,)),
    "netts TF32": (Netts, (True,)),
    "PyTorch graph TF32": (Torch, (True, True)),
    "reference": (Reference, ()),
}
"""Classes, and what they are given after the device."""
