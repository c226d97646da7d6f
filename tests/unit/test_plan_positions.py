"""Days to periods, and backorders served before anything is sold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.plan.positions import serve_backorders
from replen.plan.timing import periods, step_dates
from tests.unit.plan_instances import instances, naive_order_steps, positions


@given(whole=st.integers(0, 300), extra=st.sampled_from([0.0, 1e-6, 0.5, 0.999]), freq=st.sampled_from(["D", "W"]))
def test_days_round_up_to_periods(whole, extra, freq):
    length = {"D": 1, "W": 7}[freq]
    assert periods(np.array([(whole + extra) * length]), freq)[0] == whole + (extra > 0)


def test_days_with_rounding_errors_are_whole_periods():
    assert periods(np.array([7 * 1.0000000000001, 0.1 * 70]), "W").tolist() == [1, 1]


def test_steps_are_weeks_from_the_plan_date():
    assert step_dates(np.datetime64("2024-12-30"), horizon=2, freq="W").astype(str).tolist() == ["2024-12-30", "2025-01-06"]


@given(instance=instances())
def test_a_review_outside_the_order_window_waits_for_the_next_step_inside(instance):
    drawn, _ = instance
    assert [np.flatnonzero(steps).tolist() for steps in drawn.may_order] == [
        naive_order_steps(drawn, row) for row in range(drawn.n_series)
    ]


@settings(deadline=None)
@given(instance=instances(backorders=True))
def test_served_backorders_keep_the_balance(instance):
    drawn, demand = instance
    served, wanted = serve_backorders(drawn, demand)
    before, after = (one.on_hand + one.receipts.sum(axis=1) - one.backorders for one in (drawn, served))
    assert after - wanted.sum(axis=0).mean(axis=1) == approx(before - demand.sum(axis=0).mean(axis=1))
    assert (served.on_hand >= 0).all()
    assert (served.receipts >= 0).all()
    assert (served.backorders == 0).all()


def test_owed_units_wait_for_the_first_order():
    drawn = positions(1, 3, on_hand=1.0, backorders=6.0, receipts=[[2.0, 0.0, 9.0]], lead_time=1)
    served, wanted = serve_backorders(drawn, np.zeros((3, 1, 1)))
    assert served.on_hand.tolist() == [0.0]
    assert served.receipts.tolist() == [[0.0, 0.0, 9.0]]
    assert wanted.ravel().tolist() == [0.0, 3.0, 0.0]
