"""Safety stock where demand waits: kept where orders can keep it, priced where it is soft, and proven to cost least."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from replen import tables as t
from replen.config import Plan, SafetyStock
from replen.evaluate.simulation import score, simulate
from replen.plan.exceptions import ACTIONS
from replen.plan.outcome import plan_series
from replen.plan.safety import Floor
from tests.unit.plan_instances import instances, positions
from tests.unit.test_plan_backorders import Fixed
from tests.unit.test_plan_bucket import SETTINGS, items
from tests.unit.test_plan_terms import planned

HARD = SafetyStock(kind="hard", cover_periods=1, price=0)


def kept(outcome):
    return outcome.mean_on_hand - outcome.expected_short


@given(instances(backorders=True), st.sampled_from(["hard", "soft"]), st.sampled_from([0.5, 2.0]), st.sampled_from([0.0, 4.0]))
def test_a_floor_is_kept_or_paid_and_no_plan_costs_less(instance, kind, cover, price):
    drawn, demand = instance
    asked = SafetyStock(kind=kind, cover_periods=cover, price=price)
    outcome, floor = plan_series(drawn, demand, waits=True, safety_stock=asked), Floor.of(asked, drawn, demand)
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert np.all(np.abs(outcome.feasible_cost - outcome.dual_bound) <= 1e-6 * decided)
    played = score(drawn, simulate(drawn, demand, Fixed(outcome.quantities), backorders=True), backorders=True)
    paid = np.where(floor.price == price, price * np.maximum(floor.units - kept(outcome), 0.0), 0.0).sum(axis=1)
    assert outcome.feasible_cost == pytest.approx(played.cost + paid, abs=1e-6)
    hard = np.isinf(floor.price)
    assert np.all(kept(outcome)[hard] >= (floor.units - outcome.missing)[hard] - 1e-6)
    assert hard.any() or not outcome.missing.any()


@given(instances(backorders=True))
def test_a_floor_gives_way_no_more_than_it_must(instance):
    """Where it gives way, all lines that could have arrived by then are at their largest."""
    drawn, demand = instance
    outcome = plan_series(drawn, demand, waits=True, safety_stock=HARD)
    rows, steps = np.nonzero(outcome.missing > 1e-6)
    for row, step in zip(rows, steps, strict=True):
        could = np.flatnonzero(drawn.may_order[row, : step - drawn.lead_time[row] + 1])
        assert (outcome.quantities[row, could] == drawn.largest_order[row]).all()


def test_cover_by_hand():
    """Certain demand 4 in each of 3 weeks, 4 on hand, no lead time, cover of half a week: 2 units at the end of each week.

    2 ordered in the first week, 4 in each later one. With at most 3 units a line 3, 2 and 1 are left: 1 is missing at the end.
    """
    demand, free = np.full((3, 1, 2), 4.0), SafetyStock(kind="hard", cover_periods=0.5, price=0)
    plain = positions(1, 3, on_hand=4.0, backorder_cost=5.0)
    assert plan_series(plain, demand, waits=True, safety_stock=free).quantities.tolist() == [[2.0, 4.0, 4.0]]
    capped = positions(1, 3, on_hand=4.0, backorder_cost=5.0, max_order_quantity=3.0)
    found = plan_series(capped, demand, waits=True, safety_stock=free)
    assert found.quantities.tolist() == [[3.0, 3.0, 3.0]]
    assert found.missing.tolist() == [[0.0, 0.0, 1.0]]


def test_levels_explain_an_order_that_a_hard_floor_asks_for():
    drawn, demand = positions(1, 4, on_hand=3.0, backorder_cost=0.5, unit_cost=1.0, end_value=1.0), np.full((4, 1, 2), 5.0)
    found = plan_series(drawn, demand, waits=True, safety_stock=SafetyStock(kind="hard", cover_periods=2, price=0))
    assert found.quantities[0, 0] == 12.0  # 5 of the first period and 10 at its end
    assert found.order_up_to_level[0] == pytest.approx(15.0, abs=1e-3)
    assert 14.0 <= found.reorder_point[0] <= 15.0


def test_a_safety_stock_that_cannot_be_met_is_an_exception_that_says_by_how_much():
    changed = {t.MAX_ORDER_QUANTITY: 6.0, t.BACKORDER_COST: 1.0, t.ON_HAND: 30.0}
    row = planned(items(1, **changed), unmet_demand="waits", safety_stock=HARD).iloc[0]
    place = row[t.KIND.by_exception()].index("safety_stock_not_met")
    missing = row[t.VALUE_AT_RISK.by_exception()][place] / 2.0  # unit cost
    assert missing > 0
    assert row[t.ACTION.by_exception()][place] == ACTIONS["safety_stock_not_met"].format(round(missing, 4))
    assert row[t.ORDER_QUANTITY] == 6.0


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize(("cover", "binding"), [(0.0, "order_multiple"), (20.0, "safety_stock")])
def test_binding_names_the_safety_stock_where_it_lifts_the_order(kind, cover, binding):
    asked = SafetyStock(kind=kind, cover_periods=cover, price=9.0)
    lifted, plain = (
        planned(items(1, **{t.BACKORDER_COST: 1.0}), unmet_demand="waits", safety_stock=one).iloc[0]
        for one in (asked, SETTINGS.safety_stock)
    )
    assert lifted[t.BINDING] == binding
    assert (lifted[t.ORDER_QUANTITY] > plain[t.ORDER_QUANTITY]) == (binding == "safety_stock")
    assert plain[t.BINDING] == "order_multiple"


def test_lost_sales_refuse_it():
    with pytest.raises(ValidationError, match=r"plan\.safety_stock\.kind: expected none"):
        Plan(**{**dict(SETTINGS), "safety_stock": HARD})
