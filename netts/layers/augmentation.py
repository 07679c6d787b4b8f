"""Images flipped, shifted and cropped at random in training, so that each epoch sees others.

Layers, not steps of a loader: they run where the network runs, cost no core of the host, are saved
with the network, and outside of training do nothing (a crop takes the middle). What each sample
gets is drawn by `netts.layers.draws`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.compiler import accelerate, parallel
from netts.errors import ParameterError, ShapeError
from netts.layers.base import Layer, LayerBuffers, LayerOperators, Shape
from netts.layers.draws import chosen, draw
from netts.layers.windows import IMAGE, for_sides, lengths


@accelerate
def flip(images, draws, output, vertical, horizontal):
    """Write each image, its rows upside down with a chance of `vertical`, its columns likewise.

    Its own transpose, so the backward pass is the same kernel over the gradients.
    """
    height = images.shape[2]
    width = images.shape[3]
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        row = height - 1 - y if draws[n, 0] < vertical else y
        column = width - 1 - x if draws[n, 1] < horizontal else x
        output[n, c, y, x] = images[n, c, row, column]


@accelerate
def translate(images, draws, output, span_y, span_x, first_y, first_x, sign):
    """output[n, c, y, x] = images[n, c, y + sign * down, x + sign * right], 0 outside of them.

    Down and right are `first` and the following whole numbers, `span` of them. With the other sign
    it is the backward pass.
    """
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        row = y + sign * (first_y + chosen(draws[n, 0], span_y))
        column = x + sign * (first_x + chosen(draws[n, 1], span_x))
        value = 0.0
        if row >= 0 and row < images.shape[2] and column >= 0 and column < images.shape[3]:
            value = images[n, c, row, column]
        output[n, c, y, x] = value


@accelerate
def cut_out(images, output, top, left):
    """output[n, c, y, x] = images[n, c, y + top, x + left], 0 outside of them."""
    for n, c, y, x in parallel(output.shape[0], output.shape[1], output.shape[2], output.shape[3]):
        row = y + top
        column = x + left
        value = 0.0
        if row >= 0 and row < images.shape[2] and column >= 0 and column < images.shape[3]:
            value = images[n, c, row, column]
        output[n, c, y, x] = value


Pair = tuple[int, int]


def as_pair(name: str, value: int | Pair, at_least: int) -> Pair:
    """Return (vertical, horizontal) of a setting; raise `ParameterError` where it is none."""
    down, right = for_sides(name, value, at_least, IMAGE)
    return down, right


class Augmentation(Layer):
    """A layer that changes images in training, and keeps two random numbers for each."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the images."""
        lengths(input_shape, IMAGE)  # which checks it
        return input_shape

    def transients(self, input_shape: Shape, rows: int) -> dict[str, Shape]:
        """Return `draws`."""
        return {"draws": (rows, 2)}

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training


@dataclass(frozen=True)
class RandomFlip(Augmentation):
    """In training, mirror each image with a chance of 1/2.

    Parameters
    ----------
    horizontal : bool
        Whether left and right may change places.
    vertical : bool
        Whether top and bottom may.
    """

    horizontal: bool = True
    vertical: bool = False

    def __post_init__(self) -> None:
        for name, value in [("horizontal", self.horizontal), ("vertical", self.vertical)]:
            if not isinstance(value, bool):
                raise ParameterError(f"{name} is True or False, got {value!r}")

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or not (self.horizontal or self.vertical)

    def forward(self, at: LayerBuffers) -> None:
        """Draw, and write the images."""
        draw(at)
        flip(at.input, at.draws, at.output, *self._chances)

    def backward(self, at: LayerBuffers) -> None:
        """Flip the gradients back."""
        flip(at.grad_output, at.draws, at.grad_input, *self._chances)

    @property
    def _chances(self) -> tuple[float, float]:
        return 0.5 * self.vertical, 0.5 * self.horizontal


@dataclass(frozen=True)
class RandomShift(Augmentation):
    """In training, move each image by whole pixels; 0 stands where it was.

    Parameters
    ----------
    pixels : int or (vertical, horizontal)
        By how much at most, up or down, left or right; each distance is as likely.
    """

    pixels: int | Pair

    def __post_init__(self) -> None:
        as_pair("pixels", self.pixels, 0)

    def passes_through(self, is_training: bool) -> bool:
        """Return True outside of training."""
        return not is_training or as_pair("pixels", self.pixels, 0) == (0, 0)

    def forward(self, at: LayerBuffers) -> None:
        """Draw, and write the images."""
        draw(at)
        translate(at.input, at.draws, at.output, *self._distances, 1)

    def backward(self, at: LayerBuffers) -> None:
        """Move the gradients back."""
        translate(at.grad_output, at.draws, at.grad_input, *self._distances, -1)

    @property
    def _distances(self) -> tuple[int, int, int, int]:
        down, right = as_pair("pixels", self.pixels, 0)
        return 2 * down + 1, 2 * right + 1, -down, -right


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Cut a part out of each image: at random in training, else the middle.

    Parameters
    ----------
    size : int or (height, width)
        Of the part.
    padding : int or (vertical, horizontal)
        How many zeros are put at each of two sides before; with `size` that of the images, they are
        moved by that at most.
    """

    size: int | Pair
    padding: int | Pair = 0

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)
        as_pair("padding", self.padding, 0)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of a part."""
        channels, sides = input_shape[0], lengths(input_shape, IMAGE)
        size, padding = as_pair("size", self.size, 1), as_pair("padding", self.padding, 0)
        if any(s > n + 2 * p for s, n, p in zip(size, sides, padding, strict=True)):
            raise ShapeError(
                f"cuts {size[0]} x {size[1]} out of images of {sides[0]} x {sides[1]} with padding "
                f"{padding[0]} x {padding[1]} (height x width): choose a smaller size"
            )
        return channels, *size

    def passes_through(self, is_training: bool) -> bool:
        """Return False: the shape is another."""
        return False

    def forward(self, at: LayerBuffers) -> None:
        """Write the parts."""
        if at.is_training:
            draw(at)
            translate(at.input, at.draws, at.output, *self._places(at.input.shape), 1)
        else:
            cut_out(at.input, at.output, *_middle(at.input.shape[2:], at.output.shape[2:]))

    def backward(self, at: LayerBuffers) -> None:
        """Put the gradients back where the parts were."""
        translate(at.grad_output, at.draws, at.grad_input, *self._places(at.input.shape), -1)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Pad, of less than nothing where something is cut off."""
        whole, part = at.input_shapes[0][1:], at.output_shape[1:]
        before = [-one for one in _middle(whole, part)]
        after = [m - n - one for m, n, one in zip(part, whole, before, strict=True)]
        return at.add("Pad", at.input, np.array([0, 0, *before, 0, 0, *after], np.int64))

    def _places(self, shape: Shape) -> tuple[int, int, int, int]:
        (height, width), (down, right) = (
            as_pair("size", self.size, 1),
            as_pair("padding", self.padding, 0),
        )
        spans = shape[2] + 2 * down - height + 1, shape[3] + 2 * right - width + 1
        return *spans, -down, -right


def _middle(whole: Shape, part: Shape) -> tuple[int, int]:
    """Return where the middle part of an image begins, below 0 where it is larger than that."""
    top, left = ((n - m) // 2 for n, m in zip(whole, part, strict=True))
    return top, left
