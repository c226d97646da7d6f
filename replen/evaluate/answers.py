"""What a forecaster, with those that stand in for it, answers of a panel, beside what came."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from replen.evaluate.metrics import Doubles, Scored, randomised_transform
from replen.features.panel import FloatArray, Panel
from replen.forecast.chain import Answer, predict_chain
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster

TRANSFORM_LEVELS = np.arange(1, 100, 2) / 100
"""Levels a forecaster is asked for besides those scored: by a handful the transform of counts would be told too coarsely."""


def scored_answers(
    chain: Mapping[str, Forecaster], panel: Panel, actual: FloatArray, *, uniforms: Doubles, levels: FloatArray
) -> Scored:
    """Return the forecasts of a chain beside what came, all series in the panel's order.

    Args:
        chain: name -> forecaster, asked in turn for what those before it cannot forecast.
        panel: prepared series.
        actual: shape (n_series, horizon), units sold, NaN = unknown.
        uniforms: same shape, in [0, 1): they randomise the probability integral transform.
        levels: of the quantiles that are scored, float32, ascending.
    """
    return score_answers(asked(chain, panel, horizon=actual.shape[1], levels=levels), actual, uniforms=uniforms, levels=levels)


def asked(chain: Mapping[str, Forecaster], panel: Panel, *, horizon: int, levels: FloatArray) -> list[Answer]:
    """Return the answers of a chain, which can be scored at `levels`: asked for are those of `TRANSFORM_LEVELS` too."""
    return predict_chain(chain, panel, horizon=horizon, levels=np.union1d(levels, TRANSFORM_LEVELS.astype(levels.dtype)))


def score_answers(answers: Sequence[Answer], actual: FloatArray, *, uniforms: Doubles, levels: FloatArray) -> Scored:
    """Return answers that cover every series once beside what came, in the order of `actual`; see `scored_answers`."""
    parts = [held_against(one.distribution, actual[one.rows], uniforms[one.rows], levels=levels) for one in answers]
    order = np.argsort(np.concatenate([one.rows for one in answers]))
    by_series = (field.name for field in fields(Scored) if field.name != "levels")
    return Scored(levels=levels, **{name: np.concatenate([getattr(part, name) for part in parts])[order] for name in by_series})


def held_against(forecast: Distribution, actual: FloatArray, uniforms: Doubles, *, levels: FloatArray) -> Scored:
    """Return a forecast beside what came, its quantiles at `levels`, which are among its own."""
    transform = randomised_transform(*forecast.cdf(actual), uniforms)
    quantiles = forecast.quantiles[:, :, np.searchsorted(forecast.levels, levels)]
    return Scored(actual, forecast.mean, forecast.median, quantiles, levels, transform)
