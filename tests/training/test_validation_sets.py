"""Several sets of validation data, by name."""

import numpy as np
import pytest
from trainings import CLASSES, X, mlp

import netts
from netts import Trainer
from netts.errors import ParameterError
from netts.training import Checkpoint, EarlyStopping

NOISY = (X + np.random.default_rng(1).normal(size=X.shape).astype(np.float32), CLASSES)
SETS = {"clean": (X[:40], CLASSES[:40]), "noisy": NOISY}


def fitted(sets, *callbacks, **options):
    one = Trainer(mlp(), **{"epochs": 4, "random_state": 0, "device": "cpu"} | options)
    one.callbacks = callbacks
    one.fit(X, CLASSES, validation_data=sets)
    return one


def test_each_set_is_measured_as_if_it_were_the_only_one():
    both = fitted(SETS).history_
    for name, data in SETS.items():
        alone, measures = fitted(data).history_, both.validation_set(name)
        assert [one.loss for one in measures] == alone.validation_loss
        assert [one.score for one in measures] == alone.validation_score
    assert both.validation_loss == [one.loss for one in both.validation_set("clean")]


@pytest.mark.parametrize("name", SETS)
def test_early_stopping_watches_the_set_that_it_names(name):
    def rule(validation_set):
        return EarlyStopping("validation_loss", 1, 0.0, validation_set=validation_set)

    found = fitted(SETS, early_stopping=rule(name), epochs=60)
    alone = fitted(SETS[name], early_stopping=rule(None), epochs=60)
    assert found.history_.best_epoch == alone.history_.best_epoch
    for key, array in alone.network.weights().items():
        np.testing.assert_array_equal(found.network.weights()[key], array)


def test_sets_are_in_the_checkpoint(tmp_path):
    path = tmp_path / "run.ckpt"
    one = fitted(SETS, Checkpoint(path))
    history = netts.load(path).history
    assert history.validation_set("noisy") == one.history_.validation_set("noisy")
    other = Trainer(mlp(), random_state=0, device="cpu")
    with pytest.raises(ParameterError, match="validation noisy"):
        other.fit(X, CLASSES, validation_data=SETS | {"noisy": SETS["clean"]}, resume=path)


@pytest.mark.parametrize(
    ("sets", "rule", "message"),
    [
        ({"a": X}, None, "validation_data is"),
        ({1: NOISY}, None, "the name of a set of validation data is a text, got 1"),
        (SETS, EarlyStopping(validation_set="dirty"), "unknown validation_set 'dirty'"),
    ],
)
def test_other_sets_are_refused(sets, rule, message):
    with pytest.raises(ParameterError, match=message):
        fitted(sets, early_stopping=rule)


def test_the_loss_of_training_has_no_set():
    with pytest.raises(ParameterError, match="knows no validation_set"):
        EarlyStopping("loss", validation_set="clean")
