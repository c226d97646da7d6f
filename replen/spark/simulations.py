"""Simulated series drawn, joined with their terms, and added up by policy, window and segment."""

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.features.segments import ALL
from replen.spark.items import KEY, supply_terms
from replen.spark.run import Run


def drawn(series: DataFrame, n_series: int | None) -> DataFrame:
    """Return (sku, site) of all channels together: `n_series` of them by a hash of their keys, or all."""
    pooled = series.where(F.col(t.STREAM) == t.POOLED)
    if n_series is None:
        return pooled
    keys = pooled.select(*KEY).orderBy(F.xxhash64(F.lit(t.SIMULATED.name), *KEY), *KEY).limit(n_series)
    return pooled.join(F.broadcast(keys), on=KEY, how="left_semi")


def with_terms(jobs: Run, series: DataFrame) -> DataFrame:
    """Return series with how they can be bought first, their costs and their shelf life; null where unknown."""
    terms = supply_terms(jobs.read(t.SUPPLY, "ingest"), jobs.read(t.COSTS, "ingest"))
    shelf_life = jobs.read(t.CATALOGUE, "ingest").select(t.SKU, t.SHELF_LIFE_DAYS)
    return series.join(terms, on=KEY, how="left").join(shelf_life, on=t.SKU, how="left")


def averages(played: DataFrame) -> pd.DataFrame:
    """Return means over series by model, policy, window and segment, `all` windows and series among them."""
    in_all = F.explode(F.array(t.WINDOW, F.lit(ALL))).alias(t.WINDOW)
    by_segment = played.select(t.MODEL, t.POLICY, in_all, F.explode(t.SEGMENTS).alias(t.SEGMENT), *t.PLAYED)
    means = [F.avg(F.when(~F.isnan(column), F.col(column))).alias(column) for column in t.PLAYED]
    grouped = by_segment.groupBy(t.MODEL, t.POLICY, t.WINDOW, t.SEGMENT)
    return grouped.agg(F.count("*").alias(t.N_PLAYED), *means).toPandas()


def costs(played: DataFrame) -> pd.DataFrame:
    """Return the cost of each series under each policy in each window."""
    return played.select(t.MODEL, t.POLICY, t.WINDOW, *KEY, t.COST).toPandas()
