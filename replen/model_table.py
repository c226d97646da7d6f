"""Forecasters compared in tables of text: for a person at a terminal, in the summary and beside the runs in MLflow."""

from collections.abc import Iterator, Mapping

import pandas as pd

import replen.tables as t
from replen.config import Config
from replen.evaluate.metrics import SIMULATED_COST
from replen.features.segments import ABC, ALL, CATEGORY, CLASS

STEP, FOLD = "step", "fold"
KINDS = (ALL, CLASS, ABC, CATEGORY, STEP, FOLD)
MEASURES = {
    "wape": "WAPE",
    "relative_bias": "bias",
    "pinball": "pinball",
    "rmsse": "RMSSE",
    "wspl": "WSPL",
    "coverage_50": "below 0.5",
    "coverage_90": "below 0.9",
    SIMULATED_COST: "cost",
    str(t.FILL_RATE): "fill rate",
}
SECONDS = "fit s"
NAME = 20
PERIODS = {"D": "days", "W": "weeks"}
NO_FOLDS = "no folds were asked for"
Roles = Mapping[str, Mapping[str, str]]


def model_table(metrics: pd.DataFrame, models: pd.DataFrame, segment: str = ALL, fold: str = ALL) -> Iterator[str]:
    """Yield the lines of one table: a model a row, the best pinball loss first, champion and challenger marked.

    Args:
        metrics: rows of `tables.METRICS`.
        models: rows of `tables.MODELS`.
        segment: whose scores are shown; where it has no champion of its own, that of all is marked.
        fold: likewise.
    """
    chosen = metrics[(metrics[t.SEGMENT] == segment) & (metrics[t.FOLD] == fold)]
    table = chosen.pivot(index=str(t.MODEL), columns=str(t.METRIC), values=str(t.VALUE)).sort_index()
    champions, challengers = roles(models, t.CHAMPION_OF), roles(models, t.CHALLENGER_OF)
    marked = segment if segment in champions else ALL
    marks = {**dict.fromkeys(challengers.get(marked, {}), " +"), **dict.fromkeys(champions.get(marked, {}), " *")}
    seconds = dict(zip(models[t.MODEL], models[t.FIT_SECONDS], strict=True))
    shown = [metric for metric in MEASURES if metric in table]
    yield f"{'':{NAME}}" + "".join(f"{label:>10}" for label in [*(MEASURES[metric] for metric in shown), SECONDS])
    for model, row in table.sort_values("pinball", kind="stable").iterrows():
        values = "".join(_number(row[metric]) for metric in shown)
        yield f"{model}{marks.get(str(model), ''):{NAME - len(str(model))}}{values}{seconds[str(model)]:>10.1f}"


def comparison(config: Config, metrics: pd.DataFrame, models: pd.DataFrame, *, by: str = ALL) -> Iterator[str]:
    """Yield the lines of the whole comparison: a table for each segment of a kind, and why each champion is one.

    Args:
        config: of the run.
        metrics: rows of `tables.METRICS`.
        models: rows of `tables.MODELS`.
        by: one of `KINDS`.
    """
    if metrics.empty:
        yield NO_FOLDS
        return
    for segment, fold in _places(metrics, by):
        yield f"{segment}, fold {fold}" if by == FOLD else segment
        yield from (f"  {line}" for line in model_table(metrics, models, segment, fold))
    yield legend(config)
    yield from reasons(models)


def legend(config: Config) -> str:
    """Return what the marks and figures of a table mean."""
    folds = f"{config.evaluate.folds} folds of {config.evaluate.horizon} {PERIODS[config.freq]}"
    marks = f"* champion, + challenger; {folds}, scored on sales as they were"
    simulated = f"; cost: {config.currency} a series and period, simulated orders"
    return marks + (simulated if config.evaluate.simulated_cost.n_paths else "")


def reasons(models: pd.DataFrame) -> Iterator[str]:
    """Yield a line for the champion of each segment that has its own, saying why."""
    champions = roles(models, t.CHAMPION_OF)
    for segment in sorted(champions, key=lambda name: (name != ALL, name)):
        for model, reason in champions[segment].items():
            yield f"champion of {segment}: {model}, {reason}"


def roles(models: pd.DataFrame, column: t.Column) -> Roles:
    """Return segment -> model -> reason, of `t.CHAMPION_OF` or `t.CHALLENGER_OF`."""
    found: dict[str, dict[str, str]] = {}
    for model, of in zip(models[t.MODEL], models[column], strict=True):
        for segment, reason in dict(of).items():
            found.setdefault(segment, {})[model] = reason
    return found


def _places(metrics: pd.DataFrame, by: str) -> Iterator[tuple[str, str]]:
    """Yield the segment and fold of each table."""
    if by == FOLD:
        yield from ((ALL, fold) for fold in sorted(set(metrics[t.FOLD]) - {ALL}))
    elif by == ALL:
        yield ALL, ALL
    else:
        found = [segment for segment in set(metrics[t.SEGMENT]) if segment.startswith(f"{by}=")]
        in_order = sorted(found, key=lambda segment: (len(segment), segment) if by == STEP else segment)
        yield from ((segment, ALL) for segment in in_order)


def _number(value: float) -> str:
    return f"{value:>10.4f}" if pd.notna(value) else f"{'-':>10}"
