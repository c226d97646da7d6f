"""A bucket: every row comes back once, in order, with a plan or a reason; nothing a row holds can break the others."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen import tables as t
from replen.config import ExceptionRules, Plan, Policies, Rule, SafetyStock, ServiceTarget
from replen.evaluate import comparison
from replen.evaluate.comparison import compare_with_rule
from replen.plan import attempt
from replen.plan.attempt import Terms
from replen.plan.bucket import plan_bucket
from replen.plan.exceptions import ACTIONS
from replen.plan.items import COLUMNS
from replen.plan.timing import Calendar

HORIZON, N_PATHS, PLAN_DATE = 6, 16, dt.date(2024, 4, 15)
SETTINGS = Plan(
    horizon=HORIZON,
    n_paths=N_PATHS,
    unmet_demand="lost",
    policy=Policies(
        default="program",
        segment="none",
        by_segment={},
        target=ServiceTarget(measure="cycle_service_level", value=0.95),
        target_by_segment={},
    ),
    frozen_periods=0,
    change_cost=0,
    safety_stock=SafetyStock(kind="none", cover_periods=0, price=0),
    rule=Rule(cycle_service_level=0.95),
    exceptions=ExceptionRules(stock_out_share=0.1, overstock_periods=26, expiry_share=0.05),
)
CALENDAR = Calendar(np.datetime64(PLAN_DATE), HORIZON, "W")


def items(n_series=1, **changed):
    """Return plain rows: 10 on hand, lead time 10 days, review 7 days, packs of 6; columns changed as given."""
    plain = {
        t.SKU: [f"sku {row}" for row in range(n_series)], t.SITE: "shop", t.SUPPLIER: "mill", t.ON_HAND: 10.0,
        t.BACKORDERS: 0.0, t.RECEIPTS: [np.zeros(HORIZON)] * n_series, t.LEAD_TIME_DAYS: 10.0, t.LEAD_TIME_SD_DAYS: np.nan,
        t.ORDER_DAYS: None, t.SEED: np.arange(n_series),
        t.REVIEW_PERIOD_DAYS: 7.0, t.MIN_ORDER_QUANTITY: 0.0, t.ORDER_MULTIPLE: 6.0, t.MAX_ORDER_QUANTITY: np.nan,
        t.UNIT_COST: 2.0, t.HOLDING_COST: 0.05, t.LOST_SALE_COST: 5.0, t.BACKORDER_COST: np.nan, t.ORDER_COST: np.nan,
        t.END_VALUE: 1.8, t.LAUNCH_DATE: pd.NaT, t.END_DATE: pd.NaT, t.SHELF_LIFE_DAYS: np.nan,
        t.LAST_PLAN: None, t.MODEL: "lstm", t.MODEL_VERSION: "3", t.REASON: None,
    }  # fmt: skip
    rows = pd.DataFrame({str(name): value for name, value in plain.items()}, index=range(n_series))
    return rows.assign(**{str(name): value for name, value in changed.items()})[[str(name) for name in COLUMNS]]


def paths(n_series=1, level=5.0, seed=0):
    return np.random.default_rng(seed).poisson(level, (n_series, N_PATHS, HORIZON)).astype(np.float32)


def decide(rows, demand_paths):
    return plan_bucket(rows, demand_paths, Terms.uncoupled(SETTINGS, PLAN_DATE, "W"))


def test_one_row_a_series_in_the_tables_columns():
    decisions = decide(items(3), paths(3))
    assert decisions.columns.tolist() == t.DECISIONS.names
    assert decisions[t.SKU].tolist() == ["sku 0", "sku 1", "sku 2"]
    row = decisions.iloc[0]
    assert row[t.DATE.by_step()][:2] == [PLAN_DATE, dt.date(2024, 4, 22)]
    assert len(row[t.ORDER_QUANTITY.by_step()]) == HORIZON
    assert row[t.EXPECTED_DATE] == dt.date(2024, 4, 25)
    assert row[t.RECEIPT.by_step()][2] == row[t.ORDER_QUANTITY] > 0  # ten days: on the shelf two weeks later
    assert row[t.VALUE] == 2.0 * row[t.ORDER_QUANTITY]
    assert row[t.ROUNDING] == approx(row[t.ORDER_QUANTITY] - row[t.TARGET])
    assert row[t.SAFETY_STOCK] == approx(row[t.ORDER_UP_TO_LEVEL] - row[t.FORECAST_DEMAND])
    assert row[t.FORECAST_DEMAND] == approx(paths(3)[0, :, :3].sum(axis=1).mean())
    assert row[t.REASON] is None
    assert row[t.SOLVER] == "path_simplex"


def test_step_costs_and_end_value_add_up_to_the_feasible_cost():
    row = decide(items(), paths()).iloc[0]
    left = row[t.PROJECTED_ON_HAND.by_step()][-1]
    assert sum(row[t.EXPECTED_COST.by_step()]) - 1.8 * left == approx(row[t.FEASIBLE_COST])
    assert row[t.DUAL_BOUND] <= row[t.FEASIBLE_COST] + 1e-9


BAD = {
    "no_supply": {t.SUPPLIER: None},
    "no_stock": {t.ON_HAND: np.nan},
    "no_costs": {t.UNIT_COST: np.nan},
    "bad_stock": {t.ON_HAND: -1.0},
    "bad_supply": {t.LEAD_TIME_DAYS: -3.0},
    "bad_costs": {t.END_VALUE: 99.0},
}
MORE_BAD = [
    ("bad_supply", {t.LEAD_TIME_DAYS: np.nan}),
    ("bad_supply", {t.LEAD_TIME_DAYS: 1e12}),
    ("bad_supply", {t.LEAD_TIME_SD_DAYS: -1.0}),
    ("bad_supply", {t.LEAD_TIME_SD_DAYS: 1e9}),
    ("bad_supply", {t.LEAD_TIME_SD_DAYS: 2.0, t.LEAD_TIME_DAYS: 0.0}),
    ("bad_supply", {t.REVIEW_PERIOD_DAYS: 1e30}),
    ("bad_supply", {t.ORDER_MULTIPLE: 0.0}),
    ("bad_supply", {t.REVIEW_PERIOD_DAYS: np.inf}),
    ("bad_supply", {t.MIN_ORDER_QUANTITY: -1.0}),
    ("bad_supply", {t.MAX_ORDER_QUANTITY: -1.0}),
    ("bad_stock", {t.ON_HAND: np.inf}),
    ("bad_shelf_life", {t.SHELF_LIFE_DAYS: 0.0}),
    ("bad_costs", {t.LOST_SALE_COST: 2.0}),
    ("bad_stock", {t.BACKORDERS: -1.0}),
    ("bad_costs", {t.HOLDING_COST: 0.0}),
    ("bad_costs", {t.ORDER_COST: -1.0}),
    ("bad_costs", {t.UNIT_COST: np.inf}),
    ("no_costs", {t.LOST_SALE_COST: np.nan}),
]


@pytest.mark.parametrize(("kind", "wrong"), [*BAD.items(), *MORE_BAD])
def test_what_cannot_be_planned_is_an_exception_and_no_order(kind, wrong):
    row = decide(items(**wrong), paths()).iloc[0]
    assert row[t.KIND.by_exception()] == [kind]
    assert row[t.SEVERITY.by_exception()] == ["critical"]
    (action,) = row[t.ACTION.by_exception()]
    assert all(column in action for column in wrong) or kind == "no_supply"
    assert "expected" in action
    assert row[t.REASON] == kind
    assert row[t.ORDER_QUANTITY.by_step()] is None
    assert np.isnan(row[t.ORDER_QUANTITY])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_missing_forecast_is_an_exception(value):
    unknown = paths()
    unknown[0, 3, 2] = value
    row = decide(items(), unknown).iloc[0]
    assert row[t.REASON] == "no_forecast"
    assert row[t.SEVERITY.by_exception()] == ["critical"]
    assert row[t.VALUE_AT_RISK.by_exception()] == [None]


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ({t.ON_HAND: 10.0}, 20.0),
        ({t.ON_HAND: 0.0}, 0.0),
        ({t.ON_HAND: 0.0, t.SUPPLIER: None, t.UNIT_COST: np.nan}, 0.0),
        ({t.ON_HAND: 10.0, t.UNIT_COST: np.nan}, None),
        ({t.ON_HAND: np.nan}, None),
    ],
)
def test_an_inactive_series_is_for_information_with_the_value_of_what_is_left(changed, value):
    unknown = np.full((2, N_PATHS, HORIZON), np.nan)
    unknown[1] = paths()[0]
    row, planned = (row for _, row in decide(items(2, reason=[t.INACTIVE, None], **changed), unknown).iterrows())
    assert row[t.REASON] == "inactive"
    assert row[t.KIND.by_exception()] == ["inactive"]
    assert row[t.SEVERITY.by_exception()] == ["info"]
    assert row[t.VALUE_AT_RISK.by_exception()] == [value]
    assert row[t.ACTION.by_exception()] == [ACTIONS["inactive"]]
    assert planned[t.REASON] != "inactive"


def test_null_in_optional_columns_means_its_default():
    columns = (t.BACKORDERS, t.REVIEW_PERIOD_DAYS, t.MIN_ORDER_QUANTITY, t.MAX_ORDER_QUANTITY, t.ORDER_COST)
    sparse = items(1, **{str(column): np.nan for column in columns})
    sparse.at[0, t.RECEIPTS] = None
    whole, same = decide(items(), paths()), decide(sparse, paths())
    assert same[t.ORDER_QUANTITY].tolist() == whole[t.ORDER_QUANTITY].tolist()
    assert same[t.REASON].tolist() == [None]


@settings(deadline=None, max_examples=25)
@given(kinds=st.lists(st.sampled_from(["", *BAD]), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_a_bad_row_does_not_change_the_others(kinds, seed):
    rows, demand = items(len(kinds)), paths(len(kinds), seed=seed)
    for row, kind in enumerate(kinds):
        for column, value in BAD.get(kind, {}).items():
            rows.at[row, column] = value
    decisions = decide(rows, demand)
    assert decisions[t.REASON].fillna("").tolist() == kinds
    for row in range(len(kinds)):
        alone = decide(rows.iloc[[row]].reset_index(drop=True), demand[[row]])
        pd.testing.assert_frame_equal(alone, decisions.iloc[[row]].reset_index(drop=True))


def test_a_row_that_breaks_the_planner_is_a_reason(monkeypatch):
    plan_ready = attempt.plan_ready

    def breaks_on_13(positions, ready, prices, **given):
        if (positions.on_hand == 13).any():
            raise ValueError("broken")
        return plan_ready(positions, ready, prices, **given)

    monkeypatch.setattr(attempt, "plan_ready", breaks_on_13)
    decisions = decide(items(3, on_hand=[10.0, 13.0, 11.0]), paths(3))
    assert decisions[t.REASON].tolist() == [None, "not_solved: ValueError: broken", None]
    pd.testing.assert_frame_equal(decisions.iloc[[0, 2]], decide(items(3, on_hand=[10.0, 13.5, 11.0]), paths(3)).iloc[[0, 2]])
    assert decisions[t.KIND.by_exception()].tolist()[1] == ["not_solved"]


def test_a_row_without_proof_is_a_reason(monkeypatch):
    def without_proof(positions, ready, prices, **given):
        outcome = plan_ready(positions, ready, prices, **given)
        return replace(outcome, dual_bound=np.where(positions.on_hand == 13, np.nan, outcome.dual_bound))

    plan_ready = attempt.plan_ready
    monkeypatch.setattr(attempt, "plan_ready", without_proof)
    decisions = decide(items(3, on_hand=[10.0, 13.0, 11.0]), paths(3))
    assert decisions[t.REASON].tolist() == [None, "not_solved: PlanError: the solver gave no proof", None]
    assert decisions[t.ORDER_QUANTITY].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_chunks_do_not_change_the_rows(monkeypatch, size):
    rows, demand = items(5, on_hand=[10.0, np.nan, 0.0, 40.0, 3.0]), paths(5)
    whole = compare_with_rule(decide(rows, demand), rows, demand, settings=SETTINGS, calendar=CALENDAR)
    for module in (attempt, comparison):
        monkeypatch.setattr(module, "CHUNK", size)
    pd.testing.assert_frame_equal(
        compare_with_rule(decide(rows, demand), rows, demand, settings=SETTINGS, calendar=CALENDAR), whole
    )


def test_an_empty_bucket_has_no_rows():
    assert decide(items(0), paths(0)).columns.tolist() == t.DECISIONS.names


MENDED = {
    "stock.on_hand is -1, expected at least 0 and finite: raise it to 0": ({t.ON_HAND: -1.0}, {t.ON_HAND: 0.0}),
    "open_orders bring -4 units in period 2, expected at least 0 and finite: raise their quantity to 0, or cancel them": (
        {t.RECEIPTS: [[1.0, -4.0, 0.0]]},
        {t.RECEIPTS: [[1.0, 0.0, 0.0]]},
    ),
    "supply.order_multiple is -6, expected above 0 and finite (null = 1): raise it above 0; supply.order_days is 'xyz', "
    "expected some of MO,TU,WE,TH,FR,SA,SU (null = all): name at least one": (
        {t.ORDER_MULTIPLE: -6.0, t.ORDER_DAYS: "xyz"},
        {t.ORDER_MULTIPLE: 0.01, t.ORDER_DAYS: "SU"},
    ),
    "supply.lead_time_days is null, expected at least 0 and at most 3650: give it": (
        {t.LEAD_TIME_DAYS: np.nan},
        {t.LEAD_TIME_DAYS: 3650.0},
    ),
    "supply.lead_time_days is 0 and lead_time_sd_days 2, expected a lead time above 0 where it varies: raise lead_time_days "
    "above 0, or lower lead_time_sd_days to 0": (
        {t.LEAD_TIME_DAYS: 0.0, t.LEAD_TIME_SD_DAYS: 2.0},
        {t.LEAD_TIME_DAYS: 0.0, t.LEAD_TIME_SD_DAYS: 0.0},
    ),
    "costs.lost_sale_cost is 2, expected above supply.unit_cost, 2: raise it above 2, or lower unit_cost below 2": (
        {t.LOST_SALE_COST: 2.0},
        {t.LOST_SALE_COST: 2.01},
    ),
    "costs.end_value is 99, expected below unit_cost + holding_cost, 2.05: lower it below 2.05": (
        {t.END_VALUE: 99.0},
        {t.END_VALUE: 2.04},
    ),
    "supply.unit_cost is inf, expected at least 0 and finite: give a finite number": (
        {t.UNIT_COST: np.inf},
        {t.UNIT_COST: 4.0},
    ),
    "catalogue.shelf_life_days is 0, expected above 0 (null = none): raise it above 0": (
        {t.SHELF_LIFE_DAYS: 0.0},
        {t.SHELF_LIFE_DAYS: 0.5},
    ),
}


@pytest.mark.parametrize("action", MENDED)
def test_an_action_names_column_found_value_and_the_least_change_after_which_the_row_is_planned(action):
    wrong, mended = MENDED[action]
    assert decide(items(**wrong), paths()).iloc[0][t.ACTION.by_exception()] == [action]
    assert decide(items(**mended), paths()).iloc[0][t.REASON] is None


UNFIT = {t.MIN_ORDER_QUANTITY: 50.0, t.MAX_ORDER_QUANTITY: 20.0}


def test_where_no_line_fits_the_smallest_is_proposed_and_marked():
    """Packs of 6 and a minimum of 50: 54 at least, and at most 20. The plan is that of a maximum of 54."""
    row, mended = (decide(items(**UNFIT | {t.MAX_ORDER_QUANTITY: most}), paths()).iloc[0] for most in (20.0, 54.0))
    assert row[t.ORDER_QUANTITY] == mended[t.ORDER_QUANTITY] == 54.0
    assert row[t.FEASIBLE_COST] == mended[t.FEASIBLE_COST]
    place = row[t.KIND.by_exception()].index("no_line_fits")
    assert row[t.ACTION.by_exception()][place] == (
        "supply.max_order_quantity is 20, expected at least the smallest line, 54 (min_order_quantity 50 in packs of 6): raise "
        "it to 54, or lower min_order_quantity to 18; an order of 54 units, the smallest line, is proposed today as if it were "
        "allowed"
    )
    assert "no_line_fits" not in decide(items(**UNFIT | {t.MIN_ORDER_QUANTITY: 18.0}), paths()).iloc[0][t.KIND.by_exception()]
    known, short = np.full((1, N_PATHS, HORIZON), 5.0), items(on_hand=4.0, **UNFIT)
    assert kinds(short, known)["no_line_fits"] == approx(4 * 5.0 * 5.0)  # all that is wanted once it can arrive


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({t.ON_HAND: 28.0}, "nothing is ordered today, which costs less than the smallest line"),
        ({t.MAX_ORDER_QUANTITY: 0.0}, "nothing is ordered"),
        ({t.LAUNCH_DATE: pd.Timestamp("2024-05-13")}, "no order is due today"),
    ],
)
def test_where_no_line_fits_and_nothing_is_ordered_no_order_is_spoken_of(changed, done):
    row = decide(items(**UNFIT | changed), paths()).iloc[0]
    place = row[t.KIND.by_exception()].index("no_line_fits")
    assert row[t.ORDER_QUANTITY] == 0
    assert row[t.ACTION.by_exception()][place].endswith(f"; {done}")
    assert not any("today's order" in action for action in row[t.ACTION.by_exception()])


def test_a_horizon_that_is_too_short_says_which_is_not():
    row = decide(items(lead_time_days=70.0), paths()).iloc[0]
    (action,) = row[t.ACTION.by_exception()]
    assert action == "lead time is 10 periods, plan.horizon 6: raise plan.horizon to 11; nothing is ordered until then"


def kinds(rows, demand_paths):
    return dict(zip(*decide(rows, demand_paths).iloc[0][[t.KIND.by_exception(), t.VALUE_AT_RISK.by_exception()]], strict=True))


def test_planned_series_in_trouble_are_exceptions():
    certain = np.full((1, N_PATHS, HORIZON), 5.0)
    assert kinds(items(on_hand=4.0), certain) == {"stock_out_expected": approx(6 * 5.0)}
    assert kinds(items(on_hand=1000.0), certain) == {"overstock": approx((1000 - 30 - 130) * 2.0)}
    assert "horizon_too_short" in kinds(items(lead_time_days=70.0), certain)
    assert "no_line_fits" in kinds(items(max_order_quantity=5.0), certain)
    assert "max_order_quantity_binds" in kinds(items(max_order_quantity=6.0, order_multiple=6.0), 3 * certain)
    assert kinds(items(min_order_quantity=24.0, order_multiple=6.0), certain)["min_order_quantity_binds"] > 0
    assert kinds(items(), certain) == {}


def test_comparison_plays_plan_and_rule_on_the_same_paths():
    rows, demand = items(4, on_hand=[10.0, np.nan, 0.0, 40.0], backorders=[0.0, 0.0, 3.0, 0.0]), paths(4)
    compared = compare_with_rule(decide(rows, demand), rows, demand, settings=SETTINGS, calendar=CALENDAR)
    assert compared.columns.tolist() == t.DECISIONS.names
    planned = compared[compared[t.REASON].isna()]
    assert planned.index.tolist() == [0, 2, 3]
    assert planned[t.MEAN_DEMAND].tolist() == approx(demand.sum(axis=2).mean(axis=1)[[0, 2, 3]] + [0.0, 3.0, 0.0])
    assert (planned[[t.PLAN_SOLD, t.RULE_SOLD]].max(axis=1) <= planned[t.MEAN_DEMAND]).all()
    assert planned[[t.PLAN_COST, t.RULE_COST]].notna().all(axis=None)
    assert compared.loc[1, [t.MEAN_DEMAND, t.PLAN_COST, t.RULE_COST]].isna().all()


def test_the_plan_is_cheaper_than_the_rule_where_stock_outs_are_cheap():
    rows, demand = items(50, lost_sale_cost=2.2, holding_cost=0.4), paths(50)
    compared = compare_with_rule(decide(rows, demand), rows, demand, settings=SETTINGS, calendar=CALENDAR)
    assert compared[t.PLAN_COST].sum() < compared[t.RULE_COST].sum()
