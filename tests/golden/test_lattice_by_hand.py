"""Lot sizes solved by hand; each docstring holds the arithmetic."""

import numpy as np
from pytest import approx

from replen.plan.backorders import StockCosts, backorder_chains, solve_backorders
from replen.plan.lattice import OrderLines


def planned(demand, *, holding_cost, backorder_cost, smallest=0.0, line_cost=0.0, multiple=1.0, no_backorders=False):
    """Return quantities and cost of one series with certain demand, nothing in stock and no lead time."""
    needs = np.cumsum(demand)[None, :, None].astype(float)
    costs = StockCosts(*(np.array([value]) for value in (holding_cost, backorder_cost, 0.0)))
    chains = backorder_chains(needs, costs, limit=np.full((1, len(demand)), np.inf), multiple=np.array([multiple]))
    if no_backorders:
        chains = type(chains)(**vars(chains) | {"floor": needs[:, :, 0], "shortfall": np.full((1, len(demand)), np.inf)})
    found = solve_backorders(chains, OrderLines(np.array([smallest]), np.array([line_cost])))
    assert found.lower_bound == found.cost
    return found.quantities[0].tolist(), found.cost[0], found.solver[0]


def test_wagner_whitin():
    """Snyder & Shen, Fundamentals of Supply Chain Theory, example of the Wagner-Whitin algorithm: demand 90, 120, 80, 70; an
    order costs 500, a unit held over a period 2, nothing may be owed.

    Two orders are best: 210 at once and 150 at the third period: 2 * 500 + 120 * 2 + 70 * 2 = 1380. One order: 500 + (270 +
    150 + 70) * 2 = 1480. Two others: 90, 270: 1000 + (150 + 70) * 2 = 1440; 290, 70: 1000 + (200 + 80) * 2 = 1560. Three have
    1500 for the orders alone.
    """
    quantities, cost, solver = planned(
        [90, 120, 80, 70], holding_cost=2.0, backorder_cost=0.0, line_cost=500.0, no_backorders=True
    )
    assert (quantities, cost, solver) == ([210.0, 0.0, 150.0, 0.0], approx(1380.0), "lattice")


def test_owing_a_period_can_save_an_order():
    """Demand 4, 6; an order costs 10, a unit held 3, owed 2.

    Order 10 at step 1: owe 4, 10 + 8 = 18. At step 0: hold 6, 10 + 18 = 28. Only 4 at step 0: owe 6, 10 + 12 = 22. Two orders:
    20. None: (4 + 10) * 2 = 28.
    """
    quantities, cost, _ = planned([4, 6], holding_cost=3.0, backorder_cost=2.0, line_cost=10.0)
    assert (quantities, cost) == ([0.0, 10.0], approx(18.0))


def test_a_minimum_of_two_packs():
    """Demand 3, 3, 3, held 1, owed 3, packs of 3, a line has at least 6.

    6, 0, 0 holds 3 and then owes 3: 3 + 9 = 12; 6, 0, 6 holds 3 and 3: 6; 0, 6, 6 owes 3, holds 3: 12; 9, 0, 0 holds 6 and 3:
    9. Without the minimum 3, 3, 3 costs nothing, and the chain finds it.
    """
    quantities, cost, solver = planned([3, 3, 3], holding_cost=1.0, backorder_cost=3.0, smallest=6.0, multiple=3.0)
    assert (quantities, cost, solver) == ([6.0, 0.0, 6.0], approx(6.0), "lattice")
    assert planned([3, 3, 3], holding_cost=1.0, backorder_cost=3.0, multiple=3.0) == ([3.0, 3.0, 3.0], approx(0.0), "chain")


def test_a_minimum_that_the_chain_keeps_by_itself_needs_no_search():
    """Demand 7, 8: both orders pass a minimum of 6 as they are."""
    assert planned([7, 8], holding_cost=1.0, backorder_cost=3.0, smallest=6.0) == ([7.0, 8.0], approx(0.0), "chain")
