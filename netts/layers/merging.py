"""Layers of several inputs: where the branches of a network meet."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from netts.compiler import accelerate, parallel
from netts.devices.memory import BufferView
from netts.errors import ParameterError, ShapeError
from netts.hyperparameters import check_whole
from netts.layers.base import Branches, Layer, LayerBuffers, LayerOperators, Shape, as_rows, batched


@accelerate
def add(left, right, total):
    """Write left + right."""
    for i, j in parallel(total.shape[0], total.shape[1]):
        total[i, j] = left[i, j] + right[i, j]


@accelerate
def accumulate(x, total):
    """Add x to total."""
    for i, j in parallel(total.shape[0], total.shape[1]):
        total[i, j] += x[i, j]


@accelerate
def multiply(left, right, product):
    """Write left * right."""
    for i, j in parallel(product.shape[0], product.shape[1]):
        product[i, j] = left[i, j] * right[i, j]


@accelerate
def multiply_by(x, product):
    """Multiply product by x."""
    for i, j in parallel(product.shape[0], product.shape[1]):
        product[i, j] *= x[i, j]


@accelerate
def copy_block(source, target):
    """Copy; one of the two is a range of columns of a wider matrix."""
    for i, j in parallel(target.shape[0], target.shape[1]):
        target[i, j] = source[i, j]


@dataclass(frozen=True)
class _Merge(Layer):
    """What layers over branches share: at least two of them, lists of layers."""

    branches: Branches

    def __post_init__(self) -> None:
        name = type(self).__name__
        branches = self.branches
        if isinstance(branches, str) or not isinstance(branches, Sequence) or len(branches) < 2:
            raise ParameterError(
                f"{name} takes at least two branches, got {branches!r}: write "
                f"{name}([[layers.Dense(8)], []]), where an empty list is what comes before"
            )
        lists = tuple(as_branch(f"branch {k} of {name}", one) for k, one in enumerate(branches))
        object.__setattr__(self, "branches", lists)


def as_branch(what: str, layers: Any) -> tuple[Any, ...]:
    """Return a list of layers as a tuple, so that nobody changes it.

    Raises
    ------
    ParameterError
        Where it is no list.
    """
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise ParameterError(f"{what} is a list of layers, got {layers!r}: write [{layers!r}]")
    return tuple(layers)


@dataclass(frozen=True)
class _Elementwise(_Merge):
    """What layers share that combine values of one shape, element by element."""

    def output_shape(self, *input_shapes: Shape) -> Shape:
        """Return the shape of every input."""
        if len(set(input_shapes)) > 1:
            raise ShapeError(
                f"takes branches of one shape, got {_listed(input_shapes)}: change their last "
                "layers, or the shortcut, as in "
                "Residual([...], shortcut=[layers.Conv2D(16, 1, stride=2)])"
            )
        return input_shapes[0]


@dataclass(frozen=True)
class Add(_Elementwise):
    """The sum of branches of one shape, element by element.

    Parameters
    ----------
    branches : sequence of lists of layers
        At least two; all begin with what comes before this layer. An empty list is that itself.

    Examples
    --------
    >>> from netts.layers import Dense
    >>> Add([[Dense(4, "tanh")], []]).output_shape((4,), (4,))
    (4,)
    """

    def passes_gradient(self) -> bool:
        """Return True: the gradient of a sum by each of its terms is 1."""
        return True

    def forward(self, at: LayerBuffers) -> None:
        """Write the sums."""
        self.write_sum(at.inputs, at.output)

    @staticmethod
    def write_sum(terms: Sequence[BufferView], total: BufferView) -> None:
        """Write the sum of at least two terms of one shape, batches of any rank."""
        first, second, *others = map(as_rows, terms)
        add(first, second, as_rows(total))
        for one in others:
            accumulate(one, as_rows(total))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Sum."""
        return at.add("Sum", *at.inputs)


@dataclass(frozen=True)
class Multiply(_Elementwise):
    """The product of branches of one shape, element by element: a gate.

    Parameters
    ----------
    branches : sequence of lists of layers
        At least two; all begin with what comes before this layer. An empty list is that itself.
    """

    def forward(self, at: LayerBuffers) -> None:
        """Write the products."""
        _product([as_rows(one) for one in at.inputs], as_rows(at.output))

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients: that by the output, times all other inputs."""
        inputs, grad_output = [as_rows(one) for one in at.inputs], as_rows(at.grad_output)
        for k, grad_input in enumerate(at.grad_inputs):
            if grad_input is not None:
                _product([grad_output, *inputs[:k], *inputs[k + 1 :]], as_rows(grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append one Mul for each further branch."""
        return functools.reduce(functools.partial(at.add, "Mul"), at.inputs)


def _product(factors: Sequence[Any], product: Any) -> None:
    first, second, *others = factors
    multiply(first, second, product)
    for one in others:
        multiply_by(one, product)


@dataclass(frozen=True)
class Concatenate(_Merge):
    """The outputs of branches, one after the other along an axis.

    Parameters
    ----------
    branches : sequence of lists of layers
        At least two; all begin with what comes before this layer. An empty list is that itself.
    axis : int
        Counted with the batch, as NumPy, Keras and PyTorch do: by default 1, the features of rows
        or the channels of images; -1 is the last one.

    Examples
    --------
    >>> from netts.layers import Conv2D, MaxPool2D
    >>> inception = Concatenate([
    ...     [Conv2D(8, 1)], [Conv2D(8, 3, padding="same")], [MaxPool2D(3, stride=1, padding=1)]
    ... ])
    >>> inception.output_shape((8, 28, 28), (8, 28, 28), (4, 28, 28))
    (20, 28, 28)
    """

    _: KW_ONLY
    axis: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.axis, int) and self.axis < 0:
            check_whole("axis", -self.axis, 1)
        else:
            check_whole("axis", self.axis, 1)

    def output_shape(self, *input_shapes: Shape) -> Shape:
        """Return the shape of the inputs, with the sum of their extents along the axis."""
        if len(set(map(len, input_shapes))) > 1:
            raise ShapeError(
                f"takes branches of as many axes, got {_listed(input_shapes)}: flatten what has "
                "more"
            )
        axis = self._axis(input_shapes[0])
        if len({(one[:axis], one[axis + 1 :]) for one in input_shapes}) > 1:
            raise ShapeError(
                f"takes branches of shapes that differ along axis {axis + 1} only, got "
                f"{_listed(input_shapes)}: give the branches as many places, with padding or "
                "pooling, or flatten them"
            )
        total = sum(one[axis] for one in input_shapes)
        return (*input_shapes[0][:axis], total, *input_shapes[0][axis + 1 :])

    def _axis(self, shape: Shape) -> int:
        """Return the axis, counted without the batch."""
        axis = self.axis + len(shape) if self.axis < 0 else self.axis - 1
        if not 0 <= axis < len(shape):
            raise ShapeError(
                f"has no axis {self.axis} in values of shape {batched(shape)}: choose from "
                f"{', '.join(map(str, range(1, len(shape) + 1)))}"
            )
        return axis

    def forward(self, at: LayerBuffers) -> None:
        """Copy the inputs to their places."""
        for one, place in self._places(at.inputs, at.output):
            copy_block(one, place)

    def backward(self, at: LayerBuffers) -> None:
        """Copy the gradients from their places."""
        for (_, place), grad_input in zip(
            self._places(at.inputs, at.grad_output), at.grad_inputs, strict=True
        ):
            if grad_input is not None:
                copy_block(place, grad_input.reshape(*place.shape))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Concat."""
        return at.add("Concat", *at.inputs, axis=self._axis(at.output_shape) + 1)

    def _places(self, inputs: Sequence[Any], whole: Any) -> list[tuple[Any, Any]]:
        """Return each input and its part of the whole as matrices of the same columns."""
        axis = self._axis(whole.shape[1:]) + 1
        n_rows, inner = math.prod(whole.shape[:axis]), math.prod(whole.shape[axis + 1 :])
        matrix = whole.reshape(n_rows, whole.shape[axis] * inner)
        found, start = [], 0
        for one in inputs:
            end = start + one.shape[axis] * inner
            found.append((one.reshape(n_rows, end - start), matrix[:, start:end]))
            start = end
        return found


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(batched, shapes))
