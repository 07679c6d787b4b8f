"""Write an ONNX graph to a file."""

from __future__ import annotations

import importlib
import os

from netts.persistence.files import replace_file
from netts.persistence.onnx_graph import OnnxGraph


def save_onnx(path: str | os.PathLike[str], graph: OnnxGraph) -> None:
    """Write an ONNX file, in place of the one that may be there.

    Raises
    ------
    MissingPackageError
        Where onnx is not installed.
    UnexportableError
        Where ONNX does not allow the graph.
    ModelFileError
        Where the file cannot be written; what was there is untouched.
    """
    # Only now, as who exports nothing need not have the package.
    content = importlib.import_module("netts.persistence.onnx_file").to_bytes(graph)
    replace_file(path, content)
