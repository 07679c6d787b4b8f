"""Estimators as ONNX graphs, with the inputs and outputs that skl2onnx gives them.

A classifier gives `label` and `probabilities`, or `scores` where its loss makes no probabilities; a
regressor `variable`. An estimator is given `X`, a table model one input for each column.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from netts.data.scaling import Scaling
from netts.errors import UnexportableError
from netts.network.exporting import add_network
from netts.network.inputs import floating
from netts.persistence.onnx_graph import TEXT, OnnxGraph, Operators
from netts.persistence.onnx_saving import save_onnx

SAMPLES, LABEL, PROBABILITIES, SCORES, QUANTITY = (
    "X", "label", "probabilities", "scores", "variable",
)  # fmt: skip


class Exportable:
    """An estimator that can be written as an ONNX file."""

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> None:
        """Write what the estimator predicts as an ONNX file, for programs without netts.

        It takes `X`, samples of the shape that it was trained on, and gives what skl2onnx gives: a
        classifier `label` and `probabilities` (of each class, or of each label where a sample may
        have several), a regressor `variable`, of shape (n_samples, n_outputs). A classifier whose
        loss makes no probabilities gives `scores` instead: the outputs of its network, of shape
        (n_samples, n_outputs).

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.
        dtype : float32 or float64
            What it computes in, whatever it was trained in. onnxruntime has no convolution in
            float64.

        Raises
        ------
        NotFittedError
            Before the first `fit`.
        MissingPackageError
            Where the package onnx is not installed.
        UnexportableError
            Where class labels are neither numbers, truth values nor text, or a layer or loss of
            your own has no operator.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        check_is_fitted(self)
        save_onnx(path, estimator_graph(self, dtype))


def estimator_graph(estimator: Any, dtype: DTypeLike) -> OnnxGraph:
    """Return the graph of a fitted estimator."""
    graph, chosen = OnnxGraph(), floating(dtype)
    samples = graph.input(SAMPLES, chosen, estimator._network().input_shape)
    add_estimator(graph, estimator, samples, chosen)
    return graph


def add_estimator(
    graph: OnnxGraph,
    estimator: Any,
    samples: str,
    dtype: np.dtype,
    target_scaling: Scaling | None = None,
) -> None:
    """Append what an estimator predicts from a value, and declare it as outputs.

    Parameters
    ----------
    graph
        Changed in place.
    estimator
        Fitted.
    samples
        Of `dtype` and the shape of the estimator's samples.
    dtype
    target_scaling
        Of quantities, taken back in float64; None where there is none.
    """
    network, loss = estimator._network(), estimator._loss_function()
    value = add_network(graph, network, (samples,), loss, dtype)
    if is_classifier(estimator):
        _add_classes(graph, estimator, value, dtype)
        return
    if target_scaling is not None:
        dtype = np.dtype(np.float64)
        at = Operators(graph, "target", dtype)
        scaled = at.add("Mul", at.cast(value, dtype), at.number(target_scaling.scale))
        value = at.add("Add", scaled, at.number(target_scaling.center))
    graph.output(QUANTITY, value, dtype, (estimator.n_outputs_,))


def _add_classes(graph: OnnxGraph, estimator: Any, value: str, dtype: np.dtype) -> None:
    at = Operators(graph, "classes", dtype)
    labels = _labels(estimator.classes_)
    name = PROBABILITIES if estimator._gives_probabilities() else SCORES
    if estimator._target_type == "multilabel-indicator":
        graph.output(LABEL, _is_one(at, estimator, value), np.int64, (len(labels),))
        graph.output(name, value, dtype, (len(labels),))
        return
    if estimator.n_outputs_ > 1:
        add_labels(graph, labels, value, dtype, name)
        return
    labels = np.resize(labels, 2)  # a single class is both
    if name == PROBABILITIES:
        value = at.add("Concat", at.add("Sub", at.number(1.0), value), value, axis=1)
        add_labels(graph, labels, value, dtype)
        return
    known, axis = graph.constant("classes", labels), np.array([1], np.int64)
    place = at.add("Squeeze", _is_one(at, estimator, value), axis)
    graph.output(LABEL, at.add("Gather", known, place), labels.dtype, ())
    graph.output(SCORES, value, dtype, (1,))


def _is_one(at: Operators, estimator: Any, value: str) -> str:
    """Return 1 where a sample has a label, else 0."""
    return at.cast(at.add("Greater", value, at.number(estimator._threshold())), np.int64)


def add_labels(
    graph: OnnxGraph, labels: np.ndarray, value: str, dtype: np.dtype, name: str = PROBABILITIES
) -> None:
    """Declare probabilities of exclusive classes as an output, and the most probable one's label.

    Parameters
    ----------
    graph
        Changed in place.
    labels
        Of shape (n_classes,), as ONNX files hold them: text has the dtype `TEXT`.
    value
        The probabilities, of `dtype` and shape (batch, n_classes).
    dtype
    name
        Of that output.
    """
    at = Operators(graph, "classes", dtype)
    best = at.add("ArgMax", value, axis=1, keepdims=0)
    known = graph.constant("classes", labels)
    graph.output(LABEL, at.add("Gather", known, best), labels.dtype, ())
    graph.output(name, value, dtype, (len(labels),))


def _labels(classes: np.ndarray) -> np.ndarray:
    """Return classes in a dtype that ONNX files hold: int64, bool, float, or text.

    Raises
    ------
    UnexportableError
        Where they are something else.
    """
    if classes.dtype.kind == "U" or all(isinstance(one, str) for one in classes.tolist()):
        return classes.astype(TEXT)
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "bf":
        return classes
    raise UnexportableError(
        f"the classes {classes.tolist()[:3]} are of dtype {classes.dtype}, and ONNX files hold "
        "numbers, truth values and text: train on y.astype(str)"
    )
