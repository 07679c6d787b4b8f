"""check_layer finds what is wrong with a layer, and says it."""

from dataclasses import dataclass

import numpy as np
import pytest

from netts import accelerate, parallel
from netts.errors import BoundsError, GraphError, ParameterError
from netts.layers import Layer, Parameter
from netts.testing import check_layer


@accelerate
def scale_forward(x, factor, output):
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] * factor[j]


@accelerate
def scale_backward(x, grad_output, grad_factor):
    for j in parallel(grad_factor.shape[0]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, j] * grad_output[i, j]
        grad_factor[j] = total


@accelerate
def scale_backward_adding(x, grad_output, grad_factor):
    for j in parallel(grad_factor.shape[0]):
        for i in range(x.shape[0]):
            grad_factor[j] += x[i, j] * grad_output[i, j]


@dataclass(frozen=True)
class Scale(Layer):
    """A user's own layer, as docs have it."""

    def parameters(self, input_shape):
        return {"factor": Parameter(input_shape, "normal", decays=False)}

    def forward(self, at):
        scale_forward(at.input, at.factor, at.output)

    def backward(self, at):
        scale_backward(at.input, at.grad_output, at.grad_factor)
        if at.grad_input is not None:
            scale_forward(at.grad_output, at.factor, at.grad_input)


class ForgetsTheFactor(Scale):
    def backward(self, at):
        scale_backward(at.input, at.grad_output, at.grad_factor)
        scale_forward(at.grad_output, at.grad_factor, at.grad_input)


class AddsToItsGradient(Scale):
    def backward(self, at):
        scale_backward_adding(at.input, at.grad_output, at.grad_factor)
        scale_forward(at.grad_output, at.factor, at.grad_input)


def test_a_layer_of_ones_own_passes():
    check_layer(Scale(), 5)


def test_a_wrong_gradient_is_named():
    message = r"layer 0 \(ForgetsTheFactor\) with input of shape \(1, 5\): grad_input\[.*central"
    with pytest.raises(AssertionError, match=message):
        check_layer(ForgetsTheFactor(), 5)


def test_a_backward_that_adds_is_found():
    with pytest.raises(AssertionError, match=r"grad_factor\[0\] is 1e\+30 by backward"):
        check_layer(AddsToItsGradient(), 5)


class LeavesItsGradient(Scale):
    def backward(self, at):
        scale_forward(at.grad_output, at.factor, at.grad_input)


def test_a_gradient_that_backward_leaves_out_is_found():
    with pytest.raises(AssertionError, match=r"backward did not write it: grad_factor\[0\]"):
        check_layer(LeavesItsGradient(), 5)


class HasAFactorTooMany(Scale):
    def parameters(self, input_shape):
        return {"factor": Parameter((input_shape[0] + 1,), "ones")}


def test_a_subscript_that_leaves_its_array_is_named_on_the_reference_too():
    with pytest.raises(
        BoundsError, match=r"kernel 'scale_backward' reaches x\[0, 5\], but axis 1 has 5"
    ):
        check_layer(HasAFactorTooMany(), 5)


def test_a_layer_that_is_a_class_is_named():
    with pytest.raises(ParameterError, match=r"at position 0: write Scale\(\.\.\.\)"):
        check_layer(Scale, 5)


def test_a_backward_that_needs_a_place_for_the_inputs_gradient_is_found():
    class NeverFirst(Scale):
        def backward(self, at):
            scale_backward(at.input, at.grad_output, at.grad_factor)
            scale_forward(at.grad_output, at.factor, at.grad_input)

    message = "NeverFirst.*first layer, where at.grad_input is None"
    with pytest.raises(AssertionError, match=message):
        check_layer(NeverFirst(), 5)


def test_a_gradient_that_is_never_written_is_found():
    class Forgets(Scale):
        def backward(self, at):
            scale_backward(at.input, at.grad_output, at.grad_factor)

    with pytest.raises(GraphError, match=r"reads .* 'grad_input of layer 0' before anything wrote"):
        check_layer(Forgets(), 5)


def test_an_unknown_buffer_is_named():
    class Misspelt(Scale):
        def forward(self, at):
            scale_forward(at.input, at.factr, at.output)

    with pytest.raises(
        AttributeError,
        match=r"no array 'factr' \(did you mean 'factor'\?\); it has input,",
    ):
        check_layer(Misspelt(), 5)


class NumPyLayer(Layer):
    """What a newcomer may write first."""

    def forward(self, at):
        at.output[...] = np.tanh(at.input)


def test_a_layer_without_a_pass_is_told_what_to_define():
    class Nothing(Layer):
        pass

    with pytest.raises(NotImplementedError, match=r"no forward pass: define forward\(self, at\)"):
        check_layer(Nothing(), (2,))

    class OneWay(Scale):
        backward = Layer.backward

    with pytest.raises(NotImplementedError, match=r"no backward pass: define backward\(self, at\)"):
        check_layer(OneWay(), (2,))


def test_a_layer_that_writes_with_numpy_is_told_to_call_a_kernel():
    with pytest.raises(TypeError, match=r"written by kernels.*call a kernel"):
        check_layer(NumPyLayer(), (3,))


@accelerate
def square_root(x, output):
    for i, j in parallel(x.shape[0], x.shape[1]):
        output[i, j] = x[i, j] ** 0.5


@accelerate
def square_root_backward(output, grad_output, grad_input):
    for i, j in parallel(output.shape[0], output.shape[1]):
        grad_input[i, j] = 0.5 * grad_output[i, j] / output[i, j]


def test_a_layer_that_does_not_take_any_number_is_given_samples():
    class SquareRoot(Layer):
        def forward(self, at):
            square_root(at.input, at.output)

        def backward(self, at):
            square_root_backward(at.output, at.grad_output, at.grad_input)

    check_layer(SquareRoot(), 3, samples=np.array([[1.0, 2.0, 9.0], [0.5, 3.0, 4.0]]))
