"""Champion and challenger: for all series, and for each segment where the configuration asks for it, over all folds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Forecast, Promotion
from replen.errors import TableError, raise_all
from replen.evaluate.scores import STEP
from replen.features.segments import ALL

BEST = "best"
NAMED = "named by forecast.champion"
N_SERIES = "n_series"
ANYWHERE = "pinball"
"""Measure that is defined wherever something was scored."""


@dataclass(frozen=True)
class Choice:
    """Who forecasts the series of a segment, who is next, and why; no challenger where nothing was compared."""

    segment: str
    champion: str
    reason: str
    challenger: str | None = None
    challenger_reason: str | None = None


def choose(metrics: pd.DataFrame, settings: Forecast, *, incumbents: Mapping[str, str]) -> list[Choice]:
    """Return the choice for all series, then by segment of `promotion.segment`.

    The champion has the smallest measure over all folds, ties going to the first by name; but the champion of earlier runs
    stays unless that is smaller than its own by `promotion.min_gain`. All were fitted again at each cutoff and scored on the
    same rows, so the earlier champion is held against the others as it is today. A segment with fewer than
    `promotion.min_series` series a fold takes the champion of all, as does one whose measure is not defined. A model named by
    `forecast.champion` is the champion of all and of every segment. A measure that is not defined for any model over all series
    (those weighted by revenue, where no price is known) is replaced by `pinball`, as the reason tells.

    Args:
        metrics: rows of `tables.METRICS` of one run.
        settings: the section `forecast`.
        incumbents: segment -> champion of earlier runs.

    Raises:
        TableError: there is nothing to compare, or models were not scored on the same periods of the same series.
    """
    raise_all(TableError, _differences(metrics))
    rule, named = settings.promotion, settings.champion
    tables, n_folds = _tables(metrics, rule.segment), metrics[t.FOLD].nunique() - 1
    if named != BEST:
        return [
            _with_challenger(ALL, named, NAMED, _ranking(tables[ALL], rule, n_folds)) if tables else Choice(ALL, named, NAMED)
        ]
    if not tables:
        raise TableError(
            f"table {t.METRICS.name}: expected scores of at least one model, found none; set evaluate.folds above 0"
        )
    overall = _defined(tables.pop(ALL), rule, n_folds)
    whole = _best(ALL, overall, before=incumbents.get(ALL), min_gain=rule.min_gain)
    choices = [whole]
    for segment, table in tables.items():
        ranking, n_series = _ranking(table, rule, n_folds), table[N_SERIES].max() / n_folds
        if why_not := _not_apart(ranking, n_series, rule):
            choices.append(Choice(segment, whole.champion, f"champion of all: {why_not}"))
        else:
            choices.append(_best(segment, ranking, before=incumbents.get(segment), min_gain=rule.min_gain))
    return choices


def _tables(metrics: pd.DataFrame, kind: str) -> dict[str, pd.DataFrame]:
    """Return segment -> one row a model with its metrics over all folds, for all series and the segments of a kind."""
    segment = metrics[t.SEGMENT].astype(str)
    chosen = metrics[(metrics[t.FOLD] == ALL) & ((segment == ALL) | segment.str.startswith(f"{kind}="))]
    return {
        str(name): rows.pivot(index=str(t.MODEL), columns=str(t.METRIC), values=str(t.VALUE))
        for name, rows in chosen.groupby(t.SEGMENT)
    }


def _ranking(table: pd.DataFrame, rule: Promotion, n_folds: int) -> "pd.Series[float]":
    """Return the measure by model, the best first; its name says what it is."""
    by_name = table[rule.measure].dropna().sort_index()
    return by_name.sort_values(kind="stable").rename(f"{rule.measure} over {n_folds} folds")


def _defined(table: pd.DataFrame, rule: Promotion, n_folds: int) -> "pd.Series[float]":
    """Return the measure over all series by model, the best first; `pinball`, which needs no price, where it is not defined.

    Raises:
        TableError: no model has been scored on a period whose sales are known.
    """
    ranking = _ranking(table, rule, n_folds)
    if not ranking.empty:
        return ranking
    instead = _ranking(table, rule.model_copy(update={"measure": ANYWHERE}), n_folds)
    if instead.empty:
        raise TableError(
            f"table {t.METRICS.name}: expected {rule.measure} (forecast.promotion.measure) of some model, found that no "
            "period after a fold's cutoff has known sales; name a forecast.champion, or give more history"
        )
    return instead.rename(f"{instead.name} ({rule.measure}, asked for by forecast.promotion.measure, is not defined here)")


def _not_apart(ranking: "pd.Series[float]", n_series: float, rule: Promotion) -> str | None:
    """Return why a segment has no champion of its own."""
    if n_series < rule.min_series:
        return f"{n_series:.4g} series a fold, fewer than forecast.promotion.min_series = {rule.min_series}"
    return f"{rule.measure} is not defined here" if ranking.empty else None


def _best(segment: str, ranking: "pd.Series[float]", *, before: str | None, min_gain: float) -> Choice:
    best = str(ranking.index[0])
    reason = f"smallest {_told(ranking)}"
    if before is None or before == best:
        return _with_challenger(segment, best, reason, ranking)
    if before not in ranking.index:
        return _with_challenger(segment, best, f"{reason}; {before}, the champion so far, was not compared", ranking)
    gain = 1.0 - ranking[best] / ranking[before] if ranking[before] > 0 else 0.0
    told = f"better than {before}, the champion so far, by {gain:.2%}"
    if gain >= min_gain:
        return _with_challenger(segment, best, f"{reason}; {told}", ranking)
    stays = f"stays: {best} is {told}, less than forecast.promotion.min_gain = {min_gain:.2%}; {_told(ranking)}"
    return _with_challenger(segment, before, stays, ranking)


def _with_challenger(segment: str, champion: str, reason: str, ranking: "pd.Series[float]") -> Choice:
    others = ranking.drop(champion, errors="ignore")
    if others.empty:
        return Choice(segment, champion, reason)
    return Choice(segment, champion, reason, str(others.index[0]), f"the best besides {champion}: {_told(others)}")


def _told(ranking: "pd.Series[float]") -> str:
    return f"{ranking.name}: " + ", ".join(f"{model} {value:.4g}" for model, value in ranking.items())


def _differences(metrics: pd.DataFrame) -> Iterator[str]:
    """Yield what keeps models from being compared: by fold and segment, all must have scored the same periods."""
    compared = metrics[~metrics[t.SEGMENT].astype(str).str.startswith(f"{STEP}=")]
    for measure in ("n", "absolute_actual", "n_simulated"):
        rows = compared[compared[t.METRIC] == measure]
        table = rows.pivot(index=[str(t.FOLD), str(t.SEGMENT)], columns=str(t.MODEL), values=str(t.VALUE))
        for (fold, segment), found in zip(table.index.to_list(), table.to_dict("records"), strict=True):
            values = np.array(list(found.values()))
            if not np.allclose(values, values[0], rtol=1e-6, atol=1e-9):
                yield (
                    f"table {t.METRICS.name}, fold {fold}, segment {segment}: expected the same {measure} for every model, "
                    f"found {found}; score all models on the same series, fallbacks included"
                )
