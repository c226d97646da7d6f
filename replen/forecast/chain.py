"""A forecaster with those that stand in for it: a series that one cannot forecast goes to the next, and says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replen.features.panel import FloatArray, Panel
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster

UNSAID = "no forecast"


@dataclass(frozen=True)
class Answer:
    """What one forecaster of a chain gave.

    Attributes:
        model: its name.
        rows: shape (n_answered,), which series of the panel.
        distribution: of these series; `reason` tells what happened before, see `predict_chain`.
    """

    model: str
    rows: NDArray[np.intp]
    distribution: Distribution


def chain_of(model: str, fallback: Sequence[str]) -> tuple[str, ...]:
    """Return the names asked in turn for a series of `model`.

    >>> chain_of("lstm", ["local_lstm", "lstm", "moving_average"])
    ('lstm', 'local_lstm', 'moving_average')
    """
    return tuple(dict.fromkeys([model, *fallback]))


def predict_chain(chain: Mapping[str, Forecaster], panel: Panel, *, horizon: int, levels: FloatArray) -> list[Answer]:
    """Return the answers that cover every series once: of the first forecaster of the chain that gives it a finite mean.

    A series that none can forecast is in the last one's answer, with a mean of NaN. The reason is what the forecaster notes;
    after a fallback it tells each step: `lstm: too short; forecast by moving_average`, with `: its note` where there is one.

    Args:
        chain: name -> forecaster, in the order they are asked; at least one.
        panel: prepared series.
        horizon: periods.
        levels: of the quantiles.
    """
    left, told = np.arange(panel.shape[0]), np.full(panel.shape[0], "", dtype=object)
    answers = []
    last = list(chain)[-1]
    for model, forecaster in chain.items():
        made = forecaster.predict(panel if len(left) == panel.shape[0] else panel.take(left), horizon=horizon, levels=levels)
        given = np.asarray(np.isfinite(made.mean).all(axis=1))
        steps = [_step(*one, model=model) for one in zip(told[left], made.reason.tolist(), given.tolist(), strict=True)]
        told[left] = steps
        kept = given if model != last else np.ones_like(given)
        answer = replace(made.take(kept), reason=np.array(told[left[kept]], dtype=str))
        answers.append(Answer(model, left[kept], answer))
        left = left[~kept]
        if not len(left):
            break
    return answers


def _step(told: str, note: str, given: bool, *, model: str) -> str:
    """Return what is told of a series after one more forecaster was asked."""
    if not given:
        note = f"{model}: {note or UNSAID}"
    elif told:
        note = f"forecast by {model}" + (f": {note}" if note else "")
    return "; ".join(part for part in (told, note) if part)
