"""Tables and images: bundled ones by name, files by path, and what makes numbers of them.

`TableEncoder` and `netts.data.splitting` need scikit-learn; reading a table does not. Images need
Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netts.data.datasets import dataset_names, find_table, load
from netts.data.fashion_mnist import fashion_mnist
from netts.data.idx import read_idx
from netts.data.installed import diamonds, mnist_5000, shuttle, sonar, spambase, yeast
from netts.data.reading import Reading
from netts.data.rows import ReadOptions
from netts.data.table import Table, read_table
from netts.data.targets import Task
from netts.lazy import lazy_names
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
    "sonar",
    "spambase",
    "split_rows",
    "split_table",
    "yeast",
]


# What takes long to import, or needs a package that need not be there, is imported when used.
_HOMES = {
    "netts.data.encoder": ("TableEncoder",),
    "netts.data.image_options": ("ImageOptions",),
    "netts.data.images": ("ImageSet", "image_folder", "image_index"),
    "netts.data.scaling": ("DecimalScaler",),
    "netts.data.splitting": ("split_rows", "split_table"),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
