"""The simulator: a naive loop agrees with it, and no policy sees the demand it orders for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.evaluate.policies import OrderUpTo, plan_levels, simple_rule_levels
from replen.evaluate.simulation import score, simulate
from replen.plan.outcome import plan_series
from tests.unit.plan_instances import instances, naive_simulation, positions


@settings(deadline=None)
@given(instance=instances(backorders=True), waits=st.booleans(), level=st.floats(0, 60))
def test_simulator_agrees_with_a_naive_loop(instance, waits, level):
    drawn, demand = instance
    if not waits:
        drawn = type(drawn)(**(vars(drawn) | {"backorders": np.zeros(drawn.n_series)}))

    def policy(known):
        return np.maximum(level + known.step - known.inventory_position, 0.0)

    def same_policy(step, _row, position):
        return max(level + step - position, 0.0)

    history = simulate(drawn, demand, policy, backorders=waits)
    orders, on_hand, short, sales = naive_simulation(drawn, demand, same_policy, backorders=waits)
    assert history.orders == approx(orders)
    assert history.on_hand == approx(on_hand)
    assert history.short == approx(short)
    assert history.sold == approx(sales)


@settings(deadline=None)
@given(instance=instances(), step=st.integers(0, 5), seed=st.integers(0, 9))
def test_orders_do_not_change_when_later_demand_does(instance, step, seed):
    drawn, demand = instance
    changed = demand.copy()
    changed[step:] = np.random.default_rng(seed).poisson(20, changed[step:].shape)

    def probe(known):  # uses all it is given: whatever it could see of the future would show in its orders
        return known.demand.sum(axis=0) + known.due.sum(axis=0) + known.on_hand + 2 * known.backorders + known.step

    before, after = (simulate(drawn, paths, probe).orders[: step + 1] for paths in (demand, changed))
    np.testing.assert_array_equal(before, after)


def test_a_policy_sees_exactly_the_demand_before_its_step_and_cannot_change_it():
    demand = np.arange(1.0, 5.0).reshape(4, 1, 1)
    seen = []

    def probe(known):
        seen.append(known.demand[:, 0, 0].tolist())
        known.demand[:] = known.due[:] = known.on_hand[:] = 99.0
        return np.zeros((1, 1))

    history = simulate(positions(1, 4), demand, probe)
    assert seen == [[], [1.0], [1.0, 2.0], [1.0, 2.0, 3.0]]
    assert history.short.ravel().tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("lead_time", [0, 2])
def test_an_order_is_on_the_shelf_at_the_start_of_step_plus_lead_time(lead_time):
    history = simulate(
        positions(1, 5, lead_time=lead_time),
        np.zeros((5, 1, 1)),
        lambda known: np.full((1, 1), 7.0 if known.step == 1 else 0.0),
    )
    assert history.on_hand.ravel().tolist() == [0.0] * (1 + lead_time) + [7.0] * (4 - lead_time)


@settings(deadline=None)
@given(instance=instances())
def test_played_plan_starts_with_the_plans_own_order(instance):
    drawn, demand = instance
    outcome = plan_series(drawn, demand)
    levels = plan_levels(drawn, outcome.quantities, outcome.mean_demand - outcome.expected_lost)
    history = simulate(drawn, demand, OrderUpTo(drawn, levels))
    assert approx(np.broadcast_to(outcome.quantities[:, 0], history.orders[0].T.shape)) == history.orders[0].T


@settings(deadline=None)
@given(instance=instances())
def test_played_rules_respect_packs_and_limits(instance):
    drawn, demand = instance
    levels = simple_rule_levels(drawn, demand, cycle_service_level=0.95)
    orders = simulate(drawn, demand, OrderUpTo(drawn, levels)).orders
    lines = orders > 0
    least, most = drawn.smallest_order[:, None], drawn.max_order_quantity[:, None]
    multiples = orders / drawn.order_multiple[:, None]
    assert (~lines | ((orders >= least - 1e-9) & (orders <= most))).all()
    assert multiples == approx(np.round(multiples))


def test_score_adds_up():
    drawn = positions(2, 3, on_hand=[4.0, 0.0], order_cost=2.0)
    history = simulate(drawn, np.ones((3, 2, 5)), lambda known: np.full((2, 5), float(known.step == 0)))
    result = score(drawn, history)
    assert result.cost == approx(result.purchase + result.order_lines + result.holding + result.shortage - result.end_value)
    assert result.purchase.tolist() == [1.0, 1.0]
    assert result.order_lines.tolist() == [2.0, 2.0]
    assert result.end_value.tolist() == [1.0, 0.0]
    assert result.fill_rate == approx([1.0, 1 / 3])
    assert result.cycle_service_level == approx([1.0, 1 / 3])
    assert score(drawn, history, first_step=1).demand == approx([2.0, 2.0])
