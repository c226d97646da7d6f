"""Rows of stock, supply and costs -> positions; what cannot be planned is named here, so that nothing else meets a NaN."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.plan.delays import lead_time_paths, split
from replen.plan.exceptions import Finding
from replen.plan.positions import Positions
from replen.plan.timing import (
    PERIOD_DAYS,
    WEEKDAYS,
    BoolArray,
    Calendar,
    FloatArray,
    IntArray,
    by_order_step,
    on_sale,
    padded,
    periods,
    step_dates,
)

LONGEST_DAYS = 3650.0  # a longer lead time or review period is a mistake
COLUMNS = (
    t.SKU, t.SITE, t.SUPPLIER, t.ON_HAND, t.BACKORDERS, t.RECEIPTS, t.LEAD_TIME_DAYS, t.LEAD_TIME_SD_DAYS, t.ORDER_DAYS,
    t.REVIEW_PERIOD_DAYS,
    t.MIN_ORDER_QUANTITY, t.ORDER_MULTIPLE, t.MAX_ORDER_QUANTITY, t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST,
    t.BACKORDER_COST, t.ORDER_COST, t.END_VALUE, t.LAUNCH_DATE, t.END_DATE, t.SHELF_LIFE_DAYS, t.SEED, t.LAST_PLAN,
    t.MODEL, t.MODEL_VERSION, t.REASON,
)  # fmt: skip


KEYS = (t.SKU, t.SITE, t.SUPPLIER, t.SEED)  # what the order of drawn lead times is keyed by


@dataclass(frozen=True)
class Optional:
    """What an optional column means where it is null, and the range of its values."""

    default: float
    least: float
    most: float = np.finfo(np.float64).max


STOCK = {t.BACKORDERS: Optional(0.0, 0.0)}
TERMS = {
    t.LEAD_TIME_SD_DAYS: Optional(0.0, 0.0, LONGEST_DAYS),
    t.REVIEW_PERIOD_DAYS: Optional(1.0, 1e-9, LONGEST_DAYS),
    t.MIN_ORDER_QUANTITY: Optional(0.0, 0.0),
    t.ORDER_MULTIPLE: Optional(1.0, 1e-9),
    t.MAX_ORDER_QUANTITY: Optional(np.inf, 0.0, np.inf),
}
COSTS = {t.BACKORDER_COST: Optional(0.0, 0.0), t.ORDER_COST: Optional(0.0, 0.0), t.END_VALUE: Optional(0.0, 0.0)}
PRODUCT = {t.SHELF_LIFE_DAYS: Optional(np.inf, 1e-9, np.inf)}
OPTIONAL = STOCK | TERMS | COSTS | PRODUCT


def numbers(items: pd.DataFrame, column: t.Column) -> FloatArray:
    """Return a column as floats, (n_series,); null is NaN unless the column is optional."""
    values = items[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isnan(values), OPTIONAL[column].default, values) if column in OPTIONAL else values


def receipts_by_step(items: pd.DataFrame, horizon: int) -> FloatArray:
    """Return units of open orders by step, (n_series, horizon); null or short arrays end in zeros, later steps are cut."""
    return padded(items[t.RECEIPTS], horizon, missing=0.0, less=np.zeros(len(items), np.int64))


def order_weekdays(items: pd.DataFrame) -> BoolArray:
    """Return the weekdays, Monday first, on which the supplier takes orders, (n_series, 7); null = on all of them."""
    codes, named = pd.factorize(items[t.ORDER_DAYS].astype("string").fillna(",".join(WEEKDAYS)))  # few, of many series
    taken = np.array([[day in days for day in WEEKDAYS] for days in named], dtype=bool).reshape(-1, len(WEEKDAYS))
    return np.asarray(taken[codes])


def days_to_order(items: pd.DataFrame, calendar: Calendar) -> IntArray:
    """Return days from the start of a step to the order placed in it, (n_series,)."""
    return calendar.days_to_order(order_weekdays(items))


def lead_periods(items: pd.DataFrame, calendar: Calendar) -> IntArray:
    """Return mean periods from the step of an order to its arrival, (n_series,): the wait for an order day counts too."""
    return periods(days_to_order(items, calendar) + numbers(items, t.LEAD_TIME_DAYS), calendar.freq)


def lead_times(items: pd.DataFrame, calendar: Calendar, n_paths: int) -> tuple[IntArray, IntArray | None]:
    """Return the shortest lead time, (n_series,), and the periods after it by path, (n_series, n_paths); None = none."""
    mean, deviation = numbers(items, t.LEAD_TIME_DAYS), numbers(items, t.LEAD_TIME_SD_DAYS)
    if not deviation.any():
        return lead_periods(items, calendar), None
    days = lead_time_paths(mean, deviation, items[[*map(str, KEYS)]], n_paths=n_paths)
    return split(periods(days_to_order(items, calendar)[:, None] + days, calendar.freq), calendar.horizon)


def shelf_periods(items: pd.DataFrame, calendar: Calendar) -> IntArray:
    """Return whole periods in which a unit can be sold, (n_series,), at least one; beyond the horizon all are alike."""
    whole = np.floor(numbers(items, t.SHELF_LIFE_DAYS) / PERIOD_DAYS[calendar.freq])
    return np.clip(whole, 1, calendar.horizon + 1).astype(np.int64)


def order_window(items: pd.DataFrame, calendar: Calendar, lead_time: IntArray) -> BoolArray:
    """Return the steps in which an order may be placed, (n_series, horizon).

    The supplier takes it, the step is not frozen, and the units arrive neither before the product is launched nor after its
    last day.
    """
    sold = on_sale_by_step(items, calendar.first_day, horizon=calendar.horizon, freq=calendar.freq)
    arrives_on_sale = by_order_step(sold.astype(np.float64), lead_time) > 0
    window = calendar.order_steps(order_weekdays(items)) & arrives_on_sale
    if t.SOURCE_SITE in items:  # what is moved today is decided before the orders are, see `transfers`
        window[:, 0] &= items[t.SOURCE_SITE].isna().to_numpy()
    return window


def read_positions(items: pd.DataFrame, calendar: Calendar, *, n_paths: int | None = None) -> Positions:
    """Return the positions of rows that `refusals` finds nothing against.

    Args:
        items: one row a series, `COLUMNS`; without n_paths, supplier, seed and what else only delays need may be missing.
        calendar: of the plan.
        n_paths: that lead times are drawn for; None = lead times are their means.
    """
    expected = lead_periods(items, calendar)
    lead_time, delays = (expected, None) if n_paths is None else lead_times(items, calendar, n_paths)
    plain = (t.ORDER_MULTIPLE, t.MIN_ORDER_QUANTITY, t.MAX_ORDER_QUANTITY, t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST,
             t.BACKORDER_COST, t.ORDER_COST, t.END_VALUE)  # fmt: skip
    return Positions(
        on_hand=numbers(items, t.ON_HAND),
        backorders=numbers(items, t.BACKORDERS),
        receipts=receipts_by_step(items, calendar.horizon),
        lead_time=lead_time,
        review_period=np.maximum(periods(numbers(items, t.REVIEW_PERIOD_DAYS), calendar.freq), 1),
        order_window=order_window(items, calendar, expected),
        shelf_life=shelf_periods(items, calendar),
        delays=delays,
        **{str(column): numbers(items, column) for column in plain},
    )


def on_sale_by_step(items: pd.DataFrame, first_day: np.datetime64, *, horizon: int, freq: str) -> BoolArray:
    """Return which products are on sale in which step from `first_day` on, (n_series, horizon), as the catalogue says."""
    launch, end = (pd.to_datetime(items[column]).to_numpy("datetime64[D]") for column in (t.LAUNCH_DATE, t.END_DATE))
    return on_sale(launch, end, step_dates(first_day, horizon=horizon, freq=freq))


def term_refusals(items: pd.DataFrame) -> dict[str, BoolArray]:
    """Return which rows' supply terms and costs no plan can be made with, by kind, (n_series,) each."""
    lead_time = numbers(items, t.LEAD_TIME_DAYS)
    no_costs = np.isnan(numbers(items, t.UNIT_COST) + numbers(items, t.LOST_SALE_COST) + numbers(items, t.HOLDING_COST))
    no_supply = items[t.SUPPLIER].isna().to_numpy()
    good_lead_time = (lead_time >= 0) & (lead_time <= LONGEST_DAYS)
    good_lead_time &= (lead_time > 0) | (numbers(items, t.LEAD_TIME_SD_DAYS) <= 0)  # none below 0: no mean of 0 can vary
    no_order_day = ~order_weekdays(items).any(axis=1)
    return {
        "no_supply": no_supply,
        "no_costs": no_costs & ~no_supply,
        "bad_supply": ~no_supply & (~good_lead_time | no_order_day | _out_of_range(items, TERMS)),
        "bad_costs": ~no_costs & ~no_supply & (absurd_costs(items) | _out_of_range(items, COSTS)),
    }


def refusals(items: pd.DataFrame, demand_paths: FloatArray) -> list[Finding]:
    """Return why rows cannot be planned, by kind; rows may have several, inactive ones have no other.

    Args:
        items: one row a series, `COLUMNS`.
        demand_paths: shape (n_series, n_paths, horizon), units; NaN = no forecast.
    """
    on_hand, unit_cost = numbers(items, t.ON_HAND), numbers(items, t.UNIT_COST)
    receipts = receipts_by_step(items, demand_paths.shape[2])
    good_stock = np.isfinite(on_hand) & (on_hand >= 0)
    good_receipts = (np.isfinite(receipts) & (receipts >= 0)).all(axis=1)
    no_stock = np.isnan(on_hand)
    no_forecast = ~np.isfinite(demand_paths).all(axis=(1, 2))
    inactive = no_forecast & items[t.REASON].eq(t.INACTIVE).to_numpy()
    leftover = np.where(on_hand == 0, 0.0, on_hand * unit_cost)
    at_risk = np.where(no_forecast, np.nan, demand_paths.mean(axis=1).sum(axis=1)) * numbers(items, t.LOST_SALE_COST)
    masks = {
        "no_forecast": no_forecast,
        "no_stock": no_stock,
        "bad_stock": (~no_stock & ~good_stock) | ~good_receipts | _out_of_range(items, STOCK),
        **term_refusals(items),
        "bad_shelf_life": _out_of_range(items, PRODUCT),
    }
    found = {kind: np.flatnonzero(mask & ~inactive) for kind, mask in masks.items()}
    refused = [Finding(kind, "critical", rows, at_risk[rows]) for kind, rows in found.items()]
    return [Finding("inactive", "info", np.flatnonzero(inactive), leftover[inactive]), *refused]


def _out_of_range(items: pd.DataFrame, ranges: dict[t.Column, Optional]) -> BoolArray:
    """Return which rows have a value outside the range of its column."""
    wrong = np.zeros(len(items), dtype=bool)
    for column, allowed in ranges.items():
        values = numbers(items, column)
        wrong |= (values < allowed.least) | (values > allowed.most)
    return wrong


def absurd_costs(items: pd.DataFrame) -> BoolArray:
    """Return which rows have costs under which the program is unbounded, idle or not convex (see `costs.check_costs`)."""
    unit, holding = numbers(items, t.UNIT_COST), numbers(items, t.HOLDING_COST)
    lost_sale, end_value = numbers(items, t.LOST_SALE_COST), numbers(items, t.END_VALUE)
    sound = np.isfinite(unit + holding + lost_sale + end_value) & (unit >= 0) & (holding > 0)
    return ~(sound & (unit < lost_sale) & (end_value < unit + holding))
