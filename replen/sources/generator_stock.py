"""Generated supply: terms of purchase, and the stock process that decides how much of demand becomes sales."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from replen.config import Generator
from replen.sources.generator_demand import Demand
from replen.sources.generator_products import BLOCK, Products
from replen.sources.generator_world import CATEGORIES, FloatArray, Stage, World, keyed_rng

IntArray = NDArray[np.int64]
PACKS = np.array([1.0, 1.0, 2.0, 6.0, 12.0, 24.0])
REVIEW_WEEKS = np.array([1, 1, 2, 4])
MONDAY_SHARE, LIMITED_SHARE, SECOND_SUPPLIER_SHARE = 0.5, 0.2, 0.2
FORECAST_ERROR_SD = 0.2  # of the buyer, log scale
SAFETY_SLOPE, SAFETY_OFFSET = 2.2, 2.1  # fitted: the share of censored periods comes out about as asked for
RAREST = 1e-6  # share of stock-outs aimed at where none is wanted
SAFETY_SPREAD = 0.4  # how differently buyers protect their products, standard deviations
MAX_DELAY = 2.5  # standard deviations of the lead time
HOURS = 12  # a shop is open a day


@dataclass(frozen=True)
class Terms:
    """Terms of purchase of one block at one site; arrays of shape (n,)."""

    supplier: IntArray
    lead_time_days: FloatArray
    lead_time_sd_days: FloatArray
    review_weeks: IntArray
    monday_only: NDArray[np.bool_]
    order_multiple: FloatArray
    min_order_quantity: FloatArray
    max_order_quantity: FloatArray
    second_supplier: IntArray
    second_markup: FloatArray
    order_cost: FloatArray


@dataclass(frozen=True)
class Stock:
    """What the stock process left; arrays of shape (n, n_history), orders placed at the end of their period.

    Attributes:
        sales: units, <= demand.
        in_stock: share of the period with units on the shelf, 0..1.
        on_hand: units at the end of the period.
        ordered: units ordered at the end of the period.
        arrival: period in which that order really arrives.
        opening: units before the first period, shape (n,).
    """

    sales: FloatArray
    in_stock: FloatArray
    on_hand: FloatArray
    ordered: FloatArray
    arrival: IntArray
    opening: FloatArray


def terms_of(products: Products, site: int, *, settings: Generator, block: int, seed: int) -> Terms:
    """Return the terms of purchase of a block at a site; a pure function of its arguments."""
    rng = keyed_rng(seed, Stage.SUPPLY, block, site)
    lead_time, lead_time_sd = suppliers(settings.n_suppliers, seed)
    supplier = products.brand % settings.n_suppliers
    perishable = np.array([category.shelf_life_days > 0 for category in CATEGORIES])[products.category]
    mean = np.where(perishable, np.minimum(lead_time[supplier], 3.0), lead_time[supplier] + 2.0 * site)
    monthly = 30 * np.maximum(products.level, 0.2)
    pack = np.minimum(rng.choice(PACKS, BLOCK), np.maximum(np.floor(monthly), 1))
    largest = np.ceil(3 * monthly / pack) * pack + 5 * pack
    return Terms(
        supplier=supplier,
        lead_time_days=mean,
        lead_time_sd_days=np.where(perishable, 0.5, lead_time_sd[supplier]),
        review_weeks=np.where(perishable, 1, rng.choice(REVIEW_WEEKS, BLOCK)),
        monday_only=rng.random(BLOCK) < MONDAY_SHARE,
        order_multiple=pack,
        min_order_quantity=pack * rng.choice([1, 1, 2, 4], BLOCK),
        max_order_quantity=np.where(rng.random(BLOCK) < LIMITED_SHARE, largest, np.inf),
        second_supplier=np.where(rng.random(BLOCK) < SECOND_SUPPLIER_SHARE, (supplier + 1) % settings.n_suppliers, supplier),
        second_markup=rng.uniform(1.03, 1.15, BLOCK),
        order_cost=np.round(rng.choice([0.0, 0.5, 1.0, 2.0], BLOCK), 2),
    )


def suppliers(n_suppliers: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of each supplier's lead time, days."""
    rngs = [keyed_rng(seed, Stage.SUPPLIER, supplier) for supplier in range(n_suppliers)]
    mean = np.array([np.round(np.clip(rng.lognormal(np.log(9.0), 0.6), 2, 42)) for rng in rngs])
    return mean, np.round(mean * np.array([rng.uniform(0.1, 0.35) for rng in rngs]), 1)


def stock_of(
    demand: Demand, terms: Terms, products: Products, *, world: World, settings: Generator, rng: np.random.Generator
) -> Stock:
    """Return sales and stock of a block at a site: order up to cover of a fallible forecast, lost sales, late suppliers.

    Order of events: the order of the end of period t is on the shelf at the start of t + 1 + lead time; a period receives, then
    sells. Draws from `rng` only what does not depend on what was sold.
    """
    level = order_up_to(demand.expected, terms, products, world=world, settings=settings, rng=rng)
    delay = np.clip(rng.standard_normal(level.shape), -MAX_DELAY, MAX_DELAY) * terms.lead_time_sd_days[:, None]
    next_period = np.arange(1, world.n_history + 1)
    arrival = next_period + periods_of(np.maximum(terms.lead_time_days[:, None] + delay, 0), world.days)
    turn = (next_period // world.week - products.number[:, None]) % terms.review_weeks[:, None] == 0
    turn &= (next_period % world.week == 0) & (next_period < world.n_history)  # the next order is for the plan to place
    target = np.where(turn, level, 0.0)
    opening = np.ceil(np.maximum(level[:, 0], 0) * rng.uniform(0.5, 1.0, BLOCK))
    wanted = demand.units[:, : world.n_history]
    sales, on_hand, ordered = sell(wanted, target, arrival, opening=opening, terms=terms)
    share = share_in_stock(sales, on_hand + sales, wanted, days=world.days, rng=rng)
    return Stock(sales, share, on_hand, ordered, arrival, opening)


def order_up_to(
    expected: FloatArray, terms: Terms, products: Products, *, world: World, settings: Generator, rng: np.random.Generator
) -> FloatArray:
    """Return the inventory position the buyer orders up to at the end of each period, shape (n, n_history).

    Cover of the protection interval by a forecast with errors (season and promotions are planned for), plus a safety stock that
    aims at `stock_out_share`.
    """
    protection = periods_of(terms.lead_time_days, world.days) + terms.review_weeks * world.week
    total = np.cumsum(expected, axis=1)
    total = np.concatenate([total, total[:, -1:] + expected[:, -1:] * np.arange(1, protection.max() + 1)], axis=1)
    now = np.arange(world.n_history)
    cover = np.take_along_axis(total, now + protection[:, None], axis=1) - total[:, : world.n_history]
    noise = (2 * products.basket - 1)[:, None] * cover + (products.dispersion / protection)[:, None] * cover**2
    aim = SAFETY_SLOPE * ndtri(1 - max(settings.stock_out_share, RAREST)) - SAFETY_OFFSET
    aim = aim + SAFETY_SPREAD * rng.standard_normal((BLOCK, 1))
    return np.asarray(cover * np.exp(FORECAST_ERROR_SD * rng.standard_normal(cover.shape)) + aim * np.sqrt(noise))


def sell(
    wanted: FloatArray, target: FloatArray, arrival: IntArray, *, opening: FloatArray, terms: Terms
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sales, units on hand and units ordered, each (n, n_history)."""
    n_history, rows = wanted.shape[1], np.arange(len(wanted))
    receipts = np.zeros((int(arrival.max()) + 1, len(wanted)))
    sales, on_hand, ordered = (np.zeros((n_history, len(wanted))) for _ in range(3))
    shelf, on_order = opening, np.zeros(len(wanted))
    for period in range(n_history):
        available = shelf + receipts[period]
        sales[period] = np.minimum(available, wanted[:, period])
        shelf = on_hand[period] = available - sales[period]
        on_order = on_order - receipts[period]
        ordered[period] = order_line(target[:, period] - shelf - on_order, terms)
        receipts[arrival[:, period], rows] += ordered[period]
        on_order = on_order + ordered[period]
    return sales.T, on_hand.T, ordered.T


def order_line(need: FloatArray, terms: Terms) -> FloatArray:
    """Return whole multiples that cover the need within the terms' bounds, 0 where there is none, shape (n,)."""
    packs = np.ceil(need / terms.order_multiple) * terms.order_multiple
    return np.where(need > 0, np.clip(packs, terms.min_order_quantity, terms.max_order_quantity), 0.0)


def share_in_stock(
    sales: FloatArray, available: FloatArray, wanted: FloatArray, *, days: int, rng: np.random.Generator
) -> FloatArray:
    """Return the share of the period with units on the shelf, to the hour; customers come at random hours."""
    when = sales / np.maximum(wanted, 1)
    when = when + rng.standard_normal(when.shape) * np.sqrt(when * (1 - when) / np.maximum(wanted, 1))
    hours = HOURS * days
    sold_out = np.clip(np.round(when * hours), 1, hours - 1) / hours
    return np.where(available == 0, 0.0, np.where(sales < wanted, sold_out, 1.0))


def periods_of(days: FloatArray, days_a_period: int) -> IntArray:
    """Return whole periods that hold this many days: what comes within a period is on the shelf at the start of the next."""
    return np.asarray(np.ceil(days / days_a_period), dtype=np.int64)
