"""Decisions -> plan, orders, explanations, exceptions, certificates, policies: selections only, nothing is computed twice."""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.orders.lines import PROPOSED
from replen.plan.choice import TOUCHED, Coupled
from replen.plan.exceptions import ACTIONS
from replen.plan.limits import Limits
from replen.tables import Table

ALL_SERIES, LIMIT_EXCEEDED, UNUSED = "*", "limit_exceeded", "limit_unused"
SKIPPED, FILLED = "order_value_skipped", "order_value_filled"
ExceptionRow = tuple[str, str, str, str, float | None, str]
PLANNED, SIMPLE_RULE = "plan", "simple_rule"


def split_decisions(
    decisions: DataFrame,
    transfers: DataFrame | None,
    coupled: Coupled | None,
    limits: Limits,
    *,
    unused: Sequence[str],
    run_id: str,
) -> dict[Table, DataFrame]:
    """Return the tables of a plan, each with its columns and maybe others (see `Run.write`).

    Args:
        decisions: rows of `tables.DECISIONS`.
        transfers: rows of `tables.TRANSFERS`, order lines too; None: there are none.
        coupled: how the limits are kept; None: there are none.
        limits: that the series share.
        unused: names of limits that no series has anything to do with.
        run_id: of the run.
    """
    ordered = decisions.where(F.col(t.ORDER_QUANTITY) > 0)
    if transfers is not None:
        ordered = ordered.unionByName(transfers, allowMissingColumns=True)
    ordered = ordered.withColumn(t.RUN_ID, F.lit(run_id))
    return {
        t.PLAN: by_date(decisions),
        t.ORDERS: ordered.withColumn(t.STATUS, F.lit(PROPOSED)),
        t.EXPLANATIONS: ordered,
        t.EXCEPTIONS: with_limits(by_exception(decisions), coupled, limits, unused),
        t.CERTIFICATES: certificates(decisions, coupled, limits),
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


def with_limits(exceptions: DataFrame, coupled: Coupled | None, limits: Limits, unused: Sequence[str]) -> DataFrame:
    """Return exceptions and one for each limit that cannot be kept, or is unused, or is a minimum that changed orders."""
    if coupled is None:
        return exceptions
    rows: list[ExceptionRow] = [
        (ALL_SERIES, label, LIMIT_EXCEEDED, "critical", _known(excess * worth), ACTIONS[LIMIT_EXCEEDED].format(excess))
        for label, excess, worth in zip(
            limits.labels, coupled.relaxed.tolist(), limits.worth(coupled.prices).tolist(), strict=True
        )
        if excess > 0  # more is used even if nothing is ordered
    ]
    rows += minimum_rows(coupled, limits)
    rows += [(ALL_SERIES, label, UNUSED, "info", None, ACTIONS[UNUSED]) for label in unused]
    spark, schema = exceptions.sparkSession, t.EXCEPTIONS.without_run.ddl
    return exceptions.unionByName(spark.createDataFrame(rows, schema)) if rows else exceptions


def minimum_rows(coupled: Coupled, limits: Limits) -> list[ExceptionRow]:
    """Return one exception for each minimum order value for which orders were added, or left out; at risk is what it costs."""
    columns = (limits.minimums, coupled.wanted.usage.sum(axis=0), coupled.usage, coupled.charges())
    rows = list[ExceptionRow]()
    for label, minimum, wanted, used, charge in zip(limits.labels, *(values.tolist() for values in columns), strict=True):
        if wanted > 0 and minimum > 0 and used == 0:
            rows.append((ALL_SERIES, label, SKIPPED, "warning", charge, ACTIONS[SKIPPED].format(wanted, minimum)))
        elif wanted < minimum <= used * (1 + TOUCHED):
            rows.append((ALL_SERIES, label, FILLED, "info", charge, ACTIONS[FILLED].format(used - wanted, minimum)))
    return rows


def certificates(decisions: DataFrame, coupled: Coupled | None, limits: Limits) -> DataFrame:
    """Return the certificate of all series' plans together, and one row a limit."""
    planned = decisions.where(F.col(t.REASON).isNull())
    sums = [F.sum(column).alias(column) for column in (t.DUAL_BOUND, t.FEASIBLE_COST, t.CONSTANT_COST)]
    by_solver = planned.groupBy(t.SOLVER).agg(*sums, F.count("*").alias("n_series"))
    counts = F.map_from_entries(F.sort_array(F.collect_list(F.struct(t.SOLVER, "n_series")))).alias(t.SOLVER_COUNTS)
    whole = by_solver.agg(*sums, counts)
    if coupled is not None:  # the bounds of single series hold at prices of their own, that of all at the best prices
        whole = whole.withColumn(t.DUAL_BOUND, F.lit(coupled.dual_bound))
    violation = 0.0 if coupled is None else float(coupled.violation(limits.limits, limits.minimums).max(initial=0.0))
    decided = F.greatest(F.lit(1.0), F.col(t.FEASIBLE_COST) - F.col(t.CONSTANT_COST))
    together = whole.select(
        F.lit(ALL_SERIES).alias(t.LIMIT_NAME),
        t.DUAL_BOUND,
        t.FEASIBLE_COST,
        ((F.col(t.FEASIBLE_COST) - F.col(t.DUAL_BOUND)) / decided).alias(t.GAP),
        F.lit(violation).alias(t.LARGEST_VIOLATION),
        F.lit(0 if coupled is None else coupled.passes).alias(t.ITERATIONS),
        *(F.lit(None).cast("double").alias(column) for column in (t.AVAILABLE, t.USED, t.LIMIT_PRICE)),
        t.SOLVER_COUNTS,
    ).where(F.col(t.DUAL_BOUND).isNotNull())
    return together if coupled is None else together.unionByName(_by_limit(decisions, coupled, limits))


def _by_limit(decisions: DataFrame, coupled: Coupled, limits: Limits) -> DataFrame:
    """Return one row a limit: what there is, what is used, what one more unit would save; no price where nothing is used."""
    violation = coupled.violation(limits.limits, limits.minimums)
    columns = zip(limits.labels, violation, limits.available, coupled.usage, coupled.prices, strict=True)
    rows = [
        (label, None, None, None, float(over), coupled.passes, float(limit), float(used), _known(float(price)), None)
        for label, over, limit, used, price in columns
    ]
    return decisions.sparkSession.createDataFrame(rows, t.CERTIFICATES.without_run.ddl)


def _known(price: float) -> float | None:
    return price if np.isfinite(price) else None


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
