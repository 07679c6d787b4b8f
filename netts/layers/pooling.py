"""Pooling: an image or a signal made smaller, a window at a time.

Every window lies over the image at least in part, as padding is at most half of it. Nothing is kept
for the backward pass but input and output: it looks for each maximum again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netts.compiler import accelerate, parallel
from netts.errors import ParameterError
from netts.layers.base import Layer, LayerBuffers, LayerOperators, Shape
from netts.layers.windows import (
    IMAGE,
    SIGNAL,
    Sides,
    Window,
    as_image,
    as_vertical_and_horizontal,
    for_sides,
    places,
    sliding,
)

LOWEST = -math.inf


@accelerate
def max_pool_forward(images, output, height, width, stride_y, stride_x, padding_y, padding_x):
    """Write the maximum of each window; NaN where it holds one."""
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        top = y * stride_y - padding_y
        left = x * stride_x - padding_x
        peak = LOWEST
        for row in range(max(top, 0), min(top + height, images.shape[2])):
            for column in range(max(left, 0), min(left + width, images.shape[3])):
                value = images[n, c, row, column]
                if value > peak or math.isnan(value):
                    peak = value
        output[n, c, y, x] = peak


@accelerate
def max_pool_backward(
    images,
    output,
    grad_output,
    grad_input,
    height,
    width,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
):
    """Add each gradient to the place of its maximum, the first by rows where several are equal."""
    for n, c in parallel(images.shape[0], images.shape[1]):
        for i in range(images.shape[2]):
            for j in range(images.shape[3]):
                grad_input[n, c, i, j] = 0.0
        for y in range(grad_output.shape[2]):
            for x in range(grad_output.shape[3]):
                top = y * stride_y - padding_y
                left = x * stride_x - padding_x
                peak = output[n, c, y, x]
                rest = grad_output[n, c, y, x]
                for row in range(max(top, 0), min(top + height, images.shape[2])):
                    for column in range(max(left, 0), min(left + width, images.shape[3])):
                        value = images[n, c, row, column]
                        # No branch: a processor guesses wrong where the maximum is, 7 times slower.
                        share = rest if value == peak or math.isnan(value) else 0.0
                        grad_input[n, c, row, column] += share
                        rest -= share


@accelerate
def average_pool_forward(
    images,
    output,
    height,
    width,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    counts_padding,
):
    """Write the sum of each window over the number of its elements, in the image or at all."""
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        top = max(y * stride_y - padding_y, 0)
        bottom = min(y * stride_y - padding_y + height, images.shape[2])
        left = max(x * stride_x - padding_x, 0)
        right = min(x * stride_x - padding_x + width, images.shape[3])
        total = 0.0
        for row in range(top, bottom):
            for column in range(left, right):
                total += images[n, c, row, column]
        count = height * width if counts_padding else (bottom - top) * (right - left)
        output[n, c, y, x] = total / count


@accelerate
def average_pool_backward(
    grad_output,
    grad_input,
    height,
    width,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    counts_padding,
):
    """Divide each gradient among the elements of its window."""
    for n, c in parallel(grad_input.shape[0], grad_input.shape[1]):
        for i in range(grad_input.shape[2]):
            for j in range(grad_input.shape[3]):
                grad_input[n, c, i, j] = 0.0
        for y in range(grad_output.shape[2]):
            for x in range(grad_output.shape[3]):
                top = max(y * stride_y - padding_y, 0)
                bottom = min(y * stride_y - padding_y + height, grad_input.shape[2])
                left = max(x * stride_x - padding_x, 0)
                right = min(x * stride_x - padding_x + width, grad_input.shape[3])
                count = height * width if counts_padding else (bottom - top) * (right - left)
                share = grad_output[n, c, y, x] / count
                for row in range(top, bottom):
                    for column in range(left, right):
                        grad_input[n, c, row, column] += share


@dataclass(frozen=True)
class _Pool(Layer):
    """What all kinds of pooling share: the windows and the shape that they give."""

    sides: ClassVar[Sides]

    pool_size: int | tuple[int, ...] = 2
    stride: int | tuple[int, ...] | None = None
    padding: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        for side, window in zip(self.sides, self._windows(), strict=True):
            if window.before > window.size // 2:
                raise ParameterError(
                    f"padding is at most half of pool_size, {window.size // 2} on the {side}, got "
                    f"{self.padding!r}: a window must see some of the sample"
                )

    def _windows(self) -> tuple[Window, ...]:
        """Return the window on each side."""
        sizes = for_sides("pool_size", self.pool_size, 1, self.sides)
        strides = sizes
        if self.stride is not None:
            strides = for_sides("stride", self.stride, 1, self.sides)
        padding = for_sides("padding", self.padding, 0, self.sides)
        return tuple(map(Window, sizes, strides, padding, padding))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(channels, *sides)`."""
        n_places = places("pool", self._windows(), input_shape, self.sides)
        return input_shape[0], *n_places

    def _geometry(self) -> tuple[int, ...]:
        """Return size, stride and padding as the kernels take them, each (y, x)."""
        y, x = as_vertical_and_horizontal(self._windows())
        return y.size, x.size, y.stride, x.stride, y.before, x.before


@dataclass(frozen=True)
class _MaxPool(_Pool):
    """Pooling that takes the maximum."""

    def forward(self, at: LayerBuffers) -> None:
        """Write the maxima."""
        max_pool_forward(as_image(at.input), as_image(at.output), *self._geometry())

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        arrays = (at.input, at.output, at.grad_output, at.grad_input)
        max_pool_backward(*map(as_image, arrays), *self._geometry())

    def to_onnx(self, at: LayerOperators) -> str:
        """Append MaxPool."""
        return at.add("MaxPool", at.input, **sliding(self._windows()))


@dataclass(frozen=True)
class _AveragePool(_Pool):
    """Pooling that takes the mean."""

    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.count_include_pad, bool):
            raise ParameterError(
                f"count_include_pad is True or False, got {self.count_include_pad!r}"
            )

    def forward(self, at: LayerBuffers) -> None:
        """Write the means."""
        images, output = as_image(at.input), as_image(at.output)
        average_pool_forward(images, output, *self._geometry(), self.count_include_pad)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the input."""
        grad_output, grad_input = as_image(at.grad_output), as_image(at.grad_input)
        average_pool_backward(grad_output, grad_input, *self._geometry(), self.count_include_pad)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append AveragePool."""
        counts = int(self.count_include_pad)
        return at.add("AveragePool", at.input, count_include_pad=counts, **sliding(self._windows()))


@dataclass(frozen=True)
class MaxPool2D(_MaxPool):
    """The maximum of a small window, at every place of an image.

    Images are (batch, channels, height, width). Every setting is one whole number for both sides,
    or (vertical, horizontal).

    Parameters
    ----------
    pool_size : int or (int, int)
        The height and width of the window.
    stride : int or (int, int), optional
        From one place of the window to the next; by default `pool_size`, so that none overlap.
    padding : int or (int, int)
        At most half of `pool_size`. Padding is never the maximum.

    Notes
    -----
    The gradient goes to the maximum; where several elements are equal, to the first of them by
    rows, as in PyTorch. A window that holds NaN gives NaN. What is left at the end of an axis
    beyond the last whole window is not looked at.

    Examples
    --------
    >>> MaxPool2D(2).output_shape((8, 28, 28))
    (8, 14, 14)
    """

    sides: ClassVar[Sides] = IMAGE


@dataclass(frozen=True)
class MaxPool1D(_MaxPool):
    """The maximum of a small window, at every place of a signal, (batch, channels, length).

    Parameters
    ----------
    pool_size : int
        The length of the window.
    stride : int, optional
        From one place of the window to the next; by default `pool_size`, so that none overlap.
    padding : int
        At most half of `pool_size`, at both ends. Padding is never the maximum.

    Examples
    --------
    >>> MaxPool1D(2).output_shape((8, 101))
    (8, 50)
    """

    sides: ClassVar[Sides] = SIGNAL


@dataclass(frozen=True)
class AveragePool2D(_AveragePool):
    """The mean of a small window, at every place of an image.

    Images are (batch, channels, height, width). Every setting of two sides is one whole number for
    both, or (vertical, horizontal).

    Parameters
    ----------
    pool_size : int or (int, int)
        The height and width of the window.
    stride : int or (int, int), optional
        From one place of the window to the next; by default `pool_size`, so that none overlap.
    padding : int or (int, int)
        At most half of `pool_size`.
    count_include_pad : bool
        Whether padding counts as zeros in the mean, as PyTorch has it by default; otherwise the
        mean is over the elements in the image, as Keras has it. Without padding they agree.

    Examples
    --------
    >>> AveragePool2D(7).output_shape((64, 7, 7))
    (64, 1, 1)
    """

    sides: ClassVar[Sides] = IMAGE


@dataclass(frozen=True)
class AveragePool1D(_AveragePool):
    """The mean of a small window, at every place of a signal, (batch, channels, length).

    Parameters
    ----------
    pool_size : int
        The length of the window.
    stride : int, optional
        From one place of the window to the next; by default `pool_size`, so that none overlap.
    padding : int
        At most half of `pool_size`, at both ends.
    count_include_pad : bool
        Whether padding counts as zeros in the mean, as in `AveragePool2D`.

    Examples
    --------
    >>> AveragePool1D(5, stride=1, padding=2).output_shape((8, 101))
    (8, 101)
    """

    sides: ClassVar[Sides] = SIGNAL
