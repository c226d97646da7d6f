"""Which series a forecast is made for: all, or where a run has kept the models of an earlier one, those that changed since."""

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.features.classes import abc_limits
from replen.features.view import View
from replen.progress import Progress
from replen.spark.changes import CHANGED, KEY, changed_series, is_same
from replen.spark.revenues import Limits, limits_at, revenues_at
from replen.spark.run import Committed, Run

COMPARED = ("ingest", "build_features", "train", "forecast")
SERIES_KEY = [str(column) for column in t.SERIES.key]


@dataclass(frozen=True)
class Renewal:
    """What is to be forecast.

    Attributes:
        series: rows of `tables.SERIES` to forecast.
        others: forecasts of all other series, as an earlier run made them; None: there are no others.
        limits: least revenue of class A and of class B at the cutoff, over all series.
    """

    series: DataFrame
    others: DataFrame | None
    limits: Limits


def renewal(jobs: Run, series: DataFrame, view: View, progress: Progress) -> Renewal:
    """Return what a run has to forecast: a forecast depends on the series' row, market, models, and limits of its ABC class.

    Forecasts are taken from a run of the same recipe and cutoff whose models this run has too, where the row is what it was
    and the class has stayed, as all series together say where a class ends.
    """
    cutoffs = [np.datetime64(view.cutoff)]
    earlier = jobs.earlier(*COMPARED)
    if earlier is None or earlier["train"] != jobs.needed("train") or not _is_same_market(jobs, earlier["ingest"]):
        (limits,) = limits_at(series, cutoffs, view)
        return Renewal(series, None, limits)
    before = jobs.read_of(earlier["build_features"], t.SERIES)
    changed = jobs.stage(CHANGED, changed_series({t.SERIES: series}, {t.SERIES: before}))
    unchanged = jobs.read_of(earlier["forecast"], t.FORECASTS).join(changed, on=KEY, how="left_anti")
    revenues = revenues_at(series.join(changed, on=KEY, how="left_semi"), cutoffs, view).select(t.VALUE)
    active = unchanged.where(F.col(t.RECENT_REVENUE).isNotNull()).select(F.col(t.RECENT_REVENUE).alias(t.VALUE))
    limits = abc_limits(revenues.unionByName(active).toPandas()[t.VALUE].to_numpy(np.float64), view.features.classes.abc)
    others = unchanged.where(F.col(t.ABC_CLASS).eqNullSafe(_abc_class(limits)))
    progress.note(
        f"forecast: {changed.count():,} series that changed since run {earlier['forecast'].producer}, and new ABC classes"
    )
    return Renewal(series.join(others.select(SERIES_KEY), on=SERIES_KEY, how="left_anti"), others, limits)


def _is_same_market(jobs: Run, ingest: Committed) -> bool:
    return is_same(t.MARKET, jobs.read(t.MARKET, "ingest"), jobs.read_of(ingest, t.MARKET))


def _abc_class(limits: Limits) -> Column:
    """Return the class by `recent_revenue`, null where that is null: `classes.abc_class` as a column."""
    revenue = F.col(t.RECENT_REVENUE)
    return F.when(revenue >= limits[0], "A").when(revenue >= limits[1], "B").when(revenue.isNotNull(), "C")
