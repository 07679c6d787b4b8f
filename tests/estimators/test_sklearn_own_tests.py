"""scikit-learn's tests of its MLPs, as its wheel has them, run with netts's classes instead."""

import importlib.util

import pytest
import sklearn.neural_network

import netts

# Some of their targets are random, and seldom of one class only.
pytestmark = pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")

PRIVATE = {
    "test_fit": {"_coef_grads", "_intercept_grads", "_coef_velocity", "_intercept_velocity"},
    "test_gradient": {"_loss_grad_lbfgs"},
    "test_learning_rate_warmstart": {"_optimizer"},
    "test_adaptive_learning_rate": {"_optimizer"},
}
"""Tests that read or write private attributes of scikit-learn's MLP, and which."""


def _their_tests():
    """The functions of their module, made while its names mean netts's classes."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLPClassifier", "MLPRegressor"):
            patch.setattr(sklearn.neural_network, name, getattr(netts, name))
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if name.startswith("test_")}


THEIRS = _their_tests()
globals().update({name: test for name, test in THEIRS.items() if name not in PRIVATE})


@pytest.fixture
def global_random_seed():
    """The seed that scikit-learn's own fixture of this name has by default."""
    return 42


def test_their_module_is_run_with_our_classes():
    names = THEIRS["test_alpha"].__globals__
    assert names["MLPClassifier"] is netts.MLPClassifier
    assert names["MLPRegressor"] is netts.MLPRegressor


def _names(code):
    """The attributes and globals that code names, functions inside of it included."""
    inner = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    return {*code.co_names}.union(*map(_names, inner))


@pytest.mark.parametrize("name", PRIVATE)
def test_what_is_left_out_names_private_attributes(name):
    assert PRIVATE[name] <= _names(THEIRS[name].__code__)
    assert not any(hasattr(netts.MLPClassifier(), one) for one in PRIVATE[name] - {"_optimizer"})


def test_all_others_run():
    assert len(THEIRS) - len(PRIVATE) > 35
    assert all(name in globals() for name in THEIRS if name not in PRIVATE)
