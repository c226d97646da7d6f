"""Segments of series, from features to scores and champions: labels, limits, who forecasts whom, and what is added up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.evaluate.backtest import Backtest, Fold
from replen.evaluate.examples import FAN, ROLE, examples
from replen.evaluate.scores import summarise
from replen.features.classes import abc_limits
from replen.features.segments import Segmentation, recent_revenue
from replen.features.view import View
from replen.forecast.stage import Champions, Forecasting, Versioned
from replen.overlays import load_config
from tests.unit.test_chain import Fake

CONFIG = load_config(Path(__file__).parents[2] / "conf/test.yaml")
START, N_PERIODS, HORIZON = np.datetime64("2023-01-02"), 40, CONFIG.evaluate.horizon
PERIODS = START + 7 * np.arange(N_PERIODS)
VIEW = View(pd.DataFrame(columns=t.MARKET.names), "W", PERIODS[-1].item(), CONFIG.forecast.horizon, CONFIG.features)
SKUS = "abcdef"
CATEGORIES = ["food", "food", "toys", None, "toys", "toys"]
PRICES = [100.0, 8.0, 5.0, 2.0, 1.0, 1.0]


def series() -> pd.DataFrame:
    """Return six series that sell one unit a week, the last every other week three, dearer ones first; `e` has stopped."""
    rows = pd.DataFrame([dict.fromkeys(t.SERIES.names) for _ in SKUS]).astype(object)
    rows[t.SKU], rows[t.SITE], rows[t.STREAM], rows[t.BUCKET] = list(SKUS), "n", t.POOLED, 0
    rows[t.START_DATE], rows[t.CATEGORY], rows[t.UNIT_PRICE] = START.item(), CATEGORIES, PRICES
    sales = np.ones((len(SKUS), N_PERIODS), np.float32)
    sales[4], sales[5] = 0.0, np.tile([3.0, 0.0], N_PERIODS // 2)
    rows[t.SALES_HISTORY] = list(sales)
    return rows


def backtest(*forecasters: tuple[str, Fake], cutoff: np.datetime64 = PERIODS[-1 - HORIZON]) -> pd.DataFrame:
    panel = VIEW.at(VIEW.panel(series()), cutoff)
    limits = abc_limits(recent_revenue(panel, 52), CONFIG.features.classes.abc)
    fold = Fold(cutoff, dict(forecasters), Segmentation(CONFIG.features, limits))
    return Backtest([fold], ["good"], CONFIG.evaluate, seed=1).rows(VIEW.panel(series()), series())


def values(rows: pd.DataFrame, model: str, metric: str) -> dict[str, float]:
    """Return segment -> value over all folds, steps apart."""
    metrics = summarise(rows[rows[t.SEGMENT] != "series"].astype({t.VALUE: float}), run_id="r")
    chosen = metrics[(metrics[t.MODEL] == model) & (metrics[t.METRIC] == metric) & (metrics[t.FOLD] == "all")]
    return {s: v for s, v in zip(chosen[t.SEGMENT], chosen[t.VALUE], strict=True) if not s.startswith("step=")}


def test_series_are_counted_in_every_kind_of_segment() -> None:
    """Revenue shares: a 0.85, b 0.07, c 0.04, f 0.01 - so a is A, b and c are B; e has stopped selling and is not scored."""
    assert values(backtest(("good", Fake(1.0, SKUS))), "good", "n_series") == {
        "all": 5, "class=intermittent": 1, "class=smooth": 4, "abc=A": 1, "abc=B": 2, "abc=C": 2,
        "category=food": 2, "category=none": 1, "category=toys": 2,
    }  # fmt: skip


def test_a_fallback_is_scored_for_the_model_that_failed() -> None:
    """`bad` knows c alone, and forecasts 3 where 1 is sold; the others are forecast right by `good`."""
    rows = backtest(("good", Fake(1.0, "abcd")), ("bad", Fake(3.0, "c")))
    found = values(rows, "bad", "absolute_actual")
    assert found == values(rows, "good", "absolute_actual")
    assert values(rows, "bad", "mae")["all"] == pytest.approx(2.0 / 4)
    assert values(rows, "bad", "mae")["category=none"] == 0.0
    by_series = rows[(rows[t.SEGMENT] == "series") & (rows[t.MODEL] == "bad")]
    errors = {row[t.SKU]: row[t.METRICS_BY_NAME]["mae"] for row in by_series.to_dict("records")}
    assert {sku: errors[sku] for sku in "abcd"} == {"a": 0.0, "b": 0.0, "c": 2.0, "d": 0.0}
    assert np.isnan(errors["f"])  # which no model knows


def test_every_period_is_in_the_histogram_of_the_transform_once() -> None:
    rows = backtest(("good", Fake(1.0, SKUS)))
    counts = rows[rows[t.METRIC].fillna("").str.startswith("transform_")]
    assert counts[t.VALUE].sum() == 5 * HORIZON


def forecast_rows(kind: str, by_segment: dict[str, str], **fakes: Fake) -> pd.DataFrame:
    panel = VIEW.at(VIEW.panel(series()), PERIODS[-1])
    segmentation = Segmentation(CONFIG.features, abc_limits(recent_revenue(panel, 52), CONFIG.features.classes.abc))
    models = {name: Versioned(f"version of {name}", fake) for name, fake in fakes.items()}
    return Forecasting(VIEW, models, Champions(by_segment, kind, segmentation), ["good"], 3, (0.5,), 1)(series()).to_pandas()


def forecast(kind: str, by_segment: dict[str, str], **fakes: Fake) -> dict[str, tuple[str, str | None]]:
    """Return sku -> model and reason."""
    rows = forecast_rows(kind, by_segment, **fakes)
    assert sorted(rows[t.SKU]) == list(SKUS)
    made = rows[rows[t.MEAN].notna()]
    assert (made[t.MODEL_VERSION] == "version of " + made[t.MODEL]).all()
    return {row[t.SKU]: (row[t.MODEL], row[t.REASON]) for row in rows.to_dict("records")}


def test_forecasts_say_the_classes_of_their_series_whatever_champions_are_chosen_by() -> None:
    rows = forecast_rows("category", {"all": "good", "category=food": "best"}, good=Fake(1.0, "acdf"), best=Fake(2.0, "b"))
    found = {row[t.SKU]: (row[t.DEMAND_CLASS], row[t.ABC_CLASS]) for row in rows.to_dict("records")}
    assert found == {
        "a": ("smooth", "A"), "b": ("smooth", "B"), "c": ("smooth", "B"), "d": ("smooth", "C"), "f": ("intermittent", "C"),
        "e": (None, None),
    }  # fmt: skip


def test_each_series_is_forecast_by_the_champion_of_its_segment() -> None:
    fakes = {"good": Fake(1.0, SKUS), "best": Fake(2.0, "ab")}
    assert forecast("abc", {"all": "good", "abc=A": "best", "abc=C": "good"}, **fakes) == {
        "a": ("best", None), "b": ("good", None), "c": ("good", None), "d": ("good", None), "f": ("good", None),
        "e": ("good", t.INACTIVE),
    }  # fmt: skip
    by_category = forecast("category", {"all": "good", "category=food": "best"}, **fakes)
    assert {sku for sku, (model, _) in by_category.items() if model == "best"} == {"a", "b"}


def test_what_a_segments_champion_cannot_forecast_falls_down_the_chain() -> None:
    found = forecast("class", {"all": "good", "class=smooth": "best"}, good=Fake(1.0, "abcf"), best=Fake(2.0, "a"))
    assert found == {
        "a": ("best", None), "f": ("good", None), "e": ("good", t.INACTIVE),
        "b": ("good", "best: unknown sku; forecast by good"), "c": ("good", "best: unknown sku; forecast by good"),
        "d": ("good", "best: unknown sku; good: unknown sku"),
    }  # fmt: skip


def test_examples_show_what_was_sold_and_what_each_model_said() -> None:
    cutoff = PERIODS[-1 - HORIZON]
    fold = Fold(cutoff, {"good": Fake(1.0, SKUS), "bad": Fake(3.0, "a")}, Segmentation(CONFIG.features, (1.0, 1.0)))
    roles = pd.DataFrame({t.SKU: ["f", "a"], t.SITE: "n", t.STREAM: t.POOLED, ROLE: ["worst", "largest"]})
    shown = series().iloc[[0, 5]].reset_index(drop=True)
    last, first = examples(shown, roles, view=VIEW, fold=fold, fallback=["good"], horizon=HORIZON)
    assert (last.name, last.role, first.name) == ("f at n", "worst", "a at n")
    assert last.sales[-HORIZON:].tolist() == [3.0, 0.0, 3.0, 0.0]
    assert last.periods[-HORIZON - 1] == cutoff
    assert last.by_model["bad"].fan.shape == (HORIZON, len(FAN))
    assert (last.by_model["bad"].mean[0], first.by_model["bad"].mean[0], first.by_model["good"].mean[0]) == (1.0, 3.0, 1.0)
    assert last.by_model["bad"].reason == "bad: unknown sku; forecast by good"
