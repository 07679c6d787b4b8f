"""A network: layers, the edges between them, and their parameters."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netts.devices.answers import DeviceAnswer, in_kind
from netts.devices.foreign import DeviceArray, device_array
from netts.devices.memory import BufferView
from netts.devices.precision import precision_from
from netts.devices.registry import choose, explain_choice_at
from netts.errors import (
    BrokenModelError,
    DataError,
    NettsError,
    NotBuiltError,
    ParameterError,
)
from netts.hyperparameters import check_whole
from netts.layers.base import Layer, Shape, written
from netts.losses import Loss, loss_from
from netts.network.architecture import from_json, to_json
from netts.network.device_samples import device_samples, refuse_not_finite
from netts.network.exporting import network_graph
from netts.network.importing import exported, matched, naming, wanted_by, weights_from
from netts.network.inference import DeviceInference, Inference
from netts.network.inputs import (
    as_inputs,
    as_shapes,
    by_name,
    check_shape,
    floating,
)
from netts.network.nodes import check_samples, declared_by, shapes_of
from netts.network.parameters import Declared, ParameterSet, as_weights
from netts.network.prediction import Predictor, Way
from netts.network.saved import describe_network, registry
from netts.network.sources import Rows, SampleSource, check_source, is_source
from netts.network.summary import summary_table
from netts.network.wiring import wire
from netts.persistence import save_model
from netts.persistence.onnx_saving import save_onnx
from netts.random_state import RandomState, generator_from

InputShape = int | Iterable[int] | Mapping[str, int | Iterable[int]]


class Network:
    """Layers that follow one another, and, once built, their parameters.

    A layer may have branches, lists of layers side by side: `layers.Residual`,
    `layers.Concatenate`. Branches that begin with `layers.Input(name)` read inputs by name; samples
    are a dictionary then, wherever `X` stands.

    Parameters
    ----------
    layers : iterable of Layer
        Kept as they are; `Dense(16, "relu")` counts as one layer here and becomes two nodes.
    dtype : float32 or float64, optional
        Of parameters and activations. By default it is decided when the network is built: by the
        data in `Trainer.fit`.

    Attributes
    ----------
    layers : tuple of Layer
    nodes : tuple of Node
        The layers with what each reads, each behind all that it reads.
    input_names : tuple of str
        The names of the inputs, in the order of their first use; none where samples are one array.
    input_shape : tuple of int, dict of such tuples by name, or None
        The shape of a sample; None until the network is built.
    shapes : tuple of tuple of int
        The shape of each value, the inputs first, then the output of each node. Built networks
        only, as are `dtype`, `parameters` and `state`.
    parameters, state : ParameterSet
        What the optimiser trains, and what layers keep themselves.

    Examples
    --------
    >>> from netts import Network, layers
    >>> network = Network([layers.Dense(3, "relu"), layers.Dense(2)])
    >>> network.build((4,), random_state=0).predict([[0.0, 0.0, 0.0, 0.0]]).tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, layers: Iterable[Layer], dtype: DTypeLike | None = None) -> None:
        if not isinstance(layers, Iterable):
            raise ParameterError(
                f"a network is a list of layers, got {written(layers)}: write [{written(layers)}]"
            )
        self.layers = tuple(layers)
        self.requested_dtype = None if dtype is None else floating(dtype)
        wiring = wire(self.layers)
        self.nodes, self.input_names = wiring.nodes, wiring.names
        self._n_inputs = wiring.n_inputs
        self.input_shape: Shape | dict[str, Shape] | None = None
        self._predictor = Predictor()

    def __repr__(self) -> str:
        return f"Network({written(list(self.layers))})"

    def build(
        self,
        input_shape: InputShape,
        *,
        dtype: DTypeLike | None = None,
        random_state: RandomState = None,
    ) -> Network:
        """Create the parameters and draw their initial values; again, if they exist.

        Parameters
        ----------
        input_shape : int, tuple of int, or dict of them by the names of inputs
            The shape of a sample, without the batch axis.
        dtype : float32 or float64, optional
            Where the network was made without one; float32 by default.
        random_state : int, Generator or None
            Where the initial values come from.

        Returns
        -------
        Network
            This one.

        Raises
        ------
        ShapeError
            Where a layer's input does not fit it.
        ParameterError
            Where `input_shape` or `dtype` is something else, an input has no shape, or a layer
            declares what is no parameter.
        """
        chosen = self._choose_dtype(dtype)
        generator = generator_from(random_state)
        shapes = self._shapes(input_shape)
        parameters, state = self._declared(shapes)
        self._allocate(shapes, chosen, parameters, state)
        self.parameters.draw(parameters, generator)
        self.state.draw(state, generator)
        return self

    def restore(
        self,
        input_shape: InputShape,
        weights: Mapping[str, Any],
        *,
        dtype: DTypeLike | None = None,
    ) -> Network:
        """Create the parameters and the layer state with values that they had before.

        Parameters
        ----------
        input_shape
            As in `build`.
        weights : mapping of str to array-like
            What `weights()` gave. Nothing is allocated before their shapes are known to fit.
        dtype
            As in `build`.

        Returns
        -------
        Network
            This one.

        Raises
        ------
        ShapeError, ParameterError, DataError
            As `build` and `set_weights` do.
        """
        chosen = self._choose_dtype(dtype)
        shapes = self._shapes(input_shape)
        parameters, state = self._declared(shapes)
        expected = {
            f"{node.label}.{name}": one.shape
            for arrays in (parameters, state)
            for node, piece in zip(self.nodes, arrays, strict=True)
            for name, one in piece.items()
        }
        arrays = as_weights(weights, expected)
        self._allocate(shapes, chosen, parameters, state)
        self.set_weights(arrays)
        return self

    def _choose_dtype(self, dtype: DTypeLike | None) -> np.dtype:
        chosen = floating(np.float32 if dtype is None else dtype)
        return chosen if self.requested_dtype is None else self.requested_dtype

    def output_shape(self, input_shape: InputShape) -> Shape:
        """Return the shape of the output for a sample of a shape, built or not.

        Parameters
        ----------
        input_shape : int, tuple of int, or dict of them by the names of inputs

        Raises
        ------
        ShapeError
            Where a layer's input does not fit it.
        """
        return self._shapes(input_shape)[-1]

    def _shapes(self, input_shape: InputShape) -> tuple[Shape, ...]:
        return shapes_of(self.nodes, as_shapes(self.input_names, input_shape))

    def _declared(self, shapes: tuple[Shape, ...]) -> tuple[Declared, Declared]:
        declared = [declared_by(node, node.shapes(shapes)) for node in self.nodes]
        parameters, state = zip(*declared, strict=True)
        return parameters, state

    def _allocate(
        self, shapes: tuple[Shape, ...], dtype: np.dtype, parameters: Declared, state: Declared
    ) -> None:
        self.parameters = ParameterSet.declare("parameters", parameters, dtype)
        self.state = ParameterSet.declare("layer state", state, dtype)
        self.shapes, self.dtype = shapes, dtype
        self.input_shape = by_name(self.input_names, shapes)
        self._predictor = Predictor()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write layers and weights to a model file, which `netts.load` reads.

        The file is in the safetensors format and holds nothing that is executed. It is written
        beside `path` and renamed, so that at no time there is a part of it.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.

        Raises
        ------
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        UnsavableError
            Where a layer of your own is no dataclass, or holds more than plain values, arrays,
            layers and functions that have a name.
        """
        save_model(path, "network", describe_network(self), registry(), is_open=True)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        loss: str | Loss | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Write what `predict` computes as an ONNX file, for programs that know nothing of netts.

        It is called `input`, or by the names of the inputs, and gives `output`; the number of
        samples is left open. docs/exchange.md says what becomes of layers. It is written beside
        `path` and renamed, so that at no time there is a part of it.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced.
        loss : str or Loss, optional
            As in `predict`: with the loss of a classifier, the file gives probabilities.
        dtype : float32 or float64
            Of inputs, weights and output, whatever the network has. Runtimes know every operator in
            float32; onnxruntime has no convolution, average pooling or erf in float64.

        Raises
        ------
        NotBuiltError
            Where the network has no parameters yet.
        MissingPackageError
            Where the package onnx is not installed.
        UnexportableError
            Where a layer or the loss has no operator.
        ModelFileError
            Where the file cannot be written; what was there is untouched.
        """
        self._require_built()
        chosen = None if loss is None else loss_from(loss)
        save_onnx(path, network_graph(self, chosen, floating(dtype)))

    def to_json(self) -> str:
        """Return the architecture, layers and dtype without weights, as JSON to read and edit.

        Settings at their defaults are left out; lists of layers stand as lists.

        Returns
        -------
        str
            What `Network.from_json` takes.

        Raises
        ------
        UnsavableError
            Where a layer of your own is no dataclass, or holds more than plain values, layers and
            functions that have a name.

        Examples
        --------
        >>> from netts import Network, layers
        >>> network = Network([layers.Residual([layers.Dense(4, "relu")]), layers.Dense(2)])
        >>> print(network.to_json(), end="")
        {
          "netts_network": 1,
          "dtype": null,
          "layers": [
            {"class": "Residual", "layers": [{"class": "Dense", "units": 4, "activation": "relu"}]},
            {"class": "Dense", "units": 2}
          ]
        }
        """
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes, *, custom: Iterable[Any] = ()) -> Network:
        """Return a network of the architecture that a text describes; it has no weights yet.

        Nothing in the text is executed, and no class or function is made or called but netts's own
        and those in `custom`.

        Parameters
        ----------
        text : str or bytes
            As `to_json` gives it, or written by hand.
        custom : iterable of class and function
            Layers, activations and initialisers of your own that the text may name.

        Raises
        ------
        BrokenModelError
            Where it is no architecture, or one that cannot be.
        NewerModelError
            Where a newer netts wrote it in a format that this one does not know.
        UnknownClassError
            Where it names a class or function that is neither netts's nor in `custom`.

        Examples
        --------
        >>> Network.from_json('{"netts_network": 1, "layers": [{"class": "ReLU"}]}')
        Network([ReLU()])
        """
        layers, dtype = from_json(text, custom)
        try:
            return cls(layers, dtype)
        except NettsError as error:
            raise BrokenModelError(f"the network cannot be: {error}") from error

    @property
    def is_built(self) -> bool:
        """Whether the network has parameters."""
        return self.input_shape is not None

    @property
    def n_features(self) -> int:
        """How many numbers a sample has, over all inputs. Built networks only."""
        return sum(map(math.prod, self.shapes[: self._n_inputs]))

    def predict(
        self,
        X: Any,
        *,
        loss: str | Loss | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        precision: str | None = None,
    ) -> Any:
        """Return the network's output for samples.

        Parameters
        ----------
        X : array-like of shape `(n_samples, *input_shape)`, SampleSource, or dict of arrays
            Of a dict, by the names of inputs. A source is read while the samples before are
            computed, and never held as a whole. An array that lies on a GPU, such as CuPy's and
            PyTorch's, is used there.
        loss : str or Loss, optional
            The loss that the network was trained with, to get its predictions: probabilities
            where it is a cross-entropy. By default the raw output of the last layer.
        batch_size : int, optional
            How many samples go through at once; what fits in a few megabytes by default.
        device : str
            "auto", "cpu", "cuda" (the first GPU), "cuda:1", or "reference". "auto" is settled
            by the first chunk: what it takes on either device, with its copies.
        precision : {None, "float32", "tf32"}
            What a GPU may multiply float32 in; see `TaskGraph.compile`.

        Returns
        -------
        ndarray of shape `(n_samples, *output_shape)`, of the network's dtype
            Where `X` lies on a GPU, an array of its library, on that GPU.

        Raises
        ------
        NotBuiltError
            Where the network has no parameters yet.
        ShapeError, DataError
            Where samples have another shape than `input_shape`, or values that are not finite.
        DeviceError
            Where `X` lies on another device than the one that was chosen.
        Exception
            What a source raises.
        """
        self._require_built()
        if batch_size is not None:
            check_whole("batch_size", batch_size, 1)
        chosen = None if loss is None else loss_from(loss)
        precision = precision_from(precision)
        lying = None if self.input_names else device_array(X)
        if lying is not None:
            way = Way(DeviceInference, device, chosen, precision)
            return self._predict_there(lying, way, batch_size)
        rows = self.rows(X) if is_source(X) else self.samples(X)
        way = Way(Inference, choose(device), chosen, precision)
        return self._predictor(self, rows, way, batch_size)

    def _predict_there(self, array: DeviceArray, way: Way, batch_size: int | None) -> Any:
        """Return the output for samples that lie on a GPU, as an array of their own library."""
        device, _ = explain_choice_at(way.device, array.device, array.name)
        matrix = device_samples(self, array)
        answer = DeviceAnswer.beside(matrix, (len(matrix), *self.shapes[-1]))
        way = way._replace(device=device)
        found = self._predictor.on_device(self, matrix, answer, way, batch_size)
        refuse_not_finite(found, array.name, self.dtype)
        return in_kind(answer, array.owner)

    def samples(self, X: Any, name: str = "X") -> np.ndarray:
        """Return samples as a matrix (n_samples, features) of the network's dtype, checked.

        Its columns are those of one input after the other. The memory is that of `X` where there is
        one input and nothing has to change.

        Raises
        ------
        ShapeError, DataError
            As in `predict`, or where a layer cannot take the values.
        """
        inputs = as_inputs(self.input_names, X, self.shapes, self.dtype, name)
        parts = list(inputs.values())
        check_samples(self.nodes, self._n_inputs, parts, list(inputs))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def rows(self, source: SampleSource, name: str = "X") -> Rows:
        """Return the samples of a source as rows of the network's dtype, checked when read.

        Raises
        ------
        ShapeError, DataError, ParameterError
            Where it has samples of another shape, or does not say what it holds.
        """
        check_source(source, name)
        if self._n_inputs > 1:
            raise DataError(
                f"{name} is a source, whose samples are one array each, but the network has "
                f"{self._n_inputs} inputs: pass a dictionary of arrays"
            )
        check_shape(source.shape, self.shapes[0], name)

        def check(rows: np.ndarray, called: str) -> None:
            check_samples(self.nodes, self._n_inputs, [rows], [called])

        return Rows(source, self.dtype, check, name)

    def _require_built(self) -> None:
        if not self.is_built:
            raise NotBuiltError(
                "the network has no parameters yet: train it, or call network.build(input_shape), "
                "as in network.build(4) for samples of 4 features"
            )

    def weights(self, layout: str = "netts") -> dict[str, np.ndarray]:
        """Return copies of all parameters and layer state, such as `{"0.weight": ..., ...}`.

        Parameters
        ----------
        layout : {"netts", "torch"}
            Whose names and axes they have. Labels of layers are netts's in any case.
        """
        found = {name: view.read().copy() for name, view in self._named().items()}
        return found if layout == "netts" else exported(wanted_by(self.nodes, found, layout), found)

    def load_weights(
        self,
        source: str | os.PathLike[str] | Mapping[str, Any],
        *,
        mapping: Mapping[str, str] | None = None,
        layout: str = "torch",
    ) -> Network:
        """Take weights that another program trained, such as a state dict of PyTorch.

        Layers take the modules of their kind and shapes in order, whatever these are called. What
        PyTorch has otherwise is brought in order: the weight of a linear layer is transposed,
        `running_var` is `running_variance`, and so on. Numbers of any floating dtype are rounded to
        the network's. docs/exchange.md says more.

        Parameters
        ----------
        source : str, path or mapping of str to array-like
            A safetensors or NPZ file, or arrays by name. Files of `torch.save` are pickles, which
            are never opened.
        mapping : mapping of str to str, optional
            Which module is whose: `{"0": "features.0", "4": "classifier.1"}`, from the names of
            layers (as `summary` has them), or of single arrays. Only these are taken then, and all
            else stays.
        layout : {"torch", "netts"}
            Whose names and axes the arrays have.

        Returns
        -------
        Network
            This one.

        Raises
        ------
        NotBuiltError
            Where the network has no parameters yet.
        DataFileNotFoundError, DataFileError, DataError
            Where a file cannot be read, is damaged or too large.
        WeightsError
            Where it is of another format, or something does not fit; all of that is named. Nothing
            has changed then.
        """
        weights = self.weights()
        wanted = wanted_by(self.nodes, weights, layout)
        arrays, is_ordered = weights_from(source)
        with naming(source):
            found = matched(wanted, arrays, mapping, self.dtype, is_ordered=is_ordered)
        self.set_weights(weights | found)
        return self

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Overwrite parameters and layer state with arrays named and shaped as in `weights()`.

        Raises
        ------
        ParameterError
            Where a name is missing or unknown; nothing has changed then.
        ShapeError, DataError
            Where a shape differs, or values are no numbers; nothing has changed then.
        """
        named = self._named()
        arrays = as_weights(weights, {name: view.shape for name, view in named.items()})
        for name, array in arrays.items():
            named[name].array[...] = array

    def _named(self) -> dict[str, BufferView]:
        self._require_built()
        return {
            f"{node.label}.{name}": view
            for arrays in (self.parameters, self.state)
            for node, piece in zip(self.nodes, arrays.pieces, strict=True)
            for name, view in piece.items()
        }

    def summary(self, input_shape: InputShape | None = None) -> str:
        """Return a table of the layers: what they are, the shapes they give, their parameters.

        Parameters
        ----------
        input_shape : int, tuple of int, or dict of them by the names of inputs, optional
            The shape of a sample, needed before the network is built.
        """
        if input_shape is None:
            self._require_built()
            return summary_table(self, self.shapes)
        return summary_table(self, self._shapes(input_shape))

    def __getstate__(self) -> dict[str, Any]:
        """Return layers and NumPy arrays: no plan, buffer or device goes into a pickle."""
        state: dict[str, Any] = {"layers": self.layers, "requested_dtype": self.requested_dtype}
        if self.is_built:
            state |= {"input_shape": self.input_shape, "dtype": self.dtype}
            state |= {"weights": self.weights()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["layers"], state["requested_dtype"])  # type: ignore[misc]
        if "weights" in state:
            self.restore(state["input_shape"], state["weights"], dtype=state["dtype"])
