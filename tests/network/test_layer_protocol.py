"""What a layer of one's own may ask of its network: arrays between passes, a look at the data."""

import numpy as np
import pytest

from netts import Network, Trainer, accelerate, layers, parallel
from netts.errors import DataError, ParameterError
from netts.layers import Layer
from netts.testing import check_layer


@accelerate
def divide_by_norm(x, output, norm):
    for i in parallel(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j] * x[i, j]
        norm[i] = (1.0 + total) ** 0.5
        for j in range(x.shape[1]):
            output[i, j] = x[i, j] / norm[i]


@accelerate
def divide_by_norm_backward(output, norm, grad_output, grad_input):
    for i in parallel(output.shape[0]):
        along = 0.0
        for j in range(output.shape[1]):
            along += output[i, j] * grad_output[i, j]
        for j in range(output.shape[1]):
            grad_input[i, j] = (grad_output[i, j] - output[i, j] * along) / norm[i]


class UnitBall(Layer):
    """x / sqrt(1 + |x|^2), which keeps the root for the backward pass."""

    def transients(self, input_shape, rows):
        return {"norm": (rows,)}

    def forward(self, at):
        divide_by_norm(at.input, at.output, at.norm)

    def backward(self, at):
        divide_by_norm_backward(at.output, at.norm, at.grad_output, at.grad_input)


def data(n_samples=11):
    X = np.random.default_rng(0).normal(size=(n_samples, 3))
    return X, (X[:, 0] > 0).astype(int)


def test_what_a_forward_pass_keeps_reaches_its_backward_pass():
    check_layer(UnitBall(), 3)
    X, y = data()
    network = Network([layers.Dense(4), UnitBall(), UnitBall(), layers.Dense(2)], np.float64)
    trainer = Trainer(network, epochs=20, batch_size=4, random_state=0)
    losses = trainer.fit(X, y).loss
    assert losses[-1] < losses[0]


class NonNegative(UnitBall):
    def check_samples(self, X, name):
        if (X < 0).any():
            raise DataError(f"takes no negative numbers, but {name} has some")


def test_a_layer_may_refuse_data_before_anything_runs():
    X, y = data()
    network = Network([layers.Identity(), NonNegative(), layers.Dense(2)])
    trainer = Trainer(network, epochs=1, random_state=0)
    with pytest.raises(DataError, match=r"layer 1 \(NonNegative\) takes .* but X has some"):
        trainer.fit(X, y)
    trainer.fit(abs(X), y)
    with pytest.raises(DataError, match=r"layer 1 \(NonNegative\) takes .* but X has some"):
        network.predict(X)
    assert network.predict(abs(X)).shape == (11, 2)


def test_a_layer_that_refuses_data_has_to_see_them():
    with pytest.raises(ParameterError, match=r"layer 1 \(NonNegative\) .* but layer 0 \(Dense, un"):
        Network([layers.Dense(2), NonNegative()])


def test_a_transient_has_a_name_and_a_shape_of_its_own():
    class TwoMeanings(UnitBall):
        def transients(self, input_shape, rows):
            return {"output": (rows,)}

    class NoTuple(UnitBall):
        def transients(self, input_shape, rows):
            return {"norm": rows}

    with pytest.raises(ParameterError, match=r"`at\.output` means something else"):
        Network([TwoMeanings()]).build(3)
    with pytest.raises(ParameterError, match=r"declares 'norm' as 1: give its shape, as \(1,\)"):
        Network([NoTuple()]).build(3)
