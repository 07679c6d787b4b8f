"""A network with what pictures go through before it, and the names of its classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from netts.data.image_options import HIGHEST_PIXEL, ImageOptions, default_threads
from netts.errors import BrokenModelError, NotBuiltError, ParameterError, ShapeError
from netts.estimators.exporting import add_labels
from netts.losses import CrossEntropy
from netts.network import Network
from netts.network.exporting import add_network
from netts.network.inputs import floating
from netts.network.saved import SavedNetwork, describe_network, registry
from netts.network.saving import network_from
from netts.persistence import ModelFile, decode_model, save_model
from netts.persistence.onnx_graph import TEXT, OnnxGraph, Operators
from netts.persistence.onnx_saving import save_onnx

if TYPE_CHECKING:
    from netts.data.images import ImageSet


@dataclass(frozen=True)
class SavedImageModel:
    """An image model as plain values and arrays."""

    network: SavedNetwork
    options: ImageOptions
    class_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ImageModel:
    """Predict the class of pictures in files, by name: a trained network that knows its options.

    Parameters
    ----------
    network : Network
        Trained with a cross-entropy, one output for each class.
    options : ImageOptions
        Of the images that it was trained on.
    class_names : tuple of str
        Of these images, in their order.

    Examples
    --------
    After `Trainer(network, ...).fit(images, images.targets)`::

        model = ImageModel(network, images.options, images.class_names)
        model.save("pets.netts")
        netts.load("pets.netts").predict(["cat.jpg", "dog.jpg"])
    """

    network: Network
    options: ImageOptions
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.network.is_built:
            raise NotBuiltError("the network has no parameters yet: train it first")
        shape, n_outputs = self.network.input_shape, self.network.shapes[-1]
        if not isinstance(shape, tuple) or len(shape) != 3:
            raise ShapeError(f"the network takes samples of shape {shape}, which are no images")
        sides = self.options.sides or shape[1:]
        if shape != (self.options.n_channels, *sides):
            raise ShapeError(
                f"the network takes samples of shape {shape}, and the images have shape "
                f"{(self.options.n_channels, *sides)}"
            )
        if n_outputs != (len(self.class_names),) or len(self.class_names) < 2:
            raise ParameterError(
                f"{len(self.class_names)} class names cannot stand for outputs of shape {n_outputs}"
            )

    def predict(
        self, images: ImageSet | Iterable[str | os.PathLike[str]], *, device: str = "auto"
    ) -> np.ndarray:
        """Return the name of the most probable class of each picture.

        Parameters
        ----------
        images : ImageSet, or paths of pictures
            They go through the model's own options.
        device : str

        Returns
        -------
        ndarray of str, shape (n_images,)

        Raises
        ------
        ImageFileError, DataFileError
            Where a picture cannot be read; the message names it.
        """
        probabilities = self.predict_proba(images, device=device)
        return np.array(self.class_names)[probabilities.argmax(axis=1)]

    def predict_proba(
        self, images: ImageSet | Iterable[str | os.PathLike[str]], *, device: str = "auto"
    ) -> np.ndarray:
        """Return the probability of each class, in the order of `class_names`.

        Parameters
        ----------
        images, device
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_images, n_classes)
        """
        return self.network.predict(self._source(images), loss="cross_entropy", device=device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, which `netts.load` reads; in place of the one that may be there.

        Raises
        ------
        ModelFileError, UnsavableError
            As `Network.save`.
        """
        saved = SavedImageModel(describe_network(self.network), self.options, self.class_names)
        save_model(path, "image_model", saved, _registry(), is_open=True)

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> None:
        """Write what becomes of pixels as an ONNX file, for programs without netts.

        It takes `images`, uint8 of shape (n_images, channels, height, width): pictures decoded and
        brought to the size and the channels of `options`, for which ONNX has no operator that gives
        the same. It scales them and gives `label`, the name of the most probable class, and
        `probabilities`.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.
        dtype : float32 or float64
            What the network computes in.

        Raises
        ------
        MissingPackageError, UnexportableError, ModelFileError
            As `Network.to_onnx`.
        """
        graph, chosen = OnnxGraph(), floating(dtype)
        at = Operators(graph, "pixels", chosen)
        shape = self.network.shapes[0]
        pixels = graph.input("images", np.uint8, shape, "decoded pictures, 0 to 255")
        value = at.add("Div", at.cast(pixels, chosen), at.number(HIGHEST_PIXEL))
        for operator, statistic in [("Sub", self.options.mean), ("Div", self.options.std)]:
            by_channel = np.broadcast_to(np.asarray(statistic, np.float64), shape[:1])
            value = at.add(operator, value, by_channel[:, None, None])
        value = add_network(graph, self.network, (value,), CrossEntropy(), chosen)
        add_labels(graph, np.array(self.class_names, TEXT), value, chosen)
        save_onnx(path, graph)

    def _source(self, images: ImageSet | Iterable[str | os.PathLike[str]]) -> ImageSet:
        from netts.data.images import ImageSet  # noqa: PLC0415 - a model loads without Pillow

        shape = self.network.input_shape
        assert isinstance(shape, tuple)
        channels, height, width = shape
        if not isinstance(images, ImageSet):
            paths = tuple(Path(one) for one in images)
            images = ImageSet(
                paths=paths,
                targets=np.zeros(len(paths), np.int64),
                class_names=self.class_names,
                options=self.options,
                sample_shape=(channels, height, width),
                skipped=(),
                n_threads=default_threads(),
            )
        return replace(images, options=self.options, sample_shape=(channels, height, width))


def from_model_file(model_file: ModelFile, custom: Iterable[object] = ()) -> ImageModel:
    """Return the image model of a model file.

    Raises
    ------
    BrokenModelError, UnknownClassError
        Where the file contradicts itself, or names what netts does not have.
    """
    saved: SavedImageModel = decode_model(model_file, SavedImageModel, _registry(), custom)
    try:
        return ImageModel(network_from(saved.network), saved.options, saved.class_names)
    except (NotBuiltError, ShapeError, ParameterError) as error:
        raise BrokenModelError(f"the image model cannot be: {error}") from error


def _registry() -> dict[str, object]:
    ours = {one.__name__: one for one in (SavedImageModel, ImageOptions)}
    return {**registry(), **ours}
