"""Passes of the coupling over all series: every range of buckets adds up its series by cell, the driver adds up the ranges."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from replen import config
from replen.plan.choice import Choice, Totals
from replen.plan.sharing import N_CELLS
from replen.spark.buckets import per_bucket

SCHEMA = "bound array<double>, cost array<double>, cell array<int>, limit array<int>, used array<double>"
Totaller = Callable[[pd.DataFrame, Choice], Totals]


@dataclass(frozen=True)
class Passes:
    """Looks at all items under a choice.

    Attributes:
        items: one row a series.
        totals: of some items, by cell.
        n_limits: that they share.
        sizes: of grouped stages.
    """

    items: DataFrame
    totals: Totaller
    n_limits: int
    sizes: config.Spark

    def __call__(self, choice: Choice) -> Totals:
        """Return what all items cost and use."""
        totals = self.totals
        parts = per_bucket(self.items, lambda items: _row(totals(items, choice)), SCHEMA, sizes=self.sizes)
        whole = Totals(np.zeros(N_CELLS), np.zeros(N_CELLS), np.zeros((N_CELLS, self.n_limits)))
        for part in parts.toLocalIterator():
            whole.bound[:] += part["bound"]
            whole.cost[:] += part["cost"]
            whole.usage[part["cell"], part["limit"]] += part["used"]
        return whole


def _row(totals: Totals) -> pd.DataFrame:
    """Return totals as one row, usage by its cells that are not 0."""
    cell, limit = np.nonzero(totals.usage)
    columns = (totals.bound, totals.cost, cell.astype(np.int32), limit.astype(np.int32), totals.usage[cell, limit])
    return pd.DataFrame(
        {name: [values] for name, values in zip(("bound", "cost", "cell", "limit", "used"), columns, strict=True)}
    )
