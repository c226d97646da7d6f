"""Series + champions -> forecasts: demand of the next periods as a distribution, one row a series.

spark-submit jobs/forecast.py --config conf/cluster.yaml
"""

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs.train import open_view
from replen.cli import job_main
from replen.config import Config
from replen.errors import TableError
from replen.features.segments import ALL, Segmentation
from replen.forecast.binding import bind, needed
from replen.forecast.fit import LOCAL_LSTM
from replen.forecast.stage import Champions, Forecasting, Versioned
from replen.forecast.storage import Packed
from replen.progress import Progress
from replen.spark.buckets import per_batch_to_arrow
from replen.spark.local import with_weights
from replen.spark.renewal import renewal
from replen.spark.revenues import Limits
from replen.spark.run import Committed, Run, open_run
from replen.tracking import MODEL_FOLDER, Tracker

JOB = "forecast"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `forecasts`; every series is forecast, or a row with the reason why not."""
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as done:
        return done or make_forecasts(jobs, progress)


def make_forecasts(jobs: Run, progress: Progress) -> Committed:
    """Forecast by champions the series that no earlier run has forecast as they are, take over the others, write and commit."""
    config = jobs.config
    view = open_view(jobs)
    series = jobs.read(t.SERIES, "build_features")
    trained = {row[t.MODEL]: row for row in jobs.read(t.MODELS, "train").collect()}
    due = renewal(jobs, series, view, progress)
    champions = champions_of(trained, due.limits, config)
    tracker = Tracker(config.tracking, config.warehouse)
    forecast = config.forecast
    names = needed(champions.by_segment.values(), forecast)
    bound = bind({model: fetch(tracker, trained[model][t.MLFLOW_RUN], model) for model in names})
    models = {model: Versioned(trained[model][t.MODEL_VERSION], bound[model]) for model in names}
    forecasting = Forecasting(view, models, champions, forecast.fallback, forecast.horizon, forecast.quantiles, config.seed)
    weighted = with_weights(due.series, weights_at(jobs, view.cutoff)) if LOCAL_LSTM in names else due.series
    rows = per_batch_to_arrow(weighted, forecasting, t.FORECASTS.without_run)
    others = [] if due.others is None else [due.others.select(t.FORECASTS.without_run.names)]
    forecasts = jobs.write(t.FORECASTS, reduce(DataFrame.unionByName, others, rows))
    return jobs.commit(JOB, cutoff=view.cutoff, counts=reconcile(series, forecasts))


def weights_at(jobs: Run, cutoff: dt.date) -> DataFrame:
    """Return the weights of local models as those of the run's cutoff: a training that is kept had an earlier one."""
    return jobs.read(t.WEIGHTS, "train").withColumn(t.CUTOFF, F.lit(cutoff))


def champions_of(trained: Mapping[str, Row], limits: Limits, config: Config) -> Champions:
    """Return who forecasts which series, from the rows of `models` and the limits of the ABC classes."""
    by_segment = {segment: model for model, row in trained.items() for segment in dict(row[t.CHAMPION_OF])}
    kind = config.forecast.promotion.segment if len(by_segment) > 1 else ALL
    return Champions(by_segment, kind, Segmentation(config.features, limits))


def reconcile(series: DataFrame, forecasts: DataFrame) -> dict[str, int]:
    """Return the counts of series in, forecast and not, after checking that none was lost or doubled.

    Raises:
        TableError: series in and rows out differ.
    """
    n_series = series.count()
    distinct = F.count_distinct(*t.SERIES.key)
    n_rows, n_distinct, n_forecast = forecasts.select(F.count("*"), distinct, F.count(t.MEAN)).first() or (0, 0, 0)
    if not n_series == n_rows == n_distinct:
        raise TableError(
            f"forecasts: expected one row for each of {n_series} series, found {n_rows} rows of {n_distinct} series"
        )
    reasons = forecasts.where(F.col(t.MEAN).isNull()).groupBy(t.REASON).count().collect()
    failed = {f"not forecast: {reason}": count for reason, count in reasons}
    return {"series": n_series, "forecast": n_forecast, **failed}


def fetch(tracker: Tracker, mlflow_run: str, model: str, artifacts: str = MODEL_FOLDER) -> Packed:
    """Return a forecaster from the artifacts of its MLflow run."""
    with TemporaryDirectory() as folder:
        return Packed.of(model, tracker.download(mlflow_run, Path(folder), artifacts))


if __name__ == "__main__":
    job_main(JOB)
