"""What a trained network must remember of how it reads a panel."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.config import LooksBack
from replen.features.panel import Panel

STATIC = (t.CATEGORY, t.BRAND, t.SITE)
"""Static columns with an embedding each; value 0 of each is `unknown`."""
YEAR = np.timedelta64(365, "D")
KNOWN_COLUMNS = frozenset({t.PLANNED_PRICE, t.PLANNED_PROMOTION})
PAST_COLUMNS = frozenset({t.SALES_HISTORY, t.PRICE, t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL})


@dataclass(frozen=True)
class Reading:
    """How a panel becomes arrays: the same in training and in prediction.

    Attributes:
        horizon: steps forecast at once.
        lags: periods of a season, ascending.
        windows: periods of the three moving means, ascending; the scale of a series is a mix of the last two.
        signals: further past-only columns of the panel that are read.
        events: further columns known in advance that are read.
        vocabularies: static column -> its values, numbered from 1 in this order.
        annual: whether the time of the year is read; where less than a year was seen, it would be extrapolated.
    """

    horizon: int
    lags: tuple[int, ...]
    windows: tuple[int, int, int]
    signals: tuple[str, ...]
    events: tuple[str, ...]
    vocabularies: dict[str, tuple[str, ...]]
    annual: bool

    @classmethod
    def of(cls, panels: Iterable[Panel], settings: LooksBack, *, horizon: int) -> Self:
        """Return the reading that the columns and static values of these panels ask for, read once."""
        past: set[str] = set()
        known: set[str] = set()
        values: dict[str, set[str]] = {str(column): set() for column in STATIC}
        longest = np.timedelta64(0, "D")
        for panel in panels:
            seen = np.isfinite(panel.past[t.SALES_HISTORY]).any(axis=0)
            longest = max(longest, panel.periods[-1] - panel.periods[seen.argmax() if seen.any() else -1])
            past |= panel.past.keys() - PAST_COLUMNS
            known |= panel.known.keys() - KNOWN_COLUMNS
            for column in values.keys() & set(panel.keys.columns):
                values[column] |= set(panel.keys[column].dropna().astype(str))
        vocabularies = {column: tuple(sorted(found)) for column, found in values.items()}
        annual = bool(longest >= YEAR)
        return cls(horizon, settings.lags, settings.windows, tuple(sorted(past)), tuple(sorted(known)), vocabularies, annual)

    @property
    def vocabulary_sizes(self) -> tuple[int, ...]:
        """Return the number of values of each static column, `unknown` not counted."""
        return tuple(len(values) for values in self.vocabularies.values())

    def codes(self, panel: Panel) -> NDArray[np.int32]:
        """Return shape (n_series, n_static): the number of each static value, 0 where it is unknown."""
        codes = np.zeros((len(panel.keys), len(self.vocabularies)), np.int32)
        for place, (column, values) in enumerate(self.vocabularies.items()):
            if column in panel.keys:
                numbers = {value: number for number, value in enumerate(values, start=1)}
                named = panel.keys[column].astype("string").map(numbers)
                codes[:, place] = named.fillna(0).to_numpy(dtype=float)
        return codes

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the reading that `as_json` wrote."""
        vocabularies = {column: tuple(values) for column, values in stored["vocabularies"].items()}
        lists = {name: tuple(stored[name]) for name in ("lags", "windows", "signals", "events")}
        return cls(horizon=stored["horizon"], vocabularies=vocabularies, annual=stored["annual"], **lists)
