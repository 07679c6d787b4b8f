"""Data at the door: one place that turns what users pass into arrays that kernels take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from netts.choices import did_you_mean
from netts.devices.foreign import WAY_OUT, DeviceArray, device_array
from netts.errors import DataError, ParameterError, ShapeError
from netts.hyperparameters import check_whole
from netts.layers.base import Shape

if TYPE_CHECKING:
    from netts.network.sources import SampleSource

T = TypeVar("T")


def as_shape(input_shape: int | Iterable[int]) -> Shape:
    """Return the shape of a sample as a tuple of int; a whole number is one axis.

    Raises
    ------
    ParameterError
        Where an axis is no whole number of at least 1.
    """
    axes = tuple(input_shape) if isinstance(input_shape, Iterable) else (input_shape,)
    for n in axes:
        check_whole("each axis of input_shape", n, 1)
    return tuple(map(int, axes))


def as_shapes(names: Sequence[str], input_shape: Any) -> tuple[Shape, ...]:
    """Return the shape of a sample for each input of a network.

    Parameters
    ----------
    names
        Of the inputs; none where samples are one array.
    input_shape
        A shape as `as_shape` takes it, or a mapping of names to such shapes.

    Raises
    ------
    ParameterError
        Where a name is missing or unknown, or a shape is none.
    """
    try:
        given = _for_each(names, input_shape, "input_shape")
    except DataError as error:
        raise ParameterError(str(error)) from None
    return tuple(as_shape(one) for one in given.values())


def as_arrays(names: Sequence[str], X: Any, name: str = "X") -> dict[str, np.ndarray]:
    """Return what is passed for each input of a network, by what messages call it.

    Parameters
    ----------
    names
        Of the inputs; none where samples are one array.
    X
        An array of samples, or a mapping of names to such arrays.
    name
        What messages call `X`.

    Raises
    ------
    DataError
        Where a name is missing or unknown, or something is no array of numbers.
    """
    return {called: as_array(one, called) for called, one in _for_each(names, X, name).items()}


def _for_each(names: Sequence[str], given: Any, what: str) -> dict[str, Any]:
    """Return what is given for each input, in their order, by what messages call it."""
    if not names:
        if isinstance(given, Mapping):
            raise DataError(
                f"{what} is a dictionary, but the samples of this network are one array: pass "
                "that, or begin lists of layers with layers.Input(name)"
            )
        return {what: given}
    if not isinstance(given, Mapping):
        raise DataError(
            f"the network has inputs by name: pass {what} as a dictionary, "
            f"{{{', '.join(f'{name!r}: ...' for name in names)}}}, not {type(given).__name__}"
        )
    for name in names:
        if name not in given:
            raise DataError(f"{what} lacks the input {name!r}: it has {_listed(given)}")
    for name in given:
        if name not in names:
            hint = did_you_mean(str(name), names)
            raise DataError(
                f"{what} has {name!r}, which no layer reads{hint}: the inputs of the network are "
                f"{_listed(names)}"
            )
    return {f"{what}[{name!r}]": given[name] for name in names}


def by_name(names: Sequence[str], values: Sequence[T]) -> dict[str, T] | T:
    """Return one value for each input as users pass them: by name, or the value of the only one."""
    return dict(zip(names, values, strict=False)) if names else values[0]


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(repr, names)) or "none"


def dtype_for(*arrays: np.ndarray | SampleSource | DeviceArray) -> np.dtype:
    """Return the dtype in which a network trains on data.

    float32 where all that is floating is no wider, float64 otherwise. Whole numbers, such as
    categories beside quantities, have no say unless they are alone: then it is float64.
    """
    floating = [dtype for dtype in (np.dtype(one.dtype) for one in arrays) if dtype.kind == "f"]
    narrow = bool(floating) and all(one in (np.float16, np.float32) for one in floating)
    return np.dtype(np.float32 if narrow else np.float64)


def floating(dtype: DTypeLike) -> np.dtype:
    """Return the dtype of a network that an argument stands for.

    Raises
    ------
    ParameterError
        Where it is neither float32 nor float64.
    """
    for chosen in map(np.dtype, (np.float32, np.float64)):
        if dtype in (chosen, chosen.type, chosen.name):
            return chosen
    raise ParameterError(f"the dtype of a network is float32 or float64, got {dtype!r}")


def as_array(X: Any, name: str) -> np.ndarray:
    """Return `X` as an array of numbers.

    Raises
    ------
    DataError
        Where it holds anything else, or is sparse.
    """
    if hasattr(X, "toarray"):
        raise DataError(f"{name} is sparse, which netts does not take: pass {name}.toarray()")
    lying = device_array(X, name)
    if lying is not None:
        raise DataError(
            f"{name} lies on the GPU {lying.device!r}, where netts does not take it: bring it to "
            f"the host, {WAY_OUT}"
        )
    try:
        array = np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        # PyTorch's, of tensors that require a gradient, names the way out.
        raise DataError(f"{name} is no array: {error}") from None
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} holds something other than numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        way_out = _WAYS_OUT.get(array.dtype.kind, "convert it to float64")
        raise DataError(
            f"{name} holds numbers, got dtype {array.dtype}: {way_out.format(name=name)}"
        )
    return np.require(array, requirements=["ALIGNED"])


_WAYS_OUT = {
    "U": "{name}.astype(float) reads numbers that are text, netts.data.TableEncoder encodes text",
    "c": "pass real and imaginary parts as features of their own",
    "M": "netts.data.TableEncoder makes features of dates",
}
"""What to do about arrays that hold no real numbers, by the kind of their dtype."""


def as_samples(X: Any, input_shape: Shape, dtype: np.dtype, name: str = "X") -> np.ndarray:
    """Return samples as a C-contiguous matrix (n_samples, features) of a network's dtype.

    The memory is that of `X` where nothing has to change.

    Raises
    ------
    ShapeError
        Where a sample has another shape than `input_shape`.
    DataError
        Where values are not finite, or not numbers.
    """
    array = as_array(X, name)
    check_shape(array.shape, input_shape, name)
    with np.errstate(over="ignore"):  # what leaves float32's range is refused below
        rows = np.ascontiguousarray(array, dtype).reshape(len(array), math.prod(input_shape))
    check_finite(rows, name)
    return rows


def as_inputs(
    names: Sequence[str], X: Any, shapes: Sequence[Shape], dtype: np.dtype, name: str = "X"
) -> dict[str, np.ndarray]:
    """Return the samples of each input of a network as matrices, by what messages call them.

    Parameters
    ----------
    names, X, name
        As in `as_arrays`.
    shapes
        Of the values of the network, its inputs first.
    dtype
        That of the network.

    Raises
    ------
    ShapeError, DataError
        As in `as_arrays` and `as_samples`, or where the inputs have different numbers of samples.
    """
    inputs = {
        called: as_samples(array, shape, dtype, called)
        for (called, array), shape in zip(as_arrays(names, X, name).items(), shapes, strict=False)
    }
    if len(set(map(len, inputs.values()))) > 1:
        counts = ", ".join(f"{called} has {len(one)}" for called, one in inputs.items())
        raise ShapeError(f"inputs have the same samples, but {counts}")
    return inputs


def check_shape(shape: tuple[int, ...], input_shape: Shape, name: str) -> None:
    """Raise `ShapeError` where data are not samples of a shape."""
    if shape[1:] == input_shape and shape:
        return
    axes = ", ".join(["n_samples", *map(str, input_shape)])
    raise ShapeError(
        f"the network takes {name} of shape ({axes}), got {shape}: "
        + _reshaping(shape, input_shape, name)
    )


def _reshaping(shape: tuple[int, ...], input_shape: Shape, name: str) -> str:
    """Return what to do about samples of another shape than a network was built for."""
    if shape == input_shape:
        return f"one sample is {name}[None]"
    if shape and 0 not in shape and math.prod(shape[1:]) == math.prod(input_shape):
        return f"{name}.reshape{(-1, *input_shape)} gives them that shape"
    return "it was built for that shape; build another network for these samples"


def check_finite(rows: np.ndarray, name: str) -> None:
    """Raise an error that says where the first value is that is not finite."""
    finite = np.isfinite(rows)
    if finite.all():
        return
    first = tuple(int(one) for one in np.argwhere(~finite)[0])
    where = "row {}, column {}".format(*first) if len(first) == 2 else f"row {first[0]}"
    raise DataError(
        f"{name} has {np.count_nonzero(~finite)} values that are not finite (or too large for "
        f"{rows.dtype}), the first in {where}: {rows[first]}; fill or drop them first"
    )
