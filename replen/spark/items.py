"""Forecasts joined with stock, supply, costs and open orders: one row a (sku, site, supplier), ready to be planned."""

import datetime as dt

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.evaluate.simulated_cost import TERMS
from replen.plan.timing import PERIOD_DAYS
from replen.spark.buckets import bucket

KEY = [str(t.SKU), str(t.SITE)]
FORECAST = [
    t.MODEL, t.MODEL_VERSION, t.DEMAND_CLASS, t.ABC_CLASS, t.REASON, t.MEAN, t.QUANTILES, t.FAMILY, t.PARAMETERS, t.DEPENDENCE,
    t.SEED,
]  # fmt: skip
NOT_ON_THE_WAY = ("proposed", "received", "cancelled", "canceled")


def planning_items(tables: dict[t.Table, DataFrame], config: Config, plan_date: dt.date) -> DataFrame:
    """Return one row for each source of each (sku, site) that has a forecast or can be bought; null where nothing is known.

    Args:
        tables: FORECASTS, STOCK, OPEN_ORDERS, SUPPLY, COSTS and CATALOGUE of the run.
        config: freq and plan.horizon are used.
        plan_date: first day of step 0.
    """
    forecasts = tables[t.FORECASTS].where(F.col(t.STREAM) == t.POOLED).select(*KEY, *FORECAST)
    receipts = receipts_by_step(tables[t.OPEN_ORDERS], plan_date, days=PERIOD_DAYS[config.freq], horizon=config.plan.horizon)
    return (
        forecasts.join(sources(tables[t.SUPPLY]), on=KEY, how="full")
        .join(tables[t.STOCK].drop(t.AS_OF), on=KEY, how="left")
        .join(receipts, on=KEY, how="left")
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
        .withColumn(t.PREFERENCE, F.coalesce(t.PREFERENCE, F.lit(1)))
        .withColumn(t.BUCKET, bucket())
    )


def supply_terms(supply: DataFrame, costs: DataFrame) -> DataFrame:
    """Return one row for each (sku, site) that can be bought or has costs: how it can be bought first, and its costs."""
    return first_choice(supply).join(costs, on=KEY, how="full").select(*KEY, *TERMS)


def first_choice(supply: DataFrame) -> DataFrame:
    """Return for each (sku, site) the supplier of the lowest rank, the first by name where ranks are equal or unknown."""
    return sources(supply).where(F.col(t.PREFERENCE) == 1).drop(t.PREFERENCE)


def sources(supply: DataFrame) -> DataFrame:
    """Return the suppliers of each (sku, site), by preference: rank, then name; those without a rank come last."""
    by_rank = Window.partitionBy(*KEY).orderBy(F.col(t.RANK).asc_nulls_last(), t.SUPPLIER)
    bought = supply.where(F.col(t.SOURCE_SITE).isNull())
    return bought.withColumn(t.PREFERENCE, F.row_number().over(by_rank)).drop(t.RANK, t.SOURCE_SITE)


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
