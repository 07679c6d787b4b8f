"""Layers: one file per family, kernels first, then the class that calls them."""

from netts.layers.activations import ACTIVATIONS, Activation, Identity
from netts.layers.base import Layer, LayerBuffers, Parameter, RandomCounters
from netts.layers.conv import Conv2D
from netts.layers.dense import Dense
from netts.layers.dropout import Dropout
from netts.layers.embedding import Embedding
from netts.layers.flatten import Flatten
from netts.layers.norms import BatchNorm, LayerNorm
from netts.layers.pooling import AveragePool2D, MaxPool2D
from netts.layers.rectifiers import ELU, LeakyReLU, ReLU
from netts.layers.sigmoids import GELU, Sigmoid, Swish, Tanh
from netts.layers.softmax import Softmax

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "Activation",
    "AveragePool2D",
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "Layer",
    "LayerBuffers",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2D",
    "Parameter",
    "RandomCounters",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
]
