"""The simulator: a naive loop agrees with it, and no policy sees the demand it orders for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.evaluate.comparison import play_plan
from replen.evaluate.nervousness import PlanChanges
from replen.evaluate.simulation import Reality, score, simulate
from replen.plan.outcome import plan_series
from replen.plan.packs import nearest_line
from replen.plan.policies.fixed_cycle import OrderUpTo, cheapest_levels, simple_rule_levels
from tests.unit.plan_instances import instances, naive_order_steps, naive_simulation, positions
from tests.unit.test_plan_delays import late_instances

PLAYED = ("review_period", "unit_cost", "holding_cost", "lost_sale_cost", "end_value")


def known_levels(levels):
    """Return the policy that orders up to the levels, in any quantity."""
    return lambda known: np.maximum(levels[:, known.step, None] - known.inventory_position, 0.0)


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
        for shown in (known.demand, known.due):
            with pytest.raises(ValueError, match="read-only"):
                shown[:] = 99.0
        known.on_hand[:] = 99.0
        assert known.demand.base.sum() == known.demand.sum()  # nor is the future behind what is shown
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
    orders = play_plan(drawn, demand, outcome.quantities).orders
    assert approx(np.broadcast_to(outcome.quantities[:, 0], orders[0].T.shape)) == orders[0].T


@settings(deadline=None)
@given(instance=instances(max_series=1), step=st.integers(0, 5))
def test_cheapest_levels_cost_least_from_every_review_on(instance, step):
    # Without a lead time nothing is lost before an order arrives, so the fate of a unit is exactly what the simulator plays.
    drawn, demand = instance
    drawn = positions(1, **{name: getattr(drawn, name) for name in PLAYED}, horizon=len(demand))
    levels = cheapest_levels(drawn, demand, np.zeros_like(demand))
    step = step % len(demand) // drawn.review_period[0] * drawn.review_period[0]
    rest = positions(1, **{name: getattr(drawn, name) for name in PLAYED}, horizon=len(demand) - step)

    def cost(today):
        tried = np.where(np.arange(levels.shape[1] - step) == 0, today, levels[:, step:])
        return score(rest, simulate(rest, demand[step:], known_levels(tried))).cost[0]

    level, least = levels[0, step], cost(levels[0, step])
    for other in (level - 0.5, level + 0.5):
        assert cost(max(other, 0.0)) >= least - 1e-6 * max(1.0, abs(least))


def test_one_review_is_the_newsvendor():
    # One order arrives at step 1 of 2. On hand 2 is gone by then but on the path that wants 1: it loses 0, 0, 1, 2.
    # A unit costs 1, holding 0.1 and is worth 0.5 at the end: one too few costs 3 - 1, one too many 1 + 0.1 - 0.5.
    # Critical ratio 2 / 2.6 = 0.77: the fourth of four paths. Sold before arrival 1, 2, 2, 2, then wanted 4, 3, 5, 6.
    demand = np.array([[[1.0, 2.0, 3.0, 4.0]], [[4.0, 3.0, 5.0, 6.0]]])
    lost = np.array([[[0.0, 0.0, 1.0, 2.0]], [[0.0] * 4]])
    levels = cheapest_levels(positions(1, 2, on_hand=2.0, lead_time=1), demand, lost)
    assert levels == approx(np.array([[8.0, 0.0]]))


def test_a_unit_too_many_is_paid_for_until_it_is_needed():
    # 4 are wanted in the first step or never, equally likely. A unit too few costs 3 - 1 = 2. One too many costs one step's
    # holding until the next review, where it is not needed either: two steps' holding and 1 - 0.5.
    demand = np.array([[[4.0, 0.0]], [[0.0, 0.0]]])
    first = [
        cheapest_levels(positions(1, 2, holding_cost=holding_cost), demand, np.zeros_like(demand))[0, 0]
        for holding_cost in (0.7, 0.8)  # 1.9 and 2.1 too many
    ]
    assert first == approx([4.0, 0.0])


def test_a_unit_the_next_order_would_have_brought_is_paid_for_until_then():
    # Wanted: 4 and 4, or 0 and 2. At the second review a unit above 2 wins 2 or costs 1.2 + 0.5: the level is 4. At the first,
    # then, a unit that is not needed only spares the second order one, and costs 1.2 once, not twice.
    demand = np.array([[[4.0, 0.0]], [[4.0, 2.0]]])
    assert cheapest_levels(positions(1, 2, holding_cost=1.2), demand, np.zeros_like(demand)) == approx(np.array([[4.0, 4.0]]))


def test_a_unit_above_the_next_level_is_not_what_the_next_order_would_have_brought():
    # The search tries 2 units exactly, where some paths stand at the next level: a further unit pays there, up to 3.
    wanted = [[0, 0, 2, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1, 1]]
    wanted += [[1, 1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 2, 0], [1, 0, 0, 0, 2, 0, 0]]
    demand = np.array(wanted, dtype=float)[:, None, :]
    drawn = positions(1, 6, holding_cost=0.01, end_value=0.0)
    assert cheapest_levels(drawn, demand, np.zeros_like(demand))[0, 0] == approx(3.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_is_cheaper_than_the_rule_with_packs_and_uncertain_levels(seed):
    rng = np.random.default_rng(seed)
    n_series, horizon, n_paths = 60, 8, 32
    drawn = positions(
        n_series,
        horizon,
        on_hand=rng.poisson(40, n_series),
        lead_time=rng.integers(1, 7, n_series),
        review_period=rng.integers(1, 3, n_series),
        order_multiple=rng.choice([6.0, 12.0, 24.0], n_series),
        min_order_quantity=rng.choice([0.0, 12.0, 48.0], n_series),
        holding_cost=0.005,
        lost_sale_cost=2.0,
        end_value=0.9,
    )
    level = 10 * rng.gamma(2.0, 0.5, (n_series, n_paths))
    demand = rng.poisson(level, (horizon, n_series, n_paths)).astype(float)
    plan = score(drawn, play_plan(drawn, demand, plan_series(drawn, demand).quantities))
    rule = OrderUpTo(drawn, simple_rule_levels(drawn, demand, cycle_service_level=0.95))
    assert plan.cost.sum() < score(drawn, simulate(drawn, demand, rule)).cost.sum()


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


def naive_reality(drawn, demand, level, *, lead_times, shelf_life, waits):
    """Return orders, ending stock, shortage, waste and the due units shown, one series, path, order and unit lot at a time."""
    n_steps = len(demand)
    orders, on_hand, short, waste = (np.zeros(demand.shape) for _ in range(4))
    shown = {}
    for row, path in np.ndindex(demand.shape[1:]):
        lots, owed, on_order = [[drawn.on_hand[row], shelf_life[row]]], 0.0, []
        for step in range(n_steps):
            open_orders = [(drawn.receipts[row, later], later) for later in range(step, n_steps)]
            coming = [(units, max(promised, step)) for units, promised, _ in on_order] + open_orders
            shown[step, row, path] = [sum(units for units, when in coming if when == later) for later in range(step, n_steps)]
            position = sum(units for units, _ in lots) - owed + sum(units for units, _ in coming)
            if step in naive_order_steps(drawn, row):
                orders[step, row, path] = units = max(level - position, 0.0)
                on_order.append((units, step + drawn.lead_time[row], step + lead_times[step, row, path]))
            received = drawn.receipts[row, step] + sum(units for units, _, arrives in on_order if arrives == step)
            on_order = [order for order in on_order if order[2] != step]
            lots.append([received, step + shelf_life[row]])
            wanted = demand[step, row, path] + owed
            for lot in lots:  # oldest first
                taken = min(lot[0], wanted)
                lot[0], wanted = lot[0] - taken, wanted - taken
            waste[step, row, path] = sum(units for units, last in lots if last <= step + 1)
            lots = [lot for lot in lots if lot[1] > step + 1]
            on_hand[step, row, path], short[step, row, path] = sum(units for units, _ in lots), wanted
            owed = wanted if waits else 0.0
    return orders, on_hand, short, waste, shown


@settings(deadline=None)
@given(instance=instances(), seed=st.integers(0, 2**32 - 1), level=st.floats(0, 60), waits=st.booleans())
def test_late_orders_that_cross_and_goods_that_perish_agree_with_a_naive_loop(instance, seed, level, waits):
    drawn, demand = instance
    rng = np.random.default_rng(seed)
    lead_times = np.maximum(drawn.lead_time[:, None] + rng.integers(-2, 4, demand.shape), 0)
    shelf_life = rng.integers(1, len(demand) + 3, drawn.n_series)
    seen = []

    def policy(known):
        seen.append((known.step, known.due.copy()))
        return np.maximum(level - known.inventory_position, 0.0)

    reality = Reality(lead_times, shelf_life)
    history = simulate(drawn, demand, policy, backorders=waits, reality=reality)
    told = {"lead_times": lead_times, "shelf_life": shelf_life, "waits": waits}
    orders, on_hand, short, waste, shown = naive_reality(drawn, demand, level, **told)
    for found, expected in ((history.orders, orders), (history.on_hand, on_hand), (history.short, short)):
        assert found == approx(expected, abs=1e-9)
    assert history.waste == approx(waste, abs=1e-9)
    for (step, row, path), due in shown.items():
        assert all(found[:, row, path] == approx(due, abs=1e-9) for when, found in seen if when == step)


def test_reality_as_planned_is_no_reality_at_all():
    rng = np.random.default_rng(4)
    drawn = positions(3, 6, on_hand=5.0, lead_time=[0, 1, 3], receipts=1.0)
    demand, policy = rng.poisson(4, (6, 3, 5)).astype(float), known_levels(np.full((3, 6), 15.0))
    lead_times = np.broadcast_to(drawn.lead_time[:, None], demand.shape)
    plain = simulate(drawn, demand, policy)
    detailed = simulate(drawn, demand, policy, reality=Reality(lead_times, np.full(3, 99)))
    for name in ("orders", "on_hand", "short", "sold", "waste"):
        assert getattr(detailed, name) == approx(getattr(plain, name))
    assert not detailed.undelivered.any()


def test_what_never_arrives_is_not_paid_for_but_its_line_is():
    drawn = positions(1, 3, lead_time=1, order_cost=2.0)
    history = simulate(
        drawn,
        np.ones((3, 1, 1)),
        lambda known: np.full((1, 1), 5.0 if known.step == 0 else 0.0),
        reality=Reality(lead_times=np.full((3, 1, 1), 4)),
    )
    result = score(drawn, history)
    assert history.undelivered.tolist() == [[5.0]]
    assert (result.purchase, result.order_lines, result.shortage) == ([0.0], [2.0], [9.0])


class Wavering:
    """Plans one unit more in every later plan: 1, 1, 1, ... then 2, 2, ..."""

    def __call__(self, known):
        return self.orders_by_step(known)[0]

    def orders_by_step(self, known):
        return np.full((2, *known.on_hand.shape), 1.0 + known.step)


def test_nervousness_is_the_mean_change_of_a_dates_planned_order():
    # Reviewed at steps 0, 1, 2: plans (1, 1), (2, 2), (3, 3) share one date each time, and differ by one unit there.
    # Reviewed at 0 and 2: plans (1, 1) and (3, 3) of dates 0, 1 and 2, 3 share none.
    drawn = positions(2, 3, review_period=[1, 2])
    result = score(drawn, simulate(drawn, np.ones((3, 2, 4)), Wavering()))
    assert result.nervousness == approx([1.0, np.nan], nan_ok=True)
    assert np.isnan(score(drawn, simulate(drawn, np.ones((3, 2, 4)), known_levels(np.ones((2, 3))))).nervousness).all()


def test_only_successive_plans_are_compared_and_less_counts_like_more():
    # Plans 5, 5, 5 of dates 0 to 2, then 3 of date 1 (2 less), then 9 of date 2: of that the last plan said nothing.
    changes, reviewed = PlanChanges((3, 1, 1)), np.array([True])
    for step, plan in enumerate(([5.0, 5.0, 5.0], [3.0], [9.0])):
        changes.add(step, np.array(plan)[:, None, None], reviewed)
    assert changes.mean() == approx([2.0])


def test_score_counts_lines_waste_and_turns():
    # 6 units on the shelf, 1 wanted a step, good for 2 steps: 5, then 4 are left, and these are thrown away. 2 sold, then none.
    drawn = positions(1, 3, on_hand=6.0)
    nothing = known_levels(np.zeros((1, 3)))
    result = score(drawn, simulate(drawn, np.ones((3, 1, 1)), nothing, reality=Reality(shelf_life=np.array([2]))))
    assert (result.waste, result.sold, result.n_order_lines) == ([4.0], [2.0], [0.0])
    assert result.mean_on_hand == approx([5 / 3])
    assert result.turns == approx([2 / (5 / 3)])


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


@settings(deadline=None)
@given(instance=late_instances(backorders=True, perishable=True), waits=st.booleans(), seed=st.integers(0, 99))
def test_what_is_ordered_up_to_levels_does_not_depend_on_who_is_asked(instance, waits, seed):
    # Compiled, or as any policy that is asked at every review: late orders, what expires and packs included.
    drawn, demand = instance
    drawn = drawn if waits else replace(drawn, backorders=np.zeros(drawn.n_series))
    lacking = np.random.default_rng(seed).integers(0, 9, (drawn.n_series, len(demand)))
    policy = OrderUpTo(drawn, drawn.inventory_position[:, None] + lacking)
    reality = Reality(shelf_life=drawn.shelf_life)
    compiled, asked = (simulate(drawn, demand, one, backorders=waits, reality=reality) for one in (policy, policy.__call__))
    for name, units in vars(asked).items():
        assert vars(compiled)[name] == approx(units, nan_ok=True), name


@pytest.mark.parametrize("multiple", [1.0, 3.0])
def test_orders_up_to_levels_round_to_the_nearest_line(multiple):
    n_series = 40  # each lacks half a unit more than the one before it
    drawn = positions(n_series, 2, min_order_quantity=8.0, order_multiple=multiple, max_order_quantity=15.0)
    lacking = np.arange(n_series)[:, None] / 2
    orders = simulate(drawn, np.zeros((2, n_series, 1)), OrderUpTo(drawn, np.repeat(lacking, 2, axis=1))).orders
    np.testing.assert_array_equal(orders[0], nearest_line(drawn, lacking))
