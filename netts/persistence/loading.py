"""Load a model: read the file, and let the module that knows its kind make it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from typing import Any

from netts import __version__
from netts.choices import choose
from netts.errors import BrokenModelError, ModelKindError, ParameterError
from netts.persistence.container import ModelFile, from_bytes
from netts.persistence.decoding import decode
from netts.persistence.files import read_file
from netts.persistence.forms import Registry
from netts.persistence.places import brief

LOADERS = {
    "network": "netts.network.saving",
    "mlp_classifier": "netts.estimators.saving",
    "mlp_regressor": "netts.estimators.saving",
    "network_classifier": "netts.estimators.network_saving",
    "network_regressor": "netts.estimators.network_saving",
    "table_model": "netts.estimators.table_model",
    "image_model": "netts.estimators.image_model",
    "checkpoint": "netts.training.checkpointing",
}
"""Kinds of models, and the module whose `from_model_file(model_file, custom)` makes them.

Modules are imported when a file needs them, so that a network loads without scikit-learn.
"""


def load(
    path: str | os.PathLike[str], *, kind: str | None = None, custom: Iterable[Any] = ()
) -> Any:
    """Load a model that `network.save` or `estimator.save` wrote.

    A model file holds arrays and plain values. Nothing in it is executed, and no class or function
    is made or called but netts's own and those in `custom`.

    Parameters
    ----------
    path : str or path
    kind : str, optional
        What the file must hold: "network", "mlp_classifier", "mlp_regressor", "network_classifier",
        "network_regressor", "table_model", "image_model" or "checkpoint".
    custom : iterable of class and function
        Layers, activations and initialisers of your own that the file may name.

    Returns
    -------
    Network, MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor, TableModel,
    ImageModel or SavedTraining
        As it was saved: it predicts the same, to the last bit, and trains on from there. What is
        made of a checkpoint, `Trainer.fit` takes as `resume`.

    Raises
    ------
    ModelFileNotFoundError, ModelFileError
        Where there is no such file, or it cannot be read.
    NewerModelError
        Where a newer netts wrote it in a format that this one does not know.
    BrokenModelError
        Where it is no model file, or one that is damaged.
    ModelKindError
        Where it holds a model of another kind.
    UnknownClassError
        Where it names a class or function that is neither netts's nor in `custom`.

    Examples
    --------
    >>> import netts, tempfile, pathlib
    >>> network = netts.Network([netts.layers.Dense(2)]).build(3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory) / "model.netts"
    ...     network.save(path)
    ...     netts.load(path)
    Network([Dense(units=2)])
    """
    model_file = read_model_file(path)
    require_kind(model_file, *([kind] if kind is not None else LOADERS), path=path)
    module = importlib.import_module(LOADERS[model_file.kind])
    try:
        return module.from_model_file(model_file, custom)
    except BrokenModelError as error:
        raise type(error)(f"{path}: {brief(error)}") from error


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check it, but make no model of it.

    Raises
    ------
    ModelFileNotFoundError, ModelFileError, NewerModelError, BrokenModelError
        As `load` does.
    """
    content = read_file(path)
    try:
        return from_bytes(content)
    except BrokenModelError as error:
        raise type(error)(f"{path} {brief(error)}") from error


def require_kind(
    model_file: ModelFile, *kinds: str, path: str | os.PathLike[str] = "the file"
) -> None:
    """Raise unless a file holds a model of one of these kinds.

    Raises
    ------
    ModelKindError
    ParameterError
        Where there is no kind of that name.
    """
    for kind in kinds:
        choose("kind of model", kind, LOADERS)
    if model_file.kind in kinds:
        return
    needed = " or ".join(kinds)
    if model_file.kind in LOADERS:
        raise ModelKindError(f"{path} holds a {model_file.kind}, but a {needed} is needed")
    version = model_file.versions.get("netts", "?")
    raise ModelKindError(
        f"{path} holds a {model_file.kind[:100]!r}, of which netts {__version__} knows nothing; "
        f"netts {version[:100]} wrote it"
    )


def decode_model(
    model_file: ModelFile, expected: Any, registry: Registry, custom: Iterable[Any] = ()
) -> Any:
    """Return what a file describes, with classes and functions of the user's own besides netts's.

    Raises
    ------
    BrokenModelError, UnknownClassError
        As `netts.persistence.decoding.decode` does.
    ParameterError
        Where something in `custom` is no class or function, or has a name that netts uses.
    """
    return decode(
        model_file.content, model_file.arrays, {**registry, **_named(custom, registry)}, expected
    )


def _named(custom: Iterable[Any], registry: Registry) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for thing in [custom] if callable(custom) else custom:
        name = getattr(thing, "__name__", None)
        if not (callable(thing) and isinstance(name, str)):
            raise ParameterError(f"custom is a list of classes and functions, got {thing!r} in it")
        if registry.get(name, thing) is not thing:
            raise ParameterError(f"custom has {thing!r}, but netts has a {name} too: rename it")
        found[name] = thing
    return found
