"""Naive kernels that are contractions, one for each form, with shapes to run them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from programs import laid_out

from netts import accelerate, parallel
from netts.compiler import Kernel


@dataclass(frozen=True)
class Form:
    """A kernel with the shapes of its arrays, some odd ones, and its other arguments."""

    kernel: Kernel
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    numbers: tuple[Any, ...] = ()

    def arguments(
        self, shapes: Sequence[tuple[int, ...]], dtype: str, layouts: Sequence[str], draw: Callable
    ) -> tuple[Any, ...]:
        arrays = []
        for position, shape in enumerate(shapes):
            array = laid_out(shape, dtype, layouts[position % len(layouts)])
            array[...] = draw(shape)
            arrays.append(array)
        return (*arrays, *self.numbers)


FORMS: dict[str, Form] = {}


def form(*shapes: tuple[tuple[int, ...], ...], numbers: tuple[Any, ...] = ()) -> Callable:
    def register(function: Callable) -> Kernel:
        kernel = accelerate(function)
        FORMS[function.__name__] = Form(kernel, shapes, numbers)
        return kernel

    return register


def cases() -> Iterator[tuple[str, tuple[tuple[int, ...], ...]]]:
    for name, one in FORMS.items():
        for shapes in one.shapes:
            yield name, shapes


def products(*sizes: tuple[int, int, int]) -> tuple[tuple[tuple[int, ...], ...], ...]:
    return tuple(((n, k), (k, m), (n, m)) for n, k, m in sizes)


SIZES = products((4, 3, 5), (1, 1, 1), (1, 7, 5), (7, 5, 1), (0, 3, 2), (3, 0, 2), (33, 17, 29))


@form(*SIZES)
def summed_into_a_local(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        out[i, j] = total


@form(*SIZES)
def summed_into_the_element(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        for k in range(a.shape[1]):
            out[i, j] += a[i, k] * b[k, j]


@form(*SIZES)
def inner_loop_outside_of_the_columns(a, b, out):
    for i in parallel(out.shape[0]):
        for k in range(a.shape[1]):
            for j in range(out.shape[1]):
                out[i, j] += a[i, k] * b[k, j]


@form(*SIZES)
def columns_in_a_serial_loop(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(out.shape[1]):
            total = 1.0
            for k in range(a.shape[1]):
                total += b[k, j] * a[i, k]
            out[i, j] = max(total, 0.0)


@form(*SIZES)
def subtracted_and_scaled(a, b, out):
    for j, i in parallel(out.shape[1], out.shape[0]):
        for k in range(a.shape[1]):
            out[i, j] -= 2.0 * a[i, k] * b[k, j] / 4.0


@form(*SIZES, numbers=(0.5,))
def with_a_scalar_factor(a, b, out, alpha):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = float(i)
        factor = alpha * (i + 1)
        for k in range(a.shape[1]):
            total += a[i, k] * factor * b[k, j]
        out[i, j] = out[i, j] + total


@form(*SIZES)
def backwards_in_steps(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1] - 1, -1, -2):
            total = a[i, k] * b[k, j] + total
        out[i, j] = total


@form(*SIZES)
def only_where_it_is_positive(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        if i > j:
            continue
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * b[k, j]
        if total > 0:
            out[i, j] = total


@form(((5, 4), (4, 5), (5, 5)), ((1, 1), (1, 1), (1, 1)))
def triangular(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(min(i + 1, a.shape[1])):
            if k >= j - 1:
                total += a[i, k] * b[k, j]
        out[i, j] = total


@form(((5, 4), (4, 5), (5, 5)), ((3, 1), (1, 3), (3, 3)))
def triangle_of_the_result(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(i + 1):
            for k in range(a.shape[1]):
                out[i, j] += a[i, k] * b[k, j]


@form(((5, 4), (4, 5), (5, 5)))
def triangle_of_the_result_by_a_local(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(max(i - 1, 0), out.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@form(((5, 4), (4, 7), (5, 7)))
def every_other_column(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(1, out.shape[1], 2):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@form(((5, 4), (4, 7), (5, 7)))
def every_third_column_backwards(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(out.shape[1] - 1, -1, -3):
            for k in range(a.shape[1]):
                out[i, j] += a[i, k] * b[k, j]


@form(((5, 4), (4, 3), (10, 3)))
def into_rows_named_by_a_local(a, b, out):
    for i in parallel(a.shape[0]):
        for j in range(out.shape[1]):
            row = 2 * i + 1
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[row, j] = total


@form(((5, 4), (4, 3), (5,), (5, 3)))
def into_rows_from_data(a, b, row, out):
    for j in parallel(out.shape[1]):
        for i in range(a.shape[0]):
            total = 1.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[int(min(abs(row[i]), 2.0)), j] = total


@form(((5, 4), (4, 4), (5, 7)))
def diagonals(a, b, out):
    for i in parallel(out.shape[0]):
        for j in range(b.shape[1]):
            for m in range(4):
                total = 0.0
                for k in range(a.shape[1]):
                    total += a[i, k] * b[k, j] * (k + m)
                out[i, j + m] = total


@form(((4, 3), (3,), (4,)), ((1, 7), (7,), (1,)), ((5, 1), (1,), (5,)), ((0, 2), (2,), (0,)))
def matrix_times_vector(a, x, out):
    for i in parallel(out.shape[0]):
        total = 0.0
        for k in range(x.shape[0]):
            total += a[i, k] * x[k]
        out[i] = total


@form(((4, 3), (4,), (3,)), ((7, 1), (7,), (1,)))
def vector_times_matrix(a, x, out):
    for j in parallel(out.shape[0]):
        for i in range(x.shape[0]):
            out[j] += x[i] * a[i, j]


@form(((3, 4, 2), (3, 2, 5), (3, 4, 5)), ((1, 1, 7), (1, 7, 3), (1, 1, 3)))
def batched(a, b, out):
    for n, i, j in parallel(out.shape[0], out.shape[1], out.shape[2]):
        total = 0.0
        for k in range(a.shape[2]):
            total += a[n, i, k] * b[n, k, j]
        out[n, i, j] = total


@form(((3, 2, 4), (3, 2, 5), (2, 4, 5)))
def batched_in_a_serial_loop(a, b, out):
    for i in parallel(out.shape[1]):
        for n in range(out.shape[0]):
            for j in range(out.shape[2]):
                total = 1.0
                for k in range(a.shape[0]):
                    total += a[k, n, i] * b[k, n, j]
                out[n, i, j] = total


@form(((2, 3, 2, 4), (2, 3, 2, 4), (2, 2, 3, 3)))
def attention_scores(q, k, scores):
    for n, h, i, j in parallel(scores.shape[0], scores.shape[1], scores.shape[2], scores.shape[3]):
        total = 0.0
        for d in range(q.shape[3]):
            total += q[n, i, h, d] * k[n, j, h, d]
        scores[n, h, i, j] = total * 0.5 if j <= i else -9.0


@form(((6, 4), (6, 5), (4, 5)), ((1, 3), (1, 1), (3, 1)))
def dense_grad_weight(x, grad_output, grad_weight):
    for k, j in parallel(grad_weight.shape[0], grad_weight.shape[1]):
        total = 0.0
        for i in range(x.shape[0]):
            total += x[i, k] * grad_output[i, j]
        grad_weight[k, j] = total


@form(((6, 5), (4, 5), (6, 4)))
def dense_grad_input(grad_output, weight, grad_input):
    for i, k in parallel(grad_input.shape[0], grad_input.shape[1]):
        total = 0.0
        for j in range(weight.shape[1]):
            total += grad_output[i, j] * weight[k, j]
        grad_input[i, k] = total


@form(((4, 3), (3, 5), (4, 3), (4, 5)), ((1, 7), (7, 2), (1, 7), (1, 2)))
def with_a_mask(a, b, mask, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            if mask[i, k] > 0 and (i + k) % 3 != 1:
                total += a[i, k] * b[k, j]
        out[i, j] = total


@form(((4, 3), (3, 5), (3,), (4, 5)))
def with_a_masked_factor(a, b, mask, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[i, k] * (b[k, j] if mask[k] < 0 else 0.0)
        out[i, j] = total


@form(((4, 3), (3, 5), (3,), (5,), (4, 5)))
def three_factors(a, b, scale, columns, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = columns[j]
        for k in range(a.shape[1]):
            total += a[i, k] * scale[k] * b[k, j]
        out[i, j] = total


@form(((4, 3), (3, 5), (4,), (5,), (4, 5)))
def of_expressions(a, b, mean, shift, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            centred = a[i, k] - mean[i]
            total += centred * (b[k, j] + shift[j]) * shift[j]
        out[i, j] = total


@form(((4, 3, 2), (3, 5), (4, 5)))
def with_a_broadcast_operand(a, b, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            for m in range(a.shape[2]):
                total += a[i, k, m] * b[k, j]
        out[i, j] = total


@form(((9,), (3,), (2, 7)), ((5,), (5,), (2, 1)))
def sliding_window(x, taps, out):
    for n, i in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(taps.shape[0]):
            total += x[i + k] * taps[k]
        out[n, i] = total


@form(((2, 3, 7), (4, 3, 3), (2, 4, 4)), ((1, 1, 1), (2, 1, 3), (1, 2, 1)), numbers=(2, 1))
def convolution_1d(x, weight, out, stride, padding):
    for n, o, i in parallel(out.shape[0], out.shape[1], out.shape[2]):
        total = 0.0
        for c in range(x.shape[1]):
            for k in range(weight.shape[2]):
                if 0 <= i * stride + k - padding < x.shape[2]:
                    total += x[n, c, i * stride + k - padding] * weight[o, c, k]
        out[n, o, i] = total


@form(((2, 3, 5, 6), (3, 3, 3), (2, 3, 5, 6)))
def depthwise(x, weight, out):
    for n, c, y, z in parallel(out.shape[0], out.shape[1], out.shape[2], out.shape[3]):
        for ky in range(max(0, 1 - y), min(3, x.shape[2] + 1 - y)):
            for kx in range(max(0, 1 - z), min(3, x.shape[3] + 1 - z)):
                out[n, c, y, z] += x[n, c, y + ky - 1, z + kx - 1] * weight[c, ky, kx]


def convolutions(order: str) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return shapes of x, weight and output in an order."""
    found = []
    for n, g, c, o, h, w, kh, kw, oh, ow in (
        (2, 1, 2, 3, 5, 6, 3, 3, 3, 3), (3, 2, 1, 2, 4, 5, 3, 2, 2, 3),
        (1, 1, 1, 1, 1, 1, 5, 5, 1, 1), (2, 3, 2, 1, 2, 3, 4, 4, 1, 1),
        (0, 1, 1, 1, 3, 3, 3, 3, 2, 2),
    ):  # fmt: skip
        shapes = {
            "x": (n, g, c, h, w), "w": (g, o, c, kh, kw), "o": (n, g, o, oh, ow), "b": (g, o)
        }  # fmt: skip
        found.append(tuple(shapes[one] for one in order))
    return tuple(found)


SAME = (
    ((2, 3, 5, 6), (4, 3, 3, 3), (2, 4, 5, 6)),
    ((3, 1, 4, 7), (2, 1, 5, 1), (3, 2, 4, 7)),
    ((1, 2, 1, 2), (3, 2, 7, 7), (1, 3, 1, 2)),
)
"""Shapes of x, weight and an output of the same height and width: whole planes are packed."""


@form(*SAME)
def convolution_same(x, weight, out):
    for n, o, y, z in parallel(out.shape[0], out.shape[1], out.shape[2], out.shape[3]):
        total = 0.0
        for c in range(x.shape[1]):
            for ky in range(weight.shape[2]):
                row = y + ky - weight.shape[2] // 2
                if row < 0 or row >= x.shape[2]:
                    continue
                for kx in range(weight.shape[3]):
                    column = z + kx - weight.shape[3] // 2
                    if 0 <= column < x.shape[3]:
                        total += x[n, c, row, column] * weight[o, c, ky, kx]
        out[n, o, y, z] = total


@form(*(shapes[::2] + shapes[1:2] for shapes in SAME))
def convolution_same_grad_weight(x, grad_output, grad_weight):
    for o, c, ky, kx in parallel(
        grad_weight.shape[0], grad_weight.shape[1], grad_weight.shape[2], grad_weight.shape[3]
    ):
        total = 0.0
        for n in range(x.shape[0]):
            for y in range(x.shape[2]):
                for z in range(x.shape[3]):
                    row = y + ky - grad_weight.shape[2] // 2
                    column = z + kx - grad_weight.shape[3] // 2
                    if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                        total += x[n, c, row, column] * grad_output[n, o, y, z]
        grad_weight[o, c, ky, kx] = total


SETTINGS = (2, 1, 1, 2, 1, 2)
"""Strides, paddings and dilations, of rows and of columns in turn."""


@form(*convolutions("xwbo"), numbers=SETTINGS)
def convolution(x, weight, bias, out, sy, sx, py, px, dy, dx):
    for n, g, o, y, z in parallel(
        out.shape[0], out.shape[1], out.shape[2], out.shape[3], out.shape[4]
    ):
        total = bias[g, o]
        for c in range(x.shape[2]):
            for ky in range(weight.shape[3]):
                for kx in range(weight.shape[4]):
                    row = y * sy + ky * dy - py
                    column = z * sx + kx * dx - px
                    if 0 <= row < x.shape[3] and 0 <= column < x.shape[4]:
                        total += x[n, g, c, row, column] * weight[g, o, c, ky, kx]
        out[n, g, o, y, z] = total


@form(*convolutions("xow"), numbers=SETTINGS)
def convolution_grad_weight(x, grad_output, grad_weight, sy, sx, py, px, dy, dx):
    for g, o, c, ky, kx in parallel(
        grad_weight.shape[0], grad_weight.shape[1], grad_weight.shape[2], grad_weight.shape[3],
        grad_weight.shape[4],
    ):  # fmt: skip
        total = 0.0
        for n in range(grad_output.shape[0]):
            for y in range(grad_output.shape[3]):
                for z in range(grad_output.shape[4]):
                    row = y * sy + ky * dy - py
                    column = z * sx + kx * dx - px
                    if 0 <= row < x.shape[3] and 0 <= column < x.shape[4]:
                        total += x[n, g, c, row, column] * grad_output[n, g, o, y, z]
        grad_weight[g, o, c, ky, kx] = total


@form(*convolutions("owx"), numbers=SETTINGS)
def convolution_grad_input(grad_output, weight, grad_input, sy, sx, py, px, dy, dx):
    for n, g, c in parallel(grad_input.shape[0], grad_input.shape[1], grad_input.shape[2]):
        for row in range(grad_input.shape[3]):
            for column in range(grad_input.shape[4]):
                grad_input[n, g, c, row, column] = 0.0
        for ky in range(weight.shape[3]):
            for kx in range(weight.shape[4]):
                for y in range(grad_output.shape[3]):
                    for z in range(grad_output.shape[4]):
                        total = 0.0
                        for o in range(weight.shape[1]):
                            total += grad_output[n, g, o, y, z] * weight[g, o, c, ky, kx]
                        to_row = y * sy + ky * dy - py
                        to_column = z * sx + kx * dx - px
                        if (
                            0 <= to_row < grad_input.shape[3]
                            and 0 <= to_column < grad_input.shape[4]
                        ):
                            grad_input[n, g, c, to_row, to_column] += total


@form(*convolutions("owx"), numbers=SETTINGS)
def convolution_grad_input_scattered(grad_output, weight, grad_input, sy, sx, py, px, dy, dx):
    for n, g, c in parallel(grad_input.shape[0], grad_input.shape[1], grad_input.shape[2]):
        for o in range(weight.shape[1]):
            for ky in range(weight.shape[3]):
                for y in range(grad_output.shape[3]):
                    row = y * sy + ky * dy - py
                    if row < 0 or row >= grad_input.shape[3]:
                        continue
                    for kx in range(weight.shape[4]):
                        for z in range(grad_output.shape[4]):
                            column = z * sx + kx * dx - px
                            if 0 <= column < grad_input.shape[4]:
                                grad_input[n, g, c, row, column] += (
                                    grad_output[n, g, o, y, z] * weight[g, o, c, ky, kx]
                                )
