"""Stock and supply made up by the config's `assume` rules where a data set has none."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from replen import config
from replen import tables as t
from replen.sources.periods import Span

RECENT_PERIODS = 13  # the mean that opening stock is a multiple of
RECENT_UNITS, PRICED_UNITS, REVENUE = "recent_units", "priced_units", "revenue"


@dataclass(frozen=True)
class Assumed:
    """Rows that no data set gave, and the sentence that says so."""

    rows: DataFrame
    sentence: str


def series_of(lines: DataFrame, span: Span) -> DataFrame:
    """Return one row a (sku, site) that was ever sold, with what assumptions are made from.

    `recent_units`: sold in the last 13 periods up to the cutoff; `priced_units`, `revenue`: of lines with a price.
    """
    quantity, price = F.col(t.QUANTITY), F.col(t.PRICE)
    recent = F.when(F.col(t.DATE) >= span.periods_back(RECENT_PERIODS), quantity)
    priced = F.when(price > 0, quantity)
    totals = {RECENT_UNITS: recent, PRICED_UNITS: priced, REVENUE: priced * price}
    return lines.groupBy(t.SKU, t.SITE).agg(*(F.coalesce(F.sum(each), F.lit(0.0)).alias(name) for name, each in totals.items()))


def opening_stock(series: DataFrame, span: Span, cover_periods: float) -> Assumed:
    """Return the `stock` of whole units that covers so many periods of mean recent sales."""
    on_hand = F.round(F.col(RECENT_UNITS) / RECENT_PERIODS * cover_periods)
    rows = series.select(
        t.SKU, t.SITE, F.lit(span.end).alias(t.AS_OF), on_hand.alias(t.ON_HAND), F.lit(0.0).alias(t.BACKORDERS)
    )
    return Assumed(
        rows.select(t.STOCK.names),
        f"opening stock at the end of {span.end} is {cover_periods:g} periods of mean sales over the last {RECENT_PERIODS} "
        "(sources.assume.stock_cover_periods)",
    )


def supply_terms(series: DataFrame, catalogue: DataFrame, terms: config.AssumedSupply) -> Assumed:
    """Return the `supply` of every series with a price: one supplier, the same terms for all."""
    priced = catalogue.where(F.col(t.UNIT_PRICE).isNotNull()).select(t.SKU, t.UNIT_PRICE)
    given = {
        t.SUPPLIER: F.lit(terms.supplier),
        t.RANK: F.lit(1),
        t.LEAD_TIME_DAYS: F.lit(terms.lead_time_days),
        t.REVIEW_PERIOD_DAYS: F.lit(terms.review_period_days),
        t.MIN_ORDER_QUANTITY: F.lit(terms.min_order_quantity),
        t.ORDER_MULTIPLE: F.lit(terms.order_multiple),
        t.UNIT_COST: F.col(t.UNIT_PRICE) * terms.unit_cost_share,
    }
    rows = series.select(t.SKU, t.SITE).join(priced, on=t.SKU, how="inner")
    values = (given.get(name, F.lit(None)).cast(name.type).alias(name) for name in t.SUPPLY.columns[2:])
    return Assumed(
        rows.select(t.SKU, t.SITE, *values),
        f"every product is bought from {terms.supplier} for {terms.unit_cost_share:g} of its list price, lead time "
        f"{terms.lead_time_days:g} days, review every {terms.review_period_days:g} days, in multiples of "
        f"{terms.order_multiple:g}, at least {terms.min_order_quantity:g} (sources.assume.supply)",
    )
