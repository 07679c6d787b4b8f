"""What a layer is: a specification that knows its shapes and which kernels to call.

A layer of one's own is its kernels and a frozen dataclass over `Layer` that calls them::

    @accelerate
    def scale_forward(x, factor, output):
        for i, j in parallel(x.shape[0], x.shape[1]):
            output[i, j] = x[i, j] * factor[j]


    @accelerate
    def scale_backward(x, grad_output, grad_factor):
        for j in parallel(grad_factor.shape[0]):
            total = 0.0
            for i in range(x.shape[0]):
                total += x[i, j] * grad_output[i, j]
            grad_factor[j] = total


    @dataclass(frozen=True)
    class Scale(Layer):
        def parameters(self, input_shape):
            return {"factor": Parameter(input_shape, "ones", decays=False)}

        def forward(self, at):
            scale_forward(at.input, at.factor, at.output)

        def backward(self, at):
            scale_backward(at.input, at.grad_output, at.grad_factor)
            if at.grad_input is not None:
                scale_forward(at.grad_output, at.factor, at.grad_input)

and `netts.testing.check_layer(Scale(), (5,))` puts it through its exam.

A layer of several inputs has `branches`, lists of layers that all begin with the value before it,
and reads what they end with. Its methods are given one shape more for each further input::

    @dataclass(frozen=True)
    class Gate(Layer):
        branches: Branches

        def output_shape(self, values, gates):
            return values

        def forward(self, at):
            values, gates = at.inputs
            gate_forward(values, gates, at.output)

        def backward(self, at):
            grad_values, grad_gates = at.grad_inputs
            ...
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from netts.choices import did_you_mean
from netts.devices.memory import BufferView
from netts.errors import UnexportableError
from netts.initializers import Initializer, initializer_from
from netts.persistence.onnx_graph import Operators

Shape = tuple[int, ...]

Branches = Sequence[Sequence[Any]]
"""Lists of layers, side by side."""

LAYER_METHODS = (
    "output_shape", "parameters", "state", "transients", "check_samples", "passes_through",
    "passes_gradient", "expand", "forward", "backward",
)  # fmt: skip
"""What makes an object a layer, whether or not it inherits from `Layer`."""


class InTorch(NamedTuple):
    """What PyTorch's layer of the same kind calls an array, and the order of its axes there.

    Attributes
    ----------
    name : str
    axes : tuple of int, optional
        As `numpy.transpose` takes them, from ours to theirs; None where they are the same.
    """

    name: str
    axes: tuple[int, ...] | None = None

    def given(self, array: np.ndarray) -> np.ndarray:
        """Return an array of ours as PyTorch has it: a view."""
        return array if self.axes is None else array.transpose(self.axes)

    def taken(self, array: np.ndarray) -> np.ndarray:
        """Return an array of PyTorch's as we have it: a view."""
        return array if self.axes is None else array.transpose(np.argsort(self.axes))


@dataclass(frozen=True)
class Parameter:
    """An array that a layer needs for as long as its network lives.

    Attributes
    ----------
    shape
    initializer
        A name of `netts.initializers.INITIALIZERS` or an initialiser.
    decays
        Whether the L2 penalty applies: to weights, not to biases and scales.
    fans
        (fan_in, fan_out) for the initialiser; from the first two axes of `shape` where it is None.
    unit_axis
        Which axis counts the units that max-norm holds apart: the last one (-1), as the columns of
        a dense layer's weight do, or the first (0), as a convolution's filters.
    """

    shape: Shape
    initializer: str | Initializer = "zeros"
    decays: bool = True
    fans: tuple[int, int] | None = None
    unit_axis: Literal[0, -1] = -1

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """Return initial values: a new float64 array of `shape`."""
        fan_in, fan_out = self.fans or (*self.shape, 1, 1)[:2]
        return initializer_from(self.initializer)(generator, self.shape, fan_in, fan_out)


@dataclass(frozen=True)
class RandomCounters:
    """What a layer draws random numbers from: Philox counters and a key, one-element int64 arrays.

    Row i of a batch is sample `order[cursor[0] + i]` of the data set. Counting by samples and
    steps, not by rows and calls, gives the same numbers on every device and however a batch is
    divided.

    Attributes
    ----------
    order
        The samples in the order of this epoch, int64 of shape (n_samples,).
    cursor
        Where the batch starts in `order`, int64 of shape (1,).
    step
        The number of updates before this one, int64 of shape (1,).
    key
        Two 32-bit words that the seed of the fit gave, int64 of shape (2,).
    stream
        The number of the layer in its network.
    """

    order: BufferView
    cursor: BufferView
    step: BufferView
    key: BufferView
    stream: int


@dataclass(frozen=True)
class LayerBuffers:
    """The arrays of one layer in one recording.

    A parameter, state or transient called `weight` is read as `at.weight`, the gradient of a
    parameter as `at.grad_weight`.

    Attributes
    ----------
    inputs, output
        Of shape `(rows, *input_shape)` each and `(rows, *output_shape)`; `at.input` is the first
        input.
    grad_output, grad_inputs
        The gradient of the loss by output and inputs; `at.grad_input` is that by the first. One of
        them is None where nobody needs it, as nothing with parameters lies before that input. A
        layer without parameters always has one at least when `backward` is called.
    is_training
        Whether this pass is part of a training step.
    random
        What to draw random numbers from; None outside of training.
    """

    inputs: tuple[BufferView, ...]
    output: BufferView
    parameters: Mapping[str, BufferView] = field(default_factory=dict)
    state: Mapping[str, BufferView] = field(default_factory=dict)
    transients: Mapping[str, BufferView] = field(default_factory=dict)
    gradients: Mapping[str, BufferView] = field(default_factory=dict)
    grad_output: Any = None
    grad_inputs: tuple[Any, ...] = (None,)
    is_training: bool = False
    random: RandomCounters | None = None

    @property
    def input(self) -> BufferView:
        """The input of a layer that has one."""
        return self.inputs[0]

    @property
    def grad_input(self) -> Any:
        """The gradient by it."""
        return self.grad_inputs[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        for arrays in (self.parameters, self.state, self.transients):
            if name in arrays:
                return arrays[name]
        if name.startswith("grad_") and name.removeprefix("grad_") in self.gradients:
            return self.gradients[name.removeprefix("grad_")]
        raise AttributeError(
            f"the layer has no array {name!r}{did_you_mean(name, self._names())}; it has "
            f"{', '.join(self._names())}: it declares its own in parameters, state and transients"
        )

    def _names(self) -> list[str]:
        """Return what stands for an array of one input, output or layer."""
        passed = ["input", "output", "grad_output", "grad_input"]
        declared = [*self.parameters, *self.state, *self.transients]
        return [*passed, *declared, *(f"grad_{one}" for one in self.gradients)]


@dataclass(frozen=True)
class LayerOperators(Operators):
    """What one layer is in an ONNX graph: what it reads, and where it writes its operators.

    A parameter or state called `weight` is read as `at.weight`, the name of a constant.

    Attributes
    ----------
    inputs
        The names of the values that it reads; `at.input` is the first.
    input_shapes, output_shape
        Of a sample, as everywhere; the batch axis comes first in the values.
    arrays
        Parameters and layer state by name, for layers that need them in another form.
    """

    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def input(self) -> str:
        """The input of a layer that has one."""
        return self.inputs[0]

    def over_rows(self, operator: str, **attributes: Any) -> str:
        """Append an operator of one input that sees each sample as one row of features."""
        is_flat = len(self.output_shape) == 1
        rows = self.input if is_flat else self.reshape(self.input, [math.prod(self.output_shape)])
        value = self.add(operator, rows, **attributes)
        return value if is_flat else self.reshape(value, self.output_shape)

    def __getattr__(self, name: str) -> str:
        if name.startswith("_") or name not in self.arrays:
            raise AttributeError(f"the layer has no array {name!r}, only {list(self.arrays)}")
        called = f"{self.label}.{name}"
        is_known = called in self.graph.constants
        return called if is_known else self.constant(called, self.arrays[name])


class Layer:
    """A layer: shapes, parameters, and the kernels of its forward and backward pass.

    A subclass is a frozen dataclass that holds no arrays: everything of a network reaches it
    through `LayerBuffers`. Shapes are without the batch axis. Everything but `forward` and
    `backward` has a default.

    A layer of several inputs has a field `branches`, a sequence of lists of layers. All begin with
    the value that comes before the layer, and it reads their outputs; an empty list is that value
    itself. It takes as many shapes, one after the other, wherever one of one input takes
    `input_shape`; `transients` is given `rows` by its name.
    """

    in_torch: ClassVar[Mapping[str, InTorch]] = {}
    """Parameters and state that PyTorch has under another name, or with other axes."""

    # As `*_: Any, **__: Any` type checkers let subclasses take as many shapes as they have inputs.

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output; raise `ShapeError` where the input does not fit."""
        return input_shape

    def parameters(self, *_: Any, **__: Any) -> dict[str, Parameter]:
        """Return what the optimiser trains, given the shapes of the inputs."""
        return {}

    def state(self, *_: Any, **__: Any) -> dict[str, Parameter]:
        """Return what the layer itself keeps from step to step; no optimiser touches it."""
        return {}

    def transients(self, *_: Any, **__: Any) -> dict[str, Shape]:
        """Return the shapes of what a pass over a batch of `rows` keeps for its backward pass.

        Called with the shapes of the inputs and `rows=`.
        """
        return {}

    def check_samples(self, X: np.ndarray, name: str) -> None:
        """Raise `DataError` where a layer that reads an input of the network cannot take it.

        Called with a matrix `X` (n_samples, features) of the network's dtype before anything runs,
        for each input of the network that it reads. A layer that overrides this is refused where
        another layer has changed the samples before.
        """

    def passes_through(self, is_training: bool) -> bool:
        """Whether the output is the input under `output_shape`, so that there is nothing to run."""
        return False

    def passes_gradient(self) -> bool:
        """Whether the gradient by each input is that by the output, so that nothing runs for it."""
        return self.passes_through(is_training=True)

    def expand(self) -> tuple[Layer, ...]:
        """Return the layers that this one stands for, usually itself."""
        return (self,)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append the operators that do what `forward` does outside of training.

        Returns
        -------
        str
            The name of the value that they give, of shape `(batch, *output_shape)`.

        Raises
        ------
        UnexportableError
            Where there are none.
        """
        if not self.passes_through(is_training=False):
            name = type(self).__name__
            raise UnexportableError(
                f"has no ONNX operator that netts knows of: give {name} a method "
                "to_onnx(self, at), such as `return at.add('Relu', at.input)`"
            )
        is_same = at.input_shapes[0] == at.output_shape
        return at.input if is_same else at.reshape(at.input, at.output_shape)

    def forward(self, at: LayerBuffers) -> None:
        """Call kernels that write `at.output`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward pass: define forward(self, at), which calls "
            "kernels that write at.output"
        )

    def backward(self, at: LayerBuffers) -> None:
        """Call kernels that overwrite `at.grad_inputs` and the parameters' gradients."""
        raise NotImplementedError(
            f"{type(self).__name__} has no backward pass: define backward(self, at), which calls "
            "kernels that overwrite at.grad_input, if it is not None, and parameters' gradients"
        )


def as_rows(view: BufferView) -> BufferView:
    """Return a batch of any rank as a matrix (rows, features) of the same memory."""
    return view.reshape(view.shape[0], math.prod(view.shape[1:]))


def describe(layer: Any) -> str:
    """Return a layer's class and what is set in it: `Dense, units=10`.

    Branches are left out: their layers have lines and names of their own.
    """
    shown = [f"{name}={value!r}" for name, value in _set_fields(layer) if name != "branches"]
    return ", ".join([type(layer).__name__, *shown])


def written(value: Any) -> str:
    """Return a layer, or lists of them, as a person would write it: `Dense(units=10)`."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Layer):
        fields = [f"{name}={written(one)}" for name, one in _set_fields(value)]
        return f"{type(value).__name__}({', '.join(fields)})"
    return repr(value)


def _set_fields(layer: Any) -> list[tuple[str, Any]]:
    """Return the fields of a layer that are not as by default, with their values."""
    if not dataclasses.is_dataclass(layer):
        return []
    values = [(one, getattr(layer, one.name)) for one in dataclasses.fields(layer)]
    return [(one.name, value) for one, value in values if value != one.default]


def batched(shape: Iterable[object]) -> str:
    """Return the shape of a sample as messages show that of a batch: `(batch, 3, 28, 28)`."""
    return f"({', '.join(['batch', *map(str, shape)])})"
