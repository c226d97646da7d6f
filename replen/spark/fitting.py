"""Every forecaster of the configuration fitted at every cutoff, each in the way of its family."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from pyspark import SparkConf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.errors import ConfigError, raise_all
from replen.features.view import View
from replen.forecast import fit
from replen.forecast.blend import BLEND
from replen.forecast.interface import EpochMetrics, Observer
from replen.forecast.lstm.checkpoint import Checkpoints, told_from
from replen.forecast.ranks import ALONE
from replen.forecast.storage import Packed, pack
from replen.forecast.streamed import STREAMED, Training, n_ranks
from replen.progress import Progress
from replen.spark.buckets import per_batch, spread_sample
from replen.spark.run import Run
from replen.training_log import Epoch

Fitted = dict[np.datetime64, dict[str, Packed]]


def fit_all(
    jobs: Run, series: DataFrame, cutoffs: list[np.datetime64], view: View, progress: Progress
) -> tuple[Fitted, list[Epoch], dict[str, float]]:
    """Return every forecaster fitted at each cutoff, on nothing later than it, what training told of its epochs, and seconds.

    The seconds are those of all fits of a forecaster; counted ones are fitted together, each has the seconds of all of them; a
    blend has none, as its members are fitted on their own.
    """
    epochs, began = list[Epoch](), time.monotonic()
    fitted = fit_counted(spread_sample(series, jobs.config.forecast.training_series), cutoffs, view, jobs.config)
    seconds = dict.fromkeys(fitted[cutoffs[-1]], time.monotonic() - began) | {BLEND: 0.0}
    for model in (model for model in jobs.config.forecast.models if model in STREAMED):
        began = time.monotonic()
        for cutoff in cutoffs:
            with progress.stage(f"{model} up to {cutoff}"):
                fitted[cutoff][model] = fit_streamed(jobs, model, cutoff, view, progress, epochs)
        seconds[model] = time.monotonic() - began
    return fitted, epochs, seconds


def fit_streamed(jobs: Run, model: str, cutoff: np.datetime64, view: View, progress: Progress, epochs: list[Epoch]) -> Packed:
    """Return a forecaster that learns from all series as they stream by, fitted at one cutoff."""
    training = Training(
        model=model,
        view=view,
        files=tuple(jobs.files(t.SERIES, "build_features")),
        cutoff=cutoff,
        settings=jobs.config.forecast,
        seed=jobs.config.seed,
        folder=jobs.checkpoints(f"{model}-{cutoff}"),
    )
    observer = partial(note_epoch, progress, epochs, model, str(cutoff))
    if n_ranks(model, training.settings) == 1:
        return training.on(ALONE, observer)
    attempts = jobs.config.spark.training_attempts
    return fit_on_ranks(jobs.store.spark, training, attempts=attempts, observer=observer, note=progress.note)


def fit_on_ranks(
    spark: SparkSession, training: Training, *, attempts: int, observer: Observer, note: Callable[[str], None]
) -> Packed:
    """Return a forecaster that ranks in Spark tasks have trained together; epochs come through the checkpoints."""
    from replen.forecast.distributed import on_ranks

    size, settings = n_ranks(training.model, training.settings), spark.sparkContext.getConf()
    check_slots(settings, size, spark.sparkContext.defaultParallelism)
    packages = (settings.get("spark.submit.pyFiles") or "").split(",")
    with told_from(Checkpoints(training.folder), observer):
        return on_ranks(
            training.on_rank,
            size=size,
            attempts=attempts,
            shipped=[package.rsplit("/", 1)[-1] for package in packages if package],
            note=note,
        )


def check_slots(spark: SparkConf, size: int, cores: int) -> None:
    """Refuse a session that cannot run so many tasks at once, or would start one of them twice.

    Raises:
        ConfigError: naming all settings in the way.
    """
    cpus = int(spark.get("spark.task.cpus", "1"))
    settings = ("spark.dynamicAllocation.enabled", "spark.speculation")
    problems = [f"{name}: expected false, found true" for name in settings if spark.get(name, "false") == "true"]
    # What a user sets as parallelism says nothing of cores.
    if not spark.contains("spark.default.parallelism") and cores // cpus < size:
        problems.append(f"expected {size} task slots, found {cores // cpus} ({cores} cores, spark.task.cpus {cpus})")
    raise_all(ConfigError, (f"forecast.lstm.ranks: {size} ranks train together, {problem}" for problem in problems))


def note_epoch(progress: Progress, epochs: list[Epoch], model: str, cutoff: str, told: EpochMetrics) -> None:
    """Show an epoch and keep it for MLflow."""
    measured = {"loss": told.loss, "validation_loss": told.validation_loss}
    progress.note(f"model {told.model}, epoch {told.epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in measured.items()))
    named = {f"model_{told.model}_{name}": value for name, value in measured.items()}
    epochs.append(Epoch(model, cutoff, told.epoch, named))


def fit_counted(series: DataFrame, cutoffs: list[np.datetime64], view: View, config: Config) -> Fitted:
    """Return the forecasters made of counts added up over series: two passes, as the second needs the season of the first."""
    parts = per_batch(series, partial(season_parts, view, cutoffs), fit.SEASON_DDL)
    season = fit.seasons(parts.groupBy(*fit.SEASON_KEY).sum(t.VALUE, fit.COUNT).toDF(*parts.columns).toPandas())
    measure = partial(profile_parts, view, cutoffs, season, config)
    counts = per_batch(series, measure, fit.PROFILE_DDL)
    profiles = counts.groupBy(*fit.PROFILE_KEY).agg(F.sum(fit.COUNT).alias(fit.COUNT)).toPandas()
    fitted = {cutoff: fit.simple_forecasters(cutoff, season, profiles, config.forecast) for cutoff in cutoffs}
    return {cutoff: {name: pack(name, one) for name, one in by_name.items()} for cutoff, by_name in fitted.items()}


def season_parts(view: View, cutoffs: list[np.datetime64], rows: pd.DataFrame) -> pd.DataFrame:
    """Return the season sums of some series at each cutoff."""
    panel = view.panel(rows)
    return fit.season_rows({cutoff: view.at(panel, cutoff) for cutoff in cutoffs})


def profile_parts(
    view: View, cutoffs: list[np.datetime64], season: fit.Seasons, config: Config, rows: pd.DataFrame
) -> pd.DataFrame:
    """Return the residual counts of some series at each cutoff."""
    panel = view.panel(rows)
    return fit.profile_rows({cutoff: view.at(panel, cutoff) for cutoff in cutoffs}, season, config.forecast)
