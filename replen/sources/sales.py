"""Sale lines -> the `sales` table: one row a (sku, site, channel, period)."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from replen import tables as t
from replen.sources import findings as q
from replen.sources.periods import Span, period_of
from replen.sources.rules import CUSTOMER

_PERIOD = "_period"


@dataclass(frozen=True)
class Periods:
    """The lines of complete periods up to the cutoff, and a finding for each period that was left out."""

    lines: DataFrame
    findings: DataFrame


def within(lines: DataFrame, span: Span) -> Periods:
    """Return the lines of the span, and what was left out at both ends."""
    period = period_of(F.col(t.DATE), span.freq)
    outside = lines.select(period.alias(_PERIOD)).where(~F.col(_PERIOD).between(span.first, span.cutoff))
    rule = F.when(F.col(_PERIOD) > span.cutoff, "period: after the cutoff, or incomplete").otherwise("period: incomplete")
    key = q.row_key({t.DATE: F.col(_PERIOD)})
    findings = outside.select(q.finding(t.SALES, rule, key, before=F.col(_PERIOD), after=F.lit(q.QUARANTINED)))
    return Periods(lines.where(period.between(span.first, span.cutoff)), findings)


def by_period(lines: DataFrame, span: Span) -> DataFrame:
    """Return the `sales` table.

    Quantities add up, and one unknown quantity makes the period's unknown. Price is the mean weighted by quantity, a plain
    mean where nothing was sold. Customers are counted distinct where lines say who bought, else added up. Promotion and
    in_stock are means over what is known; inventory_level is the last known one.
    """
    quantity, price, day = F.col(t.QUANTITY), F.col(t.PRICE), F.col(t.DATE)
    priced = F.when(price.isNotNull(), quantity)
    known = F.count(quantity) == F.count("*")
    totals: dict[t.Column, Column] = {
        t.QUANTITY: F.when(known, F.sum(quantity)),
        # Rounded, since sums of floats depend on the order of rows, and tables must not.
        t.PRICE: F.round(F.coalesce(F.sum(quantity * price) / F.nullif(F.sum(priced), F.lit(0.0)), F.avg(price)), 6),
        t.CUSTOMER_COUNT: _customers(lines),
        t.PROMOTION: F.round(F.avg(t.PROMOTION), 6),
        t.IN_STOCK: F.round(F.avg(t.IN_STOCK), 6),
        t.INVENTORY_LEVEL: F.max(F.when(F.col(t.INVENTORY_LEVEL).isNotNull(), F.struct(day, t.INVENTORY_LEVEL)))[
            t.INVENTORY_LEVEL
        ],
    }
    keys = [F.col(t.SKU), F.col(t.SITE), F.col(t.CHANNEL), period_of(day, span.freq).alias(t.DATE)]
    return lines.groupBy(*keys).agg(*(total.alias(name) for name, total in totals.items())).select(t.SALES.names)


def _customers(lines: DataFrame) -> Column:
    added = F.sum(t.CUSTOMER_COUNT)
    if CUSTOMER not in lines.columns:
        return added
    bought = F.when(F.col(t.QUANTITY) > 0, F.col(CUSTOMER))
    return F.coalesce(added, F.when(F.count(CUSTOMER) > 0, F.count_distinct(bought).cast("double")))
