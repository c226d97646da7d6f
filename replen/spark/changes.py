"""What changed between two runs: series whose rows are others, found by hashes in one aggregation of both runs' rows."""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.tables import Table

KEY = [str(column) for column in (t.SKU, t.SITE)]
CHANGED = Table("changed", "staging: series whose rows are not those of an earlier run", (t.SKU, t.SITE), ())
HASH = "hash"
Rows = Mapping[Table, DataFrame]


def changed_series(now: Rows, then: Rows) -> DataFrame:
    """Return rows of `CHANGED`: series that have a row in any table of one run that they have not in the other.

    A row is in a table once (its key is), so that hashes of rows that are in both runs cancel out, whatever their order. A
    change stays unseen where 64-bit hashes meet: one in 2^64 for each changed series.

    Args:
        now: tables whose key has sku and site -> rows of a run.
        then: the same tables -> rows of the other run.
    """
    hashes = [rows.select(*KEY, row_hash(table)) for side in (now, then) for table, rows in side.items()]
    left_over = reduce(DataFrame.unionByName, hashes).groupBy(*KEY).agg(F.bit_xor(HASH).alias(HASH))
    return left_over.where(F.col(HASH) != 0).select(*KEY)


def is_same(table: Table, now: DataFrame, then: DataFrame) -> bool:
    """Return whether a table has the same rows in two runs."""
    both = now.select(row_hash(table)).unionByName(then.select(row_hash(table)))
    (left_over,) = both.agg(F.bit_xor(HASH)).first() or (None,)
    return not left_over  # null: neither has rows


def row_hash(table: Table) -> Column:
    """Return a hash of a row of a table. Spark's own passes over nulls and ends of arrays; here they count."""
    values = [F.array_sort(F.map_entries(one)) if one.type.startswith("map") else F.col(one) for one in table.columns]
    lengths = [F.size(one) for one in table.columns if one.type.startswith(("array", "map"))]
    nulls = [F.isnull(one) for one in table.columns]
    return F.xxhash64(F.lit(table.name), *values, *lengths, *nulls).alias(HASH)
