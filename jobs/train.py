"""Series -> fitted forecasters, backtested over rolling folds, compared in MLflow, the best promoted as champion.

spark-submit jobs/train.py --config conf/cluster.yaml
"""

import datetime as dt
from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.evaluate.backtest import SERIES_SEGMENT, Backtest, Fold
from replen.evaluate.folds import fold_cutoffs
from replen.features.periods import period_range
from replen.features.view import View
from replen.forecast import fit
from replen.forecast.interface import Forecaster
from replen.forecast.train import train_lstms
from replen.progress import Progress
from replen.spark.buckets import per_bucket
from replen.spark.run import Committed, Run, open_run
from replen.training_log import log_training

JOB = "train"
Fitted = dict[np.datetime64, dict[str, Forecaster]]


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `metrics`, with the MLflow run of each model family."""
    jobs = open_run(spark, config)
    if done := jobs.committed(JOB):
        return done
    cutoff = jobs.needed("build_features").cutoff
    view = open_view(jobs)
    series = jobs.read(t.SERIES, "build_features")
    origins = fold_origins(series, config, cutoff)
    fitted = fit_simple(series, [*origins, np.datetime64(cutoff)], view, config)
    ...


def open_view(jobs: Run) -> View:
    """Return how rows of `series` become panels in this run."""
    config = jobs.config
    market = jobs.read(t.MARKET, "ingest").toPandas()
    cutoff = jobs.needed("build_features").cutoff
    return View(market, config.freq, cutoff, config.forecast.horizon, config.features)


def fold_origins(series: DataFrame, config: Config, cutoff: dt.date) -> list[np.datetime64]:
    """Return the cutoffs of the backtest, oldest first."""
    (start,) = series.agg(F.min(t.START_DATE)).first() or (cutoff,)
    periods = period_range(start, cutoff, config.freq)
    folds, horizon = config.evaluate.folds, config.evaluate.horizon
    return list(fold_cutoffs(periods, folds=folds, horizon=horizon, min_history=config.forecast.min_history))


def fit_simple(series: DataFrame, cutoffs: list[np.datetime64], view: View, config: Config) -> Fitted:
    """Return the simple forecasters at each cutoff; two passes, the second needs the season that the first adds up."""
    sums = per_bucket(series, partial(season_rows, view, cutoffs), fit.SEASON_DDL, sizes=config.spark)
    season = fit.seasons(sums.groupBy(*fit.SEASON_KEY).sum(t.VALUE, fit.COUNT).toDF(*sums.columns).toPandas())
    measure = partial(profile_rows, view, cutoffs, season, config)
    counts = per_bucket(series, measure, fit.PROFILE_DDL, sizes=config.spark)
    profiles = counts.groupBy(*fit.PROFILE_KEY).agg(F.sum(fit.COUNT).alias(fit.COUNT)).toPandas()
    return {cutoff: fit.simple_forecasters(cutoff, season, profiles, config.forecast) for cutoff in cutoffs}
