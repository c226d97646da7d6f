"""Which policy orders for a series, and for which service: by segment, as the configuration says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Policies, ServiceTarget
from replen.plan.policies.known import Rule
from replen.plan.policies.named import DYNAMIC, rule_named
from replen.plan.policies.reorder_point import every_period
from replen.plan.policies.service import CriticalRatio, CycleService, FillRate, Target
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

PROGRAM = "program"
NO_LABEL = "none"  # segment of a series without a category, supplier or class
LABELS = {"class": t.DEMAND_CLASS, "abc": t.ABC_CLASS, "category": t.CATEGORY, "supplier": t.SUPPLIER, "site": t.SITE}
MEASURES: dict[str, Callable[[float], Target]] = {
    t.CYCLE_SERVICE_LEVEL: CycleService,
    t.FILL_RATE: FillRate,
    "critical_ratio": CriticalRatio,
}


@dataclass(frozen=True)
class Assigned:
    """What orders for n_series series.

    Attributes:
        policies: shape (n_series,), `program` or a key of `named.RULES`.
        targets: of each series; the program has no use for its own.
    """

    policies: NDArray[np.str_]
    targets: tuple[Target, ...]

    @classmethod
    def of(cls, items: pd.DataFrame, settings: Policies) -> Self:
        """Return what orders for each of the items, one row a series, with the column that the segments are told by."""
        labels = segment_labels(items, settings.segment)
        default, by_segment = target_of(settings.target), settings.target_by_segment
        targets = {label: target_of(by_segment[label]) if label in by_segment else default for label in set(labels)}
        policies = np.array([settings.by_segment.get(label, settings.default) for label in labels], dtype=np.str_)
        return cls(policies, tuple(targets[label] for label in labels))

    @classmethod
    def program(cls, n_series: int) -> Self:
        """Return the program for every series."""
        return cls(np.full(n_series, PROGRAM), (CycleService(0.5),) * n_series)

    def reviewed(self, positions: Positions) -> Positions:
        """Return the positions as their policies look at them: in every period where these are dynamic."""
        dynamic = np.isin(self.policies, DYNAMIC)
        often = every_period(positions).review_period
        return replace(positions, review_period=np.where(dynamic, often, positions.review_period))

    @property
    def by_program(self) -> NDArray[np.intp]:
        """Return the series that the program orders for."""
        return np.flatnonzero(self.policies == PROGRAM)

    def rules(self, positions: Positions, demand: FloatArray, *, waits: bool) -> Iterator[tuple[NDArray[np.intp], Rule]]:
        """Yield rows and rule of the series of each rule; series of the program are in none.

        Args:
            positions: n_series positions.
            demand: shape (n_steps, n_series, n_paths), units, that levels are read off.
            waits: True: demand that is not met waits; False: it is lost.
        """
        watched = self.reviewed(positions)
        for name in sorted(set(self.policies.tolist()) - {PROGRAM}):
            rows = np.flatnonzero(self.policies == name)
            targets = [self.targets[row] for row in rows]
            yield rows, rule_named(name, watched.take(rows), demand[:, rows], targets, backorders=waits)


def segment_labels(items: pd.DataFrame, segment: str) -> list[str]:
    """Return the segment of each item; `none` where there are no segments, or the item has no label."""
    if segment not in LABELS:
        return [NO_LABEL] * len(items)
    labels: list[str] = items[LABELS[segment]].fillna(NO_LABEL).astype(str).tolist()
    return labels


def target_of(target: ServiceTarget) -> Target:
    """Return the target that a configuration names."""
    return MEASURES[target.measure](target.value)
