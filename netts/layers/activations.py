"""The registry of activations: every name that stands for one."""

from __future__ import annotations

from dataclasses import dataclass

from netts.choices import choose_or_take
from netts.layers.base import LAYER_METHODS, Layer
from netts.layers.rectifiers import ELU, LeakyReLU, ReLU
from netts.layers.sigmoids import GELU, Sigmoid, Swish, Tanh
from netts.layers.softmax import Softmax


@dataclass(frozen=True)
class Identity(Layer):
    """x itself; nothing runs."""

    def passes_through(self, is_training: bool) -> bool:
        """Return True."""
        return True


ACTIVATIONS: dict[str, Layer] = {
    "identity": Identity(),
    "relu": ReLU(),
    "leaky_relu": LeakyReLU(),
    "elu": ELU(),
    "gelu": GELU(),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "swish": Swish(),
    "softmax": Softmax(),
}


@dataclass(frozen=True)
class Activation(Layer):
    """The activation of a name of `ACTIVATIONS`: `Activation("relu")` is `ReLU()`."""

    name: str

    def __post_init__(self) -> None:
        activation_from(self.name)

    def expand(self) -> tuple[Layer, ...]:
        """Return the layer that the name stands for."""
        return (activation_from(self.name),)


def activation_from(activation: str | Layer) -> Layer:
    """Return an activation by name, or the layer that is passed.

    Raises
    ------
    ParameterError
        Where no activation has that name, or it is no layer.
    """
    return choose_or_take("activation", activation, ACTIVATIONS, LAYER_METHODS)
