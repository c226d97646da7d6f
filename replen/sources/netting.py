"""Cancellations taken off the sales they undo: last bought, first cancelled, per customer and product."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from replen import tables as t
from replen.sources import findings as q

UNITS, COPIES, CANCELS, BUYER, MOMENT = "units", "copies", "cancels", "buyer", "moment"


@dataclass(frozen=True)
class Net:
    """Sale lines with the units that were not cancelled, and findings by product."""

    sales: DataFrame
    findings: DataFrame


def net_cancellations(lines: DataFrame) -> Net:
    """Return the sale lines less what their buyer cancelled later; lines of which nothing is left are gone.

    A cancellation undoes the buyer's latest purchases of the product before it, whatever the price; what exceeds them undoes
    a sale that is not in the file, and is refused. It is a stack of purchases, and needs no loop: with `open` the units
    bought and not yet cancelled after each line, a purchase ends with what the lowest later `open` leaves of it.

    Args:
        lines: sku, buyer, moment, units (below zero: a cancellation), cancels (a cancellation or not), copies (lines in the
            file that the row stands for) and columns that only break ties.
    """
    ties = [name for name in lines.columns if name not in {t.SKU, BUYER, MOMENT, CANCELS}]
    by_time = Window.partitionBy(BUYER, t.SKU).orderBy(MOMENT, CANCELS, *ties)
    so_far = by_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    from_here = by_time.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    walk = lines.withColumn("walk", F.sum(UNITS).over(so_far))
    opened = walk.withColumn("open", F.col("walk") - F.least(F.min("walk").over(so_far), F.lit(0.0)))
    units, left_open = F.col(UNITS), F.col("open")
    purchase_left = F.greatest(F.lit(0.0), F.least(units, F.min(left_open).over(from_here) - (left_open - units)))
    undone = left_open - F.lag(left_open, 1, 0.0).over(by_time)
    left = opened.withColumn("left", F.when(F.col(CANCELS), undone).otherwise(purchase_left))
    sales = left.where(~F.col(CANCELS) & (F.col("left") > 0)).withColumn(UNITS, F.col("left")).select(lines.columns)
    return Net(sales, _netted(left))


def ignore_cancellations(lines: DataFrame) -> Net:
    """Return the sale lines as they are; every cancellation is refused."""
    ignored = lines.where(CANCELS)
    return Net(lines.where(~F.col(CANCELS)), by_product(ignored, F.lit("cancellation: ignored"), after=F.lit(q.QUARANTINED)))


def by_product(lines: DataFrame, rule: Column, *, after: Column) -> DataFrame:
    """Return one finding a rule and product: the units of its lines before, `after` (an aggregate) and how many lines."""
    grouped = lines.groupBy(rule.alias(t.RULE), t.SKU).agg(
        F.sum(UNITS).alias(UNITS), after.cast("string").alias(t.VALUE_AFTER), F.sum(COPIES).alias(t.N_ROWS)
    )
    key, before = q.row_key({t.SKU: F.col(t.SKU)}), F.col(UNITS)
    return grouped.select(
        *q.finding(t.SALES, F.col(t.RULE), key, before=before, after=F.col(t.VALUE_AFTER))[:-1], F.col(t.N_ROWS).cast("bigint")
    )


def _netted(left: DataFrame) -> DataFrame:
    cancelled = F.col(CANCELS)
    changed = left.where(F.col("left") != F.col(UNITS))
    taken_off = by_product(changed.where(~cancelled), F.lit("sale: cancelled units taken off"), after=F.sum("left"))
    netted = left.where(cancelled & (F.col("left") < 0))
    undoes = by_product(netted, F.lit("cancellation: undoes a sale"), after=F.sum("left"))
    beyond = changed.where(cancelled).withColumn(UNITS, F.col(UNITS) - F.col("left"))
    return taken_off.union(undoes).union(by_product(beyond, F.lit("cancellation: no sale before it"), after=F.lit(q.QUARANTINED)))
