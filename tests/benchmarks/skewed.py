"""A generated platform whose sales are skewed: one series in a hundred has a hundred times the rows, and sold the same."""

from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config, Sources
from replen.sources.generator import as_files, ensure_generated, table_sources
from replen.sources.locate import table_path
from replen.sources.periods import period_start

EVERY, TIMES = 100, 100
PART, DAYS = "part", 7
DECIMALS = 4


def skewed(spark: SparkSession, config: Config) -> Config:
    """Return the configuration that reads the platform's sales as transactions, those of some series cut into a hundred.

    Units and customers of a row are spread over its parts, parts over the days of its week; every other column is repeated.
    There must be no dirt: a row that is there twice would be sold twice.
    """
    sources = config.sources
    platform = Path(ensure_generated(spark, sources, freq=config.freq, seed=config.seed))
    target = platform.with_name(f"{platform.name}-skewed-{t.SALES.name}")
    split(spark.read.parquet(str(platform / t.SALES.name))).write.mode("overwrite").parquet(str(target))
    tables = table_sources()
    tables[t.SALES.name] = tables[t.SALES.name].model_copy(update={"path": str(target)})
    files = sources.model_copy(update={"kind": "files", "sales_rows": "transactions", "tables": tables})
    # Rows that are not cut stand on Mondays, as if the last week were not over.
    cutoff = period_start(sources.generator.last_day, config.freq)
    return config.model_copy(update={"sources": files, "cutoff": cutoff})


def split(sales: DataFrame) -> DataFrame:
    """Return sales rows, those of one series in `EVERY` as `TIMES` rows each."""
    chosen = F.pmod(F.xxhash64(t.SKU, t.SITE, F.lit(PART)), F.lit(EVERY)) == 0
    parts = sales.where(chosen).withColumn(PART, F.explode(F.sequence(F.lit(0), F.lit(TIMES - 1))))
    changed = {
        str(t.QUANTITY): _share(t.QUANTITY),
        str(t.CUSTOMER_COUNT): _share(t.CUSTOMER_COUNT),
        str(t.DATE): F.date_add(t.DATE, F.col(PART) % DAYS),
    }
    return sales.where(~chosen).unionByName(parts.withColumns(changed).drop(PART))


def _share(column: t.Column) -> Column:
    """Return the whole units of a part; those of all parts add up to the row's."""
    until, before = (F.floor(F.col(column) * (F.col(PART) + more) / TIMES) for more in (1, 0))
    return (until - before).cast(column.type)


def count_raw_rows(spark: SparkSession, sources: Sources) -> int:
    """Return the sales rows of the platform that a configuration reads."""
    read = as_files(sources)
    return spark.read.parquet(table_path(read, read.tables[t.SALES.name])).count()


def fingerprint(series: DataFrame) -> int:
    """Return a hash of the series, whatever their order; numbers by period to four decimals, as sums of parts are rounded."""

    def comparable(column: t.Column) -> Column:
        if column.type == "array<float>":
            return F.transform(column, lambda value: F.round(value, DECIMALS))
        return F.array_sort(F.map_entries(column)) if column.type.startswith("map") else F.col(column)

    (found,) = series.agg(F.bit_xor(F.xxhash64(*map(comparable, t.SERIES.columns)))).first() or (0,)
    return int(found)
