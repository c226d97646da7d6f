"""Planning problems solved by hand; each docstring holds the arithmetic."""

import numpy as np
from pytest import approx

from replen.evaluate.simulation import score, simulate
from replen.plan.outcome import plan_series
from replen.plan.policies.fixed_cycle import simple_rule_levels
from replen.plan.positions import Positions


def one_series(horizon, **changed):
    """Return one series with c=1, h=0.5, p=4, v=0, nothing in stock, lead time 0, orders in single units; or as changed."""
    plain = {
        "on_hand": 0.0, "backorders": 0.0, "receipts": [0.0] * horizon, "lead_time": 0, "review_period": 1,
        "order_multiple": 1.0, "min_order_quantity": 0.0, "max_order_quantity": np.inf, "unit_cost": 1.0, "holding_cost": 0.5,
        "lost_sale_cost": 4.0, "backorder_cost": 0.0, "order_cost": 0.0, "end_value": 0.0,
    }  # fmt: skip
    assert set(changed) <= set(plain)
    return Positions(**{name: np.array([value]) for name, value in (plain | changed).items()})


def paths(*rows):
    """Return demand (horizon, 1, n_paths) from one row of steps a path."""
    return np.array(rows, dtype=float).T[:, None, :]


def test_newsvendor_from_paths():
    """One period, demand 1, 2, ..., 10 with equal chance.

    A unit short costs p - c = 3, a unit left over costs c + h - v = 1.5: critical ratio 3 / 4.5 = 2/3, so the smallest q with
    P(D <= q) >= 2/3 is 7. Cost: purchase 7; left over (6+5+4+3+2+1)/10 = 2.1 at 0.5 = 1.05; lost (1+2+3)/10 = 0.6 at 4 = 2.4;
    total 10.45. (q = 6 costs 6 + 1.5 * 0.5 + 1 * 4 = 10.75, q = 8 costs 8 + 2.8 * 0.5 + 0.3 * 4 = 10.6.)
    """
    outcome = plan_series(one_series(1), paths(*[[d] for d in range(1, 11)]))
    assert outcome.quantities.tolist() == [[7.0]]
    assert outcome.feasible_cost == approx([10.45])
    assert outcome.dual_bound == approx([10.45])


def test_one_period_with_stock_and_a_receipt():
    """Demand 5 or 9; 2 on the shelf, 1 arriving.

    Short costs 3, left over 1.5: ratio 2/3 > 1/2, so cover 9: order 6. Cost: 6 + (4 * 0.5) / 2 = 7. What orders nothing loses
    2 or 6 units: 4 * 4 = 16.
    """
    outcome = plan_series(one_series(1, on_hand=2.0, receipts=[1.0]), paths([5], [9]))
    assert outcome.quantities.tolist() == [[6.0]]
    assert outcome.feasible_cost == approx([7.0])


def test_two_periods_with_lead_time_one():
    """Lead time 1, horizon 2, stock 3: today's order is on the shelf at the start of step 1; an order of step 1 comes too late.

    Path A wants 1 then 4: 2 are left, and 2 more are needed. Path B wants 5 then 3: 2 are lost whatever is done, 0 are left,
    and 3 are needed. Short costs 3, left over 1.5: ratio 2/3 > 1/2, so cover both: order 3. Step 0: holding (2 + 0) / 2 * 0.5 =
    0.5, lost (0 + 2) / 2 * 4 = 4: constant 4.5. Step 1: purchase 3, left over (1 + 0) / 2 * 0.5 = 0.25. Total 7.75. On net
    position (mean demand 6.5 - stock 3) one would have ordered 4 and held what the lost sale left over.
    """
    outcome = plan_series(one_series(2, on_hand=3.0, lead_time=1), paths([1, 4], [5, 3]))
    assert outcome.quantities.tolist() == [[3.0, 0.0]]
    assert outcome.constant_cost == approx([4.5])
    assert outcome.feasible_cost == approx([7.75])
    assert outcome.stock_at_arrival == approx([1.0])
    assert outcome.receipts.tolist() == [[0.0, 3.0]]


def test_packs_of_four():
    """Two periods, certain demand 3 and 3, packs of 4, c=1, h=0.5, p=4, v=0.

    The program orders 3 and 3 for 6. Whole packs: (4, 4): 8 + 1 * 0.5 + 2 * 0.5 = 9.5; (8, 0): 8 + 5 * 0.5 + 2 * 0.5 = 11.5;
    (4, 0): 4 + 1 * 0.5 + 2 * 4 = 12.5; (0, 4): 4 + 3 * 4 + 0.5 = 16.5; nothing: 24. So (4, 4):
    one unit more than asked for today. No plan in whole packs costs less, and the bound says so.
    """
    outcome = plan_series(one_series(2, order_multiple=4.0), paths([3, 3]))
    assert outcome.targets.tolist() == [[3.0, 3.0]]
    assert outcome.dual_bound == approx([9.5])
    assert outcome.quantities.tolist() == [[4.0, 4.0]]
    assert outcome.feasible_cost == approx([9.5])
    assert outcome.binding.tolist() == ["order_multiple"]


def test_a_minimum_merges_two_orders():
    """Certain demand 3 and 3, a line has at least 6.

    (6, 0) costs 6 + 3 * 0.5 = 7.5; (6, 6) 12 + 3 * 0.5 + 6 * 0.5 = 16.5; (0, 6) 6 + 3 * 4 + 3 * 0.5 = 19.5; nothing 24.
    """
    outcome = plan_series(one_series(2, min_order_quantity=6.0), paths([3, 3]))
    assert outcome.quantities.tolist() == [[6.0, 0.0]]
    assert outcome.feasible_cost == approx([7.5])
    assert outcome.binding.tolist() == ["min_order_quantity"]


def test_an_order_line_that_costs_more_than_a_period_of_holding_merges_too():
    """Order line 2, demand 3 and 3: two lines 6 + 4 = 10; one line 6 + 2 + 3 * 0.5 = 9.5."""
    outcome = plan_series(one_series(2, order_cost=2.0), paths([3, 3]))
    assert outcome.quantities.tolist() == [[6.0, 0.0]]
    assert outcome.feasible_cost == approx([9.5])


def test_the_largest_order_moves_demand_forward():
    """Certain demand 2 and 6, at most 5 a line: 3 today (1 kept for step 1) and 5 then: 8 + 1 * 0.5 = 8.5."""
    outcome = plan_series(one_series(2, max_order_quantity=5.0), paths([2, 6]))
    assert outcome.quantities.tolist() == [[3.0, 5.0]]
    assert outcome.feasible_cost == approx([8.5])
    assert outcome.dual_bound == approx([8.5])


def test_end_value_keeps_the_last_order_up():
    """One period, demand 0, 4 or 8. v=0: ratio 3/4.5 = 2/3: q = 4. v = 1: left over costs c + h - v = 0.5, ratio 6/7: q = 8."""
    demand = paths([0], [4], [8])
    assert plan_series(one_series(1), demand).quantities.tolist() == [[4.0]]
    assert plan_series(one_series(1, end_value=1.0), demand).quantities.tolist() == [[8.0]]


def test_backorders_are_served_first():
    """5 owed, 2 on the shelf, 1 arriving at step 0, lead time 1, certain demand 0 and 4: order 2 owed + 4 wanted = 6."""
    outcome = plan_series(one_series(2, on_hand=2.0, backorders=5.0, receipts=[1.0, 0.0], lead_time=1), paths([0, 4]))
    assert outcome.quantities.tolist() == [[6.0, 0.0]]
    assert outcome.feasible_cost == approx([6.0])


def test_simple_rule():
    """Lead time 1, review 1, two paths: demand over two steps 4 or 8: mean 6, sd 2; z(0.975) = 1.95996: level 9.91993.

    At step 2 of 3 the interval would pass the end, so the last that fits (steps 1 and 2) is taken: 6 or 8, mean 7, sd 1.
    """
    levels = simple_rule_levels(one_series(3, lead_time=1), paths([1, 3, 3], [4, 4, 4]), cycle_service_level=0.975)
    assert levels == approx(np.array([[6 + 1.95996 * 2, 7 + 1.95996 * 1, 7 + 1.95996 * 1]]), abs=1e-4)


def test_lost_sales_and_backorders_in_the_simulator():
    """Stock 3, lead time 1, order 4 at step 0 and 1 at step 1; demand 5, 1, 6; h=0.5, p=4, b=2, c=1.

    Lost: step 0 sells 3, loses 2; step 1 receives 4, sells 1, keeps 3; step 2 receives 1, sells 4, loses 2. Holding 3 * 0.5,
    lost 4 * 4, purchase 5: 22.5; sold 8 of 12. Backorders: step 0 owes 2; step 1 serves 2 and 1, keeps 1; step 2 has 2, owes
    4: holding 1 * 0.5, owed (2 + 4) * 2, purchase 5: 17.5; at once sold 3 + 1 + 2 = 6.
    """
    series, demand = one_series(3, on_hand=3.0, lead_time=1, backorder_cost=2.0), paths([5, 1, 6])
    orders = np.array([4.0, 1.0, 9.0])
    lost = score(series, simulate(series, demand, lambda known: orders[known.step].reshape(1, 1)))
    late = score(
        series,
        simulate(series, demand, lambda known: orders[known.step].reshape(1, 1), backorders=True),
        backorders=True,
    )
    assert (lost.cost, lost.sold, lost.fill_rate) == (approx([22.5]), approx([8.0]), approx([8 / 12]))
    assert (late.cost, late.sold, late.cycle_service_level) == (approx([17.5]), approx([6.0]), approx([1 / 3]))


def test_stock_projected_to_delivery_beats_cover_on_net_position():
    """Lead time 2, nothing in stock, forecast 4 a week, demand 4, 4, 4, 4, 4: h=0.2, p=1, weeks 2 to 4 scored, c=v=0.

    Cover: up to four weeks' demand: 16, then 16 - 16 = 0 (the first two weeks' sales were lost, the position did not move),
    then 0. Week 2 sells 4 and keeps 12, week 3 keeps 8, week 4 keeps 4: 24 * 0.2 = 4.8. Projection to the delivery week: 4,
    then 4, then 4 (each time the stock then expected is 0): nothing kept, nothing lost: 0.
    """
    series = one_series(5, lead_time=2, unit_cost=0.0, holding_cost=0.2, lost_sale_cost=1.0)
    demand = paths([4, 4, 4, 4, 4])

    def cover(known):
        return np.maximum(16.0 - known.inventory_position, 0.0)

    def project_to_delivery(known):
        first = np.maximum(known.on_hand + known.due[0] - 4.0, 0.0)
        return np.maximum(4.0 - np.maximum(first + known.due[1] - 4.0, 0.0), 0.0)

    covered, projected = (simulate(series, demand, policy) for policy in (cover, project_to_delivery))
    assert covered.orders[:3].ravel().tolist() == [16.0, 0.0, 0.0]
    assert projected.orders[:3].ravel().tolist() == [4.0, 4.0, 4.0]
    assert score(series, covered, first_step=2).cost == approx([4.8])
    assert score(series, projected, first_step=2).cost == approx([0.0])
