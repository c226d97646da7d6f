"""A training event as MLflow shows it: a parent run, one run a model family, versions, and the champion with its reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from replen import tables as t
from replen.config import Config
from replen.evaluate.scores import ALL, STEP
from replen.forecast.storage import Packed
from replen.tracking import FamilyRun, Tracker

N_WORST = 50
RANKED_BY = ("pinball", "wape")


@dataclass(frozen=True)
class Epoch:
    """What one epoch of a training gave."""

    family: str
    cutoff: str
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Training:
    """All that a training event has to show.

    Attributes:
        fitted: family -> forecaster fitted up to the run's cutoff.
        metrics: rows of `tables.METRICS`.
        by_series: one row a model, fold and series: its key and metrics as columns.
        epochs: of trained families, of every fold.
        quality: findings of ingest by table and rule.
        champion: family and why.
    """

    run_id: str
    config: Config
    fitted: Mapping[str, Packed]
    metrics: pd.DataFrame
    by_series: pd.DataFrame
    epochs: Iterable[Epoch]
    quality: pd.DataFrame
    champion: tuple[str, str]


def log_training(tracker: Tracker, training: Training) -> pd.DataFrame:
    """Return rows of `tables.MODELS`, after logging and registering every family and promoting the champion."""
    name = f"{training.config.name} {training.run_id}"
    rows = []
    with tracker.training(training.run_id, name) as parent:
        parent.text(training.config.model_dump_json(indent=2, exclude={"orders", "tracking"}), "config.json")
        parent.table(training.quality, "quality.parquet")
        parent.table(training.metrics, "metrics.parquet")
        parent.tag("replen.champion", training.champion[0])
        parent.tag("replen.reason", training.champion[1])
        for family, packed in training.fitted.items():
            with tracker.family(training.run_id, family, parent) as run:
                _log_family(run, family, packed, training)
                networks = [run.keras_network(one, f"network_{number}") for number, one in enumerate(packed.networks)]
                version = tracker.register(run, family, model_uri=networks[0] if networks else None)
            is_champion = family == training.champion[0]
            if is_champion:
                tracker.promote(version, training.champion[1])
            rows.append((training.run_id, family, version.version, version.mlflow_run, is_champion, training.champion[1]))
    models = pd.DataFrame(rows, columns=t.MODELS.names)
    models[t.REASON] = models[t.REASON].where(models[t.CHAMPION], None)
    return models


def _log_family(run: FamilyRun, family: str, packed: Packed, training: Training) -> None:
    config = training.config
    settings = getattr(config.forecast, family).model_dump()
    common = {"seed": config.seed, "freq": config.freq, "horizon": config.forecast.horizon, "folds": config.evaluate.folds}
    run.params({**common, **settings})
    metrics = training.metrics[training.metrics[t.MODEL] == family]
    overall = metrics[metrics[t.SEGMENT] == ALL]
    folds = sorted(set(overall[t.FOLD]) - {ALL})
    for fold, metric, value in overall[[t.FOLD, t.METRIC, t.VALUE]].itertuples(index=False):
        if fold == ALL:
            run.metric(metric, value)
        else:
            run.metric(f"fold_{metric}", value, step=folds.index(fold))
    _log_steps(run, metrics)
    for epoch in training.epochs:
        if epoch.family == family:
            for metric, value in epoch.metrics.items():
                run.metric(f"{epoch.cutoff}_{metric}", value, step=epoch.epoch)
    by_series = training.by_series[training.by_series[t.MODEL] == family]
    run.table(by_series, "series_metrics.parquet")
    for metric in RANKED_BY:
        run.table(by_series.nlargest(N_WORST, metric), f"worst_{metric}.parquet")
    with TemporaryDirectory() as folder:
        packed.save(Path(folder))
        run.model(Path(folder))


def _log_steps(run: FamilyRun, metrics: pd.DataFrame) -> None:
    by_step = metrics[(metrics[t.FOLD] == ALL) & metrics[t.SEGMENT].str.startswith(f"{STEP}=")]
    for segment, metric, value in by_step[[t.SEGMENT, t.METRIC, t.VALUE]].itertuples(index=False):
        if pd.notna(value):
            run.metric(f"step_{metric}", value, step=int(segment.removeprefix(f"{STEP}=")))
