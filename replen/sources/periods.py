"""Days to periods: which period a day lies in, and which periods the sales cover completely."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from replen.errors import ConfigError, SourceError

Freq = Literal["D", "W"]
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """The periods that are kept, both ends included."""

    first: dt.date
    cutoff: dt.date
    freq: Freq

    @property
    def end(self) -> dt.date:
        """Return the last day of the cutoff, which stock is counted at the end of."""
        return period_end(self.cutoff, self.freq)

    def periods_back(self, n_periods: int) -> dt.date:
        """Return the first of the last `n_periods` periods up to the cutoff."""
        return self.cutoff - (n_periods - 1) * length(self.freq)


def length(freq: Freq) -> dt.timedelta:
    """Return how long a period lasts."""
    return _DAY if freq == "D" else 7 * _DAY


def period_start(day: dt.date, freq: Freq) -> dt.date:
    """Return the day, or the Monday of its week.

    >>> period_start(dt.date(2024, 1, 7), "W")
    datetime.date(2024, 1, 1)
    """
    return day if freq == "D" else day - day.weekday() * _DAY


def period_end(period: dt.date, freq: Freq) -> dt.date:
    """Return the last day of the period."""
    return period + length(freq) - _DAY


def period_of(day: Column, freq: Freq) -> Column:
    """Return the period that each day lies in, as its first day."""
    return day if freq == "D" else F.trunc(day, "week")


def span(first_day: dt.date, last_day: dt.date, freq: Freq, *, cutoff: dt.date | None, whole_periods: bool) -> Span:
    """Return the complete periods of sales from first_day to last_day.

    Args:
        first_day: first day the sales cover.
        last_day: last day the sales cover.
        freq: length of a period.
        cutoff: last period to keep; it may be the one that last_day lies in, then taken as complete. None: last complete one.
        whole_periods: true: each row stands for a whole period, so that none is incomplete.

    Raises:
        ConfigError: the cutoff is not the first day of a period.
        SourceError: no period is complete, or the cutoff is outside the sales.
    """
    if cutoff is not None and cutoff != period_start(cutoff, freq):
        raise ConfigError(f"cutoff: expected the Monday that names a week, found {cutoff}; set {period_start(cutoff, freq)}")
    first = period_start(first_day, freq)
    if first != first_day and not whole_periods:
        first += length(freq)
    last_touched = period_start(last_day, freq)
    complete = whole_periods or period_end(last_touched, freq) == last_day
    last = last_touched if complete else last_touched - length(freq)
    if cutoff is not None and not first <= cutoff <= last_touched:
        raise SourceError(
            f"cutoff: {cutoff} is outside the sales, which cover {first} to {last}; set it between them, or to null"
        )
    if last < first and cutoff is None:
        raise SourceError(
            f"sales: {first_day} to {last_day} holds no complete period of freq {freq}; give more days, or freq D"
        )
    return Span(first, cutoff or last, freq)
