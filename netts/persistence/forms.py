"""How values stand in the JSON of a model file: a vocabulary that encoder and decoder share.

None, bool, int, str and finite float are JSON's own, list is an array, and a dict an object. All
else is an object whose key "$" says what it is:

================  ===============================  =======================================
"$"               further keys                     value
================  ===============================  =======================================
``float``         text                             nan, inf or -inf
``tuple``         items                            a tuple
``dict``          items: an object                 a dict with a key "$"
``array``         name                             an array of numbers, stored as a tensor
``text array``    items, shape, width              an array of text, dtype ``<U{width}``
``object array``  items, shape                     an array of Python numbers, texts, None
``dtype``         name                             a NumPy dtype
``type``          name                             a class of numbers, as numpy.float32
``random state``  key, position, has_gauss, gauss  numpy.random.RandomState
``object``        class, fields                    an object of a registered class
``function``      name                             a registered function
================  ===============================  =======================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

MARK = "$"

Registry = Mapping[str, Any]
"""Names that a file may use, and the class or function that each stands for."""

KEYS = {
    "float": ("text",),
    "tuple": ("items",),
    "dict": ("items",),
    "array": ("name",),
    "text array": ("items", "shape", "width"),
    "object array": ("items", "shape"),
    "dtype": ("name",),
    "type": ("name",),
    "random state": ("key", "position", "has_gauss", "gauss"),
    "object": ("class", "fields"),
    "function": ("name",),
}

DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64",
    )
}  # fmt: skip
"""Of arrays that are stored as tensors."""

TYPES = {"bool": bool, "int": int, "float": float} | {
    f"numpy.{name}": dtype.type for name, dtype in DTYPES.items()
}

NON_FINITE = {text: float(text) for text in ("nan", "inf", "-inf")}

MAX_DEPTH = 64
"""Of values in values. Ours have less than 10; Python's stack holds some hundreds."""

MAX_TEXT_BYTES = 64 * 2**20
"""What all arrays of text of one file may take in memory.

NumPy gives each text the width of the longest, so a short file could ask for any amount.
"""
