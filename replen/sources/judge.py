"""Every raw value beside its typed value and the rule it breaks: what checks and cleaning both look at."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from replen import tables as t
from replen.sources.cast import typed
from replen.sources.files import CORRUPT
from replen.sources.rules import PAST_ONLY, Bound, Rules

_FIRST_DATE = dt.date(1970, 1, 1)  # itself a placeholder: the zero of Unix time


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

    def decisive(self, column: t.Column) -> bool:
        """Return whether a row with a missing or impossible value here is refused."""
        return column in self.table.key or column in self.rules.essential


@dataclass(frozen=True)
class Judged:
    """Rows with, for each of `columns`, its raw value, its typed value and the rule it breaks (null = none).

    The three stand in columns of their own, so that Spark computes each once however often it is looked at.
    """

    rows: DataFrame
    columns: tuple[t.Column, ...]
    reading: Reading

    @staticmethod
    def value(column: t.Column) -> Column:
        """Return the typed value; null where it is missing or cannot be read."""
        return F.col(f"_value_{column}")

    @staticmethod
    def rule(column: t.Column) -> Column:
        """Return the rule that the value breaks."""
        return F.col(f"_rule_{column}")

    @property
    def refused(self) -> Column:
        """Return whether the row is refused for one of its values, or for its number of fields."""
        broken = (self.rule(column).isNotNull() for column in self.columns if self.reading.decisive(column))
        return reduce(or_, broken, F.col(CORRUPT).isNotNull())

    @property
    def touched(self) -> Column:
        """Return whether any rule applies to the row."""
        broken = [self.rule(column).isNotNull() for column in self.columns]
        broken += [F.coalesce(conflict, F.lit(False)) for conflict, _ in self.conflicts()]
        return reduce(or_, broken, F.col(CORRUPT).isNotNull())

    def conflicts(self) -> Iterator[tuple[Column, str]]:
        """Yield pairs of values that contradict each other, and what the rule is called."""
        for low, high in self.reading.rules.ordered:
            if low in self.columns and high in self.columns:
                yield self.value(low) > self.value(high), f"{low}: above {high}"


def judge(raw: DataFrame, reading: Reading) -> Judged:
    """Return the raw rows with the typed value and the broken rule of every column that they have."""
    types = {column.name: column.dataType for column in raw.schema.fields}
    columns = tuple(column for column in reading.columns if column in types)
    values = {
        f"_value_{column}": F.when(
            is_there(column, types[column]), typed(F.col(column), types[column], column.type, date_format=reading.date_format)
        )
        for column in columns
    }
    rules = {f"_rule_{column}": _rule(column, types[column], reading) for column in columns}
    return Judged(raw.withColumns(values).withColumns(rules), columns, reading)


def is_there(column: str, source: DataType) -> Column:
    """Return whether the raw value is more than null or blanks."""
    raw = F.col(column)
    return raw.isNotNull() & (F.trim(raw) != "") if isinstance(source, StringType) else raw.isNotNull()


def _rule(column: t.Column, source: DataType, reading: Reading) -> Column:
    value = Judged.value(column)
    must_be_there = column in reading.table.key + reading.rules.required and column not in reading.rules.fill
    missing = F.lit(f"{column}: missing" if must_be_there else None).cast("string")
    rule = F.when(~is_there(column, source), missing).when(value.isNull(), f"{column}: not a {column.type}")
    for words, broken in _bounds(column, value, reading):
        rule = rule.when(broken, f"{column}: {words}")
    return rule


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
