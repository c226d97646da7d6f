"""Series rows against a naive loop over series, periods and channels."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replen.tables as t
from replen.features.history import STATIC, SeriesInputs, series_rows
from replen.features.periods import Freq, period_dates, period_numbers, period_range

MONDAY = dt.date(2024, 1, 1)
N_PERIODS = 8
STEP = {"D": 1, "W": 7}
SIGNALS = (t.QUANTITY, t.PRICE, t.CUSTOMER_COUNT, t.PROMOTION, t.IN_STOCK, t.INVENTORY_LEVEL)

amounts = st.one_of(st.none(), st.integers(0, 40).map(lambda quarter: quarter / 4))
sku_site = st.tuples(st.sampled_from(["a", "b", "é 🙂"]), st.sampled_from(["north", "south"]))


def day(number: int, freq: Freq) -> dt.date:
    return MONDAY + dt.timedelta(days=STEP[freq] * number)


def frame(rows: list[tuple[object, ...]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns).astype(object).infer_objects()


@st.composite
def inputs(draw: st.DrawFn, freq: Freq) -> SeriesInputs:
    periods = st.integers(0, N_PERIODS + 1).map(lambda number: day(number, freq))
    sale_keys = draw(
        st.lists(st.tuples(sku_site, st.sampled_from(["store", "web", "app"]), periods), unique=True, min_size=1, max_size=30)
    )
    sales = [(*key, channel, date, *draw(st.tuples(*[amounts] * 6)), 7) for key, channel, date in sale_keys]
    keys = draw(st.lists(st.tuples(sku_site, periods), unique=True, max_size=12))
    planned = [(*key, date, draw(amounts), draw(amounts)) for key, date in keys]
    behaviour = [(*key, date, draw(st.sampled_from(["views", "baskets"])), draw(amounts)) for key, date in keys]
    return SeriesInputs(
        sales=frame(sales, [*t.SALES.names, t.BUCKET]),
        planned_prices=frame(planned, t.PLANNED_PRICES.names),
        behaviour=frame(behaviour, t.BEHAVIOUR.names),
    )


def build(given_rows: SeriesInputs, freq: Freq, *, complete: bool, last: int = N_PERIODS - 1) -> pd.DataFrame:
    rows = series_rows(given_rows, freq=freq, last_period=day(last, freq), complete=complete)
    return rows.to_pandas(maps_as_pydicts="strict")


def known(values: pd.Series) -> list[float]:
    return [float(value) for value in values if not pd.isna(value)]


def naive_period(rows: pd.DataFrame, *, complete: bool) -> dict[str, float]:
    if rows.empty:
        nothing = 0.0 if complete else np.nan
        return {**dict.fromkeys(SIGNALS, np.nan), t.QUANTITY: nothing, t.CUSTOMER_COUNT: nothing}
    priced = [(p, q) for p, q in zip(rows[t.PRICE], rows[t.QUANTITY], strict=True) if not pd.isna(p)]
    weight = sum(q for _, q in priced if not pd.isna(q))
    mean_price = np.mean([p for p, _ in priced]) if priced else np.nan
    return {
        t.QUANTITY: np.nan if rows[t.QUANTITY].isna().any() else sum(rows[t.QUANTITY]),
        t.PRICE: sum(p * q for p, q in priced if not pd.isna(q)) / weight if weight else mean_price,
        t.CUSTOMER_COUNT: sum(known(rows[t.CUSTOMER_COUNT])) if known(rows[t.CUSTOMER_COUNT]) else np.nan,
        t.PROMOTION: np.mean(known(rows[t.PROMOTION])) if known(rows[t.PROMOTION]) else np.nan,
        t.IN_STOCK: np.mean(known(rows[t.IN_STOCK])) if known(rows[t.IN_STOCK]) else np.nan,
        t.INVENTORY_LEVEL: max(known(rows[t.INVENTORY_LEVEL]), default=np.nan),
    }


def same(left: object, right: object) -> None:
    np.testing.assert_allclose(np.asarray(left, dtype=float), np.asarray(right, dtype=float), rtol=1e-5)


@pytest.mark.parametrize("freq", ["D", "W"])
@given(data=st.data(), complete=st.booleans())
def test_series_rows_are_those_of_a_naive_loop(freq: Freq, data: st.DataObject, complete: bool) -> None:
    rows = data.draw(inputs(freq))
    found = build(rows, freq, complete=complete).set_index([t.SKU, t.SITE])
    in_time = rows.sales[rows.sales[t.DATE] <= day(N_PERIODS - 1, freq)]
    assert list(found.index) == sorted(set(zip(in_time[t.SKU], in_time[t.SITE], strict=True)))
    for (sku, site), series in in_time.groupby([t.SKU, t.SITE]):
        row = found.loc[(sku, site)]
        start = min(series[t.DATE])
        dates = [date for date in (day(i, freq) for i in range(N_PERIODS)) if date >= start]
        naive = [naive_period(series[series[t.DATE] == date], complete=complete) for date in dates]
        assert (row[t.START_DATE], row[t.BUCKET]) == (start, 7)
        same(row[t.SALES_HISTORY], [period[t.QUANTITY] for period in naive])
        for column in SIGNALS[1:]:
            same(row[column], [period[column] for period in naive])
        check_signals(row, rows, start, dates, freq)


def check_signals(row: pd.Series, rows: SeriesInputs, start: dt.date, dates: list[dt.date], freq: Freq) -> None:
    planned, behaviour = (
        table[(table[t.SKU] == row.name[0]) & (table[t.SITE] == row.name[1]) & (table[t.DATE] >= start)]
        for table in (rows.planned_prices, rows.behaviour)
    )
    price = dict(zip(planned[t.DATE], planned[t.PRICE], strict=True))
    promotion = dict(zip(planned[t.DATE], planned[t.PROMOTION], strict=True))
    n_planned = period_numbers(max(price), freq) - period_numbers(start, freq) + 1 if price else 0
    ahead = [start + dt.timedelta(days=STEP[freq] * i) for i in range(n_planned)]
    same(row[t.PLANNED_PRICE], [price.get(date) for date in ahead])
    same(row[t.PLANNED_PROMOTION], [promotion.get(date) for date in ahead])
    seen = behaviour[behaviour[t.DATE] <= dates[-1]]
    assert sorted(row[t.COVARIATES]) == sorted(set(seen[t.NAME]))
    for name, values in row[t.COVARIATES].items():
        value = {date: v for date, n, v in zip(seen[t.DATE], seen[t.NAME], seen[t.VALUE], strict=True) if n == name}
        same(values, [value.get(date) for date in dates])


@given(rows=inputs("W"), last=st.integers(0, N_PERIODS - 1))
def test_arrays_cut_at_a_cutoff_are_arrays_of_the_rows_up_to_it(rows: SeriesInputs, last: int) -> None:
    cutoff = day(last, "W")
    cut = build(rows, "W", complete=True)
    n_kept = [(cutoff - start).days // 7 + 1 for start in cut[t.START_DATE]]
    early = replace(
        rows, sales=rows.sales[rows.sales[t.DATE] <= cutoff], behaviour=rows.behaviour[rows.behaviour[t.DATE] <= cutoff]
    )
    built = build(early, "W", complete=True, last=last)
    kept = cut[np.array(n_kept) > 0].reset_index(drop=True)
    assert kept[list(t.SERIES.key)].equals(built[list(t.SERIES.key)])
    for column in (t.SALES_HISTORY, *SIGNALS[1:]):
        for whole, short in zip(kept[column], built[column], strict=True):
            same(whole[: len(short)], short)
    for column in (t.PLANNED_PRICE, t.PLANNED_PROMOTION):
        for whole, short in zip(kept[column], built[column], strict=True):
            same(whole, short)


@given(rows=inputs("D"), seed=st.integers(0, 99))
def test_neither_the_order_of_rows_nor_other_series_change_a_series(rows: SeriesInputs, seed: int) -> None:
    together = build(rows, "D", complete=False)
    shuffled = build(replace(rows, sales=rows.sales.sample(frac=1, random_state=seed)), "D", complete=False)
    alone = [build(replace(rows, sales=series), "D", complete=False) for _, series in rows.sales.groupby([t.SKU, t.SITE])]
    pd.testing.assert_frame_equal(together, shuffled)
    pd.testing.assert_frame_equal(together, pd.concat([row for row in alone if len(row)] or [together[:0]], ignore_index=True))


def in_arrow_types(rows: pd.DataFrame) -> pd.DataFrame:
    texts = {column: "category" for column in (t.SKU, t.SITE, t.CHANNEL, t.NAME) if column in rows}
    return rows.astype(texts).assign(**{t.DATE: pd.to_datetime(rows[t.DATE])})


@given(rows=inputs("W"))
def test_categories_and_datetimes_give_the_same_series(rows: SeriesInputs) -> None:
    converted = SeriesInputs(*(in_arrow_types(table) for table in (rows.sales, rows.planned_prices, rows.behaviour)))
    pd.testing.assert_frame_equal(build(converted, "W", complete=True), build(rows, "W", complete=True))


def test_no_sales_give_no_series() -> None:
    nothing = SeriesInputs(
        sales=frame([], [*t.SALES.names, t.BUCKET]),
        planned_prices=frame([("a", "north", MONDAY, 1.0, 0.0)], t.PLANNED_PRICES.names),
        behaviour=frame([("a", "north", MONDAY, "views", 3.0)], t.BEHAVIOUR.names),
    )
    rows = build(nothing, "W", complete=True)
    assert len(rows) == 0
    assert list(rows) == [name for name in t.SERIES.names if name not in STATIC]


def test_prices_are_weighted_by_quantity() -> None:
    sales = frame(
        [
            ("a", "n", "web", MONDAY, 3.0, 10.0, 2.0, 1.0, 1.0, 9.0, 0),
            ("a", "n", "store", MONDAY, 1.0, 6.0, 1.0, 0.0, 0.5, 9.0, 0),
        ],
        [*t.SALES.names, t.BUCKET],
    )
    empty = SeriesInputs(sales, frame([], t.PLANNED_PRICES.names), frame([], t.BEHAVIOUR.names))
    row = build(empty, "W", complete=False, last=1).iloc[0]
    same(row[t.SALES_HISTORY], [4.0, np.nan])
    same(row[t.PRICE], [9.0, np.nan])
    same(row[t.IN_STOCK], [0.75, np.nan])
    same(row[t.CUSTOMER_COUNT], [3.0, np.nan])
    same(row[t.INVENTORY_LEVEL], [9.0, np.nan])


@given(date=st.dates(dt.date(1950, 1, 1), dt.date(2100, 1, 1)))
def test_weeks_are_named_by_their_monday(date: dt.date) -> None:
    monday = date - dt.timedelta(days=date.weekday())
    assert period_dates(period_numbers(date, "W"), "W").astype(object) == monday
    assert period_dates(period_numbers(date, "D"), "D").astype(object) == date
    assert list(period_range(monday, date, "W").astype(object)) == [monday]
