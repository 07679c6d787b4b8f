"""Exams for layers of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from netts import devices as machine
from netts.devices.memory import Arena, BufferView
from netts.errors import NettsError
from netts.graph import TaskGraph
from netts.layers.base import Layer, RandomCounters, as_rows
from netts.losses.quantities import copy_values
from netts.network import Network
from netts.network.network import InputShape
from netts.network.parameters import ParameterSet
from netts.network.propagation import Propagation

DIFFERENCE_STEP = 1e-5
"""Of central differences: near the cube root of eps, where truncation and rounding balance."""

DIFFERENCE_TOLERANCE = 1e-6
"""Of a gradient against central differences, relative to its largest element or 1."""

LEFTOVER = 1e30
"""What gradients hold before `backward`, which has to overwrite it."""

ROUNDINGS = 64
"""How many rounding errors for each term of a sum two devices may differ by."""


def check_layer(
    layer: Layer,
    input_shape: InputShape,
    *,
    batch_sizes: Iterable[int] = (1, 3),
    devices: Iterable[str] | None = None,
    random_state: int = 0,
    samples: np.ndarray | Mapping[str, np.ndarray] | None = None,
) -> None:
    """Try a layer: gradients against central differences, every device against the reference.

    Gradients by the input and by every parameter are measured in float64 with inputs from the
    standard normal distribution. Buffers hold leftovers when `backward` is called, so that one that
    adds instead of overwriting is found. `backward` is also tried as in a network's first layer,
    whose `grad_input` is None.

    Parameters
    ----------
    layer : Layer
    input_shape : int, tuple of int, or dict of them by the names of inputs
        Of a sample. Each element costs two passes of interpreted Python, so keep it small.
    batch_sizes : iterable of int
    devices : iterable of str, optional
        All that this machine has, by default.
    random_state : int
    samples : ndarray of shape `(n_samples, *input_shape)`, optional
        What to take inputs from instead, over and over, for a layer that does not take any numbers;
        a dict of them by the names of inputs, of those that are not to be any numbers.

    Raises
    ------
    AssertionError
        Where the layer fails; the message says which array is wrong, where, and by how much.

    Examples
    --------
    >>> from netts.layers import Dense
    >>> check_layer(Dense(2), 3)
    """
    others = [name for name in devices or available_devices() if name != "reference"]
    for rows in batch_sizes:
        settings = (random_state, samples)
        exam = _Exam(layer, input_shape, rows, np.float64, "reference", *settings)
        expected = exam.run()
        exam.compare(expected, exam.run(), 0.0, "a second run on the same input")
        for name, numbers in exam.central_differences().items():
            exam.compare(
                {name: numbers}, expected, DIFFERENCE_TOLERANCE, "backward", "central differences"
            )
        for device in others:
            for dtype in (np.float64, np.float32):
                other = _Exam(layer, input_shape, rows, dtype, device, *settings)
                what = f"{device} in {np.dtype(dtype).name}"
                exam.compare(expected, other.run(), exam.rounding(dtype), what, "the reference")
        exam.try_as_first_layer()


def available_devices() -> tuple[str, ...]:
    """Return the names of the devices that this machine has and that networks run on."""
    return tuple(one.name for one in machine.available() if one.is_available)


class _Exam:
    """A layer as a network of its own on one device, with its inputs and gradient of the output."""

    def __init__(
        self,
        layer: Layer,
        shape: InputShape,
        rows: int,
        dtype: type,
        device: str,
        seed: int,
        samples: np.ndarray | Mapping[str, np.ndarray] | None = None,
    ) -> None:
        generator = np.random.default_rng(seed)
        self.network = Network([layer], dtype).build(shape, random_state=generator)
        self.node = next(node for node in self.network.nodes if node.label == "0")
        self.gradients = self.network.parameters.like("gradients")
        names = [f"_{name}" for name in self.network.input_names] or [""]
        arena = Arena("exam")
        self.inputs = {
            name: arena.reserve((rows, *one), dtype)
            for name, one in zip(names, self.network.shapes, strict=False)
        }
        self.grad_output = arena.reserve((rows, *self.network.shapes[-1]), dtype)
        self.output = arena.reserve(self.grad_output.shape, dtype)
        self.grad_inputs = {
            name: arena.reserve(one.shape, dtype) for name, one in self.inputs.items()
        }
        self.order = arena.reserve((rows,), np.int64)
        cursor, step, key = (arena.reserve((n,), np.int64) for n in (1, 1, 2))
        arena.allocate()
        self.order.array[...] = np.arange(rows)
        self._fill(generator, samples)
        self.state = self.network.state.flat.read().copy()
        self.random = RandomCounters(self.order, cursor, step, key, stream=0)
        self._record(rows, device)

    def _fill(
        self, generator: np.random.Generator, samples: np.ndarray | Mapping[str, np.ndarray] | None
    ) -> None:
        """Draw inputs, and the gradient by the output."""
        given = samples if isinstance(samples, Mapping) else {"": samples}
        for name, view in self.inputs.items():
            # Drawn in float64 whatever the dtype, so that all devices see the same numbers.
            drawn = generator.standard_normal(view.shape)
            own = given.get(name.removeprefix("_"))
            view.array[...] = drawn if own is None else np.resize(own, view.shape)
        self.grad_output.array[...] = generator.standard_normal(self.grad_output.shape)

    def _record(self, rows: int, device: str) -> None:
        graph = TaskGraph()
        propagation = Propagation(
            self.network,
            graph,
            rows,
            gradients=self.gradients,
            random=self.random,
            needs_input_gradient=True,
        )
        with graph.recording("forward"):
            values = propagation.forward(*self.inputs.values())
            copy_values(as_rows(values[-1]), as_rows(self.output))
        with graph.recording("both"):
            values = propagation.forward(*self.inputs.values())
            copy_values(as_rows(values[-1]), as_rows(self.output))
            found = propagation.backward(values, self.grad_output)
            for gradient, kept in zip(found, self.grad_inputs.values(), strict=True):
                assert gradient is not None
                copy_values(as_rows(gradient), as_rows(kept))
        self.plan = graph.compile(device=device)

    def try_as_first_layer(self) -> None:
        """Raise where the backward pass cannot be recorded without `grad_input`."""
        rows, graph = len(self.order), TaskGraph()
        first = Propagation(self.network, graph, rows, gradients=self.gradients, random=self.random)
        try:
            with graph.recording("both"):
                first.backward(first.forward(*self.inputs.values()), self.grad_output)
        except (NettsError, AttributeError, TypeError) as error:
            raise AssertionError(
                f"{self.node}: backward fails in a network's first layer, where "
                "at.grad_input is None: write it under `if at.grad_input is not None:`"
            ) from error

    def run(self) -> dict[str, np.ndarray]:
        """Return the output, all gradients and the state of layers, copied."""
        self.network.state.flat.array[...] = self.state
        self.gradients.flat.array[...] = LEFTOVER
        self.plan.run(recording="both")
        arrays = {"output": self.output}
        arrays |= {f"grad_input{name}": view for name, view in self.grad_inputs.items()}
        arrays |= self._named("grad_", self.gradients)
        arrays |= self._named("", self.network.state)
        return {name: view.read().copy() for name, view in arrays.items()}

    def central_differences(self) -> dict[str, np.ndarray]:
        """Return all gradients of sum(grad_output * output), measured."""
        inputs = {f"grad_input{name}": view for name, view in self.inputs.items()}
        inputs |= self._named("grad_", self.network.parameters)
        return {name: self._differences(view) for name, view in inputs.items()}

    def _named(self, prefix: str, arrays: ParameterSet) -> dict[str, BufferView]:
        """Return arrays by name; where the layer is made of several, with their labels."""
        return {
            f"{prefix}{name}" + ("" if node.label == "0" else f" of layer {node.label}"): view
            for node, piece in zip(self.network.nodes, arrays.pieces, strict=True)
            for name, view in piece.items()
        }

    def _differences(self, view: BufferView) -> np.ndarray:
        gradient = np.empty(view.shape)
        for place in np.ndindex(view.shape):
            kept = float(view.read()[place])
            above, below = (
                self._objective(view, place, kept + sign * DIFFERENCE_STEP) for sign in (1, -1)
            )
            view.array[place] = kept
            gradient[place] = (above - below) / (2 * DIFFERENCE_STEP)
        return gradient

    def _objective(self, view: BufferView, place: tuple[int, ...], value: float) -> float:
        view.array[place] = value
        self.network.state.flat.array[...] = self.state
        self.plan.run(recording="forward")
        return float(np.sum(self.output.read() * self.grad_output.read()))

    def rounding(self, dtype: type) -> float:
        """Return how far another device may be off in a dtype, relative to the largest element."""
        terms = max(view.size for view in [*self.inputs.values(), self.output])
        return float(ROUNDINGS * terms * np.finfo(dtype).eps)

    def compare(
        self,
        expected: Mapping[str, np.ndarray],
        found: Mapping[str, np.ndarray],
        tolerance: float,
        what: str,
        against: str = "the first run",
    ) -> None:
        """Raise where arrays differ by more than a tolerance times the largest element, or 1."""
        for name, right in expected.items():
            allowed = tolerance * max(1.0, float(np.abs(right).max(initial=0.0)))
            off = np.abs(found[name] - right)
            if (off <= allowed).all():
                continue
            place = np.unravel_index(
                int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape
            )
            where = ", ".join(map(str, place))
            untouched = "backward did not write it: " if found[name][place] == LEFTOVER else ""
            shapes = " and ".join(str(view.shape) for view in self.inputs.values())
            raise AssertionError(
                f"{self.node} with input of shape {shapes}: {untouched}{name}[{where}] is "
                f"{found[name][place]:.9g} by {what}, {right[place]:.9g} by {against}; they may "
                f"differ by {allowed:.2g}"
            )
