"""Orders of a forecast played on what was sold: by hand, against perfect foresight, without a look ahead, and as a measure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

import replen.tables as t
from replen.config import Config
from replen.errors import ConfigError
from replen.evaluate.backtest import Backtest, Fold
from replen.evaluate.champion import choose
from replen.evaluate.metrics import ratios
from replen.evaluate.scores import summarise
from replen.evaluate.simulated_cost import TERMS, Trial, Trials, order_up_to_levels, played
from replen.evaluate.simulation import score, simulate
from replen.features.panel import FloatArray, Panel
from replen.features.segments import Segmentation
from replen.features.view import View
from replen.forecast.chain import Answer
from replen.forecast.distribution import from_negative_binomial, from_quantiles
from replen.overlays import load_config
from replen.plan.policies.fixed_cycle import OrderUpTo
from replen.plan.positions import Positions
from replen.plan.projection import project
from tests.unit.plan_instances import instances, least_cost, positions, row_problem
from tests.unit.test_chain import Fake

CONF = Path(__file__).parents[2] / "conf/test.yaml"
CUTOFF = np.datetime64("2024-06-24")
PLAIN = {t.SUPPLIER: "mill", t.LEAD_TIME_DAYS: 7.0, t.REVIEW_PERIOD_DAYS: 7.0, t.UNIT_COST: 2.0, t.UNIT_PRICE: 5.0,
         t.HOLDING_COST: 0.1, t.LOST_SALE_COST: 5.0, t.END_VALUE: 1.0}  # fmt: skip


def configured(*changes: str) -> Config:
    return load_config(CONF, ["evaluate.simulated_cost.n_paths=16", *changes])


def items(n_series: int, **changed: Any) -> pd.DataFrame:
    """Return rows with the terms of PLAIN but for what is changed; what neither names is null."""
    columns = [t.SKU, t.SITE, t.STREAM, *TERMS, t.UNIT_PRICE, t.SHELF_LIFE_DAYS, t.LAUNCH_DATE, t.END_DATE]
    rows = pd.DataFrame({str(column): [None] * n_series for column in columns})
    rows[t.SKU], rows[t.SITE], rows[t.STREAM] = [f"s{number}" for number in range(n_series)], "n", t.POOLED
    return rows.assign(**{str(name): value for name, value in {**PLAIN, **changed}.items()})


def panel_of(rows: pd.DataFrame, sales: FloatArray) -> Panel:
    """Return a panel whose last period is the cutoff."""
    periods = CUTOFF + 7 * np.arange(1 - sales.shape[1], 1)
    return Panel(rows[[t.SKU, t.SITE, t.STREAM]], periods, {str(t.SALES_HISTORY): sales.astype(np.float32)}, {})


def trial_of(rows: pd.DataFrame, sales: FloatArray, actual: FloatArray, *changes: str) -> Trial:
    config = configured(f"evaluate.horizon={actual.shape[1]}", *changes)
    return Trials(config.evaluate, config.costs, "W", seed=1).of(panel_of(rows, sales), rows, actual.astype(np.float32))


def points(demand: FloatArray) -> list[Answer]:
    """Return the answer of a forecaster that is sure of what it says; NaN where it says nothing."""
    mean = demand.astype(np.float32)
    n_series, horizon = mean.shape
    none, reason = np.zeros(horizon - 1, np.float32), np.full(n_series, "")
    sure = from_quantiles(mean, mean[:, :, None], levels=np.array([0.5], np.float32), dependence=none, reason=reason)
    return [Answer("sure", np.arange(n_series), sure)]


def counts(mean: FloatArray) -> list[Answer]:
    """Return the answer of a forecaster that says negative binomials."""
    n_series, horizon = mean.shape
    said = from_negative_binomial(
        mean.astype(np.float32),
        np.full(mean.shape, 0.3, np.float32),
        levels=np.array([0.5], np.float32),
        dependence=np.full(horizon - 1, 0.2, np.float32),
        reason=np.full(n_series, ""),
    )
    return [Answer("counts", np.arange(n_series), said)]


def test_costs_by_hand() -> None:
    # 4 sold a week: 4 on the shelf until the first order arrives after a week. Forecast 5 a week, sold 4, 6, 2.
    # At once: 4 of 5 can be sold before it arrives, 5 after: up to 4 + 5 = 9, an order of 5. A week later, 5 are due: up to 10,
    # an order of 5. Week 1: 5 for 6, one lost: 5 - 2. Week 2: 5 for 2: 3 left, holding 3 x 0.1, worth 1 of the 2 they cost.
    trial = trial_of(items(1, order_cost=0.5), np.full((1, 8), 4.0), np.array([[4.0, 6.0, 2.0]]))
    assert trial.positions.on_hand.tolist() == [4.0]
    parts = trial.parts(points(np.full((1, 3), 5.0)))
    assert parts["simulated_cost"] == approx([2 * 0.5 + 3.0 + 0.3 + 3.0])
    assert parts["simulated_periods"].tolist() == [2.0]
    assert (parts["simulated_sold"], parts["simulated_demand"]) == ([7.0], [8.0])
    found = ratios(dict.fromkeys(("squared_error", "n"), np.ones(1)) | parts)
    assert (found["simulated_cost"], found["fill_rate"]) == (approx([3.65]), [7 / 8])


def unavoidable(drawn: Positions, sold: FloatArray, row: int) -> tuple[float, float]:
    """Return the money of the periods before the first arrival, and that of the units wanted later, less what is there then."""
    lead_time, idle = drawn.lead_time[row], project(drawn.on_hand, drawn.receipts, sold)
    held, lost = idle.ending[:lead_time, row].sum(), idle.short[:lead_time, row].sum()
    stock = idle.ending[lead_time - 1, row, 0] if lead_time else drawn.on_hand[row]
    before = drawn.holding_cost[row] * held + drawn.lost_sale_cost[row] * lost
    return float(before), float(drawn.unit_cost[row] * (sold[lead_time:, row].sum() - stock))


@settings(deadline=None)
@given(instance=instances(max_series=2), seed=st.integers(0, 99))
def test_the_cost_is_the_plans_without_what_no_order_changes(instance: Any, seed: int) -> None:
    drawn, demand = instance
    drawn = replace(drawn, receipts=np.zeros_like(drawn.receipts))
    assume((drawn.lead_time < len(demand)).all())
    sold = demand[:, :, :1]
    levels = np.random.default_rng(seed).uniform(0, 60, drawn.receipts.shape)
    parts = played(drawn, sold, levels)
    whole = score(drawn, simulate(drawn, sold, OrderUpTo(drawn, levels))).cost
    for row in range(drawn.n_series):
        before, purchase = unavoidable(drawn, sold, row)
        assert parts["simulated_cost"][row] == approx(whole[row] - before - purchase, abs=1e-6)
        # What perfect foresight would pay, without packs, minima and order costs.
        assert parts["simulated_cost"][row] >= least_cost(row_problem(drawn, sold, row)) - purchase - 1e-6
    assert (parts["simulated_cost"] >= -1e-9).all()


@settings(deadline=None)
@given(instance=instances(max_series=2))
def test_who_knows_what_comes_pays_what_perfect_foresight_would(instance: Any) -> None:
    """Where a unit is worth being held to the horizon: then no sale is lost on purpose."""
    drawn, demand = instance
    n_series, horizon, sold = drawn.n_series, len(demand), demand[:, :, :1]
    kept = ("on_hand", "lead_time", "review_period", "unit_cost", "lost_sale_cost", "end_value")
    drawn = positions(n_series, horizon, holding_cost=0.01, **{name: getattr(drawn, name) for name in kept})
    assume((drawn.lead_time < horizon).all())
    parts = played(drawn, sold, order_up_to_levels(drawn, np.repeat(sold, 4, axis=2)))
    for row in range(n_series):
        _, purchase = unavoidable(drawn, sold, row)
        assert parts["simulated_cost"][row] == approx(least_cost(row_problem(drawn, sold, row)) - purchase, abs=1e-3)


def test_what_expires_costs_its_purchase_by_hand() -> None:
    """Packs of 4 that keep a week, 3 sold in each of 3 weeks: one unit of each is thrown away, 2.0 each; none is held."""
    one = positions(1, 3, order_multiple=4.0, unit_cost=2.0, holding_cost=0.1, end_value=1.0, shelf_life=np.array([1]))
    sold, levels = np.full((3, 1, 1), 3.0), np.full((1, 3), 4.0)
    assert played(one, sold, levels)["simulated_cost"] == approx([6.0])
    assert played(replace(one, shelf_life=None), sold, levels)["simulated_sold"] == [9.0]
    assert order_up_to_levels(replace(one, review_period=np.array([3])), sold)[0, 0] == 3.0
    assert order_up_to_levels(replace(one, review_period=np.array([3]), shelf_life=None), sold)[0, 0] == approx(9.0)


def test_shelf_life_of_the_catalogue_is_that_of_the_trial() -> None:
    rows, sales, actual, _ = shop(4)
    assert trial_of(rows, sales, actual).positions.shelf_life is not None
    perishing = rows.assign(**{str(t.SHELF_LIFE_DAYS): [7.0, 14.0, 20.0, None]})
    assert trial_of(perishing, sales, actual).positions.shelf_life.tolist() == [1, 2, 2, 7]


def shop(n_series: int = 60, horizon: int = 6) -> tuple[pd.DataFrame, FloatArray, FloatArray, FloatArray]:
    """Return items, sales up to the cutoff, what was sold then, and its mean."""
    rng = np.random.default_rng(3)
    level = np.exp(rng.uniform(0, 4, (n_series, 1)))
    season = 1 + 0.5 * np.sin(np.arange(26 + horizon) / 3 + rng.uniform(0, 6, (n_series, 1)))
    sales = rng.poisson(level * season).astype(float)
    terms = {t.LEAD_TIME_DAYS: rng.choice([0.0, 7.0, 14.0], n_series), t.REVIEW_PERIOD_DAYS: rng.choice([7.0, 14.0], n_series)}
    return items(n_series, **terms), sales[:, :26], sales[:, 26:], (level * season)[:, 26:]


def test_the_better_forecast_is_cheaper_and_the_oracle_is_cheapest() -> None:
    rows, sales, actual, mean = shop()
    trial = trial_of(rows, sales, actual)
    naive = sales[:, -6:]
    costs = [trial.parts(answer)["simulated_cost"].sum() for answer in (points(actual), counts(mean), points(naive))]
    assert costs == sorted(costs)
    assert costs[0] < 0.5 * costs[1]
    assert costs[1] < 0.9 * costs[2]


def test_a_series_alone_costs_what_it_costs_in_a_bucket() -> None:
    rows, sales, actual, mean = shop()
    whole = trial_of(rows, sales, actual).parts(counts(mean))
    for chosen in ([7], [40, 3], list(range(10, 30))):
        part = trial_of(rows.iloc[chosen], sales[chosen], actual[chosen]).parts(counts(mean[chosen]))
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][chosen], err_msg=name)


@pytest.mark.parametrize("step", [0, 2, 5])
def test_what_is_sold_later_changes_no_order_before(step: int) -> None:
    rows, sales, actual, mean = shop()
    changed = actual.copy()
    changed[:, step:] = np.random.default_rng(1).poisson(30, changed[:, step:].shape)
    orders = []
    for sold in (actual, changed):
        trial = trial_of(rows, sales, sold)
        (answer,) = counts(mean)
        paths = np.moveaxis(answer.distribution.sample_paths(trial.seeds, 16), 2, 0).astype(float)
        levels = order_up_to_levels(trial.positions, paths)
        orders.append(simulate(trial.positions, trial.sold, OrderUpTo(trial.positions, levels)).orders)
    np.testing.assert_array_equal(orders[0][: step + 1], orders[1][: step + 1])
    assert (orders[0][step + 1 :] != orders[1][step + 1 :]).any() or step == 5


def test_series_that_cannot_be_tried_are_counted_by_reason() -> None:
    lead_time = [0.0, 42.0, 7.0, 7.0, np.nan, 7.0, 7.0]
    supplier = ["mill"] * 5 + [None, None]
    rows = items(7, **{t.LEAD_TIME_DAYS: lead_time, t.SUPPLIER: supplier, t.UNIT_PRICE: [5.0] * 6 + [None]})
    rows[t.UNIT_COST] = [2.0, 2.0, 2.0, 9.0, 2.0, None, None]  # the fourth costs more than a lost sale
    actual = np.ones((7, 6))
    actual[2, 5] = np.nan
    trial = trial_of(rows, np.full((7, 10), 3.0), actual)
    parts = trial.parts(points(np.ones((7, 6))))
    found = {name: np.flatnonzero(parts[name]).tolist() for name in parts if name.startswith("n_")}
    assert found == {"n_simulated": [0, 5], "n_too_late": [1], "n_unknown_sales": [2], "n_no_terms": [3, 4, 6]}
    assert trial.positions.lead_time.tolist() == [0, 2]  # the terms of the configuration: 14 days, 0.6 of the list price
    assert trial.positions.unit_cost.tolist() == [2.0, 3.0]
    assert trial.positions.on_hand.tolist() == [0.0, 6.0]
    assert parts["simulated_periods"].tolist() == [6.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0]


def test_costs_come_by_rule_where_none_are_given() -> None:
    rows = items(1, **{t.HOLDING_COST: None, t.LOST_SALE_COST: None, t.END_VALUE: None})
    found = trial_of(rows, np.ones((1, 8)), np.ones((1, 3)), "costs.holding_rate_per_year=0.5").positions
    assert found.lost_sale_cost.tolist() == [5.0]
    assert found.end_value == approx([1.8])
    assert found.holding_cost == approx([0.5 * 7 / 365.25 * 2.0])


def test_nothing_is_ordered_for_when_a_product_is_no_longer_sold() -> None:
    ended = [None, CUTOFF.astype("datetime64[D]").item()]
    rows = items(2, **{t.END_DATE: ended, t.LEAD_TIME_DAYS: 0.0})
    parts = trial_of(rows, np.full((2, 8), 4.0), np.zeros((2, 3))).parts(points(np.full((2, 3), 5.0)))
    assert parts["simulated_cost"][0] > 0
    assert parts["simulated_cost"][1] == 0


def test_a_series_without_a_forecast_has_no_cost() -> None:
    demand = np.full((2, 3), 5.0)
    demand[1] = np.nan
    parts = trial_of(items(2), np.full((2, 8), 4.0), np.full((2, 3), 4.0)).parts(points(demand))
    assert parts["n_simulated"].tolist() == [1.0, 0.0]
    assert parts["simulated_cost"][1] == parts["simulated_periods"][1] == 0


def backtested(config: Config, sales: FloatArray) -> pd.DataFrame:
    """Return the backtest of forecasters that say 12 and 9, from CUTOFF, of series that go on for three weeks after it."""
    rows = items(len(sales)).reindex(columns=[*dict.fromkeys([*t.SERIES.names, *items(1).columns])])
    start = CUTOFF + 7 * (4 - sales.shape[1])
    rows[t.BUCKET], rows[t.START_DATE], rows[t.SALES_HISTORY] = 0, start.item(), list(sales.astype(np.float32))
    for column in t.SERIES.values:
        if rows[column].isna().all():
            rows[column] = None
    view = View(pd.DataFrame(columns=t.MARKET.names), "W", (CUTOFF + 21).item(), 8, config.features)
    skus = rows[t.SKU].tolist()
    fold = Fold(CUTOFF, {"over": Fake(12.0, skus), "under": Fake(9.0, skus)}, Segmentation(config.features, (0.0, 0.0)))
    trials = Trials(config.evaluate, config.costs, "W", config.seed)
    return Backtest([fold], ["over"], config.evaluate, config.seed, trials).rows(view.panel(rows), rows)


def metrics_of(rows: pd.DataFrame) -> pd.DataFrame:
    return summarise(rows[rows[t.SEGMENT] != "series"].astype({t.VALUE: float}), run_id="r")


def test_the_champion_is_the_one_whose_orders_cost_less() -> None:
    """10 are sold a week: 9 is closer to it than 12, but who orders up to 9 loses a sale each week, and 12 holds two units."""
    champions = {}
    for measure in ("pinball", "simulated_cost"):
        config = configured("evaluate.horizon=3", "forecast.promotion.segment=all", f"forecast.promotion.measure={measure}")
        (choice,) = choose(metrics_of(backtested(config, np.full((3, 20), 10.0))), config.forecast, incumbents={})
        champions[measure] = choice.champion, choice.reason
    assert champions["pinball"][0] == "under"
    champion, reason = champions["simulated_cost"]
    assert champion == "over"
    assert reason.startswith("smallest simulated_cost over 1 folds: over ")


def test_what_comes_after_the_fold_changes_nothing() -> None:
    config = configured("evaluate.horizon=2")
    sales = np.random.default_rng(2).poisson(10, (5, 20)).astype(float)
    later = sales.copy()
    later[:, -1] = 1e6
    pd.testing.assert_frame_equal(backtested(config, sales), backtested(config, later))


def test_a_cost_that_no_model_has_gives_way_to_pinball() -> None:
    config = configured("evaluate.horizon=1", "forecast.promotion.segment=all", "forecast.promotion.measure=simulated_cost")
    (choice,) = choose(metrics_of(backtested(config, np.full((3, 20), 10.0))), config.forecast, incumbents={})
    assert choice.reason.startswith(
        "smallest pinball over 1 folds (simulated_cost, asked for by forecast.promotion.measure, is not"
    )


def test_promotion_by_a_cost_that_is_not_simulated_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"simulated_cost needs evaluate.simulated_cost.n_paths of 1 or more"):
        load_config(CONF, ["forecast.promotion.measure=simulated_cost", "evaluate.simulated_cost.n_paths=0"])


def test_no_series_may_be_tried() -> None:
    rows = items(2, **{t.LEAD_TIME_DAYS: 70.0})
    parts = trial_of(rows, np.ones((2, 8)), np.ones((2, 3))).parts(counts(np.ones((2, 3))))
    assert parts["n_too_late"].tolist() == [1.0, 1.0]
    assert parts["simulated_cost"].tolist() == [0.0, 0.0]
