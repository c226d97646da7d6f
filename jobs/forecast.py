"""Series + champion -> forecasts: demand of the next periods as a distribution, one row a series.

spark-submit jobs/forecast.py --config conf/cluster.yaml
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs.train import open_view
from replen.cli import job_main
from replen.config import Config
from replen.errors import TableError
from replen.forecast.stage import Forecasting, Versioned
from replen.forecast.storage import Packed
from replen.progress import Progress
from replen.spark.buckets import per_bucket
from replen.spark.local import LOCAL_LSTM, with_weights
from replen.spark.run import Committed, open_run
from replen.tracking import Tracker

JOB = "forecast"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `forecasts`; every series is forecast, or a row with the reason why not."""
    jobs = open_run(spark, config)
    if done := jobs.committed(JOB):
        return done
    trained = {row[t.MODEL]: row for row in jobs.read(t.MODELS, "train").collect()}
    champion = next(model for model, row in trained.items() if row[t.CHAMPION])
    tracker = Tracker(config.tracking, config.warehouse)
    packed = {model: fetch(tracker, trained[model][t.MLFLOW_RUN], model) for model in {champion, config.forecast.fallback}}
    first, second = (
        Versioned(model, trained[model][t.MODEL_VERSION], packed[model]) for model in (champion, config.forecast.fallback)
    )
    forecasting = Forecasting(open_view(jobs), first, second, config.forecast.horizon, config.forecast.quantiles, config.seed)
    series = jobs.read(t.SERIES, "build_features")
    if champion == LOCAL_LSTM:
        series = with_weights(series, jobs.read(t.WEIGHTS, "train"))
    rows = per_bucket(series, forecasting, t.FORECASTS.without_run, sizes=config.spark)
    forecasts = jobs.write(t.FORECASTS, rows)
    return jobs.commit(JOB, cutoff=jobs.needed("train").cutoff, counts=reconcile(series, forecasts))


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


def fetch(tracker: Tracker, mlflow_run: str, model: str) -> Packed:
    """Return a forecaster from the artifacts of its MLflow run."""
    with TemporaryDirectory() as folder:
        return Packed.of(model, tracker.download(mlflow_run, Path(folder)))


if __name__ == "__main__":
    job_main(JOB)
