"""Programs kept for passes find what planning from the paths finds: the same plans, costs, bounds and usage of limits."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

from replen.plan.choice import Choice
from replen.plan.outcome import plan_series
from replen.plan.prepared import Prepared
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS, Flows, Sharing
from tests.unit.plan_instances import positions
from tests.unit.test_limits import items_of, read, rule


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("owed", [0, 4])
@pytest.mark.parametrize("fraction", [0.0, 0.1])  # whole units are kept in single precision, others are not
@pytest.mark.parametrize("most", [0, 2, 9])  # periods that orders are late
@pytest.mark.parametrize("perish", [False, True])
def test_kept_programs_plan_as_from_the_paths(waits, owed, fraction, most, perish):
    rng, n, horizon = np.random.default_rng(3), 40, 6
    delays = rng.integers(0, 1 + most * rng.integers(0, 2, (n, 1)), (n, 8))
    found = positions(
        n, horizon, lead_time=rng.integers(0, 8, n), receipts=rng.integers(0, 4, (n, horizon)), on_hand=rng.integers(0, 9, n),
        backorders=rng.integers(0, 1 + owed, n), unit_cost=2.0, lost_sale_cost=9.0, backorder_cost=1.0, end_value=1.5,
        order_multiple=rng.choice([1.0, 3.0], n), min_order_quantity=rng.choice([0.0, 6.0], n),
        order_cost=rng.choice([0.0, 1.0], n), delays=delays - delays.min(axis=1, keepdims=True),
        shelf_life=rng.integers(1, 8, n) if perish else None,
    )  # fmt: skip
    demand = rng.poisson(4, (horizon, n, 8)) + fraction
    limits = read(
        horizon, orders=rule(), inbound=rule(kind="capacity", measure="volume"), space=rule(kind="volume", counted="stock")
    )
    choice = Choice.at(rng.uniform(0, 0.3, len(limits)), N_CELLS)
    sharing = Sharing.of(items_of(found), limits, found)
    outcome = plan_series(found, demand, sharing.series_prices(choice, horizon), waits=waits)
    flows = Flows(outcome.quantities, outcome.receipts, outcome.mean_on_hand)
    expected = sharing.totals(outcome.dual_bound, outcome.feasible_cost, flows)
    made = Programs.of(Prepared.of(found, demand, waits=waits, safety_stock=None), sharing, np.arange(n))
    stored, size = deepcopy(made), len(pickle.dumps(made))  # a copy of what is kept
    totals = made.totals(choice)
    assert len(pickle.dumps(made)) == size  # what a pass finds out goes to no disk
    assert outcome.quantities.sum() > 0
    for name in ("bound", "cost", "usage"):
        np.testing.assert_allclose(getattr(totals, name), getattr(expected, name), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(getattr(stored.totals(choice), name), getattr(totals, name))
