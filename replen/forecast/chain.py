"""A forecaster with the one that stands in for it: a series the first cannot forecast falls back, and says why."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from replen.features.panel import FloatArray, Panel
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster


def predict_with_fallback(
    first: Forecaster, fallback: Forecaster, panel: Panel, *, horizon: int, levels: FloatArray
) -> tuple[Distribution, Distribution, NDArray[np.bool_]]:
    """Return the first forecaster's distribution, the fallback's, and for which series the fallback's is taken.

    The fallback is asked for the series that the first gives no mean for; its distribution holds those series only, with the
    reason of the first before its own.
    """
    distribution = first.predict(panel, horizon=horizon, levels=levels)
    failed = np.asarray(np.isnan(distribution.mean).any(axis=1))
    stand_in = fallback.predict(panel.take(failed), horizon=horizon, levels=levels)
    reasons = [
        f"{why or 'no forecast'}; fallback" + (f": {note}" if note else "")
        for why, note in zip(distribution.reason[failed], stand_in.reason, strict=True)
    ]
    return distribution, replace(stand_in, reason=np.array(reasons, dtype=str)), failed
