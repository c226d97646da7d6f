"""Panels from series rows, and their preparation: no look-ahead, a series alone = in a panel, units scale through."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

import replen.tables as t
from replen.config import DemandClasses, Features, Outliers
from replen.features.panel import Panel, active, panel_from_series, started
from replen.features.prepare import prepare

MONDAY = np.datetime64("2024-01-01")
N_PERIODS, N_AHEAD = 16, 3
PAST = (t.SALES_HISTORY, t.PRICE, t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL)

shares = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
units = st.one_of(st.none(), st.integers(0, 20), st.just(500))


def monday(number: int) -> dt.date:
    return (MONDAY + np.timedelta64(7 * number, "D")).item()


def array(draw: st.DrawFn, values: st.SearchStrategy[object], length: int) -> list[object]:
    return draw(st.lists(values, min_size=length, max_size=length))


@st.composite
def series(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    for number in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, N_PERIODS - 1))
        length = N_PERIODS - start
        row: dict[str, object] = dict.fromkeys(t.SERIES.names)
        row |= {t.SKU: f"sku {number}", t.SITE: draw(st.sampled_from(["north", "south"])), t.STREAM: t.POOLED}
        row |= {t.BUCKET: number, t.START_DATE: monday(start)}
        row |= {column: array(draw, shares if column == t.IN_STOCK else units, length) for column in PAST}
        for column in (t.PLANNED_PRICE, t.PLANNED_PROMOTION):
            row[column] = array(draw, units, draw(st.integers(0, length + N_AHEAD + 2)))
        row[t.COVARIATES] = draw(st.sampled_from([None, {}, {"views": [2.0] * length}]))
        rows.append(row)
    return pd.DataFrame(rows)


signals = st.tuples(
    st.sampled_from(["*", "north", "south", "elsewhere"]),
    st.integers(-1, N_PERIODS + N_AHEAD),
    st.sampled_from(["holiday", "weather"]),
)


@st.composite
def markets(draw: st.DrawFn) -> pd.DataFrame:
    keys = draw(st.lists(signals, unique=True, max_size=8))
    rows = [(site, monday(number), name, float(i + 1), name == "holiday") for i, (site, number, name) in enumerate(keys)]
    return pd.DataFrame(rows, columns=t.MARKET.names)


NO_MARKET = pd.DataFrame([], columns=t.MARKET.names)


def build(rows: pd.DataFrame, market: pd.DataFrame = NO_MARKET, *, cutoff: int = N_PERIODS - 1) -> Panel:
    return panel_from_series(rows, market, freq="W", cutoff=monday(cutoff), n_ahead=N_AHEAD)


RULES = st.sampled_from(["interpolate", "carry", "mean", "zero", "unknown"])
settings = st.builds(
    Features,
    missing=st.fixed_dictionaries(dict.fromkeys((*PAST, "views", t.PLANNED_PRICE, "holiday"), RULES)),
    outliers=st.builds(
        Outliers, rule=st.sampled_from(["none", "robust_z", "iqr"]), action=st.sampled_from(["clip", "mask", "keep"]),
        threshold=st.sampled_from([1.5, 3.0]), min_periods=st.integers(1, 6),
    ),
    classes=st.just(DemandClasses(adi=1.32, cv2=0.49, abc=(0.8, 0.95), xyz=(0.5, 1.0))),
    active_periods=st.just(5),
    min_in_stock=st.sampled_from([0.0, 0.5]),
)  # fmt: skip


def same_panel(left: Panel, right: Panel, *, scale: float = 1.0) -> None:
    assert left.past.keys() == right.past.keys()
    assert left.known.keys() == right.known.keys()
    np.testing.assert_array_equal(left.periods, right.periods)
    for name in left.past:
        np.testing.assert_allclose(left.past[name] * (scale if name == t.SALES_HISTORY else 1.0), right.past[name], rtol=1e-5)
    for name in left.known:
        np.testing.assert_allclose(left.known[name], right.known[name], rtol=1e-5)


@given(rows=series(), market=markets(), cutoff=st.integers(0, N_PERIODS - 1))
def test_a_panel_is_that_of_a_naive_loop(rows: pd.DataFrame, market: pd.DataFrame, cutoff: int) -> None:
    panel = build(rows, market, cutoff=cutoff)
    first = min(*rows[t.START_DATE], monday(cutoff - 1))  # at least two periods
    ahead = [monday(n) for n in range(-1, cutoff + 1 + N_AHEAD) if monday(n) >= first]
    periods = ahead[:-N_AHEAD]
    assert list(panel.periods.astype(object)) == periods
    held = {(site, date, name): value for site, date, name, value, _ in market.itertuples(index=False)}
    for i, row in rows.iterrows():
        for column in (*PAST, t.PLANNED_PRICE, t.PLANNED_PROMOTION):
            known = dict(enumerate(row[column]))
            wanted = [known.get((date - row[t.START_DATE]).days // 7) for date in (periods if column in PAST else ahead)]
            found = (panel.past if column in PAST else panel.known)[column][i]
            np.testing.assert_array_equal(found, np.array(wanted, dtype=np.float32))
        for name, arrays, dates in (("holiday", panel.known, ahead), ("weather", panel.past, periods)):
            wanted = [held.get((row[t.SITE], date, name), held.get(("*", date, name))) for date in dates]
            if name in set(market[t.NAME]):
                np.testing.assert_array_equal(arrays[name][i], np.array(wanted, dtype=np.float32))


@given(rows=series(), market=markets(), cutoff=st.integers(0, N_PERIODS - 1), chosen=settings)
def test_nothing_after_the_cutoff_is_seen(rows: pd.DataFrame, market: pd.DataFrame, cutoff: int, chosen: Features) -> None:
    earlier = rows.copy()
    for column in PAST:
        kept = [max((monday(cutoff) - start).days // 7 + 1, 0) for start in rows[t.START_DATE]]
        earlier[column] = pd.Series([list(a)[:n] for a, n in zip(rows[column], kept, strict=True)], dtype=object)
    unknown_yet = (market[t.NAME] == "weather") & (market[t.DATE].astype("datetime64[s]") > pd.Timestamp(monday(cutoff)))
    assume(set(market[~unknown_yet][t.NAME]) == set(market[t.NAME]))
    built = build(earlier, market[~unknown_yet], cutoff=cutoff)
    same_panel(prepare(build(rows, market, cutoff=cutoff), chosen), prepare(built, chosen))
    if min(rows[t.START_DATE]) < monday(cutoff):
        same_panel(prepare(build(rows, market).until(built.cutoff, N_AHEAD), chosen), prepare(built, chosen))


@given(rows=series(), chosen=settings)
def test_a_series_alone_is_prepared_as_in_a_panel(rows: pd.DataFrame, chosen: Features) -> None:
    together = prepare(build(rows), chosen)
    for i in range(len(rows)):
        alone = prepare(build(rows.iloc[[i]]), chosen)
        n_periods = len(alone.periods)
        for name, values in alone.past.items():
            np.testing.assert_array_equal(values[0], together.past[name][i, -n_periods:])
            assert np.isnan(together.past[name][i, :-n_periods]).all()


@given(rows=series(), chosen=settings)
def test_units_scale_through(rows: pd.DataFrame, chosen: Features) -> None:
    panel = build(rows)
    doubled = replace(panel, past={**panel.past, t.SALES_HISTORY: 2 * panel.past[t.SALES_HISTORY]})
    same_panel(prepare(panel, chosen), prepare(doubled, chosen), scale=2.0)


@given(rows=series(), n_periods=st.integers(1, N_PERIODS))
def test_active_series_sold_in_the_last_periods(rows: pd.DataFrame, n_periods: int) -> None:
    naive = [any(value for value in sales[-n_periods:] if value) for sales in rows[t.SALES_HISTORY]]
    assert active(build(rows), n_periods).tolist() == naive


def test_a_series_that_sold_nothing_is_not_active() -> None:
    row = _one_row()
    row[t.SALES_HISTORY] = pd.Series([[3.0, 0.0, None, 0.0] + [0.0] * (N_PERIODS - 4)], dtype=object)
    assert active(build(row), N_PERIODS).tolist() == [True]
    assert active(build(row), N_PERIODS - 1).tolist() == [False]


def test_stock_outs_are_masked_before_outliers_and_outliers_before_gaps() -> None:
    row = _one_row()
    row[t.SALES_HISTORY] = pd.Series([[4.0, 5.0, 0.0, 6.0, 900.0, 4.0, 5.0, 6.0] + [5.0] * (N_PERIODS - 8)], dtype=object)
    row[t.IN_STOCK] = pd.Series([[1.0, 1.0, 0.2] + [1.0] * (N_PERIODS - 3)], dtype=object)
    chosen = Features(
        missing={t.SALES_HISTORY: "interpolate"},
        outliers=Outliers(rule="robust_z", action="mask", threshold=6.0, min_periods=3),
        classes=DemandClasses(adi=1.32, cv2=0.49, abc=(0.8, 0.95), xyz=(0.5, 1.0)),
        active_periods=1,
        min_in_stock=0.5,
    )
    sales = prepare(build(row), chosen).past[t.SALES_HISTORY]
    assert sales[0, :8].tolist() == [4.0, 5.0, 5.5, 6.0, 5.0, 4.0, 5.0, 6.0]


@given(rows=series(), chosen=settings, seed=st.integers(0, 99))
def test_what_was_sold_to_whom_in_a_stock_out_changes_nothing(rows: pd.DataFrame, chosen: Features, seed: int) -> None:
    panel, rng = build(rows), np.random.default_rng(seed)
    short = panel.past[t.IN_STOCK] < chosen.min_in_stock
    anything = {
        name: np.where(short, rng.choice([np.nan, 0.0, 7.0, 1e6], panel.shape), panel.past[name]).astype(np.float32)
        for name in (t.SALES_HISTORY, t.CUSTOMER_COUNT)
    }
    before, after = prepare(panel, chosen), prepare(replace(panel, past={**panel.past, **anything}), chosen)
    for name, values in before.past.items():
        np.testing.assert_array_equal(values, after.past[name])
    assert np.isnan(before.past[t.CUSTOMER_COUNT][short]).all()


@given(rows=series())
def test_a_series_has_started_from_its_start_date_on(rows: pd.DataFrame) -> None:
    panel = build(rows)
    naive = [[date >= start for date in panel.periods.astype(object)] for start in rows[t.START_DATE]]
    assert started(panel).tolist() == naive


def test_a_shared_signal_is_not_copied() -> None:
    rows = pd.concat([_one_row()] * 3, ignore_index=True)
    holiday = pd.DataFrame([("*", monday(N_PERIODS), "holiday", 1.0, True)], columns=t.MARKET.names)
    values = build(rows, holiday).known["holiday"]
    assert values.strides[0] == 0
    assert values[:, -N_AHEAD].tolist() == [1.0, 1.0, 1.0]


def _one_row() -> pd.DataFrame:
    nothing = dict.fromkeys(t.SERIES.names)
    arrays = {column: [1.0] * N_PERIODS for column in PAST}
    return pd.DataFrame(
        [{**nothing, t.SKU: "a", t.SITE: "north", t.STREAM: t.POOLED, t.BUCKET: 0, t.START_DATE: monday(0), **arrays}]
    )


def test_what_is_known_in_advance_is_filled_ahead_too() -> None:
    row = _one_row()
    row[t.PLANNED_PRICE] = pd.Series([[2.0] * 4], dtype=object)
    holiday = pd.DataFrame([("*", monday(N_PERIODS), "holiday", 1.0, True)], columns=t.MARKET.names)
    chosen = Features(
        missing={t.PLANNED_PRICE: "carry", "holiday": "zero"},
        outliers=Outliers(rule="none", action="keep", threshold=1.0, min_periods=1),
        classes=DemandClasses(adi=1.32, cv2=0.49, abc=(0.8, 0.95), xyz=(0.5, 1.0)),
        active_periods=1,
        min_in_stock=0.5,
    )
    prepared = prepare(build(row, holiday), chosen)
    assert prepared.known[t.PLANNED_PRICE].tolist() == [[2.0] * (N_PERIODS + N_AHEAD)]
    assert prepared.known["holiday"].tolist() == [[0.0] * N_PERIODS + [1.0] + [0.0] * (N_AHEAD - 1)]
