"""What a person must look at: refused series, and planned ones in trouble that no order placed today can mend."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import ExceptionRules
from replen.plan.outcome import Outcome
from replen.plan.timing import BoolArray, FloatArray, IntArray

MOST = 0.5  # a stock-out that loses more than this share of demand is critical
LEAST = 1e-6  # units: less is rounding
ACTIONS = {
    "inactive": "sell off or write off what is left; to sell it again, order by hand until it has sales",
    "no_forecast": "find out why there is no forecast (column reason of forecasts), or order by hand",
    "no_stock": "give a stock row as of the cutoff",
    "no_supply": "give a supply row with a supplier, or end the product",
    "no_costs": "give unit_cost in supply and unit_price in the catalogue, or a row in costs (holding_cost where goods cost 0)",
    "bad_stock": "correct on_hand and open orders: they must be finite and not negative",
    "bad_supply": "correct the supply row: lead time and its deviation, order days, review period, packs, limits",
    "source_left_out": "another supplier is asked instead; correct the row of: {}",
    "bad_shelf_life": "correct shelf_life_days in the catalogue: above 0, or null where goods keep",
    "bad_costs": "correct the costs: unit_cost < lost_sale_cost, end_value < unit_cost + holding_cost, holding_cost > 0",
    "not_solved": "report it with the row's data; order by hand meanwhile",
    "horizon_too_short": "raise plan.horizon above the lead time, or order by hand",
    "no_line_fits": "raise max_order_quantity to a whole pack of at least min_order_quantity",
    "stock_out_expected": "expedite an open order, transfer stock or buy elsewhere: today's order comes too late",
    "overstock": "cancel open orders, return or mark down",
    "expires_before_sale": "mark down, transfer or return: it is not expected to be sold in its shelf life",
    "smallest_line_expires": "ask for a smaller minimum or pack: nothing is ordered that would expire unsold",
    "max_order_quantity_binds": "ask the supplier for more, or find a second one",
    "min_order_quantity_binds": "ask for a smaller minimum or pack: the order is larger than needed",
    "limit_exceeded": "raise the limit, or dispose of stock and open orders: if nothing is ordered, it is exceeded by",
    "limit_unused": "correct scope_value: no item has it, so that the limit changes nothing; or take the limit away",
    "order_value_skipped": "ask for a smaller minimum, or order by hand: {:.2f} was wanted today, {:g} is asked for at least",
    "order_value_filled": "nothing, or ask for a smaller minimum: {:.2f} was added to what was wanted today to reach {:g}",
    "safety_stock_not_met": "lower the safety stock by {:g} units, or raise max_order_quantity: no more can be ordered in time",
    "order_below_minimum": "nothing is ordered though there is need: the smallest line costs more than the sales it saves",
}


@dataclass(frozen=True)
class Finding:
    """Series with one kind of trouble.

    Attributes:
        kind: key of `ACTIONS`.
        severity: info, warning or critical.
        rows: shape (n_found,), rows of the series.
        value_at_risk: shape (n_found,), money; NaN = unknown, null in the tables.
        named: shape (n_found,), what the action names; None = it names nothing.
    """

    kind: str
    severity: str
    rows: NDArray[np.intp]
    value_at_risk: FloatArray
    named: NDArray[np.object_] | None = None

    def by_series(self, series: IntArray) -> Self:
        """Return the finding with the numbers of series in place of rows, each series once, by the first of its rows."""
        numbers, first = np.unique(series[self.rows], return_index=True)
        named = None if self.named is None else self.named[first]
        return replace(self, rows=numbers, value_at_risk=self.value_at_risk[first], named=named)

    def where(self, kept: BoolArray) -> Self:
        """Return the finding of some of its rows."""
        named = None if self.named is None else self.named[kept]
        return replace(self, rows=self.rows[kept], value_at_risk=self.value_at_risk[kept], named=named)


def listed(findings: Iterable[Finding], n_series: int) -> pd.DataFrame:
    """Return one row a series with arrays of kind, severity, value at risk and action; the most severe come first."""
    names = [column.by_exception() for column in (t.KIND, t.SEVERITY, t.VALUE_AT_RISK, t.ACTION)]
    columns: dict[t.Column, list[list[object]]] = {name: [[] for _ in range(n_series)] for name in names}
    kinds, severities, values, actions = columns.values()
    for finding in sorted(findings, key=lambda one: ("critical", "warning", "info").index(one.severity)):
        named = np.full(len(finding.rows), None) if finding.named is None else finding.named
        for row, value, name in zip(finding.rows, finding.value_at_risk, named, strict=True):
            kinds[row].append(finding.kind)
            severities[row].append(finding.severity)
            values[row].append(float(value) if np.isfinite(value) else None)
            actions[row].append(ACTIONS[finding.kind].format(name))
    return pd.DataFrame(columns)


def planned_findings(outcome: Outcome, rules: ExceptionRules) -> list[Finding]:
    """Return what a person must look at among planned series, by kind."""
    positions, horizon = outcome.positions, outcome.quantities.shape[1]
    lead_time = positions.expected_lead_time
    late = np.arange(horizon) < lead_time[:, None]
    demand = np.where(late, outcome.mean_demand, 0.0).sum(axis=1)
    lost = np.where(late, outcome.expected_short, 0.0).sum(axis=1)
    lost_later = (outcome.expected_short.sum(axis=1) - lost) * positions.lost_sale_cost
    per_period = outcome.mean_demand.mean(axis=1)
    excess = outcome.idle_end - rules.overstock_periods * per_period
    today, target, unit_cost = outcome.quantities[:, 0], outcome.targets[:, 0], positions.unit_cost
    no_line, too_late = positions.largest_order == 0, lead_time >= horizon
    short = ~too_late & (lost > rules.stock_out_share * demand)
    perishes = outcome.expiring > rules.expiry_share * (positions.on_hand + positions.receipts.sum(axis=1))
    never = positions.may_order.any(axis=1) & ~no_line & (outcome.largest.max(axis=1) == 0)
    masks = {
        ("horizon_too_short", "critical"): (too_late, outcome.expected_short.sum(axis=1) * positions.lost_sale_cost),
        ("no_line_fits", "critical"): (no_line, lost_later),
        ("stock_out_expected", "critical"): (short & (lost > MOST * demand), lost * positions.lost_sale_cost),
        ("stock_out_expected", "warning"): (short & (lost <= MOST * demand), lost * positions.lost_sale_cost),
        ("overstock", "warning"): (excess > 0, excess * unit_cost),
        ("smallest_line_expires", "warning"): (never & (lost_later > 0), lost_later),
        ("expires_before_sale", "warning"): (perishes, outcome.expiring * unit_cost),
        ("max_order_quantity_binds", "warning"): (outcome.binding == t.MAX_ORDER_QUANTITY, lost_later),
        ("order_below_minimum", "info"): (~no_line & (today == 0) & (target >= positions.smallest_order / 2), lost_later),
        ("min_order_quantity_binds", "info"): (outcome.binding == t.MIN_ORDER_QUANTITY, (today - target) * unit_cost),
    }
    found = [Finding(*key, np.flatnonzero(mask), value[mask]) for key, (mask, value) in masks.items()]
    missing = outcome.missing.max(axis=1)
    rows = np.flatnonzero(missing > LEAST)
    units = missing[rows].round(4).astype(object)
    return [*found, Finding("safety_stock_not_met", "warning", rows, (missing * unit_cost)[rows], units)]
