"""A plan by rules: each demand class has its own, the rest the default; refused where limits must be kept."""

from typing import TYPE_CHECKING

import pandas as pd
import pytest

import replen.tables as t
from jobs import plan_orders
from replen.config import Config, LimitRule
from replen.errors import ConfigError
from replen.spark.run import open_run
from tests.jobs.conftest import QUIET, WRITTEN_BY, Finished

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEY = [str(t.SKU), str(t.SITE)]
PLANNED = WRITTEN_BY["plan_orders"]


def under_rules(config: Config, **policy: object) -> Config:
    """Return the configuration with other policies; every job before the plan is adopted."""
    plan = config.plan.model_copy(update={"policy": config.plan.policy.model_copy(update=policy)})
    return config.model_copy(update={"plan": plan, "orders": config.orders.model_copy(update={"database": None})})


def test_forecasts_say_the_segments_of_every_series_that_is_forecast(finished: Finished) -> None:
    forecasts = finished.tables["forecasts"]
    forecast = forecasts[forecasts[t.MEAN].notna()]
    assert set(forecast[t.DEMAND_CLASS]) <= {"smooth", "erratic", "intermittent", "lumpy"}
    assert forecast[t.DEMAND_CLASS].nunique() > 1
    assert set(forecast[t.ABC_CLASS]) == {"A", "B", "C"}
    assert forecasts.loc[forecasts[t.REASON] == t.INACTIVE, [str(t.DEMAND_CLASS), str(t.ABC_CLASS)]].isna().all(axis=None)


def test_each_class_is_ordered_for_by_its_rule(spark: "SparkSession", finished: Finished) -> None:
    by_segment = {"lumpy": "lot_for_lot", "intermittent": "program"}
    config = under_rules(finished.config, default="projected_inventory", segment="class", by_segment=by_segment)
    counts = plan_orders.run(spark, config, QUIET).counts
    jobs = open_run(spark, config)
    found = {table.name: jobs.read(table, "plan_orders").toPandas() for table in PLANNED}
    forecasts, free = finished.tables["forecasts"], finished.tables
    pooled = forecasts[forecasts[t.STREAM] == t.POOLED].set_index(KEY)
    orders = found["orders"].set_index(KEY)
    by_rule = [count for name, count in counts.items() if name.startswith("planned by ")]
    classes = pooled.loc[orders.index, t.DEMAND_CLASS]
    assert (orders[t.POLICY] == classes.map(by_segment).fillna("projected_inventory")).all()
    assert orders[t.POLICY].nunique() > 1
    levels = [str(t.REORDER_POINT), str(t.SAFETY_STOCK)]
    assert orders[levels].notna().all(axis=None)
    same = orders.index[orders[t.POLICY] == "program"]
    before = free["orders"].set_index(KEY)
    columns = [str(t.ORDER_QUANTITY), str(t.NEXT_ORDER_DATE), *levels]
    pd.testing.assert_frame_equal(orders.loc[same, columns].sort_index(), before.loc[same, columns].sort_index())
    certificate, uncoupled = found["certificates"].iloc[0], free["certificates"].iloc[0]
    solvers = dict(certificate[t.SOLVER_COUNTS])
    assert len(by_rule) == 2
    assert 0 < solvers["rule"] <= sum(by_rule) < counts["planned"]
    assert sum(solvers.values()) == sum(dict(uncoupled[t.SOLVER_COUNTS]).values())
    assert certificate[t.DUAL_BOUND] == pytest.approx(uncoupled[t.DUAL_BOUND])
    assert certificate[t.FEASIBLE_COST] > uncoupled[t.FEASIBLE_COST]
    assert len(found["plan"]) == len(free["plan"])


def test_rules_and_limits_together_are_refused(spark: "SparkSession", finished: Finished) -> None:
    config = under_rules(finished.config, segment="abc", by_segment={"C": "hybrid"})
    limits = {"budget": LimitRule.model_validate({"kind": "budget", "limit": 1e6})}
    with pytest.raises(ConfigError, match="plan.policy: limits are kept by the program alone, found .* the rules hybrid"):
        plan_orders.run(spark, config.model_copy(update={"limits": limits}), QUIET)
