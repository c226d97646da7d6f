"""Limits that couple series: bound and plan against the exact optimum of small problems, prices, cells, mixtures."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from replen.plan import master
from replen.plan.choice import Choice, Coupled, Pass, Totals
from replen.plan.coupling import couple

# A series here buys 0..n units; the k-th unit saves `value[k]` (falling) and uses `weight` of each limit.


def answer(values: np.ndarray, weights: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Return units bought by each series at prices of the limits."""
    if np.isinf(prices).any():
        return np.zeros(len(values), int)
    return (values > (weights @ prices)[:, None]).sum(axis=1)


def shop(values: np.ndarray, weights: np.ndarray, n_cells: int) -> Pass:
    """Return passes over these series, which share cells in turn."""
    n_series, cells_of = len(values), np.arange(len(values)) % n_cells
    places = (np.arange(n_series) // n_cells + 0.5) / -(-n_series // n_cells)

    def look(choice: Choice) -> Totals:
        plans = choice.plans(cells_of, places)
        units = np.stack([answer(values, weights, prices) for prices in choice.prices])[plans, np.arange(n_series)]
        cost = -np.where(np.arange(values.shape[1]) < units[:, None], values, 0.0).sum(axis=1)
        prices = np.where(np.isfinite(choice.prices), choice.prices, 0.0)[plans]
        usage = weights * units[:, None]
        total = Totals(np.zeros(n_cells), np.zeros(n_cells), np.zeros((n_cells, weights.shape[1])))
        np.add.at(total.bound, cells_of, cost + (usage * prices).sum(axis=1))
        np.add.at(total.cost, cells_of, cost)
        np.add.at(total.usage, cells_of, usage)
        return total

    return look


def run(
    values: np.ndarray, weights: np.ndarray, limits: np.ndarray, n_cells: int | None = None, n_sample: int | None = None
) -> Coupled:
    n_cells = n_cells or len(values)
    sample = None if n_sample is None else shop(values[:n_sample], weights[:n_sample], n_cells)
    return couple(shop(values, weights, n_cells), limits, n_cells=n_cells, sample=sample)


def relaxed_optimum(values: np.ndarray, weights: np.ndarray, limits: np.ndarray) -> float:
    """Return the least cost if units could be bought in parts."""
    n_units = values.shape[1]
    found = linprog(-values.ravel(), A_ub=np.repeat(weights, n_units, axis=0).T, b_ub=limits, bounds=(0, 1))
    return float(found.fun)


@st.composite
def shops(draw):
    seed, n_series, n_limits = draw(st.integers(0, 10**6)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    values = -np.sort(-rng.integers(1, 50, (n_series, 4)).astype(float), axis=1)  # whole numbers: many ties
    weights = rng.integers(0, 4, (n_series, n_limits)).astype(float)
    limits = np.floor(weights.sum(axis=0) * 4 * rng.uniform(0, 1.2, n_limits))
    return values, weights, limits


@given(shops(), st.none() | st.integers(0, 40))
def test_the_bound_is_the_relaxed_optimum_and_the_plan_keeps_every_limit(drawn, n_sample):
    values, weights, limits = drawn
    coupled = run(values, weights, limits, n_sample=n_sample)
    least = relaxed_optimum(values, weights, limits)
    assert coupled.dual_bound <= least + 1e-6 * max(1.0, abs(least))
    assert coupled.dual_bound >= least - 1e-3 * max(1.0, abs(least))
    assert coupled.violation(limits).max() == 0
    assert coupled.cost >= least - 1e-6 * max(1.0, abs(least))
    assert np.all(coupled.prices >= 0)


def test_limits_that_do_not_bind_cost_one_pass():
    coupled = run(np.full((3, 2), 5.0), np.ones((3, 1)), np.array([6.0]))
    assert (coupled.passes, coupled.cost, coupled.dual_bound, coupled.prices.tolist()) == (1, -30.0, -30.0, [0.0])


def test_a_budget_buys_the_units_that_save_most():
    """Units that save 9, 8, 4 and 3, each of weight 1, a budget of 2: the plan saves 17, a further unit would save 4."""
    coupled = run(np.array([[9.0, 4.0], [8.0, 3.0]]), np.ones((2, 1)), np.array([2.0]))
    assert coupled.cost == pytest.approx(-17)
    assert coupled.dual_bound == pytest.approx(-17)
    assert 4 <= coupled.prices[0] <= 8


def test_the_gap_of_many_series_in_few_cells_is_small_and_a_sample_saves_passes():
    rng = np.random.default_rng(1)
    values = -np.sort(-rng.gamma(2, 10, (20_000, 4)), axis=1)
    weights = np.column_stack([rng.gamma(2, 1, 20_000), np.eye(5)[rng.integers(0, 5, 20_000)] * rng.gamma(2, 1, (20_000, 1))])
    limits = weights.sum(axis=0) * 4 * np.array([0.5, 0.4, 0.6, 0.3, 0.9, 0.5])
    cold, sampled = (run(values, weights, limits, n_cells=200, n_sample=n_sample) for n_sample in (None, 2000))
    for coupled in (cold, sampled):
        assert coupled.violation(limits).max() == 0
        assert coupled.cost - coupled.dual_bound <= 1e-3 * abs(coupled.dual_bound)
    assert sampled.passes < cold.passes


def test_equal_series_are_shared_out():
    """A thousand equal series and room for 300 of their units: no price can tell them apart, places in the cell do."""
    coupled = run(np.full((1000, 1), 5.0), np.ones((1000, 1)), np.array([300.0]), n_cells=10)
    assert coupled.dual_bound == pytest.approx(-1500)
    assert -1500 <= coupled.cost <= -1490


def test_a_limit_below_what_is_used_anyway_is_relaxed_by_the_least():
    values, weights = np.full((4, 1), 5.0), np.ones((4, 1))

    def look(choice: Choice) -> Totals:
        bought = 0.0 if np.isinf(choice.prices).any() else float(choice.prices[0, 0] < 5.0)
        usage = np.full((4, 1), 2.0 + bought)  # two units each are on the shelf already
        return Totals(-5 * bought + usage[:, 0] * np.nan_to_num(choice.prices[0, 0], posinf=0), np.full(4, -5 * bought), usage)

    del values, weights
    coupled = couple(look, np.array([5.0]), n_cells=4)
    assert coupled.relaxed.tolist() == [3.0]
    assert coupled.usage.tolist() == [8.0]
    assert coupled.violation(np.array([5.0])).tolist() == [0.0]


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 0.1), st.integers(1, 200))
def test_places_share_a_cell_out_by_its_shares(parts, n_series):
    shares = np.array([parts]) / sum(parts)
    places = (np.arange(n_series) + 0.5) / n_series
    plans = Choice(np.zeros((3, 1)), shares).plans(np.zeros(n_series, np.int64), places)
    counts = np.bincount(plans, minlength=3)
    assert np.all(np.abs(counts - shares[0] * n_series) <= 1)
    assert all(a <= b for a, b in itertools.pairwise(plans))


def test_every_choice_of_whole_cells_ends_by_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scipy takes the options that it has read out of what it is given: the next choice had none, and took minutes."""
    asked, solve = [], master.milp

    def milp(*arguments: Any, **keywords: Any) -> Any:
        asked.append(dict(keywords["options"]))
        return solve(*arguments, **keywords)

    monkeypatch.setattr(master, "milp", milp)
    columns = [Totals(np.zeros(4), np.array([0.0, 1, 2, 3]) * k, np.full((4, 1), 3.0 - k)) for k in range(3)]
    some = master.Master(columns, np.array([5.0]), np.zeros(1))
    first, second = some.whole(np.zeros(1, bool)), some.whole(np.zeros(1, bool))
    assert asked == [{"node_limit": 100, "mip_rel_gap": 1e-5}] * 2
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.shares, second.shares)
