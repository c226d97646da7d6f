"""Transfers of today: all sites of the SKUs that have routes are looked at together, before the orders are decided."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.spark.items import KEY, goods_costs, keys_of, preferred, priced, with_terms

UNDER_WAY = "approved"


def has_routes(supply: DataFrame) -> bool:
    """Return whether any site can be served from the stock of another."""
    return not routes_of(supply).isEmpty()


def routes_of(supply: DataFrame) -> DataFrame:
    """Return the rows that are transfers."""
    return supply.where(F.col(t.SOURCE_SITE).isNotNull())


def network_items(tables: dict[t.Table, DataFrame], config: Config, plan_date: dt.date) -> DataFrame:
    """Return one row for each source and route of all sites of SKUs that have routes, in buckets by SKU.

    A site that only has stock has a row without a supplier; its units cost the SKU's least purchase price.

    Args:
        tables: FORECASTS, STOCK, OPEN_ORDERS, SUPPLY, COSTS and CATALOGUE of the run.
        config: freq and plan.horizon are used.
        plan_date: first day of step 0.
    """
    supply, stock = tables[t.SUPPLY], tables[t.STOCK]
    skus = routes_of(supply).select(t.SKU).distinct()
    known = keys_of(tables).join(preferred(priced(supply)), on=KEY, how="full").join(skus, on=t.SKU, how="left_semi")
    giving = routes_of(supply).select(t.SKU, F.col(t.SOURCE_SITE).alias(t.SITE)).distinct()
    only_stock = giving.join(stock, on=KEY, how="left_semi").join(known, on=KEY, how="left_anti")
    valued = only_stock.join(goods_costs(supply).withColumnRenamed(t.GOODS_COST, t.UNIT_COST), on=t.SKU, how="left")
    rows = with_terms(known.unionByName(valued, allowMissingColumns=True), tables, config, plan_date)
    return rows.withColumn(t.BUCKET, F.pmod(F.xxhash64(t.SKU), F.lit(t.N_BUCKETS)).cast("int"))


def after(transfers: DataFrame, tables: dict[t.Table, DataFrame]) -> dict[t.Table, DataFrame]:
    """Return the tables as the plan of orders sees them: what is moved has left the one site and is on its way to the other."""
    given = transfers.groupBy(t.SKU, F.col(t.SOURCE_SITE).alias(t.SITE)).agg(F.sum(t.ORDER_QUANTITY).alias("given"))
    stock = tables[t.STOCK].join(given, on=KEY, how="left")
    left = stock.withColumn(t.ON_HAND, F.col(t.ON_HAND) - F.coalesce("given", F.lit(0.0))).drop("given")
    moving = transfers.withColumn(t.QUANTITY, F.col(t.ORDER_QUANTITY)).withColumn(t.STATUS, F.lit(UNDER_WAY))
    names = t.OPEN_ORDERS.names
    return tables | {t.STOCK: left, t.OPEN_ORDERS: tables[t.OPEN_ORDERS].select(names).unionByName(moving.select(names))}
