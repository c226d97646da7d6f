"""Items and paths -> outcomes, chunk by chunk, whatever the data are: what cannot be planned is named, never lost."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen.config import Plan, Policies
from replen.plan.choice import Choice, Totals
from replen.plan.exceptions import Finding
from replen.plan.items import read_positions, refusals
from replen.plan.limits import Limits
from replen.plan.outcome import Outcome, plan_series
from replen.plan.policies.assigned import PROGRAM, Assigned
from replen.plan.projection import by_step
from replen.plan.sharing import N_CELLS, Sharing
from replen.plan.sourcing import cheapest, heads, least_by_series, series_numbers, whole_series
from replen.plan.timing import Calendar, FloatArray

CHUNK = 2048  # sources whose paths are worked on at once
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Terms:
    """What holds for all series of a plan.

    Attributes:
        settings: the `plan` section.
        plan_date: first day of step 0.
        freq: D or W.
        limits: that the series share.
        choice: at which prices of the limits each series is planned.
    """

    settings: Plan
    plan_date: dt.date
    freq: str
    limits: Limits
    choice: Choice

    @property
    def calendar(self) -> Calendar:
        """Return the periods of the plan."""
        frozen = self.settings.frozen_periods
        return Calendar(np.datetime64(self.plan_date), self.settings.horizon, self.freq, frozen)

    @classmethod
    def uncoupled(cls, settings: Plan, plan_date: dt.date, freq: str) -> Self:
        """Return the terms of a plan without limits."""
        return cls(settings, plan_date, freq, Limits.none(), Choice.at(np.zeros(0), N_CELLS))


@dataclass(frozen=True)
class Attempt:
    """What came of some items.

    Attributes:
        rows: shape (n_planned,), of the items that have a plan: the source that each series takes.
        outcome: their plans, bound and constant cost the least of all sources of the series; None where there are none.
        sharing: how they share the limits.
        failures: row -> why it was not planned.
        above: row -> money by which a source that was not taken costs more, prices of limits counted.
    """

    rows: Rows
    outcome: Outcome | None
    sharing: Sharing | None
    failures: dict[int, str]
    above: dict[int, float]


def sound_rows(items: pd.DataFrame, demand_paths: FloatArray) -> tuple[Rows, list[Finding]]:
    """Return the rows that a plan can be made for, and what is wrong with the others."""
    findings = refusals(items, demand_paths)
    return np.setdiff1d(np.arange(len(items)), np.concatenate([finding.rows for finding in findings])), findings


def attempts(
    items: pd.DataFrame, demand_paths: FloatArray, rows: Rows, terms: Terms, *, with_levels: bool = True
) -> Iterator[Attempt]:
    """Yield what comes of the rows, a chunk at a time."""
    rows = considered(items, rows, terms.settings.policy)
    for part in whole_series(rows, series_numbers(items)[rows], CHUNK):
        yield _attempt(items, demand_paths, part, terms, with_levels=with_levels)


def considered(items: pd.DataFrame, rows: Rows, policy: Policies) -> Rows:
    """Return the rows of sources that a series may take: under a rule the first choice alone, else all under the program."""
    if not policy.rules:
        return rows
    first = heads(series_numbers(items)[rows])
    by_program = Assigned.of(items.iloc[rows], policy).policies == PROGRAM
    return np.asarray(rows[(first == np.arange(len(rows))) | (by_program & by_program[first])])


def bucket_totals(items: pd.DataFrame, demand_paths: FloatArray, terms: Terms) -> Totals:
    """Return what a pass over these items finds, by cell; what cannot be planned costs and uses nothing."""
    found = Totals(np.zeros(N_CELLS), np.zeros(N_CELLS), np.zeros((N_CELLS, len(terms.limits))))
    rows, _ = sound_rows(items, demand_paths)
    for attempt in attempts(items, demand_paths, rows, terms, with_levels=False):
        if attempt.outcome is not None and attempt.sharing is not None:
            found = found + attempt.sharing.totals(attempt.outcome)
    return found


def _attempt(items: pd.DataFrame, demand_paths: FloatArray, rows: Rows, terms: Terms, *, with_levels: bool) -> Attempt:
    """Return what comes of one chunk; where a row breaks the rest, each is planned alone and only broken ones are left out."""
    try:
        positions = read_positions(items.iloc[rows], terms.calendar)
        sharing = Sharing.of(items.iloc[rows], terms.limits, terms.choice)
        prices = sharing.series_prices(demand_paths.shape[2])
        settings, demand = terms.settings, by_step(demand_paths[rows])
        outcome = plan_series(
            positions,
            demand,
            prices,
            assigned=Assigned.of(items.iloc[rows], settings.policy),
            waits=settings.unmet_demand == "waits",
            with_levels=with_levels,
            safety_stock=settings.safety_stock,
        )
    except Exception as error:  # a failing series becomes a row with a reason, never a failing bucket
        if len(rows) == 1:
            return _nothing(rows[:0], {int(rows[0]): f"not_solved: {type(error).__name__}: {error}"})
        alone = [_attempt(items, demand_paths, row[None], terms, with_levels=with_levels).failures for row in rows]
        failures = {row: reason for failed in alone for row, reason in failed.items()}
        if not failures:
            raise  # rows that can be planned alone but not together are a fault of this code, not of the data
        sound = np.setdiff1d(rows, list(failures))
        if not len(sound):
            return _nothing(sound, failures)
        planned = _attempt(items, demand_paths, sound, terms, with_levels=with_levels)
        return replace(planned, failures=failures | planned.failures)
    proven = np.isfinite(outcome.dual_bound)
    kept = np.flatnonzero(proven)
    failures = dict.fromkeys(rows[~proven].tolist(), "not_solved: the solver gave no proof")
    return _sourced(items, rows[proven], outcome.take(kept), sharing.take(kept), failures)


def _nothing(rows: Rows, failures: dict[int, str]) -> Attempt:
    return Attempt(rows, None, None, failures, {})


def _sourced(items: pd.DataFrame, rows: Rows, outcome: Outcome, sharing: Sharing, failures: dict[int, str]) -> Attempt:
    """Return what is left when each series takes one of its planned sources."""
    series, priced_cost = series_numbers(items.iloc[rows]), outcome.feasible_cost + sharing.charges(outcome)
    bound, constant = (least_by_series(series, values) for values in (outcome.dual_bound, outcome.constant_cost))
    taken = cheapest(series, priced_cost)
    chosen = replace(outcome, dual_bound=bound, constant_cost=constant).take(taken)
    left = np.setdiff1d(np.arange(len(rows)), taken)
    above = np.maximum(priced_cost[left] - priced_cost[taken][series[left]], 0.0)
    others = dict(zip(rows[left].tolist(), above.tolist(), strict=True))
    return Attempt(rows[taken], chosen, sharing.take(taken), failures, others)
