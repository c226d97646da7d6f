"""Stages of functions of pandas or Arrow tables, thousands of series a call: of batches as they come, or of hash buckets."""

from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
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


def per_batch(rows: DataFrame, function: BucketFunction, result: Table | str) -> DataFrame:
    """Return what `function` makes of rows that are one a series, batch by batch as they are read: no row is moved.

    How many rows a batch holds is of no matter to a function that takes each series by itself.
    """
    return rows.mapInPandas(partial(_each, function), _schema(result))


def per_batch_to_arrow(rows: DataFrame, function: Callable[[pd.DataFrame], pa.Table], result: Table | str) -> DataFrame:
    """Return the same of a function that gives Arrow tables, which spares an object for every list of many."""
    return rows.mapInArrow(partial(_in_arrow, function), _schema(result))


def per_bucket(rows: DataFrame, function: BucketFunction, result: Table | str, *, sizes: config.Spark) -> DataFrame:
    """Return what `function` makes of each range of buckets; rows without a bucket column get theirs from the key.

    A group costs 1-2 ms before any work, so a call gets `buckets_per_group` buckets; the number of partitions is set here,
    since adaptive execution would merge a stage whose work is in Python into one.
    """
    grouped = _with_group(rows, sizes).repartition(sizes.partitions, GROUP).groupBy(GROUP)
    columns = rows.columns
    return grouped.applyInPandas(lambda group: function(group[columns]), _schema(result))


def per_range(rows: DataFrame, function: ArrowFunction, result: Table | str, *, n_ranges: int) -> DataFrame:
    """Return what `function` makes of the Arrow table of each of so many equal ranges of buckets, one a partition.

    For many rows a series: nothing is sorted, and no text or date becomes an object.
    """
    return by_range(rows, n_ranges).mapInArrow(partial(_whole, function), _schema(result))


def by_range(rows: DataFrame, n_ranges: int) -> DataFrame:
    """Return rows with a bucket column in so many partitions of equal ranges of buckets, in their order."""
    return rows.repartitionById(n_ranges, F.floor(F.col(t.BUCKET) * n_ranges / t.N_BUCKETS).cast("int"))


def _each(function: BucketFunction, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    return map(function, frames)


def _in_arrow(function: Callable[[pd.DataFrame], pa.Table], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from function(batch.to_pandas()).combine_chunks().to_batches()


def _whole(function: ArrowFunction, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    held = list(batches)
    if held:
        yield from function(pa.Table.from_batches(held)).to_batches()


def _with_group(rows: DataFrame, sizes: config.Spark) -> DataFrame:
    known = F.col(t.BUCKET) if str(t.BUCKET) in rows.columns else bucket()
    return rows.withColumn(GROUP, F.floor(known / sizes.buckets_per_group).cast("int"))


def _schema(result: Table | str) -> str:
    return result if isinstance(result, str) else result.nullable_ddl
