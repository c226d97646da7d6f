"""Lags and moving means against naive loops; nothing looks ahead."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from replen.features.calendar import calendar_features, periods_after
from replen.features.lags import carried, lagged, moving_mean, periods_since

values = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 12)), elements=st.sampled_from([0, 1, 2.5, 40, np.nan]))


@given(values, st.integers(1, 14))
def test_moving_mean_is_the_mean_of_known_values_in_the_window(sales: np.ndarray, window: int) -> None:
    found = moving_mean(sales, window)
    for (row, place), value in np.ndenumerate(found):
        part = sales[row, max(0, place - window + 1) : place + 1]
        known = part[np.isfinite(part)]
        expected = known.mean() if len(known) else np.nan
        np.testing.assert_allclose(value, expected, rtol=1e-5)


@given(values, st.integers(1, 14))
def test_lagged_is_the_value_before(sales: np.ndarray, lag: int) -> None:
    found = lagged(sales, lag)
    for (row, place), value in np.ndenumerate(found):
        np.testing.assert_equal(value, sales[row, place - lag] if place >= lag else np.nan)


@given(values)
def test_carried_is_the_last_known_value(sales: np.ndarray) -> None:
    for (row, place), value in np.ndenumerate(carried(sales)):
        known = [x for x in sales[row, : place + 1] if np.isfinite(x)]
        np.testing.assert_equal(value, known[-1] if known else np.nan)


@given(values)
def test_periods_since_counts_from_the_last_time(sales: np.ndarray) -> None:
    found = periods_since(sales > 0)
    for (row, place), value in np.ndenumerate(found):
        before = [p for p in range(place + 1) if sales[row, p] > 0]
        assert value == place - (before[-1] if before else -1)


@given(values, st.data())
def test_later_periods_change_nothing(sales: np.ndarray, data: st.DataObject) -> None:
    n_kept = data.draw(st.integers(1, sales.shape[1]))
    for feature in (lambda s: lagged(s, 2), lambda s: moving_mean(s, 3), lambda s: periods_since(s > 0), carried):
        np.testing.assert_array_equal(feature(sales)[:, :n_kept], feature(sales[:, :n_kept]))


def test_calendar_rises_to_christmas_and_falls_to_zero_after_it() -> None:
    weeks = np.arange(np.datetime64("2024-09-02"), np.datetime64("2025-01-13"), 7)
    near = calendar_features(weeks)[:, 4]
    assert (np.diff(near[weeks < np.datetime64("2024-12-25")]) >= 0).all()
    assert near[weeks == np.datetime64("2024-12-23")] > 0.95
    assert (near[weeks > np.datetime64("2024-12-25")] == 0).all()


def test_next_periods_keep_the_step() -> None:
    weeks = np.array(["2024-01-01", "2024-01-08"], "datetime64[D]")
    assert list(periods_after(weeks, 2)) == [np.datetime64("2024-01-15"), np.datetime64("2024-01-22")]
