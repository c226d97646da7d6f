"""Forecasts joined with stock, supply, costs and open orders: one row a (sku, site, supplier), ready to be planned."""

import datetime as dt

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.evaluate.simulated_cost import TERMS
from replen.forecast.distribution import QUANTILES as KNOWN_BY_QUANTILES
from replen.plan.limits import SCOPES
from replen.plan.timing import PERIOD_DAYS
from replen.spark.buckets import bucket

KEY = [str(t.SKU), str(t.SITE)]
LAST_SUPPLIER = "last_supplier"
FORECAST = [
    t.MODEL, t.MODEL_VERSION, t.DEMAND_CLASS, t.ABC_CLASS, t.REASON, t.MEAN, t.QUANTILES, t.FAMILY, t.PARAMETERS, t.DEPENDENCE,
    t.SEED,
]  # fmt: skip
NOT_ON_THE_WAY = ("proposed", "received", "cancelled", "canceled")


def planning_items(tables: dict[t.Table, DataFrame], config: Config, plan_date: dt.date) -> DataFrame:
    """Return one row for each source of each (sku, site) that has a forecast or can be bought; null where nothing is known.

    Args:
        tables: FORECASTS, STOCK, OPEN_ORDERS, SUPPLY, COSTS and CATALOGUE of the run, and the last PLAN, which may be empty.
        config: freq and plan.horizon are used.
        plan_date: first day of step 0.
    """
    rows = keys_of(tables).join(sources(tables[t.SUPPLY]), on=KEY, how="full")
    last = last_quantities(tables[t.PLAN], plan_date, days=PERIOD_DAYS[config.freq])
    none = F.transform(t.LAST_PLAN, lambda units: units * 0)
    from_it = F.col(LAST_SUPPLIER) == F.col(t.SUPPLIER)
    known = rows.join(last, on=KEY, how="left").withColumn(t.LAST_PLAN, F.when(from_it, F.col(t.LAST_PLAN)).otherwise(none))
    return with_terms(known.drop(LAST_SUPPLIER), tables, config, plan_date)


def keys_of(tables: dict[t.Table, DataFrame]) -> DataFrame:
    """Return each (sku, site) that has a forecast."""
    return tables[t.FORECASTS].where(F.col(t.STREAM) == t.POOLED).select(*KEY)


def forecasts_of(tables: dict[t.Table, DataFrame]) -> DataFrame:
    """Return one row for each (sku, site) that has a forecast, without quantiles where parameters tell them."""
    pooled = tables[t.FORECASTS].where(F.col(t.STREAM) == t.POOLED).select(*KEY, *FORECAST)
    return pooled.withColumn(t.QUANTILES, F.when(F.col(t.FAMILY) == KNOWN_BY_QUANTILES, F.col(t.QUANTILES)))


def with_terms(rows: DataFrame, tables: dict[t.Table, DataFrame], config: Config, plan_date: dt.date) -> DataFrame:
    """Return sources with stock, open orders, costs and product of their series, its forecast, and the bucket.

    Forecasts, which are wide, come last: every join before would move them once more.
    """
    receipts = receipts_by_step(tables[t.OPEN_ORDERS], plan_date, days=PERIOD_DAYS[config.freq], horizon=config.plan.horizon)
    product = (t.SKU, t.CATEGORY, t.UNIT_PRICE, t.UNIT_VOLUME, t.SHELF_LIFE_DAYS, t.LAUNCH_DATE, t.END_DATE)
    return (
        rows.join(tables[t.CATALOGUE].select(*product), on=t.SKU, how="left")
        .join(tables[t.STOCK].drop(t.AS_OF), on=KEY, how="left")
        .join(receipts, on=KEY, how="left")
        .join(tables[t.COSTS], on=KEY, how="left")
        .join(forecasts_of(tables), on=KEY, how="left")
        # A null among integers makes pandas read them as floats, which would round the seeds of all series of a bucket.
        .withColumn(t.SEED, F.coalesce(t.SEED, F.lit(0)))
        .withColumn(t.PREFERENCE, F.coalesce(t.PREFERENCE, F.lit(1)))
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
    bought = preferred(supply.where(F.col(t.SOURCE_SITE).isNull()))
    return bought.where(F.col(t.PREFERENCE) == 1).drop(t.PREFERENCE, t.SOURCE_SITE)


def sources(supply: DataFrame) -> DataFrame:
    """Return the suppliers of each (sku, site), by preference; its routes where it has no supplier."""
    is_route = F.col(t.SOURCE_SITE).isNotNull()
    only_routes = F.min(is_route).over(Window.partitionBy(*KEY))
    return preferred(priced(supply)).withColumn("only", only_routes).where(~is_route | F.col("only")).drop("only")


def preferred(supply: DataFrame) -> DataFrame:
    """Return supply rows with the preference of their (sku, site): suppliers by rank, then name, no rank last; then routes."""
    order = (F.col(t.SOURCE_SITE).isNotNull(), F.col(t.RANK).asc_nulls_last(), t.SUPPLIER)
    return supply.withColumn(t.PREFERENCE, F.row_number().over(Window.partitionBy(*KEY).orderBy(*order))).drop(t.RANK)


def priced(supply: DataFrame) -> DataFrame:
    """Return supply rows; a unit that is moved costs what moving costs and the least that any supplier of the SKU asks."""
    is_route = F.col(t.SOURCE_SITE).isNotNull()
    routes = supply.where(is_route).join(goods_costs(supply), on=t.SKU, how="left")
    moved = routes.withColumn(t.UNIT_COST, F.col(t.UNIT_COST) + F.col(t.GOODS_COST))
    return supply.where(~is_route).unionByName(moved, allowMissingColumns=True)


def goods_costs(supply: DataFrame) -> DataFrame:
    """Return the least purchase price of each SKU, at any site."""
    bought = supply.where(F.col(t.SOURCE_SITE).isNull() & (F.col(t.UNIT_COST) > 0))
    return bought.groupBy(t.SKU).agg(F.min(t.UNIT_COST).alias(t.GOODS_COST))


def with_orders(open_orders: DataFrame, ours: pd.DataFrame) -> DataFrame:
    """Return open orders of the source and those of the database; of an order that both know, the source knows better.

    Args:
        open_orders: rows of `tables.OPEN_ORDERS`.
        ours: its columns without status, of orders that are on the way.
    """
    if ours.empty:
        return open_orders
    columns = [column for column in t.OPEN_ORDERS.columns if column != t.STATUS]
    ddl = ", ".join(f"{column} {column.type}" for column in columns)
    added = open_orders.sparkSession.createDataFrame(ours[columns], ddl)
    unlisted = added.join(open_orders.select(t.OPEN_ORDER_ID), on=t.OPEN_ORDER_ID, how="left_anti")
    return open_orders.unionByName(unlisted, allowMissingColumns=True)


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
    """Return for each (sku, site) the supplier of the last plan and the units it orders by step of this one."""
    step = (F.date_diff(t.DATE, F.lit(plan_date)) / days).cast("int")
    ahead = plan.where(F.col(t.DATE) >= F.lit(plan_date)).withColumn("step", step)
    lines = F.sort_array(F.collect_list(F.struct("step", t.ORDER_QUANTITY))).alias("lines")
    by_series = ahead.groupBy(*KEY).agg(F.first(t.SUPPLIER).alias(LAST_SUPPLIER), lines)
    return by_series.select(*KEY, LAST_SUPPLIER, F.col("lines")[t.ORDER_QUANTITY].alias(t.LAST_PLAN))
