"""An ONNX graph as plain values: operators, constants, inputs and outputs, each under a name.

What a model consists of writes itself into one: a layer in `to_onnx`, a loss likewise, a column of
a table. `netts.persistence.onnx_file` makes a file of it; nothing else needs the package onnx.
Operators are those of https://onnx.ai/onnx/operators, of the versions in `OPSETS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.errors import UnexportableError

OPSETS = {"": 17, "ai.onnx.ml": 3}
"""Version 17, of June 2022, is the first with LayerNormalization; runtimes read it since then."""

TEXT = np.dtype(object)
"""The dtype of what holds text."""

BATCH = "batch"
"""What the axis of samples is called, whose length a file leaves open."""


@dataclass(frozen=True)
class OnnxValue:
    """An input or output of a graph.

    Attributes
    ----------
    name : str
    dtype : dtype
        `TEXT` for strings.
    shape : tuple of int
        Without the batch axis, which comes first.
    description : str
        What it stands for, and in which unit.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    description: str = ""


@dataclass(frozen=True)
class OnnxNode:
    """One operator: what it reads, the value that it gives and its attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    domain: str
    attributes: dict[str, Any]


@dataclass
class OnnxGraph:
    """Operators in an order in which they can run; every name stands for one value."""

    inputs: list[OnnxValue] = field(default_factory=list)
    outputs: list[OnnxValue] = field(default_factory=list)
    nodes: list[OnnxNode] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def input(
        self, name: str, dtype: DTypeLike, shape: Sequence[int], description: str = ""
    ) -> str:
        """Declare what the graph is given under a name; return the name.

        Raises
        ------
        UnexportableError
            Where the name is empty or taken.
        """
        if not name or name in self._names:
            raise UnexportableError(
                f"an input of an ONNX file needs a name that nothing else has, got {name!r}: "
                "rename the column"
            )
        self._names.add(name)
        self.inputs.append(OnnxValue(name, np.dtype(dtype), tuple(shape), description))
        return name

    def output(self, name: str, value: str, dtype: DTypeLike, shape: Sequence[int]) -> None:
        """Declare that the graph gives a value, under a name, or one like it if it is taken."""
        name = self._unique(name)
        self.nodes.append(OnnxNode("Identity", (value,), name, "", {}))
        self.outputs.append(OnnxValue(name, np.dtype(dtype), tuple(shape)))

    def constant(self, name: str, array: np.ndarray) -> str:
        """Keep an array; return its name, the one given or one like it."""
        name = self._unique(name)
        self.constants[name] = array
        return name

    def add(
        self,
        name: str,
        operator: str,
        inputs: Sequence[str],
        domain: str,
        attributes: dict[str, Any],
    ) -> str:
        """Append an operator; return the name of the value that it gives."""
        name = self._unique(name)
        self.nodes.append(OnnxNode(operator, tuple(inputs), name, domain, attributes))
        return name

    def _unique(self, name: str) -> str:
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found


@dataclass(frozen=True)
class Operators:
    """Where one step of a model writes its operators.

    Attributes
    ----------
    graph : OnnxGraph
    label : str
        Of the step: "1[0].2" for a layer. Names begin with it.
    dtype : float32 or float64
        In which it computes; floating constants are brought to it.
    """

    graph: OnnxGraph
    label: str
    dtype: np.dtype

    def add(
        self, operator: str, *operands: str | np.ndarray, domain: str = "", **attributes: Any
    ) -> str:
        """Append an operator of one result; return the name of that.

        Parameters
        ----------
        operator : str
            Such as "Gemm".
        *operands : str or ndarray
            Names of values, and arrays, which become constants.
        domain : str
            That of the operator: "" or "ai.onnx.ml".
        **attributes
            As the operator has them.
        """
        name = f"{self.label}.{operator}"
        inputs = [
            one if isinstance(one, str) else self.constant(f"{name}.constant", one)
            for one in operands
        ]
        return self.graph.add(name, operator, inputs, domain, attributes)

    def constant(self, name: str, array: np.ndarray) -> str:
        """Keep an array, in the dtype of this step if it is floating; return its name."""
        if array.dtype.kind == "f":
            array = array.astype(self.dtype)
        return self.graph.constant(name, array)

    def number(self, value: float) -> np.ndarray:
        """Return a number as an operand that goes with values of any shape."""
        return np.array(value, self.dtype)

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """Give samples another shape; the batch axis stays."""
        return self.add("Reshape", value, np.array([0, *shape], np.int64))  # 0 keeps an axis

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Convert a value to a dtype of numbers."""
        return self.add("Cast", value, to=np.dtype(dtype))
