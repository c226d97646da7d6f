"""Scores on data in the M5 layout: every forecaster and the usual peers from one cutoff, or rolling over three.

python jobs/score_m5.py --data DIR --out DIR [--cutoff D --horizon 28]
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

import replen.tables as t
from replen.config import Config
from replen.errors import ReplenError
from replen.evaluate.contest import Entry, Question
from replen.evaluate.hierarchy import hierarchy_labels, wrmsse, wspl
from replen.evaluate.scoreboard import ForecastFile, Scoreboard, coverage
from replen.features.classes import demand_class
from replen.features.panel import panel_from_series
from replen.scoring import Asked, hold, score_main
from replen.sources.m5 import ID, M5, read_m5

LEVELS = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)
OVERLAY = Path(__file__).parent.parent / "conf" / "m5.yaml"
VALIDATION = (1857, 1885, 1913)
"""Cutoffs of a rolling validation where the files have these days and later ones, as the competition's do."""
REVENUE_DAYS = 28
SHOWN = ("wrmsse", "wspl", "below_50", "below_90", "bias")


def run(asked: Asked, config: Config) -> Scoreboard:
    """Return the scores after writing forecasts.parquet and scores.json."""
    data = read_m5(asked.data)
    if data.left_out:
        asked.note(f"only days d_{data.first} to d_{data.last}, which all series have; not {data.left_out}")
    series = panel_from_series(data.series, data.market, freq="D", cutoff=data.date_of(data.last), n_ahead=asked.horizon)
    sold = np.nan_to_num(series.past[t.SALES_HISTORY])
    questions = (
        (str(day), Question.of(series, data.date_of(day), sold, horizon=asked.horizon, levels=LEVELS))
        for day in cutoffs(data, asked)
    )
    files = ForecastFile(asked.out, data.groups[ID].to_numpy(dtype=str)), Scoreboard(config.forecast.champion, SHOWN)
    return hold(asked, config, questions, files=files, score=partial(scores, data=data, config=config))


def cutoffs(data: M5, asked: Asked) -> Sequence[int]:
    """Return the day asked for, as a number or as d_<number>, or those of the rolling validation.

    Files that do not have `VALIDATION` are validated on their last days, cutoffs being a horizon apart.

    Raises:
        ReplenError: it is no day of the data, or there are too few days.
    """
    if asked.cutoff is None:
        if data.first <= VALIDATION[0] and VALIDATION[-1] < data.last:
            return VALIDATION
        rolling = [data.last - asked.horizon * back for back in range(len(VALIDATION), 0, -1)]
        if rolling[0] < data.first:
            raise ReplenError(
                f"{asked.data}: expected more than {len(VALIDATION)} x {asked.horizon} days for a rolling validation, found "
                f"d_{data.first} to d_{data.last}; give a --cutoff or a shorter --horizon"
            )
        return rolling
    number = asked.cutoff.removeprefix("d_")
    if not number.isdigit() or not data.first <= int(number) <= data.last:
        raise ReplenError(f"--cutoff: expected a day from d_{data.first} to d_{data.last}, found {asked.cutoff}")
    return (int(number),)


def scores(entry: Entry, question: Question, *, data: M5, config: Config) -> dict[str, float]:
    """Return the scores of an entry; none where what came is not known."""
    scored, past = entry.scored, question.panel.past
    if np.isnan(scored.actual).any():
        return {}
    history = past[t.SALES_HISTORY]
    revenue = np.nan_to_num(history * past[t.PRICE])[:, -REVENUE_DAYS:].sum(axis=1)
    by_level = wrmsse(scored.mean, scored.actual, hierarchy=hierarchy_labels(data.groups), history=history, revenue=revenue)
    bias = float((scored.mean - scored.actual).sum() / scored.actual.sum())
    spread = wspl(scored.quantiles, scored.actual, levels=scored.levels, history=history, revenue=revenue)
    classes = demand_class(history, config.features.classes)
    total = by_level.pop("mean")
    named = {f"wrmsse {level}": value for level, value in by_level.items()}
    return {"wrmsse": total, "wspl": spread, "bias": bias, **coverage(scored, classes), **named}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit code."""
    return score_main(run, OVERLAY, arguments, about=__doc__ or "", horizon=28)


if __name__ == "__main__":
    sys.exit(main())
