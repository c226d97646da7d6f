"""Forecasts joined with stock, supply, costs and open orders: one row a (sku, site), ready to be planned."""

import datetime as dt

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.evaluate.simulated_cost import TERMS
from replen.plan.limits import SCOPES
from replen.plan.timing import PERIOD_DAYS
from replen.spark.buckets import bucket

KEY = [str(t.SKU), str(t.SITE)]
FORECAST = [
    t.MODEL, t.MODEL_VERSION, t.DEMAND_CLASS, t.ABC_CLASS, t.REASON, t.MEAN, t.QUANTILES, t.FAMILY, t.PARAMETERS, t.DEPENDENCE,
    t.SEED,
]  # fmt: skip
NOT_ON_THE_WAY = ("proposed", "received", "cancelled", "canceled")


def planning_items(tables: dict[t.Table, DataFrame], config: Config, plan_date: dt.date) -> DataFrame:
    """Return one row for each (sku, site) that has a forecast or can be bought; null where a table says nothing of it.

    Args:
        tables: FORECASTS, STOCK, OPEN_ORDERS, SUPPLY, COSTS and CATALOGUE of the run, and the last PLAN, which may be empty.
        config: freq and plan.horizon are used.
        plan_date: first day of step 0.
    """
    forecasts = tables[t.FORECASTS].where(F.col(t.STREAM) == t.POOLED).select(*KEY, *FORECAST)
    receipts = receipts_by_step(tables[t.OPEN_ORDERS], plan_date, days=PERIOD_DAYS[config.freq], horizon=config.plan.horizon)
    return (
        forecasts.join(first_choice(tables[t.SUPPLY]), on=KEY, how="full")
        .join(tables[t.STOCK].drop(t.AS_OF), on=KEY, how="left")
        .join(receipts, on=KEY, how="left")
        .join(last_quantities(tables[t.PLAN], plan_date, days=PERIOD_DAYS[config.freq]), on=[*KEY, t.SUPPLIER], how="left")
        .join(tables[t.COSTS], on=KEY, how="left")
        .join(
            tables[t.CATALOGUE].select(
                t.SKU, t.CATEGORY, t.UNIT_PRICE, t.UNIT_VOLUME, t.SHELF_LIFE_DAYS, t.LAUNCH_DATE, t.END_DATE
            ),
            on=t.SKU,
            how="left",
        )
        # A null among integers makes pandas read them as floats, which would round the seeds of all series of a bucket.
        .withColumn(t.SEED, F.coalesce(t.SEED, F.lit(0)))
        .withColumn(t.BUCKET, bucket())
    )


def scope_values(items: DataFrame) -> dict[str, set[str]]:
    """Return what items hold in each column that is a scope of limits."""
    columns = [str(column) for column in SCOPES.values() if column is not None]
    found = items.agg(*(F.collect_set(column).alias(column) for column in columns)).first()
    return {column: set(found[column]) if found else set() for column in columns}


def supply_terms(supply: DataFrame, costs: DataFrame) -> DataFrame:
    """Return one row for each (sku, site) that can be bought or has costs: how it can be bought first, and its costs."""
    return first_choice(supply).join(costs, on=KEY, how="full").select(*KEY, *TERMS)


def first_choice(supply: DataFrame) -> DataFrame:
    """Return for each (sku, site) the supplier of the lowest rank, the first by name where ranks are equal or unknown."""
    by_rank = Window.partitionBy(*KEY).orderBy(F.col(t.RANK).asc_nulls_last(), t.SUPPLIER)
    chosen = supply.where(F.col(t.SOURCE_SITE).isNull()).withColumn("choice", F.row_number().over(by_rank))
    return chosen.where(F.col("choice") == 1).drop("choice", t.RANK, t.SOURCE_SITE)


def receipts_by_step(open_orders: DataFrame, plan_date: dt.date, *, days: int, horizon: int) -> DataFrame:
    """Return for each (sku, site) the units on their way by step: on the shelf at the start of the first whole period.

    What is overdue is counted on at step 0; what comes after the horizon is left out.
    """
    late = F.date_diff(t.EXPECTED_DATE, F.lit(plan_date)) / days
    step = F.greatest(F.ceil(late), F.lit(0))
    # A status that is missing or unknown counts as on the way: better late to order than ordered twice.
    over = F.coalesce(F.lower(F.trim(t.STATUS)).isin(*NOT_ON_THE_WAY), F.lit(False))
    coming = open_orders.where(~over).withColumn("step", step).where(F.col("step") < horizon)

    def units(number: Column) -> Column:
        return F.aggregate(
            "lines", F.lit(0.0), lambda total, line: total + F.when(line.step == number, line[t.QUANTITY]).otherwise(0)
        )

    lines = coming.groupBy(*KEY).agg(F.collect_list(F.struct("step", t.QUANTITY)).alias("lines"))
    steps = F.sequence(F.lit(0), F.lit(horizon - 1))
    return lines.select(*KEY, F.transform(steps, units).alias(t.RECEIPTS))


def last_quantities(plan: DataFrame, plan_date: dt.date, *, days: int) -> DataFrame:
    """Return for each (sku, site, supplier) the units that the last plan orders by step of this one; none for those without."""
    step = (F.date_diff(t.DATE, F.lit(plan_date)) / days).cast("int")
    ahead = plan.where(F.col(t.DATE) >= F.lit(plan_date)).withColumn("step", step)
    lines = ahead.groupBy(*KEY, t.SUPPLIER).agg(F.sort_array(F.collect_list(F.struct("step", t.ORDER_QUANTITY))).alias("lines"))
    return lines.select(*KEY, t.SUPPLIER, F.col("lines")[t.ORDER_QUANTITY].alias(t.LAST_PLAN))
