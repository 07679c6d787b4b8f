"""Tables of data: the bundled ones by name, CSV files by path, and their division for a test.

`netts.data.splitting` is not loaded from here: it needs scikit-learn, reading a table does not.
"""

from netts.data.columns import Task
from netts.data.datasets import dataset_names, find_table, load
from netts.data.table import Table, read_table

__all__ = ["Table", "Task", "dataset_names", "find_table", "load", "read_table"]
