"""The parameters and attributes that several estimators have, described once.

A class decorated with `documented` says `$parameters`, `$attributes` and so on in its docstring.
"""

from __future__ import annotations

import string
import textwrap
from typing import TypeVar

T = TypeVar("T", bound=type)


def documented(cls: T) -> T:
    """Put the shared texts into the docstring of a class."""
    if cls.__doc__:  # python -OO leaves none
        cls.__doc__ = string.Template(cls.__doc__).substitute(_SHARED)
    return cls


_ALIKE = {
    "device": """\
device : str, default='auto'
    Where to train and predict: 'cpu', 'cuda' (the first GPU), 'cuda:1', 'reference', or 'auto':
    what is estimated to be faster of the CPU and the first GPU.""",
    "dtype": """\
dtype : {None, 'float32', 'float64'}, default=None
    Of weights and arithmetic. None follows X: float32 stays, all else trains in float64.""",
    "precision": """\
precision : {None, 'float32', 'tf32'}, default=None
    'tf32' allows a GPU to round the factors of large products of float32 to TF32, which is faster;
    elsewhere, and in float64, it changes nothing. `device_choice_` says what was used.""",
    "n_threads": """\
n_threads : int or None, default=None
    How many threads to use at most; None for what numba may use (`numba.set_num_threads`,
    NUMBA_NUM_THREADS).""",
    "device_": """\
device_ : str
    Where the last call trained.""",
    "device_choice_": """\
device_choice_ : DeviceChoice
    That device, why it was chosen, and how many threads it could use: `device`, `reason`,
    `n_threads`; and what products were multiplied in, `precision`.""",
    "history_": """\
history_ : netts.training.History
    The epochs of the last call: losses, scores, learning rates, seconds, and what ended it.""",
}
"""What stands in several of the texts below."""

_SHARED = {
    "parameters": """\
hidden_layer_sizes : int or array-like of int, default=(100,)
    The number of units of each hidden layer; `()` for none.
activation : {'identity', 'logistic', 'tanh', 'relu'} or sequence of them, default='relu'
    Of the hidden layers, or of each of them.
solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
    How the gradient changes the weights. 'lbfgs' looks at all samples at once, an iteration being
    an epoch, and ends by itself: good for small data sets.
alpha : float, default=0.0001
    Strength of the L2 penalty alpha / 2 * sum of squared weights / n_samples, biases excepted.
batch_size : int or 'auto', default='auto'
    Samples of a training step, of which the last in an epoch may have fewer; 'auto' is
    min(200, n_samples).
learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
    How `learning_rate_init` changes: not at all; divided by `(t_ + 1) ** power_t` after each epoch;
    or divided by 5 at each plateau of the training loss (of the validation score, with
    `early_stopping`). For 'sgd' only.
learning_rate_init : float, default=0.001
power_t : float, default=0.5
    For 'invscaling'.
max_iter : int, default=200
    The most epochs, passes over all samples, that a fit takes.
shuffle : bool, default=True
    Whether each epoch has its own random order of the samples.
random_state : int, RandomState instance or None, default=None
    Seeds initial weights, order and validation samples. The numbers are drawn as scikit-learn
    draws them: its MLP, from the same seed, starts with the same weights and sees the same
    batches.
tol : float, default=1e-4
    An epoch is progress if it lowers the training loss, or raises the validation score, by that
    much.
verbose : bool, default=False
    Whether to print loss and score of each epoch.
warm_start : bool, default=False
    Whether `fit` goes on with the weights of the `fit` before.
momentum : float in [0, 1], default=0.9
    For 'sgd'.
nesterovs_momentum : bool, default=True
    For 'sgd'.
early_stopping : bool, default=False
    Whether to hold out validation samples, to watch the score on them instead of the training
    loss, and to keep the weights of the epoch that scores best.
validation_fraction : float in [0, 1), default=0.1
    For `early_stopping`.
beta_1, beta_2 : float in [0, 1), default=0.9 and 0.999
    For 'adam': how much of the means of gradients, and of their squares, each step keeps.
epsilon : float, default=1e-8
    For 'adam': added to the root of the mean of squares.
n_iter_no_change : int or inf, default=10
    Training ends after more epochs in a row than this that are no progress.
max_fun : int, default=15000
    For 'lbfgs': how often it may evaluate the loss.
$device
$dtype
dropout : float in [0, 1), default=0.0
    The probability with which training sets each hidden unit to 0, behind its activation.
callbacks : sequence of netts.training.Callback, default=()
    Code that runs between epochs, such as `netts.training.ProgressBar()`. scikit-learn's own
    callbacks are set by `set_callbacks`.
$precision
batch_norm : bool, default=False
    Whether the inputs of each hidden activation are normalised over the batch: `layers.BatchNorm`
    between weights and activation. Not for 'lbfgs'.
$n_threads""",
    "attributes": """\
loss_ : float
    The training loss of the last epoch, penalty included.
best_loss_ : float or None
    The lowest training loss; None with `early_stopping`.
loss_curve_ : list of float
    The training loss of each epoch, those of earlier calls included where `warm_start` or
    `partial_fit` went on.
validation_scores_ : list of float or None
    The validation score of each epoch; None where neither `early_stopping` nor `X_val` gave
    samples to validate with.
best_validation_score_ : float or None
    The highest validation score; None without `early_stopping`.
t_ : int
    The number of samples trained on, counted again in each epoch.
coefs_ : list of ndarray of shape (fan_in, fan_out)
    The weights of each layer.
intercepts_ : list of ndarray of shape (fan_out,)
    The biases of each layer.
norms_ : list of dict of str to ndarray of shape (units,), or None
    With `batch_norm`, of each hidden layer: 'gamma', 'beta', 'running_mean', 'running_variance'.
n_features_in_ : int
feature_names_in_ : ndarray of shape `(n_features_in_,)`
    Where X has column names that are strings.
n_iter_ : int
    The number of epochs of the last call.
n_layers_ : int
    Input and output included.
n_outputs_ : int
out_activation_ : str
$device_
$device_choice_
$history_""",
    "notes": """\
Sparse X is made dense: what does not fit into memory as a dense array cannot be used. Ctrl-C
during `fit` ends it with an `InterruptedFitWarning` and the weights of the last finished epoch; a
loss that is no longer finite with a `DivergenceError`, likewise; with `early_stopping` it is a
`ConvergenceWarning`, and the weights are those of the best epoch. Pickles, and the
files that `save` writes and `netts.load` reads, hold NumPy arrays and plain values only; plans and
compiled code are made again where they are needed.

Equal settings and seeds give scikit-learn's weights, losses and predictions, but for four things.
With `sample_weight`, the loss of an epoch is the mean over its samples by weight, where
scikit-learn weights each batch by its number of samples; the weights of the network change alike.
A loss that is no longer finite is an error at once. A fit with `warm_start` and `early_stopping`
that finds no better epoch keeps the weights of the best one before. And `predict_log_proba` is
finite where a probability is too small to be told from 0.""",
    "network_parameters": """\
layers : list of Layer, default=(Dense(100, "relu"),)
    Of `netts.layers`, or of your own: what stands before the output.
loss : str or Loss, default='auto'
    A name of `netts.losses.LOSSES`, or one with settings: `Huber(delta=2.0)`.
optimizer : str, Optimizer or Minimizer, default='adam'
    A name of `netts.optimizers.OPTIMIZERS`, or one with settings: `AdamW(weight_decay=0.01)`.
schedule : str or Schedule, default='constant'
    How the learning rate changes: a name of `netts.schedules.SCHEDULES`, or one with settings.
epochs : int, default=100
batch_size : int or None, default=32
    Samples of a training step, of which the last in an epoch may have fewer; None, and a minimiser,
    take all at once.
l1, l2 : float, default=0.0
    Strengths of the penalty (l1 * sum of absolute weights + l2 / 2 * sum of squared weights)
    / n_samples, biases excepted.
clip_value, clip_norm : float or None, default=None
    The largest absolute value of a gradient's element, and the largest norm of a whole gradient.
max_norm : float or None, default=None
    The largest norm of the weights into a unit.
shuffle : bool, default=True
    Whether each epoch has its own random order of the samples.
validation_fraction : float in [0, 1), default=0.0
    How much of the data to hold out, where `fit` gets no `X_val`.
early_stopping : bool, EarlyStopping or None, default=None
    When to end before all epochs; True is `EarlyStopping()`, which watches the validation loss.
callbacks : sequence of netts.training.Callback, default=()
    Code that runs between epochs, such as `netts.training.ProgressBar()`. scikit-learn's own
    callbacks are set by `set_callbacks`.
add_output : bool, default=True
    Whether a dense layer of as many units as y needs is put behind `layers`, and `Flatten` between
    where it is needed. Where not, `layers` end with it.
warm_start : bool, default=False
    Whether `fit` goes on with the weights of the `fit` before.
verbose : bool, default=False
    Whether to print loss and score of each epoch.
random_state : int, RandomState instance or None, default=None
    Seeds initial weights, order, held out samples and dropout.
$device
$dtype
$precision
$n_threads""",
    "network_attributes": """\
network_ : Network
    The layers and what they learned.
loss_ : float
    The training loss of the last epoch, penalty included.
loss_curve_ : list of float
    The training loss of each epoch, those of earlier calls included where `warm_start` or
    `partial_fit` went on.
validation_scores_ : list of float or None
    The validation score of each epoch, accuracy or R^2; None without validation data.
n_features_in_ : int
    The length of the first axis of a sample: the features, or the channels of an image.
feature_names_in_ : ndarray of shape `(n_features_in_,)`
    Where X has column names that are strings.
n_iter_ : int
    The number of epochs of the last call.
n_outputs_ : int
$device_
$device_choice_
$history_""",
    "network_notes": """\
Parameters of layers, loss, optimiser, schedule and early stopping are parameters of the estimator:
`set_params(layers__0__units=64, optimizer__learning_rate=0.01)`, and so they are searched.
Validation data that a pipeline is to transform: `Pipeline(..., transform_input=["X_val"])`.
Ctrl-C during `fit` ends it with an `InterruptedFitWarning` and the weights of the last finished
epoch. Files of `save` hold arrays and plain values, and nothing in them is executed.""",
}
_SHARED = {
    name: textwrap.indent(string.Template(text).substitute(_ALIKE), "    ").lstrip()
    for name, text in _SHARED.items()
}
