"""Which periods the sales cover completely."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen.errors import ConfigError, SourceError
from replen.sources.periods import period_end, period_start, span

MONDAY = dt.date(2024, 1, 1)
DAY = dt.timedelta(days=1)
days = st.dates(dt.date(2020, 1, 1), dt.date(2025, 1, 1))


@given(first=days, n_days=st.integers(0, 60))
def test_weeks_of_the_span_are_those_of_which_every_day_is_covered(first: dt.date, n_days: int) -> None:
    covered = {first + k * DAY for k in range(n_days + 1)}
    mondays = [d for d in covered if d.weekday() == 0 and all(d + k * DAY in covered for k in range(7))]
    if not mondays:
        with pytest.raises(SourceError, match="holds no complete period"):
            span(first, max(covered), "W", cutoff=None, whole_periods=False)
        return
    kept = span(first, max(covered), "W", cutoff=None, whole_periods=False)
    assert (kept.first, kept.cutoff) == (min(mondays), max(mondays))
    assert kept.end == max(mondays) + 6 * DAY


@given(first=days, n_days=st.integers(0, 60))
def test_every_day_is_complete(first: dt.date, n_days: int) -> None:
    kept = span(first, first + n_days * DAY, "D", cutoff=None, whole_periods=False)
    assert (kept.first, kept.cutoff, kept.end) == (first, first + n_days * DAY, first + n_days * DAY)


def test_weekly_totals_are_complete_whatever_their_day() -> None:
    sunday = MONDAY - DAY
    kept = span(sunday, sunday + 14 * DAY, "W", cutoff=None, whole_periods=True)
    assert (kept.first, kept.cutoff) == (MONDAY - 7 * DAY, MONDAY + 7 * DAY)


def test_a_cutoff_may_declare_the_last_week_complete() -> None:
    friday = MONDAY + 11 * DAY
    assert span(MONDAY, friday, "W", cutoff=MONDAY + 7 * DAY, whole_periods=False).cutoff == MONDAY + 7 * DAY
    assert span(MONDAY, friday, "W", cutoff=None, whole_periods=False).cutoff == MONDAY


def test_a_cutoff_outside_the_sales_or_inside_a_week_is_refused() -> None:
    with pytest.raises(SourceError, match="outside the sales, which cover 2024-01-01 to 2024-01-01"):
        span(MONDAY, MONDAY + 6 * DAY, "W", cutoff=MONDAY + 7 * DAY, whole_periods=False)
    with pytest.raises(ConfigError, match="set 2024-01-01"):
        span(MONDAY, MONDAY + 20 * DAY, "W", cutoff=MONDAY + DAY, whole_periods=False)


def test_the_span_counts_periods_back_from_the_cutoff() -> None:
    kept = span(MONDAY, MONDAY + 34 * DAY, "W", cutoff=None, whole_periods=False)
    assert kept.periods_back(1) == kept.cutoff
    assert kept.periods_back(3) == kept.cutoff - 14 * DAY
    assert period_start(kept.end, "W") == kept.cutoff
    assert period_end(MONDAY, "D") == MONDAY
