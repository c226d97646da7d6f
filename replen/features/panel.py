"""A panel: the series of a bucket range as dense arrays on one calendar. Every model input is a pure function of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen.errors import TableError

FloatArray = NDArray[np.float32]
DateArray = NDArray[np.datetime64]


@dataclass(frozen=True)
class Panel:
    """Series as rows, periods as columns; NaN means unknown, or before the series starts.

    Attributes:
        keys: one row a series with a RangeIndex: sku, site, stream, bucket and the static columns of `tables.SERIES`.
        periods: shape (n_periods,), consecutive days or Mondays; the last one is the cutoff.
        past: column -> shape (n_series, n_periods), known up to the cutoff only: sales, price, promotion, in_stock, ...
        known: column -> shape (n_series, n_periods + n_ahead), known in advance: planned_price, planned_promotion, events.
    """

    keys: pd.DataFrame
    periods: DateArray
    past: Mapping[str, FloatArray]
    known: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the keys and periods."""
        n_series, n_periods = self.shape
        for name, values in {**self.past, **self.known}.items():
            too_short = values.shape[1] < n_periods if name in self.known else values.shape[1] != n_periods
            if values.shape[0] != n_series or too_short:
                raise TableError(f"panel, {name}: expected {n_series} series x {n_periods} periods, found {values.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n_series, n_periods)."""
        return len(self.keys), len(self.periods)

    @property
    def cutoff(self) -> np.datetime64:
        """Return the last period known."""
        return np.datetime64(self.periods[-1])

    def until(self, cutoff: np.datetime64, n_ahead: int) -> Self:
        """Return the panel as it stood at an earlier cutoff: nothing past it but `n_ahead` periods known in advance."""
        n_kept = int(np.searchsorted(self.periods, cutoff, side="right"))
        if n_kept == 0:
            raise TableError(f"panel: no period up to the cutoff {cutoff}; the first is {self.periods[0]}")
        past = {name: values[:, :n_kept] for name, values in self.past.items()}
        known = {name: values[:, : n_kept + n_ahead] for name, values in self.known.items()}
        return replace(self, periods=self.periods[:n_kept], past=past, known=known)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the panel of the chosen series."""
        keys = self.keys.loc[rows].reset_index(drop=True) if rows.dtype == bool else self.keys.iloc[rows].reset_index(drop=True)
        past = {name: values[rows] for name, values in self.past.items()}
        known = {name: values[rows] for name, values in self.known.items()}
        return replace(self, keys=keys, past=past, known=known)
