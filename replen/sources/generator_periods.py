"""Generated rows by period: sales, behaviour, planned prices, market, and true demand for scoring."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from replen import tables as t
from replen.sources.generator_platform import BlockAtSite, Platform, batch, constant, site_name
from replen.sources.generator_world import EVENTS, FloatArray, Stage

DEMAND = t.Column("demand", "double", "units customers wanted, stock or no stock")
EXPECTED_DEMAND = t.Column("expected_demand", "double", "mean that the demand was drawn from, units")
TRUE_DEMAND = t.Table("true_demand", "for scoring only: no job reads it", (t.SKU, t.SITE, t.DATE), (DEMAND, EXPECTED_DEMAND))
NO_SUCH_SKU = "SKU-UNKNOWN"
VIEWS_A_CUSTOMER, BASKETS_A_CUSTOMER = 12.0, 1.6
INTEREST_SD = 0.2  # log scale


def sales(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield what was sold, by site and channel, with the configured share of dirt."""
    for at in platform.sites(block):
        yield sales_rows(at)


def sales_rows(at: BlockAtSite) -> pa.RecordBatch:
    """Return sales of one site, each channel with its part of the units and customers."""
    stock, channels = at.stock, at.platform.settings.channels
    places, periods = at.rows(0, at.platform.world.n_history)
    sold = stock.sales[places, periods]
    served = np.ceil(at.demand.customers[places, periods] * sold / np.maximum(at.demand.units[places, periods], 1))
    units = by_channel(stock.sales, len(channels), at.rng(Stage.CHANNEL))[:, places, periods]
    customers = np.minimum(np.ceil(served * units / np.maximum(sold, 1)), units)
    shared: dict[str, object] = {
        **at.keys(places),
        t.DATE: at.dates(periods),
        t.PRICE: at.products.price[places, periods],
        t.PROMOTION: at.products.promotion[places, periods],
        t.IN_STOCK: stock.in_stock[places, periods],
        t.INVENTORY_LEVEL: stock.on_hand[places, periods],
    }
    rows = [
        batch(t.SALES, {**shared, t.CHANNEL: constant(name, len(places)), t.QUANTITY: quantity, t.CUSTOMER_COUNT: count})
        for name, quantity, count in zip(channels, units, customers, strict=True)
    ]
    where = at.rng(Stage.DIRT).random((len(channels), *stock.sales.shape))[:, places, periods]
    return soiled(pa.concat_batches(rows), where.ravel(), at.platform.settings.dirt_share)


def by_channel(units: FloatArray, n_channels: int, rng: np.random.Generator) -> FloatArray:
    """Return units split at random by each product's shares, shape (n_channels, *units.shape)."""
    shares = rng.dirichlet(np.full(n_channels, 4.0), len(units))
    left, parts = units, []
    for channel in range(n_channels - 1):
        share = shares[:, channel] / shares[:, channel:].sum(axis=1)
        parts.append(rng.binomial(left.astype(np.int64), np.minimum(share, 1.0)[:, None]).astype(np.float64))
        left = left - parts[-1]
    return np.stack([*parts, left])


def soiled(rows: pa.RecordBatch, where: FloatArray, dirt_share: float) -> pa.RecordBatch:
    """Return rows of which a share is repeated, has a negative quantity, or comes again under a SKU that nobody knows.

    Args:
        rows: clean sales.
        where: shape (n_rows,), uniform on 0..1; rows below `dirt_share` are chosen, a third for each kind.
        dirt_share: share of rows.
    """
    repeated, negative, unknown = (
        np.flatnonzero((where >= dirt_share * kind / 3) & (where < dirt_share * (kind + 1) / 3)) for kind in range(3)
    )
    quantity = rows.column(t.QUANTITY).to_numpy().copy()
    quantity[negative] = -1 - quantity[negative]
    soiled_rows = rows.set_column(rows.schema.get_field_index(t.QUANTITY), t.QUANTITY, pa.array(quantity))
    strangers = rows.take(pa.array(unknown))
    strangers = strangers.set_column(0, t.SKU, constant(NO_SUCH_SKU, len(unknown)))
    return pa.concat_batches([soiled_rows, rows.take(pa.array(repeated)), strangers])


def behaviour(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield views and baskets; interest runs half a period ahead of demand."""
    if not platform.settings.behaviour:
        return
    n_history = platform.world.n_history
    for at in platform.sites(block):
        places, periods = at.rows(0, n_history)
        rate = at.demand.expected / at.products.basket[:, None]
        rng = at.rng(Stage.BEHAVIOUR)
        ahead = np.concatenate([rate[:, 1:], rate[:, -1:]], axis=1)[:, :n_history]
        interest = (rate[:, :n_history] + ahead) / 2 * np.exp(INTEREST_SD * rng.standard_normal(ahead.shape))
        for name, a_customer in (("views", VIEWS_A_CUSTOMER), ("baskets", BASKETS_A_CUSTOMER)):
            values = rng.poisson(interest * a_customer)[places, periods]
            keys = {**at.keys(places), t.DATE: at.dates(periods), t.NAME: constant(name, len(places))}
            yield batch(t.BEHAVIOUR, {**keys, t.VALUE: values})


def planned_prices(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield shelf prices and promotions of the history and of the planned future."""
    for at in platform.sites(block):
        places, periods = at.rows()
        price, promotion = at.products.price[places, periods], at.products.promotion[places, periods]
        yield batch(t.PLANNED_PRICES, {**at.keys(places), t.DATE: at.dates(periods), t.PRICE: price, t.PROMOTION: promotion})


def true_demand(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield what customers wanted, in the history and after the cutoff."""
    for at in platform.sites(block):
        places, periods = at.rows()
        demand, expected = at.demand.units[places, periods], at.demand.expected[places, periods]
        yield batch(TRUE_DEMAND, {**at.keys(places), t.DATE: at.dates(periods), DEMAND: demand, EXPECTED_DEMAND: expected})


def market(platform: Platform, block: int) -> Iterator[pa.RecordBatch]:
    """Yield events, known in advance and for all sites, and the temperature of each site, known for the past only.

    They belong to no product: block 0 brings them all.
    """
    if block > 0:
        return
    world = platform.world
    signals = [("*", event.name, values, True) for event, values in zip(EVENTS, world.events, strict=True)]
    measured = world.temperature[:, : world.n_history]
    signals += [(site_name(site), "temperature", values, False) for site, values in enumerate(measured)]
    for site, name, values, known in signals:
        n_rows = len(values)
        keys: dict[str, object] = {
            t.SITE: constant(site, n_rows),
            t.DATE: pa.array(world.periods[:n_rows]),
            t.NAME: constant(name, n_rows),
        }
        yield batch(t.MARKET, {**keys, t.VALUE: values, t.KNOWN_IN_ADVANCE: np.full(n_rows, known)})
