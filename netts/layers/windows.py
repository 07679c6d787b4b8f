"""Windows that slide over images and signals: what convolutions and pooling share.

Kernels see images. A signal, (channels, length), is an image of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netts.devices.memory import BufferView
from netts.errors import ParameterError, ShapeError
from netts.hyperparameters import check_whole
from netts.layers.base import Shape, batched


@dataclass(frozen=True)
class Window:
    """How a window slides along one side of a sample.

    Attributes
    ----------
    size
        How many elements it sees.
    stride
        From one place of the window to the next.
    before, after
        The padding at the two ends of the axis.
    dilation
        From one element that it sees to the next.
    """

    size: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """From the first element that it sees to the last, both included."""
        return self.dilation * (self.size - 1) + 1

    def n_places(self, length: int) -> int:
        """Return how many places it has on an axis; less than 1 where it does not fit."""
        return (length + self.before + self.after - self.extent) // self.stride + 1


Sides = tuple[str, ...]
"""What messages call the sides of a sample that windows slide along, the last axis last."""

IMAGE: Sides = ("height", "width")
SIGNAL: Sides = ("length",)

_ORDERS = {IMAGE: "(vertical, horizontal)", SIGNAL: "(along the length,)"}

_WAYS_OUT = {
    (IMAGE, 1): "reshape flat samples to images, as in X.reshape(-1, 1, 28, 28)",
    (IMAGE, 2): "images of one channel are X[:, None]",
    (SIGNAL, 1): "signals of one channel are X[:, None]",
    (SIGNAL, 3): "for images there are layers of two dimensions, such as Conv2D",
}
"""What to do about samples of another number of axes."""


def for_sides(name: str, value: int | tuple[int, ...], at_least: int, sides: Sides) -> Shape:
    """Return a setting for each side; a whole number is for all.

    Raises
    ------
    ParameterError
        Where it is something else, or too small.

    Examples
    --------
    >>> for_sides("stride", 2, 1, IMAGE), for_sides("stride", (2, 1), 1, IMAGE)
    ((2, 2), (2, 1))
    >>> for_sides("stride", 0, 1, SIGNAL)
    Traceback (most recent call last):
    netts.errors.ParameterError: stride is a whole number of at least 1, got 0
    """
    if not isinstance(value, tuple | list):
        check_whole(name, value, at_least)
        return (int(value),) * len(sides)
    if len(value) != len(sides):
        count = "two" if len(sides) > 1 else "one"
        raise ParameterError(f"{name} is a whole number or {count}, {_ORDERS[sides]}: {value!r}")
    for one in value:
        check_whole(f"each of {name}", one, at_least)
    return tuple(map(int, value))


def lengths(input_shape: Shape, sides: Sides) -> Shape:
    """Return the lengths of the sides of a sample (channels, *sides).

    Raises
    ------
    ShapeError
        Where a sample has another number of axes.
    """
    if len(input_shape) == 1 + len(sides):
        return input_shape[1:]
    way_out = _WAYS_OUT.get(
        (sides, len(input_shape)), f"give each sample {('two', 'three')[len(sides) - 1]} axes"
    )
    raise ShapeError(
        f"expects input of shape {batched(('channels', *sides))}, got {batched(input_shape)}: "
        f"{way_out}"
    )


def places(what: str, windows: Sequence[Window], input_shape: Shape, sides: Sides) -> Shape:
    """Return how many places windows have on the sides of a sample.

    Raises
    ------
    ShapeError
        Where a window does not fit into the padded side.
    """
    along = lengths(input_shape, sides)
    for side, window, length in zip(sides, windows, along, strict=True):
        if window.n_places(length) < 1:
            padded = length + window.before + window.after
            with_padding = f", {padded} with padding" if padded > length else ""
            raise ShapeError(
                f"expects samples whose {side} is at least the {what}'s, {window.extent}, got "
                f"{batched(input_shape)}{with_padding}: use a smaller {what}, more padding, or "
                "less pooling before it"
            )
    return tuple(one.n_places(length) for one, length in zip(windows, along, strict=True))


def sliding(windows: Sequence[Window]) -> dict[str, Any]:
    """Return the attributes of ONNX's operators that slide windows."""
    found: dict[str, Any] = {
        "kernel_shape": [one.size for one in windows],
        "strides": [one.stride for one in windows],
        "pads": [one.before for one in windows] + [one.after for one in windows],
    }
    if any(one.dilation > 1 for one in windows):
        found["dilations"] = [one.dilation for one in windows]
    return found


def as_image(view: BufferView) -> BufferView:
    """Return a batch (n, channels, *sides) as images: a signal is one of a single row."""
    n, channels, *along = view.shape
    return view.reshape(n, channels, *(1,) * (2 - len(along)), *along)


def as_vertical_and_horizontal(windows: Sequence[Window]) -> tuple[Window, Window]:
    """Return the windows for images whose last sides are those given."""
    vertical, horizontal = (*(Window(1),) * (2 - len(windows)), *windows)
    return vertical, horizontal
