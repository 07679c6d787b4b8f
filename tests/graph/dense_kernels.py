"""Kernels of a dense layer, as a user writes them."""

from netts import accelerate, parallel


@accelerate
def dense(x, weight, bias, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = bias[j]
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        out[i, j] = total


@accelerate
def rectified(x, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        out[i, j] = max(x[i, j], 0)
