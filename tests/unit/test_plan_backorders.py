"""Plans where unmet demand waits: they cost what the simulator says, no plan costs less, levels explain them."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen.evaluate.comparison import play_plan
from replen.evaluate.simulation import score, simulate
from replen.plan.outcome import plan_series
from replen.plan.policies.base_stock import base_stock_levels
from replen.plan.policies.known import Known
from replen.plan.problem import Prices
from tests.unit.plan_instances import instances, positions


@dataclass(frozen=True)
class Fixed:
    """Orders what was planned, whatever happens."""

    quantities: np.ndarray

    def __call__(self, known: Known) -> np.ndarray:
        return np.repeat(self.quantities[:, known.step, None], known.on_hand.shape[1], axis=1)


@given(instances(backorders=True))
def test_a_plan_costs_what_the_simulator_says_and_no_plan_costs_less(instance):
    drawn, demand = instance
    outcome = plan_series(drawn, demand, waits=True)
    played = score(drawn, simulate(drawn, demand, Fixed(outcome.quantities), backorders=True), backorders=True)
    assert outcome.feasible_cost == pytest.approx(played.cost, abs=1e-9)
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert np.all(np.abs(outcome.feasible_cost - outcome.dual_bound) <= 1e-6 * decided)  # packs, minima, line costs included
    assert np.all(outcome.quantities <= drawn.max_order_quantity[:, None])
    packs = outcome.quantities / drawn.order_multiple[:, None]
    assert packs == pytest.approx(np.round(packs), abs=1e-9)
    ordered = outcome.quantities > 0
    assert np.all(np.where(ordered, outcome.quantities, np.inf) >= drawn.smallest_order[:, None])


@given(instances(backorders=True), st.integers(0, 10**6))
def test_with_prices_the_bound_is_cost_and_priced_usage(instance, seed):
    drawn, demand = instance
    rng, shape = np.random.default_rng(seed), drawn.receipts.shape
    prices = Prices(*(rng.uniform(0, 0.4, shape) for _ in range(3)))
    outcome = plan_series(drawn, demand, prices, waits=True, with_levels=False)
    used = (prices.order * outcome.quantities + prices.receipt * outcome.receipts + prices.stock * outcome.mean_on_hand).sum(
        axis=1
    )
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert np.all(np.abs(outcome.feasible_cost + used - outcome.dual_bound) <= 1e-6 * decided)


def test_a_newsvendor_by_hand():
    """One period, demand 1..10 equally likely, h = 1, b = 3.5: the critical ratio 7/9 orders up to 8; two are owed already.

    Nothing is on hand, so 10 units are ordered: 8 and the two owed. Below 8 a unit saves 0.3 b - 0.7 h = 0.35, above it costs
    0.8 h - 0.2 b = 0.1: a line of one unit pays below the x of 0.35 (8 - x) = 0.1 (x + 1 - 8), the reorder point 7 7/9.
    """
    found = positions(1, 1, backorders=2.0, unit_cost=0.0, end_value=0.0, holding_cost=1.0, backorder_cost=3.5)
    outcome = plan_series(found, np.arange(1.0, 11.0)[None, None], waits=True)
    assert outcome.quantities.tolist() == [[10.0]]
    assert outcome.solver.tolist() == ["chain"]
    assert outcome.order_up_to_level[0] == pytest.approx(8, abs=1e-3)
    assert outcome.reorder_point[0] == pytest.approx(7 + 7 / 9, abs=1e-3)
    assert base_stock_levels(found, np.arange(1.0, 11.0)[None, None]).tolist() == [[8.0]]


def test_nothing_is_decided_where_no_order_can_arrive():
    found = positions(1, 2, lead_time=2, on_hand=1.0)
    outcome = plan_series(found, np.full((2, 1, 3), 4.0), waits=True)
    assert (outcome.quantities.tolist(), outcome.solver.tolist()) == ([[0.0, 0.0]], ["none"])
    assert outcome.expected_short.tolist() == [[3.0, 7.0]]


def test_played_with_later_reviews_a_plan_costs_less_than_fixed():
    rng = np.random.default_rng(3)
    found = positions(40, 8, lead_time=2, on_hand=12.0, backorder_cost=1.5, unit_cost=2.0, end_value=1.9)
    demand = rng.negative_binomial(1, 0.2, (8, 40, 200)).astype(float)
    outcome = plan_series(found, demand, waits=True)
    played = score(found, play_plan(found, demand, outcome.quantities, waits=True), backorders=True)
    assert played.cost.sum() < outcome.feasible_cost.sum()
