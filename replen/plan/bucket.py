"""Plan a bucket: items and demand paths -> one wide row a series, from the source it takes, whatever its data are."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.attempt import Terms, planned, sound_rows
from replen.plan.exceptions import Finding, listed, planned_findings
from replen.plan.items import days_to_order, numbers, unfit
from replen.plan.outcome import Outcome
from replen.plan.policies.assigned import PROGRAM
from replen.plan.policies.service import protection_demand
from replen.plan.refusals import unfit_finding
from replen.plan.sourcing import series_numbers
from replen.plan.timing import FloatArray, IntArray, step_dates

PASSED_THROUGH = (t.SKU, t.SITE, t.SUPPLIER, t.MODEL, t.MODEL_VERSION)


def plan_bucket(items: pd.DataFrame, demand_paths: FloatArray, terms: Terms) -> pd.DataFrame:
    """Return the decisions, one row of `tables.DECISIONS` for each series, in the order of items; the index says which item.

    A series has the row of the source it takes; what cannot be planned from any has exceptions, no order, its kinds of trouble
    in `reason`, and the row of its first choice. The comparison with the simple rule is filled by `evaluate.comparison`, the
    order ids by `orders.lines`.

    Args:
        items: one row a source, those of a series together and by preference: `items.COLUMNS`.
        demand_paths: shape (n_items, n_paths, settings.horizon), units from the plan date on; NaN = no forecast.
        terms: of the plan.
    """
    series, (rows, refused) = series_numbers(items), sound_rows(items, demand_paths)
    plans, found, failures = _plans(items, demand_paths, rows, terms)
    unsolved, taking = np.array(sorted(failures), dtype=np.intp), plans.index.to_numpy(np.intp)
    refused.append(Finding("not_solved", "critical", unsolved, np.full(len(unsolved), np.nan)))
    in_vain = [one.where(~np.isin(series[one.rows], series[taking])) for one in refused]
    findings = [*found, *in_vain, _left_out(items, series, refused, taking)]
    taken = np.unique(series, return_index=True)[1]
    taken[series[taking]] = taking
    exceptions = listed([one.by_series(series) for one in findings], len(taken)).set_axis(taken)
    kinds = exceptions[t.KIND.by_exception()].drop(index=plans.index)
    in_full = {int(series[row]): failures[int(row)] for row in unsolved[::-1]}
    numbers = series[kinds.index.to_numpy(np.intp)].tolist()
    reasons = {row: in_full.get(number, ", ".join(kind)) for row, number, kind in zip(kinds.index, numbers, kinds, strict=True)}
    decisions = plans.reindex(taken).join(exceptions)
    decisions[list(PASSED_THROUGH)] = items[list(PASSED_THROUGH)].iloc[taken].to_numpy()
    decisions[t.REASON] = [reasons.get(row) for row in decisions.index]
    return in_contract(decisions)


def _plans(
    items: pd.DataFrame, demand_paths: FloatArray, rows: NDArray[np.intp], terms: Terms
) -> tuple[pd.DataFrame, list[Finding], dict[int, str]]:
    """Return the columns of plans and what is wrong with them, both by the rows that series take, and why others failed."""
    made, failures = planned(items, demand_paths, rows, terms)
    frames, found = [pd.DataFrame(index=rows[:0])], list[Finding]()
    for one in made:
        prices = one.sharing.limit_prices(terms.choice, one.outcome.positions.expected_lead_time)
        frame = _frame(items.iloc[one.rows], one.outcome, prices, terms).set_index(one.rows)
        frame[t.ALTERNATIVES] = pd.Series(_alternatives(items, one.above, one.rows), index=one.rows)
        frames.append(frame)
        taken = items.iloc[one.rows]
        trouble = [*planned_findings(one.outcome, terms.settings.exceptions, unfit(taken)), unfit_finding(taken, one.outcome)]
        found += [replace(finding, rows=one.rows[finding.rows]) for finding in trouble]
    return pd.concat(frames), found, failures


def _left_out(items: pd.DataFrame, series: IntArray, refused: list[Finding], planned: NDArray[np.intp]) -> Finding:
    """Return the planned rows whose series have other sources that no plan could be made with, and why."""
    why: dict[int, list[str]] = {}
    taken = dict(zip(series[planned].tolist(), planned.tolist(), strict=True))
    for finding in refused:
        some = finding.where(np.isin(series[finding.rows], series[planned]))
        for row, action in zip(some.rows, some.actions, strict=True):
            why.setdefault(taken[int(series[row])], []).append(f"{items[t.SUPPLIER].iloc[row]} ({finding.kind}: {action})")
    rows, named = np.array(sorted(why), dtype=np.intp), [", ".join(why[row]) for row in sorted(why)]
    return Finding("source_left_out", "warning", rows, np.full(len(rows), np.nan), (np.array(named, dtype=object),))


def _alternatives(items: pd.DataFrame, above: dict[int, float], planned: NDArray[np.intp]) -> list[dict[str, float]]:
    """Return for each planned row by how much other sources of its series cost more, by supplier."""
    series, suppliers = series_numbers(items), items[t.SUPPLIER].to_numpy()
    found: dict[int, dict[str, float]] = {number: {} for number in series[planned].tolist()}
    for row, money in above.items():
        found[int(series[row])][suppliers[row]] = money
    return list(found.values())


def in_contract(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `tables.DECISIONS` in its order, with numbers as floats and null as None elsewhere."""
    whole = decisions.reindex(columns=t.DECISIONS.names)
    for column in t.DECISIONS.columns:
        values = whole[column]
        whole[column] = (
            values.astype(np.float64) if column.type == "double" else values.astype(object).where(values.notna(), None)
        )
    return whole


def _frame(items: pd.DataFrame, outcome: Outcome, prices: list[dict[str, float]], terms: Terms) -> pd.DataFrame:
    """Return the columns that a plan gives, one row a series."""
    plan_date, freq = terms.plan_date, terms.freq
    today, horizon = outcome.quantities[:, 0], outcome.quantities.shape[1]
    dates = step_dates(np.datetime64(plan_date), horizon=horizon, freq=freq).tolist()
    forecast_demand = protection_demand(outcome.positions, outcome.mean_demand.T[:, :, None])[0].mean(axis=1)
    protecting = np.where(outcome.policy == PROGRAM, outcome.order_up_to_level, outcome.reorder_point)
    lead_days, waiting = np.ceil(numbers(items, t.LEAD_TIME_DAYS)).astype(int), days_to_order(items, terms.calendar)
    order_dates = [plan_date + dt.timedelta(days=days) for days in waiting.tolist()]
    by_step_columns = {
        t.ORDER_QUANTITY: outcome.quantities,
        t.RECEIPT: outcome.receipts,
        t.PROJECTED_ON_HAND: outcome.mean_on_hand,
        t.EXPECTED_LOST: outcome.expected_short,
        t.EXPECTED_COST: outcome.expected_cost,
    }
    return pd.DataFrame(
        {
            t.DATE.by_step(): [dates] * len(items),
            **{column.by_step(): list(values) for column, values in by_step_columns.items()},
            t.ORDER_DATE: order_dates,
            t.EXPECTED_DATE: [
                date + dt.timedelta(days=days) for date, days in zip(order_dates, lead_days.tolist(), strict=True)
            ],
            t.NEXT_ORDER_DATE: _next_order_dates(outcome.quantities, dates, waiting),
            t.ORDER_QUANTITY: today,
            t.REORDER_POINT: outcome.reorder_point,
            t.ORDER_UP_TO_LEVEL: outcome.order_up_to_level,
            t.SAFETY_STOCK: protecting - forecast_demand,
            t.VALUE: today * outcome.positions.unit_cost,
            t.POLICY: outcome.policy,
            t.FORECAST_DEMAND: forecast_demand,
            t.PROJECTED_STOCK: outcome.stock_at_arrival,
            t.TARGET: outcome.targets[:, 0],
            t.BINDING: _binding(outcome, prices),
            t.LIMIT_PRICES: prices,
            t.ROUNDING: today - outcome.targets[:, 0],
            t.DUAL_BOUND: outcome.dual_bound,
            t.FEASIBLE_COST: outcome.feasible_cost,
            t.CONSTANT_COST: outcome.constant_cost,
            t.SOLVER: outcome.solver,
            t.MEAN_DEMAND: outcome.mean_demand.sum(axis=1),
        }
    )


def _binding(outcome: Outcome, prices: list[dict[str, float]]) -> list[str]:
    """Return what held today's quantity: a term of supply, else the dearest limit, else `none`."""
    found = zip(outcome.binding.tolist(), prices, strict=True)
    return [max(priced, key=priced.__getitem__) if held == "none" and priced else held for held, priced in found]


def _next_order_dates(quantities: FloatArray, dates: list[dt.date], waiting: IntArray) -> list[dt.date | None]:
    """Return the first later date of each series on which an order is planned, null if there is none within the horizon."""
    later = [np.flatnonzero(ordered) for ordered in quantities[:, 1:] > 0]
    found = zip(later, waiting.tolist(), strict=True)
    return [dates[1 + steps[0]] + dt.timedelta(days=days) if len(steps) else None for steps, days in found]
