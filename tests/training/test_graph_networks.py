"""Networks that are graphs train as PyTorch trains them, and alike on every device.

The same at full size, in accuracy: bench/graph_networks.py.
"""

import numpy as np
import pytest
import trainings

from bench import graph_networks as bench
from netts import Trainer
from netts.optimizers import SGD

RNG = np.random.default_rng(0)
TABLE = {"numbers": RNG.normal(size=(50, len(bench.NUMBERS)))} | {
    name: RNG.integers(0, len(grades), (50, 1)) for name, grades in bench.GRADES.items()
}
IMAGES = RNG.normal(size=(50, 1, 12, 12))


@pytest.mark.parametrize(
    ("network", "model", "X", "n_classes"),
    [
        (bench.residual_network, bench.torch_residual, IMAGES, 10),
        (bench.two_input_network, bench.torch_two_inputs, TABLE, 5),
    ],
    ids=["residual", "two inputs"],
)
def test_graphs_learn_what_they_learn_in_pytorch(network, model, X, n_classes):
    torch = pytest.importorskip("torch")
    network, model = network(), model().double()
    is_table = isinstance(X, dict)
    shapes = {k: v.shape[1:] for k, v in X.items()} if is_table else X.shape[1:]
    network.build(shapes, dtype=np.float64, random_state=0)
    bench.copy_weights(network, model)
    y = np.random.default_rng(1).integers(0, n_classes, 50)
    order = np.random.default_rng(2).permutation(50)
    Trainer(
        network, optimizer=SGD(0.1, momentum=0.0), epochs=2, batch_size=16, shuffle=lambda n: order
    ).fit(X, y)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for start in [*range(0, 50, 16)] * 2:
        rows = order[start : start + 16]
        given = {k: torch.tensor(v[rows]) for k, v in X.items()} if is_table else X[rows]
        optimizer.zero_grad()
        output = model(given if is_table else torch.tensor(given))
        torch.nn.functional.cross_entropy(output, torch.tensor(y[rows])).backward()
        optimizer.step()
    for ours, theirs in zip(bench.weights_of(network), model.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-8, atol=1e-10)


def test_the_reference_learns_what_the_cpu_learns():
    expected, found = (trainings.two_inputs(one, np.float64) for one in ("cpu", "reference"))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-9, err_msg=name)
