"""Clones, copies and pickles: parameters, arrays and plain values, nothing compiled."""

import copy
import io
import pickle
import pickletools

import joblib
import numpy as np
import pytest
from estimator_cases import TASKS, data, estimator, fit
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from netts.training import ProgressBar

WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "joblib": lambda model: joblib.load(_dumped(model)),
}


def _dumped(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("task", TASKS)
def test_a_copy_predicts_and_trains_on_alike(task, way):
    X, y = data(task)
    model = fit(estimator(task, batch_size=5, dropout=0.2), X, y)
    other = WAYS[way](model)
    assert_array_equal(other.predict(X), model.predict(X))
    for one in model, other:
        one.partial_fit(X, y)
    assert other.loss_curve_ == model.loss_curve_
    assert_array_equal(other.predict(X), model.predict(X))


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_shares_no_memory(way):
    X, y = data("regression")
    model = fit(estimator("regression"), X, y)
    other = WAYS[way](model)
    other.coefs_[0][...] = 0
    other.partial_fit(X, y)
    assert_array_equal(model.predict(X), fit(estimator("regression"), X, y).predict(X))


def test_a_pickle_names_no_network_plan_or_compiled_code():
    X, y = data("multiclass")
    model = fit(estimator("multiclass", dropout=0.2), X, y)
    model.predict(X)
    texts = [value for _, value, _ in pickletools.genops(pickle.dumps(model))]
    modules = {text for text in texts if isinstance(text, str) and text.startswith("netts")}
    assert modules == {
        "netts.estimators.classifier",
        "netts.training.fitting",
        "netts.training.history",
    }
    assert not any(isinstance(text, str) and "numba" in text for text in texts)


def test_a_copy_before_the_fit_can_be_fitted():
    X, y = data("regression")
    model = fit(pickle.loads(pickle.dumps(estimator("regression"))), X, y)
    assert_array_equal(model.predict(X), fit(estimator("regression"), X, y).predict(X))


def test_a_clone_has_the_parameters_and_has_learned_nothing():
    model = estimator("multiclass", dropout=0.3, callbacks=(ProgressBar(),), dtype="float32")
    other = clone(fit(model, *data("multiclass")))
    parameters = model.get_params()
    assert {name for name, value in other.get_params().items() if value != parameters[name]} == {
        "callbacks"  # copied, one by one
    }
    with pytest.raises(NotFittedError):
        other.predict(np.zeros((1, 3)))
