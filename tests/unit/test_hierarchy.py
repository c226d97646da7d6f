"""Hierarchical scores against a naive pandas oracle, an example by hand, and what M5 says of them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from replen.errors import TableError
from replen.evaluate.hierarchy import M5_LEVELS, MEAN, hierarchy_labels, wrmsse, wspl

LEVELS = np.array([0.25, 0.5, 0.9])
units = st.integers(0, 9).map(float)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, object]:
    n, horizon, n_periods = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 8))
    columns = sorted({column for level in M5_LEVELS.values() for column in level})
    keys = {column: draw(st.lists(st.sampled_from("ab"), min_size=n, max_size=n)) for column in columns}
    never = st.one_of(st.just(np.nan), units)
    return {
        "keys": pd.DataFrame(keys),
        "forecast": draw(arrays.arrays(np.float32, (n, horizon), elements=units)),
        "actual": draw(arrays.arrays(np.float32, (n, horizon), elements=units)),
        "quantiles": np.sort(draw(arrays.arrays(np.float32, (n, horizon, 3), elements=units)), axis=2),
        "history": draw(arrays.arrays(np.float32, (n, n_periods), elements=never)),
        "revenue": draw(arrays.arrays(np.float64, n, elements=units)),
    }


def changes(history: "pd.Series[float]") -> "pd.Series[float]":
    sold = history.reset_index(drop=True)
    if not (sold > 0).any():
        return pd.Series(dtype=float)
    return sold[sold.gt(0).idxmax() :].diff().dropna()


def weighted(scores: list[float], weights: list[float]) -> float:
    kept = [(score, weight) for score, weight in zip(scores, weights, strict=True) if not math.isnan(score)]
    total = sum(weight for _, weight in kept)
    return sum(score * weight for score, weight in kept) / total if total > 0 else math.nan


def naive_wrmsse(case: dict[str, object], by: tuple[str, ...]) -> float:
    keys = case["keys"].assign(everything=1)  # type: ignore[attr-defined]
    groups = keys.groupby(list(by) or ["everything"]).indices.values()
    scores, weights = [], []
    for rows in groups:
        actual, forecast = (pd.DataFrame(case[name]).iloc[rows].astype(float).sum() for name in ("actual", "forecast"))
        change = changes(pd.DataFrame(case["history"]).iloc[rows].astype(float).fillna(0.0).sum())
        scale = float((change**2).mean()) if (change != 0).any() else math.nan
        scores.append(math.sqrt(float(((forecast - actual) ** 2).mean()) / scale))
        weights.append(float(np.asarray(case["revenue"])[rows].sum()))
    return weighted(scores, weights)


def scored(case: dict[str, object]) -> dict[str, float]:
    hierarchy = hierarchy_labels(case["keys"])  # type: ignore[arg-type]
    parts = {name: case[name] for name in ("history", "revenue")}
    return wrmsse(case["forecast"], case["actual"], hierarchy=hierarchy, **parts)  # type: ignore[arg-type]


@given(case=cases())
def test_wrmsse_of_every_level_is_the_naive_one(case: dict[str, object]) -> None:
    found = scored(case)
    naive = {level: naive_wrmsse(case, by) for level, by in M5_LEVELS.items()}
    naive[MEAN] = sum(naive.values()) / len(M5_LEVELS)
    assert list(found) == list(naive)
    np.testing.assert_allclose(list(found.values()), list(naive.values()), rtol=1e-9)


@given(case=cases())
def test_wspl_is_the_naive_one(case: dict[str, object]) -> None:
    scores = []
    for actual, quantiles, history in zip(case["actual"], case["quantiles"], case["history"], strict=True):  # type: ignore[call-overload]
        scale = float(changes(pd.Series(history.astype(float)).fillna(0.0)).abs().mean())
        losses = [
            max(level * (y - f), (level - 1) * (y - f))
            for y, by_level in zip(actual.astype(float), quantiles.astype(float), strict=True)
            for level, f in zip(LEVELS, by_level, strict=True)
        ]
        scores.append(float(np.mean(losses)) / scale if scale > 0 else math.nan)
    found = wspl(case["quantiles"], case["actual"], levels=LEVELS, history=case["history"], revenue=case["revenue"])  # type: ignore[arg-type]
    assert found == pytest.approx(weighted(scores, list(case["revenue"])), rel=1e-9, nan_ok=True)  # type: ignore[call-overload]


@given(case=cases(), seed=st.integers(0, 99))
def test_the_order_of_series_and_the_unit_of_sales_and_money_do_not_matter(case: dict[str, object], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(case["keys"]))  # type: ignore[arg-type]
    other = {name: case[name][order] for name in ("actual", "forecast", "history", "revenue")}  # type: ignore[index]
    other = {name: values * (3.0 if name == "revenue" else 2.0) for name, values in other.items()}
    other["keys"] = case["keys"].iloc[order]  # type: ignore[attr-defined]
    np.testing.assert_allclose(list(scored(other).values()), list(scored(case).values()), rtol=1e-6)


def test_two_items_by_hand() -> None:
    """Changes: first item 2, second (sold from period 2 on) 1, their sum 1 and 1 -> squared 4, 1, 1.

    Errors: 2 and -2 each step, 0 in the sum. Items: 2/2 and 2/1, weighted 3:1 = 1.25; total 0; mean 0.625.
    """
    history = np.array([[4.0, 2.0, 4.0], [np.nan, 3.0, 2.0]])
    actual, forecast = np.array([[4.0, 4.0], [3.0, 3.0]]), np.array([[6.0, 6.0], [1.0, 1.0]])
    hierarchy = {"total": np.zeros(2, int), "item": np.array(["x", "y"])}
    found = wrmsse(forecast, actual, hierarchy=hierarchy, history=history, revenue=np.array([30.0, 10.0]))
    assert found == pytest.approx({"total": 0.0, "item": 1.25, "mean": 0.625})


def test_scaled_pinball_loss_by_hand() -> None:
    """Mean absolute change 2; the median is 1 short (loss 0.5), the 0.9 quantile 1 above (loss 0.1): 0.3 / 2."""
    quantiles, levels = np.array([[[4.0, 6.0]]]), np.array([0.5, 0.9])
    history = np.array([[0.0, 1.0, 3.0]])
    found = wspl(quantiles, np.array([[5.0]]), levels=levels, history=history, revenue=np.ones(1))
    assert found == pytest.approx(0.15)


def test_m5_has_42840_sums() -> None:
    """3,049 items in 10 stores of 3 states, 7 departments of 3 categories."""
    stores = {f"s{i}": state for i, state in enumerate(["CA"] * 4 + ["TX"] * 3 + ["WI"] * 3)}
    departments = {f"d{i}": category for i, category in enumerate("FFFHHBB")}
    item = np.arange(3049)
    keys = pd.DataFrame({"item_id": item, "dept_id": [f"d{i % 7}" for i in item]}).merge(
        pd.DataFrame({"store_id": list(stores), "state_id": list(stores.values())}), how="cross"
    )
    keys["cat_id"] = keys["dept_id"].map(departments)
    sizes = [len(set(labels.tolist())) for labels in hierarchy_labels(keys).values()]
    assert sizes == [1, 3, 10, 3, 7, 9, 21, 30, 70, 3049, 9147, 30490]
    assert sum(sizes) == 42840


def test_a_missing_forecast_is_an_error_that_says_how_many() -> None:
    forecast = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]])
    with pytest.raises(TableError, match="forecast: expected a number for every series and step, found 2 of 3 series"):
        wrmsse(forecast, np.ones((3, 2)), hierarchy={"total": np.zeros(3)}, history=np.ones((3, 4)), revenue=np.ones(3))
