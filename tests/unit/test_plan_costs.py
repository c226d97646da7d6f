"""Costs by rule where no row is given, and costs that no plan survives."""

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from replen import tables as t
from replen.config import CostRules
from replen.errors import PlanError
from replen.plan.costs import check_costs, fill_costs

RULES = CostRules(holding_rate_per_year=0.25, lost_sale_share=1.0, backorder_share=0.1, order_cost=2.0, end_value_share=0.9)


def rows(**changed):
    plain = {
        t.SKU: ["it's \u201cone\u201d", "two"], t.SITE: "shop", t.UNIT_PRICE: 20.0, t.UNIT_COST: 10.0, t.HOLDING_COST: np.nan,
        t.LOST_SALE_COST: np.nan, t.BACKORDER_COST: np.nan, t.ORDER_COST: np.nan, t.END_VALUE: np.nan,
    }  # fmt: skip
    return pd.DataFrame({str(name): value for name, value in plain.items()}).assign(**changed)


def test_null_costs_come_from_the_rules():
    filled = fill_costs(rows(), RULES, freq="W").iloc[0]
    assert filled[t.HOLDING_COST] == approx(0.25 * 10 * 7 / 365.25)
    assert filled[[t.LOST_SALE_COST, t.BACKORDER_COST, t.ORDER_COST, t.END_VALUE]].tolist() == [20.0, 2.0, 2.0, 9.0]


def test_given_costs_stand():
    filled = fill_costs(rows(holding_cost=[0.5, np.nan], end_value=[0.0, np.nan]), RULES, freq="D")
    assert filled[t.HOLDING_COST].tolist() == approx([0.5, 2.5 / 365.25])
    assert filled[t.END_VALUE].tolist() == [0.0, 9.0]


def test_what_no_rule_can_fill_stays_null():
    filled = fill_costs(rows(unit_cost=[0.0, np.nan], unit_price=[np.nan, 5.0]), RULES, freq="W")
    assert filled[t.HOLDING_COST].isna().all()
    assert filled[t.LOST_SALE_COST].isna().tolist() == [True, False]
    check_costs(filled)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lost_sale_cost": [10.0, 20.0]}, "nothing is ever ordered"),
        ({"end_value": [12.0, 9.0]}, "buying to keep pays"),
        ({"unit_cost": [-1.0, 10.0]}, "none below 0"),
        ({"lost_sale_cost": [np.inf, 20.0]}, "finite"),
        ({"holding_cost": [0.0, 0.1]}, "holding_cost must be above 0"),
    ],
)
def test_absurd_costs_are_refused_by_rule_and_row(wrong, message):
    with pytest.raises(PlanError, match=message) as raised:
        check_costs(fill_costs(rows(**wrong), RULES, freq="W"))
    assert "it's \u201cone\u201d" in str(raised.value)
    assert "'two'" not in str(raised.value)


def test_all_rules_broken_are_named_at_once():
    with pytest.raises(PlanError, match="2 problems"):
        check_costs(fill_costs(rows(lost_sale_cost=[1.0, 20.0], end_value=[9.0, 13.0]), RULES, freq="W"))
