"""Networks that are graphs: branches, residual blocks, inputs by name."""

import copy
import pickle
import re
import runpy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import netts
from netts import Network, Trainer, accelerate, layers, parallel
from netts.errors import DataError, ParameterError, ShapeError
from netts.graph import TaskGraph
from netts.layers import (
    Add,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Layer,
    Multiply,
    Parameter,
    ReLU,
    Residual,
)
from netts.layers.base import Branches, RandomCounters
from netts.losses.quantities import copy_values
from netts.network.propagation import Propagation
from netts.optimizers import Adam
from netts.testing import check_layer


@pytest.fixture(name="X")
def samples():
    rng = np.random.default_rng(0)
    return {"numbers": rng.normal(size=(30, 3)), "kinds": rng.integers(0, 4, (30, 2))}


def two_inputs(dtype=np.float64):
    branches = [
        [Input("numbers"), Dense(4, "tanh")],
        [Input("kinds"), Embedding(4, 2), Flatten()],
        [Input("numbers")],
    ]
    return Network([Concatenate(branches), Dense(2)], dtype)


def two_inputs_by_hand(network, X):
    weights = network.weights()
    hidden = np.tanh(X["numbers"] @ weights["0[0].1.weight"] + weights["0[0].1.bias"])
    vectors = weights["0[1].1.weight"][X["kinds"]].reshape(len(hidden), -1)
    both = np.concatenate([hidden, vectors, X["numbers"]], axis=1)
    return both @ weights["1.weight"] + weights["1.bias"]


SHAPES = {"numbers": 3, "kinds": 2}


def names(network):
    return [(node.label, type(node.layer).__name__, node.inputs) for node in network.nodes]


# ------------------------------------------------------------ nodes and edges


def test_a_list_is_a_chain():
    network = Network([Dense(3, "relu"), Dense(2)])
    assert names(network) == [("0", "Dense", (0,)), ("0.1", "ReLU", (1,)), ("1", "Dense", (2,))]
    assert network.input_names == ()


def test_a_residual_block_adds_what_comes_before_it():
    network = Network([Dense(3), Residual([Dense(3, "relu"), Dense(3)], activation="tanh")])
    assert names(network)[1:] == [
        ("1[0].0", "Dense", (1,)),
        ("1[0].0.1", "ReLU", (2,)),
        ("1[0].1", "Dense", (3,)),
        ("1", "Add", (4, 1)),
        ("1.1", "Tanh", (5,)),
    ]


def test_branches_may_hold_branches():
    inner = Concatenate([[], [Dense(2)]])
    network = Network([Concatenate([[inner, Dense(2)], [Residual([inner, Dense(3)])]])]).build(3)
    assert network.shapes[-1] == (5,)
    assert [node.label for node in network.nodes] == [
        "0[0].0[1].0", "0[0].0", "0[0].1", "0[1].0[0].0[1].0", "0[1].0[0].0", "0[1].0[0].1",
        "0[1].0", "0",
    ]  # fmt: skip


def test_prediction_of_a_residual_block_equals_numpy(device):
    network = Network([Residual([Dense(3, "relu"), Dense(2)], [Dense(2)])], np.float64).build(4)
    weights = network.weights()

    def dense(name, x):
        return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = np.random.default_rng(0).normal(size=(9, 4))
    expected = dense("0[0].1", np.maximum(dense("0[0].0", x), 0)) + dense("0[1].0", x)
    np.testing.assert_allclose(network.predict(x, device=device), expected, rtol=1e-12)


def test_prediction_of_two_inputs_equals_numpy(X, device):
    network = two_inputs().build(SHAPES, random_state=0)
    expected = two_inputs_by_hand(network, X)
    np.testing.assert_allclose(network.predict(X, device=device), expected, rtol=1e-12)
    small = network.predict(dict(reversed(X.items())), device=device, batch_size=7)
    np.testing.assert_allclose(small, expected, rtol=1e-12)


def test_inputs_of_every_rank_reach_their_branches():
    network = Network([
        Concatenate([
            [Input("image"), Conv2D(2, 3), Flatten()],
            [Input("row")],
            [Input("image"), Flatten()],
        ])
    ]).build({"image": (1, 4, 5), "row": 2}, random_state=0)  # fmt: skip
    rng = np.random.default_rng(0)
    X = {"image": rng.normal(size=(6, 1, 4, 5)), "row": rng.normal(size=(6, 2))}
    found = network.predict(X)
    assert found.shape == (6, 12 + 2 + 20)
    expected = np.concatenate([X["row"], X["image"].reshape(6, -1)], axis=1)
    np.testing.assert_array_equal(found[:, 12:], expected.astype(np.float32))


# ------------------------------------------------------------ gradients


def test_gradients_add_up_wherever_a_value_is_read():
    everywhere = Concatenate(
        [[], [Dense(2, "tanh")], [], [Multiply([[Dense(3)], [Dense(3, "tanh")]])]]
    )
    check_layer(Residual([everywhere, everywhere, Dense(3)]), 3)
    check_layer(Add([[], [], [Residual([Dense(2, "tanh")])]]), 2)


def test_gradients_pass_through_what_only_reshapes():
    check_layer(Add([[Flatten()], [Flatten(), Dense(4)], [Flatten(), Flatten()]]), (2, 2))


def recorded(network, rows=5):
    """Return the names of the kernels of a training step, and its plan."""
    graph = TaskGraph()
    gradients = network.parameters.like("gradients")
    propagation = Propagation(network, graph, rows, gradients=gradients)
    x = np.zeros((rows, network.n_features), network.dtype)
    gradient = np.zeros((rows, *network.shapes[-1]), network.dtype)
    with graph.recording():
        propagation.backward(propagation.forward(*propagation.split(x)), gradient)
    plan = graph.compile(device="cpu")
    lines = plan.explain().splitlines()
    return [line.strip().split(":")[0] for line in lines if ", about" in line], plan


def test_a_list_of_layers_copies_and_adds_nothing():
    kernels, _ = recorded(Network([Dense(3, "relu"), Flatten(), Dense(2)]).build(4))
    assert not any("copy" in name or "add" in name for name in kernels), kernels


def test_sums_run_with_their_neighbours():
    block = Residual([Dense(4, "relu"), Dense(4)], activation="relu")
    kernels, _ = recorded(Network([Dense(4, "relu"), block, Dense(2)]).build(3))
    assert "dense_forward + add + relu_forward" in kernels
    assert "dense_grad_input + add + relu_backward" in kernels
    # A sum passes its gradient on: nothing runs for it.
    assert sum("add" in name for name in kernels) == 2


def test_what_nobody_trains_has_no_gradient():
    branches = [[Input("a"), ReLU()], [Input("b"), Dense(2)]]
    network = Network([Concatenate(branches), Dense(1)]).build({"a": 2, "b": 2})
    kernels, _ = recorded(network)
    assert not any("relu_backward" in name for name in kernels)
    assert sum("dense_grad_input" in name for name in kernels) == 1


def test_transients_of_a_deep_graph_share_memory():
    block = Residual([Dense(64, "relu"), Dense(64)], activation="relu")
    _, plan = recorded(Network([block] * 8).build(64), rows=64)
    found = re.search(r"in (\d+) bytes \((\d+) side by side\)", plan.explain())
    shared, apart = map(int, found.groups())
    assert shared < 0.7 * apart


# ------------------------------------------------------------ a layer of one's own


@accelerate
def bilinear_forward(left, right, weight, output, seen):
    for i, j in parallel(output.shape[0], output.shape[1]):
        total = 0.0
        for k in range(left.shape[1]):
            total += left[i, k] * right[i, k] * weight[k, j]
        output[i, j] = total
    for i in parallel(seen.shape[0]):
        seen[i] = left[i, 0]


@accelerate
def bilinear_grad_weight(left, right, grad_output, grad_weight):
    for k, j in parallel(grad_weight.shape[0], grad_weight.shape[1]):
        total = 0.0
        for i in range(left.shape[0]):
            total += left[i, k] * right[i, k] * grad_output[i, j]
        grad_weight[k, j] = total


@accelerate
def bilinear_grad_input(other, weight, grad_output, grad_input):
    for i, k in parallel(grad_input.shape[0], grad_input.shape[1]):
        total = 0.0
        for j in range(weight.shape[1]):
            total += grad_output[i, j] * weight[k, j]
        grad_input[i, k] = total * other[i, k]


@dataclass(frozen=True)
class Bilinear(Layer):
    branches: Branches
    units: int

    def output_shape(self, left, right):
        if left != right:
            raise ShapeError(f"expects inputs of one shape, got {left} and {right}")
        return (self.units,)

    def parameters(self, left, right):
        return {"weight": Parameter((*left, self.units), "glorot_uniform")}

    def transients(self, left, right, rows):
        return {"seen": (rows,)}

    def forward(self, at):
        left, right = at.inputs
        bilinear_forward(left, right, at.weight, at.output, at.seen)

    def backward(self, at):
        left, right = at.inputs
        bilinear_grad_weight(left, right, at.grad_output, at.grad_weight)
        for other, grad_input in zip((right, left), at.grad_inputs, strict=True):
            if grad_input is not None:
                bilinear_grad_input(other, at.weight, at.grad_output, grad_input)


def test_a_layer_of_ones_own_may_have_two_inputs(tmp_path, device):
    layer = Bilinear([[Input("a")], [Input("b"), Dense(3)]], 2)
    check_layer(layer, {"a": 3, "b": 2}, devices=[device])
    check_layer(Bilinear([[], [Dense(2, "tanh")]], 2), 2, devices=[device])
    with pytest.raises(ShapeError, match=r"layer 0 \(Bilinear, units=2\) expects inputs of one s"):
        Network([layer]).build({"a": 4, "b": 2})
    network = Network([Bilinear(((), (Dense(3),)), 2)]).build(3, random_state=0)
    network.save(tmp_path / "own")
    loaded = netts.load(tmp_path / "own", custom=[Bilinear])
    assert loaded.layers == network.layers
    assert Network.from_json(network.to_json(), custom=[Bilinear]).layers == network.layers


# ------------------------------------------------------------ training


def test_two_inputs_learn_what_neither_knows_alone():
    rng = np.random.default_rng(0)
    X = {"numbers": rng.normal(size=(300, 3)), "kinds": rng.integers(0, 4, (300, 2))}
    y = ((X["numbers"][:, 0] > 0) ^ (X["kinds"][:, 0] > 1)).astype(int)
    branches = [[Input("numbers")], [Input("kinds"), Embedding(4, 2), Flatten()]]
    network = Network([Concatenate(branches), Dense(32, "relu"), Dense(2)])
    trainer = Trainer(network, optimizer=Adam(0.01), epochs=60, random_state=0)
    trainer.fit(X, y)
    assert (trainer.predict(X).argmax(axis=1) == y).mean() > 0.95


def test_what_fit_takes_besides_holds_for_inputs_by_name(X):
    y = X["kinds"][:, 0] % 2
    trainer = Trainer(two_inputs(), epochs=2, random_state=0)
    history = trainer.fit(X, y, np.ones(30), validation_data=(X, y))
    assert history.epochs[-1].validation_score is not None
    trainer = Trainer(two_inputs(), epochs=2, validation_fraction=0.3, random_state=0)
    trainer.fit({k: v.tolist() for k, v in X.items()}, y)
    assert trainer.history_.epochs[-1].validation_score is not None


def test_floating_inputs_decide_the_dtype(X):
    y = X["kinds"][:, 0] % 2
    for dtype in (np.float32, np.float64):
        network = two_inputs(None)
        Trainer(network, epochs=1).fit(X | {"numbers": X["numbers"].astype(dtype)}, y)
        assert network.dtype == dtype


def test_dropout_differs_between_branches():
    network = Network([Concatenate([[Dropout(0.5)], [Dropout(0.5)]])]).build(30)
    graph, one, key = TaskGraph(), np.zeros(1, np.int64), np.zeros(2, np.int64)
    propagation = Propagation(
        network,
        graph,
        4,
        gradients=network.parameters.like("gradients"),
        random=RandomCounters(np.arange(4), one, one, key, stream=0),
    )
    output = np.empty((4, 60), np.float32)
    with graph.recording():
        copy_values(propagation.forward(np.ones((4, 30), np.float32))[-1], output)
    graph.compile(device="cpu").run()
    left, right = output[:, :30], output[:, 30:]
    assert set(np.unique(output)) == {0, 2}
    assert (left != right).mean() > 0.2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_predict_alike(X, copied):
    network = two_inputs().build(SHAPES, random_state=0)
    other = copied(network)
    assert other.input_shape == {"numbers": (3,), "kinds": (2,)}
    np.testing.assert_array_equal(other.predict(X), network.predict(X))


def test_a_loaded_graph_predicts_the_same_bits_and_trains_on(X, tmp_path):
    network = two_inputs().build(SHAPES, random_state=0)
    network.save(tmp_path / "model")
    loaded = netts.load(tmp_path / "model")
    assert loaded.input_shape == network.input_shape
    np.testing.assert_array_equal(loaded.predict(X), network.predict(X))
    y = X["kinds"][:, 0] % 2
    losses = [Trainer(one, epochs=2, random_state=0).fit(X, y).loss for one in (network, loaded)]
    assert losses[0] == losses[1]


def test_summary_says_what_each_layer_reads():
    lines = two_inputs().summary(SHAPES).splitlines()
    assert [re.split("  +", line.strip()) for line in lines if "---" not in line] == [
        ["layer", "output shape", "reads", "parameters"],
        ["input numbers", "(batch, 3)"],
        ["input kinds", "(batch, 2)"],
        ["0[0].0", "Input, name='numbers'", "(batch, 3)", "input numbers", "0"],
        ["0[0].1", "Dense, units=4", "(batch, 4)", "0[0].0", "16"],
        ["0[0].1.1", "Tanh", "(batch, 4)", "0[0].1", "0"],
        ["0[1].0", "Input, name='kinds'", "(batch, 2)", "input kinds", "0"],
        ["0[1].1", "Embedding, n_embeddings=4, units=2", "(batch, 2, 2)", "0[1].0", "8"],
        ["0[1].2", "Flatten", "(batch, 4)", "0[1].1", "0"],
        ["0[2].0", "Input, name='numbers'", "(batch, 3)", "input numbers", "0"],
        ["0", "Concatenate", "(batch, 11)", "0[0].1.1, 0[1].2, 0[2].0", "0"],
        ["1", "Dense, units=2", "(batch, 2)", "0", "24"],
        ["total", "48"],
    ]


def test_a_network_prints_as_it_is_written():
    network = Network([Residual([ReLU()]), Add([[], [ReLU()]])])
    text = repr(network)
    assert eval(text, {"Network": Network} | vars(layers)).layers == network.layers


def test_a_network_prints_what_was_set_only():
    network = Network([Dense(3, "relu"), Residual([Dense(units=3)]), Dense(2)])
    assert repr(network) == (
        "Network([Dense(units=3, activation='relu'), Residual(layers=(Dense(units=3),)), "
        "Dense(units=2)])"
    )


def test_the_page_on_graphs_runs(capsys, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "graph-networks.md"
    text = page.read_text(encoding="utf-8")
    parts = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    # A file of its own: a kernel's source is read from where it stands.
    path = tmp_path / "example.py"
    path.write_text("\n".join(parts), encoding="utf-8")
    found = runpy.run_path(str(path))
    assert found["again"].layers == found["network"].layers
    assert found["probabilities"].shape == (300, 2)
    assert "GlobalAveragePool2D" in capsys.readouterr().out


# ------------------------------------------------------------ what is refused


class Nested(Layer):
    """Holds itself."""

    @property
    def branches(self):
        return ([Nested()], [])

    def output_shape(self, left, right):
        return left


class Endless(Layer):
    def expand(self):
        return (Endless(), ReLU())


REFUSED_LAYERS = [
    (
        [Concatenate([[Input("a")], [Dense(2)]])],
        r"layer 0\[1\]\.0 \(Dense, units=2\) reads the sam",
    ),
    ([Residual([Input("a")])], r"layer 0 \(Add\) reads the samples as one array, .*Input\('a'\)"),
    (
        [Input("b"), Dense(2), Input("a"), ReLU()],
        r"nobody reads what layer 1 \(Dense, units=2\) gives, as lay",
    ),
    (
        [Concatenate([[Input("b"), Dense(2), Input("a")], [Input("b")]])],
        r"nobody reads what layer 0\[0\]\.1 .* begins anew: put both into branches",
    ),
    ([Nested()], "lies more than 24 branches deep, or holds itself"),
    ([Endless()], "stands for itself and more"),
    ([Bilinear([[], [], []], 2)], r"has 3 inputs, but its output_shape takes \(left, right\)"),
    (
        [Bilinear((), 2)],
        r"has 1 inputs, but its output_shape takes \(left, right\): give it as many",
    ),
    ([Bilinear([3], 2)], r"layer 0 has branches \[3\]: they are a list of lists of layers"),
    ([Concatenate([[Dense(2)], ["relu"]])], r"got 'relu' at position 0\[1\]\.0"),
    ([Residual([Dense])], r"got <class .*Dense'> at position 0\[0\]\.0"),
    (
        [Concatenate([[Dense(2), Embedding(3, 2)], []])],
        r"takes the samples themselves, but layer 0",
    ),
]


@pytest.mark.parametrize(("parts", "message"), REFUSED_LAYERS)
def test_a_graph_that_makes_no_sense_is_refused(parts, message):
    with pytest.raises(ParameterError, match=message):
        Network(parts)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Input("two words"), "the name of an input is an identifier, .* 'two words'"),
        (lambda: Input("class"), "the name of an input is an identifier, .* got 'class'"),
        (lambda: Input(3), "the name of an input is an identifier, .* got 3"),
        (lambda: Concatenate([[Dense(2)]]), "Concatenate takes at least two branches"),
        (lambda: Add(Dense(2)), "Add takes at least two branches, got Dense"),
        (lambda: Add([Dense(2), []]), r"branch 0 of Add is a list of layers, .* write \[Dense"),
        (lambda: Multiply("ab"), "Multiply takes at least two branches, got 'ab'"),
        (lambda: Concatenate([[], []], axis=0), "axis is a whole number of at least 1, got 0"),
        (lambda: Concatenate([[], []], axis=1.5), "axis is a whole number of at least 1, got 1.5"),
        (lambda: Residual([]), r"a residual block has at least one layer, got \[\]"),
        (lambda: Residual(Dense(2)), "a residual block is a list of layers, got Dense"),
        (lambda: Residual([Dense(2)], Dense(2)), "a shortcut is a list of layers, got Dense"),
        (lambda: Residual([Dense(2)], activation="rleu"), "did you mean 'relu'"),
    ],
)
def test_layers_of_branches_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("parts", "shape", "message"),
    [
        (
            [Residual([Conv2D(4, 3, stride=2)])],
            (2, 9, 9),
            r"0 \(Add\) takes branches of one shape, got \(batch, 4, .* \(batch, 2, .* shortcut=\[",
        ),
        (
            [Concatenate([[Conv2D(4, 3)], []])],
            (2, 9, 9),
            r"0 \(Concatenate\) takes branches of shapes that differ along axis 1 only, got",
        ),
        ([Concatenate([[Flatten()], []])], (2, 9), r"takes branches of as many axes, got"),
        ([Concatenate([[], []], axis=2)], 4, r"has no axis 2 in values of shape \(batch, 4\)"),
        ([Concatenate([[], []], axis=-3)], (4, 4), r"has no axis -3 in values of shape"),
        (
            [Dense(3), Multiply([[Dense(2)], []])],
            4,
            r"layer 1 \(Multiply\) takes branches of one sh",
        ),
    ],
)
def test_branches_that_do_not_fit_are_refused(parts, shape, message):
    with pytest.raises(ShapeError, match=message):
        Network(parts).build(shape)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X["numbers"], DataError, r"pass X as a dictionary, \{'numbers': ..., 'kinds'"),
        (lambda X: {"numbers": X["numbers"]}, DataError, "X lacks the input 'kinds': it has 'numb"),
        (lambda X: {}, DataError, "X lacks the input 'numbers': it has none"),
        (
            lambda X: X | {"kind": 3},
            DataError,
            r"X has 'kind', which no layer reads \(did you mean",
        ),
        (lambda X: X | {3: 3}, DataError, "X has 3, which no layer reads"),
        (
            lambda X: X | {"kinds": X["kinds"] + 1},
            DataError,
            r"from 0 to 3, but X\['kinds'\] has 4",
        ),
        (lambda X: X | {"kinds": X["kinds"] + 0.5}, DataError, "takes whole numbers from 0 to 3"),
        (lambda X: X | {"kinds": [["a", "b"]] * 30}, DataError, r"X\['kinds'\] holds numbers, got"),
        (lambda X: X | {"numbers": X["numbers"][:9]}, ShapeError, r"X\['numbers'\] has 9, X\['kin"),
        (
            lambda X: X | {"numbers": X["numbers"][:, :2]},
            ShapeError,
            r"takes X\['numbers'\] of sha",
        ),
        (lambda X: X | {"numbers": X["numbers"][:, 0]}, ShapeError, r"X\['numbers'\]"),
        (
            lambda X: X | {"numbers": X["numbers"] / 0},
            DataError,
            r"X\['numbers'\] has .* not finite",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_data_that_do_not_fit_are_refused_by_name(X, change, error, message):
    network = two_inputs().build(SHAPES, random_state=0)
    changed = change(X)
    with pytest.raises(error, match=message):
        network.predict(changed)
    with pytest.raises(error, match=message):
        Trainer(network, epochs=1).fit(changed, np.zeros(30, int))


def test_shapes_are_given_as_the_network_takes_them(X):
    with pytest.raises(ParameterError, match=r"pass input_shape as a dictionary, \{'numbers': ..."):
        two_inputs().build(5)
    with pytest.raises(ParameterError, match="input_shape lacks the input 'kinds'"):
        two_inputs().summary({"numbers": 3})
    with pytest.raises(ParameterError, match="input_shape has 'x', which no layer reads"):
        two_inputs().build(SHAPES | {"x": 3})
    with pytest.raises(
        ParameterError, match="input_shape is a dictionary, but the samples of this"
    ):
        Network([Dense(2)]).build({"numbers": 3})
    with pytest.raises(
        DataError, match="X is a dictionary, but the samples of this network are one"
    ):
        Network([Dense(2)]).build(3).predict(X)
