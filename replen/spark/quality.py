"""What the checks of the data look at, counted by Spark: one pass over the sales, nothing collected series by series."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Quality
from replen.quality import facts as f
from replen.quality.facts import NOW, THEN, Facts, Reference, unknown
from replen.sources.findings import QUARANTINED
from replen.sources.periods import Span, length
from replen.spark.run import Run

KEY = (t.SKU, t.SITE)
NAMED = "window_name"
CHECKED = (t.CATEGORY, t.BRAND, t.UNIT_PRICE, t.UNIT_VOLUME)
"""Columns of the catalogue whose unknown values are counted; elsewhere null says something, or ingest refuses the row."""
OF_SALES = (*map(unknown, t.SALES.values), f.SOLD_ROWS, f.SOLD_EMPTY, *f.NEWEST)
OF_SERIES = (f.GAPPED, f.PRICED, f.JUMPED, *f.WITHOUT.values())
OF_WINDOW = (f.N_SERIES, f.PERIODS, f.ZEROS, f.ROWS)


def facts_of(jobs: Run, reference: Reference | None, today: dt.date) -> Facts:
    """Return the facts of a run that has committed its inputs; the sales are read once, other tables twice at most."""
    config, commit = jobs.config, jobs.needed("ingest")
    tables = {table: jobs.read(table, "ingest") for table in (t.SALES, t.CATALOGUE, t.STOCK, t.SUPPLY)}
    cutoffs = {NOW: commit.cutoff} | ({THEN: reference.cutoff} if reference else {})
    one = length(config.freq)
    windows = {name: Span(at - (config.quality.window - 1) * one, at, config.freq) for name, at in cutoffs.items()}
    counting = Counting(windows, config.quality, config.sources.complete, config.spark.partitions)
    sales = counting.facts(tables)
    n_rows, refused = F.col(t.N_ROWS), F.col(t.VALUE_AFTER) == QUARANTINED
    counts = F.sum(n_rows).alias(t.N_ROWS), F.sum(F.when(refused, n_rows).otherwise(0)).alias(f.REFUSED)
    findings = jobs.read(t.QUALITY, "ingest").groupBy(t.TABLE, t.RULE).agg(*counts).toPandas()
    (oldest,) = tables[t.STOCK].agg(F.min(t.AS_OF)).first() or (None,)
    long = tables[t.SUPPLY].where(F.col(t.LEAD_TIME_DAYS) > config.quality.max_lead_time_days).count()
    return Facts(
        cutoff=commit.cutoff,
        end=windows[NOW].end,
        today=today,
        sales=sales,
        n_rows={table.name: commit.counts[table.name] for table in t.INPUTS},
        unknown={t.SALES.name: unknown_of_sales(sales), t.CATALOGUE.name: unknown_of(tables[t.CATALOGUE], CHECKED)},
        findings=findings,
        oldest_stock=oldest,
        long_lead_times=long,
    )


def unknown_of_sales(sales: pd.DataFrame) -> dict[str, int]:
    """Return column -> rows of sales in which it is unknown, from their facts."""
    total = sales[sales[t.SEGMENT] == f.ALL].sum(numeric_only=True)
    return {str(column): int(total[unknown(column)]) for column in t.SALES.values}


def unknown_of(rows: DataFrame, columns: Iterable[t.Column]) -> dict[str, int]:
    """Return column -> rows in which it is unknown."""
    counted = rows.agg(*(F.count_if(F.col(column).isNull()).alias(column) for column in columns)).first()
    return counted.asDict() if counted else {}


def checks_of(jobs: Run) -> pd.DataFrame:
    """Return the rows of `tables.QUALITY_CHECKS` that a run committed."""
    return jobs.read(t.QUALITY_CHECKS, "check_quality").toPandas()


def checks_if_any(jobs: Run) -> pd.DataFrame:
    """Return the same for models, which can be trained on data that nobody checked: no rows then."""
    return checks_of(jobs) if jobs.committed("check_quality") else pd.DataFrame(columns=t.QUALITY_CHECKS.names)


def reference_of(jobs: Run, cutoff: dt.date) -> Reference | None:
    """Return the last run of this configuration with an earlier cutoff that came to orders, or None."""
    checked, ingested = (jobs.before(job, cutoff) for job in ("check_quality", "ingest"))
    if checked is None or ingested is None:
        return None
    return Reference(checked.producer, checked.cutoff, ingested.counts, jobs.read_of(checked, t.QUALITY_CHECKS).toPandas())


@dataclass(frozen=True)
class Counting:
    """How sales become the facts of `Facts.sales`: by series, then by segment, window and bin."""

    windows: Mapping[str, Span]
    settings: Quality
    complete: bool
    partitions: int

    def facts(self, tables: Mapping[t.Table, DataFrame]) -> pd.DataFrame:
        """Return the facts, collected: a row a segment, window and bin, however many series there are."""
        counted = self.rows(tables).toPandas()
        counted[f.LAST_SALE] = pd.to_datetime(counted[f.LAST_SALE])
        return counted

    def rows(self, tables: Mapping[t.Table, DataFrame]) -> DataFrame:
        """Return the facts: two aggregations behind one shuffle of the sales by series, and one of few rows."""
        keys = [str(column) for column in KEY]
        series = self.by_series(tables[t.SALES])
        for table in (t.STOCK, t.SUPPLY):
            there = tables[table].select(*keys).distinct().withColumn(f.WITHOUT[table.name], F.lit(0))
            series = series.join(there, on=keys, how="left")
        categories = tables[t.CATALOGUE].select(t.SKU, t.CATEGORY)
        return self.by_segment(series.join(categories, on=str(t.SKU), how="left"))

    def by_series(self, sales: DataFrame) -> DataFrame:
        """Return one row a (sku, site) with its counts; channels are pooled."""
        one_shuffle = sales.repartition(self.partitions, *KEY)
        quantity, day = F.col(t.QUANTITY), F.col(t.DATE)
        now = self._within(NOW)
        empty = (F.col(t.IN_STOCK) == 0) & (quantity > 0)
        pooled = one_shuffle.groupBy(*KEY, t.DATE).agg(
            F.sum(quantity).alias(t.QUANTITY),
            F.avg(t.PRICE).alias(t.PRICE),
            F.count("*").alias(f.ROWS),
            *(F.count_if(F.col(column).isNull()).alias(unknown(column)) for column in t.SALES.values),
            F.count_if(now & (quantity > 0)).alias(f.SOLD_ROWS),
            F.count_if(now & empty).alias(f.SOLD_EMPTY),
        )
        newest = self.windows[NOW].cutoff
        apart = length(self.windows[NOW].freq) * (7 if self.windows[NOW].freq == "D" else 1)
        totals = {name: F.sum(name) for name in (*map(unknown, t.SALES.values), f.SOLD_ROWS, f.SOLD_EMPTY)}
        totals |= {name: F.sum(F.when(day == newest - k * apart, quantity)) for k, name in enumerate(f.NEWEST)}
        totals |= {
            "first": F.min(day),
            "last": F.max(day),
            "known": F.count("*"),
            f.LAST_SALE: F.max(F.when(quantity > 0, day)),
            "price": F.max_by(t.PRICE, F.when(now & F.col(t.PRICE).isNotNull(), day)),
            "usual_price": F.avg(F.when(now & (day < newest), F.col(t.PRICE))),
        }
        for window in self.windows:
            within = self._within(window)
            totals |= {
                f"{f.ROWS} {window}": F.sum(F.when(within, F.col(f.ROWS))),
                f"units {window}": F.sum(F.when(within, quantity)),
                f"known {window}": F.count(F.when(within, quantity)),
                f"sold {window}": F.count_if(within & (quantity > 0)),
            }
        return pooled.groupBy(*KEY).agg(*(total.alias(name) for name, total in totals.items()))

    def by_segment(self, series: DataFrame) -> DataFrame:
        """Return the facts of series with their category: one row a segment, window and bin."""
        of_series = {**{name: F.col(name) for name in OF_SALES}, **dict(self._series_facts())}
        facts = series.select(
            F.array(*self._segments()).alias(t.SEGMENT),
            F.array(*(self._window_facts(window) for window in self.windows)).alias(f.WINDOW),
            f.LAST_SALE,
            *(value.alias(name) for name, value in of_series.items()),
        )
        by_segment = facts.withColumn(t.SEGMENT, F.explode(t.SEGMENT)).withColumn(f.WINDOW, F.explode(f.WINDOW))
        counted, now = by_segment.select("*", f"{f.WINDOW}.*"), F.col(NAMED) == NOW
        return counted.groupBy(t.SEGMENT, F.col(NAMED).alias(f.WINDOW), f.BIN).agg(
            *(F.sum(name).alias(name) for name in OF_WINDOW),
            *(F.coalesce(F.sum(F.when(now, F.col(name))), F.lit(0)).alias(name) for name in of_series),
            F.max(F.when(now, F.col(f.LAST_SALE))).alias(f.LAST_SALE),
        )

    def _segments(self) -> Iterator[Column]:
        yield F.lit(f.ALL)
        for kind in self.settings.segments:
            yield F.concat(F.lit(f"{kind}="), F.coalesce(F.col(kind), F.lit("none")))

    def _series_facts(self) -> Iterator[tuple[str, Column]]:
        """Yield facts that do not depend on a window, 0 or 1 a series."""
        days = length(self.windows[NOW].freq).days
        between = F.datediff("last", "first") / days + 1
        gapped = F.lit(False) if self.complete else F.col("known") < between
        usual, price = F.col("usual_price"), F.col("price")
        most = self.settings.max_price_factor
        sold = F.col(f"units {NOW}") > 0
        yield f.GAPPED, gapped.cast("int")
        yield f.PRICED, (usual > 0).cast("int")
        yield f.JUMPED, ((usual > 0) & ((price > usual * most) | (price < usual / most))).cast("int")
        for name in f.WITHOUT.values():
            yield name, (sold & F.col(name).isNull()).cast("int")

    def _window_facts(self, window: str) -> Column:
        """Return a series' facts of a window; where periods without a row sold nothing, all since its first row are known."""
        span = self.windows[window]
        known = F.col(f"known {window}")
        if self.complete:
            days = length(span.freq).days
            since = F.datediff(F.lit(span.cutoff), F.greatest("first", F.lit(span.first))) / days + 1
            known = F.greatest(since, F.lit(0)).cast("bigint")
        units = F.coalesce(F.col(f"units {window}"), F.lit(0.0))
        level = F.floor(F.log2(F.try_divide(units, known)) * f.BINS_PER_OCTAVE).cast("int")
        clipped = F.greatest(F.least(level, F.lit(f.HIGHEST_BIN)), F.lit(f.LOWEST_BIN))
        return F.struct(
            F.lit(window).alias(NAMED),
            F.when(known > 0, F.when(units > 0, clipped).otherwise(f.ZERO_BIN)).alias(f.BIN),
            F.lit(1).alias(f.N_SERIES),
            known.alias(f.PERIODS),
            (known - F.col(f"sold {window}")).alias(f.ZEROS),
            F.coalesce(F.col(f"{f.ROWS} {window}"), F.lit(0)).alias(f.ROWS),
        )

    def _within(self, window: str) -> Column:
        span = self.windows[window]
        return F.col(t.DATE).between(span.first, span.cutoff)
