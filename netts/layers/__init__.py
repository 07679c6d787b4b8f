"""Layers: one file per family, kernels first, then the class that calls them.

Families that a network of dense layers does without are loaded when used: decorating the kernels of
one takes 5 to 15 ms.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netts.layers.activations import ACTIVATIONS, Activation, Identity
from netts.layers.base import Layer, LayerBuffers, Parameter, RandomCounters
from netts.layers.dense import Dense
from netts.layers.dropout import Dropout
from netts.layers.rectifiers import ELU, LeakyReLU, ReLU
from netts.layers.sigmoids import GELU, Sigmoid, Swish, Tanh
from netts.layers.softmax import Softmax

if TYPE_CHECKING:
    from netts.layers.augmentation import RandomCrop, RandomFlip, RandomShift
    from netts.layers.conv import Conv1D, Conv2D
    from netts.layers.embedding import Embedding
    from netts.layers.flatten import Flatten
    from netts.layers.global_pooling import (
        GlobalAveragePool1D,
        GlobalAveragePool2D,
        GlobalMaxPool1D,
        GlobalMaxPool2D,
    )
    from netts.layers.input import Input
    from netts.layers.intensity import GaussianNoise, RandomBrightness
    from netts.layers.merging import Add, Concatenate, Multiply
    from netts.layers.norms import BatchNorm, LayerNorm
    from netts.layers.pooling import AveragePool1D, AveragePool2D, MaxPool1D, MaxPool2D
    from netts.layers.residual import Residual
    from netts.layers.rotation import RandomRotation

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "Activation",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool1D",
    "GlobalAveragePool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GaussianNoise",
    "Identity",
    "Input",
    "Layer",
    "LayerBuffers",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "Multiply",
    "Parameter",
    "RandomBrightness",
    "RandomCounters",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "ReLU",
    "Residual",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
]

_HOMES = {
    "Add": "merging",
    "AveragePool1D": "pooling",
    "AveragePool2D": "pooling",
    "BatchNorm": "norms",
    "Concatenate": "merging",
    "Conv1D": "conv",
    "Conv2D": "conv",
    "Embedding": "embedding",
    "Flatten": "flatten",
    "GaussianNoise": "intensity",
    "GlobalAveragePool1D": "global_pooling",
    "GlobalAveragePool2D": "global_pooling",
    "GlobalMaxPool1D": "global_pooling",
    "GlobalMaxPool2D": "global_pooling",
    "Input": "input",
    "LayerNorm": "norms",
    "MaxPool1D": "pooling",
    "MaxPool2D": "pooling",
    "Multiply": "merging",
    "RandomBrightness": "intensity",
    "RandomCrop": "augmentation",
    "RandomFlip": "augmentation",
    "RandomRotation": "rotation",
    "RandomShift": "augmentation",
    "Residual": "residual",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
