"""Several sources a series: the cheapest plan wins, nothing vanishes or doubles, bounds hold, capacities move series."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen import tables as t
from replen.config import LimitRule
from replen.evaluate.comparison import compare_with_rule
from replen.plan import attempt
from replen.plan.attempt import Terms, programs
from replen.plan.bucket import plan_bucket
from replen.plan.choice import Choice
from replen.plan.costs import unit_values
from replen.plan.coupling import couple
from replen.plan.items import read_positions
from replen.plan.limits import limit_rows, read_limits
from replen.plan.sharing import N_CELLS, Sharing
from replen.plan.sourcing import (
    by_preference,
    cheapest,
    first_choices,
    heads,
    least_by_series,
    series_numbers,
    whole_series,
)
from tests.unit.test_plan_bucket import CALENDAR, HORIZON, N_PATHS, PLAN_DATE, SETTINGS, items, paths

PLAIN = Terms.uncoupled(SETTINGS, PLAN_DATE, "W")
QUICK, CHEAP = {"supplier": "quick", "lead_time_days": 0.0, "unit_cost": 2.2}, {"supplier": "cheap", "lead_time_days": 21.0}


def sources(*terms, n_series=1, **shared):
    """Return one row a source, by preference: every series has a row with each of the terms."""
    rows = items(n_series, **shared)
    parts = [rows.assign(**{str(name): value for name, value in given.items()}) for given in terms]
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)


def of_series(rows, seed=0, level=5.0):
    """Return paths of each series, the same for all its sources."""
    series = series_numbers(rows)
    return paths(series.max() + 1, level=level, seed=seed)[series]


def decide(rows, demand_paths, terms=PLAIN):
    return plan_bucket(rows, demand_paths, terms)


def alone(rows, demand_paths, row, terms=PLAIN):
    return decide(rows.iloc[[row]].reset_index(drop=True), demand_paths[[row]], terms).iloc[0]


@pytest.mark.parametrize(("on_hand", "chosen"), [(30.0, "cheap"), (0.0, "quick")])
def test_a_cheap_slow_supplier_wins_while_stock_lasts(on_hand, chosen):
    """Certain demand of 5 a week, 6 weeks, packs of 1, a unit left is worth nothing.

    30 on hand: nothing is bought, the first of equal costs is taken. 0 on hand: `cheap` (2.0) delivers from week 4 on and loses
    15 units at 5.0 each; `quick` (2.2) serves all 30 for 66, `cheap` for 75 + 30 = 105.
    """
    rows = sources(CHEAP, QUICK, on_hand=on_hand, order_multiple=1.0, end_value=0.0)
    (decision,) = decide(rows, np.full((2, N_PATHS, HORIZON), 5.0)).itertuples()
    assert decision.supplier == chosen
    other = ({"cheap", "quick"} - {chosen}).pop()
    assert decision.alternatives == {other: approx(0.0 if on_hand else 105 - 66)}


def test_a_cheap_slow_supplier_is_asked_while_there_is_time():
    """20 on hand, 5 wanted a week: `cheap` delivers in week 4, before stock runs out; 10 units are bought, 0.2 saved each."""
    rows = sources(QUICK, CHEAP, on_hand=20.0, order_multiple=1.0, end_value=0.0)
    (decision,) = decide(rows, np.full((2, N_PATHS, HORIZON), 5.0)).itertuples()
    assert decision.supplier == "cheap"
    assert decision.alternatives == {"quick": approx(10 * 0.2)}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), waits=st.booleans(), size=st.sampled_from([1, 3, 2048]))
def test_the_choice_is_that_of_brute_force(seed, waits, size):
    rng = np.random.default_rng(seed)
    n_series, n_sources = int(rng.integers(1, 6)), rng.integers(1, 4)
    rows = sources(*({"supplier": f"s{number}"} for number in range(n_sources)), n_series=n_series)
    rows = rows[rng.random(len(rows)) < 0.8].reset_index(drop=True)
    rows = rows.assign(
        lead_time_days=rng.choice([0.0, 7.0, 20.0, 50.0], len(rows)), unit_cost=rng.choice([1.9, 2.0, 2.4], len(rows)),
        order_multiple=rng.choice([1.0, 6.0], len(rows)), end_value=1.5, backorder_cost=0.4,
    )  # fmt: skip
    if not len(rows):
        return
    demand, terms = of_series(rows, seed), replace(PLAIN, settings=SETTINGS.model_copy(update={"unmet_demand": "waits"}))
    terms = terms if waits else PLAIN
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "CHUNK", size)
        decisions = decide(rows, demand, terms)
    singly = pd.DataFrame([alone(rows, demand, row, terms) for row in range(len(rows))])
    for (_, group), decision in zip(singly.groupby(series_numbers(rows)), decisions.to_dict("records"), strict=True):
        costs = group[t.FEASIBLE_COST]
        assert decision[t.FEASIBLE_COST] == approx(costs.min())
        assert decision[t.DUAL_BOUND] == approx(group[t.DUAL_BOUND].min())
        assert decision[t.CONSTANT_COST] == approx(group[t.CONSTANT_COST].min())
        above = dict(zip(group[t.SUPPLIER], costs - costs.min(), strict=True))
        taken = above.pop(decision[t.SUPPLIER])
        assert taken == approx(0, abs=1e-6)
        assert decision[t.ALTERNATIVES] == {name: approx(money, abs=1e-6) for name, money in above.items()}


BAD = {"lead_time_days": -1.0}


def test_a_source_that_cannot_be_planned_is_left_out_with_a_warning():
    rows = sources({"supplier": "bad"} | BAD, {"supplier": "mill"}, {"supplier": "dear", "unit_cost": 9.0}, on_hand=20.0)
    (decision,) = decide(rows, of_series(rows)).to_dict("records")
    assert (decision[t.SUPPLIER], decision[t.REASON], decision[t.ALTERNATIVES]) == ("mill", None, {})
    assert decision[t.KIND.by_exception()] == ["source_left_out"]
    assert decision[t.SEVERITY.by_exception()] == ["warning"]
    (action,) = decision[t.ACTION.by_exception()]
    assert "correct the row of bad (bad_supply: supply.lead_time_days is -1, " in action
    assert "), dear (bad_costs: costs.lost_sale_cost is 5, " in action


@pytest.mark.parametrize("minimum", [0.0, 54.0])
def test_a_source_with_no_line_is_asked_only_where_no_other_can_be(minimum):
    """The first choice takes no line (at most 3 in packs of 6); the second takes lines of 6, or of 54 up to 20: none either."""
    second = {"supplier": "mill", "min_order_quantity": minimum, "max_order_quantity": 20.0}
    rows = sources({"supplier": "narrow", "max_order_quantity": 3.0, "unit_cost": 1.9}, second, on_hand=20.0)
    (decision,) = decide(rows, of_series(rows)).to_dict("records")
    taken, kind = ("narrow", "no_line_fits") if minimum else ("mill", "source_left_out")
    assert decision[t.SUPPLIER] == taken
    assert decision[t.KIND.by_exception()][0] == kind
    assert decision[t.ORDER_QUANTITY] > 0
    assert first_choices(rows).tolist() == ([0, 0] if minimum else [1, 1])


def test_a_series_without_a_sound_source_is_one_exception():
    rows = sources({"supplier": "bad"} | BAD, {"supplier": "worse", "order_multiple": 0.0}, {"supplier": "x", "unit_cost": 9.0})
    (decision,) = decide(rows, of_series(rows)).to_dict("records")
    assert decision[t.SUPPLIER] == "bad"
    assert decision[t.KIND.by_exception()] == ["bad_supply", "bad_costs"]
    assert decision[t.REASON] == "bad_supply, bad_costs"


@settings(deadline=None, max_examples=25)
@given(
    bad=st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=5), size=st.sampled_from([1, 2, 2048])
)
def test_no_series_vanishes_or_doubles(bad, size):
    keys = [(f"sku {number}", f"s{source}") for number, flags in enumerate(bad) for source in range(len(flags))]
    sku, supplier = zip(*keys, strict=True)
    wrong = np.array([flag for flags in bad for flag in flags])
    rows = items(len(keys), sku=sku, supplier=supplier, lead_time_days=np.where(wrong, -1.0, 10.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "CHUNK", size)
        decisions = decide(rows, of_series(rows))
    assert decisions[t.SKU].tolist() == [f"sku {number}" for number in range(len(bad))]
    assert decisions[t.REASON].tolist() == ["bad_supply" if all(flags) else None for flags in bad]
    assert decisions[t.SUPPLIER].tolist() == [f"s{0 if all(flags) else flags.index(False)}" for flags in bad]
    played = compare_with_rule(decisions, rows, of_series(rows, seed=1), settings=SETTINGS, calendar=CALENDAR)
    assert played[t.PLAN_COST].notna().tolist() == [not all(flags) for flags in bad]


def test_a_source_that_breaks_the_planner_leaves_the_series_to_the_other(monkeypatch):
    plan_ready = attempt.plan_ready

    def breaks_on_3(positions, ready, prices, **given):
        if (positions.unit_cost == 3).any():
            raise ValueError("broken")
        return plan_ready(positions, ready, prices, **given)

    monkeypatch.setattr(attempt, "plan_ready", breaks_on_3)
    rows = sources({"supplier": "a", "unit_cost": 3.0}, {"supplier": "b"}, n_series=2, on_hand=20.0)
    rows.loc[3, t.UNIT_COST] = 3.0
    one, two = decide(rows, of_series(rows)).to_dict("records")
    assert (one[t.SUPPLIER], one[t.REASON], one[t.KIND.by_exception()]) == ("b", None, ["source_left_out"])
    assert (two[t.REASON], two[t.KIND.by_exception()]) == ("not_solved: ValueError: broken", ["not_solved"])


def test_a_series_under_a_rule_buys_from_its_first_choice():
    policy = SETTINGS.policy.model_copy(update={"default": "lot_for_lot"})
    terms = replace(PLAIN, settings=SETTINGS.model_copy(update={"policy": policy}))
    rows = sources(CHEAP, QUICK, {"supplier": "x"} | BAD, on_hand=0.0)
    (decision,) = decide(rows, of_series(rows), terms).to_dict("records")
    assert (decision[t.SUPPLIER], decision[t.ALTERNATIVES]) == ("cheap", {})
    by_supplier = policy.model_copy(
        update={"default": "program", "segment": "supplier", "by_segment": {"quick": "lot_for_lot"}}
    )
    terms = replace(PLAIN, settings=SETTINGS.model_copy(update={"policy": by_supplier}))
    (decision,) = decide(rows, of_series(rows), terms).to_dict("records")
    assert (decision[t.SUPPLIER], decision[t.POLICY]) == ("cheap", "program")
    (decision,) = decide(rows.iloc[[1, 0]].reset_index(drop=True), of_series(rows)[:2], terms).to_dict("records")
    assert (decision[t.SUPPLIER], decision[t.POLICY], decision[t.ALTERNATIVES]) == ("quick", "lot_for_lot", {})


def test_the_bound_is_that_of_the_source_with_the_least_one(monkeypatch):
    plan_ready = attempt.plan_ready

    def loose_for_dear(positions, ready, prices, **given):
        outcome = plan_ready(positions, ready, prices, **given)
        return replace(outcome, dual_bound=outcome.dual_bound - 1e3 * (positions.unit_cost == 3))

    rows = sources({"supplier": "a"}, {"supplier": "b", "unit_cost": 3.0})
    (tight,) = decide(rows, of_series(rows)).to_dict("records")
    monkeypatch.setattr(attempt, "plan_ready", loose_for_dear)
    (loose,) = decide(rows, of_series(rows)).to_dict("records")
    assert loose[t.SUPPLIER] == tight[t.SUPPLIER] == "a"
    assert loose[t.DUAL_BOUND] < tight[t.DUAL_BOUND] - 900


def test_the_simple_rule_buys_from_the_first_sound_choice():
    rows = sources({"supplier": "x"} | BAD, CHEAP, QUICK, on_hand=0.0)
    demand = of_series(rows)
    (both,) = compare_with_rule(decide(rows, demand), rows, demand, settings=SETTINGS, calendar=CALENDAR).to_dict("records")
    assert both[t.SUPPLIER] == "quick"
    slow = rows.iloc[[1]].reset_index(drop=True)
    (single,) = compare_with_rule(decide(slow, demand[[1]]), slow, demand[[1]], settings=SETTINGS, calendar=CALENDAR).to_dict(
        "records"
    )
    assert (both[t.RULE_COST], both[t.RULE_SOLD]) == (approx(single[t.RULE_COST]), approx(single[t.RULE_SOLD]))
    assert both[t.PLAN_COST] < single[t.PLAN_COST]


def totals(rows, demand, terms, choice=None):
    """Return what one pass finds."""
    (found,) = programs(rows, demand, terms)
    return found.totals(choice or terms.choice)


NO_LIMITS = pd.DataFrame(columns=t.LIMITS.names, dtype=object)


def capacity(limit):
    """Return the terms of a plan in which `mill` delivers at most so many units over the horizon."""
    rule = LimitRule(kind="capacity", scope="supplier", scope_value="mill", period="horizon", limit=limit)
    limits = read_limits(limit_rows(NO_LIMITS, {"mill": rule}), PLAN_DATE, horizon=HORIZON, freq="W")
    return replace(PLAIN, limits=limits, choice=Choice.at(np.zeros(1), N_CELLS))


def two_mills(n_series, **changed):
    rows = sources({"supplier": "mill"}, {"supplier": "second", "unit_cost": 2.1}, n_series=n_series, **changed)
    return rows.assign(unit_volume=1.0, category="c")


def test_a_capacity_moves_half_of_the_series_to_the_second_supplier():
    """The cheaper mill has room for half of what 400 series want of it: the others go to the dearer one, at a small gap."""
    rows = two_mills(400, order_multiple=1.0, lead_time_days=7.0)
    demand = of_series(rows)
    wanted = totals(rows, demand, capacity(1e9))
    terms = capacity(wanted.usage.sum() / 2)
    (made,) = programs(rows, demand, terms)
    coupled = couple(made.totals, terms.limits.limits, n_cells=N_CELLS)
    decisions = decide(rows, demand, replace(terms, choice=coupled.choice))
    ordered = np.stack(decisions[t.ORDER_QUANTITY.by_step()].to_list()).sum(axis=1)
    at_mill = (decisions[t.SUPPLIER] == "mill").to_numpy()
    assert 0.4 < at_mill.mean() < 0.6
    assert 0 < ordered[at_mill].sum() <= terms.limits.limits[0]
    assert ordered[at_mill].sum() == approx(coupled.usage[0])
    assert decisions[t.FEASIBLE_COST].sum() == approx(coupled.cost)
    decided = coupled.cost - decisions[t.CONSTANT_COST].sum()
    assert wanted.bound.sum() <= coupled.dual_bound <= coupled.cost <= coupled.dual_bound + 2e-3 * decided


def test_the_bound_at_prices_is_the_least_priced_cost_of_the_sources():
    """At a price of 1.0 a unit of `mill`, buying 4 units there (2.0 each) costs 12 priced, at `second` 8.4."""
    rows = two_mills(1, on_hand=0.0, order_multiple=4.0, lead_time_days=0.0, end_value=0.0, holding_cost=1e-9)
    demand = np.zeros((2, N_PATHS, HORIZON))
    demand[:, :, 0] = 4.0
    for price, bound, cost, used in ((0.0, 8.0, 8.0, 4.0), (1.0, 8.4, 8.4, 0.0)):
        terms = replace(capacity(100.0), choice=Choice.at(np.array([price]), N_CELLS))
        found = totals(rows, demand, terms)
        assert [values.sum() for values in (found.bound, found.cost, found.usage)] == [approx(bound), approx(cost), used]
    (decision,) = decide(rows, demand, terms).to_dict("records")
    assert decision[t.ALTERNATIVES] == {"mill": approx(12 - 8.4)}


def test_a_series_lies_in_the_cell_of_its_first_choice():
    rows = two_mills(50)
    terms = capacity(1.0)
    cells = Sharing.of(rows, terms.limits, read_positions(rows, CALENDAR)).cells
    assert cells[::2].tolist() == cells[1::2].tolist()
    only_mill = Sharing.of(rows.iloc[::2], terms.limits, read_positions(rows.iloc[::2], CALENDAR)).cells
    assert cells[::2].tolist() == only_mill.tolist()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30), st.integers(1, 7))
def test_parts_hold_whole_series(pairs, size):
    series = np.sort([pair[0] for pair in pairs])
    rows = np.arange(100, 100 + len(series))
    parts = whole_series(rows, series, size)
    assert np.concatenate(parts).tolist() == rows.tolist()
    held = [set(series[part - 100]) for part in parts]
    assert sum(map(len, held)) == len(set(series))
    assert all(len(part) < size + np.bincount(series).max() for part in parts)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_cheapest_is_the_first_of_least_cost(pairs):
    series = np.array([pair[0] for pair in pairs])
    cost = np.array([1e6 + pair[1] for pair in pairs]) + np.random.default_rng(0).normal(0, 1e-5, len(pairs))
    naive = [
        min((row for row in range(len(pairs)) if series[row] == number), key=lambda row: (pairs[row][1], row))
        for number in sorted(set(series.tolist()))
    ]
    assert cheapest(series, cost).tolist() == naive
    least = [min(cost[series == number]) for number in series]
    assert least_by_series(series, cost).tolist() == least
    assert heads(series).tolist() == [series.tolist().index(number) for number in series]


def test_sources_stand_together_by_preference():
    rows = pd.DataFrame({"sku": list("abab"), "site": "x", "supplier": list("1234"), "preference": [2, 1, 1, 2]})
    assert by_preference(rows)[t.SUPPLIER].tolist() == ["3", "1", "2", "4"]


def test_the_first_choice_is_the_first_sound_one():
    rows = sources({"supplier": "bad"} | BAD, {"supplier": "mill"}, {"supplier": "next"}, n_series=2)
    rows.loc[[4, 5], t.LEAD_TIME_DAYS] = -1.0
    assert first_choices(rows).tolist() == [1, 1, 1, 3, 3, 3]


def test_a_unit_is_worth_the_least_that_a_supplier_asks():
    rows = sources({"unit_cost": 3.0}, {"unit_cost": 2.0}, {"unit_cost": 0.0}, {"unit_cost": np.nan})
    assert unit_values(rows).tolist() == [2.0] * 4
    assert unit_values(items(unit_cost=0.0)).tolist() == [0.0]
    assert unit_values(items(unit_cost=np.nan)).isna().all()
    assert unit_values(items(2, unit_cost=[4.0, 5.0])).tolist() == [4.0, 5.0]


def test_a_site_that_only_transfers_serve_orders_nothing_today():
    """What is moved today is decided before; the plan counts on later transfers."""
    rows = items(2, on_hand=0.0, lead_time_days=7.0).assign(source_site=["depot", None])
    served, bought = decide(rows, paths(2))[t.ORDER_QUANTITY.by_step()]
    assert served[0] == 0 < served[1]
    assert bought[0] > 0
