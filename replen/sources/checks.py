"""Is the file the table that the configuration says it is? One scan a table, before any row is written."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from replen import config
from replen import tables as t
from replen.errors import SourceError, raise_all
from replen.sources.cast import expected, is_typed, readable
from replen.sources.clean import currency_code
from replen.sources.files import BROKEN_TEXT, CORRUPT, load, naming, rename
from replen.sources.judge import Reading, is_there, judge
from replen.sources.locate import file_of, table_path
from replen.sources.rules import CURRENCY, MAY_BE_EMPTY, RULES

Content = Mapping[str, Any]
_SHOWN = 5  # examples in a message
_AT_ONCE = 3  # files looked at


@dataclass(frozen=True)
class Opened:
    """A file that was opened as a table: its raw columns carry our names."""

    path: str
    where: str
    raw: DataFrame
    found: tuple[str, ...]
    theirs: Mapping[str, str]


def open_table(spark: SparkSession, sources: config.Sources, reading: Reading) -> Opened:
    """Return the file of the reading's table under our column names, before any check."""
    name = reading.table.name
    source, where = file_of(sources, name), f"sources.tables.{name}"
    path = table_path(sources, source)
    frame = load(spark, path, source.format, where=where)
    columns = rename(frame, source.columns, reading.columns, dropped=source.drop)
    corrupt = F.col(CORRUPT) if CORRUPT in frame.columns else F.lit(None).cast("string")
    raw = frame.select(*(value.alias(ours) for ours, value in columns.items()), corrupt.alias(CORRUPT))
    return Opened(path, where, raw, tuple(c for c in frame.columns if c != CORRUPT), source.columns)


def check_tables(opened: Mapping[str, Opened], readings: Mapping[str, Reading]) -> dict[str, Content]:
    """Return the content of every table.

    Raises:
        SourceError: with every problem of every file.
    """
    raise_all(SourceError, [problem for name in opened for problem in shape_problems(opened[name], readings[name])])
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # small jobs are mostly planning, which leaves the executors idle
        contents = dict(zip(opened, pool.map(lambda name: content(opened[name], readings[name]), opened), strict=True))
    raise_all(
        SourceError,
        [problem for name in opened for problem in content_problems(opened[name], readings[name], contents[name])],
    )
    return contents


def check_as_of(content: Content, end: dt.date) -> None:
    """Refuse stock that was not counted at the end of the cutoff: no order may be made from it.

    Raises:
        SourceError: with the days found.
    """
    others = sorted(str(day) for day in content["days"] if day != end)
    if others:
        found = ", ".join(others[:_SHOWN]) + (" ..." if len(others) > _SHOWN else "")
        raise SourceError(
            f"sources.tables.stock, column {t.AS_OF}: expected the count at the end of {end}, last day of the cutoff, found "
            f"{found}; give the stock of that day, or set cutoff to the period that ends on the day it was counted"
        )


def shape_problems(opened: Opened, reading: Reading) -> Iterator[str]:
    """Yield required columns the file lacks, mapped ones too, and columns whose type cannot hold their values."""
    types = {column.name: column.dataType for column in opened.raw.schema.fields}
    there = [opened.theirs.get(name, name) for name in types]
    yield from missing_columns(reading.table, there, opened.found, opened.theirs, where=opened.where, place=opened.path)
    for column in reading.columns:
        if column in types and not readable(types[column], column.type):
            yield (
                f"{opened.where}: {opened.path}, column {opened.theirs.get(column, column)!r}: expected {column.type} (stored "
                f"as {expected(column.type)}), found {types[column].simpleString()}; store it so, or map another column in "
                f"{opened.where}.columns.{column}"
            )


def missing_columns(
    table: t.Table, there: Collection[str], found: Sequence[str], theirs: Mapping[str, str], *, where: str, place: str
) -> Iterator[str]:
    """Yield the columns that a table needs, or that the mapping names, and that are not there.

    Args:
        table: the table.
        there: columns that can be read, by their names there.
        found: all columns, for messages.
        theirs: our column -> its name there, or =text for a constant.
        where: the configuration key.
        place: what is read.
    """
    rules = RULES[table.name]
    needed = [c for c in (*table.key, *rules.required) if c not in rules.fill]
    for name in dict.fromkeys([*map(str, needed), *theirs]):
        named = theirs.get(name, name)
        if not named.startswith("=") and named not in there:
            yield (
                f"{where}: {place} has no column {named!r} to read {name!r} from; found {', '.join(found)}; set "
                f"{where}.columns.{name} to one of them, or to =text for a constant"
            )


def content(opened: Opened, reading: Reading) -> Content:
    """Return counts over all rows of the file: one scan, no shuffle."""
    judged = judge(opened.raw, reading)
    types = {column.name: column.dataType for column in opened.raw.schema.fields}
    texts = [F.contains(F.col(column), F.lit(BROKEN_TEXT)) for column in judged.columns if types[column] == StringType()]
    measures = {
        "n_read": F.count("*"),
        "n_kept": F.count_if(~judged.refused),
        "n_touched": F.count_if(judged.touched),
        "n_broken": F.count_if(reduce(or_, texts, F.lit(False))),
    }
    for column in (column for column in judged.columns if not is_typed(types[column], column.type)):
        unreadable = is_there(column, types[column]) & judged.value(column).isNull()
        measures[f"{column}.present"] = F.count_if(is_there(column, types[column]))
        measures[f"{column}.unreadable"] = F.count_if(unreadable)
        measures[f"{column}.example"] = F.min(F.when(unreadable, F.col(column).cast("string")))
    if CURRENCY in types:
        measures["currencies"] = F.collect_set(currency_code(reading.currency))
    if reading.table is t.SALES:
        day = F.when(~judged.refused, judged.value(t.DATE))
        measures |= {"first": F.min(day), "last": F.max(day)}
    if reading.table is t.STOCK:
        measures["days"] = F.collect_set(F.when(~judged.refused, judged.value(t.AS_OF)))
    with naming(opened.path, opened.where):
        return judged.rows.agg(*(measure.alias(name) for name, measure in measures.items())).collect()[0].asDict()


def content_problems(opened: Opened, reading: Reading, counts: Content) -> Iterator[str]:
    """Yield what makes the whole file unusable: no rows, not UTF-8, a column that never holds its type, unknown money."""
    name = f"{opened.where}: {opened.path}"
    if counts["n_read"] == 0:
        if reading.table.name not in MAY_BE_EMPTY:
            yield f"{name} has a header and no rows; expected the {reading.table.name} table ({reading.table.meaning})"
        return
    if counts["n_broken"]:
        yield (
            f"{name} is not UTF-8: {counts['n_broken']} rows hold bytes that are no text in it; convert the file, e.g. "
            "iconv -f WINDOWS-1252 -t UTF-8"
        )
    wrong = [c for c in reading.columns if 0 < counts.get(f"{c}.present", 0) == counts.get(f"{c}.unreadable")]
    for column in wrong:
        yield (
            f"{name}, column {opened.theirs.get(column, column)!r}: expected {column.type}, but none of its "
            f"{counts[f'{column}.present']} values is one, e.g. {counts[f'{column}.example']!r}; map another column in "
            f"{opened.where}.columns.{column}" + ("" if column.type != "date" else ", or set sources.date_format")
        )
    if counts["n_kept"] == 0 and not wrong and not counts["n_broken"]:
        yield f"{name}: none of its {counts['n_read']} rows can be used as {reading.table.name}; {_refusals(reading)}"
    unknown = sorted(set(counts.get("currencies", ())) - {reading.currency, *reading.rates})
    if unknown:
        yield (
            f"{name}: no rate for the currency {', '.join(unknown)}; set rates.{unknown[0]} to the value of one unit in "
            f"{reading.currency}"
        )


def _refusals(reading: Reading) -> str:
    columns = dict.fromkeys([*reading.table.key, *reading.rules.essential])
    return (
        f"every one has a missing or impossible value in one of {', '.join(columns)}; check sources.tables.{reading.table.name}"
    )
