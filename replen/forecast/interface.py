"""What every forecaster is to the rest: something that predicts a panel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from replen.features.panel import Panel
from replen.forecast.distribution import Distribution

FloatArray = NDArray[np.float32]
Shards = Callable[[], Iterator[Panel]]
"""Prepared panels of all series up to one cutoff, part by part, as often as asked."""

NO_SALES = "no known sales"
"""Reason of a series that nothing can be learned from."""


@dataclass(frozen=True)
class EpochMetrics:
    """What an observer is told after each epoch of a training; losses are negative log likelihoods a target."""

    model: int
    epoch: int
    loss: float
    validation_loss: float


Observer = Callable[[EpochMetrics], None]


class Forecaster(Protocol):
    """A fitted forecaster."""

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the `horizon` periods after the cutoff; a series alone gives what it gives in a panel."""
        ...

    def save(self, folder: Path) -> None:
        """Write all that `predict` needs into a folder, as plain files."""
        ...
