"""Scores on FreshRetailNet-50K: every forecaster and the usual peers from one cutoff, on days without a stock-out.

python jobs/score_fresh_retail.py --data DIR --out DIR [--cutoff DATE --horizon 7]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import replen.tables as t
from replen.config import Config
from replen.evaluate.contest import Entry, Question, contest
from replen.evaluate.metrics import pinball_loss
from replen.evaluate.scoreboard import ForecastFile, Scoreboard, coverage
from replen.features.classes import demand_class
from replen.features.panel import Panel, panel_from_series
from replen.features.periods import DateArray
from replen.scoring import Asked, score_main
from replen.sources.fresh_retail import UNIT, read_fresh_retail

OVERLAY = Path(__file__).parent.parent / "conf" / "fresh_retail.yaml"
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
N_VALIDATION = 3
SHOWN = ("wape", "bias", "pinball", "below_50", "below_90")


def run(asked: Asked, config: Config) -> Scoreboard:
    """Return the scores after writing forecasts.parquet and scores.json."""
    data = read_fresh_retail(asked.data, cutoff=np.datetime64(asked.cutoff) if asked.cutoff else None)
    series = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[-1], n_ahead=asked.horizon)
    file, board = ForecastFile(asked.out, data.ids, unit=UNIT), Scoreboard(config.forecast.champion, SHOWN)
    for cutoff in cutoffs(data.dates, asked):
        question = _question(series, cutoff, asked.horizon)
        for entry in contest(question, config, models=asked.models, threads=asked.threads, note=asked.note):
            file.add(entry, str(cutoff))
            board.add(str(cutoff), entry, scores(entry, question, config))
    file.close()
    about = {"data": "fresh_retail", "seed": config.seed, "horizon": asked.horizon, "n_series": len(data.ids)}
    board.write(asked.out, about)
    return board


def cutoffs(dates: DateArray, asked: Asked) -> list[np.datetime64]:
    """Return the cutoff asked for, or those of the rolling validation: the last weeks of the data, a horizon apart."""
    if asked.cutoff:
        return [np.datetime64(asked.cutoff)]
    return [np.datetime64(dates[-1 - asked.horizon * back]) for back in range(N_VALIDATION, 0, -1)]


def _question(series: Panel, cutoff: np.datetime64, horizon: int) -> Question:
    """Return what is asked; of what came, only days without a stock-out count."""
    first = int(np.searchsorted(series.periods, cutoff, side="right"))
    actual = np.full((len(series.keys), horizon), np.nan, np.float32)
    came = slice(first, first + horizon)
    sold = np.where(series.past[t.IN_STOCK][:, came] >= 1, series.past[t.SALES_HISTORY][:, came], np.nan)
    actual[:, : sold.shape[1]] = sold
    return Question(series.until(cutoff, horizon), actual, np.array(LEVELS, np.float32))


def scores(entry: Entry, question: Question, config: Config) -> dict[str, float]:
    """Return the scores of an entry over the days that count; none where nothing of what came is known."""
    scored = entry.scored
    known = np.isfinite(scored.actual)
    if not known.any():
        return {}
    error = (scored.mean - scored.actual)[known]
    sold = float(scored.actual[known].sum())
    pinball = pinball_loss(scored.actual, scored.quantiles, scored.levels)[known].mean() * UNIT
    classes = demand_class(question.panel.past[t.SALES_HISTORY], config.features.classes)
    summed = {"wape": float(np.abs(error).sum()) / sold, "bias": float(error.sum()) / sold, "pinball": float(pinball)}
    return {**summed, **coverage(scored, classes)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit code."""
    return score_main(run, OVERLAY, arguments, about=__doc__ or "", horizon=7)


if __name__ == "__main__":
    sys.exit(main())
