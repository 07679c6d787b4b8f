"""Arrays of other libraries: what scikit-learn is shown of them, and answers of their kind.

What lies on a GPU is answered by an array of its library there. What lies on the host is answered
by NumPy, or by its library where scikit-learn was told so: `array_api_dispatch=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.externals import array_api_compat
from sklearn.externals.array_api_compat import numpy as numpy_namespace

from netts.devices.foreign import DeviceArray, device_array, on_host
from netts.errors import DataError

PLAIN = "biuf"
"""Kinds of dtypes that every library has: labels of others, such as text, are NumPy's."""


def stand_in(array: DeviceArray) -> np.ndarray:
    """Return an array of the same shape and dtype, whose one element scikit-learn may look at."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


def check_form(array: DeviceArray, *, takes_images: bool) -> None:
    """Raise an error where samples on a GPU have no axis of features.

    Raises
    ------
    DataError
        Where scikit-learn would show the values, which it does not see.
    """
    if array.ndim != 2 and not (takes_images and array.ndim > 2):
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array instead: {array.name} on the GPU "
            f"{array.device!r} has shape {array.shape}. Reshape it, (-1, 1) for one feature, "
            "(1, -1) for one sample"
        )


def check_answerable(X: Any) -> None:
    """Raise an error where X lies on a GPU, and its library has no functions for an answer.

    Raises
    ------
    DataError
    """
    if device_array(X) is not None and not array_api_compat.is_array_api_obj(X):
        raise DataError(
            f"X is a {type(X).__name__} on a GPU, whose library has not the functions of the array "
            "API standard, which predictions are made by: pass cupy.asarray(X), or "
            "torch.as_tensor(X, device='cuda')"
        )


def is_other(X: Any) -> bool:
    """Whether X is an array of another library that lies on the host."""
    return array_api_compat.is_array_api_obj(X) and not array_api_compat.is_numpy_array(X)


def host_values(X: Any, name: str) -> Any:
    """Return an array of another library as NumPy's, copied where it lies on a GPU; else X."""
    X = on_host(X, name)
    if not is_other(X):
        return X
    try:
        return np.asarray(X)
    except (RuntimeError, TypeError) as error:
        # PyTorch's, of tensors that require a gradient, names the way out.
        raise DataError(f"{name} cannot be read: {error}") from error


def answered(outputs: Any, like: Any) -> Any:
    """Return NumPy's outputs as an array of the library of X where scikit-learn was told to."""
    is_settled = isinstance(like, np.ndarray) or not isinstance(outputs, np.ndarray)
    if is_settled or not (get_config()["array_api_dispatch"] and is_other(like)):
        return outputs
    return of_kind(outputs, like)


def namespace_of(array: Any) -> Any:
    """Return the functions of the array API standard for an array."""
    if type(array) is np.ndarray:  # told in a tenth of a microsecond, which counts for one row
        return numpy_namespace
    return array_api_compat.array_namespace(array)


def chosen(classes: np.ndarray, numbers: Any) -> Any:
    """Return the classes of some numbers, of the kind of these if their library has the dtype."""
    if isinstance(numbers, np.ndarray):
        return classes[numbers]
    if classes.dtype.kind not in PLAIN:
        return classes[host_values(numbers, "the prediction")]
    return namespace_of(numbers).take(of_kind(classes, numbers), numbers, axis=0)


def log_probabilities(logits: Any, *, is_softmax: bool) -> Any:
    """Return the logarithms of softmax, or of the logistic function, without overflow."""
    xp = namespace_of(logits)
    if is_softmax:
        shifted = logits - xp.max(logits, axis=1, keepdims=True)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    return xp.minimum(logits, xp.zeros_like(logits)) - xp.log1p(xp.exp(-xp.abs(logits)))


def of_kind(values: np.ndarray, like: Any) -> Any:
    """Return values of the host as an array of another's library, where that one lies."""
    if values.dtype.kind not in PLAIN:
        return values
    namespace = namespace_of(like)
    return namespace.asarray(values, device=array_api_compat.device(like))


class HostPredictions:
    """An estimator as scikit-learn's `score` sees it: its predictions are NumPy's."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self._predict = predict

    def predict(self, X: Any) -> Any:
        """Return predictions, copied to the host where they lie on a GPU."""
        return host_values(self._predict(X), "the prediction")
