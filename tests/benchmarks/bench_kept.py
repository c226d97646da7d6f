"""How much less plans change, and at what cost, where changing the last plan is charged (`plan.change_cost`).

python tests/benchmarks/bench_kept.py [--series 500] [--smoke]

The world of `bench_policies.py`: 26 weeks, true demand, the seasonal moving average refitted weekly, unmet demand lost. Each
week the program plans every series that is reviewed, on sample paths, from the stock its own orders led to; its last plan is
charged for as in the plan job. Nervousness: mean absolute change of the order planned for a date, units. Dates changed: share
of those that the last plan could decide. Cost as in `bench_policies.py`, charges left out. The last line is JSON.
"""

import argparse
import json

import numpy as np

from replen.evaluate.simulation import score, simulate
from replen.plan.kept import SAME, LastPlan
from replen.plan.outcome import plan_ready
from replen.plan.policies.assigned import Assigned
from replen.plan.policies.known import Known
from replen.plan.policies.replanned import positions_of
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.timing import FloatArray
from tests.benchmarks.bench_policies import HORIZON, PLAYED, Truth, forecasts, world

CHARGES = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)


class Remembering:
    """The program with its last plan: what it said of each week, NaN where it could not decide."""

    def __init__(self, positions: Positions, paths: list[np.ndarray], change_cost: float) -> None:
        """Start without a plan."""
        self.positions, self.paths, self.change_cost = positions, paths, change_cost
        self.said = np.full((positions.n_series, len(paths) + HORIZON), np.nan)
        self.n_dates = self.n_changed = 0

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, 1)."""
        return np.asarray(self.orders_by_step(known)[0])

    def orders_by_step(self, known: Known) -> FloatArray:
        """Return the orders planned from this week on, (HORIZON, n_series, 1); 0 for series without a review now."""
        step, rows = known.step, np.flatnonzero(self.positions.may_order[:, known.step])
        mine = Known(step, known.on_hand[rows], known.backorders[rows], known.due[:, rows], known.demand[:, rows])
        now = positions_of(self.positions.take(rows), mine, horizon=HORIZON)
        last = LastPlan(self.said[rows, step : step + HORIZON], self.change_cost)
        ready = Prepared.of(now, self.paths[step][:, rows].astype(np.float64), waits=False, safety_stock=None)
        program = Assigned.program(len(rows))
        found = plan_ready(
            now, ready, Prices.none(now), assigned=program, with_levels=False, last=last if self.change_cost else None
        )
        decided = np.arange(HORIZON) < HORIZON - now.lead_time[:, None]
        both = np.isfinite(last.quantities)
        self.n_dates += int(both.sum())
        self.n_changed += int((np.abs(found.quantities - last.quantities)[both] > SAME).sum())
        self.said[rows, step : step + HORIZON] = np.where(decided, found.quantities, np.nan)
        orders = np.zeros((HORIZON, len(self.said), 1))
        orders[:, rows, 0] = found.quantities.T
        return orders


def played(truth: Truth, paths: list[np.ndarray], change_cost: float) -> dict[str, float]:
    """Return what came of a charge."""
    positions, demand = truth.positions(PLAYED), truth.demand.T[PLAYED[0] : PLAYED[-1] + 1, :, None]
    policy = Remembering(positions, paths, change_cost)
    result = score(positions, simulate(positions, demand, policy))
    cost = result.cost - positions.unit_cost * (result.demand - positions.inventory_position)
    return {
        "change_cost": change_cost,
        "cost": float(cost.sum()),
        "nervousness": float(np.nanmean(result.nervousness)),
        "dates_changed": policy.n_changed / max(policy.n_dates, 1),
        "fill_rate": float(result.sold.sum() / result.demand.sum()),
    }


def main() -> None:
    """Print a line a charge, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    asked = parser.parse_args()
    truth = world(30 if asked.smoke else asked.series)
    paths, rows = forecasts(truth, PLAYED, "moving_average"), []
    for charge in CHARGES[:: 3 if asked.smoke else 1]:
        rows.append(played(truth, paths, charge))
        print("  ".join(f"{name} {value:,.4g}" for name, value in rows[-1].items()), flush=True)
    print(json.dumps({"benchmark": "kept", "n_series": len(truth.series), "n_weeks": len(PLAYED), "charges": rows}))


if __name__ == "__main__":
    main()
