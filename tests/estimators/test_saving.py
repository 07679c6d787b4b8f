"""Estimators in files: what is loaded predicts and trains on as if nothing had happened."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from estimator_cases import CLASSIFICATIONS, TASKS, data, estimator, fit
from model_bytes import assemble, take_apart
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, issparse
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

import netts
from netts import MLPClassifier
from netts.compiler import calibration
from netts.compiler.cost_constants import DEFAULTS
from netts.errors import BrokenModelError, UnsavableError
from netts.estimators.saved import Learned, attribute_of, describe_estimator
from netts.estimators.saving import estimator_from
from netts.training import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.netts"


def through_a_file(model, path):
    model.save(path)
    return netts.load(path)


def same(one, other):
    if isinstance(one, np.ndarray):
        assert_array_equal(one, other, strict=True)
    elif dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        same(vars(one), vars(other))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        same(list(one.values()), list(other.values()))
    elif isinstance(one, list | tuple):
        assert (type(one), len(one)) == (type(other), len(other))
        for pair in zip(one, other, strict=True):
            same(*pair)
    elif isinstance(one, np.random.RandomState):
        same(one.get_state(legacy=False), other.get_state(legacy=False))
    else:
        assert one == other


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_a_loaded_model_predicts_the_same_bits_and_holds_the_same(task, early_stopping, path):
    X, y = data(task, 60)
    model = fit(estimator(task, early_stopping=early_stopping), X, y)
    other = through_a_file(model, path)
    assert_array_equal(other.predict(X), model.predict(X), strict=True)
    if task in CLASSIFICATIONS:
        assert_array_equal(other.predict_proba(X), model.predict_proba(X), strict=True)
    same(describe_estimator(model), describe_estimator(other))
    assert str(other) == str(model)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("task", TASKS)
def test_training_goes_on_as_without_the_file(task, solver, path):
    X, y = data(task)
    settings = {"batch_size": 5, "dropout": 0.2, "random_state": np.random.RandomState(0)}
    model = fit(estimator(task, solver=solver, learning_rate="invscaling", **settings), X, y)
    model.partial_fit(X, y)
    other, expected = through_a_file(model, path), copy.deepcopy(model)
    for one in (other, expected):
        one.partial_fit(X, y).partial_fit(X[::2], y[::2])
        one.set_params(warm_start=True)
        fit(one, X, y)
    for one in (other, expected):
        one.history_ = None  # it has the seconds of each epoch
    same(describe_estimator(expected), describe_estimator(other))
    assert_array_equal(other.predict(X), expected.predict(X), strict=True)


def test_parameters_come_back_but_for_callbacks(path):
    X, y = data("regression")
    settings = {
        "hidden_layer_sizes": np.array([3, 2]),
        "alpha": np.float32(0.5),
        "n_iter_no_change": np.inf,
        "callbacks": [Callback()],
        "dtype": np.float32,
    }
    other = through_a_file(fit(estimator("regression", **settings), X, y), path)
    assert_array_equal(other.hidden_layer_sizes, [3, 2])
    assert (other.alpha, other.n_iter_no_change, other.dtype) == (0.5, np.inf, np.float32)
    assert other.callbacks == ()
    assert other.coefs_[0].dtype == np.float32


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["a", "b", "ccc"]),
        np.array(["a", "b"], object),
        np.array([2, 5, 7], np.int8),
        np.array([0.5, 1.5]) * 2,
        np.array([False, True]),
    ],
)
def test_classes_keep_their_dtype(classes, path):
    X = np.random.default_rng(0).normal(size=(12, 2))
    y = classes[np.arange(12) % len(classes)]
    model = fit(MLPClassifier((3,), max_iter=3, random_state=0), X, y)
    other = through_a_file(model, path)
    assert_array_equal(other.classes_, model.classes_, strict=True)
    assert_array_equal(other.predict(X), model.predict(X), strict=True)


@pytest.mark.filterwarnings("ignore::netts.errors.OneClassWarning")
def test_one_class_and_sparse_labels_come_back_too(path):
    X, y = data("multilabel")
    one_class = fit(estimator("binary"), X, np.full(len(X), "a"))
    assert_array_equal(through_a_file(one_class, path).predict(X), ["a"] * len(X))
    model = fit(estimator("multilabel"), X, csr_array(y))
    found = through_a_file(model, path).predict(X)
    assert issparse(found)
    assert_array_equal(found.toarray(), model.predict(X).toarray())


def test_column_names_come_back(path):
    pandas = pytest.importorskip("pandas")
    X, y = data("regression")
    frame = pandas.DataFrame(X, columns=["a", "b", "é"])
    other = through_a_file(fit(estimator("regression"), frame, y), path)
    assert_array_equal(other.feature_names_in_, np.array(["a", "b", "é"], object), strict=True)
    other.predict(frame)


def test_the_choice_of_a_device_is_recorded(path):
    X, y = data("regression")
    with netts.device("reference"):
        model = fit(estimator("regression", max_iter=1), X, y)
    choice = through_a_file(model, path).device_choice_
    assert choice.device == model.device_ == "reference"
    assert choice.reason == "chosen by `with netts.device(...)`"
    assert choice.n_threads == 1
    assert choice.costs is None
    assert fit(model, X, y).device_choice_.n_threads >= 1


def test_the_costs_that_a_fit_was_compiled_by_are_recorded(path):
    X, y = data("regression")
    with calibration.using(dataclasses.replace(DEFAULTS, call=100.0)) as costs:
        model = fit(estimator("regression", max_iter=1, device="cpu"), X, y)
    choice = through_a_file(model, path).device_choice_
    assert choice.costs == costs.digest != DEFAULTS.digest
    assert fit(model, X, y).device_choice_.costs == DEFAULTS.digest


def test_a_file_holds_every_attribute_that_a_pickle_holds():
    X, y = data("multiclass")
    model = fit(estimator("multiclass"), X, y)
    known = {attribute_of(field) for field in dataclasses.fields(Learned)}
    assert set(model.__getstate__()) - set(model.get_params()) <= known
    assert known - set(model.__getstate__()) == {"feature_names_in_"}


def test_equal_models_are_equal_files_but_for_the_seconds(tmp_path):
    X, y = data("regression")
    contents = []
    for name in "ab":
        model = fit(estimator("regression"), X, y)
        model.history_ = None
        model.save(tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_before_the_fit_there_is_nothing_to_save(path):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        estimator("regression").save(path)
    assert not path.exists()


def test_a_model_whose_fit_failed_is_saved_as_it_is(path):
    X, y = data("regression")
    model = estimator("regression", callbacks=[3])
    with pytest.raises(netts.errors.ParameterError):
        fit(model, X, y)
    assert_array_equal(through_a_file(model, path).predict(X), model.predict(X))


class Mine(MLPClassifier):
    pass


def test_what_could_not_be_loaded_is_not_saved(path):
    X, y = data("binary")
    with pytest.raises(UnsavableError, match="Mine is a class of your own"):
        fit(Mine((3,), max_iter=2), X, y).save(path)
    model = fit(estimator("binary"), X, y)
    model.coefs_ = model.coefs_[:1]
    with pytest.raises(UnsavableError, match="MLPClassifier cannot be saved: n_layers_ and other"):
        model.save(path)
    with pytest.raises(InvalidParameterError, match="'alpha' parameter"):
        fit(estimator("binary"), X, y).set_params(alpha=-1).save(path)
    with pytest.raises(UnsavableError, match="one for each of the 2 hidden layers, got 1"):
        fit(estimator("binary"), X, y).set_params(activation=["tanh"]).save(path)
    assert not path.exists()


def test_an_estimator_can_be_part_of_something_saved():
    X, y = data("multiclass")
    model = fit(estimator("multiclass"), X, y)
    other = estimator_from(describe_estimator(model))
    assert_array_equal(other.predict(X), model.predict(X))


def learned(**changes):
    return lambda fields, _: fields["learned"]["fields"].update(changes)


def parameters(**changes):
    return lambda fields, _: fields["parameters"].update(changes)


def reshaped(name, shape):
    return lambda _, header: header[f"learned.{name}"].update(shape=shape)


def texts(*items):
    return {"$": "text array", "items": items, "shape": [len(items)], "width": 3}


CONTRADICTION = "and other attributes contradict each other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (learned(n_features_in_=4), f"shapes of coefs_ {CONTRADICTION}"),
        (learned(n_features_in_=10**12), f"shapes of coefs_ {CONTRADICTION}"),
        (learned(n_layers_=5), f"n_layers_ {CONTRADICTION}"),
        (learned(n_outputs_=1), f"n_outputs_ {CONTRADICTION}"),
        (reshaped("coefs_.0", [5, 3]), f"shapes of coefs_ {CONTRADICTION}"),
        (reshaped("coefs_.0", [15]), f"shapes of coefs_ {CONTRADICTION}"),
        (reshaped("intercepts_.0", [5, 1]), f"shapes of intercepts_ {CONTRADICTION}"),
        (lambda _, header: header["learned.intercepts_.0"].update(dtype="I64"), "dtypes of coefs_"),
        (reshaped("resumable.optimizer", [1, -1]), "no possible shape"),
        (learned(out_activation_="logistic"), "logistic outputs, but multiclass targets"),
        (learned(out_activation_="sigmoid"), "learned.out_activation_ is .*Literal"),
        (learned(target_type=None), "a classifier without classes"),
        (learned(classes_=texts("a", "b")), "2 classes, but 3 outputs"),
        (learned(classes_=texts("b", "a", "c")), "classes_ are not sorted"),
        (learned(classes_=texts("a", "a", "c")), "classes_ are not sorted, each once"),
        (
            learned(classes_={"$": "object array", "items": ["a", 1, None], "shape": [3]}),
            "classes_ are not sorted",
        ),
        (learned(feature_names_in_=texts("a")), f"feature_names_in_ {CONTRADICTION}"),
        (learned(t_="many"), "learned.t_ is int in a Learned, got 'many'"),
        (lambda fields, _: fields.update(kind="mlp_regressor"), "says it is a mlp_classifier"),
        (parameters(alpha=-1.0), "the parameters cannot be: The 'alpha' parameter of MLPClass"),
        (parameters(colour="red"), "the parameters cannot be: .*'colour'"),
        (parameters(random_state="x"), "the parameters cannot be: The 'random_state'"),
        (parameters(activation=["relu"]), "the parameters cannot be: .*each of the 2 hidden lay"),
        (parameters(activation=["relu", 3]), "the parameters cannot be: unknown activation 3"),
        (lambda fields, _: fields.update(parameters=[]), r"parameters is dict\[str, .*\] in a Sav"),
    ],
)
def test_a_file_that_contradicts_itself_is_named(path, change, message):
    fit(estimator("multiclass"), *data("multiclass")).save(path)
    header, said, contents = take_apart(path.read_bytes())
    change(said["content"]["fields"], header)
    path.write_bytes(assemble(header, contents, said))
    with pytest.raises(BrokenModelError, match=message):
        netts.load(path)


def test_a_regressor_has_no_classes(path):
    fit(estimator("regression"), *data("regression")).save(path)
    header, said, contents = take_apart(path.read_bytes())
    said["content"]["fields"]["learned"]["fields"]["out_activation_"] = "softmax"
    path.write_bytes(assemble(header, contents, said))
    with pytest.raises(BrokenModelError, match="a regressor with classes, or with the outputs of"):
        netts.load(path)
