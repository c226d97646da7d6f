"""What policies cost on the generator's world, where demand is known: weekly decisions on the same forecasts, 26 weeks.

python tests/benchmarks/bench_policies.py [--series 5000] [--forecasters lightgbm] [--smoke]

The world is WORLD, written down before any policy was tuned on it; no JVM is needed. Every week one of FORECASTERS forecasts
each series from true demand up to that week, and every policy decides on its sample paths, from the stock its own orders led
to. `moving_average` is refitted every week; `lightgbm`, which knows planned prices, promotions and events, before the weeks
tuned on and before the weeks played. Lead times are as promised, unmet demand is lost.

Each policy has one number, the same for all series, tuned on the weeks before those played: the cycle service level of (R,S)
with normal safety stock, the weight of a lost margin of the others. (R,S) rounds what it orders up to whole lines, or, like
the summary's simple rule, to the nearest one; its standard deviation is that of the sample paths. The textbook's (R,S) has the
same means, and for standard deviation the root mean square error that forecasts of one week had so far, times the root of lead
time + review period. Cost = purchase, order lines, holding, lost sales, less what is left is worth,
less the constants that no decision changes: the purchase of all that was wanted, but for what was there. So a lost unit costs
its margin, and a unit left over what it loses in value. `money` is the whole. The last line of output is one JSON object.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.stats import norm

from replen import tables as t
from replen.config import Config
from replen.evaluate.bootstrap import paired_saving
from replen.evaluate.simulation import Score
from replen.evaluate.tuning import Window, grid_search
from replen.features.panel import Panel
from replen.forecast import random
from replen.forecast.gradient_boosting import train
from replen.forecast.interface import Forecaster
from replen.forecast.moving_average import MovingAverage
from replen.forecast.season import SeasonSums
from replen.overlays import load_config
from replen.plan.outcome import plan_series
from replen.plan.policies.cheapest_line import CheapestLine, lines_around
from replen.plan.policies.fixed_cycle import OrderUpTo, simple_rule_levels
from replen.plan.policies.known import Known, Policy
from replen.plan.policies.named import hybrid, projected_inventory
from replen.plan.policies.replanned import Replanned
from replen.plan.policies.service import CriticalRatio, delivered_demand
from replen.plan.positions import Positions
from replen.plan.projection import by_step
from replen.plan.timing import FloatArray, periods
from replen.sources.generator_platform import BlockAtSite, Platform, sku_names
from replen.sources.generator_world import CATEGORIES, EVENTS

WORLD = [
    "freq=W", "seed=20261121",
    "sources.generator.n_sites=1", "sources.generator.n_periods=104", "sources.generator.n_future_periods=39",
    "sources.generator.last_day=2024-06-30", "sources.generator.n_suppliers=20",
    "sources.generator.intermittent_share=0.3", "sources.generator.promotion_share=0.08",
    "sources.generator.stock_out_share=0.05",
]  # fmt: skip
TUNED_ON, PLAYED = range(78, 104), range(104, 130)
HORIZON, N_PATHS, RESIDUAL_WINDOWS = 13, 64, 16
LONGEST = 26  # weeks that an order is on its way
SERVICE, WEIGHTS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999), (0.03, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0)
FEW_WEIGHTS = (0.6, 1.0, 1.5, 2.5)
TEXTBOOK, ROUNDED_UP, NEAREST = "(R,S) textbook, rounded up", "(R,S) normal, rounded up", "(R,S) normal, nearest"
PRIOR_WEEKS = 4
LINE, PROGRAM = "cheapest line", "program"


@dataclass(frozen=True)
class Truth:
    """The generated world; arrays by period have shape (n_series, n_total).

    Attributes:
        series: keys of a panel, a row a series.
        dates: Monday of each period.
        demand: what customers wanted, units; 0 where a product is not on sale.
        on_sale: whether it is, as the catalogue tells beforehand.
        launched: whether it ever was by then.
        past, known: further columns of panels.
        on_hand, ordered, arrival: what the generator's buyers left, (n_series, n_history): units at the end of a period, units
            ordered then, period in which they arrive.
        terms: positions but for stock and receipts.
    """

    series: pd.DataFrame
    dates: np.ndarray
    demand: FloatArray
    on_sale: np.ndarray
    launched: np.ndarray
    past: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    on_hand: FloatArray
    ordered: FloatArray
    arrival: np.ndarray
    terms: Positions

    def positions(self, weeks: range) -> Positions:
        """Return what there is at the start of the weeks: the stock and the orders on their way of the generator's buyers."""
        first, n_weeks, rows = weeks[0], len(weeks), np.arange(len(self.series))
        receipts = np.zeros((len(rows), n_weeks))
        for placed in range(max(first - LONGEST, 0), first):
            step = self.arrival[:, placed] - first
            inside = (step >= 0) & (step < n_weeks)
            receipts[rows[inside], step[inside]] += self.ordered[inside, placed]
        return replace(self.terms, on_hand=self.on_hand[:, first - 1].copy(), receipts=receipts)

    def window(self, weeks: range) -> Window:
        """Return the weeks to be played."""
        return Window(self.positions(weeks), self.demand.T[weeks[0] : weeks[-1] + 1, :, None])

    def panel(self, week: int) -> Panel:
        """Return what is known before a week."""
        past = {str(t.SALES_HISTORY): np.where(self.launched, self.demand, np.nan), **self.past}
        return Panel(
            self.series,
            self.dates[:week],
            {str(name): values[:, :week].astype(np.float32) for name, values in past.items()},
            {str(name): values[:, : week + HORIZON].astype(np.float32) for name, values in self.known.items()},
        )


def world(n_skus: int) -> Truth:
    """Return the generated world."""
    config = load_config(None, [*WORLD, f"sources.generator.n_skus={n_skus}"])
    platform = Platform(config.sources.generator, config.freq, config.seed)
    blocks = [at for block in range(platform.n_blocks) for at in platform.sites(block)]

    def every(of: Callable[[BlockAtSite], np.ndarray]) -> np.ndarray:
        return np.concatenate([of(at)[: at.n_kept] for at in blocks])

    dates, launch = platform.world.periods, every(lambda at: at.products.launch)
    price, promotion = every(lambda at: at.products.price), every(lambda at: at.products.promotion)
    columns = {
        t.SKU: every(lambda at: sku_names(at.products).to_numpy(zero_copy_only=False)),
        t.SITE: "site-1",
        t.STREAM: t.POOLED,
        t.CATEGORY: np.array([one.name for one in CATEGORIES])[every(lambda at: at.products.category)],
        t.BRAND: every(lambda at: at.products.brand).astype(str),
        t.START_DATE: dates[np.maximum(launch, 0)],
    }
    events = {event.name: np.broadcast_to(days, price.shape) for event, days in zip(EVENTS, platform.world.events, strict=True)}
    return Truth(
        series=pd.DataFrame(columns),
        dates=dates,
        demand=every(lambda at: at.demand.units),
        on_sale=every(lambda at: at.products.live()),
        launched=np.arange(len(dates)) >= launch[:, None],
        past={t.PRICE: price, t.PROMOTION: promotion, t.IN_STOCK: np.ones(price.shape)},
        known={t.PLANNED_PRICE: price, t.PLANNED_PROMOTION: promotion, **events},
        on_hand=every(lambda at: at.stock.on_hand),
        ordered=every(lambda at: at.stock.ordered),
        arrival=every(lambda at: at.stock.arrival),
        terms=terms_of(every),
    )


def terms_of(every: Callable[[Callable[[BlockAtSite], np.ndarray]], np.ndarray]) -> Positions:
    """Return terms and costs as the generator's tables `supply` and `costs` have them; no stock, nothing due."""
    unit_cost = every(lambda at: at.products.unit_cost)
    nothing = np.zeros(len(unit_cost))
    return Positions(
        on_hand=nothing,
        backorders=nothing,
        receipts=np.zeros((len(unit_cost), 1)),
        lead_time=periods(every(lambda at: at.terms.lead_time_days), "W"),
        review_period=every(lambda at: at.terms.review_weeks),
        order_multiple=every(lambda at: at.terms.order_multiple),
        min_order_quantity=every(lambda at: at.terms.min_order_quantity),
        max_order_quantity=every(lambda at: at.terms.max_order_quantity),
        unit_cost=unit_cost,
        holding_cost=unit_cost * 0.25 * 7 / 365.25,
        lost_sale_cost=every(lambda at: at.products.unit_price),
        backorder_cost=nothing,
        order_cost=every(lambda at: at.terms.order_cost),
        end_value=0.9 * unit_cost,
    )


# --- forecasts -------------------------------------------------------------------------------------------------------------
def moving_average(panel: Panel, config: Config) -> Forecaster:
    """Return the seasonal moving average, with the errors of its last windows."""
    season, window = SeasonSums.of(panel), config.forecast.moving_average.window
    profile = MovingAverage.measure(panel, season, window=window, horizon=HORIZON, windows=RESIDUAL_WINDOWS)
    return MovingAverage(window, season, profile)


def lightgbm(panel: Panel, config: Config) -> Forecaster:
    """Return the project's LightGBM."""
    return train(lambda: iter([panel]), config.forecast, seed=config.seed)


FORECASTERS = {"moving_average": (moving_average, 1), "lightgbm": (lightgbm, 26)}  # how it is fitted, weeks that a fit is used


def forecasts(truth: Truth, weeks: range, name: str) -> list[np.ndarray]:
    """Return sample paths as known before each of the weeks, (HORIZON, n_series, N_PATHS) each; 0 where none is on sale."""
    config, (fit, kept) = load_config(None, WORLD), FORECASTERS[name]
    levels, made = np.array(config.forecast.quantiles, np.float32), []
    for week in weeks:
        panel = truth.panel(week)
        if (week - weeks[0]) % kept == 0:
            fitted = fit(panel, config)
        distribution = fitted.predict(panel, horizon=HORIZON, levels=levels)
        paths = distribution.sample_paths(random.series_seeds(truth.series, panel.cutoff, seed=config.seed), N_PATHS)
        made.append(by_step(np.nan_to_num(paths) * truth.on_sale[:, None, week : week + HORIZON]).astype(np.float32))
    return made


# --- policies --------------------------------------------------------------------------------------------------------------
Paths = list[np.ndarray]
Today = Callable[[float, Positions, FloatArray], FloatArray]
"""Setting, positions and sample paths of now -> today's orders, (n_series,)."""


class Maker(Protocol):
    """A policy but for what it works with."""

    def __call__(self, setting: float, positions: Positions, paths: Paths, error: FloatArray) -> Policy:
        """Return what orders; paths and error, (n_series, n_weeks), are those known before each week."""


def anew(today: Today) -> Maker:
    """Return the policy that decides each week anew, from the paths of that week."""

    def made(setting: float, positions: Positions, paths: Paths, error: FloatArray) -> Policy:
        return Replanned(
            positions,
            lambda known: paths[known.step].astype(np.float64),
            lambda now, ahead: today(setting, now, ahead)[:, None],
        )

    return made


def first(rule: Policy, positions: Positions) -> FloatArray:
    return rule(Known.at_start(positions))[:, 0]


def nearest(service: float, positions: Positions, demand: FloatArray) -> FloatArray:
    return first(OrderUpTo(positions, simple_rule_levels(positions, demand, cycle_service_level=service)), positions)


def rounded_up(service: float, positions: Positions, demand: FloatArray) -> FloatArray:
    levels = simple_rule_levels(positions, demand, cycle_service_level=service)[:, :1]
    return lines_around(positions, np.maximum(levels - positions.inventory_position[:, None], 0.0))[2][:, 0]


def textbook(service: float, positions: Positions, paths: Paths, error: FloatArray) -> Policy:
    """Return (R,S) with the standard deviation of past errors."""
    interval = np.minimum(positions.lead_time + positions.review_period, HORIZON)
    inside = (np.arange(HORIZON)[:, None] < interval)[:, :, None]
    mean = np.stack([(week * inside).sum(axis=0).mean(axis=1) for week in paths], axis=1)
    levels = mean + norm.ppf(service) * error * np.sqrt(interval)[:, None]

    def orders(known: Known) -> FloatArray:
        return lines_around(positions, np.maximum(levels[:, known.step, None] - known.inventory_position, 0.0))[2]

    return orders


def projected(weight: float, positions: Positions, demand: FloatArray) -> FloatArray:
    return first(projected_inventory(positions, demand, [CriticalRatio(weight)] * positions.n_series), positions)


def reorder(weight: float, positions: Positions, demand: FloatArray) -> FloatArray:
    return first(hybrid(positions, demand, [CriticalRatio(weight)] * positions.n_series), positions)


def cheapest(weight: float, positions: Positions, demand: FloatArray) -> FloatArray:
    return first(CheapestLine(positions, demand, delivered_demand(positions, demand), weight), positions)


def program(weight: float, positions: Positions, demand: FloatArray) -> FloatArray:
    margin = weight * (positions.lost_sale_cost - positions.unit_cost)
    weighed = replace(positions, lost_sale_cost=positions.unit_cost + margin)
    return plan_series(weighed, demand, with_levels=False).quantities[:, 0]


POLICIES: dict[str, tuple[Maker, tuple[float, ...]]] = {
    TEXTBOOK: (textbook, SERVICE),
    ROUNDED_UP: (anew(rounded_up), SERVICE),
    NEAREST: (anew(nearest), SERVICE),
    "projected inventory": (anew(projected), WEIGHTS),
    "hybrid (R,s,S)": (anew(reorder), WEIGHTS),
    LINE: (anew(cheapest), WEIGHTS),
    PROGRAM: (anew(program), FEW_WEIGHTS),
}  # and the settings to try


def constants(positions: Positions, result: Score) -> FloatArray:
    """Return the money that no policy changes, by series: the purchase of all that was wanted, but for what was there."""
    return positions.unit_cost * (result.demand - positions.inventory_position)


def weekly_errors(truth: Truth, paths: Paths) -> FloatArray:
    """Return the root mean square error that forecasts of one week had before each week of both spans, units, a row a series.

    The spread of the week's sample paths counts as if it were the errors of PRIOR_WEEKS weeks.
    """
    weeks = [*TUNED_ON, *PLAYED]
    squared = np.stack([(truth.demand[:, week] - ahead[0].mean(axis=1)) ** 2 for week, ahead in zip(weeks, paths, strict=True)])
    before = np.cumsum(squared, axis=0) - squared
    spread = np.stack([ahead[0].var(axis=1) for ahead in paths])
    n_before = np.arange(len(weeks))[:, None]
    return np.asarray(np.sqrt((before + PRIOR_WEEKS * spread) / (n_before + PRIOR_WEEKS)).T)


def compare(truth: Truth, name: str) -> dict[str, object]:
    """Return, for one forecaster, every policy, tuned on the weeks before, played once, and savings."""
    before, now = (forecasts(truth, weeks, name) for weeks in (TUNED_ON, PLAYED))
    errors, costs, lines = np.split(weekly_errors(truth, [*before, *now]), [len(before)], axis=1), {}, {}
    early, late = truth.window(TUNED_ON), truth.window(PLAYED)
    for policy, (maker, settings) in POLICIES.items():
        made = partial(maker, positions=early.positions, paths=before, error=errors[0])
        tuned = grid_search([early], lambda _, setting, made=made: made(setting), settings)
        result = late.score(maker(tuned.best(), late.positions, now, errors[1]))
        costs[policy] = result.cost - constants(late.positions, result)
        lines[policy] = {"setting": tuned.best(), "n_tried": tuned.n_tried, **totals(costs[policy], result, truth.terms)}
        told = "  ".join(f"{key} {value:,.0f}" if value >= 10 else f"{key} {value:.4g}" for key, value in lines[policy].items())
        print(f"{name:15s} {policy:25s} {told}", flush=True)
    savings = {
        ours: {rule: paired_saving(costs[ours], costs[rule], seed=1)._asdict() for rule in (TEXTBOOK, ROUNDED_UP, NEAREST)}
        for ours in (PROGRAM, LINE)
    }
    return {"policies": lines, "saving": savings}


def totals(cost: FloatArray, result: Score, terms: Positions) -> dict[str, float]:
    """Return totals over all series."""
    lost = result.shortage - terms.unit_cost * (result.demand - result.sold)
    parts = {"cost": cost, "lost_margin": lost, "holding": result.holding, "lines": result.order_lines, "money": result.cost}
    summed = {name: float(values.sum()) for name, values in parts.items()}
    return summed | {"fill_rate": float(result.sold.sum() / result.demand.sum())}


def main() -> None:
    """Print a line a policy, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=5000)
    parser.add_argument("--forecasters", nargs="+", choices=FORECASTERS, default=list(FORECASTERS))
    parser.add_argument("--smoke", action="store_true", help="50 series and the moving average only")
    chosen = parser.parse_args()
    truth = world(50 if chosen.smoke else chosen.series)
    found = {name: compare(truth, name) for name in (["moving_average"] if chosen.smoke else chosen.forecasters)}
    for name, one in found.items():
        for ours, savings in one["saving"].items():
            for other, saving in savings.items():
                print(f"{name}: {ours} saves {saving['mean']:.1%} ({saving['low']:.1%} to {saving['high']:.1%}) of {other}")
    print(json.dumps({"benchmark": "policies", "n_series": len(truth.series), "n_weeks": len(PLAYED), "forecasters": found}))


if __name__ == "__main__":
    main()
