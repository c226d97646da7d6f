"""Terms of supply and product in the plan: days on which orders are taken, days on sale, frozen periods."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.plan.attempt import Terms
from replen.plan.bucket import plan_bucket
from replen.plan.items import order_weekdays, read_positions
from replen.plan.outcome import plan_series
from replen.plan.projection import arrivals, project, step_costs
from replen.plan.timing import Calendar
from tests.unit.plan_instances import positions
from tests.unit.test_plan_bucket import HORIZON, PLAN_DATE, SETTINGS, items, paths

MONDAY, THURSDAY = np.datetime64("2024-04-15"), np.datetime64("2024-04-18")


def planned(rows, freq="W", plan_date=PLAN_DATE, **settings):
    terms = Terms.uncoupled(SETTINGS.model_copy(update=settings), plan_date, freq)
    return plan_bucket(rows, paths(len(rows), level=9.0), terms)


def steps_with_orders(decisions):
    return [np.flatnonzero(np.array(units) > 0).tolist() for units in decisions[t.ORDER_QUANTITY.by_step()]]


def test_weekdays_are_read_from_text():
    rows = items(3, **{t.ORDER_DAYS: ["MO,TH", None, "SU"]})
    assert order_weekdays(rows).astype(int).tolist() == [[1, 0, 0, 1, 0, 0, 0], [1] * 7, [0, 0, 0, 0, 0, 0, 1]]


def test_a_week_waits_for_its_order_day_and_the_wait_counts_as_lead_time():
    """The plan date is a Monday. Ordered on Thursday, 4 days later it is the next Monday; 5 days later too late for it."""
    order_days = {t.ORDER_DAYS: ["TH,FR", "TH,FR", None], t.LEAD_TIME_DAYS: [4.0, 5.0, 5.0]}
    rows = items(3, on_hand=0.0, **order_days)
    assert read_positions(rows, Calendar(MONDAY, HORIZON, "W")).lead_time.tolist() == [1, 2, 1]
    decisions = planned(rows)
    thursday = dt.date(2024, 4, 18)
    assert decisions[t.ORDER_DATE].tolist() == [thursday, thursday, PLAN_DATE]
    assert decisions[t.EXPECTED_DATE].tolist() == [dt.date(2024, 4, 22), dt.date(2024, 4, 23), dt.date(2024, 4, 20)]
    first_later = [dt.date(2024, 4, 15) + dt.timedelta(weeks=min(steps[1:])) for steps in steps_with_orders(decisions)]
    waits = [dt.timedelta(days=3), dt.timedelta(days=3), dt.timedelta(0)]
    assert decisions[t.NEXT_ORDER_DATE].tolist() == [date + wait for date, wait in zip(first_later, waits, strict=True)]
    assert [np.flatnonzero(units)[0] for units in decisions[t.RECEIPT.by_step()]] == [1, 2, 1]


def test_days_on_which_no_order_is_taken_have_none():
    """From Thursday: TH FR SA SU MO TU. Every second day, TH SA MO, is a review; that of SA waits for MO, as does MO's own."""
    rows = items(2, **{t.ORDER_DAYS: ["TH,MO,TU", None], t.REVIEW_PERIOD_DAYS: 2.0, t.LEAD_TIME_DAYS: 0.0})
    may_order = read_positions(rows, Calendar(THURSDAY, 6, "D")).may_order
    assert [np.flatnonzero(steps).tolist() for steps in may_order] == [[0, 4], [0, 2, 4]]
    tuesday = dt.date(2024, 4, 16)
    decisions = planned(rows.assign(**{t.ON_HAND: 0.0}), freq="D", plan_date=tuesday)
    assert decisions[t.ORDER_DATE].tolist() == [tuesday, tuesday]
    assert steps_with_orders(decisions)[0] == [0, 2]  # TU; TH; then nothing before MO, which is past the six days
    assert decisions[t.NEXT_ORDER_DATE].tolist()[0] == dt.date(2024, 4, 18)


def test_an_order_arrives_while_the_product_is_on_sale():
    """Lead time 1 week, 6 weeks. Launched in week 3: first order in week 2. Ended in week 3: last order in week 2."""
    launch, end = pd.Timestamp("2024-05-08"), pd.Timestamp("2024-05-08")
    rows = items(3, **{t.LAUNCH_DATE: [launch, pd.NaT, pd.NaT], t.END_DATE: [pd.NaT, end, pd.NaT], t.LEAD_TIME_DAYS: 7.0})
    may_order = read_positions(rows, Calendar(MONDAY, 6, "W")).may_order
    assert [np.flatnonzero(steps).tolist() for steps in may_order] == [[2, 3, 4], [0, 1, 2], [0, 1, 2, 3, 4]]
    assert max(steps_with_orders(planned(rows.assign(**{t.ON_HAND: 0.0})))[1]) <= 2


@pytest.mark.parametrize("unmet_demand", ["lost", "waits"])
def test_frozen_periods_keep_what_was_ordered(unmet_demand):
    rows = items(1, on_hand=0.0, **{t.LEAD_TIME_DAYS: 0.0, t.BACKORDER_COST: 1.0})
    free, frozen = (planned(rows, unmet_demand=unmet_demand, frozen_periods=periods) for periods in (0, 2))
    assert min(steps_with_orders(free)[0]) == 0
    assert min(steps_with_orders(frozen)[0]) == 2
    assert frozen[t.FEASIBLE_COST][0] > free[t.FEASIBLE_COST][0]


def test_text_that_names_no_weekday_is_refused():
    (reason,) = planned(items(1, **{t.ORDER_DAYS: "Monday"}))[t.REASON]
    assert reason == "bad_supply"


def test_maximal_profit_is_least_cost():
    """With r the revenue of a unit sold, profit = r * sold - purchase - holding + end value = r * demand - cost at p = r.

    Demand is the same for every plan, so the plan of least cost at lost_sale_cost = price earns most.
    """
    rng = np.random.default_rng(4)
    demand, price = rng.poisson(5, (6, 20, 30)).astype(float), 3.0
    drawn = positions(20, 6, on_hand=rng.poisson(6, 20), lead_time=1, lost_sale_cost=price, order_cost=1.0, end_value=0.9)
    best = plan_series(drawn, demand)

    def profit(quantities):
        played = project(drawn.on_hand, arrivals(drawn, quantities), demand)
        spent = step_costs(replace(drawn, lost_sale_cost=np.zeros(20)), quantities, played).sum(axis=1)
        sold = (demand - played.short).mean(axis=2).sum(axis=0)
        return price * sold - spent + drawn.end_value * played.ending[-1].mean(axis=1)

    assert profit(best.quantities) == pytest.approx(price * demand.mean(axis=2).sum(axis=0) - best.feasible_cost)
    for cost in (2.0, 5.0):  # a plan made for any other price earns no more
        other = plan_series(replace(drawn, lost_sale_cost=np.full(20, cost)), demand)
        assert np.all(profit(other.quantities) <= profit(best.quantities) + 1e-2)
        assert profit(other.quantities).sum() < profit(best.quantities).sum()
