"""The nights after a first one: the same generated platform with a period less, or with corrections to a few series."""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config, TableSource
from replen.sources.generator import as_files, ensure_generated
from replen.sources.locate import table_path

EVERY = 100
LAST_PERIODS = 4
PAST = (t.SALES, t.BEHAVIOUR)
DAYS = {"D": 1, "W": 7}


def period_before(spark: SparkSession, config: Config, folder: Path) -> Config:
    """Return the configuration that reads the platform as it was a period ago; what was in stock is the same.

    Args:
        spark: the session.
        config: of the platform.
        folder: that the tables which were other ones are written to.
    """
    tables = _platform(spark, config)
    (last,) = tables[t.SALES].agg(F.max(t.DATE)).first() or (None,)
    changed = {table: tables[table].where(F.col(t.DATE) < F.lit(last)) for table in PAST if table in tables}
    counted = F.date_sub(t.AS_OF, DAYS[config.freq])
    return _with_tables(config, changed | {t.STOCK: tables[t.STOCK].withColumn(t.AS_OF, counted)}, folder)


def corrected(spark: SparkSession, config: Config, folder: Path, *, every: int = EVERY) -> Config:
    """Return the configuration that reads the platform with one unit more in the last periods of one series in `every`."""
    sales = _platform(spark, config)[t.SALES]
    (last,) = sales.agg(F.max(t.DATE)).first() or (None,)
    recent = F.col(t.DATE) > F.lit(last) - F.expr(f"INTERVAL {LAST_PERIODS * DAYS[config.freq]} DAYS")
    more = F.when(corrections(every) & recent & (F.col(t.QUANTITY) > 0), 1.0).otherwise(0.0)
    return _with_tables(config, {t.SALES: sales.withColumn(t.QUANTITY, F.col(t.QUANTITY) + more)}, folder)


def corrections(every: int = EVERY) -> Column:
    """Return whether a row's series is one that `corrected` changes."""
    return F.pmod(F.xxhash64(t.SITE, t.SKU), F.lit(every)) == 0


def _platform(spark: SparkSession, config: Config) -> Mapping[t.Table, DataFrame]:
    ensure_generated(spark, config.sources, freq=config.freq, seed=config.seed)
    sources = as_files(config.sources)
    by_name = {table.name: table for table in t.INPUTS}
    return {by_name[name]: spark.read.parquet(table_path(sources, one)) for name, one in sources.tables.items()}


def _with_tables(config: Config, changed: Mapping[t.Table, DataFrame], folder: Path) -> Config:
    sources = as_files(config.sources)
    tables = dict(sources.tables)
    for table, rows in changed.items():
        path = folder / table.name
        rows.write.mode("overwrite").parquet(str(path))
        tables[table.name] = TableSource(path=str(path), format="parquet", columns=tables[table.name].columns, drop=())
    return config.model_copy(update={"sources": sources.model_copy(update={"tables": tables})})
