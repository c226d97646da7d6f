"""Decisions -> plan, orders, explanations, exceptions, certificates, policies: selections only, nothing is computed twice."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.orders.lines import PROPOSED
from replen.tables import Table

UNCOUPLED = "*"
PLANNED, SIMPLE_RULE = "plan", "simple_rule"


def split_decisions(decisions: DataFrame, run_id: str) -> dict[Table, DataFrame]:
    """Return the tables of a plan from rows of `tables.DECISIONS`, each with its columns and maybe others (see `Run.write`)."""
    ordered = decisions.where(F.col(t.ORDER_QUANTITY) > 0).withColumn(t.RUN_ID, F.lit(run_id))
    prices = F.create_map().cast(t.LIMIT_PRICES.type)  # no limit couples series yet, so none has a price
    return {
        t.PLAN: by_date(decisions),
        t.ORDERS: ordered.withColumn(t.STATUS, F.lit(PROPOSED)),
        t.EXPLANATIONS: ordered.withColumn(t.LIMIT_PRICES, prices),
        t.EXCEPTIONS: by_exception(decisions),
        t.CERTIFICATES: certificate(decisions),
        t.POLICIES: policies(decisions),
    }


def by_date(decisions: DataFrame) -> DataFrame:
    """Return one row for each planned (sku, site) and period."""
    columns = (t.DATE, *t.PLAN.values)
    zipped = F.arrays_zip(*(F.col(column.by_step()).alias(column) for column in columns))
    planned = decisions.where(F.col(t.REASON).isNull())
    return planned.select(t.SKU, t.SITE, t.SUPPLIER, F.inline(zipped))


def by_exception(decisions: DataFrame) -> DataFrame:
    """Return one row for each exception."""
    columns = (t.KIND, *t.EXCEPTIONS.values)
    zipped = F.arrays_zip(*(F.col(column.by_exception()).alias(column) for column in columns))
    return decisions.select(t.SKU, t.SITE, F.inline(zipped))


def certificate(decisions: DataFrame) -> DataFrame:
    """Return the certificate of the uncoupled program: the series' bounds, costs and solvers added up."""
    planned = decisions.where(F.col(t.REASON).isNull())
    sums = [F.sum(column).alias(column) for column in (t.DUAL_BOUND, t.FEASIBLE_COST, t.CONSTANT_COST)]
    by_solver = planned.groupBy(t.SOLVER).agg(*sums, F.count("*").alias("n_series"))
    counts = F.map_from_entries(F.sort_array(F.collect_list(F.struct(t.SOLVER, "n_series")))).alias(t.SOLVER_COUNTS)
    whole = by_solver.agg(*sums, counts)
    decided = F.greatest(F.lit(1.0), F.col(t.FEASIBLE_COST) - F.col(t.CONSTANT_COST))
    return whole.select(
        F.lit(UNCOUPLED).alias(t.LIMIT_NAME),
        t.DUAL_BOUND,
        t.FEASIBLE_COST,
        ((F.col(t.FEASIBLE_COST) - F.col(t.DUAL_BOUND)) / decided).alias(t.GAP),
        F.lit(0.0).alias(t.LARGEST_VIOLATION),
        F.lit(0).alias(t.ITERATIONS),
        t.SOLVER_COUNTS,
    ).where(F.col(t.DUAL_BOUND).isNotNull())


def policies(decisions: DataFrame) -> DataFrame:
    """Return expected cost and fill rate of the plan and of the simple rule, over all planned series."""
    totals = decisions.where(F.col(t.REASON).isNull()).agg(
        *(F.sum(column).alias(column) for column in (t.MEAN_DEMAND, t.PLAN_COST, t.PLAN_SOLD, t.RULE_COST, t.RULE_SOLD))
    )
    compared = ((PLANNED, t.PLAN_COST, t.PLAN_SOLD), (SIMPLE_RULE, t.RULE_COST, t.RULE_SOLD))
    rows = [
        F.struct(F.lit(name).alias(t.POLICY), F.col(cost).alias(t.EXPECTED_COST), F.col(sold).alias(t.EXPECTED_SOLD))
        for name, cost, sold in compared
    ]
    by_policy = totals.select(t.MEAN_DEMAND, F.inline(F.array(*rows)))
    return by_policy.withColumn(t.FILL_RATE, F.col(t.EXPECTED_SOLD) / F.col(t.MEAN_DEMAND))
