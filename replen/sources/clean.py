"""Raw rows -> typed rows and findings, by row and by equal keys. Lazy, but for a look for the repeated keys of many rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from replen import tables as t
from replen.sources import findings as q
from replen.sources.files import CORRUPT
from replen.sources.judge import Judged, Reading
from replen.sources.rules import CURRENCY, MONEY

MANY = 2_000_000
"""Rows from which on repeated keys are looked for first; below, all rows are moved to those of the same key."""
HASHES_A_PARTITION = 500_000
"""So few that the table in which they are counted stays in the processor's cache."""
MOST_BROADCAST = 4_000_000
_PROBLEMS, _REFUSED, _KEY, _SAME, _HASH = "_problems", "_refused", "_key", "_same", "_hash"


@dataclass(frozen=True)
class Cleaned:
    """The rows that are kept, under the table's names and types, and what was changed or refused.

    Attributes:
        rows: that are kept.
        findings: rows of the `quality` table.
        n_rows: about how many rows there are; 0 = few, or not known.
    """

    rows: DataFrame
    findings: tuple[DataFrame, ...]
    n_rows: int = 0

    def then(self, later: "Cleaned") -> "Cleaned":
        """Return the later rows with the findings of both."""
        return Cleaned(later.rows, self.findings + later.findings, self.n_rows)

    def at_hand(self) -> "Cleaned":
        """Return the same; rows that are not many are kept in memory: what is made of them is planned and judged once."""
        return self if self.n_rows >= MANY else replace(self, rows=self.rows.persist())


def clean(judged: Judged, counts: Mapping[str, Any]) -> Cleaned:
    """Return typed rows in which every value is possible, and a finding for each value that was not.

    A row is refused where its key or an essential column is missing or impossible; elsewhere the value becomes unknown.

    Args:
        judged: rows with the rules they break.
        counts: `n_read`, how many rows there are, and `n_touched`, how many of them break any: none spares the search for them.
    """
    refused = judged.refused
    for conflict, _ in judged.conflicts():
        refused = refused | F.coalesce(conflict, F.lit(False))
    kept = judged.rows.where(~refused).select(*_values(judged))
    findings = (_problems(judged, refused),) if counts["n_touched"] else ()
    return Cleaned(_converted(kept, judged.reading), findings, counts["n_read"])


def unique(cleaned: Cleaned, table: t.Table) -> Cleaned:
    """Return one row a key: equal rows are kept once, rows that contradict each other are all refused.

    Contradicting sales stay as a row of unknown values, so that no period silently sells nothing. Of MANY rows or more the keys
    that occur several times are looked for at once, by a hash, and the other rows are never moved between executors.
    """
    if cleaned.n_rows < MANY:
        return cleaned.then(_one_a_key(_by_key(cleaned.rows, table), table))
    hashed = cleaned.rows.withColumn(_HASH, F.xxhash64(*table.key))
    n_partitions = -(-cleaned.n_rows // HASHES_A_PARTITION)
    by_hash = hashed.select(_HASH).repartition(n_partitions, _HASH).groupBy(_HASH).count()
    repeated = by_hash.where(F.col("count") > 1).select(_HASH).persist()
    n_repeated = repeated.count()
    if not n_repeated:
        repeated.unpersist()
        return cleaned
    some = F.broadcast(repeated) if n_repeated <= MOST_BROADCAST else repeated
    several = _one_a_key(_by_key(hashed.join(some, _HASH, "left_semi").drop(_HASH), table).persist(), table)
    alone = hashed.join(some, _HASH, "left_anti").drop(_HASH)
    return cleaned.then(replace(several, rows=alone.unionByName(several.rows)))


def _by_key(rows: DataFrame, table: t.Table) -> DataFrame:
    """Return one row a key: the least of each value, whether all rows are equal, and how many there are."""
    keys = [str(column) for column in table.key]
    values = [name for name in rows.columns if name not in keys]
    # The hash passes over nulls, so it must be told where they are.
    content = F.xxhash64(*values, *(F.isnull(name) for name in values))
    least = [F.min(name).alias(name) for name in values]  # of equal values: the value
    same = F.min(content) == F.max(content)
    return rows.groupBy(*keys).agg(*least, same.alias(_SAME), F.count("*").alias(t.N_ROWS))


def _one_a_key(by_key: DataFrame, table: t.Table) -> Cleaned:
    keys = [str(column) for column in table.key]
    values = [name for name in by_key.columns if name not in (*keys, _SAME, t.N_ROWS)]
    if table is t.SALES:
        kept = by_key.select(*keys, *(F.when(F.col(_SAME), F.col(name)).alias(name) for name in values))
    else:
        kept = by_key.where(_SAME).select(*keys, *values)
    return Cleaned(kept, (_repeated(by_key, table),))


def currency_code(default: str) -> Column:
    """Return the currency of each row, upper case; the run's where none is given."""
    return F.upper(F.coalesce(F.nullif(F.trim(CURRENCY), F.lit("")), F.lit(default)))


def _problems(judged: Judged, refused: Column) -> DataFrame:
    corrupt = F.col(CORRUPT).isNotNull()
    problems = [F.when(corrupt, _problem("row: wrong number of fields", F.col(CORRUPT)))]
    problems += [
        F.when(~corrupt & judged.rule(column).isNotNull(), _problem(judged.rule(column), F.col(column)))
        for column in judged.columns
    ]
    problems += [F.when(~judged.refused & conflict, _problem(words, F.lit(None))) for conflict, words in judged.conflicts()]
    row = q.row_key({"row": F.substring(CORRUPT, 1, 200)})
    key = q.row_key({column: F.col(column) for column in judged.columns if column in judged.reading.table.key})
    found = judged.rows.where(judged.touched).select(
        F.when(corrupt, row).otherwise(key).alias(_KEY),
        refused.alias(_REFUSED),
        F.explode(F.array_compact(F.array(*problems))).alias("p"),
    )
    after = F.when(F.col(_REFUSED), q.QUARANTINED)
    return found.select(q.finding(judged.reading.table, F.col("p.rule"), F.col(_KEY), before=F.col("p.before"), after=after))


def _problem(rule: Column | str, raw: Column) -> Column:
    named = F.lit(rule) if isinstance(rule, str) else rule
    return F.struct(named.alias("rule"), raw.cast("string").alias("before"))


def _values(judged: Judged) -> Iterator[Column]:
    fill = judged.reading.rules.fill
    for column in judged.reading.columns:
        found = column in judged.columns
        value = F.when(judged.rule(column).isNull(), judged.value(column)) if found else F.lit(None).cast(column.type)
        yield (F.coalesce(value, F.lit(fill[column]).cast(column.type)) if column in fill else value).alias(column)


def _repeated(by_key: DataFrame, table: t.Table) -> DataFrame:
    same, n_rows = F.col(_SAME), F.col(t.N_ROWS)
    return by_key.where(n_rows > 1).select(
        q.finding(
            table,
            F.when(same, "key: equal rows").otherwise("key: rows that contradict each other"),
            q.row_key({name: F.col(name) for name in table.key}),
            before=F.concat(n_rows, F.lit(" rows")),
            after=F.when(same, "one row").otherwise("unknown" if table is t.SALES else q.QUARANTINED),
            n_rows=F.when(same, n_rows - 1).otherwise(n_rows),
        )
    )


def _converted(rows: DataFrame, reading: Reading) -> DataFrame:
    """Return the rows with money in the run's currency; unknown currencies were refused before (see `checks`)."""
    if CURRENCY not in reading.rules.extra:
        return rows
    rates = {reading.currency: 1.0, **reading.rates}
    rate = F.create_map(*(F.lit(part) for pair in rates.items() for part in pair))[currency_code(reading.currency)]
    money = {name: F.col(name) * rate for name in rows.columns if name in MONEY}
    return rows.withColumns(money).drop(CURRENCY)
