"""Scores on FreshRetailNet-50K: every forecaster and the usual peers from one cutoff, on days without a stock-out.

python jobs/score_fresh_retail.py --data DIR --out DIR [--cutoff DATE --horizon 7]
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

import replen.tables as t
from replen.config import Config
from replen.errors import ReplenError
from replen.evaluate.censoring import fully_stocked
from replen.evaluate.contest import Entry, Question
from replen.evaluate.metrics import pinball_loss
from replen.evaluate.scoreboard import ForecastFile, Scoreboard, coverage
from replen.features.classes import demand_class
from replen.features.panel import panel_from_series
from replen.features.periods import DateArray
from replen.scoring import Asked, hold, score_main
from replen.sources.fresh_retail import UNIT, read_fresh_retail

OVERLAY = Path(__file__).parent.parent / "conf" / "fresh_retail.yaml"
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
N_VALIDATION = 3
SHOWN = ("wape", "bias", "pinball", "below_50", "below_90")


def run(asked: Asked, config: Config) -> Scoreboard:
    """Return the scores after writing forecasts.parquet and scores.json."""
    data = read_fresh_retail(asked.data, cutoff=day(asked.cutoff) if asked.cutoff else None)
    series = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[-1], n_ahead=asked.horizon)
    sold = fully_stocked(series).past[t.SALES_HISTORY]  # of what came, only days without a stock-out count
    questions = (
        (str(at), Question.of(series, at, sold, horizon=asked.horizon, levels=LEVELS)) for at in cutoffs(data.dates, asked)
    )
    files = ForecastFile(asked.out, data.ids, unit=UNIT), Scoreboard(config.forecast.champion, SHOWN)
    return hold(asked, config, questions, files=files, score=partial(scores, config=config))


def cutoffs(dates: DateArray, asked: Asked) -> list[np.datetime64]:
    """Return the cutoff asked for, or those of the rolling validation: the last weeks of the data, a horizon apart."""
    if asked.cutoff:
        return [day(asked.cutoff)]
    return [np.datetime64(dates[-1 - asked.horizon * back]) for back in range(N_VALIDATION, 0, -1)]


def day(text: str) -> np.datetime64:
    """Return the day that a text names.

    Raises:
        ReplenError: it is no date.
    """
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise ReplenError(f"--cutoff: expected a date like 2024-06-11, found {text}") from None


def scores(entry: Entry, question: Question, *, config: Config) -> dict[str, float]:
    """Return the scores of an entry over the days that count; none where nothing of what came is known."""
    scored = entry.scored
    known = np.isfinite(scored.actual)
    if not known.any():
        return {}
    error = (scored.mean - scored.actual)[known]
    sold = float(scored.actual[known].sum())
    pinball = pinball_loss(scored.actual, scored.quantiles, scored.levels)[known].mean() * UNIT
    wanted = fully_stocked(question.panel).past[t.SALES_HISTORY]  # an empty shelf does not make demand intermittent
    classes = demand_class(wanted, config.features.classes)
    summed = {"wape": float(np.abs(error).sum()) / sold, "bias": float(error.sum()) / sold, "pinball": float(pinball)}
    return {**summed, **coverage(scored, classes)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit code."""
    return score_main(run, OVERLAY, arguments, about=__doc__ or "", horizon=7)


if __name__ == "__main__":
    sys.exit(main())
