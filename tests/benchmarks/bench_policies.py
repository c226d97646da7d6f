"""What policies cost on the generator's world, where demand is known: weekly decisions on the same forecasts, 26 weeks.

python tests/benchmarks/bench_policies.py [--series 5000] [--smoke]

The world is WORLD, written down before any policy was tuned; no JVM is needed. Every week the project's masked seasonal moving
average forecasts each series from true demand up to that week (`window` weeks, residual quantiles, sample paths), and every
policy decides on those paths, from the stock its own orders led to. Lead times are as promised, unmet demand is lost.

Each policy has one number, the same for all series, tuned on the TUNED_ON weeks before. The reference is (R,S) with normal
safety stock. Cost = purchase, order lines, holding, lost sales, less what is left is worth, less the constant that no decision
changes: the purchase of all that was wanted. So a lost unit costs its margin, a unit left over what it loses in value. The
table gives the whole money as well. The last line of output is one JSON object.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from replen import tables as t
from replen.features.panel import Panel
from replen.forecast import random
from replen.forecast.moving_average import MovingAverage
from replen.forecast.season import SeasonSums
from replen.overlays import load_config
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray, periods
from replen.sources.generator_platform import BlockAtSite, Platform, sku_names

WORLD = [
    "freq=W", "seed=20261121",
    "sources.generator.n_sites=1", "sources.generator.n_periods=104", "sources.generator.n_future_periods=39",
    "sources.generator.last_day=2024-06-30", "sources.generator.n_suppliers=20",
    "sources.generator.intermittent_share=0.3", "sources.generator.promotion_share=0.08",
    "sources.generator.stock_out_share=0.05",
]  # fmt: skip
TUNED_ON, PLAYED = range(78, 104), range(104, 130)
HORIZON, N_PATHS, WINDOW, RESIDUAL_WINDOWS = 13, 64, 13, 16
REFERENCE = "(R,S), normal"


@dataclass(frozen=True)
class Truth:
    """The generated world; arrays of all periods have shape (n_series, n_total).

    Attributes:
        series: sku, site, stream, a row a series.
        dates: Monday of each period.
        demand: what customers wanted, units; 0 where a product is not on sale.
        on_sale: whether it is, as the catalogue tells beforehand.
        launched: whether it ever was by then.
        on_hand, ordered, arrival: what the generator's buyers left, (n_series, n_history): units at the end of a period, units
            ordered then, period in which they arrive.
        terms: positions but for stock and receipts.
    """

    series: pd.DataFrame
    dates: np.ndarray
    demand: FloatArray
    on_sale: np.ndarray
    launched: np.ndarray
    on_hand: FloatArray
    ordered: FloatArray
    arrival: np.ndarray
    terms: Positions

    def positions(self, weeks: range) -> Positions:
        """Return what there is at the start of the weeks: the stock and the orders on their way of the generator's buyers."""
        first, n_weeks, rows = weeks[0], len(weeks), np.arange(len(self.series))
        receipts = np.zeros((len(rows), n_weeks))
        for placed in range(max(first - 26, 0), first):
            step = self.arrival[:, placed] - first
            inside = (step >= 0) & (step < n_weeks)
            receipts[rows[inside], step[inside]] += self.ordered[inside, placed]
        return replace(self.terms, on_hand=self.on_hand[:, first - 1].copy(), receipts=receipts)

    def panel(self, week: int) -> Panel:
        """Return what is known before a week."""
        sold = np.where(self.launched, self.demand, np.nan)[:, :week].astype(np.float32)
        return Panel(self.series, self.dates[:week], {str(t.SALES_HISTORY): sold}, {})


def world(n_skus: int) -> Truth:
    """Return the generated world."""
    config = load_config(None, [*WORLD, f"sources.generator.n_skus={n_skus}"])
    platform = Platform(config.sources.generator, config.freq, config.seed)
    blocks = [at for block in range(platform.n_blocks) for at in platform.sites(block)]

    def every(of: Callable[[BlockAtSite], np.ndarray]) -> np.ndarray:
        return np.concatenate([of(at)[: at.n_kept] for at in blocks])

    live, n_total = every(lambda at: at.products.live()), len(platform.world.periods)
    unit_cost = every(lambda at: at.products.unit_cost)
    nothing = np.zeros(len(live))
    terms = Positions(
        on_hand=nothing,
        backorders=nothing,
        receipts=np.zeros((len(live), 1)),
        lead_time=periods(every(lambda at: at.terms.lead_time_days), config.freq),
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
    keys = {t.SKU: np.concatenate([sku_names(at.products).take(np.arange(at.n_kept)) for at in blocks]), t.SITE: "site-1"}
    launch = every(lambda at: at.products.launch)[:, None]
    return Truth(
        series=pd.DataFrame({**keys, t.STREAM: t.POOLED}),
        dates=platform.world.periods,
        demand=every(lambda at: at.demand.units),
        on_sale=live,
        launched=np.arange(n_total) >= launch,
        on_hand=every(lambda at: at.stock.on_hand),
        ordered=every(lambda at: at.stock.ordered),
        arrival=every(lambda at: at.stock.arrival),
        terms=terms,
    )


def forecasts(truth: Truth, weeks: range) -> list[np.ndarray]:
    """Return sample paths as known before each of the weeks, (n_series, N_PATHS, HORIZON) each; 0 where none is on sale."""
    levels = np.array(load_config(None, WORLD).forecast.quantiles, np.float32)
    made = []
    for week in weeks:
        panel = truth.panel(week)
        season = SeasonSums.of(panel)
        profile = MovingAverage.measure(panel, season, window=WINDOW, horizon=HORIZON, windows=RESIDUAL_WINDOWS)
        distribution = MovingAverage(WINDOW, season, profile).predict(panel, horizon=HORIZON, levels=levels)
        seeds = random.series_seeds(truth.series, panel.cutoff, seed=week)
        paths = distribution.sample_paths(seeds, N_PATHS)
        on_sale = truth.on_sale[:, week : week + HORIZON]
        paths[:, :, : on_sale.shape[1]] *= on_sale[:, None, :]
        made.append(np.nan_to_num(paths))
    return made
