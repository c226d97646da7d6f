"""Metrics of every series, told without bringing them all to the driver: quantiles, the worst, and files for MLflow."""

import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

import replen.tables as t
from replen.evaluate.backtest import SERIES_SEGMENT
from replen.evaluate.examples import N_EXAMPLES, ROLE
from replen.evaluate.metrics import COUNTS, RATIOS
from replen.series_log import N_WORST, QUANTILE_LEVELS, RANKED_BY, SeriesResults
from replen.spark.run import Run
from replen.tables import Column, Table

METRICS = (*RATIOS, *COUNTS)
SERIES_METRICS = Table(
    "series_metrics", "staging: metrics by series", (t.MODEL, t.FOLD, *t.SERIES.key), tuple(map(Column, METRICS))
)
ACCURACY = 10_000  # ranks of quantiles over series are exact to one in so many


def stage_series_metrics(jobs: Run, scores: DataFrame) -> DataFrame:
    """Return one row a model, fold and series with its metrics as columns, null where not defined, from the backtest's rows."""
    of_series = scores.where(F.col(t.SEGMENT) == SERIES_SEGMENT)
    undefined = F.lit(None).cast("double")
    metrics = [F.nanvl(F.col(t.METRICS_BY_NAME)[name], undefined).alias(name) for name in METRICS]
    return jobs.stage(SERIES_METRICS, of_series.select(*SERIES_METRICS.key, *metrics))


def series_results(rows: DataFrame) -> SeriesResults:
    """Return what MLflow is to show of rows of `SERIES_METRICS`."""
    return SeriesResults(rows.inputFiles(), _quantiles(rows), {metric: _worst(rows, metric) for metric in RANKED_BY})


def example_keys(rows: DataFrame, fold: str) -> pd.DataFrame:
    """Return key and role of a handful of series of a fold: the largest by revenue, those in the middle, the worst forecast."""
    measured = [F.avg(name).alias(name) for name in ("weight", "pinball")]
    by_series = rows.where(F.col(t.FOLD) == fold).groupBy(*t.SERIES.key).agg(*measured).where("weight is not null")
    (middle,) = by_series.agg(F.median("weight")).first() or (None,)
    orders = {
        "largest revenue": F.desc("weight"),
        "median revenue": F.abs(F.col("weight") - F.lit(middle or 0.0)).asc(),
        "worst pinball": F.desc_nulls_last("pinball"),
    }
    chosen = [
        by_series.orderBy(order, *t.SERIES.key).limit(N_EXAMPLES).select(*t.SERIES.key).toPandas().assign(**{ROLE: role})
        for role, order in orders.items()
    ]
    return pd.concat(chosen).drop_duplicates(list(t.SERIES.key), ignore_index=True)


def _quantiles(rows: DataFrame) -> pd.DataFrame:
    """Return one row a model and metric, a column a level of `QUANTILE_LEVELS`."""
    levels = [F.percentile_approx(name, list(QUANTILE_LEVELS), ACCURACY).alias(name) for name in METRICS]
    by_model = rows.groupBy(t.MODEL).agg(*levels).toPandas().melt(str(t.MODEL), var_name=str(t.METRIC), value_name="levels")
    known = by_model.dropna(subset="levels").reset_index(drop=True)
    columns = [f"q{level * 100:02.0f}" for level in QUANTILE_LEVELS]
    return known[[t.MODEL, t.METRIC]].join(pd.DataFrame([list(values) for values in known["levels"]], columns=columns))


def _worst(rows: DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of each model with the `N_WORST` largest values of a metric, the largest first."""
    largest = Window.partitionBy(t.MODEL).orderBy(F.desc(metric), t.FOLD, *t.SERIES.key)
    ranked = rows.where(F.col(metric).isNotNull()).withColumn("rank", F.row_number().over(largest))
    return ranked.where(F.col("rank") <= N_WORST).orderBy(t.MODEL, "rank").drop("rank").toPandas()
