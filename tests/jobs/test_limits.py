"""A plan under limits: a budget, a supplier's capacity, a site's volume; kept, priced, explained, certified."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import replen.tables as t
from jobs import plan_orders
from replen.config import Config, LimitRule
from replen.spark.run import open_run
from replen.summary import Outcome, summary
from tests.jobs.conftest import QUIET, WRITTEN_BY, Finished

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLANNED = WRITTEN_BY["plan_orders"]


def limited(config: Config, **limits: dict[str, object]) -> Config:
    rules = {name: LimitRule.model_validate(rule) for name, rule in limits.items()}
    return config.model_copy(update={"limits": rules, "orders": config.orders.model_copy(update={"database": None})})


def planned(spark: "SparkSession", config: Config) -> dict[str, pd.DataFrame]:
    plan_orders.run(spark, config, QUIET)
    jobs = open_run(spark, config)
    return {table.name: jobs.read(table, "plan_orders").toPandas() for table in PLANNED}


def test_limits_are_kept_priced_and_certified(spark: "SparkSession", finished: Finished) -> None:
    free = finished.tables
    spent, supplier = free["orders"][t.VALUE].sum(), free["orders"].groupby(str(t.SUPPLIER))[t.ORDER_QUANTITY].sum()
    busiest = supplier.idxmax()
    found = planned(
        spark,
        limited(
            finished.config,
            budget={"kind": "budget", "limit": 0.7 * spent},
            capacity={"kind": "capacity", "scope": "supplier", "scope_value": busiest, "limit": 0.5 * supplier[busiest]},
        ),
    )
    orders, certificates = found["orders"], found["certificates"].set_index(str(t.LIMIT_NAME))
    assert 0 < orders[t.VALUE].sum() <= 0.7 * spent
    assert orders.loc[orders[t.SUPPLIER] == busiest, t.ORDER_QUANTITY].sum() <= 0.5 * supplier[busiest]
    whole, by_limit = certificates.loc["*"], certificates.drop(index="*")
    assert len(by_limit) == 2 * finished.config.plan.horizon
    assert (by_limit[t.USED] <= by_limit[t.AVAILABLE] * (1 + 1e-9)).all()
    assert whole[t.LARGEST_VIOLATION] == 0
    assert free["certificates"][t.DUAL_BOUND].iloc[0] < whole[t.DUAL_BOUND] <= whole[t.FEASIBLE_COST]
    assert whole[t.GAP] < 0.05
    assert whole[t.ITERATIONS] > 1
    assert (by_limit[t.LIMIT_PRICE] > 0).any()
    priced = found["explanations"][t.LIMIT_PRICES].map(dict)
    assert priced.map(len).max() >= 1
    assert found["plan"].merge(free["plan"], on=[str(t.SKU), str(t.SITE), str(t.DATE)]).shape[0] == len(free["plan"])


def test_a_limit_that_stock_alone_exceeds_is_an_exception(spark: "SparkSession", finished: Finished) -> None:
    site = finished.tables["stock"][t.SITE].iloc[0]
    config = limited(finished.config, space={"kind": "volume", "scope": "site", "scope_value": site, "limit": 0.0})
    found = planned(spark, config)
    told = found["exceptions"][found["exceptions"][t.KIND] == "limit_exceeded"]
    assert len(told) > 0
    assert told[t.ACTION].str.startswith("raise the limit").all()
    assert (told[t.VALUE_AT_RISK] >= 0).all()
    assert found["certificates"].set_index(str(t.LIMIT_NAME)).loc["*", t.LARGEST_VIOLATION] == 0
    assert (found["orders"][t.SITE] != site).all()


def test_a_minimum_is_reached_or_skipped_and_said(spark: "SparkSession", finished: Finished) -> None:
    value = finished.tables["orders"].groupby(str(t.SUPPLIER))[t.VALUE].sum()
    rules = {
        f"least {name}": {"kind": "minimum_order_value", "scope": "supplier", "scope_value": name, "limit": share * wanted}
        for (name, wanted), share in zip(value.items(), [1.1, 50.0, *[0.5] * len(value)], strict=False)
    }
    rules["typo"] = {"kind": "capacity", "scope": "supplier", "scope_value": "nobody", "limit": 1.0}
    found = planned(spark, limited(finished.config, **rules))
    ordered = found["orders"].groupby(str(t.SUPPLIER))[t.VALUE].sum().reindex(value.index, fill_value=0.0)
    (filled, skipped), others = value.index[:2], value.index[2:]
    assert 1.1 * value[filled] * (1 - 1e-9) <= ordered[filled] < 2 * value[filled]
    assert ordered[skipped] == 0
    assert ordered[others].tolist() == pytest.approx(value[others].tolist())
    told = found["exceptions"][found["exceptions"][t.SKU] == "*"].set_index(str(t.KIND))
    assert told.index.tolist().count("limit_unused") == 1
    assert told.loc["limit_unused", t.SITE] == "typo nobody"
    for kind, severity, name in (("order_value_filled", "info", filled), ("order_value_skipped", "warning", skipped)):
        assert f"least {name} {name}" in told.loc[kind, t.SITE]
        assert told.loc[kind, t.SEVERITY] == severity
        assert told.loc[kind, t.VALUE_AT_RISK] > 0
        assert f"{rules[f'least {name}']['limit']:g}" in told.loc[kind, t.ACTION]
    certificates = found["certificates"].set_index(str(t.LIMIT_NAME))
    assert certificates.loc["*", t.LARGEST_VIOLATION] == 0
    by_name = certificates[certificates.index.str.startswith(f"least {filled} ")].iloc[0]
    assert by_name[t.AVAILABLE] <= by_name[t.USED] * (1 + 1e-9)
    assert by_name[t.LIMIT_PRICE] < 0


@pytest.fixture
def outcome(finished: Finished) -> Outcome:
    tables = finished.tables
    by_limit = tables["certificates"].iloc[0].to_dict() | {
        str(t.LIMIT_NAME): "budget 2024-07-01", str(t.DUAL_BOUND): None, str(t.AVAILABLE): 100.0, str(t.USED): 99.5,
        str(t.LIMIT_PRICE): 0.25,
    }  # fmt: skip
    certificates = pd.concat([tables["certificates"], pd.DataFrame([by_limit])], ignore_index=True)
    empty = pd.DataFrame()
    return Outcome(
        "run", "2024-06-24", {"forecast": {"series": 1, "forecast": 1}, "plan_orders": {"planned": 1}}, empty, empty,
        tables["policies"], certificates, pd.DataFrame([[1, 2, 3]]), empty,
        pd.DataFrame(columns=t.QUALITY_CHECKS.names), empty,
    )  # fmt: skip


def test_the_summary_names_the_limits_that_bind(finished: Finished, outcome: Outcome) -> None:
    told = summary(finished.config, outcome)
    assert "limit budget 2024-07-01: 99.5 of 100 used, one more unit of it would save about 0.25" in told
    assert "1 limits, 1 of them bind" in told
    assert "within the limits, no plan fixed today costs less" in told


def test_a_limit_that_makes_no_sense_stops_the_plan(spark: "SparkSession", finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="limits, budget, column period: expected a day"):
        plan_orders.run(spark, limited(finished.config, budget={"kind": "budget", "limit": 1.0, "period": "soon"}), QUIET)
