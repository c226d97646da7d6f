"""Policies beside each other: the table of a simulation, paired intervals, and the setting that a tuning chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Policies, ServiceTarget, Tuning
from replen.errors import TableError
from replen.evaluate.bootstrap import Interval, paired_bootstrap
from replen.evaluate.tuning import Tuned
from replen.features.segments import ALL
from replen.plan.timing import FloatArray

CONFIGURED = "configured"
Pair = tuple[str, str]
"""Forecaster and policy."""


def policies_of(settings: Policies, others: Sequence[str]) -> dict[str, Policies]:
    """Return name -> who orders for which series: first what is configured, then each of its policies, and others, for all.

    What is configured has the name of its one policy, or `configured` where segments have policies of their own.

    Args:
        settings: section `plan.policy`.
        others: further policies.
    """
    name = CONFIGURED if settings.by_segment else settings.default
    alone = dict.fromkeys([settings.default, *settings.by_segment.values(), *others])
    for_all = {one: settings.model_copy(update={"default": one, "by_segment": {}}) for one in alone}
    return {name: settings, **{one: policies for one, policies in for_all.items() if one != name}}


def settings_of(settings: Policies, tuning: Tuning) -> dict[str, Policies]:
    """Return name -> setting: what is configured, then each policy with each target, for all series alike."""
    candidates = {}
    for policy, target in tuning.settings:
        alike = settings.model_copy(update={"default": policy, "by_segment": {}, "target_by_segment": {}})
        candidates[_told(policy, target)] = alike.model_copy(update={"target": target or settings.target})
    return {CONFIGURED: settings, **candidates}


def _told(policy: str, target: ServiceTarget | None) -> str:
    return policy if target is None else f"{policy}, {target.measure} {target.value:g}"


def paired_costs(costs: pd.DataFrame) -> tuple[list[Pair], list[str], FloatArray]:
    """Return pairs of forecaster and policy, windows by date, and costs, (n_pairs, n_windows, n_series): money.

    Series that were not played in every window are left out.

    Args:
        costs: model, policy, window, sku, site and cost of each series.
    """
    parts = [str(column) for column in (t.MODEL, t.POLICY, t.WINDOW)]
    wide = costs.pivot(index=[str(t.SKU), str(t.SITE)], columns=parts, values=str(t.COST)).dropna().sort_index(axis=1)
    models, policies, places = (wide.columns.get_level_values(part).tolist() for part in parts)
    pairs, windows = list(dict.fromkeys(zip(models, policies, strict=True))), sorted(set(places))
    return pairs, windows, wide.to_numpy(np.float64).T.reshape(len(pairs), len(windows), len(wide))


def simulations(averages: pd.DataFrame, costs: pd.DataFrame, configured: Pair, *, run_id: str, seed: int) -> pd.DataFrame:
    """Return rows of `tables.SIMULATIONS`; intervals are over all windows and series.

    Args:
        averages: model, policy, window, segment, n_played and `tables.PLAYED`, means over series and windows.
        costs: as in `paired_costs`.
        configured: what the others are held against.
        run_id: of the run.
        seed: of the intervals.
    """
    sold, demand, stock = (averages[column] for column in (t.SOLD, t.DEMAND, t.MEAN_ON_HAND))
    ratios = {str(t.FILL_RATE): (sold / demand).where(demand > 0), str(t.TURNS): (sold / stock).where(stock > 0)}
    rows = averages.assign(**ratios).assign(**{str(t.RUN_ID): run_id})
    intervals = [(*pair, ALL, ALL, *found) for pair, found in _intervals(costs, configured, seed).items()]
    place = [str(column) for column in t.SIMULATIONS.key if column != t.RUN_ID]
    against = pd.DataFrame(intervals, columns=[*place, t.COST_DIFFERENCE, t.DIFFERENCE_LOW, t.DIFFERENCE_HIGH])
    return rows.merge(against, on=place, how="left")[t.SIMULATIONS.names]


def _intervals(costs: pd.DataFrame, configured: Pair, seed: int) -> dict[Pair, Interval]:
    pairs, _, by_pair = paired_costs(costs)
    if not by_pair.size:
        return {}
    base = by_pair[pairs.index(configured)]
    return {
        pair: paired_bootstrap(each, base, seed=seed) for pair, each in zip(pairs, by_pair, strict=True) if pair != configured
    }


@dataclass(frozen=True)
class Chosen:
    """A setting chosen on all windows but the last, and what it brings in the last.

    Attributes:
        name: of the setting; `configured` where nothing that was tried cost less.
        n_tried: settings, what is configured among them.
        early: name -> mean cost a series and window by which it was chosen, money.
        window: the last one.
        cost: mean cost a series in it, money.
        saving: cost less that of what is configured, in the last window.
        n_series: in every window.
    """

    name: str
    n_tried: int
    early: dict[str, float]
    window: str
    cost: float
    saving: Interval
    n_series: int


def chosen(costs: pd.DataFrame, settings: Sequence[str], *, seed: int) -> Chosen:
    """Return the setting that is cheapest on all windows but the last.

    Args:
        costs: as in `paired_costs`, of one forecaster and two windows or more; policies are names of settings.
        settings: their names; of equal ones the first is taken.
        seed: of the interval.

    Raises:
        TableError: no series was played in every window.
    """
    pairs, windows, found = paired_costs(costs)
    if not found.size:
        raise TableError("simulate: expected series that can be played in every window, found none; set simulate.windows lower")
    places = {name: place for place, (_, name) in enumerate(pairs)}
    by_setting = found[[places[name] for name in settings]]
    tuned = Tuned(tuple(settings), by_setting[:, :-1])
    name = tuned.best()
    last, base = (by_setting[settings.index(one), -1] for one in (name, CONFIGURED))
    n_series = by_setting.shape[2]
    early = tuned.totals / (n_series * (len(windows) - 1))
    return Chosen(
        name=name,
        n_tried=tuned.n_tried,
        early=dict(zip(settings, early.tolist(), strict=True)),
        window=windows[-1],
        cost=float(last.mean()),
        saving=paired_bootstrap(last, base, seed=seed),
        n_series=n_series,
    )
