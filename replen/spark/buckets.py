"""Grouped stages: a function of pandas or Arrow tables applied to ranges of hash buckets, thousands of series a call."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, GroupedData
from pyspark.sql import functions as F

import replen.tables as t
from replen import config
from replen.tables import Table

GROUP = "bucket_group"
BucketFunction = Callable[[pd.DataFrame], pd.DataFrame]
ArrowFunction = Callable[[pa.Table], pa.Table]


def bucket() -> Column:
    """Return the bucket of a row's (sku, site)."""
    return F.pmod(F.xxhash64(t.SKU, t.SITE), F.lit(t.N_BUCKETS)).cast("int").alias(t.BUCKET)


def spread_sample(rows: DataFrame, n_series: int | None) -> DataFrame:
    """Return the rows of every n-th bucket: about `n_series` or up to twice as many; None: all rows."""
    every = 1 if n_series is None else rows.count() // n_series
    return rows.where(F.col(t.BUCKET) % every == 0) if every > 1 else rows


def per_bucket(rows: DataFrame, function: BucketFunction, result: Table | str, *, sizes: config.Spark) -> DataFrame:
    """Return what `function` makes of each range of buckets; rows without a bucket column get theirs from the key.

    A group costs 1-2 ms before any work, so a call gets `buckets_per_group` buckets; the number of partitions is set here,
    since adaptive execution would merge a stage whose work is in Python into one.
    """
    columns = rows.columns
    return _grouped(rows, sizes).applyInPandas(lambda group: function(group[columns]), _schema(result))


def per_bucket_in_arrow(rows: DataFrame, function: ArrowFunction, result: Table | str, *, sizes: config.Spark) -> DataFrame:
    """Return the same of a function of Arrow tables, which spares an object for every text and date: for many rows a series."""
    columns = rows.columns
    return _grouped(rows, sizes).applyInArrow(lambda group: function(group.select(columns)), _schema(result))


def _grouped(rows: DataFrame, sizes: config.Spark) -> GroupedData:
    return _with_group(rows, sizes).repartition(sizes.partitions, GROUP).groupBy(GROUP)


def _with_group(rows: DataFrame, sizes: config.Spark) -> DataFrame:
    known = F.col(t.BUCKET) if str(t.BUCKET) in rows.columns else bucket()
    return rows.withColumn(GROUP, F.floor(known / sizes.buckets_per_group).cast("int"))


def _schema(result: Table | str) -> str:
    return result if isinstance(result, str) else result.nullable_ddl
