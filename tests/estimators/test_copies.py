"""Clones, copies and pickles: parameters, arrays and plain values, nothing compiled."""

import copy
import io
import pickle

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


class Recording(pickle.Unpickler):
    """Notes the class or function of each name in a pickle."""

    def find_class(self, module, name):
        self.found = [*getattr(self, "found", []), f"{module}.{name}"]
        return super().find_class(module, name)


@pytest.mark.parametrize("task", TASKS)
def test_a_pickle_names_numpy_and_plain_classes_of_netts_only(task):
    X, y = data(task)
    model = fit(estimator(task, dropout=0.2, random_state=np.random.RandomState(0)), X, y)
    model.predict(X)
    unpickler = Recording(io.BytesIO(pickle.dumps(model)))
    unpickler.load()
    others = {name for name in unpickler.found if not name.startswith("numpy.")}
    assert others == {
        f"{type(model).__module__}.{type(model).__name__}",
        "netts.estimators.choice.DeviceChoice",
        "netts.training.history.Epoch",
        "netts.training.history.History",
        "netts.training.resumable.Resumable",
    }


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
