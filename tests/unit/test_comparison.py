"""Plan beside simple rule where goods perish: both are played in a world in which units expire, on the same fresh paths."""

from dataclasses import replace

import numpy as np
import pytest

from replen import tables as t
from replen.evaluate.comparison import compare_with_rule, play_plan, played_up_to
from replen.evaluate.simulation import Reality, score, simulate
from replen.plan.items import read_positions
from replen.plan.policies.fixed_cycle import OrderUpTo, simple_rule_levels
from replen.plan.projection import by_step
from tests.unit.plan_instances import positions
from tests.unit.test_plan_bucket import CALENDAR, SETTINGS, items, paths
from tests.unit.test_plan_policies import decide

N = 60


def compared(rows, settings=SETTINGS):
    """Return cost of plan and of rule, of series planned on other paths than they are played on."""
    decisions = decide(rows, paths(N), settings)
    found = compare_with_rule(decisions, rows, paths(N, seed=1), settings=settings, calendar=CALENDAR)
    return found[[t.PLAN_COST, t.RULE_COST, t.PLAN_SOLD, t.RULE_SOLD]].sum()


@pytest.mark.parametrize("waits", [False, True])
def test_both_sides_pay_for_what_expires(waits):
    settings = SETTINGS.model_copy(update={"unmet_demand": "waits" if waits else "lost"})
    terms = {t.BACKORDER_COST: 1.0, t.REVIEW_PERIOD_DAYS: 14.0}
    keeps, perishes = (compared(items(N, **terms, **{t.SHELF_LIFE_DAYS: days}), settings) for days in (np.nan, 14.0))
    assert perishes[t.PLAN_COST] > 1.02 * keeps[t.PLAN_COST]
    assert perishes[t.RULE_COST] > 1.02 * keeps[t.RULE_COST]
    long = compared(items(N, **terms, **{t.SHELF_LIFE_DAYS: 700.0}), settings)
    assert long.tolist() == keeps.tolist()  # to the last bit


def test_of_goods_that_keep_a_week_the_plan_orders_less_badly_than_the_rule():
    """The rule's position counts stock that is thrown away before its order arrives; today's order of the plan does not."""
    found = compared(items(N, **{t.SHELF_LIFE_DAYS: 7.0, t.LEAD_TIME_DAYS: 7.0}))
    assert found[t.PLAN_COST] < 0.7 * found[t.RULE_COST]
    assert found[t.PLAN_SOLD] > 1.5 * found[t.RULE_SOLD]


def test_the_rule_is_the_simple_rule_up_to_what_sells_in_time():
    rows = items(N, **{t.SHELF_LIFE_DAYS: 14.0, t.REVIEW_PERIOD_DAYS: 21.0})
    found, demand = read_positions(rows, CALENDAR), by_step(paths(N, seed=1))
    levels = simple_rule_levels(found, demand, cycle_service_level=0.95)
    reality = Reality(shelf_life=found.shelf_life)
    as_asked = score(found, simulate(found, demand, OrderUpTo(found, levels), reality=reality))
    in_time = score(found, played_up_to(found, demand, levels))
    assert in_time.cost.sum() == pytest.approx(compared(rows)[t.RULE_COST])
    assert in_time.waste.sum() < as_asked.waste.sum()
    assert in_time.cost.sum() < as_asked.cost.sum()


def test_todays_order_is_the_plans_and_what_expires_is_gone_by_hand():
    """10 today that keep 2 weeks, 3 wanted a week: 4 are thrown away after the second, and the third week's 3 are ordered anew.

    Cost: 10 + 3 + 3 bought at 1, held 7, 0, 0, 0 at 0.1, nothing lost or left.
    """
    one = positions(1, 4, shelf_life=np.array([2]), end_value=0.0)
    history = play_plan(one, np.full((4, 1, 2), 3.0), np.array([[10.0, 0.0, 0.0, 0.0]]))
    assert history.waste[:, 0, 0].tolist() == [0.0, 4.0, 0.0, 0.0]
    assert history.orders[:, 0, 0].tolist() == [10.0, 0.0, 3.0, 3.0]
    assert score(one, history).cost == pytest.approx([16.7])
    kept = play_plan(replace(one, shelf_life=None), np.full((4, 1, 2), 3.0), np.array([[10.0, 0.0, 0.0, 0.0]]))
    assert kept.waste.sum() == 0
