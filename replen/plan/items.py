"""Rows of stock, supply and costs -> positions; `checks` names what cannot be planned, so that nothing else meets a NaN."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from replen import tables as t
from replen.plan.delays import lead_time_paths, split
from replen.plan.positions import Positions, largest_line, smallest_line
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
ABOVE_0 = 1e-9  # units or days: less is none
COLUMNS = (
    t.SKU, t.SITE, t.SUPPLIER, t.ON_HAND, t.BACKORDERS, t.RECEIPTS, t.LEAD_TIME_DAYS, t.LEAD_TIME_SD_DAYS, t.ORDER_DAYS,
    t.REVIEW_PERIOD_DAYS,
    t.MIN_ORDER_QUANTITY, t.ORDER_MULTIPLE, t.MAX_ORDER_QUANTITY, t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST,
    t.BACKORDER_COST, t.ORDER_COST, t.END_VALUE, t.LAUNCH_DATE, t.END_DATE, t.SHELF_LIFE_DAYS, t.SEED, t.LAST_PLAN,
    t.MODEL, t.MODEL_VERSION, t.REASON,
)  # fmt: skip


KEYS = (t.SKU, t.SITE, t.SUPPLIER, t.SEED)  # what the order of drawn lead times is keyed by


@dataclass(frozen=True)
class Allowed:
    """The range of a column's values, ends included, and what null means.

    Attributes:
        table: that the column comes from.
        least: smallest value; a tiny one stands for "above 0".
        most: largest value; by default any finite one.
        default: what null means; NaN = a value is needed.
    """

    table: str
    least: float = 0.0
    most: float = np.finfo(np.float64).max
    default: float = np.nan


STOCK = {t.ON_HAND: Allowed("stock"), t.BACKORDERS: Allowed("stock", default=0.0)}
TERMS = {
    t.LEAD_TIME_DAYS: Allowed("supply", most=LONGEST_DAYS),
    t.LEAD_TIME_SD_DAYS: Allowed("supply", most=LONGEST_DAYS, default=0.0),
    t.REVIEW_PERIOD_DAYS: Allowed("supply", least=ABOVE_0, most=LONGEST_DAYS, default=1.0),
    t.MIN_ORDER_QUANTITY: Allowed("supply", default=0.0),
    t.ORDER_MULTIPLE: Allowed("supply", least=ABOVE_0, default=1.0),
    t.MAX_ORDER_QUANTITY: Allowed("supply", most=np.inf, default=np.inf),
}
COSTS = {
    t.UNIT_COST: Allowed("supply"),
    t.HOLDING_COST: Allowed("costs", least=float(np.finfo(np.float64).tiny)),
    t.LOST_SALE_COST: Allowed("costs"),
    t.BACKORDER_COST: Allowed("costs", default=0.0),
    t.ORDER_COST: Allowed("costs", default=0.0),
    t.END_VALUE: Allowed("costs", default=0.0),
}
PRODUCT = {t.SHELF_LIFE_DAYS: Allowed("catalogue", least=ABOVE_0, most=np.inf, default=np.inf)}
ALLOWED = STOCK | TERMS | COSTS | PRODUCT


def numbers(items: pd.DataFrame, column: t.Column) -> FloatArray:
    """Return a column as floats, (n_series,); null is what `ALLOWED` says, NaN where a value is needed."""
    values = items[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isnan(values), ALLOWED[column].default, values) if column in ALLOWED else values


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

    Where the largest line is below the smallest, it is raised to it (see `checks.NO_LINE_FITS`).

    Args:
        items: one row a series, `COLUMNS`; without n_paths, supplier, seed and what else only delays need may be missing.
        calendar: of the plan.
        n_paths: that lead times are drawn for; None = lead times are their means.
    """
    expected = lead_periods(items, calendar)
    lead_time, delays = (expected, None) if n_paths is None else lead_times(items, calendar, n_paths)
    plain = (t.ORDER_MULTIPLE, t.MIN_ORDER_QUANTITY, t.MAX_ORDER_QUANTITY, t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST,
             t.BACKORDER_COST, t.ORDER_COST, t.END_VALUE)  # fmt: skip
    given = Positions(
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
    return replace(given, max_order_quantity=np.where(unfit(items), given.smallest_order, given.max_order_quantity))


def lines(items: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return units of the smallest and of the largest line that terms allow, (n_series,) each, the latter maybe the smaller."""
    pack = numbers(items, t.ORDER_MULTIPLE)
    pack = np.where(pack > 0, pack, 1.0)
    return smallest_line(numbers(items, t.MIN_ORDER_QUANTITY), pack), largest_line(numbers(items, t.MAX_ORDER_QUANTITY), pack)


def unfit(items: pd.DataFrame) -> BoolArray:
    """Return where the largest line is below the smallest, (n_series,); a maximum of 0 forbids orders, and means it."""
    smallest, largest = lines(items)
    return np.asarray((numbers(items, t.MAX_ORDER_QUANTITY) > 0) & (largest < smallest))


def on_sale_by_step(items: pd.DataFrame, first_day: np.datetime64, *, horizon: int, freq: str) -> BoolArray:
    """Return which products are on sale in which step from `first_day` on, (n_series, horizon), as the catalogue says."""
    launch, end = (pd.to_datetime(items[column]).to_numpy("datetime64[D]") for column in (t.LAUNCH_DATE, t.END_DATE))
    return on_sale(launch, end, step_dates(first_day, horizon=horizon, freq=freq))
