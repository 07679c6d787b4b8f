"""scikit-learn's own callbacks hear of our fits what they hear of its own estimators."""

import pickle
import re
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from estimator_cases import CLASSIFICATIONS, TASKS, data, estimator, fit, network_estimator
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from netts import MLPClassifier
from netts.errors import InterruptedFitWarning
from netts.estimators import MLPTransformer, TableModel
from netts.training import Callback

callback = pytest.importorskip("sklearn.callback")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPOCHS = 3


def network(task, **settings):
    return network_estimator(task, **({"epochs": EPOCHS} | settings))


def mlp(task, **settings):
    return estimator(task, **({"max_iter": EPOCHS} | settings))


def scoring(task):
    """What `score` measures, by name: the monitor of scikit-learn 1.9.1 takes no None."""
    return "accuracy" if task in CLASSIFICATIONS else "r2"


KINDS = {"mlp": mlp, "network": network}


def shortened(model, n_epochs):
    """An untrained one like it that trains for fewer epochs."""
    name = "max_iter" if hasattr(model, "max_iter") else "epochs"
    return clone(model).set_callbacks().set_params(**{name: n_epochs})


class Recorder:
    """Writes down each hook; subclasses do something besides."""

    def __init__(self):
        self.events, self.kept = [], []

    def setup(self, estimator, context):
        self.note("setup", context)

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.note("begin", context, X, y, metadata, fitted_estimator)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.note("end", context, X, y, metadata, fitted_estimator)
        self.kept.append(fitted_estimator)

    def teardown(self, estimator, context):
        self.note("teardown", context)

    def note(self, hook, context, *given):
        is_root = context.parent is None
        place = "fit" if is_root else ("iteration", context.task_id, context.max_subtasks)
        self.events.append((hook, place, *(one is not None for one in given)))


def recorded(model, X, y, **fit_params):
    recorder = Recorder()
    model.set_callbacks(recorder).fit(X, y, **fit_params)
    return recorder


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 23)])
@pytest.mark.parametrize("kind", KINDS)
def test_iterations_of_lbfgs_are_told_as_those_of_logistic_regression(kind, weights):
    X, y = data("multiclass")
    theirs = recorded(LogisticRegression(max_iter=EPOCHS, tol=0), X, y, sample_weight=weights)
    minimised = {"solver": "lbfgs"} if kind == "mlp" else {"optimizer": "lbfgs", "layers": []}
    ours = recorded(KINDS[kind]("multiclass", **minimised), X, y, sample_weight=weights)
    assert theirs.events[0] == ("setup", "fit")
    assert ours.events == theirs.events


@pytest.mark.parametrize("kind", KINDS)
def test_epochs_are_told_as_iterations_of_logistic_regression_are(kind):
    X, y = data("binary")
    theirs = recorded(LogisticRegression(max_iter=EPOCHS, tol=0), X, y).events
    unused = [one for one in theirs if one[1] == ("iteration", EPOCHS, 0)]
    assert len(unused) == 2  # SciPy's minimiser begins an iteration that it does not run
    ours = recorded(KINDS[kind]("binary"), X, y).events
    assert ours == [one for one in theirs if one not in unused]


@pytest.mark.parametrize("kind", KINDS)
def test_the_task_of_a_fit_knows_how_many_epochs_there_may_be(kind):
    seen = []

    class Looking(Recorder):
        def on_fit_task_begin(self, estimator, context):
            seen.append((context.estimator_name, context.task_name, context.max_subtasks))

    model = KINDS[kind]("regression").set_callbacks(Looking())
    fit(model, *data("regression")).partial_fit(*data("regression"))
    name, epoch = type(model).__name__, (type(model).__name__, "epoch", 0)
    partial = (name, "partial_fit", 1)
    assert seen == [(name, "fit", EPOCHS), *[epoch] * EPOCHS, partial, epoch]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_fitted_estimators_are_those_of_shorter_fits(kind, task):
    X, y = data(task)
    model = KINDS[kind](task, batch_size=5)
    recorder = recorded(model, X, y)
    *of_epochs, of_fit = recorder.kept
    assert_array_equal(of_fit.predict(X), model.predict(X))
    for n_epochs, found in enumerate(of_epochs, start=1):
        short = fit(shortened(model, n_epochs), X, y)
        found.set_callbacks()
        assert_array_equal(found.predict(X), short.predict(X))
        assert found.loss_curve_ == short.loss_curve_ == found.history_.loss
        assert found.device_ == short.device_
        assert_array_equal(found.partial_fit(X, y).predict(X), short.partial_fit(X, y).predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_is_watched_has_the_bits_of_one_that_is_not(kind):
    X, y = data("multiclass")
    alone = fit(KINDS[kind]("multiclass"), X, y)
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    watched = fit(KINDS[kind]("multiclass").set_callbacks(monitor), X, y)
    assert watched.loss_curve_ == alone.loss_curve_
    assert_array_equal(watched.predict_proba(X), alone.predict_proba(X))


def test_scores_of_an_early_stopping_fit_are_those_of_each_epoch():
    X, y = data("binary", 80)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = mlp("binary", early_stopping=True, max_iter=8).set_callbacks(monitor)
    fit(model, X, y)
    found = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = []
    for n_epochs in range(1, model.n_iter_ + 1):
        short = fit(shortened(model, n_epochs).set_params(n_iter_no_change=100), X, y)
        expected.append(short.score(X, y) if short.history_.best_epoch == n_epochs else None)
    pairs = zip(found, expected, strict=True)
    assert all(one == other for one, other in pairs if other is not None)
    assert None not in found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_scoring_monitor_has_the_score_of_every_epoch(kind, task):
    X, y = data(task)
    monitor = callback.ScoringMonitor(scoring=scoring(task))
    model = fit(KINDS[kind](task).set_callbacks(monitor), X, y, sample_weight=np.ones(len(X)))
    rows = monitor.get_logs().data
    of_epochs = [row for row in rows if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in of_epochs] == list(range(EPOCHS))
    shorter = [fit(shortened(model, n), X, y) for n in range(1, EPOCHS + 1)]
    assert [row[scoring(task)] for row in of_epochs] == [one.score(X, y) for one in shorter]
    assert rows[0][scoring(task)] == of_epochs[-1][scoring(task)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_grid_search_monitors_the_epochs_of_all_its_fits(n_jobs):
    X, y = data("binary")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = network("binary", device="cpu").set_callbacks(monitor)
    grid = {"optimizer__learning_rate": [0.001, 0.1]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=0)).fit(X, y)
    log = monitor.get_logs()
    assert log.estimator_name == "GridSearchCV"
    of_epochs = [row for row in log.data if row["task_name"] == "epoch"]
    assert len(of_epochs) == (2 * 2 + 1) * EPOCHS
    assert len({row["parent_task_id_path"] for row in of_epochs}) == 5
    last = [row["accuracy"] for row in of_epochs if row["parent_task_id_path"] == (0, 1)]
    assert last[-1] == search.best_estimator_.score(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_bars_of_a_pipeline_in_a_grid_search(kind, capsys):
    X, y = data("regression")
    pipeline = make_pipeline(StandardScaler(), KINDS[kind]("regression"))
    grid = {"standardscaler__with_mean": [True, False]}
    search = GridSearchCV(pipeline, grid, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    name, shown = type(pipeline[-1]).__name__, capsys.readouterr().out
    assert len(re.findall(rf"Pipeline - fit-final-estimator \| {name} - fit #1", shown)) >= 5
    assert "100%" in shown
    assert not re.search(r"\b[0-9]{1,2}%", shown)


@pytest.mark.parametrize("kind", KINDS)
def test_a_progress_bar_of_a_fit_that_ends_early_is_full(kind, capsys):
    settings = {"tol": 1e3, "n_iter_no_change": 2} if kind == "mlp" else {}
    model = KINDS[kind]("regression", **settings, callbacks=[Stopping()])
    fit(model.set_callbacks(callback.ProgressBar()), *data("regression"))
    shown = capsys.readouterr().out
    assert f"{type(model).__name__} - fit" in shown
    assert "100%" in shown
    assert not re.search(r"\b[0-9]{1,2}%", shown)


class Stopping(Callback):
    """Stops within the second epoch, as netts's own callbacks may."""

    every_steps = 1

    def on_batch_end(self, trainer, progress):
        if progress.epoch == 2:
            trainer.stop()


class Interrupt(Callback):
    every_steps = 1

    def on_batch_end(self, trainer, progress):
        if progress.epoch == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("own", "warning"), [(Stopping(), None), (Interrupt(), 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_that_was_not_ended_is_ended_without_data(kind, own, warning):
    model = KINDS[kind]("regression", callbacks=[own], batch_size=5)
    if warning is None:
        recorder = recorded(model, *data("regression"))
    else:
        with pytest.warns(InterruptedFitWarning):
            recorder = recorded(model, *data("regression"))
    assert model.n_iter_ == 1
    assert recorder.events[-3:] == [
        ("end", ("iteration", 1, 0), False, False, False, False),
        ("end", "fit", True, True, False, True),
        ("teardown", "fit"),
    ]


class Enough(Recorder):
    def on_fit_task_end(self, estimator, context):
        self.note("end", context)
        return context.task_id == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_may_end_the_fit(kind):
    X, y = data("multiclass")
    model = KINDS[kind]("multiclass").set_callbacks(Enough()).fit(X, y)
    assert (model.n_iter_, model.history_.stopped_by) == (2, "callback")
    short = fit(shortened(model, 2), X, y)
    assert_array_equal(model.predict_proba(X), short.predict_proba(X))


class Failing(Recorder):
    def __init__(self, hook, epoch):
        super().__init__()
        self.where = hook, epoch

    def note(self, hook, context, *given):
        super().note(hook, context, *given)
        if (hook, context.task_id) == self.where and context.parent is not None:
            raise LookupError("of the user's own")


@pytest.mark.parametrize("hook", ["begin", "end"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_a_callback_is_the_users_own_and_the_last_epoch_stays(kind, hook):
    X, y = data("multiclass")
    failing = Failing(hook, 2 if hook == "begin" else 1)
    model = KINDS[kind]("multiclass").set_callbacks(failing)
    with pytest.raises(LookupError, match="of the user's own"):
        model.fit(X, y)
    short = fit(shortened(model, 2), X, y)
    assert model.loss_curve_ == short.loss_curve_
    assert_array_equal(model.predict_proba(X), short.predict_proba(X))
    assert failing.events[-1] == ("teardown", "fit")
    assert not hasattr(model, "_callback_fit_ctx")
    assert_array_equal(
        model.set_callbacks().partial_fit(X, y).predict_proba(X),
        short.partial_fit(X, y).predict_proba(X),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_before_the_first_epoch_leaves_the_weights_of_before(kind):
    class Unready(Recorder):
        def setup(self, estimator, context):
            raise LookupError("not ready")

    X, y = data("multiclass")
    model = fit(KINDS[kind]("multiclass"), X, y)
    before = model.predict_proba(X)
    with pytest.raises(LookupError, match="not ready"):
        model.set_callbacks(Unready()).fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_without_callbacks_makes_no_context(kind, monkeypatch):
    model = KINDS[kind]("regression")
    monkeypatch.setattr(type(model), "_init_callback_context", None)
    assert fit(model, *data("regression")).n_iter_ == EPOCHS


class Counting(Recorder):
    """Asks for no fitted estimator."""

    def on_fit_task_begin(self, estimator, context):
        self.note("begin", context)

    def on_fit_task_end(self, estimator, context, *, X):
        self.note("end", context, X)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_callbacks_that_ask_for_nothing_move_nothing(kind, fake_gpu):
    X, y = data("binary")
    moved, models = [], []
    for callbacks in ((), (Counting(),)):
        model = KINDS[kind]("binary", device="cuda").set_callbacks(*callbacks)
        fake_gpu.taken()
        models.append(fit(model, X, y))
        moved.append(fake_gpu.taken())
    assert moved[0] == moved[1]
    assert models[0].loss_curve_ == models[1].loss_curve_


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_scores_of_epochs_are_those_of_the_cpu(kind, fake_gpu):
    X, y = data("binary")
    found = {}
    for device in ("cpu", "cuda"):
        monitor = callback.ScoringMonitor(scoring="neg_log_loss")
        fit(KINDS[kind]("binary", device=device).set_callbacks(monitor), X, y)
        found[device] = [row["neg_log_loss"] for row in monitor.get_logs().data]
    assert len(found["cuda"]) == EPOCHS + 1
    assert found["cuda"] == found["cpu"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_callback_asks_for_is_not_computed(kind, monkeypatch):
    counting = Counting()
    model = KINDS[kind]("regression").set_callbacks(counting)
    monkeypatch.setattr(type(model), "_learned_so_far", None)
    fit(model, *data("regression"))
    assert len(counting.events) == 2 + 2 * (EPOCHS + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_clones_and_copies_keep_callbacks_and_the_constructors_own(kind):
    own, theirs = Callback(), callback.ScoringMonitor(scoring="r2")
    model = KINDS[kind]("regression", callbacks=[own]).set_callbacks(theirs)
    assert clone(model)._skl_callbacks == [theirs]
    assert "_skl_callbacks" not in model.get_params()
    fit(model, *data("regression"))
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(data("regression")[0]), model.predict(data("regression")[0]))
    assert not hasattr(model.set_callbacks(), "_skl_callbacks")
    with pytest.raises(TypeError, match="FitCallback protocol"):
        model.set_callbacks(own)


@pytest.mark.parametrize("kind", KINDS)
def test_a_transformer_and_a_table_model_pass_callbacks_on(kind, capsys):
    X, y = data("binary")
    inner = KINDS[kind]("binary")
    transformer = MLPTransformer(inner).set_callbacks(callback.ProgressBar()).fit(X, y)
    name = type(inner).__name__
    assert f"MLPTransformer - fit-estimator | {name} - fit #0" in capsys.readouterr().out
    assert_array_equal(transformer.transform(X), MLPTransformer(inner).fit(X, y).transform(X))
    if kind == "mlp":
        monitor = callback.ScoringMonitor(scoring="accuracy")
        table = {"a": X[:, 0], "b": X[:, 1]}
        TableModel(inner.set_callbacks(monitor)).fit(table, y)
        log = monitor.get_logs()
        assert log.estimator_name == "TableModel"
        assert sum(row["task_name"] == "epoch" for row in log.data) == EPOCHS


def test_column_names_are_those_of_what_fit_was_given():
    pandas = pytest.importorskip("pandas")
    X, y = data("binary")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fit(mlp("binary").set_callbacks(monitor), frame, y)  # a warning would be an error
    assert len(monitor.get_logs().data) == EPOCHS + 1


def test_losses_fall_and_are_told_one_by_one():
    X, y = data("regression")
    recorder = recorded(mlp("regression", max_iter=10, learning_rate_init=0.01), X, y)
    losses = [one.loss_ for one in recorder.kept[:-1]]
    assert all(later < before for before, later in pairwise(losses))


WITHOUT = """
import sys
import sklearn.preprocessing, sklearn.pipeline, sklearn.linear_model
sys.modules["sklearn.callback"] = None
from netts import MLPClassifier, NetworkRegressor
from netts.estimators import MLPTransformer
X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
model = MLPClassifier((3,), max_iter=2, random_state=0, tol=1e9, n_iter_no_change=1).fit(X, y)
assert not hasattr(model, "set_callbacks")
assert NetworkRegressor([], epochs=2).fit(X, y).predict(X).shape == (4,)
assert MLPTransformer(model).fit(X, y).transform(X).shape == (4, 3)
print("works")
"""


def test_a_scikit_learn_without_callbacks_is_enough():
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert found.stdout == "works\n", found.stderr


def test_callbacks_of_both_kinds_hear_of_the_same_epochs():
    heard = []

    class Own(Callback):
        def on_epoch_end(self, trainer, history):
            heard.append(len(history))

    X, y = data("regression")
    recorder = Recorder()
    fit(MLPClassifier((3,), max_iter=2, callbacks=[Own()]).set_callbacks(recorder), X, y > 0)
    assert heard == [1, 2]
    assert len(recorder.kept) == 3


def test_a_callback_that_cannot_begin_leaves_what_was_learned():
    X, y = data("multiclass")
    model = KINDS["mlp"]("multiclass")
    fit(model, X, y)
    expected = model.predict(X)

    class Refusing(Recorder):
        def setup(self, *_args, **_kwargs):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        model.set_callbacks(Refusing()).fit(X, np.char.add(y, "er"))
    assert not hasattr(model, "_callback_fit_ctx")
    assert_array_equal(model.predict(X), expected)
