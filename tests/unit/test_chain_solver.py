"""The chain solver: least cost by HiGHS on 10,000 instances, by trying every plan for packs, ties, limits and ends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.plan.chain import Chains, cost, solve, unreachable, worthwhile
from tests.unit.chain_instances import cheapest_plan, drawn_chains, least_costs

BLOCKS, BLOCK = 100, 100


def one_chain(at, *, slope, jump=1.0, limit=np.inf, multiple=0.0, **optional):
    """Return one chain; `at` has a row of points a step."""
    points = np.atleast_2d(np.array(at, dtype=float))
    shape = (1, len(points))
    given = {"slope": slope, "jump": jump, "limit": limit, **optional}
    arrays = {name: np.array(np.broadcast_to(np.array(value, dtype=float), shape)) for name, value in given.items()}
    return Chains(at=points[None], constant=np.zeros(1), multiple=np.array([multiple]), **arrays)


def naive_cost(chains, row, quantities):
    """Return one chain's cost from its definition."""
    y, total = 0.0, chains.constant[row]
    for step, u in enumerate(quantities):
        y += u
        total += chains.slope[row, step] * y
        total += sum(chains.jump[row, step] * max(y - at, 0) for at in chains.at[row, step])
        if np.isfinite(chains.shortfall[row, step]):
            total += chains.shortfall[row, step] * max(chains.floor[row, step] - y, 0)
    return total


@pytest.mark.parametrize("n_steps", [1, 5])
def test_a_further_line_pays_up_to_what_is_worthwhile_and_not_beyond(n_steps):
    rng, n, accuracy = np.random.default_rng(4), 3000, 1e-6
    drawn = drawn_chains(rng, n, n_steps=n_steps, n_points=6)
    chains = replace(drawn, shortfall=np.minimum(drawn.shortfall, 7.0), limit=np.full(drawn.limit.shape, np.inf))
    plan, first = rng.poisson(3, (n, n_steps)).astype(float), rng.integers(0, n_steps, n)
    line = rng.choice([1e-3, 1.0, 6.0, 30.0], n)
    units = worthwhile(chains, plan, first, line, accuracy=accuracy)

    def saved(today):
        tried, more = plan.copy(), plan.copy()
        tried[np.arange(n), first], more[np.arange(n), first] = today, today + line
        return cost(chains, tried) - cost(chains, more)

    noise, below, always = 1e-9 * (1 + np.abs(cost(chains, plan))), units > 2 * accuracy, np.isinf(units)
    assert np.all((saved(np.where(always, 1e6, np.maximum(units - 2 * accuracy, 0.0))) > -noise)[below])
    assert np.all((saved(np.where(always, 0.0, units + 2 * accuracy)) <= noise)[~always])
    assert 0 < always.mean() < 0.5
    assert 0.2 < below.mean() < 0.95


def test_ten_thousand_chains_cost_what_highs_finds():
    rng = np.random.default_rng(20261121)
    for _ in range(BLOCKS):
        chains = drawn_chains(rng, BLOCK, n_steps=rng.integers(1, 9), n_points=rng.integers(1, 7))
        quantities, least = solve(chains), least_costs(chains)
        assert (quantities >= 0).all() and (quantities <= chains.limit).all()  # to the last bit
        scale = np.maximum(1.0, np.abs(least - chains.constant))
        np.testing.assert_array_less(np.abs(cost(chains, quantities) - least) / scale, 1e-6)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 14), n_points=st.integers(1, 9))
def test_chains_cost_what_highs_finds(seed, n_steps, n_points):
    chains = drawn_chains(np.random.default_rng(seed), 4, n_steps=n_steps, n_points=n_points)
    assert cost(chains, solve(chains)) == approx(least_costs(chains), rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 4), n_points=st.integers(1, 5))
def test_whole_packs_cost_what_the_best_of_all_plans_costs(seed, n_steps, n_points):
    chains = drawn_chains(np.random.default_rng(seed), 3, n_steps=n_steps, n_points=n_points, packs=True)
    chains = replace(chains, multiple=np.maximum(chains.multiple, 0.3))
    chains = replace(chains, limit=np.minimum(chains.limit, 5 * chains.multiple[:, None]))
    quantities = solve(chains)
    packs = quantities / chains.multiple[:, None]
    np.testing.assert_allclose(packs, np.round(packs), atol=1e-9)
    for row in range(3):
        least, total = cheapest_plan(chains.take(np.array([row])), most=5)
        assert cost(chains, quantities)[row] == approx(least, rel=1e-9, abs=1e-9)
        assert quantities[row].sum() == approx(total)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 6), packs=st.booleans())
def test_costs_are_those_of_the_definition(seed, n_steps, packs):
    rng = np.random.default_rng(seed)
    chains = drawn_chains(rng, 3, n_steps=n_steps, n_points=3, packs=packs)
    quantities = solve(chains)
    assert np.isfinite(cost(chains, quantities)).all()
    for row in range(3):
        assert cost(chains, quantities)[row] == approx(naive_cost(chains, row, quantities[row]))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), packs=st.booleans(), data=st.data())
def test_plans_do_not_depend_on_company_or_order(seed, packs, data):
    chains = drawn_chains(np.random.default_rng(seed), 5, n_steps=6, n_points=4, packs=packs)
    rows = np.array(data.draw(st.permutations(range(5))))
    together = solve(chains)
    np.testing.assert_array_equal(solve(chains.take(rows)), together[rows])
    np.testing.assert_array_equal(solve(chains.take(rows[:1])), together[rows[:1]])


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([1e-3, 12.0, 1e4]))
def test_units_scale_through(seed, factor):
    chains = drawn_chains(np.random.default_rng(seed), 4, n_steps=6, n_points=4)
    units, prices = ("at", "limit", "floor"), ("jump", "slope", "shortfall")
    scaled = replace(
        chains,
        **{name: getattr(chains, name) * factor for name in units},
        **{name: getattr(chains, name) / factor for name in prices},
    )
    assert cost(scaled, solve(scaled)) == approx(cost(chains, solve(chains)), rel=1e-9, abs=1e-9)


def test_what_all_series_share_is_given_once():
    chains = drawn_chains(np.random.default_rng(2), 4, n_steps=5, n_points=3)
    once = replace(chains, limit=np.full((1, 5), 4.0), jump=np.ones((1, 5)), floor=None, shortfall=None)
    each = replace(once, limit=np.full((4, 5), 4.0), jump=np.ones((4, 5)), floor=np.zeros((4, 5)), shortfall=np.zeros((4, 5)))
    np.testing.assert_array_equal(solve(once), solve(each))
    np.testing.assert_array_equal(cost(once, solve(once)), cost(each, solve(each)))


def test_a_newsvendor_chain():
    """Short 3, over 1, needs 1..8: slope -3, jump 4 / 8; the ratio 3/4 is met by the sixth: a tie with the seventh."""
    assert solve(one_chain([1, 2, 3, 4, 5, 6, 7, 8], slope=-3.0, jump=0.5)).tolist() == [[6.0]]


def test_ties_that_rounding_errors_would_break_go_to_the_smaller_total():
    """Slope -0.9 and nine kinks of 0.1: flat from the ninth to the tenth, though nine times 0.1 added up is below 0.9."""
    assert sum([0.1] * 9) - 0.9 < 0
    assert solve(one_chain(np.arange(10), slope=-0.9, jump=0.1)).tolist() == [[8.0]]


def test_a_limit_moves_an_order_forward():
    """Certain need 2 then 8, a unit owed 3, held 1, at most 5 a step: 3, then 5."""
    assert solve(one_chain([[2], [8]], slope=-3.0, jump=4.0, limit=5.0)).tolist() == [[3.0, 5.0]]


def test_a_limit_holds_to_the_last_bit():
    """Need 0.8 at the end, at most 0.3 then, earlier units cost: in binary 0.8 - (0.8 - 0.3) is more than 0.3."""
    quantities = solve(one_chain([[0.8], [0.8]], slope=[1.0, -3.0], jump=[0.0, 4.0], limit=[np.inf, 0.3]))
    assert quantities[0, 0] == approx(0.5)
    assert quantities[0, 1] == 0.3


def test_more_that_pays_without_end_is_no_number():
    chains = one_chain([[2], [8]], slope=-3.0, jump=1.0)
    assert np.isnan(solve(chains)).all()
    assert solve(replace(chains, limit=np.array([[4.0, 9.0]]))).tolist() == [[4.0, 9.0]]


def test_a_hard_floor_gives_way_as_little_as_it_must():
    """Floor 4 then 9, at most 3 a step: 3 and 6 can be there, 1 and 3 are missing; nothing is needed, so no unit more."""
    chains = one_chain([[0], [0]], slope=0.0, limit=3.0, floor=[4.0, 9.0], shortfall=np.inf)
    assert unreachable(chains).tolist() == [[1.0, 3.0]]
    assert solve(chains).tolist() == [[3.0, 3.0]]
    assert cost(chains, np.array([[3.0, 2.0]])).tolist() == [np.inf]
    late = replace(chains, floor=np.array([[0.0, 5.0]]))
    assert unreachable(late).tolist() == [[0.0, 0.0]]
    assert solve(late).tolist() == [[2.0, 3.0]]


def test_soft_floors_never_give_way_in_the_account():
    assert unreachable(one_chain([[0]], slope=0.0, limit=3.0, floor=4.0, shortfall=9.0)).tolist() == [[0.0]]
    assert unreachable(one_chain([[0]], slope=0.0)).tolist() == [[0.0]]


@pytest.mark.parametrize("quantities", [[[-1.0, 2.0]], [[4.0, 0.0]]])
def test_what_breaks_a_limit_costs_infinitely_much(quantities):
    chains = one_chain([[2], [2]], slope=-1.0, limit=3.0)
    assert cost(chains, np.array(quantities)).tolist() == [np.inf]
