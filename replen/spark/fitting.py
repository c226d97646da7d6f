"""Every forecaster of the configuration fitted at every cutoff, each in the way of its family."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.features.view import View
from replen.forecast import fit
from replen.forecast.interface import EpochMetrics
from replen.forecast.storage import Packed, pack
from replen.forecast.streamed import STREAMED, train
from replen.progress import Progress
from replen.spark.buckets import per_bucket
from replen.spark.run import Run
from replen.training_log import Epoch

Fitted = dict[np.datetime64, dict[str, Packed]]


def fit_all(
    jobs: Run, series: DataFrame, cutoffs: list[np.datetime64], view: View, progress: Progress
) -> tuple[Fitted, list[Epoch], dict[str, float]]:
    """Return every forecaster fitted at each cutoff, on nothing later than it, what training told of its epochs, and seconds.

    The seconds are those of all fits of a forecaster; counted ones are fitted together, each has the seconds of all of them.
    """
    epochs, began = list[Epoch](), time.monotonic()
    fitted = fit_counted(series, cutoffs, view, jobs.config)
    seconds = dict.fromkeys(fitted[cutoffs[-1]], time.monotonic() - began)
    for model in (model for model in jobs.config.forecast.models if model in STREAMED):
        began = time.monotonic()
        for cutoff in cutoffs:
            with progress.stage(f"{model} up to {cutoff}"):
                fitted[cutoff][model] = fit_streamed(jobs, model, cutoff, view, partial(note_epoch, progress, epochs, model))
        seconds[model] = time.monotonic() - began
    return fitted, epochs, seconds


def fit_streamed(jobs: Run, model: str, cutoff: np.datetime64, view: View, note: Callable[[str, EpochMetrics], None]) -> Packed:
    """Return a forecaster that learns from all series as they stream by, fitted at one cutoff."""
    forecaster = train(
        model,
        view.shards(jobs.files(t.SERIES, "build_features"), cutoff),
        jobs.config.forecast,
        seed=jobs.config.seed,
        folder=jobs.checkpoints(f"{model}-{cutoff}"),
        observer=partial(note, str(cutoff)),
    )
    return pack(model, forecaster)


def note_epoch(progress: Progress, epochs: list[Epoch], model: str, cutoff: str, told: EpochMetrics) -> None:
    """Show an epoch and keep it for MLflow."""
    measured = {"loss": told.loss, "validation_loss": told.validation_loss}
    progress.note(f"model {told.model}, epoch {told.epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in measured.items()))
    named = {f"model_{told.model}_{name}": value for name, value in measured.items()}
    epochs.append(Epoch(model, cutoff, told.epoch, named))


def fit_counted(series: DataFrame, cutoffs: list[np.datetime64], view: View, config: Config) -> Fitted:
    """Return the forecasters made of counts added up over buckets: two passes, as the second needs the season of the first."""
    parts = per_bucket(series, partial(season_parts, view, cutoffs), fit.SEASON_DDL, sizes=config.spark)
    season = fit.seasons(parts.groupBy(*fit.SEASON_KEY).sum(t.VALUE, fit.COUNT).toDF(*parts.columns).toPandas())
    measure = partial(profile_parts, view, cutoffs, season, config)
    counts = per_bucket(series, measure, fit.PROFILE_DDL, sizes=config.spark)
    profiles = counts.groupBy(*fit.PROFILE_KEY).agg(F.sum(fit.COUNT).alias(fit.COUNT)).toPandas()
    fitted = {cutoff: fit.simple_forecasters(cutoff, season, profiles, config.forecast) for cutoff in cutoffs}
    return {cutoff: {name: pack(name, one) for name, one in by_name.items()} for cutoff, by_name in fitted.items()}


def season_parts(view: View, cutoffs: list[np.datetime64], rows: pd.DataFrame) -> pd.DataFrame:
    """Return the season sums of a range of buckets at each cutoff."""
    panel = view.panel(rows)
    return fit.season_rows({cutoff: view.at(panel, cutoff) for cutoff in cutoffs})


def profile_parts(
    view: View, cutoffs: list[np.datetime64], season: fit.Seasons, config: Config, rows: pd.DataFrame
) -> pd.DataFrame:
    """Return the residual counts of a range of buckets at each cutoff."""
    panel = view.panel(rows)
    return fit.profile_rows({cutoff: view.at(panel, cutoff) for cutoff in cutoffs}, season, config.forecast)
