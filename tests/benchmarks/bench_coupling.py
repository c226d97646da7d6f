"""A plan of many SKUs under limits they share, on one core: packs, minimum quantities, a budget, capacities, two warehouses.

python tests/benchmarks/bench_coupling.py [--series 1000000] [--points 16]

Backorder programs of 13 periods, lead time 2, made up from a seed; limits are shares of what would be used without them. The
certificate is that of the planner: bound, cost, gap over max(1, cost less what no decision changes), largest violation. No
Spark: `bench_plan_job.py` has its cost. The last line is JSON.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.plan.backorders import StockCosts, backorder_chains, cumulative_demand, solve_backorders
from replen.plan.chain import Chains, with_prices
from replen.plan.choice import Choice, Coupled, Step, Totals
from replen.plan.coupling import couple
from replen.plan.lattice import OrderLines
from replen.plan.timing import by_arrival

N_STEPS, LEAD_TIME, N_PATHS, N_SUPPLIERS, N_SITES, N_CELLS = 13, 2, 32, 20, 2, 512
CHUNK, SEED = 20_000, 20261121
SHARES = {"budget": 0.85, "capacity": (0.75, 1.05), "volume": (0.8, 0.95)}
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Some series: what they need, single precision, and what they cost, use and share.

    Attributes:
        needs: shape (n_series, N_STEPS, n_points).
        unit_cost, unit_volume, multiple, smallest: shape (n_series,).
        costs: of stock.
        limit: shape (n_series, N_STEPS).
        supplier, site, cell: shape (n_series,).
        place: shape (n_series,), place in the cell.
    """

    needs: NDArray[np.float32]
    unit_cost: FloatArray
    unit_volume: FloatArray
    multiple: FloatArray
    smallest: FloatArray
    costs: StockCosts
    limit: FloatArray
    supplier: NDArray[np.int64]
    site: NDArray[np.int64]
    cell: NDArray[np.int64]
    place: FloatArray


def parts(n_series: int, n_points: int) -> Iterator[Part]:
    """Yield series: negative binomial demand, mostly slow, packs of 1 to 24, every third with a minimum quantity."""
    for first in range(0, n_series, CHUNK):
        rng, n = np.random.default_rng([SEED, first]), min(CHUNK, n_series - first)
        mean = rng.gamma(0.6, 8, n) + 0.2
        demand = rng.negative_binomial(1.5, 1.5 / (1.5 + mean[:, None]), (N_STEPS, N_PATHS, n, 1))[..., 0].transpose(0, 2, 1)
        stock = rng.poisson(mean * 2.5)
        unit_cost = rng.gamma(2, 5, n) + 0.5
        multiple = rng.choice([1.0, 1.0, 6.0, 12.0, 24.0], n)
        supplier, site = rng.integers(0, N_SUPPLIERS, n), rng.integers(0, N_SITES, n)
        room = N_CELLS // (N_SUPPLIERS * N_SITES)
        yield Part(
            needs=(cumulative_demand(demand.astype(float), n_points) - stock[:, None, None]).astype(np.float32),
            unit_cost=unit_cost,
            unit_volume=rng.gamma(2, 0.01, n),
            multiple=multiple,
            smallest=np.where(rng.random(n) < 1 / 3, 2 * multiple, multiple),
            costs=StockCosts(
                unit_cost * rng.uniform(0.003, 0.008, n),
                unit_cost * rng.uniform(0.08, 0.25, n),
                unit_cost * rng.uniform(0.8, 0.95, n),
            ),
            limit=by_arrival(np.full((n, N_STEPS), np.inf), np.full(n, LEAD_TIME)),
            supplier=supplier,
            site=site,
            cell=(supplier * N_SITES + site) * room + rng.integers(0, room, n),
            place=rng.random(n),
        )


def totals(part: Part, choice: Choice) -> Totals:
    """Return what a part costs and uses: money, units a supplier, mean volume on the shelf a site."""
    plans = choice.plans(part.cell, part.place)
    nothing = ~np.isfinite(choice.prices).all(axis=1)[plans]
    prices = np.where(np.isfinite(choice.prices), choice.prices, 0.0)[plans]
    rows = np.arange(len(plans))
    order = part.unit_cost * prices[:, 0] + prices[rows, 1 + part.supplier]
    volume = part.unit_volume / N_STEPS
    storage = volume * prices[rows, 1 + N_SUPPLIERS + part.site]
    needs = part.needs.astype(np.float64)
    priced = StockCosts(part.costs.holding_cost + storage, part.costs.backorder_cost, part.costs.end_value)
    limit = np.where(nothing[:, None], 0.0, part.limit)
    chains = with_prices(
        backorder_chains(needs, priced, limit=limit, multiple=part.multiple),
        np.repeat((part.unit_cost + order)[:, None], N_STEPS, axis=1),
    )
    decided = solve_backorders(chains, OrderLines(part.smallest, np.zeros(len(rows))))
    ordered = decided.quantities.sum(axis=1)
    on_hand = mean_stock(chains, decided.quantities)
    usage = np.zeros((N_CELLS, 1 + N_SUPPLIERS + N_SITES))
    np.add.at(usage, (part.cell, 0), part.unit_cost * ordered)
    np.add.at(usage, (part.cell, 1 + part.supplier), ordered)
    np.add.at(usage, (part.cell, 1 + N_SUPPLIERS + part.site), volume * on_hand)
    cost = decided.cost - order * ordered - storage * on_hand
    return Totals(*(np.bincount(part.cell, values, N_CELLS) for values in (decided.lower_bound, cost)), usage)


def mean_stock(chains: Chains, quantities: FloatArray) -> FloatArray:
    """Return expected units on the shelf summed over the steps, (n_series,)."""
    arrived = np.cumsum(quantities, axis=1)
    return np.maximum(arrived[:, :, None] - chains.at, 0.0).mean(axis=2).sum(axis=1)


def planned(kept: list[Part]) -> tuple[Coupled, FloatArray, float, list[Step]]:
    """Return the coupled plan, the limits, the money that no decision changes and what each pass brought."""
    steps: list[Step] = []

    def look(choice: Choice) -> Totals:
        found = totals(kept[0], choice)
        for part in kept[1:]:
            found = found + totals(part, choice)
        return found

    n_limits = 1 + N_SUPPLIERS + N_SITES
    used = look(Choice.at(np.zeros(n_limits), N_CELLS)).usage.sum(axis=0)
    idle = look(Choice.at(np.full(n_limits, np.inf), N_CELLS)).usage.sum(axis=0)
    rng = np.random.default_rng(SEED)
    shares = np.concatenate([
        [SHARES["budget"]], rng.uniform(*SHARES["capacity"], N_SUPPLIERS), rng.uniform(*SHARES["volume"], N_SITES)
    ])  # fmt: skip
    limits = idle + shares * (used - idle)
    coupled = couple(look, limits, n_cells=N_CELLS, watch=steps.append)
    fixed = sum(fixed_cost(part) for part in kept)
    return coupled, limits, fixed, steps


def fixed_cost(part: Part) -> float:
    """Return the money of the periods before the first order arrives."""
    early = part.needs[:, :LEAD_TIME].astype(np.float64)
    held, owed = (np.maximum(sign * early, 0.0).mean(axis=2).sum(axis=1) for sign in (-1, 1))
    return float((part.costs.holding_cost * held + part.costs.backorder_cost * owed).sum())


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    asked = parser.parse_args()
    n_series = 2_000 if asked.smoke else asked.series
    totals(next(parts(10, asked.points)), Choice.at(np.zeros(1 + N_SUPPLIERS + N_SITES), N_CELLS))  # compiles
    kept = list(parts(n_series, asked.points))
    wall, cpu = time.perf_counter(), time.process_time()
    coupled, limits, fixed, steps = planned(kept)
    seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for step in steps:
        print(
            f"pass {step.number:3}  bound {step.bound:16,.0f}  cost {step.cost:16,.0f}  over a limit by {step.violation:12,.0f}"
        )
    report = {
        "series": n_series,
        "points": asked.points,
        "seconds": seconds,
        "processor_seconds": cpu,
        "passes": coupled.passes,
        "microseconds_a_series_and_pass": cpu / (coupled.passes + 2) / n_series * 1e6,
        "dual_bound": coupled.dual_bound,
        "cost": coupled.cost,
        "gap": (coupled.cost - coupled.dual_bound) / max(1.0, coupled.cost - fixed),
        "largest_violation": float(coupled.violation(limits).max()),
        "limits_that_bind": int((coupled.prices > 0).sum()),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    for name, value in report.items():
        print(f"{name:32}{value:>20,.6g}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
