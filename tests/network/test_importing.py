"""Weights of PyTorch: what it predicted is predicted here, and what does not fit is named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from netts import Network, layers
from netts.errors import (
    DataError,
    DataFileError,
    DataFileNotFoundError,
    NotBuiltError,
    ParameterError,
    WeightsError,
)

FILES = Path(__file__).parent / "from_torch"


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as arrays:
        return dict(arrays)


def convolutional(n_classes=3, dtype=None):
    """The network that `from_torch/export.py` writes the weights of."""
    return Network([
        layers.Conv2D(4, 3, padding=1, groups=2), layers.BatchNorm(), layers.ReLU(),
        layers.MaxPool2D(2), layers.Conv2D(3, (2, 1), use_bias=False, activation="gelu"),
        layers.Flatten(), layers.Dropout(0.3), layers.Dense(5), layers.LayerNorm(),
        layers.Dense(n_classes),
    ], dtype).build((2, 6, 7), random_state=0)  # fmt: skip


@pytest.mark.parametrize("name", ["cnn.safetensors", "cnn.npz"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_file_of_a_convolutional_network_predicts_the_same(name, dtype, expected):
    network = convolutional(dtype=dtype).load_weights(FILES / name)
    found = network.predict(expected["images"], device="reference")
    np.testing.assert_allclose(found, expected["cnn"], rtol=1e-4, atol=1e-6)


def test_bfloat16_is_widened_without_a_loss():
    network = convolutional().load_weights(FILES / "cnn_bfloat16.safetensors")
    exact = convolutional().load_weights(FILES / "cnn.safetensors").weights()
    for name, array in network.weights().items():
        assert (array.view(np.uint32) & 0xFFFF == 0).all()
        np.testing.assert_allclose(array, exact[name], rtol=2**-8)


def embedded(dtype=None):
    return Network([
        layers.Embedding(6, 3), layers.Conv1D(2, 3), layers.Flatten(), layers.Dense(2),
    ], dtype).build(4, random_state=0)  # fmt: skip


def test_modules_of_shapes_of_their_own_may_be_sorted_otherwise(expected):
    """In the file: head, signal, table."""
    network = embedded().load_weights(FILES / "embedded.safetensors")
    found = network.predict(expected["categories"], device="reference")
    np.testing.assert_allclose(found, expected["embedded"], rtol=1e-4, atol=1e-6)


def test_a_mapping_takes_what_it_names_and_leaves_all_else(expected):
    network = embedded()
    before = network.weights()
    mapping = {"3": "head", "0.weight": "table.weight"}
    network.load_weights(str(FILES / "embedded.safetensors"), mapping=mapping)
    whole = embedded().load_weights(FILES / "embedded.safetensors").weights()
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, (before if name[0] == "1" else whole)[name])


def small(random_state=0):
    return Network([layers.Dense(4), layers.Tanh(), layers.Dense(4)]).build(4, random_state=0)


def square(*names):
    rng = np.random.default_rng(0)
    return {
        f"{name}.{part}": rng.normal(size=shape).astype(np.float32)
        for name in names
        for part, shape in [("weight", (4, 4)), ("bias", (4,))]
    }


def test_arrays_in_order_need_no_names(tmp_path):
    arrays = square("z", "a")
    np.savez(tmp_path / "a.npz", **arrays)
    for source in (arrays, tmp_path / "a.npz"):
        weights = small().load_weights(source).weights()
        np.testing.assert_array_equal(weights["0.weight"], arrays["z.weight"].T)
        np.testing.assert_array_equal(weights["2.bias"], arrays["a.bias"])


def test_numbers_in_names_are_an_order_and_words_are_none(tmp_path):
    path = tmp_path / "a.safetensors"
    numbered = square("net.fc10", "net.fc9")
    save_file(numbered, path)
    np.testing.assert_array_equal(
        small().load_weights(path).weights()["0.weight"], numbered["net.fc9.weight"].T
    )
    save_file(square("query", "key"), path)
    network = small()
    before = network.weights()
    with pytest.raises(
        WeightsError, match=r"does not say in which order: pass a mapping.*'0': 'key"
    ):
        network.load_weights(path)
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, before[name])
    network.load_weights(path, mapping={"0": "query", "2": "key"})


def test_names_that_are_those_of_the_network_decide(tmp_path):
    """Two layers of the same shapes, whose labels differ in words: "0" and "1[0].0"."""
    network = Network([layers.Dense(4), layers.Residual([layers.Dense(4)])]).build(4)
    again = Network(network.layers).build(4)
    for layout in ("torch", "netts"):
        save_file(network.weights(layout), tmp_path / "a.safetensors")
        again.load_weights(tmp_path / "a.safetensors", layout=layout)
        for name, array in again.weights().items():
            np.testing.assert_array_equal(array, network.weights()[name])


def test_all_that_does_not_fit_is_named_with_its_shapes():
    network = convolutional(n_classes=4)
    before = network.weights()
    with pytest.raises(WeightsError) as caught:
        network.load_weights(FILES / "cnn.npz")
    assert str(caught.value) == (
        f"{FILES / 'cnn.npz'} does not fit the network:\n"
        "  layer 9 (Dense, units=4) wants weight (4, 5), bias (4,)\n"
        "  10 has weight (3, 5), bias (3,)"
    )
    narrow = Network([layers.Dense(7), layers.Dense(2)]).build(3)
    with pytest.raises(WeightsError) as caught:
        narrow.load_weights(square("a", "b", "c"))
    said = str(caught.value)
    for part in (
        "layer 0 (Dense, units=7) wants weight (7, 3), bias (7,)",
        "layer 1 (Dense, units=",
    ):
        assert part in said
    assert said.count("has weight (4, 4), bias (4,)") == 3
    for name, array in network.weights().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_mapping_that_does_not_fit_is_named_as_a_whole():
    network = small()
    arrays = square("a") | {"b.weight": np.zeros((5, 4), np.float32)}
    with pytest.raises(WeightsError) as caught:
        network.load_weights(arrays, mapping={"0": "b", "1": "a", "2": "a"})
    assert str(caught.value) == (
        "what was passed does not fit the network:\n"
        "  layer 0 (Dense, units=4) wants b.weight of shape (4, 4), the file has (5, 4)\n"
        "  layer 0 (Dense, units=4) wants b.bias of shape (4,), which is not in the file\n"
        "  the network has no weights of '1': it has 0, 2\n"
        "The file has: a.weight, a.bias, b.weight"
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"gn.weight": np.ones(4), "gn.bias": np.ones(4)}, "or GroupNorm or InstanceNorm, which"),
        ({"rnn.weight_ih_l0": np.ones((4, 4))}, "a recurrent layer, which netts does not have"),
        ({"a.in_proj_weight": np.ones((12, 4))}, "attention, which netts does not have"),
        ({"weight": np.ones((4, 4))}, "the file itself has weight (4, 4)"),
    ],
)
def test_layers_that_netts_does_not_have_are_named(arrays, message):
    with pytest.raises(WeightsError) as caught:
        small().load_weights(square("a", "b") | arrays)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.int64), "a.weight has dtype int64, and weights are floating numbers"),
        (np.full((4, 4), np.nan), "a.weight has a value that is not finite"),
        (np.full((4, 4), 1e300), "a.weight has a value that is too large for float32"),
    ],
)
def test_numbers_that_are_no_weights_are_refused(array, message):
    with pytest.raises(WeightsError) as caught:
        small().load_weights(square("a", "b") | {"a.weight": array})
    assert message in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_floating_dtype_is_rounded_to_the_networks(dtype):
    arrays = {name: one.astype(dtype) for name, one in square("a", "b").items()}
    weights = small().load_weights(arrays).weights()
    assert weights["0.weight"].dtype == np.float32
    np.testing.assert_array_equal(weights["0.weight"], arrays["a.weight"].T.astype(np.float32))


def test_files_of_torch_save_are_refused_unopened(tmp_path):
    before_1_6 = pickle.dumps({"weight": [1.0]}, protocol=2)  # from 1.6 on, ZIP archives
    for content in ((FILES / "cnn.pt").read_bytes(), before_1_6):
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"pickle.*safetensors\.torch.save_file"):
            convolutional().load_weights(path)


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    path = tmp_path / "a"
    for content, error, message in [
        (b"", WeightsError, "neither a safetensors nor an NPZ file"),
        (b"a,b\n1,2\n" * 9, WeightsError, "it is text, such as a CSV file"),
        (b"PK\x03\x04", WeightsError, "damaged ZIP archive"),
        ((FILES / "cnn.safetensors").read_bytes()[:-3], WeightsError, "damaged safetensors file"),
        ((FILES / "cnn.npz").read_bytes()[:-3], DataError, "damaged"),
    ]:
        path.write_bytes(content)
        with pytest.raises(error, match=message):
            small().load_weights(path)
    with pytest.raises(DataFileNotFoundError):
        small().load_weights(tmp_path / "nothing")
    with pytest.raises(DataFileError):
        small().load_weights(tmp_path)
    with pytest.raises(NotBuiltError):
        Network([layers.Dense(2)]).load_weights(FILES / "cnn.npz")
    with pytest.raises(ParameterError, match="unknown layout 'keras'; choose from: torch, netts"):
        small().load_weights(square("a", "b"), layout="keras")


def test_weights_go_to_files_and_back_in_both_layouts(tmp_path):
    network = convolutional().load_weights(FILES / "cnn.npz")
    for layout in ("torch", "netts"):
        save_file(network.weights(layout), tmp_path / "a.safetensors")
        again = convolutional().load_weights(tmp_path / "a.safetensors", layout=layout)
        for name, array in again.weights().items():
            np.testing.assert_array_equal(array, network.weights()[name])
    assert list(network.weights("torch"))[:6] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
    ]  # fmt: skip


class OwnDense(layers.Dense):
    """A layer of one's own that PyTorch has under other names."""

    in_torch: ClassVar = {
        "weight": layers.base.InTorch("kernel"),
        "bias": layers.base.InTorch("offset"),
    }


def test_a_layer_of_ones_own_says_what_it_is_called_in_torch():
    network = Network([OwnDense(3)]).build(2)
    arrays = {"own.kernel": np.ones((2, 3)), "own.offset": np.ones(3)}
    assert network.load_weights(arrays).weights()["0.bias"].tolist() == [1, 1, 1]


def live_pairs():
    from torch import nn

    return [
        (
            nn.Sequential(
                nn.Conv2d(3, 6, 3, 2, 1, dilation=2, groups=3), nn.BatchNorm2d(6), nn.ELU(),
                nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 8), nn.Tanh(), nn.Linear(8, 8),
            ),
            [
                layers.Conv2D(6, 3, stride=2, padding=1, dilation=2, groups=3), layers.BatchNorm(),
                layers.ELU(), layers.AveragePool2D(2), layers.Flatten(), layers.Dense(8, "tanh"),
                layers.Dense(8),
            ],
            (3, 15, 15),
        ),
        (
            nn.Sequential(
                nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.SiLU(), nn.Conv1d(4, 4, 1),
                nn.LayerNorm([4, 7]), nn.Flatten(), nn.Linear(28, 3, bias=False),
            ),
            [
                layers.Conv1D(4, 3), layers.BatchNorm(), layers.Swish(), layers.Conv1D(4, 1),
                layers.LayerNorm(n_axes=2), layers.Flatten(), layers.Dense(3, use_bias=False),
            ],
            (2, 9),
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("k", [0, 1])
def test_live_state_dicts_predict_the_same_and_go_back(k):
    torch = pytest.importorskip("torch")
    theirs, ours, shape = live_pairs()[k]
    with torch.no_grad():
        for one in theirs.state_dict().values():
            if one.dtype.is_floating_point and one.ndim == 1:
                one.uniform_(0.5, 1.5)
    network = Network(ours).build(shape).load_weights(theirs.state_dict())
    X = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(X)).numpy()
    found = network.predict(X, device="reference")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    names = [one for one in theirs.state_dict() if not one.endswith("num_batches_tracked")]
    arrays = map(torch.from_numpy, network.weights("torch").values())
    back = dict(zip(names, arrays, strict=True))
    for name, one in theirs.state_dict().items():
        if name in back:
            torch.testing.assert_close(back[name], one, rtol=0, atol=0)
