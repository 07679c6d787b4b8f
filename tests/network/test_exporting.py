"""ONNX files give what networks predict, to 1e-5, in onnxruntime."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gradients import LAYERS
from trainings import CASES

import netts
from netts import Network, Trainer, layers
from netts.errors import MissingPackageError, ModelFileError, NotBuiltError, UnexportableError
from netts.layers import Layer
from netts.layers.base import describe
from netts.layers.merging import add
from netts.losses import LOSSES, SquaredError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 1e-5


def given_to(network, samples):
    """Return samples as onnxruntime takes them."""
    if isinstance(samples, dict):
        return {name: np.asarray(one, np.float32) for name, one in samples.items()}
    return {"input": np.asarray(samples, np.float32)}


def check(network, samples, path, loss=None, device="reference", **options):
    network.to_onnx(path, loss=loss, **options)
    expected = network.predict(samples, loss=loss, device=device)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["output"], given_to(network, samples))
    assert found.shape == expected.shape
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * scale)


def drawn_samples(network, rng, n_samples=3):
    shapes = network.input_shape
    if isinstance(shapes, dict):
        return {name: rng.normal(size=(n_samples, *shape)) for name, shape in shapes.items()}
    return rng.normal(size=(n_samples, *shapes))


def with_drawn_weights(network, rng):
    """Give every array values that matter: variances above 0, no scale of 1 and no bias of 0."""
    network.set_weights(
        {name: rng.uniform(0.5, 1.5, one.shape) for name, one in network.weights().items()}
    )
    return network


@pytest.mark.parametrize(
    ("layer", "shape", "options"), LAYERS, ids=[describe(one) for one, _, _ in LAYERS]
)
def test_every_layer_has_operators_that_give_the_same(layer, shape, options, tmp_path):
    """Of each exported layer there is an example: tests/test_gradients.py sees to that."""
    rng = np.random.default_rng(0)
    network = with_drawn_weights(Network([layer]).build(shape, random_state=0), rng)
    samples, known = drawn_samples(network, rng), options.get("samples", {})
    if isinstance(samples, dict):
        samples |= {name: np.resize(one, samples[name].shape) for name, one in known.items()}
    elif "samples" in options:
        samples = known
    check(network, samples, tmp_path / "model.onnx")


@pytest.mark.parametrize("case", CASES)
def test_every_architecture_that_tests_train_gives_the_same(case, tmp_path, monkeypatch):
    fitted, fit = [], Trainer.fit

    def spy(self, X, *arguments, **options):
        fitted.append((self.network, X))
        return fit(self, X, *arguments, **options)

    monkeypatch.setattr(Trainer, "fit", spy)
    CASES[case]("cpu", np.float32)
    network, X = fitted[-1]
    check(network, X, tmp_path / "model.onnx", device="cpu")


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_gives_the_predictions_that_it_gives_here(loss, tmp_path):
    rng = np.random.default_rng(0)
    for shape in [(4,), (2, 3)]:
        network = Network([layers.Tanh()]).build(shape)
        check(network, rng.normal(size=(5, *shape)), tmp_path / "model.onnx", loss=loss)


@pytest.mark.parametrize(("size", "padding"), [((2, 5), 0), ((7, 3), 1), ((6, 6), (2, 1)), (4, 0)])
def test_a_crop_takes_the_same_middle(size, padding, tmp_path):
    network = Network([layers.RandomCrop(size, padding)]).build((2, 5, 5))
    X = np.random.default_rng(0).normal(size=(2, 2, 5, 5))
    check(network, X, tmp_path / "model.onnx")


def test_any_number_of_samples_may_be_asked_about(tmp_path):
    network = Network([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]).build((1, 5, 4))
    for n_samples in (0, 1, 7):
        check(network, np.ones((n_samples, 1, 5, 4)), tmp_path / "model.onnx")


windows = st.integers(1, 3)


@st.composite
def convolutions(draw):
    """A convolution of any options that fit an image or a signal, and its input."""
    kind, n_sides = draw(st.sampled_from([(layers.Conv1D, 1), (layers.Conv2D, 2)]))
    for_sides = st.tuples(*[windows] * n_sides)
    kernel, stride, dilation = (draw(for_sides) for _ in range(3))
    groups = draw(st.integers(1, 2))
    extents = [gap * (size - 1) + 1 for size, gap in zip(kernel, dilation, strict=True)]
    padding = draw(st.tuples(*[st.integers(0, one) for one in extents]) | st.just("same"))
    layer = kind(
        groups * draw(st.integers(1, 2)), kernel, padding=padding, dilation=dilation, groups=groups,
        stride=1 if padding == "same" else stride, use_bias=draw(st.booleans()),
        activation=draw(st.sampled_from([None, "relu", "gelu"])),
    )  # fmt: skip
    sides = [draw(st.integers(one, one + 3)) for one in extents]
    return layer, (groups * draw(st.integers(1, 2)), *sides)


@st.composite
def poolings(draw):
    """A pooling of any options that fit an image or a signal, and its input."""
    kind, n_sides = draw(
        st.sampled_from([
            (layers.MaxPool1D, 1), (layers.MaxPool2D, 2),
            (layers.AveragePool1D, 1), (layers.AveragePool2D, 2),
        ])
    )  # fmt: skip
    for_sides = st.tuples(*[windows] * n_sides)
    sizes, stride = draw(for_sides), draw(for_sides | st.none())
    padding = tuple(draw(st.integers(0, one // 2)) for one in sizes)
    counting = {"count_include_pad": draw(st.booleans())} if "Average" in kind.__name__ else {}
    layer = kind(sizes, stride, padding, **counting)
    return layer, (draw(st.integers(1, 2)), *[draw(st.integers(one, one + 4)) for one in sizes])


@st.composite
def normalisations(draw):
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    # onnxruntime 1.20 takes variances in one pass, E[x^2] - E[x]^2, which loses digits where they
    # are small beside the mean; so LayerNorm gets an epsilon that such a variance does not matter
    # beside. The default one is among the examples above.
    epsilon = draw(st.sampled_from([0.1, 0.5]))
    layer = draw(
        st.sampled_from([
            layers.BatchNorm(epsilon=epsilon),
            layers.LayerNorm(epsilon, draw(st.integers(1, len(shape)))),
            layers.Softmax(), layers.ELU(epsilon), layers.LeakyReLU(epsilon), layers.Flatten(),
        ])
    )  # fmt: skip
    return layer, shape


@settings(max_examples=60, deadline=None)
@given(convolutions() | poolings() | normalisations(), st.integers(0, 2**31))
def test_layers_of_any_shape_and_options_give_the_same(tmp_path_factory, example, seed):
    layer, shape = example
    rng = np.random.default_rng(seed)
    network = with_drawn_weights(Network([layer]).build(shape), rng)
    check(network, rng.normal(size=(2, *shape)), tmp_path_factory.getbasetemp() / "drawn.onnx")


def test_a_file_names_what_netts_names(tmp_path):
    branches = [[layers.Input("age")], [layers.Input("city"), layers.Embedding(4, 2)]]
    branches[1].append(layers.Flatten())
    network = Network([layers.Concatenate(branches), layers.Dense(3, "relu")])
    network.build({"age": 1, "city": 2}).to_onnx(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [one.name for one in model.graph.input] == ["age", "city"]
    assert [one.name for one in model.graph.output] == ["output"]
    weights = {one.name: tuple(one.dims) for one in model.graph.initializer}
    assert weights.items() >= {name: one.shape for name, one in network.weights().items()}.items()
    assert [one.name for one in model.graph.node] == [
        "0[1].1.Cast", "0[1].1.Gather", "0[1].2.Reshape", "0.Concat", "1.Gemm", "1.1.Relu",
        "output",
    ]  # fmt: skip
    assert (model.producer_name, model.producer_version) == ("netts", netts.__version__)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    batch = [one.type.tensor_type.shape.dim[0].dim_param for one in model.graph.input]
    assert batch == ["batch", "batch"]


def test_an_input_may_have_the_name_of_the_output(tmp_path):
    network = Network([layers.Input("output"), layers.Dense(2)]).build({"output": 3})
    network.to_onnx(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [one.name for one in model.graph.output] == ["output_2"]


def test_float64_is_written_where_it_is_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    network = Network([layers.Dense(4, "tanh"), layers.Dense(3)], np.float64)
    network.build(5, random_state=0).to_onnx(tmp_path / "model.onnx", dtype="float64")
    X = rng.normal(size=(6, 5))
    (found,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"input": X})
    np.testing.assert_allclose(found, network.predict(X), rtol=1e-12)


@dataclass(frozen=True)
class Double(Layer):
    def forward(self, at):
        add(at.input, at.input, at.output)

    def backward(self, at):
        add(at.grad_output, at.grad_output, at.grad_input)


@dataclass(frozen=True)
class ExportableDouble(Double):
    def to_onnx(self, at):
        return at.add("Mul", at.input, np.array(2.0))


def test_a_layer_of_ones_own_brings_its_operators(tmp_path):
    network = Network([layers.Dense(2), ExportableDouble()]).build(3)
    check(network, np.ones((2, 3)), tmp_path / "model.onnx")


@dataclass(frozen=True)
class Negative(layers.ReLU):
    def forward(self, at):
        raise AssertionError


@dataclass(frozen=True)
class Mistaken(Double):
    result: object = None

    def to_onnx(self, at):
        return self.result


@dataclass(frozen=True)
class Invented(Double):
    def to_onnx(self, at):
        return at.add("Twice", at.input)


@dataclass(frozen=True)
class HalfOfIt(SquaredError):  # noqa: N818 - no exception
    def predict(self, output, prediction):
        raise AssertionError


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Double(), "layer 1 (Double) has no ONNX operator that netts knows of: give Double a"),
        (Negative(), "forward of its own, and inherits to_onnx of ReLU: give Negative a"),
        (Mistaken(), "layer 1 (Mistaken) gives None for to_onnx: return the name"),
        (Mistaken("nothing"), "onnx refuses the graph"),
        (Invented(), "onnx refuses the graph"),
    ],
)
def test_a_layer_without_operators_is_named_and_no_file_is_written(layer, message, tmp_path):
    network = Network([layers.Dense(2), layer]).build(3)
    with pytest.raises(UnexportableError) as caught:
        network.to_onnx(tmp_path / "model.onnx")
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_predicts_otherwise_than_its_base_is_refused(tmp_path):
    network = Network([layers.Dense(2)]).build(3)
    with pytest.raises(UnexportableError, match=r"HalfOfIt.*has a method predict of its own"):
        network.to_onnx(tmp_path / "model.onnx", loss=HalfOfIt())


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(NotBuiltError):
        Network([layers.Dense(2)]).to_onnx(tmp_path / "model.onnx")
    with pytest.raises(ModelFileError, match="there is no directory"):
        Network([layers.Dense(2)]).build(3).to_onnx(tmp_path / "nowhere" / "model.onnx")


def test_without_the_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "netts.persistence.onnx_file", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match="pip install onnx"):
        Network([layers.Dense(2)]).build(3).to_onnx(tmp_path / "model.onnx")
