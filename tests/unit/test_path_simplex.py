"""The path simplex: as cheap as HiGHS on anything, with a proof of its own, and the same in any company."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replen.plan import lost_sales
from replen.plan.lost_sales import path_simplex, solve_lost_sales
from replen.plan.outcome import plan_series
from replen.plan.problem import Problem
from replen.plan.program import highs
from tests.unit.plan_instances import instances, positions, row_problem


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    def called(problem):
        raise AssertionError("the path simplex asked HiGHS for help")

    monkeypatch.setitem(lost_sales.SOLVERS, "highs", called)


TOLERANCE = 1e-7  # of max(1, cost)


def random_problem(rng, *, n_series, n_steps, n_paths):
    """Return series with zero demand, zero stock, caps of zero, ties, equal costs and prices that rise and fall."""
    level = rng.choice([0.0, 0.2, 2.0, 30.0], (1, n_series, 1)) * rng.choice([0.0, 1.0, 1.0, 3.0], (n_steps, n_series, 1))
    demand = rng.poisson(level, (n_steps, n_series, n_paths)).astype(float)
    demand *= rng.choice([1.0, 0.1, 1.37], (1, n_series, 1))
    receipts = rng.poisson(level, (n_steps, n_series, 1)) * rng.integers(0, 2, (n_steps, n_series, 1))
    unit_cost = rng.choice([0.0, 1.0, 2.5], (n_series, 1)) + rng.choice([0.0, 0.0, 0.3, 5.0], (n_series, n_steps))
    largest = rng.choice([0.0, 5.0, np.inf, np.inf], (n_series, n_steps))
    costs = {
        "unit_cost": unit_cost[:, 0],
        "lost_sale_cost": unit_cost.min(axis=1) + rng.choice([0.5, 2.0, 10.0], n_series),
        "end_value": unit_cost.min(axis=1) * rng.choice([0.0, 0.5, 1.0], n_series),
    }
    return Problem(
        positions=positions(n_series, n_steps, **costs),
        opening=rng.poisson(level[0] * rng.choice([0, 1, 3], (n_series, 1)), (n_series, n_paths)).astype(float),
        needs=demand - receipts,
        unit_cost=unit_cost,
        holding_cost=rng.choice([0.01, 0.2, 1.0], (n_series, 1)) * rng.choice([1.0, 1.0, 2.0], (n_series, n_steps)),
        largest=largest,
    )


def worst_errors(problem):
    """Return the largest excess over HiGHS and over the proven bound, and of the bound over HiGHS, by max(1, cost)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lost_sales.SOLVERS, "highs", highs)
        reference = solve_lost_sales(problem, solvers=("highs",))
    fast = solve_lost_sales(problem)
    cost, size = problem.cost(fast.quantities), np.maximum(1.0, np.abs(reference.cost))
    assert (fast.quantities >= 0).all() and (fast.quantities <= problem.largest).all()
    excesses = (cost - reference.cost, cost - fast.cost, fast.cost - reference.cost)
    return [float((excess / size).max()) for excess in excesses]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), n_steps=st.integers(1, 9), n_paths=st.integers(1, 12))
def test_costs_what_highs_finds_and_proves_it(seed, n_steps, n_paths):
    problem = random_problem(np.random.default_rng(seed), n_series=3, n_steps=n_steps, n_paths=n_paths)
    assert max(worst_errors(problem)) <= TOLERANCE


def test_ten_thousand_instances():
    rng = np.random.default_rng(4)
    for _ in range(100):
        shape = {"n_steps": int(rng.integers(1, 8)), "n_paths": int(rng.integers(1, 9))}
        assert max(worst_errors(random_problem(rng, n_series=100, **shape))) <= TOLERANCE


def test_long_horizons_and_many_paths():
    rng = np.random.default_rng(5)
    for n_steps, n_paths in ((11, 100), (24, 37), (40, 10)):
        assert max(worst_errors(random_problem(rng, n_series=20, n_steps=n_steps, n_paths=n_paths))) <= TOLERANCE


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_series_alone_gives_what_it_gives_in_a_bucket(seed):
    problem = random_problem(np.random.default_rng(seed), n_series=5, n_steps=6, n_paths=9)
    quantities, bound = path_simplex(problem)
    for row in range(5):
        alone, least = path_simplex(problem.take(np.array([row])))
        np.testing.assert_array_equal(alone[0], quantities[row])
        np.testing.assert_array_equal(least[0], bound[row])


@pytest.mark.parametrize("gap", [-1.0, 1e-6])
def test_highs_solves_what_is_not_proven_and_is_named(monkeypatch, gap):
    """No gap is below -1 of the cost: nothing is proven, whatever the seed, and HiGHS is asked for every series."""
    monkeypatch.setattr(lost_sales, "GAP", gap)
    monkeypatch.setitem(lost_sales.SOLVERS, "highs", highs)
    drawn, demand = positions(3, 4, on_hand=[0.0, 1e6, 2.0]), np.random.default_rng(1).poisson(4.0, (4, 3, 9)).astype(float)
    found = plan_series(drawn, demand)
    solver = "highs" if gap < 0 else "path_simplex"
    assert found.solver.tolist() == [solver, "none", solver]
    assert found.dual_bound == pytest.approx(found.feasible_cost)


def test_what_nothing_proves_has_no_bound(monkeypatch):
    monkeypatch.setitem(
        lost_sales.SOLVERS, "path_simplex", lambda problem: (np.zeros(problem.largest.shape), np.full(1, np.nan))
    )
    monkeypatch.setitem(lost_sales.SOLVERS, "highs", lambda problem: (np.zeros(problem.largest.shape), np.full(1, np.nan)))
    found = plan_series(positions(1, 4), np.full((4, 1, 3), 5.0))
    assert np.isnan(found.dual_bound).all()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(instance=instances(max_series=1))
def test_no_order_of_a_step_without_review(instance):
    problem = row_problem(*instance, 0)
    if problem is not None:
        assert (path_simplex(problem)[0][problem.largest == 0] == 0).all()
