"""Cancellations taken off the sales they undo: last bought, first cancelled, per customer and product."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from replen import tables as t
from replen.sources import findings as q

UNITS, CANCELS, BUYER, MOMENT = "units", "cancels", "buyer", "moment"
_LEFT, _WALK, _OPEN = "left", "walk", "open"


@dataclass(frozen=True)
class Net:
    """Sale lines with the units that were not cancelled, and findings by product."""

    sales: DataFrame
    findings: DataFrame


def net_cancellations(lines: DataFrame) -> Net:
    """Return the sale lines less what their buyer cancelled later; lines of which nothing is left are gone.

    A cancellation undoes the buyer's latest purchases of the product before it, whatever the price; what exceeds them undoes
    a sale that is not in the file, and is refused.

    Args:
        lines: sku, buyer, moment, units (below zero: a cancellation), cancels (whether it is one) and columns that only
            break ties.
    """
    cancelled = lines.where(CANCELS).select(BUYER, t.SKU).distinct()
    touched = left_after_cancellations(lines.join(cancelled, on=[BUYER, t.SKU], how="left_semi"))
    sales = touched.where(~F.col(CANCELS) & (F.col(_LEFT) > 0)).withColumn(UNITS, F.col(_LEFT)).select(lines.columns)
    others = lines.join(cancelled, on=[BUYER, t.SKU], how="left_anti")
    return Net(sales.unionByName(others), _findings(touched))


def left_after_cancellations(lines: DataFrame) -> DataFrame:
    """Return the lines with `left`: of a purchase the units never cancelled, of a cancellation the units it undid, <= 0.

    Purchases are a stack. With `open` = units bought and not yet cancelled after each line, a purchase ends with what the
    lowest later `open` leaves of it, so that two passes over each buyer's lines do.
    """
    ties = [name for name in lines.columns if name not in {t.SKU, BUYER, MOMENT, CANCELS}]
    by_time = Window.partitionBy(BUYER, t.SKU).orderBy(MOMENT, CANCELS, *ties)
    so_far = by_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    from_here = by_time.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    units, still_open = F.col(UNITS), F.col(_OPEN)
    walked = lines.withColumn(_WALK, F.sum(units).over(so_far))
    opened = walked.withColumn(_OPEN, F.col(_WALK) - F.least(F.min(_WALK).over(so_far), F.lit(0.0)))
    purchase = F.greatest(F.lit(0.0), F.least(units, F.min(still_open).over(from_here) - (still_open - units)))
    undone = still_open - F.lag(still_open, 1, 0.0).over(by_time)
    return opened.withColumn(_LEFT, F.when(F.col(CANCELS), undone).otherwise(purchase)).drop(_WALK, _OPEN)


def ignore_cancellations(lines: DataFrame) -> Net:
    """Return the sale lines as they are; every cancellation is refused."""
    ignored = by_product(lines.where(CANCELS), F.lit("cancellation: ignored"), F.sum(UNITS), F.lit(q.QUARANTINED))
    return Net(lines.where(~F.col(CANCELS)), ignored)


def by_product(lines: DataFrame, rule: Column, before: Column, after: Column) -> DataFrame:
    """Return one finding a rule and product; before and after are aggregates of its lines."""
    grouped = lines.groupBy(rule.alias(t.RULE), t.SKU).agg(
        before.alias(t.VALUE_BEFORE), after.alias(t.VALUE_AFTER), F.count("*").alias(t.N_ROWS)
    )
    key = q.row_key({t.SKU: F.col(t.SKU)})
    return grouped.select(
        q.finding(t.SALES, F.col(t.RULE), key, before=F.col(t.VALUE_BEFORE), after=F.col(t.VALUE_AFTER), n_rows=F.col(t.N_ROWS))
    )


def _findings(touched: DataFrame) -> DataFrame:
    left, units, cancels = F.col(_LEFT), F.col(UNITS), F.col(CANCELS)
    rule = (
        F.when(~cancels & (left < units), "sale: cancelled units taken off")
        .when(cancels & (left == units), "cancellation: undoes a sale")
        .when(cancels & (left < 0), "cancellation: undoes a smaller sale")
        .when(cancels, "cancellation: no sale before it")
    )
    changed = touched.withColumn(t.RULE, rule).where(F.col(t.RULE).isNotNull())
    return by_product(changed, F.col(t.RULE), F.sum(units), F.sum(left))
