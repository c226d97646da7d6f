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
SHOWN = 4  # decimals of units in an action
ACTIONS = {
    "inactive": "sell off or write off what is left; to sell it again, order by hand until it has sales",
    "no_forecast": "find out why there is no forecast (reason in forecasts: {}), or order by hand",
    "no_stock": "{} by a row as of the cutoff",
    "no_supply": "{}",
    "no_costs": "{}, or what it is made from: unit_cost in supply (holding_cost), unit_price in the catalogue (lost_sale_cost)",
    "bad_stock": "{}",
    "bad_supply": "{}",
    "source_left_out": "another supplier is asked instead; correct the row of {}",
    "bad_shelf_life": "{}",
    "bad_costs": "{}",
    "not_solved": "report it with the row's data; order by hand meanwhile",
    "horizon_too_short": "lead time is {} periods, plan.horizon {}: raise plan.horizon to {}; nothing is ordered until then",
    "no_line_fits": "{}",
    "stock_out_expected": "expedite, transfer or buy elsewhere {:.10g} units: so many of the {:.10g} wanted before a new order "
    "can arrive are expected to be missing",
    "overstock": "cancel, return or mark down {:.10g} units: they outlast plan.exceptions.overstock_periods",
    "expires_before_sale": "mark down, transfer or return {:.10g} units, which are not expected to be sold in their shelf life",
    "smallest_line_expires": "ask for a smaller line than {:.10g} units, of which too many would expire: nothing is ordered",
    "max_order_quantity_binds": "ask the supplier for more than {:.10g} units, or find a second one",
    "min_order_quantity_binds": "ask for a minimum of {:.10g} units in place of {:.10g}: the order is larger than needed",
    "limit_exceeded": "raise the limit, or dispose of stock and open orders: if nothing is ordered, it is exceeded by {:g}",
    "limit_unused": "correct scope_value: no item has it, so that the limit changes nothing; or take the limit away",
    "order_value_skipped": "ask for a smaller minimum, or order by hand: {:.2f} was wanted today, {:g} is asked for at least",
    "order_value_filled": "nothing, or ask for a smaller minimum: {:.2f} was added to what was wanted today to reach {:g}",
    "safety_stock_not_met": "lower the safety stock by {:.10g} units, or raise max_order_quantity: no more can come in time",
    "order_below_minimum": "ask for a smaller line than {:.10g} units: {:.10g} are needed, so many cost more than they save",
}


@dataclass(frozen=True)
class Finding:
    """Series with one kind of trouble.

    Attributes:
        kind: key of `ACTIONS`.
        severity: info, warning or critical.
        rows: shape (n_found,), rows of the series.
        value_at_risk: shape (n_found,), money; NaN = unknown, null in the tables.
        named: what the action names, in its order, shape (n_found,) each.
    """

    kind: str
    severity: str
    rows: NDArray[np.intp]
    value_at_risk: FloatArray
    named: tuple[NDArray[np.generic], ...] = ()

    @property
    def actions(self) -> list[str]:
        """Return what to do, (n_found,)."""
        action, named = ACTIONS[self.kind], [values.tolist() for values in self.named]
        return [action.format(*values) for values in zip(*named, strict=True)] if named else [action] * len(self.rows)

    def by_series(self, series: IntArray) -> Self:
        """Return the finding with the numbers of series in place of rows, each series once, by the first of its rows."""
        numbers, first = np.unique(series[self.rows], return_index=True)
        named = tuple(values[first] for values in self.named)
        return replace(self, rows=numbers, value_at_risk=self.value_at_risk[first], named=named)

    def where(self, kept: BoolArray) -> Self:
        """Return the finding of some of its rows."""
        named = tuple(values[kept] for values in self.named)
        return replace(self, rows=self.rows[kept], value_at_risk=self.value_at_risk[kept], named=named)


def listed(findings: Iterable[Finding], n_series: int) -> pd.DataFrame:
    """Return one row a series with arrays of kind, severity, value at risk and action; the most severe come first."""
    names = [column.by_exception() for column in (t.KIND, t.SEVERITY, t.VALUE_AT_RISK, t.ACTION)]
    columns: dict[t.Column, list[list[object]]] = {name: [[] for _ in range(n_series)] for name in names}
    kinds, severities, values, actions = columns.values()
    for finding in sorted(findings, key=lambda one: ("critical", "warning", "info").index(one.severity)):
        for row, value, action in zip(finding.rows, finding.value_at_risk, finding.actions, strict=True):
            kinds[row].append(finding.kind)
            severities[row].append(finding.severity)
            values[row].append(float(value) if np.isfinite(value) else None)
            actions[row].append(action)
    return pd.DataFrame(columns)


def planned_findings(outcome: Outcome, rules: ExceptionRules, raised: BoolArray) -> list[Finding]:
    """Return what a person must look at among planned series, by kind.

    Args:
        outcome: n_series series.
        rules: when they are shown to a person.
        raised: shape (n_series,), where the maximum was raised to the smallest line, which has an exception of its own.
    """
    positions, horizon = outcome.positions, outcome.quantities.shape[1]
    lead_time = positions.expected_lead_time
    late = np.arange(horizon) < lead_time[:, None]
    demand = np.where(late, outcome.mean_demand, 0.0).sum(axis=1)
    lost = np.where(late, outcome.expected_short, 0.0).sum(axis=1)
    later, unit_cost = lost_later(outcome), positions.unit_cost
    excess = outcome.idle_end - rules.overstock_periods * outcome.mean_demand.mean(axis=1)
    today, target, smallest = outcome.quantities[:, 0], outcome.targets[:, 0], positions.smallest_order
    no_line, too_late = positions.largest_order == 0, lead_time >= horizon
    short = ~too_late & (lost > rules.stock_out_share * demand)
    perishes = outcome.expiring > rules.expiry_share * (positions.on_hand + positions.receipts.sum(axis=1))
    never = positions.may_order.any(axis=1) & ~no_line & (outcome.largest.max(axis=1) == 0)
    waits, missing = np.full(positions.n_series, horizon), outcome.missing.max(axis=1)
    saved, kept = lost * positions.lost_sale_cost, ~no_line & ~raised & (today == 0) & (target >= smallest / 2)
    at_least, at_most = (~raised & (outcome.binding == term) for term in (t.MIN_ORDER_QUANTITY, t.MAX_ORDER_QUANTITY))
    all_lost = outcome.expected_short.sum(axis=1) * positions.lost_sale_cost
    above = (today - target) * unit_cost
    return [
        _found("horizon_too_short", "critical", too_late, all_lost, lead_time, waits, lead_time + 1),
        _found("stock_out_expected", "critical", short & (lost > MOST * demand), saved, lost, demand),
        _found("stock_out_expected", "warning", short & (lost <= MOST * demand), saved, lost, demand),
        _found("overstock", "warning", excess > 0, excess * unit_cost, excess),
        _found("smallest_line_expires", "warning", never & (later > 0), later, smallest),
        _found("expires_before_sale", "warning", perishes, outcome.expiring * unit_cost, outcome.expiring),
        _found("max_order_quantity_binds", "warning", at_most, later, today),
        _found("order_below_minimum", "info", kept, later, smallest, target),
        _found("min_order_quantity_binds", "info", at_least, above, target, today),
        _found("safety_stock_not_met", "warning", missing > LEAST, missing * unit_cost, missing),
    ]


def lost_later(outcome: Outcome) -> FloatArray:
    """Return money expected to be lost from the arrival of today's order on, (n_series,)."""
    late = np.arange(outcome.quantities.shape[1]) >= outcome.positions.expected_lead_time[:, None]
    return np.asarray(np.where(late, outcome.expected_short, 0.0).sum(axis=1) * outcome.positions.lost_sale_cost)


def _found(kind: str, severity: str, mask: BoolArray, value_at_risk: FloatArray, *named: FloatArray | IntArray) -> Finding:
    """Return the finding of some series; what it names is rounded for the reader."""
    shown = tuple(np.round(values[mask], SHOWN) for values in named)
    return Finding(kind, severity, np.flatnonzero(mask), value_at_risk[mask], shown)
