"""The generated platform: determined by its seed, censored by its stock, as varied as it says."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen import tables as t
from replen.config import Generator
from replen.overlays import load_config
from replen.sources import generator_master as master
from replen.sources import generator_periods as periods
from replen.sources.generator_platform import BlockAtSite, Platform
from replen.sources.generator_products import BLOCK
from replen.sources.generator_stock import order_line, sell
from replen.sources.generator_world import CATEGORIES, EVENTS, event_days

SETTINGS = load_config(Path(__file__).parents[2] / "conf" / "base.yaml").sources.generator
CLEAN = SETTINGS.model_copy(update={"dirt_share": 0.0})
CUTOFF = dt.date(2024, 6, 24)
SALES_KEY = list(t.SALES.key)


def platform(settings: Generator = CLEAN, freq: str = "W", seed: int = 7, **changes: Any) -> Platform:
    return Platform(settings.model_copy(update=changes), freq, seed)


def rows(make: Callable[..., Any], of: Platform, *blocks: int) -> pd.DataFrame:
    return pa.Table.from_batches([batch for block in blocks for batch in make(of, block)]).to_pandas()


@cache
def history(freq: str = "W", n_blocks: int = 4, **changes: Any) -> tuple[BlockAtSite, ...]:
    of = platform(freq=freq, **changes)
    return tuple(at for block in range(n_blocks) for at in of.sites(block))


def stacked(take: Callable[[BlockAtSite], Any], of: tuple[BlockAtSite, ...]) -> Any:
    return np.concatenate([take(at) for at in of])


@pytest.mark.parametrize("make", [periods.sales, periods.planned_prices, periods.true_demand, master.stock, master.supply])
def test_rows_of_a_sku_do_not_depend_on_how_many_skus_and_sites_there_are(make: Callable[..., Any]) -> None:
    small = rows(make, platform(SETTINGS, n_skus=300, n_sites=1, dirt_share=0.02), 0, 1)
    large = rows(make, platform(SETTINGS, n_skus=600, n_sites=2, dirt_share=0.02), 1, 0)
    same = large[large[t.SKU].isin(small[t.SKU].unique()) & (large[t.SITE] == "site-1")]
    key = list(small.columns)
    known = small[t.SKU] != periods.NO_SUCH_SKU
    same = same[same[t.SKU] != periods.NO_SUCH_SKU]
    expected = small[known].sort_values(key).reset_index(drop=True)
    pd.testing.assert_frame_equal(same.sort_values(key).reset_index(drop=True), expected)
    assert expected[t.SKU].nunique() <= 300


def test_another_seed_gives_other_sales() -> None:
    one, other = (rows(periods.sales, platform(seed=seed, n_skus=50), 0)[t.QUANTITY] for seed in (1, 2))
    assert len(one) != len(other) or (one != other).any()


def test_demand_levels_span_four_orders_of_magnitude() -> None:
    level = stacked(lambda at: at.demand.expected.mean(axis=1), history(n_blocks=8))
    low, high = np.quantile(level[level > 0], [0.001, 0.999])
    assert high / low > 1e4


@pytest.mark.parametrize("freq", ["D", "W"])
def test_sales_are_demand_where_in_stock_and_never_more(freq: str) -> None:
    for at in history(freq, 1):
        wanted = at.demand.units[:, : at.platform.world.n_history]
        sales, in_stock = at.stock.sales, at.stock.in_stock
        assert (sales <= wanted).all()
        assert (sales[in_stock == 1] == wanted[in_stock == 1]).all()
        assert (in_stock[sales < wanted] < 1).all()
        assert (in_stock[at.stock.on_hand > 0] == 1).all()
        assert ((in_stock >= 0) & (in_stock <= 1)).all()
        assert (sales[in_stock == 0] == 0).all()


def test_stock_balances_and_what_has_not_arrived_is_on_order() -> None:
    outstanding = 0.0
    for at in history(n_blocks=1, n_skus=BLOCK):
        stock, n_history = at.stock, at.platform.world.n_history
        received = np.zeros((BLOCK, stock.arrival.max() + 1))
        for sku, period in np.argwhere(stock.ordered > 0):
            received[sku, stock.arrival[sku, period]] += stock.ordered[sku, period]
        balance = stock.opening[:, None] + np.cumsum(received[:, :n_history] - stock.sales, axis=1)
        np.testing.assert_allclose(stock.on_hand, balance)
        outstanding += received[:, n_history:].sum()
    of = platform(n_skus=BLOCK)
    orders = rows(master.open_orders, of, 0)
    assert orders[t.QUANTITY].sum() == outstanding
    last_day = master.last_day_of(of.world)
    assert (orders[t.EXPECTED_DATE] <= last_day).any()
    assert (orders[t.EXPECTED_DATE] > last_day).any()
    on_hand = np.concatenate([at.stock.on_hand[:, -1] for at in history(n_blocks=1, n_skus=BLOCK)])
    assert sorted(rows(master.stock, of, 0)[t.ON_HAND]) == sorted(on_hand)


def naive_sales(wanted: list[float], target: list[float], arrival: list[int], *, opening: float) -> list[float]:
    shelf, on_order, sold = opening, 0.0, []
    due: dict[int, float] = {}
    for period, customer in enumerate(wanted):
        came = due.pop(period, 0.0)
        shelf, on_order = shelf + came, on_order - came
        sold.append(min(shelf, customer))
        shelf -= sold[-1]
        order = max(target[period] - shelf - on_order, 0.0)
        due[arrival[period]] = due.get(arrival[period], 0.0) + order
        on_order += order
    return sold


@given(data=st.data())
def test_sell_equals_the_naive_loop(data: st.DataObject) -> None:
    n_periods = data.draw(st.integers(1, 12))
    whole = st.lists(st.integers(0, 9).map(float), min_size=n_periods, max_size=n_periods)
    wanted, target = data.draw(whole), data.draw(whole)
    lead_times = data.draw(st.lists(st.integers(1, 4), min_size=n_periods, max_size=n_periods))
    arrival = [period + lead_time for period, lead_time in enumerate(lead_times)]
    opening = float(data.draw(st.integers(0, 9)))
    one = np.ones(1)
    terms = replace(history(n_blocks=1)[0].terms, order_multiple=one, min_order_quantity=one, max_order_quantity=one * np.inf)
    got, _, _ = sell(np.array([wanted]), np.array([target]), np.array([arrival]), opening=np.array([opening]), terms=terms)
    assert got[0].tolist() == naive_sales(wanted, target, arrival, opening=opening)


def test_orders_are_whole_multiples_within_the_bounds_of_their_terms() -> None:
    terms = history(n_blocks=1)[0].terms
    for need in (-3.0, 0.0, 0.2, 7.0, 1e6):
        line = order_line(np.full(BLOCK, need), terms)
        assert ((line == 0) == (need <= 0)).all()
        if need > 0:
            assert (line % terms.order_multiple == 0).all()
            assert ((line >= terms.min_order_quantity) & (line <= terms.max_order_quantity)).all()
            assert ((line >= need) | (line == terms.max_order_quantity)).all()


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2])
def test_stock_outs_are_about_as_frequent_as_asked_for(share: float) -> None:
    of = history(n_blocks=4, stock_out_share=share)
    live = stacked(lambda at: at.products.live()[:, : at.platform.world.n_history], of)
    short = stacked(lambda at: at.stock.sales < at.demand.units[:, : at.platform.world.n_history], of)
    assert share / 1.5 < short[live].mean() < share * 1.5


def test_intermittent_share_and_what_it_means() -> None:
    of = history(n_blocks=4)
    intermittent = stacked(lambda at: at.products.intermittent, of)
    assert intermittent.mean() == pytest.approx(CLEAN.intermittent_share, abs=0.05)
    sold = stacked(lambda at: (at.demand.units > 0).sum(axis=1) / np.maximum(at.products.live().sum(axis=1), 1), of)
    assert np.median(sold[intermittent]) < 0.5
    assert np.median(sold[~intermittent]) > 0.9


def test_demand_is_drawn_around_its_mean_and_overdispersed() -> None:
    of = history(n_blocks=4)
    units, expected = stacked(lambda at: at.demand.units, of), stacked(lambda at: at.demand.expected, of)
    assert units.sum() == pytest.approx(expected.sum(), rel=0.01)
    busy = expected > 20
    assert ((units - expected) ** 2)[busy].sum() > 1.5 * expected[busy].sum()


def test_promotions_cut_the_price_and_lift_demand() -> None:
    of = history(n_blocks=4)
    price, promotion = stacked(lambda at: at.products.price, of), stacked(lambda at: at.products.promotion, of)
    assert promotion.mean() == pytest.approx(CLEAN.promotion_share, abs=0.02)
    starts = (promotion[:, 1:-1] == 1) & (promotion[:, :-2] == 0)
    assert np.median((price[:, 1:-1] / price[:, :-2])[starts]) < 0.9
    expected = stacked(lambda at: at.demand.expected, of)
    before, during = expected[:, :-2][starts], expected[:, 1:-1][starts]
    assert during.sum() > 1.3 * before.sum()


def test_deeper_discounts_lift_demand_more() -> None:
    of = history(n_blocks=4)
    profile, price = stacked(lambda at: at.products.profile, of), stacked(lambda at: at.products.price, of)
    promotion = stacked(lambda at: at.products.promotion, of)
    starts = (promotion[:, 1:] == 1) & (promotion[:, :-1] == 0)
    cut, lift = -np.diff(np.log(price), axis=1)[starts], np.diff(profile, axis=1)[starts]
    assert np.corrcoef(cut, lift)[0, 1] > 0.3


def test_the_plan_of_prices_is_kept_and_reaches_past_the_cutoff() -> None:
    of = platform(n_skus=50)
    sales, planned = rows(periods.sales, of, 0), rows(periods.planned_prices, of, 0)
    both = sales.merge(planned, on=[t.SKU, t.SITE, t.DATE], how="left", suffixes=("", "_planned"))
    assert (both[t.PRICE] == both[f"{t.PRICE}_planned"]).all()
    assert planned[t.DATE].nunique() == CLEAN.n_periods + CLEAN.n_future_periods
    assert planned[t.DATE].max() - sales[t.DATE].max() == pd.Timedelta(7 * CLEAN.n_future_periods, "D")


def test_channels_add_up_and_customers_fit_quantities() -> None:
    of = platform(n_skus=BLOCK, channels=("web", "store", "market"))
    sales = rows(periods.sales, of, 0)
    assert not sales.duplicated(SALES_KEY).any()
    total = np.concatenate([at.stock.sales[at.rows(0, of.world.n_history)] for at in of.sites(0)]).sum()
    assert sales[t.QUANTITY].sum() == total
    assert ((sales[t.CUSTOMER_COUNT] > 0) == (sales[t.QUANTITY] > 0)).all()
    assert (sales[t.CUSTOMER_COUNT] <= sales[t.QUANTITY]).all()
    assert (sales.groupby(t.CHANNEL)[t.QUANTITY].sum() > 0.1 * total).all()


def test_dirt_is_of_three_kinds_and_of_the_share_asked_for() -> None:
    clean = rows(periods.sales, platform(n_skus=BLOCK), 0)
    dirty = rows(periods.sales, platform(n_skus=BLOCK, dirt_share=0.03), 0)
    kinds = [dirty.duplicated().sum(), (dirty[t.QUANTITY] < 0).sum(), (dirty[t.SKU] == periods.NO_SUCH_SKU).sum()]
    assert np.array(kinds) == pytest.approx(0.01 * len(clean), rel=0.2)


@pytest.mark.parametrize("freq", ["D", "W"])
def test_periods_end_with_the_last_day(freq: str) -> None:
    world = platform(freq=freq).world
    assert master.last_day_of(world) == np.datetime64(CLEAN.last_day)
    assert world.periods[world.n_history - 1] == np.datetime64("2024-06-24" if freq == "W" else "2024-06-30")
    assert master.last_day_of(platform(last_day=dt.date(2024, 7, 3)).world) == np.datetime64("2024-06-30")


def test_products_are_sold_within_their_life_only() -> None:
    of = platform(n_skus=BLOCK)
    sales = rows(periods.sales, of, 0).merge(rows(master.catalogue, of, 0), on=t.SKU)
    assert (sales[t.DATE] >= sales[t.LAUNCH_DATE]).all()
    assert (sales[t.END_DATE].isna() | (sales[t.DATE] <= sales[t.END_DATE])).all()
    assert sales[t.END_DATE].notna().any()
    assert sales.groupby(t.SKU)[t.DATE].min().nunique() > 10


def test_costs_make_ordering_worth_while() -> None:
    of = platform(n_skus=BLOCK)
    priced = rows(master.costs, of, 0).merge(rows(master.supply, of, 0), on=[t.SKU, t.SITE])
    assert (priced[t.LOST_SALE_COST] > priced[t.UNIT_COST]).all()
    assert (priced[t.END_VALUE] < priced[t.HOLDING_COST] + priced[t.LOST_SALE_COST]).all()
    assert (priced[t.MAX_ORDER_QUANTITY].isna() | (priced[t.MAX_ORDER_QUANTITY] >= priced[t.MIN_ORDER_QUANTITY])).all()
    assert (priced[t.MIN_ORDER_QUANTITY] % priced[t.ORDER_MULTIPLE] == 0).all()


def test_only_what_is_known_in_advance_reaches_past_the_cutoff() -> None:
    of = platform()
    market = rows(periods.market, of, 0)
    ahead = market[market[t.DATE] > CUTOFF]
    assert set(ahead[t.NAME]) == {event.name for event in EVENTS}
    assert ahead[t.KNOWN_IN_ADVANCE].all()
    assert not market.loc[market[t.NAME] == "temperature", t.KNOWN_IN_ADVANCE].any()
    assert rows(periods.behaviour, platform(n_skus=10), 0)[t.DATE].max() == CUTOFF
    assert list(periods.behaviour(platform(behaviour=False), 0)) == []


def test_event_days() -> None:
    days = np.arange("2023-01-01", "2025-01-01", dtype="datetime64[D]")
    names = [event.name for event in EVENTS]
    on_event = event_days(days)
    assert str(days[on_event[names.index("easter")] == 1][-1]) == "2024-03-31"
    assert str(days[on_event[names.index("black_friday")] == 1][0]) == "2023-11-24"
    assert on_event[names.index("shops_closed")].sum() == 4


def test_gardens_sell_in_spring_and_toys_before_christmas() -> None:
    world = platform().world
    names = [category.name for category in CATEGORIES]
    month = pd.DatetimeIndex(world.periods[:52]).month
    assert month[np.argmax(world.season[names.index("garden"), :52])] in {4, 5, 6}
    assert month[np.argmax(world.season[names.index("toys"), :52])] in {11, 12}
