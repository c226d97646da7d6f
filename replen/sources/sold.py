"""What was sold, from whichever kind of file holds it: lines under the names of `tables.SALES`, and the days they cover."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from replen import config
from replen import tables as t
from replen.sources.checks import Content, Opened
from replen.sources.clean import clean, unique
from replen.sources.judge import Reading, judge
from replen.sources.online_retail import read_invoices
from replen.sources.periods import Freq, period_of
from replen.sources.rules import CUSTOMER

SalesRows = Literal["transactions", "days", "periods"]


@dataclass(frozen=True)
class Sold:
    """Sale lines.

    Attributes:
        lines: columns of `tables.SALES`, and `customer` where the file says who bought; `date` is the day.
        findings: what was changed or refused.
        first: first day the file covers.
        last: last day the file covers.
        whole_periods: each line stands for a whole period.
        by_period: there is one line a (sku, site, channel, period).
        described: sku and description, many rows a product; None where the file does not describe.
    """

    lines: DataFrame
    findings: tuple[DataFrame, ...]
    first: dt.date
    last: dt.date
    whole_periods: bool = False
    by_period: bool = False
    described: DataFrame | None = None


def sold_by_invoice(spark: SparkSession, sources: config.Sources, today: dt.date) -> Sold:
    """Return the sale lines of an Online Retail II file."""
    read = read_invoices(spark, str(sources.path), sources.online_retail, today=today)
    return Sold(read.lines, (read.findings,), read.first, read.last, described=read.described)


def sold_by_table(opened: Opened, reading: Reading, content: Content, *, rows: SalesRows, freq: Freq) -> Sold:
    """Return the sale lines of a file that is mapped to `tables.SALES`.

    Where a row is a day or a period, a second one of the same key is a duplicate, and an impossible quantity makes the
    period unknown; where rows are transactions they add up, and one with an impossible quantity is refused alone.
    """
    if rows == "transactions":
        reading = replace(reading, rules=replace(reading.rules, essential=(t.QUANTITY,)))
    cleaned = clean(judge(opened.raw, reading), content)
    lines = cleaned.rows if CUSTOMER in opened.raw.columns else cleaned.rows.drop(CUSTOMER)
    days = {"first": content["first"], "last": content["last"]}
    if rows == "transactions":
        return Sold(lines, cleaned.findings, **days)
    grain: Freq = freq if rows == "periods" else "D"
    dated = lines.withColumn(t.DATE, period_of(F.col(t.DATE), grain))
    once = unique(replace(cleaned, rows=dated), t.SALES)
    return Sold(once.rows, once.findings, **days, whole_periods=rows == "periods", by_period=grain == freq)
