"""Generated rows without a history: catalogue, stock, open orders, supply, costs."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from replen import tables as t
from replen.sources.generator_platform import BlockAtSite, Platform, batch, constant, n_kept, site_name, sku_names
from replen.sources.generator_world import CATEGORIES, DAYS_A_YEAR, World

HOLDING_RATE_PER_YEAR = 0.25
END_VALUE_SHARE = 0.9
BACKORDER_SHARE = 0.1


def catalogue(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield what is sold."""
    products, world = platform.products(block), platform.world
    keep = slice(0, n_kept(products, platform.settings))
    shelf_life = np.array([c.shelf_life_days for c in CATEGORIES])[products.category[keep]]
    last_day = world.date_of(products.end[keep] + 1) - 1
    yield batch(
        t.CATALOGUE,
        {
            t.SKU: sku_names(products)[keep],
            t.CATEGORY: pa.array([category.name for category in CATEGORIES]).take(pa.array(products.category[keep])),
            t.BRAND: [f"brand-{brand + 1}" for brand in products.brand[keep]],
            t.UNIT_PRICE: products.unit_price[keep],
            t.UNIT_VOLUME: products.unit_volume[keep],
            t.SHELF_LIFE_DAYS: pa.array(shelf_life, mask=shelf_life == 0),
            t.LAUNCH_DATE: world.date_of(products.launch[keep]),
            t.END_DATE: pa.array(last_day, mask=~products.has_end[keep]),
        },
    )


def stock(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield what is on the shelf at the end of the last day of the history."""
    for at in platform.sites(block):
        places = np.arange(at.n_kept)
        as_of = np.full(len(places), last_day_of(platform.world))
        yield batch(
            t.STOCK,
            {**at.keys(places), t.AS_OF: as_of, t.ON_HAND: at.stock.on_hand[places, -1], t.BACKORDERS: np.zeros(len(places))},
        )


def last_day_of(world: World) -> np.datetime64:
    """Return the last day of the cutoff period."""
    return np.datetime64(world.periods[world.n_history - 1] + world.days - 1)


def open_orders(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield orders placed that have not arrived at the cutoff, on the day they were promised for; some are overdue."""
    world = platform.world
    for at in platform.sites(block):
        stock = at.stock
        places, placed = np.nonzero((stock.ordered > 0)[: at.n_kept] & (stock.arrival >= world.n_history)[: at.n_kept])
        lead_time = np.round(at.terms.lead_time_days[places]).astype("timedelta64[D]")
        order_date, site = world.date_of(placed + 1), site_name(at.site)
        names = sku_names(at.products).take(pa.array(places)).to_pylist()
        order_ids = [f"{sku}/{site}/{day}" for sku, day in zip(names, order_date, strict=True)]
        yield batch(
            t.OPEN_ORDERS,
            {
                **at.keys(places),
                t.OPEN_ORDER_ID: pa.array(order_ids, pa.string()),
                t.SUPPLIER: supplier_names(at.terms.supplier[places]),
                t.QUANTITY: stock.ordered[places, placed],
                t.EXPECTED_DATE: order_date + lead_time,
                t.STATUS: constant("confirmed", len(places)),
            },
        )


def supplier_names(suppliers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """Return names like supplier-3."""
    return pa.array([f"supplier-{supplier + 1}" for supplier in suppliers], pa.string())


def supply(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield the terms of each series' supplier, and for some of a dearer, quicker second one."""
    for at in platform.sites(block):
        first = np.arange(at.n_kept)
        yield terms_rows(at, first, rank=1)
        yield terms_rows(at, first[at.terms.second_supplier[first] != at.terms.supplier[first]], rank=2)


def terms_rows(at: BlockAtSite, places: np.ndarray[tuple[int], np.dtype[np.int64]], *, rank: int) -> pa.RecordBatch:
    """Return supply rows of the first or second supplier."""
    terms, cost = at.terms, at.products.unit_cost
    supplier, lead_time = terms.supplier, terms.lead_time_days
    if rank == 2:  # noqa: PLR2004
        supplier, lead_time, cost = terms.second_supplier, np.ceil(lead_time / 2), np.round(cost * terms.second_markup, 4)
    return batch(
        t.SUPPLY,
        {
            **at.keys(places),
            t.SUPPLIER: supplier_names(supplier[places]),
            t.RANK: np.full(len(places), rank),
            t.SOURCE_SITE: pa.nulls(len(places)),
            t.LEAD_TIME_DAYS: lead_time[places],
            t.LEAD_TIME_SD_DAYS: terms.lead_time_sd_days[places],
            t.ORDER_DAYS: pa.array(np.full(len(places), "MO"), mask=~terms.monday_only[places]),
            t.REVIEW_PERIOD_DAYS: 7 * terms.review_weeks[places],
            t.MIN_ORDER_QUANTITY: terms.min_order_quantity[places],
            t.ORDER_MULTIPLE: terms.order_multiple[places],
            t.MAX_ORDER_QUANTITY: pa.array(terms.max_order_quantity[places], mask=np.isinf(terms.max_order_quantity[places])),
            t.UNIT_COST: cost[places],
        },
    )


def costs(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield what too much and too little cost; a lost sale costs the list price, which is more than the purchase price."""
    for at in platform.sites(block):
        places = np.arange(at.n_kept)
        unit_cost, unit_price = at.products.unit_cost[places], at.products.unit_price[places]
        yield batch(
            t.COSTS,
            {
                **at.keys(places),
                t.HOLDING_COST: unit_cost * HOLDING_RATE_PER_YEAR * platform.world.days / DAYS_A_YEAR,
                t.LOST_SALE_COST: unit_price,
                t.BACKORDER_COST: unit_price * BACKORDER_SHARE,
                t.ORDER_COST: at.terms.order_cost[places],
                t.END_VALUE: unit_cost * END_VALUE_SHARE,
            },
        )
