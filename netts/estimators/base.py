"""What all estimators do: check data, train, keep what was learned, predict, and be saved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from netts.compiler.threads import at_most
from netts.devices.foreign import DeviceArray, device_array
from netts.devices.registry import explain_choice, explain_choice_at
from netts.errors import DataError, DivergenceError, NettsError, ParameterError
from netts.estimators.choice import device_choice
from netts.estimators.exporting import Exportable
from netts.estimators.fit_tasks import CallbackSupportMixin, begin_fit_task
from netts.estimators.keeping import Keeping, unchanged_where_refused
from netts.estimators.kinds import answered, check_answerable, check_form, host_values, stand_in
from netts.graph.drawing import Drawing
from netts.graph.profile import Profile
from netts.losses import Loss
from netts.network import Network
from netts.training import Callback, Trainer

FLOATS = (np.float64, np.float32)
"""What networks compute in, the default first."""

PLAIN = (str, int, float, bool, NoneType)
"""Types of parameters that can be compared, and keep nothing else alive."""


class Rows(NamedTuple):
    """Samples, their targets as a matrix, and their weights or None."""

    X: np.ndarray | DeviceArray
    y: np.ndarray
    weights: np.ndarray | None

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the samples, copied."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], self.y[rows], weights)


def _checked_weights(weights: Any, X: Any, name: str) -> np.ndarray | None:
    """Return weights of samples, checked by scikit-learn, on the host; None without."""
    if weights is None:
        return None
    shown = stand_in(X) if isinstance(X, DeviceArray) else X
    return _check_sample_weight(host_values(weights, name), shown)


@lru_cache(maxsize=64)
def _read_once(names: Callable[[], list[str]]) -> list[str]:
    """Return what a method of a class gives, which is the same each time."""
    return names()


def _is_plain_parameter(value: Any) -> bool:
    if type(value) is tuple:
        return all(isinstance(one, PLAIN) for one in value)
    return isinstance(value, PLAIN)


@lru_cache(maxsize=256)
def _validate(
    estimator: type[NetworkEstimator],
    names: tuple[str, ...],
    values: tuple[Any, ...],
    types: tuple[type, ...],  # besides: 1 and True are equal
) -> None:
    """Raise where parameters cannot be; what was raised for some is raised anew."""
    constraints = estimator._parameter_constraints
    given = dict(zip(names, values, strict=True))
    validate_parameter_constraints(constraints, given, caller_name=estimator.__name__)


def _is_plain_target(y: Any, n_samples: int) -> bool:
    """Whether scikit-learn's checks of targets would change nothing."""
    return (
        type(y) is np.ndarray
        and y.ndim == 1
        and len(y) == n_samples
        and (y.dtype.kind in "biu" or (y.dtype.kind == "f" and bool(np.isfinite(y).all())))
    )


class NetworkEstimator(Keeping, Exportable, CallbackSupportMixin, BaseEstimator):
    """An estimator over a network: of any architecture and any task."""

    file_kind: ClassVar[str]
    """What a model file says that it holds."""
    _takes_images: ClassVar[bool] = False
    """Whether samples may have more axes than one."""

    device: str
    dtype: DTypeLike | None
    precision: str | None
    n_threads: int | None
    n_features_in_: int
    warm_start: bool
    random_state: Any

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return what scikit-learn reads from the signature, at each fit and copy anew."""
        return [*_read_once(super()._get_param_names)]

    def _validate_params(self) -> None:
        """Check parameters as scikit-learn does, unless it has found the same ones good before."""
        given = self.get_params(deep=False)
        if all(map(_is_plain_parameter, given.values())):
            values = tuple(given.values())
            _validate(type(self), tuple(given), values, tuple(map(type, values)))
        else:
            super()._validate_params()

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Train on data, from new weights unless `warm_start` is set.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Images, (n_samples, channels, height, width), and the like for `NetworkClassifier` and
            `NetworkRegressor`. An array that lies on a GPU, such as CuPy's and PyTorch's, is used
            there; `y` and weights are copied to the host.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or an indicator matrix of several labels for each sample; quantities for
            a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : as X and y, default=None
            Samples to validate with after each epoch, in place of those that would be held out of
            X. What is measured is in `history_` and `validation_scores_`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        DataError
            Where the validation data do not fit those to train on.
        DivergenceError
            Where the loss is no longer finite.
        """
        return self._train(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @abstractmethod
    def _check_parameters(self, is_partial: bool) -> None:
        """Raise where parameters cannot be, or not together."""

    @abstractmethod
    def _check_data(self, X: Any, y: Any, is_partial: bool, starts: bool) -> tuple[Any, Any]:
        """Return X, and targets of shape (n_samples,) or (n_samples, n_outputs)."""

    @abstractmethod
    def _check_validation_targets(self, y: Any) -> np.ndarray:
        """Return the targets of validation data as `_check_data` does."""

    @abstractmethod
    def _loss_function(self) -> Loss:
        """Return the loss to train with."""

    @abstractmethod
    def _loss_targets(self, y: np.ndarray) -> np.ndarray:
        """Return targets as that loss takes them, from a matrix of them."""

    @abstractmethod
    def _is_started(self) -> bool:
        """Whether there are weights to go on with."""

    @abstractmethod
    def _start(self, data: Rows, random_state: np.random.RandomState) -> None:
        """Begin with new weights and nothing learned."""

    @abstractmethod
    def _check_same_network(self, data: Rows) -> None:
        """Raise where data or parameters ask for another network than the one to go on with."""

    @abstractmethod
    def _learned_dtype(self) -> np.dtype:
        """Return what a fit that goes on computes in."""

    @abstractmethod
    def _network(self) -> Network:
        """Return the network with what was learned."""

    @abstractmethod
    def _run(
        self,
        training: Rows,
        validation: Rows | None,
        random_state: np.random.RandomState,
        watching: Sequence[Callback],
        is_partial: bool,
    ) -> None:
        """Train the network on data; keep what was learned, whatever ends it.

        `watching` is told of epochs, besides the callbacks of the user.
        """

    @abstractmethod
    def _most_epochs(self, is_partial: bool) -> int:
        """Return how many epochs a fit may begin."""

    def _class_weights(self, y: Any, is_partial: bool) -> np.ndarray | None:
        """Return a weight for each sample by its class; None where there is no such thing."""
        return None

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any] = (None, None, None),
        *,
        is_partial: bool = False,
    ) -> Any:
        """Train for one epoch, or to the end."""
        self._check_parameters(is_partial)
        lying = device_array(X)
        if lying is None:
            choice = explain_choice(self.device)
        else:
            choice = explain_choice_at(self.device, lying.device, lying.name)
        starts = not (self._is_started() and (self.warm_start or is_partial))
        with unchanged_where_refused(self):
            training = self._training_rows(X, y, sample_weight, is_partial, starts)
            held = self._validation_rows(*validation)
            if not starts:
                self._check_same_network(training)
            random_state = check_random_state(self.random_state)
            task = begin_fit_task(
                self,
                "partial_fit" if is_partial else "fit",
                self._most_epochs(is_partial),
                (X, y, sample_weight),
                self._learned_so_far,
            )
        if starts:
            self._start(training, random_state)
        with at_most(self.n_threads):
            self.device_choice_ = device_choice(*choice)
            self.device_ = self.device_choice_.device
            self._run(training, held, random_state, [] if task is None else [task], is_partial)
        if task is not None:
            task.end()
        return self

    def _training_rows(
        self, X: Any, y: Any, sample_weight: Any, is_partial: bool, starts: bool
    ) -> Rows:
        """Return what to train on, checked; learn the number of features, and the labels."""
        labels = y = host_values(y, "y")
        X, y = self._check_data(X, y, is_partial, starts)
        X = X.toarray() if issparse(X) else X
        weights = _checked_weights(sample_weight, X, "sample_weight")
        by_class = self._class_weights(labels, is_partial)
        if by_class is not None:
            weights = by_class if weights is None else weights * by_class
        return Rows(X, y.reshape(len(y), -1), weights)

    def _validation_rows(self, X: Any, y: Any, weights: Any) -> Rows | None:
        """Return the validation data that `fit` was given, checked; None where there are none."""
        if X is None and y is None and weights is None:
            return None
        if X is None or y is None:
            lacking = "X_val" if X is None else "y_val"
            raise ParameterError(f"validation data are X_val and y_val: pass {lacking} too")
        try:
            X = self._check_inputs(X)
            targets = self._check_validation_targets(host_values(y, "y_val"))
            if len(targets) != len(X):
                raise DataError(f"y_val has {len(targets)} targets for {len(X)} samples")
            weights = _checked_weights(weights, X, "sample_weight_val")
        except NettsError:
            raise
        except ValueError as error:
            raise DataError(f"X_val, y_val or sample_weight_val cannot be used: {error}") from error
        return Rows(X, targets.reshape(len(X), -1), weights)

    def _input_dtypes(self, starts: bool) -> list[DTypeLike]:
        """Return what X may be; anything else becomes the first."""
        if not starts:
            return [self._learned_dtype()]
        if self.dtype is None:
            return list(FLOATS)
        for dtype in FLOATS:
            if self.dtype in (dtype, np.dtype(dtype), np.dtype(dtype).name):
                return [dtype]
        raise ParameterError(f"dtype is None, 'float32' or 'float64', got {self.dtype!r}")

    def _checks(self) -> dict[str, Any]:
        """Return how scikit-learn is to check X."""
        return {"accept_sparse": ["csr", "csc"], "allow_nd": self._takes_images}

    def _validated(self, X: Any, *targets: Any, dtype: list[DTypeLike], **how: Any) -> Any:
        """Return X, or X and targets, checked by scikit-learn.

        Of samples on a GPU scikit-learn is shown the form; the network checks the values there.
        """
        if self._is_plain_data(X, targets, dtype, how["reset"]):
            self.n_features_in_ = X.shape[1]
            return (X, *targets) if targets else X
        lying = device_array(X)
        if lying is None:
            X = host_values(X, "X")
            return validate_data(self, X, *targets, **self._checks(), dtype=dtype, **how)
        check_form(lying, takes_images=self._takes_images)
        shown = stand_in(lying)
        found = validate_data(
            self, shown, *targets, **self._checks(), dtype=None, ensure_all_finite=False, **how
        )
        X = lying if lying.dtype in dtype else lying.astype(dtype[0])
        return (X, found[1]) if targets else X

    def _check_inputs(self, X: Any) -> Any:
        """Return samples as what was trained on had them."""
        if self._is_plain(X):
            return X
        X = self._validated(X, dtype=list(FLOATS), reset=False)
        return X.toarray() if issparse(X) else X

    def _samples(self, X: Any) -> Any:
        """Return samples to predict for, of which there can be an answer in kind."""
        if self._is_plain(X):
            return X
        check_answerable(X)
        return self._check_inputs(X)

    def _is_plain(self, X: Any) -> bool:
        """Whether scikit-learn's checks, which take longer than a row, would change nothing."""
        return self._is_plain_data(X, (), list(FLOATS), is_first=False)

    def _is_plain_data(
        self, X: Any, targets: tuple[Any, ...], dtype: list[DTypeLike], is_first: bool
    ) -> bool:
        """Whether they would change nothing but the number of features, where X is the first."""
        return (
            type(X) is np.ndarray
            and X.dtype in dtype
            and X.ndim == 2
            and (X.shape[1] > 0 if is_first else X.shape[1] == self.n_features_in_)
            and len(X) > 0
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
            and all(_is_plain_target(y, len(X)) for y in targets)
        )

    def _fit_by(self, trainer: Trainer, *data: Any, **how: Any) -> None:
        """Call `trainer.fit`, and say of divergence what scikit-learn says first."""
        try:
            trainer.fit(*data, **how)
        except DivergenceError as error:
            raise DivergenceError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                f"values and need to be preprocessed. In netts's words: {error}"
            ) from error

    def _arrays(self, data: Rows) -> tuple[Any, np.ndarray, np.ndarray | None]:
        return data.X, self._loss_targets(data.y), data.weights

    def _outputs(self, X: Any, *, is_raw: bool = False) -> Any:
        """Return the outputs for samples, before what the loss makes of them where `is_raw`."""
        if not self._is_started():
            check_is_fitted(self)
        samples = self._samples(X)
        loss = None if is_raw else self._loss_function()
        with at_most(self.n_threads):
            outputs = self._network().predict(
                samples, loss=loss, device=self.device, precision=self.precision
            )
        return answered(outputs, X)

    def explain(self) -> str:
        """Return where the last fit ran and why, how it ended, and the layers, as text.

        Returns
        -------
        str

        Raises
        ------
        NotFittedError
            Where it has not been trained.
        """
        check_is_fitted(self)
        choice = self.device_choice_
        threads = f"{choice.n_threads} thread{'s' * (choice.n_threads != 1)}"
        lines = [f"trained on {choice.device} ({choice.reason}), {threads}"]
        lines[0] += f", in {choice.precision}" * (choice.precision is not None)
        history = getattr(self, "history_", None)
        if history is not None:
            lines.append(f"{len(history)} epochs, ended by {history.stopped_by}")
        return "\n".join([*lines, self._network().summary()])

    @property
    def profile_(self) -> Profile:
        """What training steps of the last fit spent their time on, by `callbacks=[StepProfile()]`.

        Raises
        ------
        AttributeError
            Where no callback has measured it.
        """
        return self._watched("profile_", "StepProfile")

    @property
    def drawing_(self) -> Drawing:
        """What a training step of the last fit does, drawn by `callbacks=[StepDrawing()]`.

        Raises
        ------
        AttributeError
            Where no callback has drawn it.
        """
        return self._watched("drawing_", "StepDrawing")

    def _watched(self, name: str, callback: str) -> Any:
        """Return what a callback has kept under a name."""
        for one in getattr(self, "callbacks", ()):
            if getattr(one, name, None) is not None:
                return getattr(one, name)
        raise AttributeError(
            f"{name} is there behind a fit with callbacks=[netts.training.{callback}()]"
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = self._takes_images
        return tags
