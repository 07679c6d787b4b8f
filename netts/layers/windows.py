"""Windows that slide over images: what convolutions and pooling share."""

from __future__ import annotations

from dataclasses import dataclass

from netts.errors import ParameterError, ShapeError
from netts.hyperparameters import check_whole
from netts.layers.base import Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a window slides along one axis of an image.

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


def as_pair(name: str, value: int | Pair, at_least: int) -> Pair:
    """Return (vertical, horizontal) of a setting that is a whole number or two.

    Raises
    ------
    ParameterError
        Where it is something else, or too small.

    Examples
    --------
    >>> as_pair("stride", 2, 1), as_pair("stride", (2, 1), 1)
    ((2, 2), (2, 1))
    >>> as_pair("stride", 0, 1)
    Traceback (most recent call last):
    netts.errors.ParameterError: stride is a whole number of at least 1, got 0
    """
    if not isinstance(value, tuple | list):
        check_whole(name, value, at_least)
        return int(value), int(value)
    if len(value) != 2:
        raise ParameterError(f"{name} is a whole number or two, (vertical, horizontal): {value!r}")
    for one in value:
        check_whole(f"each of {name}", one, at_least)
    return int(value[0]), int(value[1])


def image_shape(input_shape: Shape) -> tuple[int, int, int]:
    """Return (channels, height, width).

    Raises
    ------
    ShapeError
        Where a sample is no such image.
    """
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return channels, height, width
    axes = ", ".join(map(str, input_shape))
    way_out = {
        1: "reshape flat samples to images, as in X.reshape(-1, 1, 28, 28)",
        2: "images of one channel are X[:, None]",
    }
    raise ShapeError(
        f"expects input of shape (batch, channels, height, width), got (batch, {axes}): "
        + way_out.get(len(input_shape), "give each sample three axes")
    )


def places(what: str, windows: tuple[Window, Window], input_shape: Shape) -> Pair:
    """Return how many places two windows have on the height and width of an image.

    Raises
    ------
    ShapeError
        Where a window does not fit into the padded image.
    """
    _, *sides = image_shape(input_shape)
    for axis, window, length in zip(("height", "width"), windows, sides, strict=True):
        if window.n_places(length) < 1:
            padded = length + window.before + window.after
            with_padding = f", {padded} with padding" if padded > length else ""
            raise ShapeError(
                f"expects images whose {axis} is at least the {what}'s, {window.extent}, got "
                f"(batch, {', '.join(map(str, input_shape))}){with_padding}: use a smaller {what}, "
                "more padding, or less pooling before it"
            )
    vertical, horizontal = (
        window.n_places(length) for window, length in zip(windows, sides, strict=True)
    )
    return vertical, horizontal
