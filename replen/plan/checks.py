"""What can be wrong with a row of stock, supply or costs: what is found, what is expected, the least change that mends it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.items import ALLOWED, COSTS, PRODUCT, STOCK, TERMS, lines, numbers, order_weekdays, receipts_by_step
from replen.plan.timing import WEEKDAYS, BoolArray, FloatArray

NO_LINE_FITS = "no_line_fits"
FINITE = np.finfo(np.float64).max  # the most of columns that may have any finite value


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong with a row.

    Attributes:
        kind: of the exception.
        broken: items -> where it is wrong, (n_items,).
        shown: items -> values that the message shows, (n_items,) each.
        message: column, value found, what is expected, the least change.
    """

    kind: str
    broken: Callable[[pd.DataFrame], BoolArray]
    shown: Callable[[pd.DataFrame], Sequence[NDArray[np.generic]]]
    message: str


def given(kind: str, column: t.Column) -> Check:
    """Return the check that a column is not null."""
    message = f"{ALLOWED[column].table}.{column} is null, expected {_range(column)}: give it"
    return Check(kind, lambda items: np.isnan(numbers(items, column)), lambda _: [], message)


def within(kind: str, column: t.Column) -> list[Check]:
    """Return the checks that a column's values are neither below nor above its range."""
    allowed, name = ALLOWED[column], f"{ALLOWED[column].table}.{column}"
    null = "" if np.isnan(allowed.default) else f" (null = {'none' if np.isinf(allowed.default) else f'{allowed.default:g}'})"
    found = f"{name} is {{}}, expected {_range(column)}{null}"
    up = "above 0" if allowed.least > 0 else f"to {allowed.least:g}"
    down = "give a finite number" if allowed.most == FINITE else f"lower it to {allowed.most:g}"

    def value(items: pd.DataFrame) -> FloatArray:
        return numbers(items, column)

    return [
        Check(kind, lambda items: value(items) < allowed.least, lambda items: [value(items)], f"{found}: raise it {up}"),
        Check(kind, lambda items: value(items) > allowed.most, lambda items: [value(items)], f"{found}: {down}"),
    ]


def _range(column: t.Column) -> str:
    allowed = ALLOWED[column]
    least = "above 0" if allowed.least > 0 else f"at least {allowed.least:g}"
    most = {FINITE: " and finite", np.inf: ""}.get(allowed.most, f" and at most {allowed.most:g}")
    return least + most


def _receipts(items: pd.DataFrame) -> FloatArray:
    """Return units of open orders by period, (n_items, n_periods), of as many periods as the longest row has."""
    return receipts_by_step(items, max((np.size(units) for units in items[t.RECEIPTS] if units is not None), default=0))


def _bad_receipts(items: pd.DataFrame) -> BoolArray:
    receipts = _receipts(items)
    return ~(np.isfinite(receipts) & (receipts >= 0))


def _first_bad_receipt(items: pd.DataFrame) -> list[NDArray[np.generic]]:
    """Return units and period, from 1 on, of the first wrong receipt of each row."""
    periods = np.argmax(_bad_receipts(items), axis=1)
    return [_receipts(items)[np.arange(len(items)), periods], periods + 1]


def _costs(*columns: t.Column) -> Callable[[pd.DataFrame], Sequence[FloatArray]]:
    return lambda items: [numbers(items, column) for column in columns]


def _salvage(items: pd.DataFrame) -> list[FloatArray]:
    """Return end value, and unit cost + holding cost."""
    return [numbers(items, t.END_VALUE), numbers(items, t.UNIT_COST) + numbers(items, t.HOLDING_COST)]


def _line_terms(items: pd.DataFrame) -> list[FloatArray]:
    """Return units of the largest line, maximum, smallest line, minimum and pack."""
    smallest, largest = lines(items)
    terms = (t.MAX_ORDER_QUANTITY, t.MIN_ORDER_QUANTITY, t.ORDER_MULTIPLE)
    most, least, pack = (numbers(items, column) for column in terms)
    return [largest, most, smallest, least, pack]


def _no_line(items: pd.DataFrame, *, forbidden: bool, pack_fits: bool) -> BoolArray:
    """Return where no line is allowed, by a maximum of 0 or above, below one pack or not, (n_items,)."""
    largest, most, smallest, *_ = _line_terms(items)
    of_this_kind = (most == 0) if forbidden else (most > 0) & ((largest > 0) == pack_fits)
    return np.asarray((largest < smallest) & of_this_kind)


TERM_CHECKS = [
    Check(
        "no_supply",
        lambda items: items[t.SUPPLIER].isna().to_numpy(),
        lambda _: [],
        "supply has no row with a supplier, expected one: give it, or end the product",
    ),
    *(given("no_costs", column) for column in (t.UNIT_COST, t.LOST_SALE_COST, t.HOLDING_COST)),
    given("bad_supply", t.LEAD_TIME_DAYS),
    *chain.from_iterable(within("bad_supply", column) for column in TERMS),
    Check(
        "bad_supply",
        lambda items: (numbers(items, t.LEAD_TIME_DAYS) == 0) & (numbers(items, t.LEAD_TIME_SD_DAYS) > 0),
        _costs(t.LEAD_TIME_SD_DAYS),
        "supply.lead_time_days is 0 and lead_time_sd_days {}, expected a lead time above 0 where it varies: raise "
        "lead_time_days above 0, or lower lead_time_sd_days to 0",
    ),
    Check(
        "bad_supply",
        lambda items: np.asarray(~order_weekdays(items).any(axis=1)),
        lambda items: [items[t.ORDER_DAYS].to_numpy(dtype=object)],
        f"supply.order_days is {{!r}}, expected some of {','.join(WEEKDAYS)} (null = all): name at least one",
    ),
    *chain.from_iterable(within("bad_costs", column) for column in COSTS),
    Check(
        "bad_costs",
        lambda items: (
            (numbers(items, t.LOST_SALE_COST) <= numbers(items, t.UNIT_COST)) & (numbers(items, t.UNIT_COST) <= FINITE)
        ),
        _costs(t.LOST_SALE_COST, t.UNIT_COST),
        "costs.lost_sale_cost is {0}, expected above supply.unit_cost, {1}: raise it above {1}, or lower unit_cost below {0}",
    ),
    Check(
        "bad_costs",
        lambda items: np.greater_equal(*_salvage(items)),
        _salvage,
        "costs.end_value is {0}, expected below unit_cost + holding_cost, {1}: lower it below {1}",
    ),
]
ROW_CHECKS = [
    given("no_stock", t.ON_HAND),
    *chain.from_iterable(within("bad_stock", column) for column in STOCK),
    Check(
        "bad_stock",
        lambda items: np.asarray(_bad_receipts(items).any(axis=1)),
        _first_bad_receipt,
        "open_orders bring {} units in period {}, expected at least 0 and finite: raise their quantity to 0, or cancel them",
    ),
    *chain.from_iterable(within("bad_shelf_life", column) for column in PRODUCT),
]
LINE_CHECKS = [
    Check(
        NO_LINE_FITS,
        lambda items: _no_line(items, forbidden=True, pack_fits=False),
        _line_terms,
        "supply.max_order_quantity is {1}, expected at least the smallest line, {2}: raise it to {2} if you want any",
    ),
    Check(
        NO_LINE_FITS,
        lambda items: _no_line(items, forbidden=False, pack_fits=True),
        _line_terms,
        "supply.max_order_quantity is {1}, expected at least the smallest line, {2} (min_order_quantity {3} in packs of {4}): "
        "raise it to {2}, or lower min_order_quantity to {0}",
    ),
    Check(
        NO_LINE_FITS,
        lambda items: _no_line(items, forbidden=False, pack_fits=False),
        _line_terms,
        "supply.max_order_quantity is {1}, expected at least the smallest line, {2} (min_order_quantity {3} in packs of {4}): "
        "raise it to {2}, or ask for packs and a minimum of {1} at most",
    ),
]


CHECKS = [*TERM_CHECKS, *ROW_CHECKS, *LINE_CHECKS]


def told(kind: str, items: pd.DataFrame) -> NDArray[np.object_]:
    """Return what is wrong with rows that have an exception of this kind, (n_items,), text."""
    texts: list[list[str]] = [[] for _ in range(len(items))]
    for check in CHECKS:
        rows = np.flatnonzero(check.broken(items)) if check.kind == kind else np.empty(0, np.intp)
        shown = [values[rows].tolist() for values in check.shown(items)] if len(rows) else []
        for row, *values in zip(rows.tolist(), *shown, strict=True):
            texts[row].append(check.message.format(*(f"{one:.10g}" if isinstance(one, float) else one for one in values)))
    return np.array(["; ".join(some) for some in texts], dtype=object)


def by_kind(checks: Sequence[Check], items: pd.DataFrame) -> dict[str, BoolArray]:
    """Return where checks of each kind are broken, (n_items,) each."""
    found = {check.kind: np.zeros(len(items), dtype=bool) for check in checks}
    for check in checks:
        found[check.kind] |= check.broken(items)
    return found
