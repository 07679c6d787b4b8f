"""Convolution: the same weighted sum at every place of an image.

The kernels see groups of channels as an axis of their own: images (n, groups, channels, height,
width), weight (groups, filters, channels, kernel height, kernel width), where channels and filters
are those of one group. A place outside of the image counts as zero.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from netts.compiler import accelerate, parallel
from netts.devices.memory import BufferView
from netts.errors import ParameterError, ShapeError
from netts.hyperparameters import check_whole
from netts.initializers import Initializer, initializer_from
from netts.layers.activations import activation_from
from netts.layers.base import Layer, LayerBuffers, LayerOperators, Parameter, Shape
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


@accelerate
def conv2d_forward(
    images,
    weight,
    bias,
    output,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    dilation_y,
    dilation_x,
):
    """output[n, g, o, y, x] = bias[g, o] + sum over c, ky, kx of image * weight, at that place."""
    for n, g, o, y, x in parallel(
        output.shape[0], output.shape[1], output.shape[2], output.shape[3], output.shape[4]
    ):
        total = bias[g, o]
        for c in range(weight.shape[2]):
            for ky in range(weight.shape[3]):
                for kx in range(weight.shape[4]):
                    row = y * stride_y + ky * dilation_y - padding_y
                    column = x * stride_x + kx * dilation_x - padding_x
                    if 0 <= row < images.shape[3] and 0 <= column < images.shape[4]:
                        total += images[n, g, c, row, column] * weight[g, o, c, ky, kx]
        output[n, g, o, y, x] = total


@accelerate
def conv2d_forward_without_bias(
    images, weight, output, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x
):
    """output[n, g, o, y, x] = sum over c, ky, kx of image * weight, at that place."""
    for n, g, o, y, x in parallel(
        output.shape[0], output.shape[1], output.shape[2], output.shape[3], output.shape[4]
    ):
        total = 0.0
        for c in range(weight.shape[2]):
            for ky in range(weight.shape[3]):
                for kx in range(weight.shape[4]):
                    row = y * stride_y + ky * dilation_y - padding_y
                    column = x * stride_x + kx * dilation_x - padding_x
                    if 0 <= row < images.shape[3] and 0 <= column < images.shape[4]:
                        total += images[n, g, c, row, column] * weight[g, o, c, ky, kx]
        output[n, g, o, y, x] = total


@accelerate
def conv2d_grad_weight(
    images,
    grad_output,
    grad_weight,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    dilation_y,
    dilation_x,
):
    """grad_weight[g, o, c, ky, kx] = sum over n, y, x of image * grad_output[n, g, o, y, x]."""
    for g, o, c, ky, kx in parallel(
        grad_weight.shape[0],
        grad_weight.shape[1],
        grad_weight.shape[2],
        grad_weight.shape[3],
        grad_weight.shape[4],
    ):
        total = 0.0
        for n in range(grad_output.shape[0]):
            for y in range(grad_output.shape[3]):
                for x in range(grad_output.shape[4]):
                    row = y * stride_y + ky * dilation_y - padding_y
                    column = x * stride_x + kx * dilation_x - padding_x
                    if 0 <= row < images.shape[3] and 0 <= column < images.shape[4]:
                        total += images[n, g, c, row, column] * grad_output[n, g, o, y, x]
        grad_weight[g, o, c, ky, kx] = total


@accelerate
def conv2d_grad_bias(grad_output, grad_bias):
    """grad_bias[o] = sum over samples and pixels of grad_output[n, o, p]."""
    for o in parallel(grad_bias.shape[0]):
        total = 0.0
        for n in range(grad_output.shape[0]):
            for p in range(grad_output.shape[2]):
                total += grad_output[n, o, p]
        grad_bias[o] = total


@accelerate
def conv2d_grad_input(
    grad_output,
    weight,
    grad_input,
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    dilation_y,
    dilation_x,
):
    """Add grad_output * weight, summed over o, to every place that an output was computed from."""
    for n, g, c in parallel(grad_input.shape[0], grad_input.shape[1], grad_input.shape[2]):
        for y in range(grad_input.shape[3]):
            for x in range(grad_input.shape[4]):
                grad_input[n, g, c, y, x] = 0.0
        for ky in range(weight.shape[3]):
            for kx in range(weight.shape[4]):
                for y in range(grad_output.shape[3]):
                    for x in range(grad_output.shape[4]):
                        total = 0.0
                        for o in range(weight.shape[1]):
                            total += grad_output[n, g, o, y, x] * weight[g, o, c, ky, kx]
                        row = y * stride_y + ky * dilation_y - padding_y
                        column = x * stride_x + kx * dilation_x - padding_x
                        if 0 <= row < grad_input.shape[3] and 0 <= column < grad_input.shape[4]:
                            grad_input[n, g, c, row, column] += total


@dataclass(frozen=True)
class _Convolution(Layer):
    """What convolutions share: all but the number of sides that their windows slide along."""

    sides: ClassVar[Sides]

    filters: int
    kernel_size: int | tuple[int, ...]
    _: KW_ONLY
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] | str = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    activation: str | Layer | None = None
    use_bias: bool = True
    weight_initializer: str | Initializer = "glorot_uniform"
    bias_initializer: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        check_whole("filters", self.filters, 1)
        check_whole("groups", self.groups, 1)
        if self.filters % self.groups:
            raise ParameterError(
                f"filters are divided into groups, but {self.groups} groups do not divide "
                f"{self.filters} filters: make filters a multiple of {self.groups}"
            )
        for axis, window in zip(self.sides, self._windows(), strict=True):
            if window.before > window.extent:
                raise ParameterError(
                    f"padding is at most the kernel, {window.extent} on the {axis}, got "
                    f"{self.padding!r}: beyond it the kernel sees padding only"
                )
        initializer_from(self.weight_initializer)
        initializer_from(self.bias_initializer)
        self.expand()

    def _windows(self) -> tuple[Window, ...]:
        """Return the window on each side."""
        sizes = for_sides("kernel_size", self.kernel_size, 1, self.sides)
        strides = for_sides("stride", self.stride, 1, self.sides)
        dilations = for_sides("dilation", self.dilation, 1, self.sides)
        bare = [
            Window(n, step, dilation=gap)
            for n, step, gap in zip(sizes, strides, dilations, strict=True)
        ]
        return tuple(
            dataclasses.replace(one, before=before, after=after)
            for one, (before, after) in zip(bare, self._padding(bare), strict=True)
        )

    def _padding(self, windows: Sequence[Window]) -> list[tuple[int, int]]:
        """Return the zeros before and after, on each side."""
        if self.padding == "valid":
            return [(0, 0)] * len(windows)
        if self.padding == "same":
            if any(one.stride != 1 for one in windows):
                raise ParameterError(
                    f"padding 'same' needs stride 1, got {self.stride!r}: give padding as a number"
                )
            return [((one.extent - 1) // 2, one.extent // 2) for one in windows]
        if isinstance(self.padding, str):
            raise ParameterError(
                f"padding is 'same', 'valid' or whole numbers, got {self.padding!r}"
            )
        return [(one, one) for one in for_sides("padding", self.padding, 0, self.sides)]

    def expand(self) -> tuple[Layer, ...]:
        """Return the convolution and the activation, each as a layer."""
        if self.activation is None:
            return (self,)
        return dataclasses.replace(self, activation=None), activation_from(self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(filters, *sides)`."""
        n_places = places("kernel", self._windows(), input_shape, self.sides)
        channels = input_shape[0]
        if channels % self.groups:
            raise ShapeError(
                f"expects channels that {self.groups} groups divide, got {channels} channels: "
                f"choose groups among the divisors of {channels} and of {self.filters} filters"
            )
        return self.filters, *n_places

    def parameters(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `weight` and, with `use_bias`, `bias`."""
        sizes = [one.size for one in self._windows()]
        channels, area = input_shape[0] // self.groups, math.prod(sizes)
        fans = (area * channels, area * self.filters)
        shape = (self.filters, channels, *sizes)
        weight = Parameter(shape, self.weight_initializer, decays=True, fans=fans, unit_axis=0)
        if not self.use_bias:
            return {"weight": weight}
        bias = Parameter((self.filters,), self.bias_initializer, decays=False, fans=fans)
        return {"weight": weight, "bias": bias}

    def forward(self, at: LayerBuffers) -> None:
        """Write the weighted sums."""
        images, output = self._grouped(at.input), self._grouped(at.output)
        weight = self._grouped_filters(at.weight)
        if self.use_bias:
            bias = at.bias.reshape(self.groups, self.filters // self.groups)
            conv2d_forward(images, weight, bias, output, *self._geometry())
        else:
            conv2d_forward_without_bias(images, weight, output, *self._geometry())

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradients by weight, bias and input."""
        geometry, grad_output = self._geometry(), self._grouped(at.grad_output)
        grad_weight = self._grouped_filters(at.grad_weight)
        conv2d_grad_weight(self._grouped(at.input), grad_output, grad_weight, *geometry)
        if self.use_bias:
            n, filters, *sides = at.grad_output.shape
            pixels = at.grad_output.reshape(n, filters, math.prod(sides))
            conv2d_grad_bias(pixels, at.grad_bias)
        if at.grad_input is not None:
            weight, grad_input = self._grouped_filters(at.weight), self._grouped(at.grad_input)
            conv2d_grad_input(grad_output, weight, grad_input, *geometry)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Conv."""
        bias = [at.bias] if self.use_bias else []
        window = sliding(self._windows())
        return at.add("Conv", at.input, at.weight, *bias, group=self.groups, **window)

    def _grouped(self, images: BufferView) -> BufferView:
        """Return (n, channels, *sides) as (n, groups, channels of a group, height, width)."""
        n, channels, *sides = as_image(images).shape
        return images.reshape(n, self.groups, channels // self.groups, *sides)

    def _grouped_filters(self, view: BufferView) -> BufferView:
        """Return (filters, channels, *sides) as (groups, filters of a group, channels, ...)."""
        _, *shape = as_image(view).shape
        return view.reshape(self.groups, self.filters // self.groups, *shape)

    def _geometry(self) -> tuple[int, ...]:
        """Return stride, padding and dilation as the kernels take them, each (y, x)."""
        y, x = as_vertical_and_horizontal(self._windows())
        return y.stride, x.stride, y.before, x.before, y.dilation, x.dilation


@dataclass(frozen=True)
class Conv2D(_Convolution):
    """A weighted sum over a small window, at every place of an image, for every filter.

    It is what the field calls a convolution, and mathematics a cross-correlation: the window is
    not flipped. Images are (batch, channels, height, width). Every setting of two sides is one
    whole number for both, or (vertical, horizontal).

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size : int or (int, int)
        The height and width of the window.
    stride : int or (int, int)
        From one place of the window to the next.
    padding : int, (int, int), "same" or "valid"
        How many zeros to add above and below, left and right. "valid" adds none, "same" as many as
        give an output of the size of the input, with the odd one below and to the right, for a
        stride of 1 only: PyTorch's rules.
    dilation : int or (int, int)
        From one element that the window sees to the next.
    groups : int
        Divides channels and filters into as many groups, each convolved by itself.
    activation : str or Layer, optional
        Follows the layer, as a layer of its own.
    use_bias : bool
    weight_initializer, bias_initializer : str or callable
        Both are given fan_in = kernel area * channels / groups, fan_out = kernel area * filters,
        as Keras and PyTorch count them.

    Notes
    -----
    Parameters: `weight` (filters, channels / groups, kernel height, kernel width), which the L2
    penalty applies to, and `bias` (filters,). An output has a height of
    (height + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, and a width likewise.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285.

    Examples
    --------
    >>> Conv2D(8, 3, padding="same", stride=1).output_shape((3, 28, 28))
    (8, 28, 28)
    """

    sides: ClassVar[Sides] = IMAGE


@dataclass(frozen=True)
class Conv1D(_Convolution):
    """A weighted sum over a small window, at every place of a signal, for every filter.

    Signals are (batch, channels, length): time series, spectra, sequences of embeddings.

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size : int
        The length of the window.
    stride : int
        From one place of the window to the next.
    padding : int, "same" or "valid"
        How many zeros to add at both ends, as in `Conv2D`.
    dilation : int
        From one element that the window sees to the next.
    groups : int
        Divides channels and filters into as many groups, each convolved by itself.
    activation : str or Layer, optional
        Follows the layer, as a layer of its own.
    use_bias : bool
    weight_initializer, bias_initializer : str or callable
        Both are given fan_in = kernel_size * channels / groups, fan_out = kernel_size * filters.

    Notes
    -----
    Parameters: `weight` (filters, channels / groups, kernel_size), which the L2 penalty applies to,
    and `bias` (filters,). The kernels are those of `Conv2D`, over images of one row.

    Examples
    --------
    >>> Conv1D(8, 5, stride=2).output_shape((3, 101))
    (8, 49)
    """

    sides: ClassVar[Sides] = SIGNAL
