"""Estimators as ONNX graphs, with the inputs and outputs that skl2onnx gives them.

A classifier gives `label` and `probabilities`, a regressor `variable`. An estimator is given `X`, a
table model one input for each column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import is_classifier

from netts.data.scaling import Scaling
from netts.errors import UnexportableError
from netts.network.exporting import add_network
from netts.network.inputs import floating
from netts.persistence.onnx_graph import TEXT, OnnxGraph, Operators

if TYPE_CHECKING:
    from netts.estimators.mlp import MLPBase
    from netts.estimators.mlp_classifier import MLPClassifier

SAMPLES, LABEL, PROBABILITIES, QUANTITY = "X", "label", "probabilities", "variable"


def estimator_graph(estimator: MLPBase, dtype: DTypeLike) -> OnnxGraph:
    """Return the graph of a fitted estimator."""
    graph, chosen = OnnxGraph(), floating(dtype)
    samples = graph.input(SAMPLES, chosen, (estimator.n_features_in_,))
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
        Of `dtype` and shape (batch, n_features_in_).
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


def _add_classes(graph: OnnxGraph, estimator: MLPClassifier, value: str, dtype: np.dtype) -> None:
    at = Operators(graph, "classes", dtype)
    labels = _labels(estimator.classes_)
    if estimator._target_type == "multilabel-indicator":
        is_one = at.cast(at.add("Greater", value, at.number(0.5)), np.int64)
        graph.output(LABEL, is_one, np.int64, (len(labels),))
        graph.output(PROBABILITIES, value, dtype, (len(labels),))
        return
    if estimator.n_outputs_ == 1:
        value = at.add("Concat", at.add("Sub", at.number(1.0), value), value, axis=1)
        labels = np.resize(labels, 2)  # a single class is both
    add_labels(graph, labels, value, dtype)


def add_labels(graph: OnnxGraph, labels: np.ndarray, value: str, dtype: np.dtype) -> None:
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
    """
    at = Operators(graph, "classes", dtype)
    best = at.add("ArgMax", value, axis=1, keepdims=0)
    known = graph.constant("classes", labels)
    graph.output(LABEL, at.add("Gather", known, best), labels.dtype, ())
    graph.output(PROBABILITIES, value, dtype, (len(labels),))


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
