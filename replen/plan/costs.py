"""Costs of (sku, site): from the `costs` table where it has a row, else from the rules of the configuration."""

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import CostRules
from replen.errors import PlanError, raise_all
from replen.plan.timing import PERIOD_DAYS

DAYS_A_YEAR = 365.25
SHOWN = 5


def fill_costs(items: pd.DataFrame, rules: CostRules, *, freq: str) -> pd.DataFrame:
    """Return items with every cost column filled; a given value stands, null is filled by the rule of the config.

    Args:
        items: one row a source with sku, site, unit_cost, unit_price (null where the catalogue has none) and the cost columns.
        rules: the `costs` section.
        freq: D or W, the period that holding and backorder costs are charged by.
    """
    unit_cost = unit_values(items)
    price = items[t.UNIT_PRICE].astype(np.float64)
    holding = rules.holding_rate_per_year * PERIOD_DAYS[freq] / DAYS_A_YEAR * unit_cost
    by_rule = {
        t.HOLDING_COST: holding.where(holding > 0),
        t.LOST_SALE_COST: rules.lost_sale_share * price,
        t.BACKORDER_COST: rules.backorder_share * price,
        t.ORDER_COST: pd.Series(rules.order_cost, index=items.index),
        t.END_VALUE: rules.end_value_share * unit_cost,
    }
    return items.assign(**{column: items[column].astype(np.float64).fillna(filled) for column, filled in by_rule.items()})


def unit_values(items: pd.DataFrame) -> pd.Series:
    """Return what a unit of each series is worth, money, by item: the least price above 0 that its suppliers ask.

    So units on the shelf are worth the same whoever is asked next, and never more than a unit of any supplier costs.
    """
    unit_cost = items[t.UNIT_COST].astype(np.float64)
    series = [items[t.SKU], items[t.SITE]]
    return unit_cost.where(unit_cost > 0).groupby(series, sort=False, dropna=False).transform("min").fillna(unit_cost)


def check_costs(items: pd.DataFrame, *, where: str = "costs") -> None:
    """Do nothing if every row's costs make a sound program; null costs are left to the planner, which makes them exceptions.

    Args:
        items: one row a series with sku, site, unit_cost, holding_cost, lost_sale_cost and end_value.
        where: table or config section the costs came from, for the message.

    Raises:
        PlanError: names the rule, the rows and what to do. Refused are costs under which nothing is ever ordered (p <= c: a
            lost sale costs no more than a unit), the program is unbounded (v >= c + h: a unit bought to be left over earns
            money; with p > c this is stricter than v >= h + p), and costs that are negative, infinite, or zero for holding.
    """
    unit, holding, lost_sale, end_value = (
        items[column].to_numpy(dtype=np.float64, na_value=np.nan)
        for column in (t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST, t.END_VALUE)
    )
    endless = np.isinf(unit) | np.isinf(holding) | np.isinf(lost_sale) | np.isinf(end_value)
    rules = {
        "costs must be finite, and none below 0": endless | (unit < 0) | (lost_sale < 0) | (end_value < 0),
        "holding_cost must be above 0: give it in costs, or raise costs.holding_rate_per_year": holding <= 0,
        "lost_sale_cost must be above unit_cost, or nothing is ever ordered: raise lost_sale_cost or costs.lost_sale_share": (
            lost_sale <= unit
        ),
        "end_value must be below unit_cost + holding_cost, or buying to keep pays without end: lower end_value or "
        "costs.end_value_share": end_value >= unit + holding,
    }
    raise_all(PlanError, [_problem(items.loc[wrong], where, rule) for rule, wrong in rules.items() if wrong.any()])


def _problem(items: pd.DataFrame, where: str, rule: str) -> str:
    """Return the message for rows that break a rule: how many, and the first few with their costs."""
    columns = [t.UNIT_COST, t.HOLDING_COST, t.LOST_SALE_COST, t.END_VALUE]
    shown = "; ".join(
        f"{sku[:40]!r} at {site[:40]!r}: " + ", ".join(f"{name} {value:g}" for name, value in zip(columns, values, strict=True))
        for sku, site, *values in items[[t.SKU, t.SITE, *columns]].head(SHOWN).itertuples(index=False)
    )
    return f"{where}: {rule}. Found {len(items)} row(s): {shown}"
