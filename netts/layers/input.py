"""Inputs by name: where the branches of a network begin."""

from __future__ import annotations

import keyword
from dataclasses import dataclass

from netts.errors import ParameterError
from netts.layers.base import Layer


@dataclass(frozen=True)
class Input(Layer):
    """What the network is given under a name: begins a list of layers.

    A network that has any is trained on a dictionary, `fit({"age": A, "city": B}, y)`, and predicts
    from one. Several lists may begin with the same input. Nothing runs.

    Parameters
    ----------
    name : str
        An identifier of Python.

    Examples
    --------
    >>> from netts import Network, layers
    >>> network = Network([
    ...     layers.Concatenate([
    ...         [layers.Input("age"), layers.BatchNorm()],
    ...         [layers.Input("city"), layers.Embedding(100, 8), layers.Flatten()],
    ...     ]),
    ...     layers.Dense(2),
    ... ])
    >>> network.build({"age": 1, "city": 1}).shapes[-1]
    (2,)
    """

    name: str

    def __post_init__(self) -> None:
        name = self.name
        if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name):
            raise ParameterError(
                f"the name of an input is an identifier, such as 'image', got {name!r}"
            )

    def passes_through(self, is_training: bool) -> bool:
        """Return True."""
        return True
