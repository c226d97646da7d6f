"""Policies of two textbooks, computed by hand; each docstring holds the arithmetic.

S&S = Snyder & Shen, Fundamentals of Supply Chain Theory (ch. 3 EOQ, ch. 4 newsvendor, base stock and (s,S), ch. 5 (r,Q));
SPT = Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains (ch. 6). The problems are theirs in kind;
every number asserted is derived in the docstring.
"""

from dataclasses import replace

import numpy as np
import pytest
from pytest import approx
from scipy.stats import norm, poisson

from replen.evaluate.simulation import score, simulate
from replen.evaluate.tuning import Window, grid_search
from replen.plan.policies.named import fixed_cycle, hybrid
from replen.plan.policies.planned import planned
from replen.plan.policies.reorder_point import ReorderUpTo, economic_lot
from replen.plan.policies.service import (
    CriticalRatio,
    CycleService,
    FillRate,
    order_up_to_levels,
    service_levels,
    standard_loss,
)
from tests.golden.test_plan_by_hand import one_series

N = 100_000


def normal(mean, deviation, *, n_steps=1):
    """Return paths of independent normal demand, (n_steps, 1, N), with exactly this mean and deviation in every step.

    Step k holds the quantiles of the normal in an order of its own, so that sums over steps are normal too.
    """
    quantiles = norm.ppf((np.arange(N) + 0.5) / N)
    quantiles *= deviation / quantiles.std()
    rng = np.random.default_rng(0)
    return mean + np.stack([rng.permutation(quantiles) for _ in range(n_steps)])[:, None]


def test_newsvendor():
    """S&S ch. 4: newspapers, holding h = 0.18, shortage p = 0.70, demand normal, mean 50, deviation 8.

    Critical ratio 0.70 / 0.88 = 0.79545; z = 0.82553; S = 50 + 0.82553 * 8 = 56.604. Cost (h + p) phi(z) sigma
    = 0.88 * 0.28374 * 8 = 1.9976.
    """
    demand = normal(50.0, 8.0)
    series = one_series(1, unit_cost=0.0, holding_cost=0.18, lost_sale_cost=0.70)
    level = order_up_to_levels(series, demand, [CriticalRatio()])
    assert level == approx(56.604, abs=2e-3)
    assert order_up_to_levels(series, demand, [CycleService(0.70 / 0.88, normal=True)]) == approx(56.604, abs=1e-3)
    cost = score(series, simulate(series, demand, lambda _: level)).cost
    assert cost == approx([1.9976], abs=2e-3)


def test_base_stock_with_a_lead_time():
    """S&S ch. 4: the same papers with lead time 4 and backorders: demand of 5 periods counts.

    Mean 5 * 50 = 250, deviation 8 * sqrt(5) = 17.889; S = 250 + 0.82553 * 17.889 = 264.77. Safety stock 14.77. Cost a period
    0.88 * 0.28374 * 17.889 = 4.467, from the period of the first delivery on.
    """
    demand = normal(50.0, 8.0, n_steps=9)
    series = one_series(9, unit_cost=0.0, holding_cost=0.18, lost_sale_cost=0.70, backorder_cost=0.70, lead_time=4)
    series = replace(series, order_multiple=np.array([1e-6]))
    rule = fixed_cycle(series, demand, [CycleService(0.70 / 0.88, normal=True)])
    assert rule.levels[0, 0] == approx(264.77, abs=0.3)
    plan = planned(rule, demand, backorders=True)
    assert plan.safety_stock == approx([14.77], abs=0.3)
    history = simulate(series, demand, rule, backorders=True)
    steady = score(series, history, backorders=True, first_step=4)
    assert steady.cost / 5 == approx([4.467], rel=0.01)


def test_economic_order_quantity():
    """S&S ch. 3: candy bars, K = 8, h = 0.225 a year, 1,300 a year: Q = sqrt(2 * 8 * 1,300 / 0.225) = 304.05.

    Cost of lines and holding sqrt(2 * 8 * 1,300 * 0.225) = 68.41 a year: 8 * 1,300 / 304.05 + 0.225 * 304.05 / 2
    = 34.205 + 34.206.
    """
    series = one_series(1, order_cost=8.0, holding_cost=0.225, order_multiple=0.01)
    lot = economic_lot(series, np.full((1, 1, 1), 1300.0))
    assert lot == approx([304.05], abs=0.01)
    assert 8 * 1300 / lot + 0.225 * lot / 2 == approx([68.41], abs=0.01)


def test_reorder_point_for_a_cycle_service_level():
    """SPT ch. 6 (P1): lead time demand 58.3, deviation 13.1, P1 = 0.90: k = 1.2816, safety stock 16.79, s = 75.09."""
    demand = normal(58.3, 13.1)
    levels = service_levels(one_series(1), demand, demand, [CycleService(0.90, normal=True)])
    assert levels == approx(58.3 + 1.2816 * 13.1, abs=1e-2)
    assert service_levels(one_series(1), demand, demand, [CycleService(0.90)]) == approx(75.09, abs=0.02)


def test_reorder_point_for_a_fill_rate():
    """SPT ch. 6 (P2): lots Q = 200, lead time demand 50, deviation 11.4, P2 = 0.99.

    G(k) = (Q / sigma) (1 - P2) = 17.544 * 0.01 = 0.17544; G(0.5775) = phi(0.5775) - 0.5775 * Phi(-0.5775) = 0.33767 -
    0.5775 * 0.28180 = 0.17493, G(0.5757) = 0.17544: k = 0.5757 and s = 50 + 0.5757 * 11.4 = 56.56. What is short before the
    lot begins, 19 deviations below, is nothing.
    """
    assert standard_loss(np.array([0.5775, 0.5757])) == approx([0.17493, 0.17544], abs=2e-5)
    demand = normal(50.0, 11.4)
    for target in (FillRate(0.99, normal=True), FillRate(0.99)):
        assert service_levels(one_series(1), demand, demand - 200.0, [target]) == approx(56.56, abs=0.02)


def test_order_up_to_level_for_a_fill_rate():
    """SPT ch. 6 (R,S): demand 100 a period, deviation 20, lead time 1, review period 2, P2 = 0.98, three periods protected.

    Mean 300, deviation 20 sqrt(3) = 34.641. Short a cycle: sigma G(k) = (1 - 0.98) * 200 = 4, so G(k) = 0.11547: k = 0.8227
    (phi(k) = 0.28440, Phi(-k) = 0.20535, G = 0.28440 - 0.8227 * 0.20535 = 0.11546); S = 300 + 0.8227 * 34.641 = 328.50. After
    the first of the three periods nothing is short of that level.
    """
    demand = normal(100.0, 20.0, n_steps=3)
    series = one_series(3, lead_time=1, review_period=2)
    for target, near in ((FillRate(0.98, normal=True), 0.2), (FillRate(0.98), 0.3)):
        assert order_up_to_levels(series, demand, [target])[0, 0] == approx(328.50, abs=near)


def test_r_q_of_economic_lot_and_safety_stock():
    """S&S ch. 5, the heuristic EOQ + safety stock: 1,300 a year, deviation 150, lead time a month, K = 8, h = 0.225, p = 7.5.

    Lead time demand 1,300 / 12 = 108.33, deviation 150 / sqrt(12) = 43.30; ratio 7.5 / 7.725 = 0.97087, z = 1.8934;
    r = 108.33 + 1.8934 * 43.30 = 190.32, Q = 304.05 as in the EOQ.
    """
    demand = normal(108.333, 43.301)
    levels = service_levels(one_series(1), demand, demand, [CycleService(7.5 / 7.725, normal=True)])
    assert levels == approx(190.32, abs=0.05)


def exact_cost(s, S, *, fixed=5.0, holding=1.0, short=4.0, mean=6.0):  # noqa: N803
    """Return the long-run cost a period of (s,S) without a lead time: a cycle's expected cost over its expected length.

    Visits m(j) to S - j within a cycle: m(0) = 1 / (1 - P(0)), m(j) = sum over 0 < i <= j of P(i) m(j - i) / (1 - P(0)).
    """
    chance, depth = poisson.pmf(np.arange(200), mean), S - s
    visits = np.zeros(depth)
    for j in range(depth):
        visits[j] = ((j == 0) + sum(chance[i] * visits[j - i] for i in range(1, j + 1))) / (1 - chance[0])
    left = S - np.arange(depth)[:, None] - np.arange(200)
    period = (holding * np.maximum(left, 0) + short * np.maximum(-left, 0)) @ chance
    return (fixed + visits @ period) / visits.sum()


def test_s_s_with_poisson_demand():
    """S&S ch. 4 (s,S): demand Poisson with mean 6, K = 5, h = 1, b = 4, no lead time, backorders: (4, 10) costs 8.034.

    By renewal: a cycle starts at 10 and ends when the position is at 4 or below. With m(j) visits to 10 - j (m(0) = 1.00249,
    m(1) = 0.01495, ...) cost = (5 + sum m(j) L(10 - j)) / sum m(j), L(y) = E[(y - D)+] + 4 E[(D - y)+]: 8.034, and no
    neighbour costs less. Tuning on simulated cost must find it among levels far enough apart to tell, and the simulator must
    give those costs.
    """
    assert exact_cost(4, 10) == approx(8.034, abs=1e-3)
    assert min(((s, S) for s in range(8) for S in range(s + 1, 16)), key=lambda pair: exact_cost(*pair)) == (4, 10)

    candidates = [(s, S) for s in (3, 4, 5) for S in (8, 10, 12)]
    n_steps, rng = 40, np.random.default_rng(1)
    demand = rng.poisson(6, (n_steps, 1, 20_000)).astype(float)
    series = one_series(n_steps, on_hand=10.0, unit_cost=0.0, holding_cost=1.0, backorder_cost=4.0, order_cost=5.0)

    def policy(_, pair):
        return ReorderUpTo(series, *(np.full((1, n_steps), float(level)) for level in pair))

    tuned = grid_search([Window(series, demand, first_step=10, backorders=True)], policy, candidates)
    assert tuned.best() == (4, 10)
    for pair, cost in zip(candidates, tuned.costs[:, 0, 0], strict=True):
        assert cost / 30 == approx(exact_cost(*pair), rel=0.01)


@pytest.mark.parametrize("review_period", [1, 2])
def test_hybrid_is_its_levels(review_period):
    """(R,s,S), certain demand 10 a step, lead time 1, K = 20, h = 1: Q = sqrt(2 * 20 * 10 / 1) = 20; s covers 1 + R steps.

    R = 1: s = 20, S = 40; R = 2: s = 30, S = 50. With 40 on the shelf neither orders at step 0. At step 2, with 20 left, the
    first orders 20, the second 30; at step 1, with 30, the first does not, and the second does not look.
    """
    series = one_series(6, on_hand=40.0, lead_time=1, review_period=review_period, order_cost=20.0, holding_cost=1.0)
    rule = hybrid(series, np.full((6, 1, 2), 10.0), [CycleService(0.9)])
    assert rule.reorder_point[0, 0] == 10.0 * (1 + review_period)
    assert rule.order_up_to_level[0, 0] == 10.0 * (1 + review_period) + 20
    plan = planned(rule, np.full((6, 1, 2), 10.0))
    assert plan.quantities[0, :3].tolist() == [0.0, 0.0, 20.0 if review_period == 1 else 30.0]
    assert plan.next_order.tolist() == [2]
