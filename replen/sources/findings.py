"""Findings: rows of the `quality` table, without the run id that the job adds."""

from collections.abc import Iterable, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from replen import tables as t

QUARANTINED = "quarantined"
COLUMNS = tuple(column for column in t.QUALITY.columns if column != t.RUN_ID)
NAMES = [str(column) for column in COLUMNS]
DDL = ", ".join(f"{column} {column.type}" for column in COLUMNS)


def row_key(columns: dict[str, Column]) -> Column:
    """Return the JSON of a row's key as it was read; parts that are missing are left out."""
    return F.to_json(F.struct(*(value.cast("string").alias(name) for name, value in columns.items())))


def finding(
    table: t.Table, rule: Column, key: Column, *, before: Column, after: Column, n_rows: Column | int = 1
) -> list[Column]:
    """Return the columns of a finding; it stands for one row unless `n_rows` says otherwise."""
    count = F.lit(n_rows) if isinstance(n_rows, int) else n_rows
    values = (F.lit(table.name), key, rule, before.cast("string"), after.cast("string"), count.cast("bigint"))
    return [value.alias(name) for name, value in zip(NAMES, values, strict=True)]


def counted(findings: DataFrame) -> DataFrame:
    """Return findings with a unique key: those of one key and rule become one that counts their rows."""
    keys = [str(t.TABLE), str(t.ROW_KEY), str(t.RULE)]
    # The pair keeps before and after from the same row, whichever partition comes first.
    pair = F.min(F.struct(t.VALUE_BEFORE, t.VALUE_AFTER))
    merged = findings.groupBy(*keys).agg(pair.alias("pair"), F.sum(t.N_ROWS).alias(t.N_ROWS))
    return merged.select(*keys, f"pair.{t.VALUE_BEFORE}", f"pair.{t.VALUE_AFTER}", t.N_ROWS)


def union(spark: SparkSession, frames: Iterable[DataFrame]) -> DataFrame:
    """Return all findings in one frame, empty where there is none."""
    return reduce(DataFrame.unionByName, frames, spark.createDataFrame([], DDL))


def stated(spark: SparkSession, rows: Sequence[tuple[str, str, str, str | None, str | None, int]]) -> DataFrame:
    """Return findings that the driver states itself: (table, key, rule, before, after, n_rows)."""
    return spark.createDataFrame(list(rows), DDL)
