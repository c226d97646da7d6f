"""Local LSTMs fitted in parallel: every bucket range trains the models of its series, at all cutoffs, in one grouped stage."""

from functools import partial

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Config
from replen.features.view import View
from replen.forecast import fit
from replen.forecast.local_lstm import model as local_lstm
from replen.forecast.local_lstm.examples import reading_of
from replen.forecast.storage import Packed, pack
from replen.spark.buckets import per_bucket
from replen.spark.run import Run

PROFILE = (*(t.Column(name, "int") for name in (fit.STEP, fit.SIZE_CLASS, fit.BIN)), t.Column(fit.COUNT, "bigint"))
FITS = t.Table(
    "local_fits", "staging: models by series (key, weights, reason) and counts of their errors over a range of buckets",
    (t.MODEL, t.CUTOFF), (*t.SERIES.key, t.BUCKET, t.MODEL_WEIGHTS, t.REASON, *PROFILE),
)  # fmt: skip


def fit_local(
    jobs: Run, series: DataFrame, cutoffs: list[np.datetime64], view: View
) -> tuple[dict[np.datetime64, Packed], DataFrame]:
    """Return what the local models share at each cutoff, and rows of `tables.WEIGHTS` of all cutoffs, as read back."""
    config = jobs.config
    fits = jobs.stage(FITS, per_bucket(series, partial(fit_bucket, view, cutoffs, config), FITS, sizes=config.spark))
    models = fits.where(F.col(t.SKU).isNotNull()).withColumn(t.RUN_ID, F.lit(jobs.run_id)).select(t.WEIGHTS.names)
    counts = fits.where(F.col(t.SKU).isNull()).groupBy(*fit.PROFILE_KEY).agg(F.sum(fit.COUNT).alias(fit.COUNT)).toPandas()
    settings, horizon = config.forecast.local_lstm, config.forecast.horizon
    # A panel of no series has the columns of every panel of the run.
    reading = reading_of(view.panel(series.limit(0).toPandas()), settings, horizon=horizon)
    profiles = {cutoff: fit.profile_at(counts, cutoff, fit.LOCAL_LSTM, horizon=horizon) for cutoff in cutoffs}
    fitted = {at: pack(fit.LOCAL_LSTM, local_lstm.LocalLstmModel(settings, reading, one)) for at, one in profiles.items()}
    return fitted, models


def fit_bucket(view: View, cutoffs: list[np.datetime64], config: Config, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of FITS: the models of a range of buckets at each cutoff, active series only."""
    panel, settings = view.panel(rows), config.forecast.local_lstm
    frames = []
    for cutoff in cutoffs:
        then = view.at(panel, cutoff)
        if then.shape[0]:
            models, profile = local_lstm.fit(then, settings, horizon=config.forecast.horizon, seed=config.seed)
            frames += [models.assign(**{str(t.MODEL): fit.LOCAL_LSTM}), fit.count_rows(profile, cutoff, fit.LOCAL_LSTM)]
    made = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    found = made.reindex(columns=FITS.names).astype(object)
    return found.where(found.notna(), None)


def with_weights(series: DataFrame, weights: DataFrame) -> DataFrame:
    """Return rows of `series` with the weights of their models by cutoff, null where they have none."""
    entry = F.struct(F.col(t.CUTOFF).cast("string"), t.MODEL_WEIGHTS)
    by_cutoff = F.map_from_entries(F.collect_list(entry)).alias(t.WEIGHTS_BY_CUTOFF)
    fitted = weights.where(F.col(t.MODEL_WEIGHTS).isNotNull()).groupBy(*t.SERIES.key).agg(by_cutoff)
    return series.join(fitted, on=[str(column) for column in t.SERIES.key], how="left")
