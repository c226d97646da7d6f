"""Where forecasters come together, each blend is given its members; what several ask of one panel is predicted once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from replen.config import Forecast
from replen.features.panel import Panel
from replen.forecast.blend import BLEND, Blend
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster
from replen.forecast.storage import Packed

FloatArray = NDArray[np.float32]


class Remembering:
    """A forecaster that keeps its last answer: the same panel, horizon and levels are not predicted again."""

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster
        self._last: tuple[Panel, int, FloatArray, Distribution] | None = None

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return what the forecaster predicts of a panel; the same panel is the same object."""
        if self._last is not None:
            before, steps, asked, answer = self._last
            if before is panel and steps == horizon and np.array_equal(asked, levels):
                return answer
        answer = self.forecaster.predict(panel, horizon=horizon, levels=levels)
        self._last = panel, horizon, levels, answer
        return answer

    def save(self, folder: Path) -> None:
        """Write the forecaster."""
        self.forecaster.save(folder)


def needed(models: Iterable[str], settings: Forecast) -> list[str]:
    """Return the configured forecasters that answering with these takes: they, members of blends among them, the fallbacks."""
    asked = {*models, *settings.fallback}
    wanted = asked | (settings.blend.weights.keys() if BLEND in asked else set())
    return [model for model in settings.models if model in wanted]


def bind(forecasters: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    """Return the forecasters by name, blends with their members, which are all among them."""
    blends = {name: blend for name, one in forecasters.items() if (blend := _blend(one)) is not None}
    asked = {member for blend in blends.values() for member in blend.weights}
    shared = {name: Remembering(one) if name in asked else one for name, one in forecasters.items()}
    bound = {
        name: replace(blend, members={member: shared[member] for member in blend.weights}) for name, blend in blends.items()
    }
    return {**shared, **bound}


def _blend(forecaster: Forecaster) -> Blend | None:
    opened = forecaster.opened if isinstance(forecaster, Packed) and forecaster.family == BLEND else forecaster
    return opened if isinstance(opened, Blend) else None
