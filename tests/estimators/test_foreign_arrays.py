"""Estimators on arrays of other libraries: on a GPU (a fake one), and on the host."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from fake_foreign import DlpackArray, InterfaceArray, Library
from fake_gpu import FakeGpu
from host_arrays import SETTINGS, check_answers

from netts import MLPClassifier, MLPRegressor, Network, NetworkClassifier, Trainer
from netts.errors import DataError, DeviceError
from netts.estimators import MLPTransformer
from netts.layers import Dense

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)).astype(np.float32)
LABELS = {
    "two": (X[:, 0] > 0).astype(np.int64),
    "three": np.digitize(X[:, 0], [-0.5, 0.5]),
    "text": np.where(X[:, 0] > 0, "yes", "no"),
    "several": (X[:, :3] > 0).astype(np.int64),
}


@pytest.fixture
def library(fake_gpu: FakeGpu) -> Library:
    return Library(fake_gpu)


def fitted(estimator, *data, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(*data, **how)


FOLDER = str(Path(__file__).parent)
MOVES = ("upload", "download", "aside")


def network_classifier(**how):
    hidden = [Dense(6, "relu")]
    return NetworkClassifier(hidden, epochs=3, random_state=0, validation_fraction=0.2, **how)


def mlp(kind, **settings):
    return lambda **how: kind(**SETTINGS | settings | how)


def moved(fake_gpu):
    """Return the sizes of all that went up and down since this was asked last."""
    return [nbytes for _, nbytes in fake_gpu.taken(*MOVES)]


# ------------------------------------------------------------ on a GPU


@pytest.mark.parametrize("labels", LABELS)
def test_a_classifier_learns_and_predicts_as_on_the_host(labels, library, fake_gpu):
    y, array = LABELS[labels], library.asarray(X)
    expected = fitted(MLPClassifier(**SETTINGS, device="cpu"), X, y)
    found = fitted(MLPClassifier(**SETTINGS), array, y)
    assert X.nbytes not in moved(fake_gpu)
    assert found.device_choice_.reason == "X lies there"
    assert "trained on cuda (X lies there)" in found.explain()
    for one, other in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("predict_proba", "predict_log_proba", "predict"):
        answer, wanted = getattr(found, name)(array), getattr(expected, name)(X)
        assert X.nbytes not in moved(fake_gpu)
        if name == "predict" and labels == "text":
            np.testing.assert_array_equal(answer, wanted)
            continue
        assert type(answer) is DlpackArray
        assert answer.dtype == wanted.dtype
        np.testing.assert_allclose(library.values(answer), wanted, rtol=1e-6)
    assert found.score(array, y) == expected.score(X, y)


@pytest.mark.parametrize(
    "make",
    [
        mlp(MLPClassifier, early_stopping=True),
        mlp(MLPClassifier, solver="lbfgs"),
        mlp(MLPRegressor, early_stopping=True),
        mlp(MLPRegressor, dropout=0.3),
        network_classifier,
    ],
    ids=["early stopping", "lbfgs", "regressor", "dropout", "network"],
)
def test_every_fit_takes_samples_where_they_lie(make, library, fake_gpu):
    y = LABELS["three"] if "Classifier" in type(make()).__name__ else 2 * X[:, 0] - X[:, 1]
    expected, found = fitted(make(device="cpu"), X, y), fitted(make(), library.asarray(X), y)
    assert max(moved(fake_gpu)) < X.nbytes
    assert found.loss_curve_ == expected.loss_curve_
    answer = found.predict(library.asarray(X))
    np.testing.assert_array_equal(library.values(answer), expected.predict(X))
    assert found.score(library.asarray(X), y) == expected.score(X, y)


def test_going_on_and_validating_there(library, fake_gpu):
    array, y = library.asarray(X), LABELS["three"]
    expected, found = MLPClassifier(**SETTINGS, device="cpu"), MLPClassifier(**SETTINGS)
    for _ in range(2):
        expected.partial_fit(X, y, classes=[0, 1, 2])
        found.partial_fit(array, library.asarray(y), classes=library.asarray(np.arange(3)))
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])
    fitted(expected, X, y, X_val=X[:20], y_val=y[:20])
    fitted(found, array, y, X_val=library.asarray(X[:20]), y_val=library.asarray(y[:20]))
    assert found.history_.validation_loss == expected.history_.validation_loss
    assert X.nbytes not in moved(fake_gpu)


@pytest.mark.parametrize("make", [mlp(MLPClassifier), network_classifier])
def test_fits_may_go_on_between_the_host_and_a_gpu(make, library):
    y = LABELS["three"]
    expected = make(device="cpu", warm_start=True)
    found = make(warm_start=True)
    for data in (X, library.asarray(X), X, library.asarray(X)):
        fitted(expected, X, y)
        fitted(found, data, y)
    assert found.loss_curve_ == expected.loss_curve_


def test_targets_and_weights_may_lie_there_too(library):
    weights = rng.uniform(1, 2, len(X))
    for kind, y in ((MLPClassifier, LABELS["two"]), (MLPRegressor, X[:, 1])):
        expected = fitted(kind(**SETTINGS, device="cpu"), X, y, weights)
        data = (library.asarray(one) for one in (X, y, weights))
        found = fitted(kind(**SETTINGS), *data)
        np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])


def test_float64_is_kept_and_dtype_converts_on_the_device(library, fake_gpu):
    wide = library.asarray(X.astype(np.float64))
    y = LABELS["two"]
    assert fitted(MLPClassifier(**SETTINGS), wide, y).coefs_[0].dtype == np.float64
    found = fitted(MLPClassifier(**SETTINGS, dtype="float32"), wide, y)
    expected = fitted(MLPClassifier(**SETTINGS, device="cpu"), X, y)
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])
    assert not {X.nbytes, 2 * X.nbytes} & set(moved(fake_gpu))


def test_hidden_activations_are_answered_in_kind(library, fake_gpu):
    y, array = LABELS["two"], library.asarray(X)
    expected = fitted(MLPTransformer(MLPClassifier(**SETTINGS, device="cpu")), X, y)
    found = fitted(MLPTransformer(MLPClassifier(**SETTINGS)), array, y)
    answer = found.transform(array)
    assert X.nbytes not in moved(fake_gpu)
    np.testing.assert_array_equal(library.values(answer), expected.transform(X))


def test_a_model_of_the_host_predicts_there_and_a_model_of_the_gpu_here(library):
    y = LABELS["three"]
    here = fitted(MLPClassifier(**SETTINGS, device="cpu"), X, y).set_params(device="auto")
    there = fitted(MLPClassifier(**SETTINGS), library.asarray(X), y)
    expected = here.set_params(device="cpu").predict_proba(X)
    answer = here.set_params(device="auto").predict_proba(library.asarray(X))
    np.testing.assert_array_equal(library.values(answer), expected)
    np.testing.assert_array_equal(there.set_params(device="cpu").predict_proba(X), expected)


def test_probabilities_of_nothing_have_finite_logarithms(library):
    steep = fitted(MLPClassifier(**SETTINGS), library.asarray(X), LABELS["three"])
    steep.coefs_ = [1e3 * one for one in steep.coefs_]
    answer = library.values(steep.predict_log_proba(library.asarray(X)))
    assert np.isfinite(answer).all()
    assert answer.min() < -1000
    wanted = steep.set_params(device="cpu").predict_log_proba(X)
    np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-30)


# ------------------------------------------------------------ what is refused


class Bare(InterfaceArray):
    """An array of a library without functions, such as numba's."""

    def __getattribute__(self, name):
        if name == "__array_namespace__":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_a_library_without_functions_gives_samples_but_no_answers(fake_gpu):
    array = Library(fake_gpu, kind=Bare).asarray(X)
    found = fitted(MLPClassifier(**SETTINGS), array, LABELS["two"])
    with pytest.raises(DataError, match=r"X is a Bare on a GPU, .*pass cupy.asarray"):
        found.predict(array)


@pytest.mark.parametrize("ask", ["fit", "predict"])
def test_another_device_is_refused(ask, library):
    model = fitted(MLPClassifier(**SETTINGS, device="cpu"), X, LABELS["two"])
    data = [library.asarray(X), LABELS["two"]][: 2 if ask == "fit" else 1]
    with pytest.raises(DeviceError, match=r"X lies on the GPU 'cuda', but .*'cpu', asked for"):
        getattr(model, ask)(*data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (X[:, :3], "X has 3 features, but MLPClassifier is expecting 4 features as input"),
        (X[:, 0], "Expected 2D array, got 1D array instead: X on the GPU 'cuda' has shape"),
        (X[:0], r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\)"),
        (np.where(X[1, 1] == X, np.nan, X), "X has 1 values that are not finite"),
        (X.astype(complex), "Complex data not supported"),
    ],
)
def test_samples_are_checked_as_scikit_learn_does(values, message, library):
    model = fitted(MLPClassifier(**SETTINGS), library.asarray(X), LABELS["two"])
    with pytest.raises(ValueError, match=message):
        model.predict(library.asarray(values))


def test_names_of_features_are_missed(library):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = fitted(MLPClassifier(**SETTINGS, device="cpu"), frame, LABELS["two"])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.set_params(device="auto").predict(library.asarray(X))


def test_targets_of_another_length_are_refused(library):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLPClassifier(**SETTINGS).fit(library.asarray(X), LABELS["two"][:9])


# ------------------------------------------------------------ on the host


def torch_of(values):
    return pytest.importorskip("torch").asarray(values)


@pytest.mark.parametrize("is_dispatched", [False, True])
def test_tensors_of_the_host_are_answered_as_scikit_learn_does(is_dispatched, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # scikit-learn insists on it
    check_answers(torch_of, is_dispatched=is_dispatched)


def test_jaxs_arrays_of_the_host_are_answered_as_scikit_learn_does():
    pytest.importorskip("jaxlib")  # does not start it
    # Every fork warns where JAX has started, so it is given a process of its own.
    code = f"import sys; sys.path.append({FOLDER!r}); import host_arrays; host_arrays.check_jax()"
    command = [sys.executable, "-W", "error", "-c", code]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_a_tensor_that_requires_a_gradient_is_refused_in_pytorchs_words():
    data = torch_of(X.copy()).requires_grad_()
    for refuse in (
        lambda: MLPClassifier(**SETTINGS).fit(data, LABELS["two"]),
        lambda: Trainer(Network([Dense(2)]), "cross_entropy").fit(data, LABELS["two"]),
    ):
        with pytest.raises(DataError, match=r"X .*: .*detach\(\)"):
            refuse()
