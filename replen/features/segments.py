"""Groups of series that are scored apart, and may have a champion of their own: functions of the arrays up to a cutoff."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replen import tables as t
from replen.config import Features
from replen.features.classes import Labels, abc_class, demand_class, revenue
from replen.features.known import Doubles
from replen.features.panel import Panel

ALL = "all"
CLASS, ABC, CATEGORY = "class", "abc", "category"
NONE = "none"  # label of a series without a category


@dataclass(frozen=True)
class Segmentation:
    """What the labels of series depend on besides their own arrays.

    Attributes:
        features: thresholds of the classes, and the periods that revenue is taken over.
        abc_limits: least revenue of class A and of class B, from all series at the same cutoff (`classes.abc_limits`).
    """

    features: Features
    abc_limits: tuple[float, float]

    def labels(self, panel: Panel, kinds: Sequence[str]) -> dict[str, Labels]:
        """Return kind -> label by series of a prepared panel, shape (n_series,)."""
        return {kind: self._of_kind(panel, kind) for kind in kinds}

    def _of_kind(self, panel: Panel, kind: str) -> Labels:
        if kind == CLASS:
            return demand_class(panel.past[t.SALES_HISTORY], self.features.classes)
        if kind == ABC:
            return abc_class(recent_revenue(panel, self.features.active_periods), self.abc_limits)
        return panel.keys[t.CATEGORY].fillna(NONE).to_numpy(dtype=str)


def segment_name(kind: str, label: str) -> str:
    """Return how tables name a segment.

    >>> segment_name("class", "lumpy")
    'class=lumpy'
    """
    return f"{kind}={label}"


def recent_revenue(panel: Panel, n_periods: int) -> Doubles:
    """Return the revenue by series over the last `n_periods` up to the panel's cutoff, money, shape (n_series,)."""
    list_price = panel.keys[t.UNIT_PRICE].to_numpy(dtype=np.float64, na_value=0.0)
    return revenue(panel.past[t.SALES_HISTORY], panel.past[t.PRICE], unit_price=list_price, n_periods=n_periods)
