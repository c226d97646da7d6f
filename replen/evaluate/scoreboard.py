"""What the scoring jobs write and print of a contest: forecasts, scores by cutoff, one table."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replen.evaluate.contest import Entry, Failure
from replen.evaluate.metrics import COVERAGE, Scored

FORECASTS_FILE, SCORES_FILE = "forecasts.parquet", "scores.json"
MODEL, ID, STEP, MEAN, CUTOFF = "model", "id", "step", "mean", "cutoff"
SECONDS, CORE_SECONDS, REASON = "seconds", "core_seconds", "reason"


class ForecastFile:
    """`forecasts.parquet`, written entry by entry: model, cutoff, id, step from 1, mean and a column q<level> a quantile."""

    def __init__(self, folder: Path, ids: NDArray[np.str_], *, unit: float = 1.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._ids, self._unit = folder / FORECASTS_FILE, ids, unit
        self._writer: pq.ParquetWriter | None = None

    def add(self, entry: Entry, cutoff: str) -> None:
        """Write the rows of an entry, quantities times `unit`."""
        n_series, horizon = entry.scored.mean.shape
        columns = {
            MODEL: pa.array([entry.model] * (n_series * horizon)).dictionary_encode(),
            CUTOFF: pa.array([cutoff] * (n_series * horizon)).dictionary_encode(),
            ID: pa.array(np.repeat(self._ids, horizon)),
            STEP: pa.array(np.tile(np.arange(1, horizon + 1, dtype=np.int32), n_series)),
            MEAN: pa.array((entry.scored.mean * self._unit).ravel()),
        }
        for place, level in enumerate(entry.scored.levels):
            columns[f"q{level:.4g}"] = pa.array((entry.scored.quantiles[:, :, place] * self._unit).ravel())
        rows = pa.table(columns)
        self._writer = self._writer or pq.ParquetWriter(self._path, rows.schema)
        self._writer.write_table(rows)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


@dataclass
class Scoreboard:
    """Scores of every forecaster at every cutoff.

    Attributes:
        champion: name of the forecaster that the configuration plans with.
        shown: metrics of the printed table, in order.
        rows: (cutoff, model, metric -> value).
        failures: model -> cutoff -> why it has no scores there.
    """

    champion: str
    shown: Sequence[str]
    rows: list[tuple[str, str, Mapping[str, float]]] = field(default_factory=list)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, cutoff: str, entry: Entry, scores: Mapping[str, float]) -> None:
        """Keep the scores of an entry and what it cost."""
        cost = {SECONDS: round(entry.seconds, 1), CORE_SECONDS: round(entry.core_seconds, 1)}
        self.rows.append((cutoff, entry.model, {**scores, **cost}))

    def add_failure(self, cutoff: str, failure: Failure) -> None:
        """Keep why a forecaster has no scores."""
        self.rows.append((cutoff, failure.model, {}))
        self.failures.setdefault(failure.model, {})[cutoff] = failure.reason

    def write(self, folder: Path, about: Mapping[str, object]) -> None:
        """Write `scores.json`, whole or not at all: about, the champion, by model the scores of each cutoff and their mean.

        A forecaster that failed at a cutoff has the reason there, and no mean.
        """
        by_model: dict[str, dict[str, object]] = {}
        for model, rows in self._by_model():
            failed = {cutoff: {REASON: reason} for cutoff, reason in self.failures.get(model, {}).items()}
            by_model[model] = {"mean": self._mean(model, rows).to_dict(), "by_cutoff": rows.to_dict("index") | failed}
        content = _finite({**about, "champion": self.champion, "models": by_model})
        unfinished = folder / f"{SCORES_FILE}.partial"
        unfinished.write_text(json.dumps(content, indent=2, default=str, allow_nan=False) + "\n", encoding="utf-8")
        unfinished.replace(folder / SCORES_FILE)

    def __str__(self) -> str:
        """Return the table: one line a forecaster, means over the cutoffs, the champion starred; then who failed and why."""
        means = pd.DataFrame({model: self._mean(model, rows) for model, rows in self._by_model()}).T
        table = means.reindex(columns=[*self.shown, SECONDS, CORE_SECONDS])
        table.index = pd.Index([f"{'*' if model == self.champion else ' '} {model}" for model in table.index])
        costs = dict.fromkeys((SECONDS, CORE_SECONDS), lambda seconds: "-" if np.isnan(seconds) else f"{seconds:,.0f}")
        lines = [table.to_string(formatters=costs, float_format="{:.4f}".format, na_rep="-")]
        lines += [f"{model} failed at {at}: {why}" for model, reasons in self.failures.items() for at, why in reasons.items()]
        return "\n".join(lines)

    def _by_model(self) -> Iterator[tuple[str, pd.DataFrame]]:
        for model in dict.fromkeys(model for _, model, _ in self.rows):
            yield model, pd.DataFrame({cutoff: dict(scores) for cutoff, name, scores in self.rows if name == model}).T

    def _mean(self, model: str, rows: pd.DataFrame) -> "pd.Series[float]":
        """Return the mean over the cutoffs; unknown where one of them failed, as the others are not all there is."""
        return rows.mean() * (np.nan if model in self.failures else 1.0)


def _finite(value: object) -> object:
    """Return a tree with None in the place of every number that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def coverage(scored: Scored, classes: NDArray[np.str_]) -> dict[str, float]:
    """Return the share of randomised transforms below each level, of all series and by class; calibrated: the level itself."""
    found = {name: _share(scored.transform, level) for name, level in COVERAGE.items()}
    for label in np.unique(classes):
        chosen = scored.transform[classes == label]
        found |= {f"{name} {label}": _share(chosen, level) for name, level in COVERAGE.items()}
    return found


def _share(transform: NDArray[np.float64], level: float) -> float:
    known = transform[np.isfinite(transform)]
    return float((known < level).mean()) if len(known) else float("nan")
