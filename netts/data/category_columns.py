"""What a column of categories becomes: an input for each, one number in an order, or a code.

Each class holds what was learned from the training rows, as those of `encoded_columns` do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netts.data.kinds import Kind
from netts.data.quoting import quoted
from netts.data.scaling import Scaling
from netts.data.values import label
from netts.errors import BrokenModelError

# How many categories a description names before it says how many more there are.
MAX_SHOWN = 3


@dataclass(frozen=True)
class Categories:
    """The categories of a column: what its three encodings have in common.

    Attributes
    ----------
    name : str
    categories : tuple of str
    counts : tuple of int
        How many training rows had each.
    n_rare : int
        How many different categories are none of these.
    n_missing : int
        How many training rows had no value.
    """

    name: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    n_rare: int
    n_missing: int

    def __post_init__(self) -> None:
        if len(self.categories) != len(self.counts) or len(set(self.categories)) != len(
            self.categories
        ):
            raise BrokenModelError(f"column {self.name!r} has categories {self.categories}")

    @property
    def kind(self) -> Kind:
        """Return "category"."""
        return "category"

    @property
    def n_known(self) -> int:
        """Return how many values are known, a missing one included where training had some."""
        return len(self.categories) + bool(self.n_missing)

    @property
    def stand_in(self) -> str:
        """Say what a value counts as that training has not seen."""
        return "none of the categories known"

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """Return the rows whose category training has not seen.

        None where categories beyond the limit are part of what was learned.
        """
        if self.n_rare:
            return np.array([], np.int64)
        return np.flatnonzero(self._places(values) == self.n_known)

    def describe_values(self) -> str:
        """Say what the training rows hold."""
        order = sorted(range(len(self.counts)), key=lambda k: -self.counts[k])
        shown = [f"{self.categories[k]} {self.counts[k]:,}" for k in order[:MAX_SHOWN]]
        more = len(order) - MAX_SHOWN
        rare = f" (and {self.n_rare} rare ones as none of them)" if self.n_rare else ""
        return ", ".join(shown) + (f", {more} more" if more > 0 else "") + rare

    def _places(self, values: np.ndarray) -> np.ndarray:
        """Return which category each value is; `n_known` for none of them."""
        place_of: dict[str | None, int] = {name: k for k, name in enumerate(self.categories)}
        if self.n_missing:
            place_of[None] = len(self.categories)
        listed = values.tolist()
        # A value that recurs is looked up once.
        places = {value: place_of.get(label(value), self.n_known) for value in set(listed)}
        return np.fromiter(map(places.__getitem__, listed), np.int64, len(listed))

    def _values(self, places: np.ndarray) -> np.ndarray:
        """Return the category of each place, None for all others."""
        known = np.array([*self.categories, None, None], dtype=object)
        return known[np.minimum(places, len(self.categories))]


@dataclass(frozen=True)
class CategoryColumn(Categories):
    """A column of categories, one input for each, which is 1 in its rows and 0 in the others.

    A missing value is a category of its own where training rows had some. Rare categories beyond
    the encoder's limit, and those that training has not seen, are 0 everywhere.
    """

    @property
    def output_names(self) -> list[str]:
        """Return the name of each input that the column gives to the network."""
        names = [f"{self.name}_{category}" for category in self.categories]
        return names + [f"missingindicator_{self.name}"] * bool(self.n_missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs, float64 of shape (n_samples, n_outputs)."""
        encoded = np.zeros((len(values), self.n_known + 1))
        encoded[np.arange(len(values)), self._places(values)] = 1.0
        return encoded[:, :-1]  # the last one is what has no input

    def decode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the category whose input is largest, None where none is above 0."""
        places = np.where(inputs.max(axis=1) > 0, inputs.argmax(axis=1), self.n_known)
        return self._values(places)


@dataclass(frozen=True)
class CodedColumn(Categories):
    """A column of categories as a whole number, for `layers.Embedding`.

    0 is what training has not seen and what is beyond the encoder's limit; the categories follow,
    then a missing value where training rows had some.
    """

    @property
    def n_codes(self) -> int:
        """Return the number of codes: `n_embeddings` of the layer."""
        return 1 + self.n_known

    @property
    def stand_in(self) -> str:
        """Say what a value counts as that training has not seen."""
        return "category 0, none of those known"

    @property
    def output_names(self) -> list[str]:
        """Return the name of the column: it gives one input."""
        return [self.name]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the codes, float64 of shape (n_samples, 1)."""
        return ((self._places(values) + 1) % self.n_codes).astype(np.float64)[:, None]

    def decode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the categories of codes, None for 0."""
        codes = np.clip(np.rint(inputs[:, 0]), 0, self.n_known).astype(np.int64)
        return self._values((codes - 1) % self.n_codes)

    def describe_values(self) -> str:
        """Say what the training rows hold."""
        return f"codes below {self.n_codes}: {super().describe_values()}"


@dataclass(frozen=True)
class OrdinalColumn(Categories):
    """A column of categories that have an order, as one number: the place in it, scaled.

    What is missing, or no category of the order, counts as the median place; where training rows
    had missing ones, a second input marks them.

    Attributes
    ----------
    categories : tuple of str
        From the lowest to the highest.
    middle : int
        The place of the median.
    center, scale : float
        Of the places, what they are scaled with.
    """

    middle: int
    center: float
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.middle < len(self.categories):
            raise BrokenModelError(f"column {self.name!r} has no category {self.middle}")
        Scaling(self.center, self.scale)  # which checks them

    @property
    def stand_in(self) -> str:
        """Say what a value counts as that training has not seen."""
        return f"{quoted(self.categories[self.middle])}, the median"

    @property
    def output_names(self) -> list[str]:
        """Return the name of each input that the column gives to the network."""
        return [self.name] + [f"missingindicator_{self.name}"] * bool(self.n_missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs, float64 of shape (n_samples, n_outputs)."""
        places = self._places(values)
        is_one = places < len(self.categories)
        ranks = np.where(is_one, places, self.middle).astype(np.float64)
        columns = [Scaling(self.center, self.scale).apply(ranks)]
        if self.n_missing:
            columns.append((places == len(self.categories)).astype(np.float64))
        return np.stack(columns, axis=1)

    def decode(self, inputs: np.ndarray) -> np.ndarray:
        """Return the nearest category, None where one is marked as missing."""
        ranks = np.rint(Scaling(self.center, self.scale).invert(inputs[:, 0]))
        places = np.clip(ranks, 0, len(self.categories) - 1).astype(np.int64)
        if self.n_missing:
            places = np.where(inputs[:, 1] > 0.5, len(self.categories), places)
        return self._values(places)

    def describe_values(self) -> str:
        """Say the order."""
        pairs = zip(self.categories, self.counts, strict=True)
        shown = [f"{category} {count:,}" for category, count in pairs]
        return " < ".join(shown)
