"""Tables and images: bundled ones by name, files by path, and what makes numbers of them.

`TableEncoder` and `netts.data.splitting` need scikit-learn; reading a table does not. Images need
Pillow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netts.data.datasets import dataset_names, find_table, load
from netts.data.fashion_mnist import fashion_mnist
from netts.data.idx import read_idx
from netts.data.installed import diamonds, mnist_5000, shuttle, yeast
from netts.data.reading import Reading
from netts.data.rows import ReadOptions
from netts.data.table import Table, read_table
from netts.data.targets import Task
from netts.persistence.npz import read_npz

if TYPE_CHECKING:
    from netts.data.encoder import TableEncoder
    from netts.data.image_options import ImageOptions
    from netts.data.images import ImageSet, image_folder, image_index
    from netts.data.scaling import DecimalScaler
    from netts.data.splitting import split_rows, split_table

__all__ = [
    "ReadOptions",
    "Reading",
    "Table",
    "DecimalScaler",
    "ImageOptions",
    "ImageSet",
    "TableEncoder",
    "Task",
    "dataset_names",
    "diamonds",
    "fashion_mnist",
    "find_table",
    "image_folder",
    "image_index",
    "load",
    "mnist_5000",
    "read_idx",
    "read_npz",
    "read_table",
    "shuttle",
    "split_rows",
    "split_table",
    "yeast",
]


# What takes long to import, or needs a package that need not be there, is imported when used.
_HOMES = {
    "DecimalScaler": "scaling",
    "ImageOptions": "image_options",
    "ImageSet": "images",
    "TableEncoder": "encoder",
    "image_folder": "images",
    "image_index": "images",
    "split_rows": "splitting",
    "split_table": "splitting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
