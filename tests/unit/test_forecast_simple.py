"""Simple forecasters against loops, parts against the whole, quantiles against what they promise."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from replen import tables as t
from replen.features.panel import Panel
from replen.forecast import moving_average, seasonal_naive
from replen.forecast.moving_average import MovingAverage
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.seasonal_naive import SeasonalNaive
from replen.forecast.simple import count_residuals

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
N_WEEKS = 70
quantities = st.sampled_from([0, 1, 3.3, 12, np.nan])
weekly_sales = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(N_WEEKS)), elements=quantities)


def weekly_panel(sales: np.ndarray) -> Panel:
    n_series, n_periods = sales.shape
    names = [f"sku {i}" for i in range(n_series)]
    keys = pd.DataFrame({t.SKU: names, t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: np.arange(n_series)})
    weeks = np.datetime64("2023-01-02") + 7 * np.arange(n_periods)
    return Panel(keys, weeks, {t.SALES_HISTORY: sales.astype(np.float32)}, {})


def poisson_panel(n_series: int = 300, seed: int = 3) -> Panel:
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(-1, 5, (n_series, 1)))
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(N_WEEKS + 60) / 52)
    return weekly_panel(rng.poisson(level * season))


def trend_by_hand(m: dict[int, float], n_weeks: int) -> dict[int, float]:
    """The level of each week: a mean over the year around it, or at the ends the nearest at the growth between them."""
    centred = {}
    for w in range(26, n_weeks - 26):
        around = {v: 0.5 if abs(v - w) == 26 else 1.0 for v in range(w - 26, w + 27) if v in m}
        total = sum(weight * m[v] for v, weight in around.items())
        if total > 0:
            centred[w] = np.log(total / sum(around.values()))
    if not centred:
        return {}
    first, last = min(centred), max(centred)
    growth = (centred[last] - centred[first]) / (last - first + 13)
    levels = {}
    for w in range(n_weeks):
        if w < first or w > last:
            levels[w] = np.exp(centred[min(max(w, first), last)] + growth * (w - (first if w < first else last)))
        else:
            before, after = max(v for v in centred if v <= w), min(v for v in centred if v >= w)
            share = (w - before) / max(after - before, 1)
            levels[w] = np.exp((1 - share) * centred[before] + share * centred[after])
    return levels


def index_by_hand(sales: np.ndarray, weeks: np.ndarray) -> dict[int, float]:
    iso = pd.DatetimeIndex(weeks).isocalendar().week.to_numpy()
    m = {w: sales[:, w][np.isfinite(sales[:, w])].mean() for w in range(len(weeks)) if np.isfinite(sales[:, w]).any()}
    trend = trend_by_hand(m, len(weeks))
    ratios = {number: np.mean([m[w] / trend[w] for w in m if iso[w] == number]) for number in {iso[w] for w in m} if trend}
    level = np.mean(list(ratios.values())) if ratios else 0
    return {number: value / level for number, value in ratios.items()} if level > 0 else {}


def moving_average_by_hand(sales: np.ndarray, weeks: np.ndarray, *, window: int, horizon: int) -> np.ndarray:
    """The rule in the words of its definition, one series and step at a time."""
    iso, index = pd.DatetimeIndex(weeks).isocalendar().week.to_numpy(), index_by_hand(sales, weeks)
    forecast = np.zeros((len(sales), horizon))
    for row in range(len(sales)):
        seen = [
            sales[row, w] / index.get(iso[w], 1.0)
            for w in range(len(weeks))
            if np.isfinite(sales[row, w]) and index.get(iso[w], 1.0) > 0
        ][-window:]
        for step in range(horizon):
            number = pd.Timestamp(weeks[-1] + 7 * (step + 1)).isocalendar().week
            forecast[row, step] = (np.mean(seen) if seen else 0.0) * index.get(number, 1.0)
    return forecast


@given(weekly_sales, st.integers(1, 13), st.integers(1, N_WEEKS))
def test_moving_average_is_its_definition(sales: np.ndarray, horizon: int, n_weeks: int) -> None:
    panel = weekly_panel(sales[:, :n_weeks])
    found = moving_average.point(panel, SeasonSums.of(panel), window=13, horizon=horizon)
    expected = moving_average_by_hand(sales[:, :n_weeks].astype(float), panel.periods, window=13, horizon=horizon)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@given(weekly_sales)
def test_season_of_parts_adds_up_to_that_of_the_whole(sales: np.ndarray) -> None:
    panel = weekly_panel(sales)
    whole = SeasonSums.of(panel)
    shorter = weekly_panel(sales)
    shorter = shorter.take(np.arange(1, len(sales)))
    added = SeasonSums.of(shorter) + SeasonSums.of(panel.take(np.array([0])))
    assert np.array_equal(added.sums, whole.sums)
    assert np.array_equal(added.counts, whole.counts)


def test_season_of_parts_that_start_at_different_dates() -> None:
    panel = weekly_panel(np.arange(10.0).reshape(1, 10))
    late = Panel(panel.keys, panel.periods[4:], {t.SALES_HISTORY: panel.past[t.SALES_HISTORY][:, 4:]}, {})
    added = SeasonSums.of(late) + SeasonSums.of(panel)
    assert list(added.counts) == [1] * 4 + [2] * 6
    assert list(added.sums) == [0, 1, 2, 3, 8, 10, 12, 14, 16, 18]


def test_daily_index_knows_weekdays_before_it_has_seen_a_year() -> None:
    days = np.datetime64("2024-01-01") + np.arange(28)
    sums = SeasonSums(days, np.where(np.arange(28) % 7 == 5, 20.0, 10.0), np.ones(28))
    ahead = sums.index(days[-1], days[-1] + np.arange(1, 8))
    assert ahead[5] / ahead[0] == pytest.approx(2.0)


@pytest.mark.parametrize(("n_periods", "step"), [(83, 1), (364, 1), (30, 7), (52, 7)])
def test_less_than_a_year_has_no_season_of_the_year(n_periods: int, step: int) -> None:
    periods = np.datetime64("2024-01-01") + step * np.arange(n_periods + 7)
    weekend = np.where((np.arange(n_periods) * step) % 7 >= 5, 2.0, 1.0)
    sums = SeasonSums(periods[:n_periods], weekend * np.linspace(100, 300, n_periods), np.ones(n_periods))
    index = sums.index(periods[n_periods - 1], periods[n_periods:])
    by_weekday = np.where((n_periods + np.arange(7)) * step % 7 >= 5, 2.0, 1.0) / (9 / 7)
    np.testing.assert_allclose(index, by_weekday if step == 1 else np.ones(7), rtol=0.01)


@pytest.mark.parametrize("growth", [0.8, 1.2])
@pytest.mark.parametrize("n_weeks", [78, 104, 130, 156])
def test_growth_is_not_taken_for_season(growth: float, n_weeks: int) -> None:
    weeks = np.arange(n_weeks)
    season = 1 + 0.3 * np.sin(2 * np.pi * weeks / 52)
    panel = weekly_panel((1000 * growth ** (weeks / 52) * season)[None, :])
    index = SeasonSums.of(panel).index(panel.cutoff, panel.periods[-52:])
    off = np.log(index / (season[-52:] / season[-52:].mean()))
    assert abs(np.polyfit(np.arange(52), off, 1)[0] * 52) < 0.3 * abs(np.log(growth))
    forecast = moving_average.point(panel, SeasonSums.of(panel), window=13, horizon=13)[0]
    ahead = n_weeks + np.arange(13)
    demand = 1000 * growth ** (ahead / 52) * (1 + 0.3 * np.sin(2 * np.pi * ahead / 52))
    # A level of the last 13 weeks is a quarter of a year old; the rest would be growth read as season.
    assert forecast.sum() / demand.sum() == pytest.approx(growth**-0.25, abs=0.025)


def test_a_known_season_is_found_exactly_where_nothing_grows() -> None:
    weeks = np.arange(120)
    season = 1 + 0.3 * np.sin(2 * np.pi * weeks / 52) + 0.5 * (weeks % 52 == 20)
    panel = weekly_panel((100 * season)[None, :])
    index = SeasonSums.of(panel).index(panel.cutoff, panel.periods[-52:])
    np.testing.assert_allclose(index / index.mean(), season[-52:] / season[-52:].mean(), rtol=0.01)


@given(weekly_sales, st.integers(1, 60))
def test_seasonal_naive_repeats_the_last_season(sales: np.ndarray, horizon: int) -> None:
    found = seasonal_naive.point(weekly_panel(sales), season=52, horizon=horizon)
    for (row, step), value in np.ndenumerate(found):
        ago = sales[row, N_WEEKS + step - 52 * (1 + step // 52)]
        if np.isfinite(ago):
            assert value == ago
        else:
            known = [x[np.isfinite(x)] for x in (sales[row, -13:], sales[row])]
            expected = next((x.mean() for x in known if len(x)), np.nan)
            np.testing.assert_allclose(value, expected, rtol=1e-5)


def fitted(panel: Panel) -> list[MovingAverage | SeasonalNaive]:
    season = SeasonSums.of(panel)
    average = MovingAverage(13, season, MovingAverage.measure(panel, season, window=13, horizon=6, windows=8))
    return [average, SeasonalNaive(52, SeasonalNaive.measure(panel, season=52, horizon=6, windows=8))]


def test_a_series_alone_is_forecast_as_in_a_panel() -> None:
    panel = poisson_panel(40)
    for forecaster in fitted(panel):
        together = forecaster.predict(panel, horizon=6, levels=LEVELS)
        for row in (0, 17, 39):
            alone = forecaster.predict(panel.take(np.array([row])), horizon=6, levels=LEVELS)
            assert np.array_equal(alone.mean[0], together.mean[row])
            assert np.array_equal(alone.quantiles[0], together.quantiles[row])


def test_errors_of_parts_add_up_to_those_of_the_whole() -> None:
    panel = poisson_panel(40)
    measure = partial(MovingAverage.measure, season=SeasonSums.of(panel), window=13, horizon=6, windows=8)
    parts = [measure(panel.take(rows)) for rows in np.array_split(np.arange(40), 3)]
    added = parts[0] + parts[1] + parts[2]
    assert np.array_equal(added.counts, measure(panel).counts)


def test_later_sales_change_neither_forecast_nor_errors() -> None:
    panel = poisson_panel(40)
    cutoff = panel.periods[-10]
    changed = {t.SALES_HISTORY: panel.past[t.SALES_HISTORY].copy()}
    changed[t.SALES_HISTORY][:, -9:] = 1e6
    first, second = (fitted(each.until(cutoff, 0)) for each in (panel, Panel(panel.keys, panel.periods, changed, panel.known)))
    for one, other in zip(first, second, strict=True):
        predictions = [f.predict(panel.until(cutoff, 0), horizon=6, levels=LEVELS) for f in (one, other)]
        assert np.array_equal(predictions[0].quantiles, predictions[1].quantiles)


def test_quantiles_hold_what_they_promise() -> None:
    whole = poisson_panel(2000)
    past, actual = whole.until(whole.periods[-7], 0), whole.past[t.SALES_HISTORY][:, -6:]
    rng = np.random.default_rng(0)
    for forecaster in fitted(past):
        levels = np.linspace(0.05, 0.95, 19, dtype=np.float32)
        below, at_or_below = forecaster.predict(past, horizon=6, levels=levels).cdf(actual)
        transform = below + (at_or_below - below) * rng.uniform(size=below.shape)
        assert (transform < 0.9).mean() == pytest.approx(0.9, abs=0.03)
        assert (transform < 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_a_profile_that_has_seen_nothing_gives_the_forecast_itself() -> None:
    found = ResidualProfile.empty(2).quantiles(np.array([[3.0, 4.0]]), LEVELS)
    assert found.tolist() == [[[3.0] * 3, [4.0] * 3]]


def test_reasons_say_what_was_missing() -> None:
    sales = np.full((3, N_WEEKS), 4.0)
    sales[1, -13:] = np.nan
    sales[2] = np.nan
    panel = weekly_panel(sales)
    average, naive = (forecaster.predict(panel, horizon=6, levels=LEVELS) for forecaster in fitted(panel))
    assert list(average.reason) == ["", "", moving_average.NO_SALES]
    assert average.mean[2].tolist() == [0.0] * 6
    assert list(naive.reason) == ["", "", seasonal_naive.NO_SALES]
    assert np.isnan(naive.quantiles[2]).all()


def test_a_long_stock_out_leaves_the_level_and_zero_sales_end_it() -> None:
    sales = np.full((3, N_WEEKS), 50.0)
    sales[0, -13:] = np.nan
    sales[1, -30:-1] = np.nan
    sales[1, -1] = 24.0
    sales[2, -13:] = 0.0
    panel = weekly_panel(sales)
    found = moving_average.point(panel, SeasonSums(panel.periods, np.ones(N_WEEKS), np.ones(N_WEEKS)), window=13, horizon=2)
    np.testing.assert_allclose(found, [[50, 50], [48, 48], [0, 0]])


def test_saved_forecasters_load_as_they_were(tmp_path) -> None:
    panel = poisson_panel(40)
    for number, forecaster in enumerate(fitted(panel)):
        folder = tmp_path / str(number)
        folder.mkdir()
        forecaster.save(folder)
        again = type(forecaster).load(folder).predict(panel, horizon=6, levels=LEVELS)
        assert np.array_equal(again.quantiles, forecaster.predict(panel, horizon=6, levels=LEVELS).quantiles)


def test_errors_are_those_of_forecasts_that_knew_nothing_later() -> None:
    panel = weekly_panel(np.arange(40.0)[None, :] ** 2)
    sales = panel.past[t.SALES_HISTORY][0].astype(float)
    found = count_residuals(panel, lambda at, n: np.repeat(at.past[t.SALES_HISTORY][:, -1:], n, axis=1), horizon=3, windows=2)
    expected = ResidualProfile.empty(3)
    for step in range(3):
        for target in (38, 39):
            expected.add_step(step, sales[[target]], sales[[target - step - 1]])
    assert np.array_equal(found.counts, expected.counts)
