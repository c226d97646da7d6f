"""Items and paths -> outcomes, chunk by chunk, whatever the data are: what cannot be planned is named, never lost."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen.config import Plan, Policies
from replen.errors import PlanError
from replen.plan.choice import Choice
from replen.plan.exceptions import Finding
from replen.plan.items import read_positions
from replen.plan.kept import LastPlan
from replen.plan.limits import Limits
from replen.plan.outcome import Outcome, plan_ready
from replen.plan.policies.assigned import PROGRAM, Assigned
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.programs import Programs
from replen.plan.projection import by_step
from replen.plan.refusals import refusals
from replen.plan.sharing import N_CELLS, Flows, Sharing
from replen.plan.sourcing import cheapest, heads, least_by_series, series_numbers, whole_series
from replen.plan.timing import Calendar, FloatArray

CHUNK = 2048  # sources whose paths are worked on at once
Rows = NDArray[np.intp]
Made = TypeVar("Made")


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

    def ready(self, positions: Positions, demand_paths: FloatArray) -> Prepared:
        """Return the series made ready for their sample paths of demand, (n_series, n_paths, horizon)."""
        return Prepared.of(positions, by_step(demand_paths), waits=self.settings.waits, safety_stock=self.settings.safety_stock)

    def last_plan(self, items: pd.DataFrame, positions: Positions) -> LastPlan | None:
        """Return what the last plans of items say, where changing them costs something."""
        settings = self.settings
        if not settings.change_cost:
            return None
        return LastPlan.of(
            items, positions.expected_lead_time, frozen_periods=settings.frozen_periods, change_cost=settings.change_cost,
            horizon=settings.horizon,
        )  # fmt: skip

    @classmethod
    def uncoupled(cls, settings: Plan, plan_date: dt.date, freq: str) -> Self:
        """Return the terms of a plan without limits."""
        return cls(settings, plan_date, freq, Limits.none(), Choice.at(np.zeros(0), N_CELLS))


@dataclass(frozen=True)
class Planned:
    """Items that have a plan.

    Attributes:
        rows: shape (n_planned,), of the items: the source that each series takes.
        outcome: their plans, bound and constant cost the least of all sources of the series.
        sharing: how they share the limits.
        above: row -> money by which a source that was not taken costs more, prices of limits counted.
    """

    rows: Rows
    outcome: Outcome
    sharing: Sharing
    above: dict[int, float]


def sound_rows(items: pd.DataFrame, demand_paths: FloatArray) -> tuple[Rows, list[Finding]]:
    """Return the rows that a plan can be made for, and what is wrong with the others."""
    findings = refusals(items, demand_paths)
    return np.setdiff1d(np.arange(len(items)), np.concatenate([finding.rows for finding in findings])), findings


def planned(items: pd.DataFrame, demand_paths: FloatArray, rows: Rows, terms: Terms) -> tuple[list[Planned], dict[int, str]]:
    """Return the plans of the rows, chunk by chunk, and row -> why it could not be planned."""
    return _by_chunk(lambda some: _planned(items.iloc[some], demand_paths[some], some, terms), items, rows, terms)


def considered(items: pd.DataFrame, rows: Rows, policy: Policies) -> Rows:
    """Return the rows of sources that a series may take: under a rule the first choice alone, else all under the program."""
    if not policy.rules:
        return rows
    first = heads(series_numbers(items)[rows])
    by_program = Assigned.of(items.iloc[rows], policy).policies == PROGRAM
    return np.asarray(rows[(first == np.arange(len(rows))) | (by_program & by_program[first])])


def programs(items: pd.DataFrame, demand_paths: FloatArray, terms: Terms) -> list[Programs]:
    """Return the programs of the items, chunk by chunk, for passes of the coupling; what cannot be planned has none."""
    rows, _ = sound_rows(items, demand_paths)
    found, _ = _by_chunk(lambda some: _programs(items.iloc[some], demand_paths[some], terms), items, rows, terms)
    return found


def _planned(items: pd.DataFrame, demand_paths: FloatArray, rows: Rows, terms: Terms) -> Planned:
    """Return the plans of sound items.

    Raises:
        PlanError: a plan has no proof.
    """
    assigned = Assigned.of(items, terms.settings.policy)
    positions = assigned.reviewed(read_positions(items, terms.calendar, n_paths=demand_paths.shape[1]))
    sharing, last = Sharing.of(items, terms.limits, positions), terms.last_plan(items, positions)
    prices = sharing.series_prices(terms.choice, demand_paths.shape[2])
    outcome = plan_ready(positions, terms.ready(positions, demand_paths), prices, assigned=assigned, last=last)
    _check_proven(outcome.dual_bound)
    flows = Flows(outcome.quantities, outcome.receipts, outcome.mean_on_hand)
    series, priced_cost = series_numbers(items), outcome.feasible_cost + prices.paid(*flows)
    bound, constant = (least_by_series(series, values) for values in (outcome.dual_bound, outcome.constant_cost))
    taken = cheapest(series, priced_cost)
    left = np.setdiff1d(np.arange(len(rows)), taken)
    above = np.maximum(priced_cost[left] - priced_cost[taken][series[left]], 0.0)
    return Planned(
        rows[taken],
        replace(outcome, dual_bound=bound, constant_cost=constant).take(taken),
        sharing.take(taken),
        dict(zip(rows[left].tolist(), above.tolist(), strict=True)),
    )


def _programs(items: pd.DataFrame, demand_paths: FloatArray, terms: Terms) -> Programs:
    """Return the programs of sound items.

    Raises:
        PlanError: a program has no proof.
    """
    positions = read_positions(items, terms.calendar, n_paths=demand_paths.shape[1])
    sharing, last = Sharing.of(items, terms.limits, positions), terms.last_plan(items, positions)
    found = Programs.of(terms.ready(positions, demand_paths), sharing, series_numbers(items), last)
    _check_proven(found.solve(Prices.none(positions)).bound)
    return found


def _check_proven(bound: FloatArray) -> None:
    if not np.isfinite(bound).all():
        raise PlanError("the solver gave no proof")


def _by_chunk(make: Callable[[Rows], Made], items: pd.DataFrame, rows: Rows, terms: Terms) -> tuple[list[Made], dict[int, str]]:
    """Return what is made of the sources that series may take, a chunk at a time, and row -> why nothing was made of it."""
    made, failures = list[Made](), dict[int, str]()
    rows = considered(items, rows, terms.settings.policy)
    for part in whole_series(rows, series_numbers(items)[rows], CHUNK):
        found, failed = _isolated(make, part)
        made, failures = made + found, failures | failed
    return made, failures


def _isolated(make: Callable[[Rows], Made], rows: Rows) -> tuple[list[Made], dict[int, str]]:
    """Return what is made of rows together; where a row breaks the rest, each is tried alone and only broken ones left out."""
    try:
        return [make(rows)], {}
    except Exception as error:  # a failing series becomes a row with a reason, never a failing bucket
        if len(rows) == 1:
            return [], {int(rows[0]): f"not_solved: {type(error).__name__}: {error}"}
        failures = {row: why for row_alone in rows for row, why in _isolated(make, row_alone[None])[1].items()}
        if not failures:
            raise  # rows that can be planned alone but not together are a fault of this code, not of the data
        sound = np.setdiff1d(rows, list(failures))
        return ([make(sound)] if len(sound) else []), failures
