"""Layers: one file per family, kernels first, then the class that calls them."""

from netts.layers.activations import ACTIVATIONS, Activation, Identity
from netts.layers.base import Layer, LayerBuffers, Parameter, RandomCounters
from netts.layers.dense import Dense
from netts.layers.dropout import Dropout
from netts.layers.rectifiers import ELU, LeakyReLU, ReLU
from netts.layers.sigmoids import GELU, Sigmoid, Swish, Tanh
from netts.layers.softmax import Softmax

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "Activation",
    "Dense",
    "Dropout",
    "Identity",
    "Layer",
    "LayerBuffers",
    "LeakyReLU",
    "Parameter",
    "RandomCounters",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
]
