"""The program over paths under limits, as the plan job runs it, without Spark: packs, minimum quantities, line costs.

python tests/benchmarks/bench_limits.py [--series 100000] [--paths 64] [--waits] [--minimum 1.5]

SKUs made up from a seed: two sites, five suppliers, lead times of one to three weeks; a budget each week, a supplier's capacity
each week, a site's volume at the end of each week, each a share of what is used without limits. Prints each pass; the last
line is JSON. Gaps are those of `certificates`, over max(1, cost less what no decision changes). Two parts are in them: of the
limits, and of each SKU's own program where lines cost money or have a minimum (`gap_without_limits`). `--waits`: backorders
instead.
"""

import argparse
import datetime as dt
import json
import resource
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import LimitRule, Plan
from replen.overlays import load_config
from replen.plan.attempt import Terms, programs
from replen.plan.choice import Choice, Coupled, Totals, missing
from replen.plan.coupling import couple
from replen.plan.items import read_positions
from replen.plan.limits import Limits, limit_rows, read_limits
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS

HORIZON, CHUNK, SEED, PLAN_DATE, SHARE, N_SUPPLIERS = 8, 4096, 20261121, dt.date(2024, 4, 15), 0.85, 5
NO_TABLE = pd.DataFrame(columns=t.LIMITS.names, dtype=object)
Part = tuple[pd.DataFrame, "np.ndarray[tuple[int, int, int], np.dtype[np.float32]]"]


def part(first: int, n: int, n_paths: int) -> Part:
    """Return items and their demand paths."""
    rng = np.random.default_rng([SEED, first])
    mean, unit_cost = rng.gamma(0.6, 8, n) + 0.2, rng.gamma(2, 5, n) + 0.5
    columns = {
        t.SKU: [f"sku {number}" for number in range(first, first + n)], t.SITE: rng.choice(["north", "south"], n),
        t.SUPPLIER: rng.choice([f"mill {number}" for number in range(N_SUPPLIERS)], n), t.CATEGORY: "all",
        t.ON_HAND: rng.poisson(2 * mean).astype(float), t.BACKORDERS: 0.0, t.RECEIPTS: [np.zeros(HORIZON)] * n,
        t.LEAD_TIME_DAYS: rng.choice([7.0, 14.0, 21.0], n), t.REVIEW_PERIOD_DAYS: rng.choice([7.0, 14.0], n),
        t.ORDER_DAYS: None, t.LEAD_TIME_SD_DAYS: np.nan, t.SHELF_LIFE_DAYS: np.nan, t.LAUNCH_DATE: None, t.END_DATE: None,
        t.MIN_ORDER_QUANTITY: rng.choice([0.0, 0.0, 12.0], n), t.ORDER_MULTIPLE: rng.choice([1.0, 1.0, 6.0, 12.0], n),
        t.MAX_ORDER_QUANTITY: np.nan, t.UNIT_COST: unit_cost, t.UNIT_VOLUME: rng.gamma(2, 0.01, n),
        t.HOLDING_COST: 0.005 * unit_cost, t.LOST_SALE_COST: 1.6 * unit_cost, t.BACKORDER_COST: 0.15 * unit_cost,
        t.ORDER_COST: rng.choice([0.0, 0.0, 2.0], n), t.END_VALUE: 0.9 * unit_cost, t.MODEL: "made up", t.MODEL_VERSION: "1",
        t.REASON: None,
    }  # fmt: skip
    demand = rng.negative_binomial(1.5, 1.5 / (1.5 + mean[:, None, None]), (n, n_paths, HORIZON)).astype(np.float32)
    return pd.DataFrame({str(name): values for name, values in columns.items()}), demand


def made(parts: list[Part], limits: Limits, settings: Plan) -> list[Programs]:
    """Return the programs of all parts."""
    terms = Terms(settings, PLAN_DATE, "W", limits, Choice.at(np.zeros(len(limits)), N_CELLS))
    return [one for items, demand in parts for one in programs(items, demand, terms)]


def undecided(parts: list[Part], settings: Plan) -> float:
    """Return money that no decision changes: that of the steps before the first arrival."""
    terms = Terms.uncoupled(settings, PLAN_DATE, "W")
    prepared = (terms.ready(read_positions(items, terms.calendar), demand) for items, demand in parts)
    return float(sum(ready.constant.sum() for ready in prepared))


def look(choice: Choice, parts: list[Programs]) -> Totals:
    """Return one pass over all parts."""
    found = [part.totals(choice) for part in parts]
    return sum(found[1:], start=found[0])


def limits_of(budget: float, capacity: float, volume: float, least: Sequence[float] = (1e-9,) * N_SUPPLIERS) -> Limits:
    """Return a budget, a supplier's capacity and a site's volume of each week, and the minimum order value of each supplier."""
    rules = {
        "budget": {"kind": "budget", "limit": budget},
        "capacity": {"kind": "capacity", "scope": "supplier", "scope_value": "mill 1", "limit": capacity},
        "space": {"kind": "volume", "scope": "site", "scope_value": "north", "limit": volume},
    }
    for number, money in enumerate(least):
        name = {"scope": "supplier", "scope_value": f"mill {number}"}
        rules[f"least {number}"] = {"kind": "minimum_order_value", **name, "limit": money}
    rows = limit_rows(NO_TABLE, {name: LimitRule.model_validate(rule) for name, rule in rules.items()})
    return read_limits(rows, PLAN_DATE, horizon=HORIZON, freq="W")


def coupled_plan(parts: list[Part], settings: Plan, minimum: float) -> tuple[Coupled, Limits, Totals]:
    """Return the plan under limits, the limits, and what plans without them cost and use.

    Minimum order values are `minimum` times, or half as often, what is wanted today of every supplier.
    """
    endless = limits_of(1e300, 1e300, 1e300)
    free = look(Choice.at(np.zeros(len(endless)), N_CELLS), made(parts, endless, settings))
    used = pd.Series(free.usage.sum(axis=0), index=endless.labels)
    wanted = minimum * used.filter(regex="^least").to_numpy() * np.resize([1.0, 0.5], N_SUPPLIERS)
    limits = limits_of(*(SHARE * used.filter(regex=f"^{name}").mean() for name in ("budget", "capacity", "space")), wanted)
    shared, began = made(parts, limits, settings), time.perf_counter()
    coupled = couple(
        partial(look, parts=shared),
        limits.limits,
        minimums=limits.minimums,
        n_cells=N_CELLS,
        watch=lambda step: print(
            f"{time.perf_counter() - began:8.1f} s  pass {step.number:3}  bound {step.bound:16,.0f}  cost {step.cost:16,.0f}  "
            f"over a limit by {step.violation:12,.0f}"
        ),
    )
    return coupled, limits, free


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--paths", type=int, default=64)
    parser.add_argument("--waits", action="store_true", help="unmet demand waits")
    parser.add_argument(
        "--minimum", type=float, default=0.0, help="of each supplier's orders of today, as a share of what is wanted"
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    asked = parser.parse_args()
    n_series = 300 if asked.smoke else asked.series
    changed = {"horizon": HORIZON, "n_paths": asked.paths, "unmet_demand": "waits" if asked.waits else "lost"}
    settings = load_config(None, []).plan.model_copy(update=changed)
    coupled_plan([part(0, 50, asked.paths)], settings, asked.minimum)  # compiles
    parts = [part(first, min(CHUNK, n_series - first), asked.paths) for first in range(0, n_series, CHUNK)]
    wall, cpu = time.perf_counter(), time.process_time()
    coupled, limits, free = coupled_plan(parts, settings, asked.minimum)
    lumpy, constant = limits.minimums > 0, undecided(parts, settings)
    report = {
        "series": n_series,
        "paths": asked.paths,
        "unmet_demand": settings.unmet_demand,
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - cpu,
        "passes": coupled.passes,
        "dual_bound": coupled.dual_bound,
        "cost": coupled.cost,
        "gap": (coupled.cost - coupled.dual_bound) / max(1.0, coupled.cost - constant),
        "gap_without_limits": float((free.cost.sum() - free.bound.sum()) / max(1.0, free.cost.sum() - constant)),
        "largest_violation": float(coupled.violation(limits.limits, limits.minimums).max()),
        "minimums_short_before": int((missing(coupled.wanted.usage.sum(axis=0), limits.minimums) > 0).sum()),
        "minimums_skipped": int((coupled.usage[lumpy] == 0).sum()),
        "cost_of_minimums": coupled.cost - float(coupled.wanted.cost.sum()),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    for name, value in report.items():
        print(f"{name:24}{value:>20,.6g}" if isinstance(value, (int, float)) else f"{name:24}{value:>20}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
