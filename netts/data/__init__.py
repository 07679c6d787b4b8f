"""Tables of data: the bundled ones by name, CSV files by path, and what makes numbers of them.

`TableEncoder` and `netts.data.splitting` need scikit-learn; reading a table does not.
"""

from __future__ import annotations

from typing import Any

from netts.data.datasets import dataset_names, find_table, load
from netts.data.fashion_mnist import fashion_mnist
from netts.data.reading import Reading
from netts.data.rows import ReadOptions
from netts.data.table import Table, read_table
from netts.data.targets import Task

__all__ = [
    "ReadOptions",
    "Reading",
    "Table",
    "TableEncoder",
    "Task",
    "dataset_names",
    "fashion_mnist",
    "find_table",
    "load",
    "read_table",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to import, which only who encodes a table should pay.
    if name == "TableEncoder":
        from netts.data.encoder import TableEncoder  # noqa: PLC0415 - see above

        return TableEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
