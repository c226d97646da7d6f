"""Raw rows -> typed rows and findings, looking at one row at a time (and at equal keys). Nothing runs here: all is lazy."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from replen import tables as t
from replen.sources import findings as q
from replen.sources.cast import typed
from replen.sources.files import CORRUPT
from replen.sources.rules import CURRENCY, MONEY, PAST_ONLY, Bound, Rules

_PROBLEMS, _REFUSED, _KEY, _SAME = "_problems", "_refused", "_key", "_same"
_FIRST_DATE = dt.date(1970, 1, 1)  # itself a placeholder: the zero of Unix time


@dataclass(frozen=True)
class Cleaned:
    """The rows that are kept, under the table's names and types, and what was changed or refused."""

    rows: DataFrame
    findings: DataFrame


@dataclass(frozen=True)
class Reading:
    """What cleaning depends on besides the rows: the table's rules, date pattern, today, money."""

    table: t.Table
    rules: Rules
    today: dt.date
    currency: str
    rates: Mapping[str, float]
    date_format: str | None = None

    @property
    def columns(self) -> tuple[t.Column, ...]:
        """Return every column that is read: the table's, then the extra ones."""
        return self.table.columns + self.rules.extra


@dataclass(frozen=True)
class Field:
    """One column as expressions over the raw rows: as it stands, as it is typed, and the rule it breaks (or null)."""

    column: t.Column
    raw: Column
    value: Column
    present: Column
    rule: Column


def fields(raw: DataFrame, reading: Reading) -> list[Field]:
    """Return the columns of the table that the raw rows have."""
    types = {column.name: column.dataType for column in raw.schema.fields}
    return [_field(column, types[column], reading) for column in reading.columns if column in types]


def clean(raw: DataFrame, reading: Reading) -> Cleaned:
    """Return typed rows in which every value is possible, and a finding for each value that was not.

    A row is refused where its key or an essential column is missing or impossible; elsewhere the value becomes unknown.
    """
    judged = _judge(raw, reading)
    problem = F.explode(_PROBLEMS).alias("p")
    after = F.when(F.col(_REFUSED), q.QUARANTINED)
    found = judged.where(F.size(_PROBLEMS) > 0).select(_KEY, _REFUSED, problem)
    findings = found.select(q.finding(reading.table, F.col("p.rule"), F.col(_KEY), before=F.col("p.before"), after=after))
    kept = judged.where(~F.col(_REFUSED)).select(*reading.columns)
    return Cleaned(_converted(kept, reading), findings)


def unique(rows: DataFrame, table: t.Table) -> Cleaned:
    """Return one row a key: equal rows are kept once, rows that contradict each other are all refused.

    Contradicting sales stay as a row of unknown values, so that no period silently sells nothing.
    """
    keys = [str(column) for column in table.key]
    values = [name for name in rows.columns if name not in keys]
    # The hash passes over nulls, so it must be told where they are.
    content = F.xxhash64(*values, *(F.isnull(name) for name in values))
    least = [F.min(name).alias(name) for name in values]  # of equal values: the value
    same = F.min(content) == F.max(content)
    by_key = rows.groupBy(*keys).agg(*least, same.alias(_SAME), F.count("*").alias(t.N_ROWS))
    if table is t.SALES:
        kept = by_key.select(*keys, *(F.when(F.col(_SAME), F.col(name)).alias(name) for name in values))
    else:
        kept = by_key.where(_SAME).select(*keys, *values)
    return Cleaned(kept, _repeated(by_key, table))


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


def _judge(raw: DataFrame, reading: Reading) -> DataFrame:
    read = fields(raw, reading)
    decisive = {*reading.table.key, *reading.rules.essential}
    corrupt = F.col(CORRUPT).isNotNull()
    problems = [F.when(corrupt, _problem("row: wrong number of fields", F.col(CORRUPT)))]
    problems += [F.when(~corrupt & each.rule.isNotNull(), _problem(each.rule, each.raw)) for each in read]
    refused = reduce(or_, (each.rule.isNotNull() for each in read if each.column in decisive), corrupt)
    for conflict, words in _conflicts(read, reading):
        problems.append(F.when(~refused & conflict, _problem(words, F.lit(None))))
        refused = refused | F.coalesce(conflict, F.lit(False))
    key = F.when(corrupt, q.row_key({"row": F.substring(CORRUPT, 1, 200)})).otherwise(
        q.row_key({each.column: each.raw for each in read if each.column in reading.table.key})
    )
    return raw.select(
        *_values(read, reading), F.array_compact(F.array(*problems)).alias(_PROBLEMS), refused.alias(_REFUSED), key.alias(_KEY)
    )


def _conflicts(read: list[Field], reading: Reading) -> Iterator[tuple[Column, str]]:
    found = {each.column: each for each in read}
    for low, high in reading.rules.ordered:
        if low in found and high in found:
            yield found[low].value > found[high].value, f"{low}: above {high}"


def _values(read: list[Field], reading: Reading) -> Iterator[Column]:
    found = {each.column: F.when(each.rule.isNull(), each.value) for each in read}
    for column in reading.columns:
        value = found.get(column, F.lit(None).cast(column.type))
        filled = (
            F.coalesce(value, F.lit(reading.rules.fill[column]).cast(column.type)) if column in reading.rules.fill else value
        )
        yield filled.alias(column)


def _problem(rule: Column | str, raw: Column) -> Column:
    named = F.lit(rule) if isinstance(rule, str) else rule
    return F.struct(named.alias("rule"), raw.cast("string").alias("before"))


def _field(column: t.Column, source: DataType, reading: Reading) -> Field:
    raw = F.col(column)
    present = raw.isNotNull() & (F.trim(raw) != "") if isinstance(source, StringType) else raw.isNotNull()
    value = F.when(present, typed(raw, source, column.type, date_format=reading.date_format))
    must_be_there = column in reading.table.key + reading.rules.required and column not in reading.rules.fill
    rule = F.when(~present, "missing") if must_be_there else F.when(~present, F.lit(None))
    rule = rule.when(value.isNull(), f"not a {column.type}")
    for words, broken in _bounds(column, value, reading):
        rule = rule.when(broken, words)
    return Field(column, raw, value, present, F.concat(F.lit(f"{column}: "), rule))


def _bounds(column: t.Column, value: Column, reading: Reading) -> Iterator[tuple[str, Column]]:
    bound = reading.rules.bounds.get(column, Bound())
    if column.type == "double":
        yield "not finite", F.isnan(value) | (F.abs(value) == float("inf"))
    if column.type == "date":
        yield "before 1970-01-02", value <= F.lit(_FIRST_DATE)
    if column == t.DATE and reading.table.name in PAST_ONLY:
        yield f"after {reading.today}", value > F.lit(reading.today)
    if bound.pattern is not None:
        yield f"not like {bound.pattern}", ~value.rlike(f"^(?:{bound.pattern})$")
    if bound.low > float("-inf"):
        words = f"not above {bound.low:g}" if bound.above else f"below {bound.low:g}"
        yield words, value <= bound.low if bound.above else value < bound.low
    if bound.high < float("inf"):
        yield f"above {bound.high:g}", value > bound.high


def _converted(rows: DataFrame, reading: Reading) -> DataFrame:
    """Return the rows with money in the run's currency; unknown currencies were refused before (see `checks`)."""
    if CURRENCY not in reading.rules.extra:
        return rows
    rates = {reading.currency: 1.0, **reading.rates}
    rate = F.create_map(*(F.lit(part) for pair in rates.items() for part in pair))[currency_code(reading.currency)]
    money = {name: F.col(name) * rate for name in rows.columns if name in MONEY}
    return rows.withColumns(money).drop(CURRENCY)


def currency_code(default: str) -> Column:
    """Return the currency of each row, upper case; the run's where none is given."""
    return F.upper(F.coalesce(F.nullif(F.trim(CURRENCY), F.lit("")), F.lit(default)))
