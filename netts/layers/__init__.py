"""Layers: one file per family, kernels first, then the class that calls them.

Families that a network of dense layers does without are loaded when used: decorating the kernels of
one takes 5 to 15 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.layers.activations import ACTIVATIONS, Activation, Identity
from netts.layers.base import Layer, LayerBuffers, Parameter, RandomCounters
from netts.layers.dense import Dense
from netts.layers.dropout import Dropout
from netts.layers.rectifiers import ELU, LeakyReLU, ReLU
from netts.layers.sigmoids import GELU, Sigmoid, Swish, Tanh
from netts.layers.softmax import Softmax
from netts.lazy import lazy_names

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
    "netts.layers.augmentation": ("RandomCrop", "RandomFlip", "RandomShift"),
    "netts.layers.conv": ("Conv1D", "Conv2D"),
    "netts.layers.embedding": ("Embedding",),
    "netts.layers.flatten": ("Flatten",),
    "netts.layers.global_pooling": (
        "GlobalAveragePool1D",
        "GlobalAveragePool2D",
        "GlobalMaxPool1D",
        "GlobalMaxPool2D",
    ),
    "netts.layers.input": ("Input",),
    "netts.layers.intensity": ("GaussianNoise", "RandomBrightness"),
    "netts.layers.merging": ("Add", "Concatenate", "Multiply"),
    "netts.layers.norms": ("BatchNorm", "LayerNorm"),
    "netts.layers.pooling": ("AveragePool1D", "AveragePool2D", "MaxPool1D", "MaxPool2D"),
    "netts.layers.residual": ("Residual",),
    "netts.layers.rotation": ("RandomRotation",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
