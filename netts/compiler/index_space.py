"""`parallel`: an index space whose iterations may run in any order, or at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any


def parallel(*extents: int) -> Iterable[Any]:
    """Iterate over an index space whose iterations are independent of one another.

    In interpreted Python it is an ordinary iterator, the last index running fastest, so a kernel
    also runs undecorated. When compiled, the iterations are shared between cores or GPU threads.

    Parameters
    ----------
    *extents : int
        How far each index runs.

    Returns
    -------
    iterable
        Of integers for one extent, of tuples of integers for several.

    Examples
    --------
    >>> [i for i in parallel(3)]
    [0, 1, 2]
    >>> [(i, j) for i, j in parallel(2, 2)]
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    if len(extents) == 1:
        return range(extents[0])
    return itertools.product(*map(range, extents))
