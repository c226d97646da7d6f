"""What MLflow makes of a registered version: the forecaster that forecasts, all of it.

`mlflow.pyfunc.load_model("models:/replen@champion")` opens it without pickled code: `predict(panel)` returns its distribution
of a prepared panel, `get_raw_model()` the forecaster. A blend has its weights only; `forecast.binding` brings in its members.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from replen.features.panel import Panel
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster
from replen.forecast.storage import LOADERS

FAMILY, HORIZON, LEVELS = "family", "horizon", "levels"
"""Keys of the `model_config` of a version."""


@dataclass(frozen=True)
class Registered:
    """A forecaster with what it is asked in the run that made it."""

    forecaster: Forecaster
    horizon: int
    levels: tuple[float, ...]

    def predict(self, panel: Panel) -> Distribution:
        """Return the demand of the periods after a prepared panel."""
        return self.forecaster.predict(panel, horizon=self.horizon, levels=np.asarray(self.levels, np.float32))

    def get_raw_model(self) -> Forecaster:
        """Return the forecaster."""
        return self.forecaster


def _load_pyfunc(path: str, about: Mapping[str, Any]) -> Registered:
    """Return what MLflow calls for: the forecaster of a folder, `about` being the version's `model_config`."""
    return Registered(LOADERS[about[FAMILY]](Path(path)), about[HORIZON], tuple(about[LEVELS]))
