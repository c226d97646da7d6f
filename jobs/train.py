"""Series -> fitted forecasters, backtested over rolling folds, compared in MLflow, the best promoted as champion.

spark-submit jobs/train.py --config conf/cluster.yaml
"""

import time
from functools import partial

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.evaluate.backtest import SERIES_SEGMENT, Backtest, Fold
from replen.evaluate.examples import Example, examples
from replen.evaluate.folds import fold_cutoffs
from replen.evaluate.scores import summarise
from replen.evaluate.simulated_cost import Trials
from replen.features.periods import period_range
from replen.features.segments import Segmentation
from replen.features.view import View
from replen.forecast.fit import LOCAL_LSTM
from replen.progress import Progress
from replen.spark.buckets import per_batch, spread_sample
from replen.spark.fitting import Fitted, fit_all
from replen.spark.items import supply_terms
from replen.spark.local import fit_local, with_weights
from replen.spark.quality import checks_if_any
from replen.spark.revenues import limits_at
from replen.spark.run import Committed, Run, open_run
from replen.spark.series_results import example_keys, series_results, stage_series_metrics
from replen.tracking import Tracker
from replen.training_log import Training, log_training

JOB = "train"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `models` and `metrics`."""
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as done:
        if done is not None:
            say_if_kept(jobs, done, progress)
        return done or fit_and_compare(jobs, progress)


def say_if_kept(jobs: Run, training: Committed, progress: Progress) -> None:
    """Say whose models the run has, where it keeps those of an earlier run."""
    if jobs.keeps_training and training.producer != jobs.run_id:
        progress.note(
            f"forecast.retrain_after_periods: kept are the models of run {training.producer}, cutoff {training.cutoff}"
        )


def fit_and_compare(jobs: Run, progress: Progress) -> Committed:
    """Fit and backtest every forecaster, log and promote in MLflow, write the tables, commit them."""
    config, spark = jobs.config, jobs.store.spark
    cutoff = jobs.needed("build_features").cutoff
    view, series = open_view(jobs), jobs.read(t.SERIES, "build_features")
    origins, last = fold_origins(series, config, np.datetime64(cutoff)), np.datetime64(cutoff)
    fitted, epochs, seconds = fit_all(jobs, series, [*origins, last], view, progress)
    if LOCAL_LSTM in config.forecast.models:
        with progress.stage(f"{LOCAL_LSTM} of every series up to {len(fitted)} cutoffs"):
            series, seconds[LOCAL_LSTM] = fit_own_models(jobs, series, fitted, view)
    with progress.stage(f"backtest of {len(origins)} folds"):
        folds = folds_of(series, {origin: fitted[origin] for origin in origins}, view, config)
        backtested = jobs.stage(t.BACKTEST, backtest(jobs, series, folds, view))
        scores, by_series = added_up(backtested), stage_series_metrics(jobs, backtested)
    metrics = summarise(scores, run_id=jobs.run_id)
    training = Training(
        run_id=jobs.run_id,
        config=config,
        fitted=fitted[last],
        at_folds={str(origin): fitted[origin] for origin in origins},
        seconds=seconds,
        scores=scores,
        metrics=metrics,
        series=series_results(by_series),
        examples=examples_of(series, by_series, folds[-1], view, config) if folds else [],
        epochs=epochs,
        checks=checks_if_any(jobs),
        quality=jobs.read(t.QUALITY, "ingest").groupBy(t.TABLE, t.RULE).agg(F.sum(t.N_ROWS).alias(t.N_ROWS)).toPandas(),
    )
    with progress.stage("MLflow"):
        models = log_training(Tracker(config.tracking, config.warehouse), training)
    jobs.write(t.METRICS, spark.createDataFrame(metrics, t.METRICS.nullable_ddl))
    jobs.write(t.MODELS, spark.createDataFrame(models, t.MODELS.nullable_ddl))
    return jobs.commit(JOB, cutoff=cutoff)


def fit_own_models(jobs: Run, series: DataFrame, fitted: Fitted, view: View) -> tuple[DataFrame, float]:
    """Return the series with the weights of their own models at every cutoff, and the seconds it took to fit them.

    What the models share is added to `fitted`; the weights of the last cutoff are written as a table.
    """
    began = time.monotonic()
    shared, weights = fit_local(jobs, series, list(fitted), view)
    for cutoff, packed in shared.items():
        fitted[cutoff][LOCAL_LSTM] = packed
    jobs.write(t.WEIGHTS, weights.where(F.col(t.CUTOFF) == F.lit(str(max(fitted))).cast("date")))
    return with_weights(series, weights), time.monotonic() - began


def folds_of(series: DataFrame, fitted: Fitted, view: View, config: Config) -> list[Fold]:
    """Return the folds with the forecasters of the configuration, oldest first."""
    limits = limits_at(series, list(fitted), view)
    return [
        Fold(cutoff, {model: by_name[model] for model in config.forecast.models}, Segmentation(config.features, at_cutoff))
        for (cutoff, by_name), at_cutoff in zip(fitted.items(), limits, strict=True)
    ]


def backtest(jobs: Run, series: DataFrame, folds: list[Fold], view: View) -> DataFrame:
    """Return rows of `tables.BACKTEST`: every model of every fold, scored batch by batch; of many series a sample."""
    config, trials = jobs.config, None
    series = spread_sample(series, config.evaluate.series)
    if config.evaluate.simulated_cost.n_paths:
        terms = supply_terms(jobs.read(t.SUPPLY, "ingest"), jobs.read(t.COSTS, "ingest"))
        keeps = jobs.read(t.CATALOGUE, "ingest").select(t.SKU, t.SHELF_LIFE_DAYS)
        series = series.join(terms, on=[str(t.SKU), str(t.SITE)], how="left").join(keeps, on=str(t.SKU), how="left")
        trials = Trials(config.evaluate, config.costs, config.freq, config.seed)
    scoring = Backtest(folds, config.forecast.fallback, config.evaluate, config.seed, trials)
    return per_batch(series, partial(score_series, view, scoring), t.BACKTEST)


def score_series(view: View, scoring: Backtest, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the backtest of some series."""
    return scoring.rows(view.panel(rows), rows)


def added_up(scores: DataFrame) -> pd.DataFrame:
    """Return rows of `tables.SCORES`, added up over all buckets."""
    parts = scores.where(F.col(t.SEGMENT) != SERIES_SEGMENT)
    return parts.groupBy(*t.SCORES.key).agg(F.sum(t.VALUE).alias(t.VALUE)).toPandas()


def examples_of(series: DataFrame, by_series: DataFrame, fold: Fold, view: View, config: Config) -> list[Example]:
    """Return a few series with what every forecaster of a fold says of them; only their rows are read."""
    roles = example_keys(by_series, str(fold.cutoff))
    keys = series.sparkSession.createDataFrame(roles[list(t.SERIES.key)])
    rows = series.join(F.broadcast(keys), on=keys.columns, how="left_semi").toPandas()
    return examples(rows, roles, view=view, fold=fold, fallback=config.forecast.fallback, horizon=config.evaluate.horizon)


def open_view(jobs: Run) -> View:
    """Return how rows of `series` become panels in this run."""
    config = jobs.config
    market = jobs.read(t.MARKET, "ingest").toPandas()
    return View(market, config.freq, jobs.needed("build_features").cutoff, config.forecast.horizon, config.features)


def fold_origins(series: DataFrame, config: Config, cutoff: np.datetime64) -> list[np.datetime64]:
    """Return the cutoffs of the backtest, oldest first."""
    (start,) = series.agg(F.min(t.START_DATE)).first() or (None,)
    periods = period_range(start or cutoff, cutoff, config.freq)
    folds, horizon = config.evaluate.folds, config.evaluate.horizon
    return list(fold_cutoffs(periods, folds=folds, horizon=horizon, min_history=config.forecast.min_history))


if __name__ == "__main__":
    job_main(JOB)
