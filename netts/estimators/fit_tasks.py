"""scikit-learn's callbacks: `estimator.set_callbacks(ProgressBar())`.

That protocol sees a fit as a tree of tasks. A fit of ours is one task, each of its epochs (of a
minimiser, each iteration) is one below it, and below the task of a meta-estimator that calls it.
This is the only module that knows the protocol, which is experimental in scikit-learn 1.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netts.training import Callback, History

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # a scikit-learn without them, whose estimators have no `set_callbacks`
    CallbackSupportMixin = type("CallbackSupportMixin", (), {})

    def with_callbacks(method: Any) -> Any:
        """Return a method as it is."""
        return method


if TYPE_CHECKING:
    from netts.training import Trainer

__all__ = ["CallbackSupportMixin", "FitTask", "begin_fit_task", "inner_fit", "with_callbacks"]

TORN_DOWN = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
"""Attributes that scikit-learn sets for a fit, and takes away when it tears callbacks down."""

Attributes = dict[str, Any]
"""What a copy of an estimator needs to predict, by the name of the attribute."""


class FitTask(Callback):
    """A fit as scikit-learn's callbacks hear of it.

    Parameters
    ----------
    estimator
    context
        The task of the fit.
    data
        X, y and metadata as the hooks of callbacks get them: what `fit` was given.
    learned_so_far
        Gives the attributes of the estimator as if the fit ended now. It is called where a callback
        asks for a fitted estimator.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        data: dict[str, Any],
        learned_so_far: Callable[[Trainer], Attributes],
    ) -> None:
        self._estimator, self._context, self._data = estimator, context, data
        self._learned_so_far = learned_so_far
        self._epoch: Any = None

    def on_epoch_begin(self, trainer: Trainer, history: History) -> None:
        """Begin the task of an epoch."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._told(lambda: self._learned_so_far(trainer)))

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """End it; a callback may end the fit with it."""
        epoch, self._epoch = self._epoch, None
        if epoch.call_on_fit_task_end(**self._told(lambda: self._learned_so_far(trainer))):
            trainer.stop()

    def begin(self) -> None:
        """Begin the task of the fit."""
        self._context.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end(self) -> None:
        """End it, as the estimator has learned what there was to learn.

        An epoch that was not ended is ended without data, as scikit-learn's own L-BFGS does.
        """
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._context.call_on_fit_task_end(**self._told({}))

    def _told(self, attributes: Attributes | Callable[[], Attributes]) -> dict[str, Any]:
        return {
            "estimator": self._estimator, "reconstruction_attributes": attributes, **self._data
        }  # fmt: skip


def begin_fit_task(
    estimator: Any,
    name: str,
    most_epochs: int,
    data: tuple[Any, Any, Any],
    learned_so_far: Callable[[Trainer], Attributes],
) -> FitTask | None:
    """Begin the task of a fit; None where no callback is set.

    Parameters
    ----------
    estimator
        Inside of scikit-learn's `_fit_context`, which tears callbacks down.
    name
    most_epochs
        How many epochs may begin.
    data
        X, y and the weights of samples.
    learned_so_far
        As `FitTask` takes it.
    """
    is_watched = hasattr(estimator, "_skl_callbacks")
    if not (is_watched or hasattr(estimator, "_parent_callback_ctx")):
        return None
    # Below a meta-estimator there is a task in any case: who looks at its tree finds the fit there.
    context = estimator._init_callback_context(task_name=name, max_subtasks=most_epochs)
    if not is_watched:
        return None
    X, y, weights = data
    metadata = None if weights is None else {"sample_weight": weights}
    task = FitTask(estimator, context, {"X": X, "y": y, "metadata": metadata}, learned_so_far)
    task.begin()
    return task


@contextmanager
def inner_fit(outer: Any, inner: Any, X: Any, y: Any) -> Iterator[None]:
    """Make the fit of an estimator inside of another's, which is the block, a task of that.

    Parameters
    ----------
    outer
        Inside of `_fit_context` or `with_callbacks`; fitted when the block ends.
    inner
    X, y
        What `outer` was given.
    """
    if not hasattr(outer, "_init_callback_context"):
        yield
        return
    given = {"estimator": outer, "X": X, "y": y}
    root = outer._init_callback_context(max_subtasks=1).call_on_fit_task_begin(**given)
    task = root.subcontext(task_name="fit-estimator")
    with task.propagate_callback_context(inner):
        task.call_on_fit_task_begin(**given)
        yield
        task.call_on_fit_task_end(**given)
    root.call_on_fit_task_end(**given, reconstruction_attributes={})
