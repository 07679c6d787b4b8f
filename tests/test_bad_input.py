"""Arrays and settings as people have them, from a kernel up to an estimator: right, or refused.

One thing after the other: shapes that do not fit, images smaller than a kernel, strides of 0,
groups that do not divide, arrays that overlap, arrays laid out in any way, and other dtypes. Every
refusal says what to do.
"""

import numpy as np
import pytest

from netts import MLPClassifier, Network, Trainer, accelerate, parallel
from netts.errors import (
    AliasError,
    BoundsError,
    DataError,
    KernelTypeError,
    NettsError,
    ParameterError,
    ShapeError,
)
from netts.layers import AveragePool2D, Conv2D, Dense, Flatten, MaxPool2D

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

generator = np.random.default_rng(0)
X = np.round(generator.normal(scale=3, size=(12, 4)))
IMAGES = np.round(generator.normal(scale=3, size=(6, 2, 5, 6)))
WEIGHT = generator.normal(size=(4, 3))


@accelerate
def product(x, weight, out):
    for i, j in parallel(out.shape[0], out.shape[1]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * weight[k, j]
        out[i, j] = total


def dense_network():
    return Network([Dense(5, "relu"), Dense(2)], np.float64)


def image_network(**settings):
    return Network([Conv2D(4, 3, **settings), Flatten(), Dense(2)], np.float64)


def labels(samples):
    return np.arange(len(samples)) % 2


def multiplied(x):
    out = np.full((len(x), 3), np.nan)
    product(x, WEIGHT[: x.shape[1]], out)
    return out


def predicted(x):
    network = image_network() if x.ndim == 4 else dense_network()
    return network.build(x.shape[1:], random_state=0).predict(x)


def trained(x):
    network = image_network() if x.ndim == 4 else dense_network()
    Trainer(network, epochs=2, batch_size=5, random_state=0).fit(x, labels(x))
    return np.concatenate([one.ravel() for one in network.weights().values()])


def classified(x):
    settings = {"max_iter": 2, "random_state": 0, "dtype": "float64"}
    return MLPClassifier((4,), **settings).fit(x, labels(x)).predict_proba(x)


# ---------------------------------------------------------------- how an array is laid out


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array):
    return np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


LAYOUTS = {
    "Fortran-ordered": np.asfortranarray,
    "strided": lambda array: np.repeat(np.repeat(array, 2, 0), 3, -1)[::2, ..., ::3],
    "reversed": lambda array: array[::-1, ..., ::-1].copy()[::-1, ..., ::-1],
    "transposed": lambda array: array.T.copy().T,
    "read-only": read_only,
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
    "unaligned": unaligned,
}


@pytest.mark.parametrize("run", [multiplied, predicted, trained, classified])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_may_be_laid_out_in_any_way(layout, run):
    laid_out = LAYOUTS[layout](X)
    if run is multiplied and layout == "unaligned":
        with pytest.raises(KernelTypeError, match=r"'x' .* is not aligned to its dtype; pass a co"):
            run(laid_out)
        return
    np.testing.assert_allclose(run(laid_out), run(np.ascontiguousarray(laid_out.copy())), 1e-12)


@pytest.mark.parametrize("run", [predicted, trained])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_may_be_laid_out_in_any_way(layout, run):
    laid_out = LAYOUTS[layout](IMAGES)
    np.testing.assert_allclose(run(laid_out), run(np.ascontiguousarray(laid_out.copy())), 1e-12)


@pytest.mark.parametrize("layout", ["Fortran-ordered", "strided", "reversed", "transposed"])
def test_results_may_be_laid_out_in_any_way(layout):
    out = LAYOUTS[layout](np.full((12, 3), np.nan))
    product(X, WEIGHT, out)
    np.testing.assert_allclose(out, X @ WEIGHT)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("read-only", "'out' of kernel 'product' is read-only, and the kernel writes it; pass a c"),
        ("broadcast", r"several of its elements may be the same memory: .* pass a copy"),
        ("unaligned", "'out' of kernel 'product' is not aligned to its dtype; pass a copy"),
    ],
)
def test_a_result_that_cannot_be_written_is_refused(layout, message):
    with pytest.raises(KernelTypeError, match=message):
        product(X, WEIGHT, LAYOUTS[layout](np.zeros((12, 3))))


# ---------------------------------------------------------------- dtypes

NUMBERS = ["float16", "float32", ">f8", "longdouble", "int8", "uint8", "int32", "int64", "uint64"]


@pytest.mark.parametrize("run", [predicted, trained, classified])
@pytest.mark.parametrize("dtype", [*NUMBERS, "bool", "object"])
def test_samples_may_have_any_dtype_of_numbers(dtype, run):
    numbers = np.abs(X).astype(dtype)
    np.testing.assert_allclose(run(numbers), run(numbers.astype(np.float64)), 1e-12)


@pytest.mark.parametrize("dtype", [*NUMBERS, "bool", "object"])
def test_a_kernel_takes_a_dtype_or_says_which_to_take(dtype):
    numbers = np.abs(X).astype(dtype)
    ways_out = {
        "float16": "convert it with x.astype('float32')", ">f8": "x.astype('float64')",
        "longdouble": "x.astype('float64')", "int8": "x.astype('int32')",
        "uint64": "x.astype('int64')", "object": "convert it with x.astype(...)",
        "float32": "convert one of them, as in x.astype(y.dtype)",
    }  # fmt: skip
    if dtype in ways_out:
        with pytest.raises(KernelTypeError) as caught:
            multiplied(numbers)
        assert ways_out[dtype] in str(caught.value)
        return
    np.testing.assert_allclose(multiplied(numbers), numbers @ WEIGHT)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("float16", "pass an array of 'float32', and convert that afterwards"),
        ("int64", r"a floating value is stored into out.*\n(.*\n)*.*write int\(...\) to truncate"),
    ],
)
def test_a_result_of_another_dtype_is_refused(dtype, message):
    with pytest.raises(KernelTypeError, match=message):
        product(X, WEIGHT, np.zeros((12, 3), dtype))


@pytest.mark.parametrize("run", [predicted, trained])
@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (complex, "X holds numbers, got dtype complex128: pass real and imaginary parts"),
        (str, r"X holds numbers, got dtype <U32: X.astype\(float\) reads numbers that are text"),
        ("M8[D]", r"X holds numbers, got dtype datetime64\[D\]: .*TableEncoder makes features"),
        ("S8", r"X holds numbers, got dtype \|S8: convert it to float64"),
    ],
)
def test_samples_that_are_no_numbers_are_refused(dtype, message, run):
    with pytest.raises(DataError, match=message):
        run(X.astype(dtype))


@pytest.mark.parametrize("dtype", ["int8", "uint64", "bool", ">i4"])
def test_classes_may_be_of_any_whole_numbers(dtype):
    found = [dense_network() for _ in range(2)]
    for network, y in zip(found, (labels(X), unaligned(labels(X).astype(dtype))), strict=True):
        Trainer(network, epochs=1, random_state=0).fit(X, y, unaligned(np.ones(12)))
    np.testing.assert_array_equal(*(one.weights()["0.weight"] for one in found))


# ---------------------------------------------------------------- nothing at all


def test_a_product_of_nothing_is_empty_or_zero():
    assert multiplied(X[:0]).shape == (0, 3)
    np.testing.assert_array_equal(multiplied(X[:, :0]), 0)
    product(X, WEIGHT[:, :0], np.zeros((12, 0)))


def test_a_prediction_for_nothing_is_empty():
    assert predicted(X[:0]).shape == (0, 2)
    assert predicted(IMAGES[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: trained(X[:0]), DataError, "X has no samples: pass at least one"),
        (lambda: trained(X[:, :0]), ShapeError, r"shape \(12, 0\): pass samples of at least one"),
        (lambda: trained(IMAGES[:, :0]), ShapeError, r"\(6, 0, 5, 6\): pass samples of at least"),
        (lambda: classified(X[:0]), ValueError, r"0 sample\(s\).*minimum of 1 is required"),
        (lambda: classified(X[:, :0]), ValueError, r"0 feature\(s\).*minimum of 1 is required"),
        (lambda: predicted(X[:, :0]), ParameterError, "input_shape is a whole number of at least"),
    ],
)
def test_nothing_to_learn_from_is_refused(act, error, message):
    with pytest.raises(error, match=message):
        act()


# ---------------------------------------------------------------- memory that overlaps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, WEIGHT, X[:, :3]), "x and out of .* overlap in memory, and out is written; pass a co"),
        ((X[:4], X[4:8, :3], X[3:7, :3]), "x and out .* overlap in memory"),
        ((WEIGHT[:3], WEIGHT[:3], WEIGHT[:3]), "are the same array, and then(.*\n)*.*pass a copy"),
    ],
)
def test_a_result_in_the_memory_of_an_operand_is_refused(arguments, message):
    before = X.copy()
    with pytest.raises(AliasError, match=message):
        product(*arguments)
    np.testing.assert_array_equal(X, before)


def test_samples_and_targets_may_be_one_array():
    network = Network([Dense(4)], np.float64)
    losses = Trainer(network, loss="squared_error", epochs=20, random_state=0).fit(X, X).loss
    assert losses[-1] < losses[0]


# ---------------------------------------------------------------- shapes and settings

built = dense_network().build(4, random_state=0)
images = image_network().build((2, 5, 6), random_state=0)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        # shapes that do not fit together
        (lambda: product(X, WEIGHT[:3], np.zeros((12, 3))), BoundsError, "0 of w(.*\n)*.*shor"),
        (lambda: product(X, WEIGHT, np.zeros((13, 3))), BoundsError, r"x\[i, k\] takes.*0 to 12"),
        (lambda: product(X[0], WEIGHT, np.zeros((1, 3))), KernelTypeError, "with 2 subscripts, go"),
        (lambda: built.predict(X[:, :3]), ShapeError, r"\(n_samples, 4\), got \(12, 3\): .*anoth"),
        (lambda: built.predict(X[0]), ShapeError, r"got \(4,\): one sample is X\[None\]"),
        (lambda: images.predict(IMAGES[0]), ShapeError, r"one sample is X\[None\]"),
        (lambda: images.predict(IMAGES.reshape(6, -1)), ShapeError, r"X.reshape\(-1, 2, 5, 6\)"),
        (lambda: Trainer(built).fit(X[:, :3], labels(X)), ShapeError, "build another network"),
        (lambda: Trainer(built).fit(X, labels(X)[:5]), ShapeError, r"\(5,\): pass one for each sa"),
        (lambda: MLPClassifier().fit(X, labels(X)[:5]), ValueError, "inconsistent numbers of samp"),
        (lambda: MLPClassifier().fit(IMAGES, labels(IMAGES)), ValueError, "dim 4, while dim <= 2"),
        (lambda: Network([Conv2D(2, 3), Dense(2)]).build((1, 5, 5)), ShapeError, "flatten it"),
        (lambda: image_network().build(60), ShapeError, r"reshape flat samples to images"),
        # an image smaller than the kernel
        (lambda: image_network().build((2, 2, 6)), ShapeError, "height is at least .*use a sma"),
        (lambda: trained(IMAGES[..., :2]), ShapeError, "width is at least the kernel's.*use a sma"),
        (lambda: Network([MaxPool2D(3)]).build((1, 5, 2)), ShapeError, "width is at least the poo"),
        # stride 0
        (lambda: Conv2D(2, 3, stride=0), ParameterError, "stride is a whole number of at least 1"),
        (lambda: MaxPool2D(2, stride=(1, 0)), ParameterError, "each of stride is a whole number"),
        (lambda: AveragePool2D(2, stride=0), ParameterError, "stride is a whole number of at leas"),
        # groups that do not divide
        (lambda: Conv2D(4, 3, groups=3), ParameterError, "make filters a multiple of 3"),
        (lambda: Conv2D(4, 3, groups=0), ParameterError, "groups is a whole number of at least 1"),
        (lambda: image_network(groups=4).build((2, 5, 6)), ShapeError, "groups among the divisors"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_way_out(act, error, message):
    with pytest.raises(error, match=message):
        act()


def test_a_refusal_leaves_everything_as_it_was():
    out, weights = np.full((13, 3), 7.0), built.weights()
    with pytest.raises(NettsError):
        product(X, WEIGHT, out)
    with pytest.raises(NettsError):
        Trainer(built).fit(X[:, :3], labels(X))
    np.testing.assert_array_equal(out, 7.0)
    for name, values in built.weights().items():
        np.testing.assert_array_equal(values, weights[name])
