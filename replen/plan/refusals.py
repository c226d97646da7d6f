"""Rows that no plan can be made with, and rows that one is made with as if their maximum were the smallest line."""

import numpy as np
import pandas as pd

from replen import tables as t
from replen.plan.checks import LINE_CHECKS, NO_LINE_FITS, ROW_CHECKS, TERM_CHECKS, by_kind, told
from replen.plan.exceptions import Finding, lost_later
from replen.plan.items import numbers
from replen.plan.outcome import Outcome
from replen.plan.timing import BoolArray, FloatArray

PROPOSED = "an order of {:.10g} units, the smallest line, is proposed today as if it were allowed"
CHEAPER = "nothing is ordered today, which costs less than the smallest line"
NOT_DUE, FORBIDDEN = "no order is due today", "nothing is ordered"


def term_refusals(items: pd.DataFrame) -> dict[str, BoolArray]:
    """Return which rows' supply terms and costs no plan is made with, by kind, (n_items,) each.

    A row whose largest line is below the smallest is refused if the series has another source without fault; else it is planned
    as if the supplier took the smallest line, and the exception says so.
    """
    found = by_kind(TERM_CHECKS, items)
    nobody = found["no_supply"]  # whose terms could be wrong
    found |= {kind: found[kind] & ~nobody for kind in ("no_costs", "bad_supply", "bad_costs")}
    found["bad_costs"] &= ~found["no_costs"]
    refused, unfit = np.any(list(found.values()), axis=0), by_kind(LINE_CHECKS, items)[NO_LINE_FITS]
    series = items.groupby([str(t.SKU), str(t.SITE)], sort=False, dropna=False).ngroup().to_numpy()
    sound = np.unique(series[~refused & ~unfit])
    return found | {NO_LINE_FITS: ~refused & unfit & np.isin(series, sound)}


def refusals(items: pd.DataFrame, demand_paths: FloatArray) -> list[Finding]:
    """Return why rows cannot be planned, by kind; rows may have several, inactive ones have no other.

    Args:
        items: one row a series, `items.COLUMNS`.
        demand_paths: shape (n_series, n_paths, horizon), units; NaN = no forecast.
    """
    no_forecast = ~np.isfinite(demand_paths).all(axis=(1, 2))
    inactive = no_forecast & items[t.REASON].eq(t.INACTIVE).to_numpy()
    on_hand, unit_cost = numbers(items, t.ON_HAND), numbers(items, t.UNIT_COST)
    leftover = np.where(on_hand == 0, 0.0, on_hand * unit_cost)
    at_risk = np.where(no_forecast, np.nan, demand_paths.mean(axis=1).sum(axis=1)) * numbers(items, t.LOST_SALE_COST)
    unknown, masks = np.flatnonzero(no_forecast & ~inactive), by_kind(ROW_CHECKS, items) | term_refusals(items)
    why = items[t.REASON].iloc[unknown].fillna("none").to_numpy(dtype=object)
    found = {kind: np.flatnonzero(mask & ~inactive) for kind, mask in masks.items()}
    return [
        Finding("inactive", "info", np.flatnonzero(inactive), leftover[inactive]),
        Finding("no_forecast", "critical", unknown, at_risk[unknown], (why,)),
        *(Finding(kind, "critical", rows, at_risk[rows], (told(kind, items.iloc[rows]),)) for kind, rows in found.items()),
    ]


def unfit_finding(items: pd.DataFrame, outcome: Outcome) -> Finding:
    """Return the planned rows in which no line is allowed, and what is ordered all the same.

    At risk is what is lost after lead time as it is, and what the planned orders save: they need the supplier's consent.
    """
    today, idle = outcome.quantities[:, 0], np.where(outcome.positions.may_order[:, 0], CHEAPER, NOT_DUE)
    ordered = np.array([PROPOSED.format(units) for units in today.tolist()], dtype=object)
    forbidden = outcome.positions.max_order_quantity == 0
    done = np.select([forbidden, today > 0], [np.full(len(items), FORBIDDEN, dtype=object), ordered], idle)
    used = outcome.quantities.sum(axis=1) - (outcome.mean_on_hand[:, -1] - outcome.idle_end)
    value_at_risk = lost_later(outcome) + np.maximum(used, 0.0) * outcome.positions.lost_sale_cost
    rows = np.flatnonzero(by_kind(LINE_CHECKS, items)[NO_LINE_FITS])
    action = told(NO_LINE_FITS, items.iloc[rows]) + "; " + done[rows]
    return Finding(NO_LINE_FITS, "critical", rows, value_at_risk[rows], (action,))
