"""Flat arrays with pointers: all series one after the other. Rows are added up into them without sorting or looping."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Flat = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where each period of each series stands: series i holds periods start[i], ... in pointers[i]:pointers[i + 1].

    Attributes:
        start: shape (n_series,), number of the first period.
        pointers: shape (n_series + 1,), positions in the flat arrays.
    """

    start: IntArray
    pointers: IntArray

    @classmethod
    def from_ends(cls, start: IntArray, end: IntArray) -> "Layout":
        """Return the layout of series that run from start to end, the end included; none before its start holds nothing."""
        return cls(start, np.concatenate([[0], np.cumsum(np.maximum(end - start + 1, 0))]))

    @property
    def size(self) -> int:
        """Return the length of the flat arrays."""
        return int(self.pointers[-1])

    def place(self, series: IntArray, period: IntArray) -> tuple["Places", NDArray[np.bool_]]:
        """Return the places of rows, and which rows have one: those outside the periods of their series do not."""
        position = self.pointers[series] + period - self.start[series]
        inside = (period >= self.start[series]) & (position < self.pointers[series + 1])
        return Places(position[inside], self.size), inside

    def cut(self, values: Flat) -> list[NDArray[np.float32]]:
        """Return one array a series."""
        flat, bounds = values.astype(np.float32), self.pointers.tolist()
        return [flat[begin:end] for begin, end in pairwise(bounds)]

    def lists(self, values: Flat) -> pa.ListArray:
        """Return one list of float32 a series, which shares the memory of all."""
        return pa.ListArray.from_arrays(self.pointers.astype(np.int32), pa.array(values.astype(np.float32)))


@dataclass(frozen=True)
class Places:
    """Positions of rows in a flat array of a size; several rows may share one. Unknown values (NaN) of rows are left out.

    Every method returns a flat array, NaN where no known value fell.
    """

    position: IntArray
    size: int

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Return, by position, whether any row fell there."""
        return np.bincount(self.position, minlength=self.size) > 0

    def total(self, values: Flat) -> Flat:
        """Return the sums, added in the order of the rows."""
        known = ~np.isnan(values)
        count = np.bincount(self.position, known, self.size)
        return np.where(count > 0, np.bincount(self.position, np.where(known, values, 0.0), self.size), np.nan)

    def mean(self, values: Flat, weights: Flat | None = None) -> Flat:
        """Return the means; weights (>= 0, unknown = 0) count unless they add up to nothing."""
        plain = np.ones_like(values)
        known = np.where(np.isnan(values), np.nan, plain)
        mean = self.total(values) / self.total(known)
        if weights is None:
            return mean
        weight = np.where(np.isnan(values), 0.0, np.maximum(np.nan_to_num(weights), 0.0))
        total = np.bincount(self.position, weight, self.size)
        weighted = np.bincount(self.position, np.nan_to_num(values) * weight, self.size)
        return np.divide(weighted, total, out=mean, where=total > 0)

    def largest(self, values: Flat) -> Flat:
        """Return the largest values."""
        largest = np.full(self.size, np.nan)
        np.fmax.at(largest, self.position, values)
        return largest
