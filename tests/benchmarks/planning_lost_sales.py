"""The lost-sales program over paths: the path simplex beside HiGHS, whole packs beside rounding, same instances, one run.

python -m tests.benchmarks.planning_lost_sales --series 500
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from replen.plan.levels import worthwhile_units
from replen.plan.lost_sales import Relaxed, solve_lost_sales
from replen.plan.packs import Whole, nearest_line, whole_packs
from replen.plan.positions import Positions
from replen.plan.problem import Problem, problems
from replen.plan.projection import project

LEAD_TIME = 2
Result = TypeVar("Result", Relaxed, Whole, np.ndarray)
REPEATS = 3  # of what takes milliseconds; the shortest counts


def instances(n_series: int, *, horizon: int = 13, n_paths: int = 100, seed: int = 0, pack: float = 1.0) -> Problem:
    """Return series whose weekly demand is seasonal, overdispersed and correlated, from 0.3 to 60 units a period."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(np.log(0.3), np.log(60.0), n_series))
    season = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(horizon)[:, None] / 13 + rng.random(n_series)))
    mean = (
        (season * level)[:, :, None]
        * rng.gamma(4, 1 / 4, (1, n_series, n_paths))
        * rng.gamma(3, 1 / 3, (horizon, n_series, n_paths))
    )
    demand, unit_cost, zeros = rng.poisson(mean).astype(float), rng.uniform(1, 10, n_series), np.zeros(n_series)
    series = Positions(
        on_hand=np.round(level * rng.uniform(0, 4, n_series)),
        backorders=zeros,
        receipts=np.zeros((n_series, horizon)),
        lead_time=np.full(n_series, LEAD_TIME),
        review_period=np.ones(n_series, dtype=np.int64),
        order_multiple=np.full(n_series, pack),
        min_order_quantity=zeros,
        max_order_quantity=np.where(rng.random(n_series) < 0.2, np.ceil(2 * level / pack) * pack, np.inf),
        unit_cost=unit_cost,
        holding_cost=unit_cost * rng.choice([0.005, 0.02, 0.1], n_series),
        lost_sale_cost=unit_cost * rng.uniform(1.2, 3, n_series),
        backorder_cost=zeros,
        order_cost=zeros,
        end_value=0.9 * unit_cost,
    )
    ((_, problem),) = problems(series, demand, project(series.on_hand, series.receipts, demand))
    return problem


def compare(n_series: int = 500) -> dict[str, float]:
    """Return milliseconds a series and costs: path simplex and HiGHS, then packs of 12 for slow movers, decided and rounded."""
    problem = instances(n_series)
    solve_lost_sales(problem.take(np.arange(2)))  # compiles
    fast, fast_ms = _timed(lambda: solve_lost_sales(problem), n_series, REPEATS)
    reference, reference_ms = _timed(lambda: solve_lost_sales(problem, solvers=("highs",)), n_series, 1)
    idle = problem.cost(np.zeros(fast.quantities.shape))
    size = np.maximum(1.0, np.abs(reference.cost))
    excess = (problem.cost(fast.quantities) - reference.cost) / size
    return {
        "series": n_series,
        "highs_ms_a_series": reference_ms,
        "path_simplex_ms_a_series": fast_ms,
        "times_faster": reference_ms / fast_ms,
        "mean_excess_over_highs": float(excess.mean()),
        "worst_excess_over_highs": float(excess.max()),
        "worst_gap_to_own_bound": float(((problem.cost(fast.quantities) - fast.cost) / size).max()),
        "saved_against_no_orders": float(1 - reference.cost.sum() / idle.sum()),
        **_compare_packs(n_series),
    }


def _compare_packs(n_series: int) -> dict[str, float]:
    """Return what whole packs of 12 cost when decided inside and when the program's optimum is rounded."""
    problem = instances(n_series, pack=12.0)
    slow = problem.take(problem.needs.mean(axis=(0, 2)) < 6.0)
    n_slow, relaxed = len(slow.opening), solve_lost_sales(slow)
    whole_packs(slow.take(np.arange(2)), solve_lost_sales(slow.take(np.arange(2))))
    whole, packs_ms = _timed(lambda: whole_packs(slow, relaxed), n_slow, REPEATS)
    line = slow.positions.smallest_order
    worthwhile_units(slow.take(np.arange(2)), whole.quantities[:2], line[:2])
    _, levels_ms = _timed(lambda: worthwhile_units(slow, whole.quantities, line), n_slow, REPEATS)
    nearest = np.minimum(nearest_line(slow.positions, relaxed.quantities), slow.largest)
    upward = np.minimum(np.ceil(relaxed.quantities / line[:, None] - 1e-9) * line[:, None], slow.largest)
    cost = slow.cost(whole.quantities).sum()
    return {
        "slow_movers": n_slow,
        "packs_ms_a_series": packs_ms,
        "level_ms_a_series": levels_ms,
        "worst_gap_of_packs_to_own_bound": float((slow.cost(whole.quantities) / whole.bound - 1).max()),
        "packs_cost_more_than_units": float(cost / relaxed.cost.sum() - 1),
        "rounded_to_nearest_costs_more": float(slow.cost(nearest).sum() / cost - 1),
        "rounded_up_costs_more": float(slow.cost(upward).sum() / cost - 1),
    }


def _timed(work: Callable[[], Result], n_series: int, repeats: int) -> tuple[Result, float]:
    """Return what the work returns, and the processor's milliseconds a series."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return result, 1e3 * best / n_series


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=500)
    print(json.dumps(compare(arguments.parse_args().series), indent=2))
