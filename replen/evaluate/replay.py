"""Past windows played again: the series of a range of buckets, their stock and forecasts of then, under every policy.

A window is a fold of the backtest: forecasters fitted up to its cutoff, what was sold afterwards as demand. Who is played, with
which terms, is as for the simulated cost of a forecast (`Trials`), but for the stock at the start: what was on the shelf, where
that is known and more than lasts until the first order arrives. What was on its way then stands in no table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Plan, Policies
from replen.evaluate.folds import target_periods
from replen.evaluate.nightly import nightly
from replen.evaluate.simulated_cost import Trial, Trials
from replen.evaluate.simulation import Reality, Score
from replen.evaluate.tuning import Window
from replen.features.panel import Panel, active
from replen.features.prepare import prepare
from replen.features.segments import ABC, ALL, CLASS, segment_name
from replen.features.view import View
from replen.forecast import random
from replen.forecast.chain import chain_of, predict_chain
from replen.forecast.interface import Forecaster
from replen.forecast.stage import Champions
from replen.plan.items import on_sale_by_step, order_window, shelf_periods
from replen.plan.policies.assigned import Assigned
from replen.plan.positions import chunks
from replen.plan.projection import by_step
from replen.plan.timing import PERIOD_DAYS, Calendar, FloatArray

CHAMPION = "champion"
CHUNK = 1024  # series whose paths are worked on at once
NO_FORECAST = "no_forecast"
LEFT_OUT = {"n_no_terms": "no_terms", "n_too_late": "too_late", "n_unknown_sales": "unknown_sales"}


@dataclass(frozen=True)
class Origin:
    """The start of a window.

    Attributes:
        cutoff: last period known.
        forecasters: name -> forecaster fitted up to the cutoff, blends with their members.
        champions: who forecasts which series, by labels at the cutoff.
    """

    cutoff: np.datetime64
    forecasters: Mapping[str, Forecaster]
    champions: Champions


@dataclass(frozen=True)
class Opened:
    """The series of a window that are played.

    Attributes:
        items: n_series rows, with the columns that segments of policies are told by.
        window: their stock at the cutoff, and what was wanted afterwards.
        paths: forecaster -> demand as forecast at the cutoff, (forecast horizon, n_series, n_paths), units.
    """

    items: pd.DataFrame
    window: Window
    paths: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Replay:
    """What is played.

    Attributes:
        view: how rows become panels.
        origins: of the windows.
        trials: how the series of a fold are chosen, and what they start with.
        models: `champion`, or names of forecasters.
        policies: name -> who orders for which series.
        plan: the `plan` section, but for its policy.
        fallback: names asked in turn for the series that a forecaster cannot forecast.
        levels: of the quantiles that paths are drawn from.
        segments: kinds of groups that are told apart.
    """

    view: View
    origins: Sequence[Origin]
    trials: Trials
    models: Sequence[str]
    policies: Mapping[str, Policies]
    plan: Plan
    fallback: Sequence[str]
    levels: tuple[float, ...]
    segments: Sequence[str]

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.SIMULATED` for rows of `tables.SERIES` with what `Trials` need and shelf_life_days."""
        found = [
            frame
            for some in chunks(np.arange(len(rows)), CHUNK)
            for origin in self.origins
            for frame in self._window(rows.iloc[some].reset_index(drop=True), origin)
        ]
        made = pd.concat(found, ignore_index=True).reindex(columns=t.SIMULATED.names)
        for column in (t.MODEL, t.POLICY, t.REASON, t.SEGMENTS):
            made[column] = made[column].astype(object).where(made[column].notna(), None)
        return made

    def _window(self, rows: pd.DataFrame, origin: Origin) -> Iterator[pd.DataFrame]:
        window = {str(t.WINDOW): str(origin.cutoff)}
        opened, reasons = self.opened(self.view.panel(rows), rows, origin)
        yield reasons.assign(**window)
        if opened is not None:
            for model, paths in opened.paths.items():
                for name, settings in self.policies.items():
                    assigned = Assigned.of(opened.items, settings)
                    policy = nightly(opened.window.positions, paths, assigned, self.plan)
                    measured = pd.DataFrame(measures(opened.window.score(policy)), index=opened.items.index)
                    played = {str(t.MODEL): model, str(t.POLICY): name, **window}
                    yield opened.items[[t.SKU, t.SITE, t.SEGMENTS]].join(measured).assign(**played)

    def opened(self, panel: Panel, rows: pd.DataFrame, origin: Origin) -> tuple[Opened | None, pd.DataFrame]:
        """Return the series that are played, None if none is; sku, site and reason of those that are not.

        Args:
            panel: all periods, not prepared: what was sold is taken as it is.
            rows: the same series, in the same order.
            origin: of the window.
        """
        features, horizon = self.view.features, self.trials.evaluate.horizon
        whole = panel.until(origin.cutoff, self.view.n_ahead)
        chosen = active(whole, features.active_periods)
        inactive = rows.loc[~chosen, [t.SKU, t.SITE]].assign(**{str(t.REASON): t.INACTIVE})
        if not chosen.any():
            return None, inactive
        then, items = prepare(whole.take(chosen), features), rows[chosen].reset_index(drop=True)
        actual = panel.past[t.SALES_HISTORY][chosen, target_periods(panel.periods, origin.cutoff, horizon)]
        trial, paths = self.trials.of(then, items, actual), self._paths(then, items, origin)
        forecast = np.all([np.isfinite(one).all(axis=(0, 2)) for one in paths.values()], axis=0)
        reasons = np.full(len(items), NO_FORECAST, dtype=object)
        for part, reason in LEFT_OUT.items():
            reasons[trial.left_out[part] > 0] = reason
        played = trial.tried & forecast
        left = items.loc[~played, [t.SKU, t.SITE]].assign(**{str(t.REASON): reasons[~played]})
        without = pd.concat([inactive, left], ignore_index=True)
        if not played.any():
            return None, without
        labelled = self._labelled(then.take(played), items[played].reset_index(drop=True), origin)
        on_shelf = whole.past[t.INVENTORY_LEVEL][chosen, -1][played]
        window = self._opening(labelled, trial, played[trial.tried], on_shelf.astype(np.float64), origin)
        return Opened(labelled, window, {model: one[:, played] for model, one in paths.items()}), without

    def _opening(
        self, items: pd.DataFrame, trial: Trial, kept: NDArray[np.bool_], on_shelf: FloatArray, origin: Origin
    ) -> Window:
        """Return the window of the series played, which are those kept of the trial."""
        positions, horizon = trial.positions.take(kept), self.trials.evaluate.horizon
        shelf_life = shelf_periods(items, self._calendar(origin, horizon))
        # Plans look past the window: that it ends is no reason for an early order.
        beyond = self._calendar(origin, horizon + int(positions.lead_time.max()))
        orderable = order_window(items, beyond, positions.lead_time)[:, :horizon]
        on_hand = np.fmax(positions.on_hand, on_shelf)
        stocked = replace(positions, on_hand=on_hand, shelf_life=shelf_life, order_window=orderable)
        return Window(stocked, trial.sold[:, kept], backorders=self.plan.waits, reality=Reality(shelf_life=shelf_life))

    def _labelled(self, then: Panel, items: pd.DataFrame, origin: Origin) -> pd.DataFrame:
        """Return items with demand class, revenue class and all segments they are in."""
        kinds = tuple(dict.fromkeys([CLASS, ABC, *self.segments]))
        labels = origin.champions.segmentation.labels(then, kinds)
        named = [[segment_name(kind, label) for label in labels[kind].tolist()] for kind in self.segments]
        groups = pd.Series([[ALL, *of_series] for of_series in zip(*named, strict=True)] if named else [[ALL]] * len(items))
        classes = {str(t.DEMAND_CLASS): labels[CLASS], str(t.ABC_CLASS): labels[ABC]}
        return items.assign(**classes).assign(**{str(t.SEGMENTS): groups})

    def _paths(self, then: Panel, items: pd.DataFrame, origin: Origin) -> dict[str, FloatArray]:
        """Return for each model its sample paths, 0 where a product is not on sale, NaN where nobody can forecast."""
        seeds = random.series_seeds(then.keys, then.cutoff, seed=self.trials.seed)
        found = {}
        for model in self.models:
            given_to = origin.champions.models(then) if model == CHAMPION else np.full(len(items), model)
            paths = np.empty((len(items), self.plan.n_paths, self.view.n_ahead))
            for first in np.unique(given_to).tolist():
                rows = np.flatnonzero(given_to == first)
                chain = {name: origin.forecasters[name] for name in chain_of(first, self.fallback)}
                levels = np.asarray(self.levels, np.float32)
                for answer in predict_chain(chain, then.take(rows), horizon=self.view.n_ahead, levels=levels):
                    answered = rows[answer.rows]
                    paths[answered] = answer.distribution.sample_paths(seeds[answered], self.plan.n_paths)
            calendar = self._calendar(origin, self.view.n_ahead)
            on_sale = on_sale_by_step(items, calendar.first_day, horizon=calendar.horizon, freq=calendar.freq)
            found[model] = by_step(paths * on_sale[:, None, :])
        return found

    def _calendar(self, origin: Origin, horizon: int) -> Calendar:
        first_day = origin.cutoff.astype("datetime64[D]") + PERIOD_DAYS[self.view.freq]
        return Calendar(first_day, horizon, self.view.freq)


def measures(found: Score) -> dict[str, FloatArray]:
    """Return the measures of a simulation by the columns of `tables.SIMULATED`, (n_series,) each."""
    by_column = {
        t.COST: found.cost,
        t.PURCHASE: found.purchase,
        t.LINE_COST: found.order_lines,
        t.HOLDING: found.holding,
        t.SHORTAGE: found.shortage,
        t.LEFT_VALUE: found.end_value,
        t.DEMAND: found.demand,
        t.SOLD: found.sold,
        t.WASTE: found.waste,
        t.MEAN_ON_HAND: found.mean_on_hand,
        t.N_LINES: found.n_order_lines,
        t.CYCLE_SERVICE_LEVEL: found.cycle_service_level,
        t.NERVOUSNESS: found.nervousness,
    }
    return {str(column): values for column, values in by_column.items()}
