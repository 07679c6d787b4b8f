"""Embedding: a trained vector for each of a number of categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netts.compiler import accelerate, parallel
from netts.errors import DataError, ShapeError
from netts.hyperparameters import check_whole
from netts.initializers import Initializer, initializer_from
from netts.layers.base import Layer, LayerBuffers, LayerOperators, Parameter, Shape


@accelerate
def embedding_forward(x, weight, output):
    """output[i, p, j] = weight[k, j], k the whole number nearest to x[i, p]."""
    for i, p, j in parallel(output.shape[0], output.shape[1], output.shape[2]):
        output[i, p, j] = weight[math.floor(x[i, p] + 0.5), j]


@accelerate
def embedding_grad_weight(x, grad_output, grad_weight):
    """grad_weight[k, j] = sum of grad_output[i, p, j] over all places i, p that hold k."""
    for k, j in parallel(grad_weight.shape[0], grad_weight.shape[1]):
        grad_weight[k, j] = 0.0
    for i, p, j in parallel(grad_output.shape[0], grad_output.shape[1], grad_output.shape[2]):
        grad_weight[math.floor(x[i, p] + 0.5), j] += grad_output[i, p, j]


@accelerate
def embedding_grad_input(grad_input):
    """Write 0: between two whole numbers the output does not change."""
    for i, p in parallel(grad_input.shape[0], grad_input.shape[1]):
        grad_input[i, p] = 0.0


@dataclass(frozen=True)
class Embedding(Layer):
    """A vector of `units` numbers for each category, learned; the first layer of a network.

    Samples are (n_positions,) whole numbers from 0 to n_embeddings - 1, such as the words of a
    sentence, in any dtype; anything else is refused where the data come in. The output of a sample
    is (n_positions, units).

    Parameters
    ----------
    n_embeddings : int
        The number of categories.
    units : int
        The length of each vector.
    weight_initializer : str or callable
        By default small uniform numbers, as in Keras.

    Notes
    -----
    Parameter: `weight` (n_embeddings, units), which the L2 penalty applies to. Its gradient adds up
    in the order of samples and positions on every device.
    """

    n_embeddings: int
    units: int
    weight_initializer: str | Initializer = "uniform"

    def __post_init__(self) -> None:
        check_whole("n_embeddings", self.n_embeddings, 1)
        check_whole("units", self.units, 1)
        initializer_from(self.weight_initializer)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (n_positions, units)."""
        if len(input_shape) != 1:
            axes = ", ".join(map(str, input_shape))
            raise ShapeError(
                f"expects input of shape (batch, n_positions), got (batch, {axes}): flatten it "
                "first"
            )
        return (*input_shape, self.units)

    def check_samples(self, X: np.ndarray, name: str) -> None:
        """Refuse samples that are not whole numbers from 0 to n_embeddings - 1."""
        most = 2 ** (np.finfo(X.dtype).nmant + 1)  # from here on some whole numbers are missing
        if self.n_embeddings > most:
            raise DataError(
                f"tells at most {most} categories apart in {X.dtype}: build the network with "
                "dtype float64"
            )
        is_category = (X >= 0) & (self.n_embeddings > X) & (np.floor(X) == X)
        if not is_category.all():
            row, position = (int(one) for one in np.argwhere(~is_category)[0])
            raise DataError(
                f"takes whole numbers from 0 to {self.n_embeddings - 1}, but {name} has "
                f"{X[row, position]:.9g} in row {row}, column {position}: number the categories "
                "from 0, or raise n_embeddings"
            )

    def parameters(self, input_shape: Shape) -> dict[str, Parameter]:
        """Return `weight`."""
        shape = (self.n_embeddings, self.units)
        return {"weight": Parameter(shape, self.weight_initializer, unit_axis=0)}

    def forward(self, at: LayerBuffers) -> None:
        """Write the vectors."""
        embedding_forward(at.input, at.weight, at.output)

    def backward(self, at: LayerBuffers) -> None:
        """Write the gradient by the vectors, and 0 by the input."""
        embedding_grad_weight(at.input, at.grad_output, at.grad_weight)
        if at.grad_input is not None:
            embedding_grad_input(at.grad_input)

    def to_onnx(self, at: LayerOperators) -> str:
        """Append Gather; categories come as the network takes them, as floating numbers."""
        return at.add("Gather", at.weight, at.cast(at.input, np.int64))
