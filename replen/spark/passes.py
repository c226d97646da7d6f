"""Passes of the coupling over all series: each partition adds up its series by cell, the driver adds up the partitions.

Programs are made once, from items and sample paths, and kept on the executors' disks: what a pass does to a series is solve it.
Where all series are few, the driver solves them by itself; where they are many, it finds out by a few where prices begin.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, Self

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.serializers import CPickleSerializer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from replen import config
from replen.plan.choice import Choice, Pass, Totals
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS
from replen.spark.buckets import per_bucket

PROGRAMS, N_SOURCES = "programs", "n_sources"
STORED: Any = CPickleSerializer()
SCHEMA = "bound array<double>, cost array<double>, cell array<int>, limit array<int>, used array<double>"
FEW = 8192
"""Sources that the driver solves about as fast by itself as Spark starts a pass; so many are a sample of more."""
MANY = 8 * FEW
Maker = Callable[[pd.DataFrame], list[Programs]]


@dataclass(frozen=True)
class Passes:
    """Looks at all items under a choice; `with` frees the disks at the end.

    Attributes:
        programs: of all items, some thousands a row, pickled.
        n_sources: of all items.
        n_limits: that they share.
    """

    programs: DataFrame
    n_sources: int
    n_limits: int

    @classmethod
    def over(cls, items: DataFrame, make: Maker, n_limits: int, *, sizes: config.Spark) -> Self:
        """Return passes over items.

        Args:
            items: one row a series.
            make: the programs of some of them.
            n_limits: that they share.
            sizes: of grouped stages.
        """
        rows = per_bucket(items, lambda some: _rows_of(make(some)), f"{PROGRAMS} binary, {N_SOURCES} int", sizes=sizes)
        kept = rows.persist(StorageLevel.DISK_ONLY)
        (n_sources,) = kept.agg(F.sum(N_SOURCES)).first() or (None,)
        return cls(kept, n_sources or 0, n_limits)

    def __enter__(self) -> Self:
        """Return the passes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the disks."""
        self.programs.unpersist()

    @cached_property
    def few(self) -> list[Programs]:
        """Return the programs of about `FEW` sources, or of all; buckets are of all kinds alike."""
        n_rows = -(-self.programs.count() * FEW // max(self.n_sources, FEW))
        return [STORED.loads(bytes(blob)) for (blob,) in self.programs.select(PROGRAMS).head(n_rows)]

    @property
    def sample(self) -> Pass | None:
        """Return a pass over the few of many; None where all are not many."""
        return self.over_few if self.n_sources >= MANY else None

    def over_few(self, choice: Choice) -> Totals:
        """Return what the few cost and use."""
        return _sum(self.few, choice, self.n_limits)

    def __call__(self, choice: Choice) -> Totals:
        """Return what all items cost and use."""
        if self.n_sources <= FEW:
            return self.over_few(choice)
        n_limits = self.n_limits

        def of_partition(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            made: Iterator[Programs] = (STORED.loads(blob) for frame in frames for blob in frame[PROGRAMS])
            yield _row(_sum(made, choice, n_limits))

        # All at once, in order: an iterator over them would work on one partition after the other.
        found = _nothing(n_limits)
        for _, part in self.programs.mapInPandas(of_partition, SCHEMA).toPandas().iterrows():
            found.bound[:] += part["bound"]
            found.cost[:] += part["cost"]
            found.usage[part["cell"], part["limit"]] += part["used"]
        return found


def _sum(made: Iterable[Programs], choice: Choice, n_limits: int) -> Totals:
    return reduce(add, (programs.totals(choice) for programs in made), _nothing(n_limits))


def _nothing(n_limits: int) -> Totals:
    return Totals(np.zeros(N_CELLS), np.zeros(N_CELLS), np.zeros((N_CELLS, n_limits)))


def _rows_of(made: list[Programs]) -> pd.DataFrame:
    return pd.DataFrame({PROGRAMS: [STORED.dumps(one) for one in made], N_SOURCES: [len(one.series) for one in made]})


def _row(totals: Totals) -> pd.DataFrame:
    """Return totals as one row, usage by its cells that are not 0."""
    cell, limit = np.nonzero(totals.usage)
    columns = (totals.bound, totals.cost, cell.astype(np.int32), limit.astype(np.int32), totals.usage[cell, limit])
    return pd.DataFrame(
        {name: [values] for name, values in zip(("bound", "cost", "cell", "limit", "used"), columns, strict=True)}
    )
