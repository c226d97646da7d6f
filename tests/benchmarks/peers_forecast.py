"""What a user would forecast with instead: statsforecast and mlforecast, run the way their documentation does.

Each reads long rows (unique_id, ds, y) of a Parquet file, fits, and writes its forecasts to another, with the intervals whose
ends are the quantiles asked for. The rows lie ready in the form that each wants, as the table of series does for us: making
them is in nobody's time. statsforecast runs on Spark through Fugue, or on one machine in a process a core. mlforecast's
LightGBM runs on one machine: on Spark it needs SynapseML, whose jars no registry of Python packages has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from replen import tables as t
from replen.evaluate.peers import DS, UNIQUE_ID, ids, interval_levels, known_columns, long_sales
from replen.features.calendar import periods_after
from replen.features.panel import FloatArray, Panel

FREQ, CORES = "W-MON", 2
LAGS, MEANS, SEASON = (1, 2, 3, 4, 13, 26, 52), (4, 13), 52
STATIC = (str(t.SITE), str(t.CATEGORY), str(t.BRAND))
LIGHTGBM = "LightGBM"
HISTORY, LONG, FUTURE = "history.parquet", "long.parquet", "future.parquet"
MIDDLE = 0.5


@dataclass(frozen=True)
class Asked:
    """What a peer is asked: series in a folder as long rows, the next periods, quantiles.

    Attributes:
        folder: holds the rows.
        horizon: periods.
        levels: shape (n_levels,), of the quantiles.
    """

    folder: Path
    horizon: int
    levels: FloatArray

    def path(self, name: str) -> str:
        """Return the path of a file of the folder."""
        return str(self.folder / name)


Peer = Callable[[Asked, str], None]
"""Reads what is asked, writes its answer to a path."""


def write_rows(panel: Panel, asked: Asked) -> None:
    """Write sales by series and period; for LightGBM also what is known in advance, and histories long enough for its lags."""
    n_periods, horizon = panel.shape[1], asked.horizon
    known = known_columns(panel, horizon)
    static = {name: panel.keys[name].fillna("none").astype("category") for name in STATIC}
    seen = {name: values[:, :n_periods] for name, values in known.items()}
    dates = np.tile(periods_after(panel.periods, horizon).astype("datetime64[us]"), panel.shape[0])
    ahead = {name: values[:, n_periods : n_periods + horizon].ravel() for name, values in known.items()}
    files = {
        LONG: long_sales(panel),
        HISTORY: long_sales(panel, seen, static, at_least=SEASON + 2 * horizon + 1),
        FUTURE: pd.DataFrame({UNIQUE_ID: ids(panel).repeat(horizon).to_numpy(), DS: dates, **ahead}),
    }
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        rows.assign(**{DS: rows[DS].astype("datetime64[us]")}).to_parquet(asked.path(name), index=False)


def here(model: Any) -> Peer:
    """Return statsforecast on one machine, a process a core."""

    def forecast(asked: Asked, target: str) -> None:
        fitting = _statsforecast(model, n_jobs=CORES)
        answer = fitting.forecast(df=pd.read_parquet(asked.path(LONG)), h=asked.horizon, level=interval_levels(asked.levels))
        answer.to_parquet(target)

    return forecast


def on_spark(model: Any, spark: SparkSession) -> Peer:
    """Return statsforecast on Spark, as it does when it is given a Spark frame."""

    def forecast(asked: Asked, target: str) -> None:
        rows = spark.read.parquet(asked.path(LONG)).withColumn(DS, F.col(DS).cast("timestamp"))
        answer = _statsforecast(model, n_jobs=1).forecast(df=rows, h=asked.horizon, level=interval_levels(asked.levels))
        answer.write.parquet(target)

    return forecast


def _statsforecast(model: Any, *, n_jobs: int) -> Any:
    from statsforecast import StatsForecast
    from statsforecast.models import Naive

    return StatsForecast([model], freq=FREQ, n_jobs=n_jobs, fallback_model=Naive())


def lightgbm(asked: Asked, target: str) -> None:
    """Write the answer of one LightGBM (Tweedie, else as it comes) over all series, with conformal intervals."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.utils import PredictionIntervals

    forecaster = MLForecast(
        {LIGHTGBM: LGBMRegressor(objective="tweedie", n_jobs=CORES, random_state=0, verbosity=-1)},
        freq=FREQ,
        lags=list(LAGS),
        lag_transforms={1: [RollingMean(window) for window in MEANS]},
        date_features=["month", "week"],
        num_threads=CORES,
    )
    intervals = PredictionIntervals(n_windows=2, h=asked.horizon)
    forecaster.fit(pd.read_parquet(asked.path(HISTORY)), static_features=list(STATIC), prediction_intervals=intervals)
    future = pd.read_parquet(asked.path(FUTURE))
    forecaster.predict(asked.horizon, X_df=future, level=interval_levels(asked.levels)).to_parquet(target)


def quantiles_of(answer: str, model: str, names: "pd.Series[str]", asked: Asked) -> FloatArray:
    """Return the quantiles of these series in what a peer has written, (n_series, horizon, n_levels), cut at zero."""
    rows = pd.read_parquet(answer).sort_values([UNIQUE_ID, DS]).set_index(UNIQUE_ID).loc[names.tolist()]

    def at(level: float) -> FloatArray:
        (width,) = interval_levels(np.array([level])) or (0,)
        side = "hi" if level > MIDDLE else "lo"
        values = rows[f"{model}-{side}-{width}" if width else model]
        return np.asarray(values, np.float32).reshape(len(names), asked.horizon).clip(0.0)

    return np.stack([at(float(level)) for level in asked.levels], axis=2)
