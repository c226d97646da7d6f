"""What the orders of a forecast would have cost: levels chosen on its sample paths, played on what was sold then.

Every forecaster starts from the same stock and is asked at the same reviews; paths are drawn from the same random numbers. At
each review the position goes up to the level that is cheapest on the paths, in packs; the levels are those of the fold's
cutoff, the position follows what was sold since; what perishes expires, and levels know it (`shelf_life.levels_in_time`). Lead
times are their means: forecasters are judged, not suppliers. Left out,
and counted, are series whose first order comes after the horizon (their cost is the same under any forecast), whose sales are
unknown in one of its periods, or whose terms and costs make no sound plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import CostRules, Evaluate
from replen.evaluate.metrics import SIMULATED_COST, Doubles
from replen.evaluate.simulation import Reality, score, simulate
from replen.features.known import known_mean
from replen.features.panel import FloatArray, Panel
from replen.features.periods import Freq
from replen.forecast import random
from replen.forecast.chain import Answer
from replen.plan.costs import fill_costs
from replen.plan.items import lead_periods, on_sale_by_step, read_positions
from replen.plan.policies.fixed_cycle import OrderUpTo, cheapest_levels
from replen.plan.positions import Positions, chunks
from replen.plan.projection import by_step, project
from replen.plan.refusals import term_refusals
from replen.plan.shelf_life import levels_in_time
from replen.plan.timing import PERIOD_DAYS, Calendar

TERMS = (
    t.SUPPLIER, t.LEAD_TIME_DAYS, t.LEAD_TIME_SD_DAYS, t.ORDER_DAYS, t.REVIEW_PERIOD_DAYS, t.MIN_ORDER_QUANTITY,
    t.ORDER_MULTIPLE, t.MAX_ORDER_QUANTITY, t.UNIT_COST, *t.COSTS.values,
)  # fmt: skip
PARTS = ("n_simulated", "simulated_periods", SIMULATED_COST, "simulated_demand", "simulated_sold")
ASSUMED = "assumed"  # supplier of series that have none
CHUNK = 1024  # series whose paths are worked on at once


@dataclass(frozen=True)
class Trial:
    """The series of a fold, on which the orders of every forecaster are tried.

    Attributes:
        tried: shape (n_series,), which series of the fold.
        left_out: part -> shape (n_series,), 1 where a series is left out for this reason.
        positions: of the n_tried series, as of the fold's cutoff.
        sold: shape (horizon, n_tried, 1), units.
        on_sale: shape (n_series, horizon).
        seeds: shape (n_series,), of the sample paths.
        n_paths: how many.
    """

    tried: NDArray[np.bool_]
    left_out: dict[str, Doubles]
    positions: Positions
    sold: Doubles
    on_sale: NDArray[np.bool_]
    seeds: NDArray[np.int64]
    n_paths: int

    def parts(self, answers: Sequence[Answer]) -> dict[str, Doubles]:
        """Return the parts of cost and fill rate, (n_series,) each; 0 where there was no trial, or no forecast."""
        paths, places = self._paths(answers), np.flatnonzero(self.tried)
        parts = {name: np.zeros(len(self.tried)) for name in PARTS}
        for rows in chunks(np.flatnonzero(np.isfinite(paths).all(axis=(1, 2))), CHUNK):
            positions = self.positions.take(rows)
            levels = order_up_to_levels(positions, by_step(paths[rows]))
            for name, values in played(positions, self.sold[:, rows], levels).items():
                parts[name][places[rows]] = values
        return parts | self.left_out

    def _paths(self, answers: Sequence[Answer]) -> Doubles:
        """Return paths of demand while a product is on sale, shape (n_tried, n_paths, horizon), units; NaN = no forecast."""
        paths = np.full((len(self.tried), self.n_paths, self.on_sale.shape[1]), np.nan)
        for one in answers:
            tried = self.tried[one.rows]
            if tried.any():
                rows = one.rows[tried]
                paths[rows] = one.distribution.take(tried).sample_paths(self.seeds[rows], self.n_paths)
        return np.asarray((paths * self.on_sale[:, None, :])[self.tried])


@dataclass(frozen=True)
class Trials:
    """How the series of a fold become a trial.

    Attributes:
        evaluate: its section `simulated_cost`; orders are placed and counted over `horizon` periods.
        costs: rules for series without costs of their own.
        freq: D or W.
        seed: of the sample paths.
    """

    evaluate: Evaluate
    costs: CostRules
    freq: Freq
    seed: int

    def of(self, panel: Panel, items: pd.DataFrame, actual: FloatArray) -> Trial:
        """Return the trial of a fold.

        Stock at the cutoff lasts until the first order arrives, at the mean rate of as many periods as the horizon has; nothing
        is on its way. So stock is what a shop that ordered well would have left, and the same for every forecaster.

        Args:
            panel: n_series prepared series, up to the fold's cutoff.
            items: the same series, in the same order: sku, site, `TERMS` (null where unknown), unit_price,
                shelf_life_days, launch and end date.
            actual: shape (n_series, horizon), units sold, NaN = unknown.
        """
        horizon, priced = self.evaluate.horizon, self._with_terms(items)
        sound = ~np.any(list(term_refusals(priced).values()), axis=0)
        first_day = panel.cutoff.astype("datetime64[D]") + PERIOD_DAYS[self.freq]
        calendar, lead_time = Calendar(first_day, horizon, self.freq), np.zeros(len(priced), np.int64)
        lead_time[sound] = lead_periods(priced[sound], calendar)
        in_time, known = lead_time < horizon, np.isfinite(actual).all(axis=1)
        tried = sound & in_time & known
        left_out = {"n_no_terms": ~sound, "n_too_late": sound & ~in_time, "n_unknown_sales": sound & in_time & ~known}
        rate = np.nan_to_num(known_mean(panel.past[t.SALES_HISTORY][:, -horizon:])[:, 0])
        stocked = priced.assign(**{str(t.ON_HAND): lead_time * rate})
        stocked[[t.BACKORDERS, t.RECEIPTS]] = None
        return Trial(
            tried=tried,
            left_out={name: rows.astype(np.float64) for name, rows in left_out.items()},
            positions=read_positions(stocked[tried], calendar),
            sold=by_step(actual[tried][:, None, :].astype(np.float64)),
            on_sale=on_sale_by_step(items, first_day, horizon=horizon, freq=self.freq),
            seeds=random.series_seeds(panel.keys, panel.cutoff, seed=self.seed),
            n_paths=self.evaluate.simulated_cost.n_paths,
        )

    def _with_terms(self, items: pd.DataFrame) -> pd.DataFrame:
        """Return items with the terms of the configuration where no supplier is known, and costs by rule where none are."""
        assumed, unknown = self.evaluate.simulated_cost, items[t.SUPPLIER].isna()
        by_rule = {
            t.SUPPLIER: ASSUMED,
            t.LEAD_TIME_DAYS: assumed.lead_time_days,
            t.REVIEW_PERIOD_DAYS: assumed.review_period_days,
            t.UNIT_COST: assumed.unit_cost_share * items[t.UNIT_PRICE].astype(np.float64),
        }
        filled = items.assign(**{str(column): items[column].mask(unknown, value) for column, value in by_rule.items()})
        return fill_costs(filled, self.costs, freq=self.freq)


def order_up_to_levels(positions: Positions, demand: Doubles) -> Doubles:
    """Return the cheapest levels on the paths, (n_series, horizon), units; see `policies.cheapest_levels`.

    What is lost before the first order can arrive is lost under any plan, and exact; a good plan loses little later.

    Args:
        positions: n_series positions with nothing owed.
        demand: shape (horizon, n_series, n_paths), units.
    """
    idle = project(positions.on_hand, positions.receipts, demand)
    levels = cheapest_levels(positions, demand, np.where(_reached(positions, len(demand)), 0.0, idle.short))
    return levels_in_time(positions, demand, levels)


def played(positions: Positions, sold: Doubles, levels: Doubles) -> dict[str, Doubles]:
    """Return `PARTS` of series whose orders follow the levels, (n_series,) each, over the periods that an order can reach.

    The cost is the plan's (purchase, order lines, holding, lost sales, less the value of what is left at the horizon) without
    what no order changes: all money of the periods before the first arrival, and the purchase of the units wanted from then on,
    less the stock of that time. Left are lost margin, holding, order lines, what was thrown away, and what units left over are
    worth less than they cost: at least 0, and 0 only where nothing is held, lost or ordered.

    Args:
        positions: n_series positions with nothing owed.
        sold: shape (horizon, n_series, 1), units.
        levels: shape (n_series, horizon), units.
    """
    reached, reality = _reached(positions, len(sold)), Reality(shelf_life=positions.shelf_life)
    history = simulate(positions, sold, OrderUpTo(positions, levels), reality=reality)
    on_hand, short, demand, served, waste = (
        np.where(reached, units, 0.0) for units in (history.on_hand, history.short, history.demand, history.sold, history.waste)
    )
    result = score(positions, replace(history, on_hand=on_hand, short=short, demand=demand, sold=served))
    bought_beyond_demand = on_hand[-1, :, 0] + waste.sum(axis=0)[:, 0] - (result.demand - result.sold)
    purchase = positions.unit_cost * bought_beyond_demand
    return {
        "n_simulated": np.ones(positions.n_series),
        "simulated_periods": reached.sum(axis=0)[:, 0].astype(np.float64),
        SIMULATED_COST: purchase + result.order_lines + result.holding + result.shortage - result.end_value,
        "simulated_demand": result.demand,
        "simulated_sold": result.sold,
    }


def _reached(positions: Positions, horizon: int) -> NDArray[np.bool_]:
    """Return which periods an order placed now can reach, (horizon, n_series, 1)."""
    return np.asarray((np.arange(horizon)[:, None] >= positions.lead_time)[:, :, None])
