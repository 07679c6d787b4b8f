"""Kernels as a user of netts would write them, and arguments to run them on.

`tests/compiler/test_own_kernels.py` compares them on every device, `bench/gpu/own_kernels.py` also
times them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from netts import accelerate, exp, parallel, sqrt
from netts.compiler import Kernel
from netts.layers import Layer, Parameter


@accelerate
def radial_basis_forward(x, center, width, output):
    """output[i, j] = exp(-width[j] * |x[i] - center[j]|**2)."""
    for i, j in parallel(x.shape[0], center.shape[0]):
        distance = 0.0
        for k in range(x.shape[1]):
            distance += (x[i, k] - center[j, k]) ** 2
        output[i, j] = exp(-width[j] * distance)


@accelerate
def radial_basis_grad_center(x, center, width, output, grad_output, grad_center):
    """grad_center[j] = sum over i of 2 width[j] output[i, j] grad[i, j] (x[i] - center[j])."""
    for j, k in parallel(center.shape[0], center.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += grad_output[i, j] * output[i, j] * (x[i, k] - center[j, k])
        grad_center[j, k] = 2.0 * width[j] * total


@accelerate
def radial_basis_grad_width(x, center, output, grad_output, grad_width):
    """grad_width[j] = -sum over samples of output[i, j] grad[i, j] |x[i] - center[j]|**2."""
    for j in parallel(center.shape[0]):
        total = 0.0
        for i in range(x.shape[0]):
            distance = 0.0
            for k in range(x.shape[1]):
                distance += (x[i, k] - center[j, k]) ** 2
            total -= grad_output[i, j] * output[i, j] * distance
        grad_width[j] = total


@accelerate
def radial_basis_grad_input(x, center, width, output, grad_output, grad_input):
    """grad_input[i] = sum over j of 2 width[j] output[i, j] grad[i, j] (center[j] - x[i])."""
    for i, k in parallel(x.shape[0], x.shape[1]):
        total = 0.0
        for j in range(center.shape[0]):
            total += 2.0 * width[j] * grad_output[i, j] * output[i, j] * (center[j, k] - x[i, k])
        grad_input[i, k] = total


@dataclass(frozen=True)
class RadialBasis(Layer):
    """Units that answer to inputs near their centre."""

    units: int

    def output_shape(self, input_shape):
        return (self.units,)

    def parameters(self, input_shape):
        return {
            "center": Parameter((self.units, *input_shape), "glorot_uniform", decays=False),
            "width": Parameter((self.units,), "ones", decays=False),
        }

    def forward(self, at):
        radial_basis_forward(at.input, at.center, at.width, at.output)

    def backward(self, at):
        found = at.output, at.grad_output
        radial_basis_grad_center(at.input, at.center, at.width, *found, at.grad_center)
        radial_basis_grad_width(at.input, at.center, *found, at.grad_width)
        if at.grad_input is not None:
            radial_basis_grad_input(at.input, at.center, at.width, *found, at.grad_input)


@accelerate
def dilated_convolution(x, weight, bias, dilation, output):
    """output[n, f, t] = bias[f] + sum over c and k of x[n, c, t + k dilation] * weight[f, c, k]."""
    for n, f, t in parallel(output.shape[0], output.shape[1], output.shape[2]):
        total = bias[f]
        for c in range(x.shape[1]):
            for k in range(weight.shape[2]):
                total += x[n, c, t + k * dilation] * weight[f, c, k]
        output[n, f, t] = total


@accelerate
def pairwise_distances(x, y, output):
    """output[i, j] = |x[i] - y[j]|."""
    for i, j in parallel(x.shape[0], y.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            total += (x[i, k] - y[j, k]) ** 2
        output[i, j] = sqrt(total)


@accelerate
def softmax_rows(x, output):
    """output[i, j] = exp(x[i, j]) / sum over j of exp(x[i, j])."""
    for i in parallel(x.shape[0]):
        peak = x[i, 0]
        for j in range(1, x.shape[1]):
            peak = max(peak, x[i, j])
        total = 0.0
        for j in range(x.shape[1]):
            output[i, j] = exp(x[i, j] - peak)
            total += output[i, j]
        for j in range(x.shape[1]):
            output[i, j] /= total


@accelerate
def running_statistics(x, momentum, mean, variance):
    """Move the running mean and variance of each column towards those of a batch."""
    for j in parallel(x.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, j]
        center = total / x.shape[0]
        squares = 0.0
        for i in range(x.shape[0]):
            squares += (x[i, j] - center) ** 2
        mean[j] = momentum * mean[j] + (1.0 - momentum) * center
        variance[j] = momentum * variance[j] + (1.0 - momentum) * squares / (x.shape[0] - 1)


@dataclass(frozen=True)
class OwnKernel:
    """A kernel with arguments.

    Attributes
    ----------
    arguments
        Makes arguments of a dtype for some sizes.
    small, large
        Sizes that the interpreter can do, and sizes worth a GPU.
    terms
        The terms of the longest sum by sizes: roundings grow with them. Of 10,000, all positive,
        with their root.
    outputs
        The positions of the arguments that are results.
    """

    name: str
    kernel: Kernel
    arguments: Callable[..., tuple[Any, ...]]
    small: tuple[int, ...]
    large: tuple[int, ...]
    terms: Callable[..., int]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        return self.name


def _normal(seed: int, dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def _radial_arguments(dtype, rows, features, units):
    x, center = _normal(0, dtype, rows, features), _normal(1, dtype, units, features)
    width = np.full(units, 1 / features, dtype)
    return x, center, width, np.full((rows, units), np.nan, dtype)


def _center_arguments(dtype, rows, features, units):
    x, center, width, output = _radial_arguments(dtype, rows, features, units)
    output[...] = _normal(2, dtype, rows, units)
    grad_output = _normal(3, dtype, rows, units)
    return x, center, width, output, grad_output, np.full_like(center, np.nan)


def _convolution_arguments(dtype, images, channels, length, filters, taps, dilation):
    x, weight = (
        _normal(0, dtype, images, channels, length),
        _normal(1, dtype, filters, channels, taps),
    )
    output = np.full((images, filters, length - (taps - 1) * dilation), np.nan, dtype)
    return x, weight, _normal(2, dtype, filters), dilation, output


def _distance_arguments(dtype, rows, others, features):
    x, y = _normal(0, dtype, rows, features), _normal(1, dtype, others, features)
    return x, y, np.full((rows, others), np.nan, dtype)


def _softmax_arguments(dtype, rows, columns):
    return _normal(0, dtype, rows, columns), np.full((rows, columns), np.nan, dtype)


def _statistics_arguments(dtype, rows, columns):
    mean, variance = _normal(1, dtype, columns), np.ones(columns, dtype)
    return _normal(0, dtype, rows, columns) + 3, 0.9, mean, variance


OWN_KERNELS = (
    OwnKernel(
        "radial basis", radial_basis_forward, _radial_arguments, (37, 13, 29), (8192, 64, 1024),
        lambda rows, features, units: features, (3,),
    ),
    OwnKernel(
        "radial basis, gradient of centres", radial_basis_grad_center, _center_arguments,
        (37, 13, 29), (8192, 64, 1024), lambda rows, features, units: rows, (5,),
    ),
    OwnKernel(
        "dilated convolution", dilated_convolution, _convolution_arguments, (2, 3, 61, 5, 4, 3),
        (128, 32, 2048, 64, 5, 4),
        lambda images, channels, length, filters, taps, dilation: channels * taps, (4,),
    ),
    OwnKernel(
        "pairwise distances", pairwise_distances, _distance_arguments, (41, 31, 17),
        (4096, 4096, 64), lambda rows, others, features: features, (2,),
    ),
    OwnKernel(
        "softmax over rows of 10,000", softmax_rows, _softmax_arguments, (3, 10_000),
        (4096, 10_000), lambda rows, columns: math.isqrt(columns), (1,),
    ),
    OwnKernel(
        "running statistics", running_statistics, _statistics_arguments, (501, 23), (65_536, 512),
        lambda rows, columns: rows, (2, 3),
    ),
)  # fmt: skip
