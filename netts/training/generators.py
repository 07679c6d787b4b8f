"""NumPy's random generators as plain values and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netts.errors import BrokenModelError, UnsavableError

_WORD = 2**64


@dataclass(frozen=True)
class SavedGenerator:
    """A `numpy.random.Generator`.

    Attributes
    ----------
    kind
        Of its bit generator, one of `KINDS`.
    state
        The bit generator's own, its name left out.
    """

    kind: str
    state: dict[str, Any]


def _is_whole(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_vector(value: Any, length: int, dtype: type) -> bool:
    return isinstance(value, np.ndarray) and value.shape == (length,) and value.dtype == dtype


# NumPy checks little of a state, and would read beyond a buffer at a position beyond its end.
KINDS = {
    "Philox": lambda said: (
        _is_vector(said["state"]["counter"], 4, np.uint64)
        and _is_vector(said["state"]["key"], 2, np.uint64)
        and _is_vector(said["buffer"], 4, np.uint64)
        and _is_whole(said["buffer_pos"], 4)
    ),
    "PCG64": lambda said: all(
        _is_whole(said["state"][name], _WORD**2 - 1) for name in ("state", "inc")
    ),
    "PCG64DXSM": lambda said: all(
        _is_whole(said["state"][name], _WORD**2 - 1) for name in ("state", "inc")
    ),
    "MT19937": lambda said: (
        _is_vector(said["state"]["key"], 624, np.uint32) and _is_whole(said["state"]["pos"], 624)
    ),
    "SFC64": lambda said: _is_vector(said["state"]["state"], 4, np.uint64),
}
"""Bit generators, and whether a state can be one of theirs."""


def describe_generator(generator: np.random.Generator) -> SavedGenerator:
    """Return a generator as it is now.

    Raises
    ------
    UnsavableError
        Where its bit generator is none of NumPy's.
    """
    state = dict(generator.bit_generator.state)
    kind = state.pop("bit_generator")
    if kind not in KINDS:
        raise UnsavableError(
            f"random_state draws from {kind}, whose state a checkpoint cannot hold: pass a whole "
            f"number, or a Generator of {', '.join(KINDS)}"
        )
    return SavedGenerator(kind, state)


def generator_of(saved: SavedGenerator) -> np.random.Generator:
    """Return the generator that `describe_generator` gave this for.

    Raises
    ------
    BrokenModelError
        Where it is no state of such a generator.
    """
    said = saved.state
    try:
        is_state = KINDS[saved.kind](said) and (
            saved.kind == "MT19937"
            or (_is_whole(said["has_uint32"], 1) and _is_whole(said["uinteger"], 2**32 - 1))
        )
    except (KeyError, TypeError, IndexError):
        is_state = False
    if not is_state:
        raise BrokenModelError(f"the state of a random generator is none of {saved.kind[:100]!r}")
    bits = getattr(np.random, saved.kind)()
    bits.state = {"bit_generator": saved.kind, **said}
    return np.random.Generator(bits)
