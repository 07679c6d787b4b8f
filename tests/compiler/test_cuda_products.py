"""How sums of products are computed on a GPU: what is packed, multiplied and left to a kernel."""

from __future__ import annotations

import numpy as np
import pytest

from netts import accelerate, parallel
from netts.compiler.cuda.cost import RULE, ProductRule
from netts.compiler.cuda.program import GEOMETRY
from netts.compiler.cuda.specialise import Product, specialise
from netts.devices.gemm import Steps
from netts.layers.conv import conv2d_forward, conv2d_grad_input, conv2d_grad_weight
from netts.layers.dense import (
    dense_forward,
    dense_forward_without_bias,
    dense_grad_input,
    dense_grad_weight,
)

STRIDE_1 = (1, 1, 1, 1, 1, 1)
"""Strides, paddings and dilations of a convolution that keeps height and width."""


def zeros(*shape):
    return np.broadcast_to(np.float32(0), shape)


def written(*shape):
    return np.zeros(shape, np.float32)


@accelerate
def dense_by_rows(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for one in range(x.shape[1]):
            total += x[i, one] * y[j, one]
        out[i, j] = total


def lowered(kernel, *arguments, rule=RULE):
    return kernel.specialised(arguments, lambda bound: specialise(bound, GEOMETRY, rule))


def labels(special):
    name = special.kernel.routine.name
    return [one.label.removeprefix(name).strip() for one in special.operations]


def gemms(special):
    return [one.gemm for one in special.operations if isinstance(one, Product)]


# ---------------------------------------------------------------- dense layers


def test_a_product_alone_is_one_call_of_cublas():
    x, weight, output = written(128, 784), written(784, 256), written(128, 256)
    for kernel, arguments, sizes in (
        (dense_forward_without_bias, (x, weight, output), (128, 256, 784)),
        (dense_grad_weight, (x, output, weight), (784, 256, 128)),
        (dense_grad_input, (output, weight, x), (128, 784, 256)),
    ):
        special = lowered(kernel, *arguments)
        assert labels(special) == ["product"]
        assert special.scratch_bytes == special.fault_words == 0
        (gemm,) = gemms(special)
        assert (gemm.m, gemm.n, gemm.k) == sizes
        assert not gemm.accumulates


def test_bias_is_added_in_place_by_a_kernel():
    special = lowered(
        dense_forward, written(128, 784), written(784, 256), written(256), written(128, 256)
    )
    assert labels(special) == ["product", "rest"]
    assert special.scratch_bytes == 0
    product, rest = special.operations
    assert product.places({"x": 4, "weight": 8, "output": 16}, 32) == (4, 8, 16)
    assert rest.blocks == 128 * 256 // GEOMETRY.threads
    assert "by cuBLAS" in special.source


def test_views_are_read_in_place_from_their_first_element():
    x, weight = written(300, 800)[3:131, 5:789], written(256, 784).T
    output = written(128, 300)[:, :256]
    special = lowered(dense_forward_without_bias, x, weight, output)
    (gemm,) = gemms(special)
    assert (gemm.left, gemm.right, gemm.out) == (
        Steps(800, 1, 1),
        Steps(1, 784, 1),
        Steps(300, 1, 1),
    )


def test_another_size_compiles_nothing():
    codes = []
    for n in (320, 512):
        special = lowered(
            conv2d_forward, written(n, 1, 6, 14, 14), written(1, 16, 6, 3, 3), written(1, 16),
            written(n, 1, 16, 14, 14), *STRIDE_1,
        )  # fmt: skip
        codes.append([one.code for one in special.operations if not isinstance(one, Product)])
    assert codes[0] == codes[1]


# ---------------------------------------------------------------- convolutions


def convolution(kernel, n=128, groups=1, c=32, o=64, size=14, rule=RULE):
    images, output = written(n, groups, c, size, size), written(n, groups, o, size, size)
    weight, bias = written(groups, o, c, 3, 3), written(groups, o)
    arguments = {
        conv2d_forward: (images, weight, bias, output),
        conv2d_grad_weight: (images, output, weight),
        conv2d_grad_input: (output, weight, images),
    }[kernel]
    return lowered(kernel, *arguments, *STRIDE_1, rule=rule)


def test_a_thread_packs_several_elements_where_there_are_many():
    operations = {
        n: lowered(
            conv2d_forward, written(n, 1, 6, 14, 14), written(1, 16, 6, 3, 3), written(1, 16),
            written(n, 1, 16, 14, 14), *STRIDE_1,
        ).operations[0]
        for n in (16, 320)
    }  # fmt: skip
    assert [one.program.iterations for one in operations.values()] == [
        16 * 54 * 196,
        320 * 54 * 196 // 9,  # a window each
    ]
    assert "for q_ky in range(" in operations[320].program.text


def test_a_convolution_packs_images_and_multiplies_all_of_them_at_once():
    special = convolution(conv2d_forward)
    assert labels(special) == ["pack images", "product", "rest"]
    (gemm,) = gemms(special)
    assert (gemm.m, gemm.n, gemm.k, gemm.batch) == (128 * 196, 64, 32 * 9, 1)
    special = convolution(conv2d_grad_weight)
    assert labels(special) == ["pack images", "pack grad_output", "product", "rest"]
    (gemm,) = gemms(special)
    assert (gemm.m, gemm.n, gemm.k, gemm.batch) == (32 * 9, 64, 128 * 196 // 112, 112)


@pytest.mark.parametrize(
    ("m", "n", "k", "batch"),
    [
        (25, 6, 802_816, 512), (25, 6, 100_352, 448), (150, 16, 12_800, 64),
        (9, 32, 802_816, 512), (288, 64, 200_704, 1), (288, 64, 25_088, 112),
        (784, 256, 128, 1), (128, 10, 1024, 1), (128, 10, 60_000, 300), (64, 64, 100_003, 1),
    ],
)  # fmt: skip
def test_long_sums_of_small_results_are_divided_evenly(m, n, k, batch):
    """As measured on an H100; a prime number of terms has no parts."""
    special = lowered(dense_by_rows, written(m, k), written(n, k), written(m, n))
    (gemm,) = gemms(special)
    assert (gemm.m, gemm.n, gemm.k, gemm.batch) == (m, n, k // batch, batch)
    assert labels(special) == (["product"] if batch == 1 else ["product", "rest"])
    if batch > 1:
        assert gemm.left.batch == gemm.right.batch == gemm.k
        assert gemm.out.batch == m * n
        assert special.operations[-1].program.unit == "row"
        assert special.operations[-1].program.iterations == m * n


def test_divided_sums_stay_within_scratch():
    x, y, out = written(25, 100_352), written(6, 100_352), written(25, 6)
    (gemm,) = gemms(lowered(dense_by_rows, x, y, out, rule=ProductRule(scratch_bytes=2**16)))
    assert gemm.batch == 1


def test_groups_are_a_batch():
    (gemm,) = gemms(convolution(conv2d_forward, groups=2, c=16, o=32))
    assert gemm.batch == 2
    assert gemm.right == Steps(1, 16 * 9, 32 * 16 * 9)


def test_the_gradient_by_the_input_has_the_same_weights_for_a_batch_of_images():
    special = convolution(conv2d_grad_input)
    assert labels(special) == ["product", "rest"]
    (gemm,) = gemms(special)
    assert (gemm.m, gemm.n, gemm.k, gemm.batch) == (196, 32 * 9, 64, 128)
    assert gemm.right.batch == 0
    rest = special.operations[-1]
    assert rest.program.unit == "iterations"  # each element gathers what is added to it
    assert rest.program.iterations == 128 * 32 * 196


def test_little_scratch_takes_blocks():
    whole = convolution(conv2d_forward)
    for kernel in (conv2d_forward, conv2d_grad_weight, conv2d_grad_input):
        special = convolution(kernel, rule=ProductRule(scratch_bytes=2**22))
        assert special.scratch_bytes <= 2**22 + 1024
        blocks = gemms(special)
        assert len(blocks) > 1
        assert sum(one.multiply_adds for one in blocks) == gemms(whole)[0].multiply_adds
    assert [one.accumulates for one in blocks] == [False] * len(blocks)  # of the result's images
    rule = ProductRule(least_multiply_adds=0, scratch_bytes=2**16)
    special = convolution(conv2d_grad_weight, c=1, o=2, rule=rule)
    blocks = gemms(special)
    assert [one.accumulates for one in blocks] == [False] + [True] * (len(blocks) - 1)


def test_what_does_not_change_from_block_to_block_is_packed_once():
    @accelerate
    def scaled(x, scale, weight, out):
        for i, j in parallel(out.shape[0], out.shape[1]):
            total = 0.0
            for k in range(x.shape[1]):
                total += (x[i, k] - scale[k]) * (weight[k, j] + scale[k])
            out[i, j] = total * total

    arguments = written(4096, 64), written(64), written(64, 64), written(4096, 64)
    special = lowered(scaled, *arguments, rule=ProductRule(scratch_bytes=2**19))
    assert labels(special).count("product") > 1
    assert labels(special).count("pack weight scale") == 1


# ---------------------------------------------------------------- batches


@accelerate
def scores(q, k, out):
    for n, h, i, j in parallel(out.shape[0], out.shape[1], out.shape[2], out.shape[3]):
        total = 0.0
        for d in range(q.shape[3]):
            total += q[n, i, h, d] * k[n, j, h, d]
        out[n, h, i, j] = total


def test_a_batch_without_a_constant_step_is_packed_or_takes_several_calls():
    special = lowered(
        scores, written(32, 64, 8, 16), written(32, 64, 8, 16), written(32, 8, 64, 64)
    )
    products = gemms(special)
    assert sum(one.batch for one in products) == 32 * 8
    assert len(products) <= 8


@accelerate
def distances(x, y, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += (x[i, k] - y[j, k]) ** 2
        out[i, j] = total


def test_what_is_no_product_stays_a_loop():
    special = lowered(distances, written(256, 256), written(256, 256), written(256, 256))
    assert labels(special) == [""]


# ---------------------------------------------------------------- what decides, and who is told


@pytest.mark.parametrize(
    ("sizes", "rule", "reason"),
    [
        ((16, 16, 16), RULE, "loops are faster here: 4096 multiplications"),
        ((4096, 4096, 1), RULE, "loops are faster here: a factor has less than 2 rows or columns"),
        ((512, 512, 512), ProductRule(missing="it is not here"), "would do it, but it is not here"),
    ],
)
def test_loops_are_taken_for_a_reason(sizes, rule, reason):
    n, k, m = sizes
    arguments = zeros(n, k), zeros(k, m), written(n, m)
    special = lowered(dense_forward_without_bias, *arguments, rule=rule)
    assert reason in special.reasons[0]
    assert not gemms(special)


def test_explanations_say_how_sums_are_computed(monkeypatch):
    @accelerate
    def multiplied(x, y, out):
        for i, j in parallel(out.shape[0], out.shape[1]):
            total = 0.0
            for k in range(x.shape[1]):
                total += x[i, k] * y[k, j]
            out[i, j] = max(total, 0.0)

    from netts.compiler.cuda import specialise as module

    x = written(128, 128)
    monkeypatch.setattr(module, "cublas_missing", lambda: None)
    multiplied.specialise_cuda((x, x, written(128, 128)))
    text = multiplied.explain()
    assert "sum of products by cuBLAS: (i) x (k) times (k) x (j), into out[i, j]" in text
    assert "multiplied product: (128, 128) x (128, 128)" in text
    monkeypatch.setattr(module, "cublas_missing", lambda: "nvmath cannot be imported")
    x = written(256, 256)
    multiplied.specialise_cuda((x, x, written(256, 256)))
    assert "by loops: cuBLAS would do it, but nvmath cannot be imported" in multiplied.explain()
