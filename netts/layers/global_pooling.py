"""Global pooling: one number for each channel, of all places of an image or a signal.

A network that ends its convolutions so takes images of any size that it is built for, without a
dense layer for each (M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netts.compiler import accelerate, parallel
from netts.devices.memory import BufferView
from netts.layers.base import Layer, LayerBuffers, LayerOperators, Shape
from netts.layers.windows import IMAGE, SIGNAL, Sides, lengths

LOWEST = -math.inf


@accelerate
def global_max_forward(x, output):
    """output[n, c] = maximum over places of x[n, c, p]; NaN where there is one."""
    for n, c in parallel(x.shape[0], x.shape[1]):
        peak = LOWEST
        for p in range(x.shape[2]):
            value = x[n, c, p]
            if value > peak or math.isnan(value):
                peak = value
        output[n, c] = peak


@accelerate
def global_max_backward(x, output, grad_output, grad_input):
    """Give each gradient to the place of its maximum, the first where several are equal."""
    for n, c in parallel(x.shape[0], x.shape[1]):
        peak = output[n, c]
        rest = grad_output[n, c]
        for p in range(x.shape[2]):
            value = x[n, c, p]
            share = rest if value == peak or math.isnan(value) else 0.0
            grad_input[n, c, p] = share
            rest -= share


@accelerate
def global_average_forward(x, output):
    """output[n, c] = mean over places of x[n, c, p]."""
    for n, c in parallel(x.shape[0], x.shape[1]):
        total = 0.0
        for p in range(x.shape[2]):
            total += x[n, c, p]
        output[n, c] = total / x.shape[2]


@accelerate
def global_average_backward(grad_output, grad_input):
    """Divide each gradient among all places."""
    for n, c, p in parallel(grad_input.shape[0], grad_input.shape[1], grad_input.shape[2]):
        grad_input[n, c, p] = grad_output[n, c] / grad_input.shape[2]


@dataclass(frozen=True)
class _GlobalPool(Layer):
    """What all kinds of global pooling share: the shape that they give."""

    sides: ClassVar[Sides]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels,)."""
        lengths(input_shape, self.sides)
        return (input_shape[0],)


def _places(view: BufferView) -> BufferView:
    """Return a batch (n, channels, *sides) as (n, channels, places)."""
    n, channels, *along = view.shape
    return view.reshape(n, channels, math.prod(along))


@dataclass(frozen=True)
class _GlobalMaxPool(_GlobalPool):
    """Global pooling that takes the maximum."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the maxima."""
        global_max_forward(_places(at.input), at.output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        grad_input = _places(at.grad_input)
        global_max_backward(_places(at.input), at.output, at.grad_output, grad_input)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append GlobalMaxPool."""
        return at.reshape(at.add("GlobalMaxPool", at.input), at.output_shape)


@dataclass(frozen=True)
class _GlobalAveragePool(_GlobalPool):
    """Global pooling that takes the mean."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the means."""
        global_average_forward(_places(at.input), at.output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        global_average_backward(at.grad_output, _places(at.grad_input))

    def to_onnx(self, at: LayerOperators) -> str:
        """Append GlobalAveragePool."""
        return at.reshape(at.add("GlobalAveragePool", at.input), at.output_shape)


@dataclass(frozen=True)
class GlobalMaxPool2D(_GlobalMaxPool):
    """The maximum of each channel of an image, (batch, channels, height, width).

    The gradient goes to the maximum, to the first by rows where several are equal.

    Examples
    --------
    >>> GlobalMaxPool2D().output_shape((64, 7, 7))
    (64,)
    """

    sides: ClassVar[Sides] = IMAGE


@dataclass(frozen=True)
class GlobalAveragePool2D(_GlobalAveragePool):
    """The mean of each channel of an image, (batch, channels, height, width).

    Examples
    --------
    >>> GlobalAveragePool2D().output_shape((64, 7, 7))
    (64,)
    """

    sides: ClassVar[Sides] = IMAGE


@dataclass(frozen=True)
class GlobalMaxPool1D(_GlobalMaxPool):
    """The maximum of each channel of a signal, (batch, channels, length).

    Examples
    --------
    >>> GlobalMaxPool1D().output_shape((64, 101))
    (64,)
    """

    sides: ClassVar[Sides] = SIGNAL


@dataclass(frozen=True)
class GlobalAveragePool1D(_GlobalAveragePool):
    """The mean of each channel of a signal, (batch, channels, length).

    Examples
    --------
    >>> GlobalAveragePool1D().output_shape((64, 101))
    (64,)
    """

    sides: ClassVar[Sides] = SIGNAL
