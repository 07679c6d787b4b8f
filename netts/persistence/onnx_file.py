"""ONNX files: the one module that imports onnx."""

from __future__ import annotations

from typing import Any

import numpy as np

from netts import __version__
from netts.errors import MissingPackageError, UnexportableError
from netts.persistence.onnx_graph import BATCH, OPSETS, OnnxGraph, OnnxNode, OnnxValue

try:
    from onnx import checker, helper, numpy_helper, shape_inference
except ImportError as error:
    raise MissingPackageError(
        "ONNX files are written by the package onnx, which is not installed: pip install onnx, or "
        "install netts with its extra `onnx`"
    ) from error

IR_VERSION = 8
"""Of the file's own format: that of opset 17."""

MAX_BYTES = 2**31 - 2**20
"""Protocol buffers end at 2 GiB; the rest is for all but constants."""

REFUSALS = (checker.ValidationError, shape_inference.InferenceError, TypeError, ValueError)


def to_bytes(graph: OnnxGraph) -> bytes:
    """Return the bytes of an ONNX file, checked by onnx itself.

    Raises
    ------
    UnexportableError
        Where the graph is none that ONNX allows, or too large for one file.
    """
    n_bytes = sum(array.nbytes for array in graph.constants.values())
    if n_bytes > MAX_BYTES:
        raise UnexportableError(
            f"the model has {n_bytes:,} bytes of weights, and one ONNX file holds {MAX_BYTES:,}"
        )
    try:
        model = _model(graph)
        checker.check_model(model, full_check=True)
    except REFUSALS as error:
        raise UnexportableError(f"onnx refuses the graph: {error}") from error
    return model.SerializeToString(deterministic=True)


def _model(graph: OnnxGraph) -> Any:
    made = helper.make_graph(
        [_node(one) for one in graph.nodes],
        "netts",
        [_value(one) for one in graph.inputs],
        [_value(one) for one in graph.outputs],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    used = {node.domain for node in graph.nodes} | {""}
    opsets = [helper.make_opsetid(name, OPSETS.get(name, 1)) for name in sorted(used)]
    model = helper.make_model(made, opset_imports=opsets)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "netts", __version__
    return model


def _node(node: OnnxNode) -> Any:
    attributes: dict[str, Any] = {
        name: helper.np_dtype_to_tensor_dtype(one) if isinstance(one, np.dtype) else one
        for name, one in node.attributes.items()
    }
    return helper.make_node(
        node.operator, node.inputs, [node.output], node.output, domain=node.domain, **attributes
    )


def _value(value: OnnxValue) -> Any:
    dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(
        value.name, dtype, [BATCH, *value.shape], value.description
    )
