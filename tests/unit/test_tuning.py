"""Tuning counts what it tries and finds the cheapest; the bootstrap is paired, deterministic and about right."""

from dataclasses import replace

import numpy as np
from pytest import approx

from replen.evaluate.bootstrap import paired_bootstrap, paired_saving
from replen.evaluate.simulation import Reality, score, simulate
from replen.evaluate.tuning import Tuned, Window, grid_search
from replen.plan.policies.fixed_cycle import OrderUpTo
from tests.unit.plan_instances import positions


def windows(n=2, n_series=3, **changed):
    rng = np.random.default_rng(5)
    return [Window(positions(n_series, 8, **changed), rng.poisson(6, (8, n_series, 20)).astype(float)) for _ in range(n)]


def up_to(played):
    return lambda place, level: OrderUpTo(played[place].positions, np.full((played[place].positions.n_series, 8), level))


def test_a_grid_is_tried_whole_and_the_cheapest_is_chosen():
    played = windows()
    found = grid_search(played, up_to(played), [4.0, 8.0, 12.0, 40.0])
    assert (found.n_tried, found.costs.shape) == (4, (4, 2, 3))
    by_hand = score(played[1].positions, simulate(played[1].positions, played[1].demand, up_to(played)(1, 8.0))).cost
    assert found.costs[1, 1] == approx(by_hand)
    totals = found.costs.sum(axis=(1, 2))
    assert found.best() == found.settings[totals.argmin()] == 8.0


def test_a_group_of_series_has_its_own_best():
    played = windows(lost_sale_cost=[1.2, 9.0, 9.0])
    found = grid_search(played, up_to(played), [3.0, 6.0, 9.0, 12.0])
    assert found.best(np.array([True, False, False])) < found.best(np.array([False, True, True]))


def test_searches_window_by_window_are_one_search():
    played = windows()
    apart = [grid_search([one], lambda _, level, one=one: up_to([one])(0, level), [4.0, 8.0, 12.0]) for one in played]
    together = grid_search(iter(played), up_to(played), [4.0, 8.0, 12.0])
    assert np.array_equal(Tuned.over(apart).costs, together.costs)
    assert together.totals == approx(together.costs.sum(axis=(1, 2)))
    assert together.n_windows == 2


def test_a_policy_that_looks_more_often_is_asked_more_often():
    window = Window(positions(1, 4, review_period=3), np.full((4, 1, 1), 2.0))
    levels = np.full((1, 4), 2.0)
    often = replace(window.positions, review_period=np.ones(1, int))
    lines = [window.score(OrderUpTo(one, levels)).n_order_lines.tolist() for one in (window.positions, often)]
    assert lines == [[2.0], [4.0]]


def test_what_is_too_old_is_waste():
    window = Window(positions(1, 3, on_hand=5.0), np.full((3, 1, 1), 1.0), reality=Reality(shelf_life=np.ones(1, int)))
    assert window.score(lambda known: np.zeros((1, 1))).waste.tolist() == [4.0]


def test_steps_before_the_first_scored_are_free_and_backorders_wait():
    demand = np.full((3, 1, 1), 2.0)
    drawn, nothing = positions(1, 3), lambda known: np.zeros((1, 1))
    assert Window(drawn, demand).cost(nothing) == approx([3 * 2 * 3.0])
    assert Window(drawn, demand, first_step=1).cost(nothing) == approx([2 * 2 * 3.0])
    assert Window(drawn, demand, backorders=True).cost(nothing) == approx(
        [2.0 + 4.0 + 6.0 + 0.5 * 6.0]
    )  # what is owed at the end still costs its end value


def test_the_bootstrap_is_deterministic_and_holds_the_mean():
    rng = np.random.default_rng(1)
    cost_b = rng.gamma(2.0, 5.0, (3, 400))
    cost_a = cost_b - 1.0 + rng.normal(0, 1, cost_b.shape)
    found = paired_bootstrap(cost_a, cost_b, seed=3)
    assert found == paired_bootstrap(cost_a, cost_b, seed=3) != paired_bootstrap(cost_a, cost_b, seed=4)
    assert found.mean == approx((cost_a - cost_b).mean())
    assert found.low < found.mean < found.high < 0


def test_pairs_are_kept_together():
    cost_b = np.random.default_rng(1).gamma(2.0, 50.0, 300)
    assert paired_bootstrap(cost_b - 1.0, cost_b) == approx((-1.0, -1.0, -1.0))
    assert paired_saving(0.8 * cost_b, cost_b) == approx((0.2, 0.2, 0.2))


def test_an_interval_of_independent_series_is_that_of_the_normal():
    difference = np.random.default_rng(2).normal(0.3, 2.0, 900)
    found = paired_bootstrap(difference, np.zeros(900), n=4000)
    half = 1.96 * difference.std() / np.sqrt(900)
    assert (found.low, found.high) == (approx(found.mean - half, abs=0.01), approx(found.mean + half, abs=0.01))


def test_windows_that_disagree_widen_the_interval():
    rng = np.random.default_rng(2)
    alike = rng.normal(1.0, 1.0, (4, 500))
    unlike = alike + np.array([-2.0, -1.0, 1.0, 2.0])[:, None]
    narrow, wide = (paired_bootstrap(difference, np.zeros((4, 500))) for difference in (alike, unlike))
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
