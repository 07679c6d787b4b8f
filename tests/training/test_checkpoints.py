"""Trainings that go on from a checkpoint end as if they had not been cut off."""

import warnings
from typing import ClassVar

import numpy as np
import pytest
from resumptions import CASES, CutError, CutOff, assert_same, fit, random_network, trainer
from trainings import CLASSES, WEIGHTS, X, mlp

import netts
from netts import MLPClassifier, Network, layers
from netts.devices.cuda_driver import missing
from netts.errors import ModelFileError, ParameterError
from netts.training import Callback, Checkpoint, EarlyStopping


@pytest.mark.parametrize("cut", [1, 4, 5, 7, 9, 11])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_training_that_was_cut_off_ends_as_one_that_was_not(case, cut, tmp_path):
    path = tmp_path / "run.ckpt"
    expected = fit(trainer(case), case)
    with pytest.raises(CutError):
        fit(trainer(case, Checkpoint(path, every_steps=1), CutOff(cut)), case)
    found = fit(trainer(case), case, resume=path)
    assert_same(found, expected)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_checkpoints_disturb_nothing(case, tmp_path):
    every = Checkpoint(tmp_path / "{step}.ckpt", every_steps=3, every_epochs=1, keep=None)
    assert_same(fit(trainer(case, every), case), fit(trainer(case), case))
    assert len(every.paths_) > 3


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_a_gpu_a_training_that_was_cut_off_ends_as_one_that_was_not(case, tmp_path, fake_gpu):
    """On a fake one, which has memory of its own."""
    check_on_cuda(case, tmp_path)
    assert fake_gpu.taken("graph")


@pytest.mark.gpu
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_a_real_gpu_too(case, tmp_path):
    check_on_cuda(case, tmp_path)


def check_on_cuda(case, tmp_path):
    path = tmp_path / "run.ckpt"
    expected = fit(trainer(case, device="cuda"), case)
    for cut in (4, 7):
        cut_off = trainer(case, Checkpoint(path, every_steps=1), CutOff(cut), device="cuda")
        with pytest.raises(CutError):
            fit(cut_off, case)
        assert_same(fit(trainer(case, device="cuda"), case, resume=path), expected)


def test_a_checkpoint_brings_down_what_a_training_learns_and_nothing_else(fake_gpu, tmp_path):
    class Log(Callback):
        every_steps = 2
        taken: ClassVar[list] = []

        def on_batch_end(self, trainer, progress):
            fake_gpu.taken()
            trainer.save_checkpoint(tmp_path / "run.ckpt")
            self.taken.append([kind for kind, _ in fake_gpu.taken("upload", "download", "graph")])

    fit(trainer(CASES["adam"], Log(), device="cuda"), CASES["adam"])
    kinds = {kind for entries in Log.taken for kind in entries}
    assert kinds == {"download"}


def test_stopped_trainings_go_on_within_the_epoch(tmp_path):
    class Stop(Callback):
        every_steps = 7

        def on_batch_end(self, trainer, progress):
            trainer.stop()

    case, path = CASES["random layers"], tmp_path / "run.ckpt"
    stopped = fit(trainer(case, Stop(), Checkpoint(path)), case)
    assert stopped.history_.stopped_by == "callback"
    assert (len(stopped.history_), stopped.history_.steps) == (1, 7)
    whole = fit(trainer(case), case)
    assert_same(fit(trainer(case), case, resume=path), whole)
    stopped.callbacks, stopped.epochs = (), 2  # the one that was begun, and another
    fit(stopped, case, resume=True)
    for name, array in whole.network.weights().items():
        np.testing.assert_array_equal(stopped.network.weights()[name], array, err_msg=name)


@pytest.mark.parametrize("name", ["sgd", "one cycle", "streamed"])
def test_an_epoch_that_was_begun_and_has_no_step_yet_keeps_its_order(name, tmp_path):
    class Stop(Callback):
        def on_epoch_begin(self, trainer, history):
            if len(history) == 1:
                trainer.stop()

    case, path = CASES[name], tmp_path / "run.ckpt"
    stopped = fit(trainer(case, Stop(), Checkpoint(path)), case)
    assert (len(stopped.history_), stopped.history_.steps) == (1, 5)
    assert_same(fit(trainer(case), case, resume=path), fit(trainer(case), case))


@pytest.mark.parametrize("name", ["sgd", "best"])
def test_a_training_that_is_over_ends_again_as_it_did(name, tmp_path):
    case, path = CASES[name], tmp_path / "run.ckpt"
    whole = fit(trainer(case, Checkpoint(path)), case)
    assert_same(fit(trainer(case), case, resume=path), whole)


CHANGED = [
    ("settings: optimizer was SGD", {"optimizer": "adam"}),
    ("settings: batch_size was 16, and is 8 now", {"batch_size": 8}),
    ("settings: schedule was Schedule", {"schedule": "cosine"}),
    ("network of 3 layers, and this one has 4", {"network": random_network}),
    (
        "another network: layer 1 was Dense",
        {"network": lambda: Network([layers.Dense(12, "relu"), layers.Dense(9), layers.Dense(3)])},
    ),
    ("settings: class_weight was None", {"class_weight": "balanced"}),
    ("settings: early_stopping was None", {"early_stopping": EarlyStopping("loss")}),
]


@pytest.mark.parametrize(("message", "changed"), CHANGED, ids=[one[0] for one in CHANGED])
def test_a_checkpoint_of_something_else_is_refused(message, changed, tmp_path):
    path = tmp_path / "run.ckpt"
    fit(trainer(CASES["sgd"], Checkpoint(path)), CASES["sgd"])
    with pytest.raises(ParameterError, match=message):
        fit(trainer(CASES["sgd"] | changed), {}, resume=path)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("digest|training samples was", (X + 1, CLASSES)),
        ("shape of training samples was .70, 6. of float32", (X[:50], CLASSES[:50])),
        ("training targets was", (X, 2 - CLASSES)),
        ("training weights was none", (X, CLASSES, WEIGHTS)),
    ],
)
def test_a_checkpoint_of_other_data_is_refused_and_changes_nothing(message, data, tmp_path):
    path = tmp_path / "run.ckpt"
    fit(trainer(CASES["sgd"], Checkpoint(path)), CASES["sgd"])
    network = mlp().build(6, dtype=np.float32, random_state=5)
    before = network.weights()
    with pytest.raises(ParameterError, match=message):
        trainer(CASES["sgd"], network=lambda: network).fit(*data, resume=path)
    for name, array in before.items():
        np.testing.assert_array_equal(network.weights()[name], array)


def test_what_has_no_checkpoint_is_refused_before_training(tmp_path):
    case = {"optimizer": "lbfgs"}
    with pytest.raises(ParameterError, match="there is no checkpoint of it"):
        fit(trainer(case, Checkpoint(tmp_path / "run.ckpt")), case)
    case = {"shuffle": np.arange}
    with pytest.raises(ParameterError, match="what the function shuffle remembers"):
        fit(trainer(case, Checkpoint(tmp_path / "run.ckpt")), case)
    with pytest.raises(ParameterError, match="a checkpoint is of a training that runs"):
        trainer({}).save_checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(ParameterError, match="keep=3 needs a name for each file"):
        Checkpoint(tmp_path / "run.ckpt", keep=3)
    with pytest.raises(ModelFileError, match="there is no directory"):
        fit(trainer({}, Checkpoint(tmp_path / "none" / "run.ckpt")), {})
    with pytest.raises(ParameterError, match="resume is True, the path of a checkpoint"):
        fit(trainer({}), {}, resume=3)


@pytest.mark.parametrize("kind", ["Philox", "PCG64", "PCG64DXSM", "MT19937", "SFC64"])
def test_every_generator_of_numpys_goes_on(kind, tmp_path):
    def started(*callbacks):
        generator = np.random.Generator(getattr(np.random, kind)(7))
        return trainer({}, *callbacks, random_state=generator)

    path = tmp_path / "run.ckpt"
    with pytest.raises(CutError):
        fit(started(Checkpoint(path, every_steps=1), CutOff(7)), {})
    assert_same(fit(started(), {}, resume=path), fit(started(), {}))


def test_estimators_go_on_from_checkpoints(tmp_path):
    def estimator(**options):
        return MLPClassifier(
            (8,), max_iter=6, random_state=0, early_stopping=True, n_iter_no_change=10, **options
        )

    path = tmp_path / "run.ckpt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = estimator().fit(X, CLASSES)
        with pytest.raises(CutError):
            estimator(callbacks=[Checkpoint(path), CutOff(4)]).fit(X, CLASSES)
        found = estimator(callbacks=[Checkpoint(path, resume=True)]).fit(X, CLASSES)
    for one, other in zip(found.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.loss_curve_ == whole.loss_curve_
    assert found.validation_scores_ == whole.validation_scores_
    assert found.n_iter_ == whole.n_iter_


def test_old_files_go_and_the_newest_stay(tmp_path):
    every = Checkpoint(tmp_path / "run-{epoch}.ckpt", keep=2)
    fit(trainer({}, every, epochs=5), {})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run-4.ckpt", "run-5.ckpt"]
    assert every.newest().name == "run-5.ckpt"


def test_a_checkpoint_loads_as_what_it_is(tmp_path):
    path = tmp_path / "run.ckpt"
    one = fit(trainer({}, Checkpoint(path)), {})
    saved = netts.load(path)
    assert (saved.steps, len(saved.history)) == (15, 3)
    found = saved.trained_network().predict(X, loss="cross_entropy", device="cpu")
    np.testing.assert_array_equal(found, one.predict(X))
