"""Policies in the plan: each series is ordered for by the policy of its segment, to its target, and says so."""

import datetime as dt
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen import tables as t
from replen.config import Policy, ServiceTarget
from replen.evaluate.comparison import Begun, compare_with_rule
from replen.evaluate.simulation import score, simulate
from replen.plan.attempt import Terms
from replen.plan.bucket import plan_bucket
from replen.plan.items import read_positions
from replen.plan.outcome import plan_series
from replen.plan.policies.assigned import PROGRAM, Assigned, segment_labels
from replen.plan.policies.known import Known
from replen.plan.policies.named import RULES, rule_named
from replen.plan.policies.planned import planned
from replen.plan.policies.service import CriticalRatio, CycleService, FillRate, protection_demand
from replen.plan.projection import by_step
from tests.unit.plan_instances import instances, positions
from tests.unit.test_plan_bucket import CALENDAR, HORIZON, PLAN_DATE, SETTINGS, items, paths

WAITS = {"lost": False, "waits": True}
TARGET = CycleService(0.95)


def with_policies(unmet_demand="lost", **changed):
    policy = SETTINGS.policy.model_copy(update=changed)
    return SETTINGS.model_copy(update={"policy": policy, "unmet_demand": unmet_demand})


def decide(rows, demand_paths, plan=SETTINGS):
    return plan_bucket(rows, demand_paths, Terms.uncoupled(plan, PLAN_DATE, "W"))


def by_rule(name, rows, demand_paths, *, target=TARGET, waits=False):
    """Return what `planned` says of the rule for rows without backorders, and the demand it was told."""
    found, demand = read_positions(rows, CALENDAR), by_step(demand_paths)
    rule = rule_named(name, found, demand, [target] * len(rows), backorders=waits)
    return planned(rule, demand, backorders=waits), protection_demand(rule.positions, demand)[0].mean(axis=1)


def test_the_configuration_knows_every_rule():
    assert set(get_args(Policy)) == {PROGRAM, *RULES}


@pytest.mark.parametrize("unmet_demand", WAITS)
@pytest.mark.parametrize("name", RULES)
def test_a_series_has_the_orders_and_levels_of_its_rule(name, unmet_demand):
    rows = items(3, on_hand=[0.0, 12.0, 40.0], review_period_days=14.0, backorder_cost=1.0, order_cost=4.0)
    decisions = decide(rows, paths(3), with_policies(unmet_demand, default=name))
    plan, demand = by_rule(name, rows, paths(3), waits=WAITS[unmet_demand])
    np.testing.assert_array_equal(np.stack(decisions[t.ORDER_QUANTITY.by_step()]), plan.quantities)
    assert decisions[t.ORDER_QUANTITY].tolist() == plan.quantities[:, 0].tolist()
    assert decisions[t.TARGET].to_numpy() == approx(plan.wanted)
    assert (decisions[t.ROUNDING] == decisions[t.ORDER_QUANTITY] - decisions[t.TARGET]).all()
    assert decisions[t.REORDER_POINT].to_numpy() == approx(plan.reorder_point)
    assert decisions[t.ORDER_UP_TO_LEVEL].to_numpy() == approx(plan.order_up_to_level)
    assert decisions[t.FORECAST_DEMAND].to_numpy() == approx(demand)
    assert decisions[t.SAFETY_STOCK].to_numpy() == approx(plan.safety_stock)
    dates = [PLAN_DATE + dt.timedelta(weeks=int(step)) if step < HORIZON else None for step in plan.next_order]
    assert decisions[t.NEXT_ORDER_DATE].tolist() == dates
    assert set(decisions[t.POLICY]) == {name}
    assert set(decisions[t.SOLVER]) == {"rule"}
    assert (decisions[t.DUAL_BOUND] <= decisions[t.FEASIBLE_COST] + 1e-9).all()


def test_each_segment_has_its_policy_and_its_target_and_the_others_the_default():
    rows = items(6).assign(category=["dear", "cheap", "dear", None, "cheap", "dear"])
    service = ServiceTarget(measure="fill_rate", value=0.99)
    plan = with_policies(
        segment="category",
        by_segment={"dear": "fixed_cycle", "none": "lot_for_lot"},
        target_by_segment={"dear": service},
    )
    decisions, program = decide(rows, paths(6), plan), decide(rows, paths(6))
    assert decisions[t.POLICY].tolist() == ["fixed_cycle", PROGRAM, "fixed_cycle", "lot_for_lot", PROGRAM, "fixed_cycle"]
    pd.testing.assert_frame_equal(decisions.iloc[[1, 4]], program.iloc[[1, 4]])
    for name, target, chosen in (("fixed_cycle", FillRate(0.99), [0, 2, 5]), ("lot_for_lot", TARGET, [3])):
        expected, _ = by_rule(name, rows.iloc[chosen], paths(6)[chosen], target=target)
        assert decisions[t.REORDER_POINT].to_numpy()[chosen] == approx(expected.reorder_point)
    np.testing.assert_array_equal(decisions[t.DUAL_BOUND], program[t.DUAL_BOUND])


def test_segments_are_told_by_their_column_and_none_is_a_segment():
    rows = items(2).assign(demand_class=["lumpy", None], abc_class=["A", "C"])
    assert segment_labels(rows, "class") == ["lumpy", "none"]
    assert segment_labels(rows, "abc") == ["A", "C"]
    assert segment_labels(rows, "supplier") == ["mill", "mill"]
    assert segment_labels(rows, "none") == ["none", "none"]


@settings(deadline=None, max_examples=60)
@given(instance=instances(backorders=True), names=st.lists(st.sampled_from([PROGRAM, *RULES]), min_size=3), waits=st.booleans())
def test_no_rule_costs_less_than_the_bound_and_none_changes_another_series(instance, names, waits):
    drawn, demand = instance
    assigned = Assigned(np.array(names[: drawn.n_series]), (CycleService(0.9),) * drawn.n_series)
    outcome, program = plan_series(drawn, demand, assigned=assigned, waits=waits), plan_series(drawn, demand, waits=waits)
    decided = outcome.feasible_cost - outcome.constant_cost
    assert (outcome.dual_bound <= outcome.feasible_cost + 1e-6 * np.maximum(1, np.abs(decided))).all()
    same = assigned.policies == PROGRAM
    np.testing.assert_array_equal(outcome.quantities[same], program.quantities[same])
    np.testing.assert_array_equal(outcome.order_up_to_level[same], program.order_up_to_level[same])


def test_what_is_owed_to_customers_is_ordered_once():
    # 10 a week for certain, 13 on hand, 10 due next week, lead time and review 1: up to 20; position 23 less what is owed.
    drawn = positions(2, 4, on_hand=13.0, backorders=[3.0, 8.0], lead_time=1, receipts=[[0.0, 10.0, 0.0, 0.0]] * 2)
    demand = np.full((4, 2, 3), 10.0)
    assigned = Assigned(np.array(["fixed_cycle", "fixed_cycle"]), (CycleService(0.9),) * 2)
    for waits in (False, True):
        outcome = plan_series(drawn, demand, assigned=assigned, waits=waits)
        assert outcome.quantities[:, 0].tolist() == [0.0, 5.0]
        assert outcome.targets[:, 0].tolist() == [0.0, 5.0]


def test_a_dynamic_rule_may_order_every_week_and_so_may_its_program():
    drawn, demand = positions(2, 6, review_period=3), np.full((6, 2, 2), 4.0)
    assigned = Assigned(np.array(["dynamic", "fixed_cycle"]), (CycleService(0.9),) * 2)
    outcome = plan_series(drawn, demand, assigned=assigned)
    assert (outcome.quantities > 0).sum(axis=1).tolist() == [6, 2]
    assert outcome.dual_bound[0] < outcome.dual_bound[1]


def test_where_demand_waits_costs_are_weighed_by_what_waiting_costs():
    # backorder_cost 1, holding_cost 1/3 a week: short in one path of four, whatever a lost sale would cost.
    drawn = positions(1, 4, backorder_cost=1.0, holding_cost=1 / 3, lost_sale_cost=100.0, review_period=2)
    demand = np.zeros((4, 1, 4))
    demand[1] = [1.0, 2.0, 3.0, 4.0]
    rule = rule_named("fixed_cycle", drawn, demand, [CriticalRatio()], backorders=True)
    assert rule.order_levels(Known.at_start(drawn)).order_up_to_level.tolist() == [[3.0]]
    one = rule_named("cheapest_line", drawn, demand, [CriticalRatio()], backorders=True)
    assert one(Known.at_start(drawn)).tolist() == [[3.0]]
    assert one.backorders
    assigned = Assigned(np.array(["dynamic"]), (CriticalRatio(),))
    ((_, often),) = assigned.rules(replace(drawn, lead_time=np.array([1])), demand, waits=True)
    assert often.order_levels(Known.at_start(drawn)).reorder_point.tolist() == [[3.0]]
    assert rule_named("projected_inventory", drawn, demand, [CriticalRatio()], backorders=True).backorders


@pytest.mark.parametrize("unmet_demand", WAITS)
def test_the_comparison_plays_the_rule_after_the_order_of_today(unmet_demand):
    rows, demand = items(2, on_hand=[0.0, 20.0], backorder_cost=1.0).assign(site=["shop", "store"]), paths(2, seed=7)
    plan = with_policies(unmet_demand, segment="site", by_segment={"store": "hybrid"})
    decisions = decide(rows, paths(2), plan)
    found = compare_with_rule(decisions, rows, demand, settings=plan, calendar=CALENDAR)
    program = compare_with_rule(
        decide(rows, paths(2), plan), rows, demand, settings=with_policies(unmet_demand), calendar=CALENDAR
    )
    assert found[t.PLAN_COST][0] == program[t.PLAN_COST][0]
    one, known = read_positions(rows.iloc[[1]], CALENDAR), by_step(demand[1:])
    rule = rule_named("hybrid", one, known, [TARGET], backorders=WAITS[unmet_demand])
    today = decisions[t.ORDER_QUANTITY].to_numpy()[1:]
    history = simulate(rule.positions, known, Begun(today, rule), backorders=WAITS[unmet_demand])
    played = score(one, history, backorders=WAITS[unmet_demand])
    assert (history.orders[0] == today).all()
    assert (found[t.PLAN_COST][1], found[t.PLAN_SOLD][1]) == (approx(played.cost[0]), approx(played.sold[0]))
    assert found[t.PLAN_COST][1] != program[t.PLAN_COST][1]


def test_a_series_that_no_order_can_reach_is_decided_by_nobody():
    decisions = decide(items(2, lead_time_days=[70.0, 7.0]), paths(2), with_policies(default="dynamic"))
    assert decisions[t.SOLVER].tolist() == ["none", "rule"]
    assert decisions[t.TARGET].tolist()[0] == decisions[t.ORDER_QUANTITY].tolist()[0] == 0.0


def test_each_row_alone_is_planned_as_in_its_bucket():
    rows = items(4, on_hand=[10.0, np.nan, 0.0, 40.0]).assign(abc_class=["A", "B", None, "C"])
    plan = with_policies(segment="abc", by_segment={"A": "dynamic", "B": "hybrid", "none": "dynamic_lots"})
    together = decide(rows, paths(4), plan)
    assert together[t.POLICY].tolist() == ["dynamic", None, "dynamic_lots", PROGRAM]
    for row in range(4):
        alone = decide(rows.iloc[[row]].reset_index(drop=True), paths(4)[[row]], plan)
        pd.testing.assert_frame_equal(alone, together.iloc[[row]].reset_index(drop=True))


def test_units_wanted_are_before_packs():
    drawn, demand = positions(1, 3, order_multiple=6.0), np.full((3, 1, 2), 4.0)
    plan = planned(rule_named("fixed_cycle", drawn, demand, [CycleService(0.9)]), demand)
    assert (plan.wanted.tolist(), plan.quantities[0, 0]) == ([4.0], 6.0)
    late = replace(drawn, lead_time=np.array([3]))
    assert planned(rule_named("fixed_cycle", late, demand, [CycleService(0.9)]), demand).wanted.tolist() == [0.0]
