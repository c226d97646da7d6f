"""The planner's solvers against the ways a linear program a SKU is solved elsewhere, same instances, one core.

python tests/benchmarks/bench_planning.py --series 100000 [--points 16] [--peers 2000] [--checked 100000]
    [--sections chain,packs,lost_sales] [--smoke]

chain: backorder programs of 13 periods with lead time 2, `points` of each period's cumulative demand. Peers:
`scipy.optimize.linprog` called for each with arrays built for the call, as in a user's UDF; HiGHS through highspy with one
model that is kept, presolve off, only costs and bounds changed; linprog on blocks of 50 side by side, sparse. All three get
the program in its fastest form of those tried: each total a sum of segments between points, so that it has few rows (a
variable and a row for each excess over a point took two to three times as long). The first two solve the first `--peers`
series, the blocks the first `--checked`; every cost they find must be the chain's to 1e-6 of max(1, cost less what no order
changes).

packs: slow movers in packs of 6 to 24: whole packs inside the program against its optimum in single units rounded afterwards,
to the nearest pack and up, as a share of the cost less what no order changes.

lost_sales: the program over 100 sample paths, the path simplex beside HiGHS (`planning_lost_sales.py`).

Times are processor time of this one process, compiling left out. What was asked of the planner stands beside what is found, met
or missed. The last line of output is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import highspy
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from replen.plan.backorders import StockCosts, backorder_chains, cumulative_demand, solve_backorders
from replen.plan.chain import Chains, cost, solve, with_prices
from replen.plan.lattice import OrderLines
from replen.plan.timing import by_arrival
from tests.benchmarks import planning_lost_sales

FloatArray = NDArray[np.float64]
N_STEPS, LEAD_TIME, N_PATHS, BLOCK, CHUNK, SEED = 13, 2, 64, 50, 5000, 20261121
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    n_series: int
    n_points: int
    n_peers: int
    n_checked: int


@dataclass(frozen=True)
class Instances:
    """What every method is given: needs (n_series, n_steps, n_points), costs, unit costs and largest orders (n_series,)."""

    needs: FloatArray
    costs: StockCosts
    unit_cost: FloatArray
    largest: FloatArray

    def chains(self, multiple: FloatArray | float = 0.0) -> Chains:
        """Return the chains."""
        n_series = len(self.needs)
        chains = backorder_chains(
            self.needs,
            self.costs,
            limit=by_arrival(np.repeat(self.largest[:, None], N_STEPS, axis=1), np.full(n_series, LEAD_TIME)),
            multiple=np.broadcast_to(multiple, n_series),
        )
        return with_prices(chains, np.repeat(self.unit_cost[:, None], N_STEPS, axis=1))


def drawn(rng: np.random.Generator, size: Size, rate: FloatArray) -> Instances:
    """Return instances with demand of these rates a period: gamma-Poisson paths, stock of up to five periods, open orders."""
    needs, open_orders = np.empty((size.n_series, N_STEPS, size.n_points)), np.array([1.0, 0.5] + [0.0] * (N_STEPS - 2))
    for first in range(0, size.n_series, CHUNK):
        part = rate[first : first + CHUNK]
        demand = rng.poisson(part[:, None] * rng.gamma(4.0, 0.25, (N_STEPS, len(part), N_PATHS))).astype(float)
        stock = np.round(part * rng.uniform(-0.5, 5.0, len(part)))
        supply = stock[:, None] + np.cumsum(rng.poisson(part[:, None] * open_orders), axis=1)
        needs[first : first + CHUNK] = cumulative_demand(demand, size.n_points) - supply[:, :, None]
    unit_cost = rng.lognormal(1.5, 1.0, size.n_series)
    costs = StockCosts(
        holding_cost=0.25 / 52 * unit_cost,
        backorder_cost=rng.uniform(0.02, 0.15, size.n_series) * unit_cost,
        end_value=0.9 * unit_cost,
    )
    return Instances(needs, costs, unit_cost, np.where(rng.random(size.n_series) < 0.2, np.ceil(2 * rate), np.inf))


@dataclass(frozen=True)
class Segments:
    """Chains as linear programs: y_t is the sum of its segments between points; steps before the first arrival left out.

    Attributes:
        cost: shape (n_series, n_columns), money a unit of each segment, step by step.
        upper: shape (n_series, n_columns), units.
        limit: shape (n_series, n_rows), largest increase; row t is y_t - y_{t-1}.
        constant: shape (n_series,), money that no order changes, and cost of the steps' first points.
    """

    cost: FloatArray
    upper: FloatArray
    limit: FloatArray
    constant: FloatArray

    @property
    def matrix(self) -> FloatArray:
        """Return the rows of one program, (n_rows, n_columns)."""
        n_rows = self.limit.shape[1]
        steps = np.eye(n_rows) - np.eye(n_rows, k=-1)
        return np.repeat(steps, self.cost.shape[1] // n_rows, axis=1)


def segments(chains: Chains) -> Segments:
    """Return the programs of chains."""
    at, jump, slope = (array[:, LEAD_TIME:] for array in (chains.at, chains.jump, chains.slope))
    ends = np.maximum(at, 0.0)
    length = np.concatenate([np.diff(ends, axis=2, prepend=0.0), np.full((*at.shape[:2], 1), np.inf)], axis=2)
    prices = slope[:, :, None] + jump[:, :, None] * np.arange(at.shape[2] + 1)
    n_series = len(at)
    idle = cost(chains, np.zeros(chains.at.shape[:2]))
    return Segments(prices.reshape(n_series, -1), length.reshape(n_series, -1), chains.limit[:, LEAD_TIME:], idle)


def by_linprog(chains: Chains) -> FloatArray:
    """Return least costs (n_series,): one call a series, its arrays built for it."""
    found = np.empty(chains.n_series)
    for row in range(chains.n_series):
        one = segments(chains.take(np.array([row])))
        steps, limited = one.matrix, np.isfinite(one.limit[0])
        solved = linprog(
            one.cost[0],
            A_ub=np.vstack([-steps, steps[limited]]),
            b_ub=np.concatenate([np.zeros(len(steps)), one.limit[0, limited]]),
            bounds=np.stack([np.zeros(one.upper.shape[1]), one.upper[0]], axis=1),
        )
        found[row] = solved.fun + one.constant[0]
    return found


def by_blocks(chains: Chains) -> FloatArray:
    """Return least costs (n_series,): blocks of series side by side, sparse."""
    found = []
    for rows in np.array_split(np.arange(chains.n_series), -(-chains.n_series // BLOCK)):
        some = segments(chains.take(rows))
        steps = sp.kron(sp.eye_array(len(rows)), sp.csr_array(some.matrix), format="csr")
        limited = np.isfinite(some.limit).ravel()
        solved = linprog(
            some.cost.ravel(),
            A_ub=sp.vstack([-steps, steps[limited]]),
            b_ub=np.concatenate([np.zeros(some.limit.size), some.limit.ravel()[limited]]),
            bounds=np.stack([np.zeros(some.upper.size), some.upper.ravel()], axis=1),
        )
        found.append((some.cost * solved.x.reshape(some.cost.shape)).sum(axis=1) + some.constant)
    return np.concatenate(found)


def by_highspy(chains: Chains) -> FloatArray:
    """Return least costs (n_series,): one model, which keeps the last basis; costs and bounds are changed."""
    programs = segments(chains)
    model, n_rows, n_columns = highs_model(programs.matrix), programs.limit.shape[1], programs.cost.shape[1]
    rows, columns = np.arange(n_rows, dtype=np.int32), np.arange(n_columns, dtype=np.int32)
    nothing, found = (np.zeros(n_rows), np.zeros(n_columns)), np.empty(chains.n_series)
    for row in range(chains.n_series):
        model.changeColsCost(n_columns, columns, programs.cost[row])
        model.changeColsBounds(n_columns, columns, nothing[1], programs.upper[row])
        model.changeRowsBounds(n_rows, rows, nothing[0], programs.limit[row])
        model.run()
        found[row] = model.getInfo().objective_function_value
    return found + programs.constant


def highs_model(matrix: FloatArray) -> highspy.Highs:
    """Return a model of these rows, presolve off, one thread."""
    columns, program = sp.csc_array(matrix), highspy.HighsLp()
    program.num_row_, program.num_col_ = matrix.shape
    program.col_cost_, program.col_lower_ = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    program.col_upper_ = np.full(matrix.shape[1], highspy.kHighsInf)
    program.row_lower_, program.row_upper_ = np.zeros(len(matrix)), np.full(len(matrix), highspy.kHighsInf)
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = columns.indptr, columns.indices, columns.data
    model = highspy.Highs()
    for option, value in {"output_flag": False, "threads": 1, "presolve": "off", "solver": "simplex"}.items():
        model.setOptionValue(option, value)
    model.passModel(program)
    return model


def by_chain(chains: Chains) -> FloatArray:
    """Return least costs (n_series,) of the chain solver."""
    return cost(chains, solve(chains))


def timed(method: Callable[[Chains], FloatArray], chains: Chains) -> tuple[FloatArray, float]:
    """Return what a method found and the microseconds of processor time it took a series."""
    started = time.process_time()
    found = method(chains)
    return found, (time.process_time() - started) / chains.n_series * 1e6


def chain_section(size: Size, rng: np.random.Generator) -> dict[str, float]:
    """Return microseconds a series by method, ratios to the chain solver and the largest difference in cost."""
    instances = drawn(rng, size, rng.lognormal(1.5, 1.2, size.n_series))
    chains = instances.chains()
    by_chain(chains.take(np.arange(2)))  # compiled here
    ours, ours_time = timed(by_chain, chains)
    scale = np.maximum(1.0, np.abs(ours - undecided(chains)))
    found = {"chain_us": ours_time}
    peers = {
        "linprog": (by_linprog, size.n_peers),
        "highspy": (by_highspy, size.n_peers),
        "blocks": (by_blocks, size.n_checked),
    }
    for name, (method, most) in peers.items():
        some = np.arange(min(most, size.n_series))
        theirs, found[f"{name}_us"] = timed(method, chains.take(some))
        found[f"{name}_over_chain"] = found[f"{name}_us"] / ours_time
        found[f"{name}_difference"] = float((np.abs(theirs - ours[some]) / scale[some]).max())
        found[f"{name}_checked"] = len(some)
    columns = {
        "us": "microseconds a series",
        "over_chain": "times ours",
        "difference": "largest difference",
        "checked": "series",
    }
    rows = {name: [found.get(f"{name}_{column}") for column in columns] for name in METHODS}
    print(pd.DataFrame.from_dict(rows, "index", columns=list(columns.values())))
    differences = [value for name, value in found.items() if name.endswith("difference")]
    assert max(differences) < TOLERANCE, "a peer found another cost"
    return found


def undecided(chains: Chains) -> FloatArray:
    """Return the cost of the steps before the first order can arrive, (n_series,)."""
    cut = {name: getattr(chains, name)[:, :LEAD_TIME] for name in ("at", "jump", "slope", "limit")}
    owed = (-chains.slope[:, :LEAD_TIME] * chains.at[:, :LEAD_TIME].mean(axis=2)).sum(axis=1)
    return cost(replace(chains, **cut, constant=owed), np.zeros((chains.n_series, LEAD_TIME)))


def packs_section(size: Size, rng: np.random.Generator) -> dict[str, float]:
    """Return how much cheaper whole packs inside the program are than its optimum rounded, in per cent of the latter's cost."""
    instances = drawn(rng, size, rng.uniform(0.1, 2.0, size.n_series))
    instances = replace(instances, largest=np.full(size.n_series, np.inf))
    pack = rng.integers(6, 25, size.n_series).astype(float)
    free, whole, lines = (
        instances.chains(),
        instances.chains(pack),
        OrderLines(np.zeros(size.n_series), np.zeros(size.n_series)),
    )
    solve_backorders(whole.take(np.arange(2)), OrderLines(np.zeros(2), np.zeros(2)))  # compiled here
    started = time.process_time()
    inside = solve_backorders(whole, lines)
    found = {"inside_us": (time.process_time() - started) / size.n_series * 1e6}
    packs, constant = solve(free) / pack[:, None], undecided(free).sum()
    ours = inside.cost.sum() - constant
    for name, rounded in {"nearest": np.floor(packs + 0.5), "up": np.ceil(packs - 1e-9)}.items():
        found[f"less_than_{name}_percent"] = 100 * (1 - ours / (cost(whole, rounded * pack[:, None]).sum() - constant))
    print(pd.Series(found).to_string())
    return found


def lost_sales_section(size: Size, rng: np.random.Generator) -> dict[str, float]:
    """Return what the lost-sales program over 100 paths takes, path simplex beside HiGHS; its instances have their own seed."""
    del rng
    found = planning_lost_sales.compare(min(size.n_peers, LOST_SALES_SERIES))
    print("\nlost sales over 100 paths")
    for name, value in found.items():
        print(f"{name:36}{value:>16,.6g}")
    return found


METHODS = ("chain", "linprog", "highspy", "blocks")
SECTIONS = {"chain": chain_section, "packs": packs_section, "lost_sales": lost_sales_section}
LOST_SALES_SERIES = 500
AT_LEAST, AT_MOST = "at least", "at most"
TARGETS = {
    "chain": {
        "linprog_over_chain": (AT_LEAST, 200.0),
        "highspy_over_chain": (AT_LEAST, 20.0),
        **{f"{name}_difference": (AT_MOST, TOLERANCE) for name in METHODS[1:]},
    },
    "packs": {"less_than_nearest_percent": (AT_LEAST, 10.0), "less_than_up_percent": (AT_LEAST, 10.0)},
    "lost_sales": {
        "times_faster": (AT_LEAST, 20.0),
        "mean_excess_over_highs": (AT_MOST, 1e-3),
        "worst_excess_over_highs": (AT_MOST, 1e-2),
    },
}


def judged(section: str, found: dict[str, float]) -> dict[str, bool]:
    """Print what was asked of a section beside what was found; return which targets are met."""
    met = {
        name: bool(found[name] >= target if sense == AT_LEAST else found[name] <= target)
        for name, (sense, target) in TARGETS[section].items()
    }
    for name, (sense, target) in TARGETS[section].items():
        print(f"{'met' if met[name] else 'MISSED':8}{name:28}{found[name]:>14,.6g}, {sense} {target:g}")
    return met


def main() -> None:
    """Print a table a section, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--peers", type=int, default=2000)
    parser.add_argument("--checked", type=int, default=100_000, help="series that stacked blocks solve too")
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--smoke", action="store_true", help="a few series, to see that it runs")
    chosen = parser.parse_args()
    size = Size(chosen.series, chosen.points, chosen.peers, chosen.checked)
    size = Size(100, chosen.points, 20, 100) if chosen.smoke else size
    found, met = dict[str, dict[str, float]](), dict[str, dict[str, bool]]()
    for name in chosen.sections.split(","):
        found[name] = SECTIONS[name](size, np.random.default_rng(SEED))
        met[name] = judged(name, found[name])
    about = {"benchmark": "planning", "n_series": size.n_series, "n_points": size.n_points, "seed": SEED}
    print(json.dumps({**about, **found, "targets_met": met}))


if __name__ == "__main__":
    main()
