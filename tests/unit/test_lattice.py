"""Whole packs with minimum quantities and line costs: every plan tried, a naive dynamic program, ties, coarse bounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.plan.chain import cost, solve, unreachable
from replen.plan.lattice import OrderLines, last_states, line_costs, placeable, smallest_packs, solve_lattice
from tests.unit.chain_instances import cheapest_plan, drawn_chains
from tests.unit.test_chain_solver import one_chain


def drawn(seed, n_steps, n_points, *, most=np.inf):
    """Return chains in packs, and lines; no order has more than `most` packs."""
    rng = np.random.default_rng(seed)
    chains = drawn_chains(rng, 3, n_steps=n_steps, n_points=n_points, packs=True)
    chains = replace(chains, multiple=np.maximum(chains.multiple, 0.3))
    chains = replace(chains, limit=np.minimum(chains.limit, most * chains.multiple[:, None]))
    lines = OrderLines(rng.choice([0, 1, 2, 3.5], 3) * chains.multiple, rng.choice([0.0, 0.0, 0.5, 30.0], 3))
    return placeable(chains, lines), lines


def naive_least_cost(chains, row, *, smallest, line_cost, most):
    """Return one series' least cost of at most `most` packs in all: every step from every total to every other."""
    one, multiple = chains.take(np.array([row])), chains.multiple[row]
    states = np.arange(most + 1)
    floor = np.where(np.isinf(one.shortfall[0]), one.floor[0] - unreachable(one)[0], -np.inf)
    value = np.where(states == 0, one.constant[0], np.inf)
    for step, limit in enumerate(one.limit[0]):
        best = np.full(most + 1, np.inf)
        for total in states:
            y = total * multiple
            own = one.slope[0, step] * y + one.jump[0, step] * np.maximum(y - one.at[0, step], 0).sum()
            if np.isfinite(one.shortfall[0, step]):
                own += one.shortfall[0, step] * max(one.floor[0, step] - y, 0)
            packs = total - states
            allowed = (packs == 0) | ((packs >= smallest) & (packs * multiple <= limit + 1e-9))
            ways = np.where(allowed, value + line_cost * (packs > 0), np.inf)
            best[total] = ways.min() + own if y >= floor[step] - 1e-9 else np.inf
        value = best
    return value.min()


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 4), n_points=st.integers(1, 5))
def test_lattice_costs_what_the_best_of_all_plans_costs(seed, n_steps, n_points):
    chains, lines = drawn(seed, n_steps, n_points, most=5)
    solved, smallest = solve_lattice(chains, lines), smallest_packs(chains, lines)
    np.testing.assert_array_equal(solved.lower_bound, solved.cost)
    for row in range(3):
        least, total = cheapest_plan(chains.take(np.array([row])), 5, smallest=smallest[row], line_cost=lines.line_cost[row])
        assert solved.cost[row] == approx(least, rel=1e-9, abs=1e-9)
        assert solved.quantities[row].sum() == approx(total)


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 7), n_points=st.integers(1, 5))
def test_totals_that_are_not_tried_would_not_pay(seed, n_steps, n_points):
    chains, lines = drawn(seed, n_steps, n_points)
    solved, smallest, most = solve_lattice(chains, lines), smallest_packs(chains, lines), last_states(chains, lines)
    for row in range(3):
        if most[row] < 60:
            least = naive_least_cost(
                chains, row, smallest=smallest[row], line_cost=lines.line_cost[row], most=int(2 * most[row]) + 5
            )
            assert solved.cost[row] == approx(least, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 7))
def test_plans_keep_to_their_lines(seed, n_steps):
    chains, lines = drawn(seed, n_steps, 4)
    solved = solve_lattice(chains, lines)
    packs = solved.quantities / chains.multiple[:, None]
    np.testing.assert_allclose(packs, np.round(packs), atol=1e-9)
    assert ((packs < 0.5) | (solved.quantities >= lines.smallest[:, None] - 1e-9)).all()
    assert solved.cost == approx(cost(chains, solved.quantities) + line_costs(lines, solved.quantities))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 7))
def test_without_lines_the_lattice_is_the_chain(seed, n_steps):
    chains, _ = drawn(seed, n_steps, 4)
    solved = solve_lattice(chains, OrderLines(np.zeros(3), np.zeros(3)))
    quantities = solve(chains)
    assert solved.cost == approx(cost(chains, quantities), rel=1e-9, abs=1e-9)
    assert solved.quantities.sum(axis=1) == approx(quantities.sum(axis=1))


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 8), max_states=st.sampled_from([4, 15, 60]))
def test_a_coarse_search_brackets_the_exact_one(seed, n_steps, max_states):
    chains, lines = drawn(seed, n_steps, 4)
    exact, coarse = solve_lattice(chains, lines), solve_lattice(chains, lines, max_states=max_states)
    slack = 1e-9 * np.maximum(1.0, np.abs(exact.cost))
    assert (coarse.lower_bound <= exact.cost + slack).all()
    assert (coarse.cost >= exact.cost - slack).all()
    assert coarse.cost == approx(cost(chains, coarse.quantities) + line_costs(lines, coarse.quantities))


@pytest.mark.parametrize("shortfall", [0.0, 3.0])
def test_a_coarse_search_of_a_fast_mover_is_near(shortfall):
    rng = np.random.default_rng(5)
    needs = np.sort(np.cumsum(rng.poisson(900.0, (8, 16)), axis=0), axis=1)
    floor = needs.mean(axis=1) + 1000
    chains = one_chain(needs, slope=-9.0, jump=10 / 16, multiple=1.0, floor=floor, shortfall=shortfall)
    lines = OrderLines(np.array([1500.0]), np.array([700.0]))
    exact, coarse = solve_lattice(chains, lines), solve_lattice(chains, lines, max_states=1000)
    constant = 9 * needs.mean(axis=1).sum()
    assert exact.cost == exact.lower_bound
    assert coarse.lower_bound < exact.cost < coarse.cost
    assert (coarse.cost - coarse.lower_bound) / (exact.cost + constant) < 0.02


def test_the_bound_knows_lines_that_a_coarse_search_cannot_place():
    """Need 11, lines of at least 11: F(11) = -33. In groups of 5, two groups further is 6 to 14 packs further."""
    chains, lines = one_chain([[11]], slope=-3.0, jump=4.0, multiple=1.0), OrderLines(np.array([11.0]), np.zeros(1))
    assert solve_lattice(chains, lines).cost.tolist() == [-33.0]
    coarse = solve_lattice(chains, lines, max_states=5)
    assert coarse.lower_bound.tolist() == [-33.0]
    assert coarse.quantities.tolist() == [[15.0]]


def test_of_equally_cheap_plans_the_one_that_orders_last_is_taken():
    """Need 4 at the end, earlier units cost nothing: the chain and the lattice wait."""
    chains = one_chain([[0], [0], [4]], slope=[0.0, 0.0, -3.0], jump=[0.0, 0.0, 4.0], multiple=1.0)
    assert solve(chains).tolist() == [[0.0, 0.0, 4.0]]
    assert solve_lattice(chains, OrderLines(np.zeros(1), np.zeros(1))).quantities.tolist() == [[0.0, 0.0, 4.0]]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_plans_do_not_depend_on_company_or_order(seed, data):
    chains, lines = drawn(seed, 6, 4)
    rows = np.array(data.draw(st.permutations(range(3))))
    together, shuffled = solve_lattice(chains, lines), solve_lattice(chains.take(rows), lines.take(rows))
    alone = solve_lattice(chains.take(rows[:1]), lines.take(rows[:1]))
    np.testing.assert_array_equal(shuffled.quantities, together.quantities[rows])
    np.testing.assert_array_equal(alone.quantities, together.quantities[rows[:1]])


def test_packs_that_pay_without_end_are_no_plan():
    chains = one_chain([[2]], slope=-3.0, jump=1.0, multiple=1.0)
    assert np.isnan(solve_lattice(chains, OrderLines(np.array([2.0]), np.zeros(1))).cost).all()


def test_prices_that_cancel_but_for_rounding_errors_do_not_pay_without_end():
    """A unit more changes nothing: 0.7 + 0.1 - 0.8, which in binary is less than 0."""
    chains = one_chain([[0]] * 4, slope=[0.0, -0.8, 0.1, 0.7], jump=0.0, multiple=1.0)
    assert chains.slope.sum() < 0
    assert solve_lattice(chains, OrderLines(np.array([2.0]), np.zeros(1))).quantities.tolist() == [[0.0] * 4]


def test_a_limit_below_the_smallest_line_lets_nothing_arrive():
    """Floor 4, lines of at least 3: at step 0 at most 2 could come, so nothing does, and all of the floor is missing there."""
    chains = one_chain([[0], [0]], slope=0.0, limit=[2.0, 5.0], floor=4.0, shortfall=np.inf, multiple=1.0)
    lines = OrderLines(np.array([3.0]), np.zeros(1))
    left = placeable(chains, lines)
    assert unreachable(left).tolist() == [[4.0, 0.0]]
    assert solve_lattice(left, lines).quantities.tolist() == [[0.0, 4.0]]
