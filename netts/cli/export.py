"""`netts export`: a model as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

import netts
from netts.cli.exit_codes import SUCCESS
from netts.cli.messages import note
from netts.errors import ModelFileError, ParameterError
from netts.losses import LOSSES
from netts.network import Network

EPILOG = """\
An ONNX file is read by onnxruntime and other programs, without netts. It takes
one input for each column of a table that the model was trained on, under the
column's name; `docs/exchange.md` says of which type. It needs the package onnx:

  pip install 'netts-engine[onnx]'
  netts export houses.netts houses.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.epilog = EPILOG
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file of netts")
    parser.add_argument("out", type=Path, metavar="FILE.onnx", help="where to write")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32",
        help="what the network computes in (default: float32, which every runtime has)",
    )  # fmt: skip
    parser.add_argument(
        "--loss", choices=tuple(LOSSES),
        help="of a network: what it was trained with, so that the file gives its predictions, such "
        "as probabilities; an estimator knows its own (default: the raw outputs)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Load and write."""
    if options.out.resolve() == options.model.resolve():
        raise ModelFileError(f"{options.out} is the model itself: choose another file to write")
    model = netts.load(options.model)
    if isinstance(model, Network):
        model.to_onnx(options.out, loss=options.loss, dtype=options.dtype)
    elif options.loss is not None:
        raise ParameterError(
            f"--loss is for networks, and {options.model} holds a {type(model).__name__}, which "
            "knows its own"
        )
    else:
        model.to_onnx(options.out, dtype=options.dtype)
    note(f"wrote {options.out}, {options.out.stat().st_size / 1000:,.0f} kB")
    return SUCCESS
