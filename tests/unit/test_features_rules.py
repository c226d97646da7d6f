"""Missing values, outliers, stock-outs and classes against naive loops, row by row."""

import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from replen.config import DemandClasses, MissingRule, Outliers
from replen.features.classes import abc_class, abc_limits, demand_class, revenue, xyz_class
from replen.features.known import known_mean, known_quantile
from replen.features.missing import fill_missing
from replen.features.outliers import treat_outliers
from replen.features.stockouts import without_stock_outs

Values = NDArray[np.float32]
OutlierRule = Literal["none", "robust_z", "iqr"]
OutlierAction = Literal["clip", "mask", "keep"]
CLASSES = DemandClasses(adi=1.32, cv2=0.49, abc=(0.8, 0.95), xyz=(0.5, 1.0))

elements = st.one_of(st.just(np.nan), st.integers(0, 12).map(float), st.sampled_from([0.25, 300.0]))
histories = arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 14)), elements=elements)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def naive_fill(row: Values, rule: MissingRule) -> list[float]:
    known = [i for i, value in enumerate(row) if not np.isnan(value)]
    filled = []
    for i, value in enumerate(row):
        before, after = [k for k in known if k < i], [k for k in known if k > i]
        if not np.isnan(value):
            filled.append(float(value))
        elif rule == "zero":
            filled.append(0.0)
        elif rule == "mean" and known:
            filled.append(float(np.mean(row[known], dtype=float)))
        elif rule == "carry" and before:
            filled.append(float(row[before[-1]]))
        elif rule == "interpolate" and before and after:
            filled.append(float(np.interp(i, [before[-1], after[0]], [row[before[-1]], row[after[0]]])))
        else:
            filled.append(np.nan)
    return filled


@pytest.mark.parametrize("rule", ["interpolate", "carry", "mean", "zero", "unknown"])
@given(values=histories, n_before=st.integers(0, 3))
def test_missing_values_are_filled_as_by_a_naive_loop(rule: MissingRule, values: Values, n_before: int) -> None:
    padded = np.pad(values, ((0, 0), (n_before, 0)), constant_values=np.nan)
    started = np.broadcast_to(np.arange(padded.shape[1]) >= n_before, padded.shape)
    filled = fill_missing(padded, rule, started=started)
    assert filled.dtype == np.float32
    assert np.isnan(filled[:, :n_before]).all()
    np.testing.assert_allclose(filled[:, n_before:], [naive_fill(row, rule) for row in values], rtol=1e-5)


@given(values=histories, rule=st.sampled_from(["carry", "zero", "unknown"]), n_kept=st.integers(1, 14))
def test_causal_rules_do_not_look_ahead_of_any_period(values: Values, rule: MissingRule, n_kept: int) -> None:
    started = np.ones(values.shape, dtype=bool)
    whole = fill_missing(values, rule, started=started)[:, :n_kept]
    np.testing.assert_array_equal(whole, fill_missing(values[:, :n_kept], rule, started=started[:, :n_kept]))


@given(values=histories, level=st.floats(0, 1))
def test_statistics_are_those_of_the_known_values(values: Values, level: float) -> None:
    for row, mean, quantile in zip(values, known_mean(values)[:, 0], known_quantile(values, level)[:, 0], strict=True):
        known = row[~np.isnan(row)].astype(float)
        np.testing.assert_allclose(mean, known.mean() if len(known) else np.nan)
        np.testing.assert_allclose(quantile, np.quantile(known, level) if len(known) else np.nan, rtol=1e-6, atol=1e-12)


def naive_fences(row: Values, settings: Outliers) -> tuple[float, float]:
    known = row[~np.isnan(row)].astype(float)
    if len(known) < settings.min_periods or not len(known):
        return -np.inf, np.inf
    if settings.rule == "iqr":
        q1, q3 = np.quantile(known, [0.25, 0.75])
        low, high = q1 - settings.threshold * (q3 - q1), q3 + settings.threshold * (q3 - q1)
    else:
        deviation = np.abs(known - np.median(known))
        sd = 1.482602 * np.median(deviation) or 1.253314 * np.mean(deviation)
        low, high = np.median(known) - settings.threshold * sd, np.median(known) + settings.threshold * sd
    return (low, high) if high > low else (-np.inf, np.inf)


@pytest.mark.parametrize("rule", ["none", "robust_z", "iqr"])
@given(
    values=histories,
    action=st.sampled_from(["clip", "mask", "keep"]),
    threshold=st.sampled_from([1.1, 2.3, 6.7]),
    min_periods=st.integers(1, 8),
)
def test_outliers_are_treated_as_by_a_naive_loop(
    rule: OutlierRule, values: Values, action: OutlierAction, threshold: float, min_periods: int
) -> None:
    settings = Outliers(rule=rule, action=action, threshold=threshold, min_periods=min_periods)
    treated, outside = treat_outliers(values, settings)
    for row, new, flags in zip(values, treated, outside, strict=True):
        low, high = (-np.inf, np.inf) if settings.rule == "none" else naive_fences(row, settings)
        beyond = (row < low) | (row > high)
        wanted = {"clip": np.clip(row, low, high), "mask": np.where(beyond, np.nan, row), "keep": row}[settings.action]
        np.testing.assert_array_equal(flags, beyond)
        np.testing.assert_allclose(new, wanted, rtol=1e-5)


def test_series_that_are_mostly_alike_have_no_quartile_fences() -> None:
    sales = np.array([[2, 2, 2, 2, 2, 2, 2, 9]], dtype=np.float32)
    settings = Outliers(rule="iqr", action="mask", threshold=1.5, min_periods=1)
    assert not treat_outliers(sales, settings)[1].any()


def test_gaps_are_filled_between_their_own_neighbours() -> None:
    row = np.array([[np.nan, 1, np.nan, 3, np.nan, np.nan, 9, np.nan]], dtype=np.float32)
    filled = fill_missing(row, "interpolate", started=np.ones(row.shape, dtype=bool))
    np.testing.assert_array_equal(filled, [[np.nan, 1, 2, 3, 5, 7, 9, np.nan]])


def test_one_spike_among_zeros_is_found_by_the_mean_deviation() -> None:
    sales = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 100]], dtype=np.float32)
    settings = Outliers(rule="robust_z", action="mask", threshold=6.0, min_periods=8)
    # median 0, mean deviation 10 -> standard deviation 12.53, fence 75.2
    assert treat_outliers(sales, settings)[1].tolist() == [[False] * 9 + [True]]
    assert not treat_outliers(sales, settings.model_copy(update={"threshold": 8.0}))[1].any()


shares = st.one_of(st.just(np.nan), st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]))


@given(values=histories, least=st.sampled_from([0.0, 0.4, 0.5, 1.0]), data=st.data())
def test_demand_is_that_of_a_naive_loop_over_the_shares_in_stock(values: Values, least: float, data: st.DataObject) -> None:
    in_stock = data.draw(arrays.arrays(np.float32, values.shape, elements=shares.map(np.float32)))
    found = without_stock_outs(values, in_stock, min_in_stock=least)
    assert found.dtype == np.float32
    for place, value in np.ndenumerate(values):
        share = float(in_stock[place])
        scaled = value / share if share >= least > 0 else np.nan
        wanted = value if least == 0 or np.isnan(share) else scaled
        np.testing.assert_allclose(found[place], wanted, rtol=1e-6)


@given(sales=histories)
def test_demand_classes_are_those_of_a_naive_loop(sales: Values) -> None:
    for row, found, steadiness in zip(sales, demand_class(sales, CLASSES), xyz_class(sales, CLASSES), strict=True):
        known = row[~np.isnan(row)].astype(float)
        sizes = known[known > 0]
        if not len(sizes):
            assert (found, steadiness) == ("none", "none")
            continue
        rare, varied = len(known) / len(sizes) > 1.32, (np.std(sizes) / np.mean(sizes)) ** 2 > 0.49
        assert found == {(0, 0): "smooth", (0, 1): "erratic", (1, 0): "intermittent", (1, 1): "lumpy"}[rare, varied]
        cv = np.std(known) / np.mean(known)
        assert steadiness == ("X" if cv <= 0.5 else "Y" if cv <= 1.0 else "Z")


@given(sales=histories, factor=st.sampled_from([0.5, 4.0]))
def test_classes_do_not_depend_on_the_unit(sales: Values, factor: float) -> None:
    assert demand_class(sales, CLASSES).tolist() == demand_class(factor * sales, CLASSES).tolist()
    assert xyz_class(sales, CLASSES).tolist() == xyz_class(factor * sales, CLASSES).tolist()


@given(revenues=arrays.arrays(np.float64, st.integers(1, 20), elements=st.integers(0, 9).map(float)))
def test_abc_classes_end_where_the_cumulative_share_is_reached(revenues: NDArray[np.float64]) -> None:
    limits = abc_limits(revenues, (0.8, 0.95))
    classes = abc_class(revenues, limits)
    alone = [abc_class(revenues[[i]], limits)[0] for i in range(len(revenues))]
    assert classes.tolist() == alone
    if revenues.sum() == 0:
        assert set(classes) == {"C"}
        return
    for ends, share in (("A", 0.8), ("AB", 0.95)):
        inside = np.isin(classes, list(ends))
        least = revenues[inside].min()
        assert revenues[inside].sum() >= share * revenues.sum() - 1e-9
        assert revenues[revenues > least].sum() < share * revenues.sum()


def test_revenue_takes_the_list_price_where_no_price_is_known() -> None:
    sales, price = np.array([[9, 2, 1, np.nan]], dtype=np.float32), np.array([[5, 3, np.nan, 3]], dtype=np.float32)
    assert revenue(sales, price, unit_price=np.array([10.0]), n_periods=3).tolist() == [16.0]
    assert revenue(sales, price, unit_price=np.array([np.nan]), n_periods=3).tolist() == [6.0]
