"""Outside data -> every input table, typed and cleaned, with what was changed, refused or assumed."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from replen import config
from replen import tables as t
from replen.errors import SourceError
from replen.sources import findings as q
from replen.sources.assume import Assumed, opening_stock, series_of, supply_terms
from replen.sources.catalogue import completed, derived, of_known_products
from replen.sources.checks import check_as_of, check_tables, open_table
from replen.sources.clean import Cleaned, clean, unique
from replen.sources.generator import as_files
from replen.sources.judge import Reading, judge
from replen.sources.locate import check, fingerprint
from replen.sources.periods import Freq, Span, span
from replen.sources.rules import RULES
from replen.sources.sales import by_period, within
from replen.sources.sold import Sold, sold_by_invoice, sold_by_table

__all__ = ["Ingested", "fingerprint", "ingest", "read_sources"]
Write = Callable[[t.Table, DataFrame], DataFrame]
_OTHERS = tuple(table for table in t.INPUTS if table not in (t.SALES, t.CATALOGUE))


@dataclass(frozen=True)
class Ingested:
    """What a run starts from.

    Attributes:
        tables: every table of `tables.INPUTS` by name, typed and in its column order, as it was written; empty where the source
            has none.
        quality: rows of `tables.QUALITY` without run_id.
        cutoff: last period known.
        assumptions: sentences: what was assumed, for how many rows.
    """

    tables: Mapping[str, DataFrame]
    quality: DataFrame
    cutoff: dt.date
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """What the files hold: rows judged one by one.

    Attributes:
        sold: sale lines.
        tables: the other tables that were given, by name.
        span: the periods that are kept.
        assume: rules for what is not given.
    """

    sold: Sold
    tables: Mapping[str, Cleaned]
    span: Span
    assume: config.Assume


def read_sources(
    spark: SparkSession,
    sources: config.Sources,
    *,
    freq: Freq,
    cutoff: dt.date | None,
    currency: str,
    rates: Mapping[str, float],
    today: dt.date | None = None,
) -> Given:
    """Return what the files hold. Every file is scanned once: is it the table it should be?

    Args:
        spark: the session.
        sources: where the data are.
        freq: length of a period.
        cutoff: last period to keep; None: the last complete one of the sales.
        currency: the run's currency.
        rates: other currency -> value of one unit in the run's.
        today: sales and behaviour after it are refused; None: the day it is.

    Raises:
        ConfigError: the section contradicts itself, or a path does not exist.
        SourceError: a file is not the table that the section says it is, or the stock is not as of the cutoff.
    """
    sources = as_files(sources)
    check(sources)
    day = today or dt.datetime.now(dt.UTC).date()
    readings = {table.name: Reading(table, RULES[table.name], day, currency, rates, sources.date_format) for table in t.INPUTS}
    opened = {name: open_table(spark, sources, readings[name]) for name in sources.tables}
    contents = check_tables(opened, readings)
    if sources.kind == "online_retail":
        sold = sold_by_invoice(spark, sources, day)
    else:
        name = t.SALES.name
        sold = sold_by_table(opened.pop(name), readings[name], contents[name], rows=sources.sales_rows, freq=freq)
    kept = span(sold.first, sold.last, freq, cutoff=cutoff, whole_periods=sold.whole_periods)
    if t.STOCK.name in opened:
        check_as_of(contents[t.STOCK.name], kept.end)
    tables = {name: clean(judge(file.raw, readings[name]), contents[name]).at_hand() for name, file in opened.items()}
    return Given(sold, tables, kept, sources.assume)


def ingest(given: Given, write: Write = lambda table, rows: rows) -> Ingested:
    """Return all tables: sales of complete periods, what files give of known products, what rules make up.

    Each is written as soon as it is whole, and what follows from one reads it as written. The quality is lazy: writing it reads
    once more what holds impossible values.

    Args:
        given: what the files hold.
        write: takes each table and returns its rows as read back; by default nothing is written and all tables are lazy.

    Raises:
        SourceError: no sales lie in the periods that are kept.
    """
    sold, kept, rules = given.sold, given.span, given.assume
    inside = within(sold, kept)
    sales = write(t.SALES, inside.rows.select(t.SALES.names) if sold.by_period else by_period(inside.rows, kept))
    series = series_of(sales if sold.by_period else inside.rows, kept).persist()
    if series.isEmpty():
        raise SourceError(f"sales: no row lies in the complete periods {kept.first} to {kept.cutoff}; see freq and cutoff")
    cleaned, assumed = dict[str, Cleaned](), dict[str, Assumed]()
    if t.CATALOGUE.name in given.tables:
        cleaned[t.CATALOGUE.name] = completed(unique(given.tables[t.CATALOGUE.name], t.CATALOGUE), series)
        products = write(t.CATALOGUE, cleaned[t.CATALOGUE.name].rows)
    else:
        assumed[t.CATALOGUE.name] = derived(series, sold.described)
        products = write(t.CATALOGUE, assumed[t.CATALOGUE.name].rows)
    known = products.select(t.SKU).persist()
    for table in _OTHERS:
        if table.name in given.tables:
            cleaned[table.name] = _usable(given.tables[table.name], table, known)
    if rules.stock_cover_periods is not None:
        assumed[t.STOCK.name] = opening_stock(series, kept, rules.stock_cover_periods)
    if rules.supply is not None:
        assumed[t.SUPPLY.name] = supply_terms(series, products, rules.supply)
    made = {name: each.rows for name, each in cleaned.items()} | {name: each.rows for name, each in assumed.items()}
    tables = {t.SALES.name: sales, t.CATALOGUE.name: products} | {
        table.name: write(table, made[table.name] if table.name in made else _empty(sales.sparkSession, table))
        for table in _OTHERS
    }
    findings = [*sold.findings, *inside.findings, *(one for each in cleaned.values() for one in each.findings)]
    return _told(tables, assumed, findings, kept.cutoff)


def _told(
    tables: Mapping[str, DataFrame], assumed: Mapping[str, Assumed], findings: Sequence[DataFrame], cutoff: dt.date
) -> Ingested:
    """Return the tables with all findings and assumptions, these counted."""
    counts = {name: tables[name].count() for name in assumed}
    stated = [(name, "{}", "assumed", None, each.sentence, counts[name]) for name, each in assumed.items()]
    sentences = tuple(f"{name}: {each.sentence}; {counts[name]} rows" for name, each in assumed.items())
    spark = tables[t.SALES.name].sparkSession
    return Ingested(tables, q.counted(q.union([*findings, q.stated(spark, stated)])), cutoff, sentences)


def _empty(spark: SparkSession, table: t.Table) -> DataFrame:
    return spark.createDataFrame([], table.ddl)


def _usable(cleaned: Cleaned, table: t.Table, known: DataFrame) -> Cleaned:
    """Return the rows of known products, one a key."""
    if t.SKU in table.columns:
        cleaned = cleaned.then(of_known_products(cleaned.rows, table, known))
    once = unique(cleaned, table)
    return Cleaned(once.rows.select(table.names), once.findings)
