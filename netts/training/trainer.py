"""The trainer: epochs over a recorded step, and everything that happens between epochs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netts.devices.foreign import DeviceArray, device_array
from netts.devices.registry import explain_choice_at
from netts.errors import ParameterError, ShapeError
from netts.graph.drawing import Drawing
from netts.graph.profile import Profile
from netts.hyperparameters import check_whole
from netts.losses import Loss
from netts.network import Network
from netts.network.inputs import as_arrays, by_name, dtype_for
from netts.network.sources import SampleSource, check_source, is_source
from netts.optimizers import AnyOptimizer
from netts.random_state import RandomState, generator_from
from netts.schedules import Schedule
from netts.training.callbacks import Callback
from netts.training.checkpoint import Checkpoint
from netts.training.checkpointing import Resumption, resumption_of
from netts.training.class_weights import ClassWeight
from netts.training.early_stopping import EarlyStopping, Plateau
from netts.training.fitting import Fit
from netts.training.history import History
from netts.training.opening import data_sets, go_to, open_session
from netts.training.resumable import Resumable
from netts.training.reuse import KeptSession
from netts.training.saved import SavedTraining
from netts.training.settings import check_settings, check_watched, rule_of


@dataclass
class Trainer:
    """Trains a network.

    Parameters
    ----------
    network : Network
        Built by `fit` where it is not; trained in place.
    loss : str or Loss
        A name of `netts.losses.LOSSES`, or one with settings: `Huber(delta=2.0)`.
    optimizer : str, Optimizer or Minimizer
        A name of `netts.optimizers.OPTIMIZERS`, or one with settings: `Adam(learning_rate=0.01)`.
    epochs : int
    batch_size : int, optional
        The last batch of an epoch may be shorter; None takes all samples at once.
    schedule : str or Schedule
        How the learning rate changes, from epoch to epoch or from step to step: a name of
        `netts.schedules.SCHEDULES`, or one with settings: `OneCycle(max_rate=0.1)`.
    l1, l2 : float
        Strengths of the penalty (l1 * sum of absolute weights + l2 / 2 * sum of squared weights)
        / n_samples, biases excepted: `l2` is scikit-learn's `alpha`.
    clip_value, clip_norm : float, optional
        The largest absolute value of a gradient's element, and the largest norm of a whole
        gradient, PyTorch's `clip_grad_value_` and `clip_grad_norm_`.
    max_norm : float, optional
        The largest norm of the weights into a unit: Keras' `MaxNorm`.
    shuffle : bool or callable
        Whether each epoch has its own random order; or what gives it: called with the number of
        samples at the start of an epoch, it returns their order, int64 of that length. One that
        also has `mark()` and `go_back(mark)`, which let orders be as if they had not been drawn, is
        asked for those of several short epochs at once.
    validation_fraction : float in [0, 1)
        How much of the data to hold out, where `fit` gets no validation data.
    early_stopping : EarlyStopping or Plateau, optional
        A rule; or the watch of earlier fits, `EarlyStopping.start()`, to go on counting with.
    callbacks : sequence of Callback
    max_steps : int, optional
        After how many steps to end, also within an epoch.
    max_seconds : float, optional
        After how much time, of this call of `fit`, to begin no further step.
    target : dict of str to float, optional
        How good an epoch need be to end with it: `{"validation_score": 0.95}`, or "loss" or
        "validation_loss"; of several the first to be reached counts.
    accumulate : int
        How many batches make a step: their gradients are added up, which is as one large batch in
        the memory of a small one. Layers that look at a whole batch (`BatchNorm`) look at each.
    class_weight : dict of int to float, or "balanced", optional
        What samples of a class count in training, times their own weights; 1 for classes that are
        not named. "balanced" has all classes count the same. Validation data have their own.
    device : str
        "auto", "cpu", "cuda" (the first GPU), "cuda:1", or "reference". "auto" takes what is
        estimated to train `epochs` epochs in less time, with what starting a GPU and sending it
        the data costs; a fit that resumes stays where it ran.
    random_state : int, Generator or None
        Seeds initial weights, held out samples, order and dropout.
    precision : {None, "float32", "tf32"}
        What a GPU may multiply float32 in; see `TaskGraph.compile`.
    data_memory_bytes : int, optional
        The most bytes that training samples, and those of validation, may each take where they are
        computed with; larger sets are streamed in chunks, loaded while others are computed, and
        learn the same to the last bit. None takes what the device has; on the CPU arrays
        are read where they lie. Samples of a `SampleSource` are streamed at any size.

    Attributes
    ----------
    history_ : History
        Of the last fit.
    device_ : str
        Where the last fit ran.
    device_reason_ : str
        Why there.
    precision_ : str
        What it multiplied in: "float64", "float32", or "tf32" where that was allowed and the device
        has it.
    is_stopping : bool
        Whether `stop` was called during it.
    resumable_ : Resumable
        What `fit` goes on with when it resumes.
    kept_ : KeptSession or None
        Where to keep the session of a fit for the next one, which saves recording it anew.
    running_ : Fit or None
        The fit that is running.

    Notes
    -----
    The loss of an epoch is the mean over its samples by weight, each batch measured before its
    update. scikit-learn weights batches by their number of samples instead, which differs only
    where `sample_weight` is given.

    Examples
    --------
    >>> import numpy as np
    >>> from netts import Network, Trainer, layers
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> network = Network([layers.Dense(8, "tanh"), layers.Dense(2)])
    >>> trainer = Trainer(network, epochs=100, optimizer="adam", random_state=0)
    >>> history = trainer.fit(X, np.array([0, 1, 1, 0]))
    >>> history.loss[-1] < history.loss[0]
    True
    """

    network: Network
    loss: str | Loss = "cross_entropy"
    optimizer: str | AnyOptimizer = "adam"
    epochs: int = 100
    batch_size: int | None = 32
    schedule: str | Schedule = "constant"
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    max_norm: float | None = None
    shuffle: bool | Callable[[int], np.ndarray] = True
    validation_fraction: float = 0.0
    early_stopping: EarlyStopping | Plateau | None = None
    callbacks: Sequence[Callback] = ()
    max_steps: int | None = None
    max_seconds: float | None = None
    target: Mapping[str, float] | None = None
    accumulate: int = 1
    class_weight: ClassWeight = None
    device: str = "auto"
    random_state: RandomState = None
    precision: str | None = None
    data_memory_bytes: int | None = None
    history_: History = field(default_factory=History, init=False, repr=False)
    device_: str = field(default="", init=False, repr=False)
    device_reason_: str = field(default="", init=False, repr=False)
    precision_: str = field(default="", init=False, repr=False)
    is_stopping: bool = field(default=False, init=False, repr=False)
    resumable_: Resumable = field(default=Resumable(), init=False, repr=False)
    kept_: KeptSession | None = field(default=None, init=False, repr=False, compare=False)
    running_: Fit | None = field(default=None, init=False, repr=False, compare=False)
    _has_validation: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_settings(self)

    def stop(self) -> None:
        """End training before its next step; for callbacks and other threads.

        `fit` returns within about 0.1 seconds or a step. The network keeps what it has learned up
        to there, within an epoch too, or the weights of the best epoch where early stopping
        restores them; an epoch that was not ended is not in the history. `fit(resume=True)` goes
        on from there. A minimiser ends with its iteration.
        """
        self.is_stopping = True
        if self.running_ is not None:
            self.running_.pace.end("callback")

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write where training stands to a file that `fit` resumes from; for callbacks.

        Within the last step of an epoch it is written when the epoch was looked at.

        Raises
        ------
        ParameterError
            Where no fit is running, or there is no going on from where it stands.
        ModelFileError, UnsavableError
            Where the file cannot be written.
        """
        if self.running_ is None:
            raise ParameterError(
                "a checkpoint is of a training that runs: pass callbacks=[Checkpoint(path)]; "
                "network.save(path) saves what was learned"
            )
        self.running_.save_checkpoint(path)

    def profile(self, steps: int = 20) -> Profile:
        """Time the operations of training steps; for callbacks, while `fit` runs.

        The training goes on as if nothing had been: its results have the same bits.

        Parameters
        ----------
        steps : int
            How many; at most as many as an epoch has full batches are taken.

        Raises
        ------
        ParameterError
            Where no fit is running, or `steps` is below 1.
        """
        check_whole("steps", steps, 1)
        return self._watched("profiled", "StepProfile", "profile_").profile(steps)

    def draw(self) -> Drawing:
        """Draw the plan of a training step; for callbacks, while `fit` runs.

        Returns
        -------
        netts.graph.Drawing
            An SVG, which notebooks show and `save("step.svg")` writes.

        Raises
        ------
        ParameterError
            Where no fit is running.
        """
        return self._watched("drawn", "StepDrawing", "drawing_").draw()

    def _watched(self, done: str, callback: str, result: str) -> Fit:
        """Return the fit that runs; what cannot be `done` without one is left to a callback."""
        if self.running_ is None:
            raise ParameterError(
                f"a trainer is {done} while it trains: pass callbacks=[{callback}()], which does "
                f"so and keeps the result as its {result}"
            )
        return self.running_

    def predict(self, X: Any, *, batch_size: int | None = None) -> Any:
        """Return what the loss makes of the network's outputs: probabilities, or values.

        Parameters
        ----------
        X : array-like of shape `(n_samples, *input_shape)`, SampleSource, or dict of arrays
            Of a dict, by the names of inputs.
        batch_size : int, optional
            As `Network.predict` takes it.

        Returns
        -------
        ndarray of shape `(n_samples, *output_shape)`, of the network's dtype
            Where `X` lies on a GPU, an array of its library.
        """
        return self.network.predict(
            X, loss=self.loss, batch_size=batch_size, device=self.device, precision=self.precision
        )

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None = None,
        resume: bool | str | os.PathLike[str] | Resumable | SavedTraining = False,
    ) -> History:
        """Train on data; the network keeps its weights where it has some.

        Parameters
        ----------
        X : array-like of shape `(n_samples, *input_shape)`, SampleSource, or dict of arrays
            Of a dict, by the names of inputs. An array that lies on a GPU, such as CuPy's and
            PyTorch's, is used there; targets and weights are copied to the host.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class numbers for cross_entropy.
        sample_weight : array-like of shape (n_samples,), optional
        validation_data : (X, y) or (X, y, sample_weight), or dict of str to such, optional
            Several sets by name, such as `{"clean": (A, a), "noisy": (B, b)}`: each is measured
            behind every epoch, `history.validation_set("noisy")`. What watches validation data
            without naming a set watches the first.
        resume : bool, str or path, or Resumable
            True trains `epochs` epochs more, with optimiser state, learning rate and random numbers
            of the fit before, as the `resumable_` of another trainer does. The path of a
            checkpoint, or what `netts.load` makes of it, goes on with a training that was cut
            short: it ends as if it had not been, with the same weights and history to the last bit
            on the same machine and device.

        Returns
        -------
        History

        Raises
        ------
        DataError, ShapeError
            Where the data cannot be trained on.
        ParameterError
            Where settings do not fit each other or the data.
        DeviceError
            Where `X` lies on another device than the one that was chosen.
        DeviceMemoryError
            Where the device has no room for the fit, even with streamed data.
        Exception
            What a source raises; the weights of the last finished epoch are restored.
        DivergenceError
            Where the loss is no longer finite; the weights of the last good epoch are restored.
        DeviceLostError
            Where the device fails for good: the network has the weights that the host had last, and
            the message says of which epoch. A callback that reads `network.weights()` brings them
            to the host.

        Warns
        -----
        InterruptedFitWarning
            At Ctrl-C; the weights of the last finished epoch are restored.
        """
        resumption = self._resumption(resume)
        resumed = resumption.resumable
        generator = resumed.generator or generator_from(self.random_state)
        arrays = _as_given(self.network.input_names, X, self.device)
        # What a checkpoint is to replace is drawn from elsewhere.
        self._build(arrays, generator if resumption.saved is None else generator_from(0))
        resumption.check_network(self.network)
        X = by_name(self.network.input_names, [*arrays.values()]) if not is_source(X) else X
        words = resumed.words
        if words is None:
            words = generator.integers(0, 2**32, size=3)
        # A session that is used again has this memory for its own.
        resumption = resumption.with_own_memory()
        sets = data_sets(self, X, y, sample_weight, validation_data, words[2])
        check_watched(self, sets.validation)
        self._has_validation = bool(sets.validation)
        purpose, session = open_session(self, sets, words[:2], resumed.device)
        resumption.go_on(self, session)
        go_to(session, resumed.position)
        self.device_, self.device_reason_ = session.plan.device, session.plan.reason
        is_single = self.network.dtype == np.float32
        self.precision_ = session.plan.precision if is_single else self.network.dtype.name
        fit = Fit(self, session, generator, words, resumption)
        try:
            history = fit.run()
            if self.kept_ is not None and not session.has_validation:
                self.kept_.put(purpose, session)
            return history
        finally:
            session.close()
            self.resumable_ = fit.resumable()

    def _resumption(self, resume: Any) -> Resumption:
        """Return what to begin with: what `fit` is told to, or a file of a `Checkpoint`."""
        newest = [
            path
            for one in self.callbacks
            if isinstance(one, Checkpoint) and one.resume and (path := one.newest()) is not None
        ]
        is_free = not isinstance(resume, str | os.PathLike | SavedTraining)
        return resumption_of(self, newest[0] if is_free and newest else resume)

    def _build(
        self,
        arrays: dict[str, np.ndarray | SampleSource | DeviceArray],
        generator: np.random.Generator,
    ) -> None:
        for name, X in arrays.items():
            if len(X.shape) < 2:
                raise ShapeError(
                    f"{name} has a row for each sample, got shape {X.shape}: {name}.reshape(-1, 1) "
                    "makes one feature of it"
                )
            if 0 in X.shape[1:]:
                raise ShapeError(
                    f"{name} has shape {X.shape}: pass samples of at least one feature"
                )
        if not self.network.is_built:
            self.network.build(
                by_name(self.network.input_names, [X.shape[1:] for X in arrays.values()]),
                dtype=dtype_for(*arrays.values()),
                random_state=generator,
            )
        if not self.network.parameters.n_elements:
            raise ParameterError("the network has no parameters to train")

    @property
    def monitor(self) -> str:
        """What tells the best epoch: what early stopping watches, or the loss of validation data.

        That of training data where there are no others.
        """
        rule = rule_of(self)
        if rule is not None:
            return rule.monitor
        return "validation_loss" if self._has_validation else "loss"


def _as_given(names: Sequence[str], X: Any, device: str) -> dict[str, Any]:
    """Return the arrays of each input, or the source of the only one, by what messages say.

    Raises
    ------
    DeviceError
        Where X lies on a GPU, and another device was chosen.
    """
    lying = None if names else device_array(X)
    if lying is not None:
        explain_choice_at(device, lying.device, lying.name)
        return {lying.name: lying}
    if is_source(X):
        check_source(X, "X")
        return {"X": X}
    return {**as_arrays(names, X)}
