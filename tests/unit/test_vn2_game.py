"""The VN2 game: by hand, against naive rules, and without a look ahead."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.evaluate.vn2 import Cover, FloatArray, FractileOfNeed, Opening, SquareRootBuffer, play
from replen.evaluate.vn2_outlook import Outlook, outlooks, reference_forecast
from replen.evaluate.vn2_scores import OURS, REFERENCES, SETTINGS, TUNED_HERE, Window, scores
from replen.features.panel import Panel, panel_from_series
from replen.overlays import load_config
from replen.plan.policies.known import Known
from replen.sources.vn2 import read_vn2
from tests.unit.vn2_folder import dates, write_week_0

OVERLAY = Path(__file__).parent.parent.parent / "conf" / "vn2.yaml"
N_HISTORY = 66


def always(quantity: float) -> object:
    return lambda known: np.full_like(known.on_hand, quantity)


def test_a_window_by_hand() -> None:
    """Stock 3, 1 due in week 1; 2.4 ordered each week, which is 2 in whole units, on the shelf from week 3 on.

    Weeks 1 and 2: 4 - 2 = 2 left, 2 - 1 = 1 left. Week 3: 1 + 2 - 3 = 0. Then 2 arrive and sell each week, but week 5 wants 5
    (3 lost) and week 8 none (2 left).
    """
    demand = np.array([[2.0, 1, 3, 2, 5, 2, 2, 0]])
    played = play(Opening(np.array([3.0]), np.array([[1.0, 0.0]])), demand, always(2.4))
    assert played.orders.ravel().tolist() == [2.0] * 6
    assert played.holding.tolist() == pytest.approx([0.4])
    assert played.shortage.tolist() == pytest.approx([3.0])
    assert played.all_weeks.tolist() == pytest.approx([0.2 * (2 + 1) + 0.4 + 3.0])


def known(on_hand: float, due: tuple[float, float]) -> Known:
    units = np.zeros((8, 1, 1))
    units[:2, 0, 0] = due
    return Known(0, np.array([[on_hand]]), np.zeros((1, 1)), units, np.zeros((0, 1, 1)))


def test_the_rules_of_the_references_by_hand() -> None:
    """Stock 5 and 1, 2 due; forecast 4, 6, 9, 3: 5 + 1 - 4 = 2, 2 + 2 - 6 < 0, so nothing is left when the order comes."""
    forecast = [np.array([[4.0, 6.0, 9.0, 3.0]])]
    assert Cover(forecast)(known(5.0, (1.0, 2.0))).tolist() == [[22.0 - 8.0]]
    assert SquareRootBuffer(forecast)(known(5.0, (1.0, 2.0)))[0, 0] == pytest.approx(9 + 0.8 * 0.9674 * 3)
    assert SquareRootBuffer(forecast)(known(7.0, (1.0, 4.0)))[0, 0] == pytest.approx(9 + 0.8 * 0.9674 * 3 - 2)


def test_need_is_demand_less_stock_path_by_path() -> None:
    """Stock 3; paths want (3, 0, 2), (0, 0, 2), (0, 1, 9), (5, 5, 1) until delivery: needs 2, -1, 7, 1."""
    paths = [np.array([[[3.0, 0, 2], [0, 0, 2], [0, 1, 9], [5, 5, 1]]])]
    asked = {fractile: FractileOfNeed(paths, fractile)(known(3.0, (0.0, 0.0)))[0, 0] for fractile in (0.2, 0.5, 0.75, 0.8)}
    assert asked == {0.2: -1.0, 0.5: 1.0, 0.75: 2.0, 0.8: 7.0}


def test_the_reference_forecast_is_the_rule_written_as_loops() -> None:
    generator = np.random.default_rng(5)
    weeks = np.array(dates(1 - N_HISTORY, 0), "datetime64[D]")
    sales = generator.poisson(3.0, (4, N_HISTORY)).astype(float)
    sales[generator.random(sales.shape) < 0.2] = np.nan
    sales[3, -20:] = np.nan
    found = reference_forecast(sales, weeks)
    week_of = {day: pd.Timestamp(day).isocalendar().week for day in weeks}
    means: dict[int, list[float]] = {}
    for column, day in enumerate(weeks):
        means.setdefault(week_of[day], []).append(np.nanmean(sales[:, column]))
    by_week = {week: np.mean(values) for week, values in means.items()}
    season = {week: value / np.mean(list(by_week.values())) for week, value in by_week.items()}
    for row in range(4):
        ratios = [sales[row, c] / season[week_of[weeks[c]]] for c in range(N_HISTORY - 13, N_HISTORY)]
        kept = [ratio for ratio in ratios if np.isfinite(ratio)]
        base = np.mean(kept) if kept else 0.0
        for step in range(4):
            week = (pd.Timestamp(weeks[-1]) + pd.Timedelta(weeks=step + 1)).isocalendar().week
            assert found[row, step] == pytest.approx(base * season.get(week, 1.0))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    folder = tmp_path_factory.mktemp("vn2")
    write_week_0(folder, 8, N_HISTORY)
    data = read_vn2(folder)
    market = pd.DataFrame(columns=t.MARKET.names)
    return panel_from_series(data.series, market, freq="W", cutoff=data.weeks[-1], n_ahead=0)


def expected(series: Panel) -> list[Outlook]:
    config = load_config(OVERLAY, ["forecast.lightgbm.rounds=3", "forecast.lightgbm.min_leaf_rows=5"])
    return outlooks(series, 58, config, note=lambda _: None)


def test_no_order_sees_its_own_week_or_a_later_one(series: Panel) -> None:
    """From week 61 on all is different: the outlooks of weeks 58 to 61 are the same, that of week 62 is not."""
    before = expected(series)
    past = {name: values.copy() for name, values in series.past.items()}
    for values in past.values():
        values[:, 61:] = 1 - values[:, 61:]
    after = expected(Panel(series.keys, series.periods, past, series.known))
    for step in range(4):
        np.testing.assert_array_equal(before[step].reference, after[step].reference)
        for name, mean in before[step].members.items():
            np.testing.assert_array_equal(mean, after[step].members[name])
    assert not np.array_equal(before[4].reference, after[4].reference)
    for name, mean in before[4].members.items():
        assert not np.array_equal(mean, after[4].members[name])


def test_paths_have_the_mean_and_dispersion_asked_for(series: Panel) -> None:
    outlook, mean = expected(series)[0], np.tile([2.0, 5.0, 9.0], (8, 1))
    for dispersion in (0.0, 0.5):
        paths = outlook.paths(mean, dispersion=dispersion, n_paths=20_000)
        np.testing.assert_allclose(paths.mean(axis=1), mean, rtol=0.05)
        np.testing.assert_allclose(paths.var(axis=1), mean + dispersion * mean**2, rtol=0.1)


def window(name: str, demand: FloatArray, forecast: float) -> Window:
    n_series = len(demand)
    mean = np.full((n_series, 4), forecast)
    one = Outlook(mean, {"lightgbm": mean[:, :3], "moving_average": mean[:, :3]}, np.arange(n_series))
    return Window(name, Opening.empty(n_series), demand, [one] * 6, {"moving_average": 1.0, "lightgbm": 1.0}, 32)


def test_the_setting_is_chosen_on_early_windows_alone() -> None:
    """Early demand is far below the forecast, so little is ordered; later demand is far above it."""
    low, high = np.full((5, 8), 1.0), np.full((5, 8), 9.0)
    found = scores([window("0", low, 4.0)], [window("8", high, 4.0), window("16", high, 4.0)])
    assert found.chosen.fractile == min(one.fractile for one in SETTINGS)
    assert found.here.fractile == max(one.fractile for one in SETTINGS)
    table = found.table()
    assert list(table.index) == [*REFERENCES, OURS, TUNED_HERE]
    assert list(table) == ["8", "16", "mean", "holding", "shortage"]
    assert table.loc[TUNED_HERE, "mean"] < table.loc[OURS, "mean"]
    assert table.loc[OURS, "mean"] == pytest.approx(table.loc[OURS, ["8", "16"]].mean())
    told = found.against(REFERENCES[0], seed=1)
    assert told["difference"] == pytest.approx(table.loc[OURS, "mean"] - table.loc[REFERENCES[0], "mean"])
