"""The three products of a 2-D convolution as naive loops, as layers write them."""

from __future__ import annotations

from netts import accelerate, parallel


@accelerate
def forward(x, weight, bias, output, stride, padding, dilation):
    for n, g, o, y, z in parallel(
        output.shape[0], output.shape[1], output.shape[2], output.shape[3], output.shape[4]
    ):
        total = bias[g, o]
        for c in range(x.shape[2]):
            for ky in range(weight.shape[3]):
                for kx in range(weight.shape[4]):
                    row = y * stride + ky * dilation - padding
                    column = z * stride + kx * dilation - padding
                    if 0 <= row < x.shape[3] and 0 <= column < x.shape[4]:
                        total += x[n, g, c, row, column] * weight[g, o, c, ky, kx]
        output[n, g, o, y, z] = total


@accelerate
def grad_weight(x, grad_output, result, stride, padding, dilation):
    for g, o, c, ky, kx in parallel(
        result.shape[0], result.shape[1], result.shape[2], result.shape[3], result.shape[4]
    ):
        total = 0.0
        for n in range(grad_output.shape[0]):
            for y in range(grad_output.shape[3]):
                for z in range(grad_output.shape[4]):
                    row = y * stride + ky * dilation - padding
                    column = z * stride + kx * dilation - padding
                    if 0 <= row < x.shape[3] and 0 <= column < x.shape[4]:
                        total += x[n, g, c, row, column] * grad_output[n, g, o, y, z]
        result[g, o, c, ky, kx] = total


@accelerate
def grad_input(grad_output, weight, result, stride, padding, dilation):
    for n, g, c in parallel(result.shape[0], result.shape[1], result.shape[2]):
        for row in range(result.shape[3]):
            for column in range(result.shape[4]):
                result[n, g, c, row, column] = 0.0
        for ky in range(weight.shape[3]):
            for kx in range(weight.shape[4]):
                for y in range(grad_output.shape[3]):
                    for z in range(grad_output.shape[4]):
                        total = 0.0
                        for o in range(weight.shape[1]):
                            total += grad_output[n, g, o, y, z] * weight[g, o, c, ky, kx]
                        to_row = y * stride + ky * dilation - padding
                        to_column = z * stride + kx * dilation - padding
                        if 0 <= to_row < result.shape[3] and 0 <= to_column < result.shape[4]:
                            result[n, g, c, to_row, to_column] += total
