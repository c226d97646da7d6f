"""Backorder programs as chains: their cost is the simulator's, their points keep means, and the solver is chosen by need."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.errors import PlanError
from replen.evaluate.simulation import score, simulate
from replen.plan.backorders import (
    StockCosts,
    backorder_chains,
    cumulative_demand,
    solve_backorders,
)
from replen.plan.chain import with_prices
from replen.plan.lattice import OrderLines, placeable, solve_lattice
from replen.plan.timing import by_arrival
from tests.unit.chain_instances import drawn_chains
from tests.unit.plan_instances import instances, positions


def chains_of(drawn, demand, n_points):
    """Return the chains of positions, and their order lines."""
    n_steps = len(demand)
    supply = (drawn.on_hand - drawn.backorders)[:, None] + np.cumsum(drawn.receipts, axis=1)
    chains = backorder_chains(
        cumulative_demand(demand, n_points) - supply[:, :, None],
        StockCosts(drawn.holding_cost, drawn.backorder_cost, drawn.end_value),
        limit=by_arrival(np.where(drawn.may_order, drawn.largest_order[:, None], 0.0), drawn.lead_time),
        multiple=drawn.order_multiple,
    )
    return with_prices(chains, np.repeat(drawn.unit_cost[:, None], n_steps, axis=1)), OrderLines(
        drawn.smallest_order, drawn.order_cost
    )


@settings(deadline=None, max_examples=150)
@given(instance=instances(backorders=True))
def test_a_plan_costs_what_the_simulator_counts(instance):
    drawn, demand = instance
    decided = solve_backorders(*chains_of(drawn, demand, demand.shape[2]))

    def order(known):
        arrival = np.minimum(known.step + drawn.lead_time, len(demand) - 1)
        units = decided.quantities[np.arange(drawn.n_series), arrival]
        return np.repeat(units[:, None], demand.shape[2], axis=1)

    history = simulate(drawn, demand, order, backorders=True)
    assert history.orders.mean(axis=2).sum(axis=0) == approx(decided.quantities.sum(axis=1))
    assert score(drawn, history, backorders=True).cost == approx(decided.cost)


def test_points_keep_the_mean_and_order():
    demand = np.random.default_rng(1).gamma(2.0, 3.0, (5, 3, 64))
    points = cumulative_demand(demand, 16)
    assert points.shape == (3, 5, 16)
    assert points.mean(axis=2) == approx(np.cumsum(demand, axis=0).mean(axis=2).T)
    assert (np.diff(points, axis=2) >= 0).all()
    np.testing.assert_array_equal(cumulative_demand(demand, 64), np.sort(np.cumsum(demand, axis=0).transpose(1, 0, 2), axis=2))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 6))
def test_whoever_solves_finds_what_the_lattice_finds(seed, n_steps):
    rng = np.random.default_rng(seed)
    chains = drawn_chains(rng, 4, n_steps=n_steps, n_points=4, packs=True)
    chains = replace(chains, multiple=np.maximum(chains.multiple, 0.3))
    lines = OrderLines(rng.choice([0, 1, 2, 3.5], 4) * chains.multiple, rng.choice([0.0, 0.0, 0.5, 30.0], 4))
    decided, searched = solve_backorders(chains, lines), solve_lattice(placeable(chains, lines), lines)
    assert decided.cost == approx(searched.cost, rel=1e-9, abs=1e-9)
    assert decided.lower_bound == approx(searched.lower_bound, rel=1e-9, abs=1e-9)
    assert decided.quantities.sum(axis=1) == approx(searched.quantities.sum(axis=1))


def test_who_solved_what():
    """Free of lines: chain. A line that costs: lattice, unless nothing is ordered. A unit that pays without end: no plan."""
    drawn = positions(
        4, 2, on_hand=[0.0, 0.0, 99.0, 0.0], order_cost=[0.0, 3.0, 3.0, 0.0], end_value=[0.5, 0.5, 0.5, 1.5], backorder_cost=5.0
    )
    decided = solve_backorders(*chains_of(drawn, np.full((2, 4, 2), 4.0), 2))
    assert decided.solver.tolist() == ["chain", "lattice", "chain", "none"]
    assert np.isnan(decided.cost).tolist() == [False, False, False, True]
    assert decided.quantities[:3].tolist() == [[4.0, 4.0], [8.0, 0.0], [0.0, 0.0]]


def test_lines_without_packs_are_refused():
    chains, lines = chains_of(positions(2, 2, order_cost=1.0), np.ones((2, 2, 1)), 1)
    with pytest.raises(PlanError, match="order_multiple is 0 for 1 series"):
        solve_backorders(replace(chains, multiple=np.array([1.0, 0.0])), lines)
