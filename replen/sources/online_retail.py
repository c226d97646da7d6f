"""Invoice lines in the Online Retail II layout (and its spellings elsewhere) -> sale lines and catalogue."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from replen import config
from replen import tables as t
from replen.errors import SourceError
from replen.sources import findings as q
from replen.sources.cast import moment, typed
from replen.sources.catalogue import DESCRIPTION
from replen.sources.files import CORRUPT, load, naming
from replen.sources.netting import BUYER, CANCELS, MOMENT, UNITS, by_product, ignore_cancellations, net_cancellations
from replen.sources.rules import CUSTOMER

# Ours -> the spellings in use: the workbook of UCI, and its copies elsewhere.
INVOICE, CODE, AMOUNT, COUNTRY = "invoice", "code", "amount", "country"
SPELLINGS = {
    INVOICE: ("InvoiceNo", "Invoice"),
    CODE: ("StockCode",),
    DESCRIPTION: ("Description",),
    UNITS: ("Quantity",),
    MOMENT: ("InvoiceDate",),
    AMOUNT: ("UnitPrice", "Price"),
    CUSTOMER: ("CustomerID", "Customer ID"),
    COUNTRY: ("Country",),
}
US_DATE = "M/d/yyyy H:mm"  # how some CSV copies of the workbook write it
HOME, ABROAD = "home", "abroad"
WHERE = "sources.path"
_RULE = "_rule"


@dataclass(frozen=True)
class InvoiceLines:
    """What the file gives.

    Attributes:
        lines: sale lines, columns of `tables.SALES` and who bought; `date` is the day.
        described: sku, description of every accepted line.
        findings: what was refused, changed or netted, by rule and product.
        first: first day of the file.
        last: last day of the file.
    """

    lines: DataFrame
    described: DataFrame
    findings: DataFrame
    first: dt.date
    last: dt.date


def read_invoices(spark: SparkSession, path: str, rules: config.OnlineRetail, *, today: dt.date) -> InvoiceLines:
    """Return the sale lines of an Online Retail II file, Parquet or CSV, after cleaning; it is read once, then kept.

    Refused are, in this order: lines that cannot be read, dates after today, codes that are no product, prices below zero,
    cancellations that add units, negative quantities that cancel nothing (stock adjustments) and lines without a price
    (gifts, corrections). Codes are compared in upper case without blanks. A day of which every line stands in the file an
    even number of times was written twice (the workbook's two sheets share nine days): half of it is kept. Other repeated
    lines stay: a till writes one a scan. Cancellations are then taken off the sales they undo, or ignored.

    Raises:
        ConfigError: the path does not exist.
        SourceError: a column is missing, or no line can be used.
    """
    raw = load(spark, path, "csv" if path.endswith((".csv", ".csv.gz")) else "parquet", where=WHERE)
    written = _named(raw, path)
    with naming(path, WHERE):
        twice = _twice_written_days(written)
        judged = _judged(_once(written, twice), rules, today).persist()
        accepted = judged.where(F.col(_RULE).isNull()).drop(_RULE)
        covered = accepted.agg(F.min(MOMENT).cast("date").alias("first"), F.max(MOMENT).cast("date").alias("last")).collect()[0]
    if covered["first"] is None:
        raise SourceError(
            f"{WHERE}: {path} has no line that can be used; expected invoices with codes, quantities, prices and dates"
        )
    net = net_cancellations(accepted) if rules.cancellations == "net" else ignore_cancellations(accepted)
    refused = by_product(judged.where(F.col(_RULE).isNotNull()), F.col(_RULE), F.sum(UNITS), F.lit(q.QUARANTINED))
    findings = q.union(spark, [refused, _respelled(judged), _written_twice(spark, twice), net.findings])
    lines = _sale_lines(net.sales, rules).persist()
    return InvoiceLines(lines, accepted.select(t.SKU, DESCRIPTION), findings, covered["first"], covered["last"])


def _named(raw: DataFrame, path: str) -> DataFrame:
    """Return the eight columns under our names."""
    chosen = {
        name: next((theirs for theirs in spellings if theirs in raw.columns), None) for name, spellings in SPELLINGS.items()
    }
    missing = [" or ".join(SPELLINGS[name]) for name, theirs in chosen.items() if theirs is None]
    if missing:
        found = ", ".join(name for name in raw.columns if name != CORRUPT)
        raise SourceError(
            f"{WHERE}: {path} is not in the Online Retail II layout: no column {'; '.join(missing)}; found {found}; rename "
            "them in the file, or read it with sources.kind: files and sources.tables.sales.columns"
        )
    return raw.select(*(raw[theirs].alias(name) for name, theirs in chosen.items() if theirs is not None))


def _twice_written_days(lines: DataFrame) -> dict[str, int]:
    """Return the days, as text, of which every line stands in the file an even number of times, with their lines."""
    content = F.xxhash64(*lines.columns, *(F.isnull(name) for name in lines.columns))
    copies = lines.groupBy(_day(lines).alias(t.DATE), content).agg(F.count("*").alias(t.N_ROWS))
    even = copies.groupBy(t.DATE).agg(F.bool_and(F.col(t.N_ROWS) % 2 == 0).alias("even"), F.sum(t.N_ROWS).alias(t.N_ROWS))
    return {row[t.DATE]: row[t.N_ROWS] for row in even.where("even").collect()}


def _once(lines: DataFrame, days: Iterable[str]) -> DataFrame:
    """Return the lines with every second copy of those days left out."""
    if not days:
        return lines
    of_them = _day(lines).isin(*days)
    copy = F.row_number().over(Window.partitionBy(*lines.columns).orderBy(F.lit(0)))
    halved = lines.where(of_them).withColumn("copy", copy).where("copy % 2 = 1").drop("copy")
    return lines.where(F.coalesce(~of_them, F.lit(True))).union(halved)


def _day(lines: DataFrame) -> Column:
    """Return the day as text, whichever way the file writes it."""
    return F.split_part(F.col(MOMENT).cast("string"), F.lit(" "), F.lit(1))


def _judged(lines: DataFrame, rules: config.OnlineRetail, today: dt.date) -> DataFrame:
    """Return typed lines with the rule that refuses it (null = accepted)."""
    types = {column.name: column.dataType for column in lines.schema.fields}
    number = {name: typed(F.col(name), types[name], "double") for name in (UNITS, AMOUNT)}
    when = moment(F.col(MOMENT), types[MOMENT])
    if _text(lines, MOMENT):
        when = F.coalesce(when, moment(F.col(MOMENT), types[MOMENT], US_DATE))
    customer = F.regexp_replace(F.col(CUSTOMER).cast("string"), r"\.0$", "")
    read = lines.select(
        F.upper(F.trim(F.col(INVOICE).cast("string"))).alias(INVOICE),
        F.col(CODE).cast("string").alias(CODE),
        F.upper(F.trim(F.col(CODE).cast("string"))).alias(t.SKU),
        F.trim(DESCRIPTION).alias(DESCRIPTION),
        number[UNITS].alias(UNITS),
        when.alias(MOMENT),
        number[AMOUNT].alias(AMOUNT),
        F.nullif(customer, F.lit("")).alias(CUSTOMER),
        COUNTRY,
    )
    cancels = F.col(INVOICE).startswith("C")
    buyer = F.coalesce(CUSTOMER, INVOICE)
    return read.withColumns({CANCELS: cancels, BUYER: buyer}).withColumn(_RULE, _refusal(rules, today))


def _refusal(rules: config.OnlineRetail, today: dt.date) -> Column:
    units, amount, cancels = F.col(UNITS), F.col(AMOUNT), F.col(CANCELS)
    unreadable = [F.col(name).isNull() for name in (INVOICE, t.SKU, UNITS, AMOUNT, MOMENT)]
    not_finite = [~(F.abs(value) < float("inf")) for value in (units, amount)]
    return (
        F.when(F.exists(F.array(*unreadable, *not_finite), lambda bad: F.coalesce(bad, F.lit(True))), "line: cannot be read")
        .when(F.col(MOMENT).cast("date") > F.lit(today), f"date: after {today}")
        .when(~F.col(t.SKU).rlike(f"^(?i:{rules.product_code})$"), "sku: not a product code")
        .when(amount < 0, "price: below 0")
        .when(cancels & (units >= 0), "cancellation: adds units")
        .when(~cancels & (units <= 0), "quantity: adjustment, cancels nothing")
        .when(~cancels & (amount == 0), "price: 0")
    )


def _sale_lines(sales: DataFrame, rules: config.OnlineRetail) -> DataFrame:
    channel = F.lit(t.POOLED)
    if rules.home_country is not None:
        channel = F.when(F.trim(COUNTRY) == rules.home_country, HOME).otherwise(ABROAD)
    given = {
        t.SKU: F.col(t.SKU),
        t.SITE: F.lit(rules.site),
        t.CHANNEL: channel,
        t.DATE: F.col(MOMENT),
        t.QUANTITY: F.col(UNITS),
        t.PRICE: F.col(AMOUNT),
        CUSTOMER: F.col(BUYER),
    }
    names = (*t.SALES.columns, CUSTOMER)
    return sales.select(*(given.get(name, F.lit(None)).cast(name.type).alias(name) for name in names))


def _respelled(judged: DataFrame) -> DataFrame:
    key = q.row_key({t.SKU: F.col(CODE)})
    columns = q.finding(t.SALES, F.lit("sku: upper case without blanks"), key, before=F.col(CODE), after=F.col(t.SKU))
    return judged.where(F.col(CODE) != F.col(t.SKU)).select(columns)


def _written_twice(spark: SparkSession, days: Mapping[str, int]) -> DataFrame:
    rule = "day: every line written twice"
    return q.stated(
        spark,
        [(t.SALES.name, json.dumps({t.DATE: day}), rule, f"{n} rows", f"{n // 2} rows", n // 2) for day, n in days.items()],
    )


def _text(lines: DataFrame, name: str) -> bool:
    return isinstance(lines.schema[name].dataType, StringType)
