"""Items and paths -> outcomes, chunk by chunk, whatever the data are: what cannot be planned is named, never lost."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen.config import Plan
from replen.plan.choice import Choice, Totals
from replen.plan.exceptions import Finding
from replen.plan.items import read_positions, refusals
from replen.plan.limits import Limits
from replen.plan.outcome import Outcome, plan_series
from replen.plan.policies.assigned import Assigned
from replen.plan.positions import chunks
from replen.plan.projection import by_step
from replen.plan.sharing import N_CELLS, Sharing
from replen.plan.timing import Calendar, FloatArray

CHUNK = 2048  # series whose paths are worked on at once
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
        rows: shape (n_planned,), of the items that have a plan.
        outcome: their plans; None where there are none.
        sharing: how they share the limits.
        failures: row -> why it was not planned.
    """

    rows: Rows
    outcome: Outcome | None
    sharing: Sharing | None
    failures: dict[int, str]


def sound_rows(items: pd.DataFrame, demand_paths: FloatArray) -> tuple[Rows, list[Finding]]:
    """Return the rows that a plan can be made for, and what is wrong with the others."""
    findings = refusals(items, demand_paths)
    return np.setdiff1d(np.arange(len(items)), np.concatenate([finding.rows for finding in findings])), findings


def attempts(
    items: pd.DataFrame, demand_paths: FloatArray, rows: Rows, terms: Terms, *, with_levels: bool = True
) -> Iterator[Attempt]:
    """Yield what comes of the rows, a chunk at a time."""
    for part in chunks(rows, CHUNK):
        yield _attempt(items, demand_paths, part, terms, with_levels=with_levels)


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
        positions = read_positions(items.iloc[rows], terms.calendar, n_paths=demand_paths.shape[1])
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
            return Attempt(rows[:0], None, None, {int(rows[0]): f"not_solved: {type(error).__name__}: {error}"})
        alone = [_attempt(items, demand_paths, row[None], terms, with_levels=with_levels).failures for row in rows]
        failures = {row: reason for failed in alone for row, reason in failed.items()}
        if not failures:
            raise  # rows that can be planned alone but not together are a fault of this code, not of the data
        sound = np.setdiff1d(rows, list(failures))
        if not len(sound):
            return Attempt(sound, None, None, failures)
        planned = _attempt(items, demand_paths, sound, terms, with_levels=with_levels)
        return Attempt(planned.rows, planned.outcome, planned.sharing, failures | planned.failures)
    proven = np.isfinite(outcome.dual_bound)
    kept = np.flatnonzero(proven)
    failures = dict.fromkeys(rows[~proven].tolist(), "not_solved: the solver gave no proof")
    return Attempt(rows[proven], outcome.take(kept), sharing.take(kept), failures)
