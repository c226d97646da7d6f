"""Limits of the ABC classes, which need the revenues of all series: one pass that brings one number a series and cutoff."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

import replen.tables as t
from replen.features.classes import abc_limits
from replen.features.segments import recent_revenue
from replen.features.view import View
from replen.spark.buckets import per_batch

Limits = tuple[float, float]
NUMBER = "number"
REVENUE_DDL = f"{NUMBER} int, {t.VALUE} double"


def limits_at(series: DataFrame, cutoffs: Sequence[np.datetime64], view: View) -> list[Limits]:
    """Return the least revenue of class A and of class B at each cutoff, over all series active there."""
    if not cutoffs:
        return []
    revenues = revenues_at(series, cutoffs, view).toPandas()
    shares = view.features.classes.abc
    by_cutoff = (revenues.loc[revenues[NUMBER] == number, t.VALUE].to_numpy(np.float64) for number in range(len(cutoffs)))
    return [abc_limits(values, shares) for values in by_cutoff]


def revenues_at(series: DataFrame, cutoffs: Sequence[np.datetime64], view: View) -> DataFrame:
    """Return one row an active series and cutoff: number of the cutoff, recent revenue in money."""
    return per_batch(series, partial(revenue_rows, view, cutoffs), REVENUE_DDL)


def revenue_rows(view: View, cutoffs: Sequence[np.datetime64], rows: pd.DataFrame) -> pd.DataFrame:
    """Return the recent revenue at each cutoff of those series that are active there."""
    panel = view.panel(rows)
    by_cutoff = [recent_revenue(view.at(panel, cutoff), view.features.active_periods) for cutoff in cutoffs]
    numbers = np.repeat(np.arange(len(cutoffs), dtype=np.int32), [len(values) for values in by_cutoff])
    return pd.DataFrame({NUMBER: numbers, t.VALUE: np.concatenate(by_cutoff)})
