"""Where scikit-learn's checks would change nothing, what they would find is what is kept."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_X_y

from netts import MLPClassifier, MLPRegressor
from netts.estimators import base, classification

X = np.random.default_rng(0).normal(size=(12, 3))


@st.composite
def labels(draw):
    """Return labels of one dtype or another, as a vector."""
    kinds = ["i1", "i8", ">i4", "u2", "?", "U1", "U9", "f8", "O"]
    dtype = draw(st.sampled_from(kinds))
    values = draw(st.lists(st.integers(0, 3), min_size=1, max_size=20))
    words = [f"{value:03d}" if dtype in ("U9", "O") else value for value in values]
    return np.array(words).astype(dtype)


@given(labels())
def test_labels_are_those_of_scikit_learns_binarizer(y):
    expected = LabelBinarizer().fit(y)
    model = MLPClassifier()
    model._learn_labels(y)
    assert model.classes_.dtype == expected.classes_.dtype
    assert model.classes_.tolist() == expected.classes_.tolist()
    assert model._target_type == expected.y_type_
    assert model._has_sparse_targets == expected.sparse_input_


@pytest.mark.parametrize("y", [np.arange(12), np.array([0.5, 1.5] * 6), np.zeros((12, 2, 2))])
def test_labels_that_scikit_learn_is_to_judge_are_left_to_it(y):
    assert classification._plain_labels(y) is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("y", [np.arange(12) % 3, X[:, 0], X[:, 0].astype(np.float32)])
def test_plain_data_are_taken_as_they_are(dtype, y, monkeypatch):
    data = X.astype(dtype)
    checked, targets = check_X_y(data, y, multi_output=True, dtype=[np.float64, np.float32])
    assert checked is data
    assert targets is y
    monkeypatch.setattr(base, "validate_data", None)
    model = MLPRegressor(max_iter=2, random_state=0, n_iter_no_change=3, solver="sgd")
    with pytest.warns(match="Maximum iterations"):
        model.fit(data, y)
    assert model.n_features_in_ == 3
    assert model.coefs_[0].dtype == dtype


@pytest.mark.parametrize(
    ("data", "y", "message"),
    [
        (np.where(X > 1, np.nan, X), np.zeros(12), "Input X contains NaN"),
        (X, np.full(12, np.inf), "Input y contains infinity"),
        (X, np.zeros(11), "inconsistent numbers of samples"),
        (X[:0], np.zeros(0), "0 sample"),
        (X[:, :0], np.zeros(12), "0 feature"),
        (X[0], np.zeros(3), "Expected 2D array"),
    ],
)
def test_other_data_are_refused_in_scikit_learns_words(data, y, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor().fit(data, y)


def test_fewer_features_than_before_are_refused_where_training_goes_on():
    model = MLPRegressor().partial_fit(X, X[:, 0])
    with pytest.raises(ValueError, match="X has 2 features, but MLPRegressor is expecting 3"):
        model.partial_fit(X[:, :2], X[:, 0])


def test_names_of_features_are_forgotten_where_the_next_data_have_none():
    pandas = pytest.importorskip("pandas")
    model = MLPRegressor(max_iter=1, solver="lbfgs")
    with pytest.warns(match="converge"):
        model.fit(pandas.DataFrame(X, columns=["a", "b", "c"]), X[:, 0])
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.warns(match="converge"):
        model.fit(X, X[:, 0])
    assert not hasattr(model, "feature_names_in_")


def test_parameters_are_refused_each_time_and_by_their_type():
    for _ in range(2):
        MLPRegressor(early_stopping=True)._validate_params()
        with pytest.raises(ValueError, match="The 'early_stopping' parameter of MLPRegressor"):
            MLPRegressor(early_stopping=1)._validate_params()
        with pytest.raises(ValueError, match="The 'max_iter' parameter of MLPClassifier"):
            MLPClassifier(max_iter=200.0)._validate_params()
        MLPClassifier(max_iter=200)._validate_params()


class Watch:
    """A callback that can be watched."""

    def on_epoch_end(self, trainer, epoch):
        """Do nothing."""


def test_parameters_that_are_objects_are_not_kept_alive():
    watch = Watch()
    watched = weakref.ref(watch)
    MLPRegressor(callbacks=(watch,))._validate_params()
    MLPRegressor(random_state=np.random.RandomState(0))._validate_params()
    del watch
    gc.collect()
    assert watched() is None


def test_parameter_names_are_a_list_of_ones_own():
    MLPRegressor._get_param_names().clear()
    assert "alpha" in MLPRegressor._get_param_names()
    assert "class_weight" not in MLPRegressor._get_param_names()
    assert "class_weight" in MLPClassifier._get_param_names()
