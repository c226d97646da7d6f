"""Nights after the first: what is kept of it, and that the tables are those of a run that kept nothing but the models.

The jobs are given tables as `ingest` would write them; `bench_night.py` begins with files and ends with orders.
"""

import datetime as dt
import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from jobs.build_features import build
from jobs.forecast import make_forecasts
from jobs.train import fit_and_compare, say_if_kept
from replen.config import Config
from replen.progress import Progress
from replen.spark.run import Committed, Run
from tests.jobs.conftest import QUIET, small_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = (
    "forecast.retrain_after_periods=2", "forecast.models=[moving_average]", "forecast.champion=moving_average",
    "evaluate.folds=0", "evaluate.simulated_cost.n_paths=0",
)  # fmt: skip
WORK = {"build_features": build, "train": fit_and_compare, "forecast": make_forecasts}
START, N_WEEKS, N_SERIES, N_CORRECTED = dt.date(2023, 1, 2), 60, 40, 3
TABLES = (t.SALES, t.CATALOGUE, t.MARKET, t.PLANNED_PRICES, t.BEHAVIOUR, t.QUALITY)


def sales(n_weeks: int, *, is_corrected: bool = False) -> pd.DataFrame:
    """Return sales of series whose level rises with their number; corrected, the first ones sold much more in the last week."""
    sku, week = np.divmod(np.arange(N_SERIES * N_WEEKS), N_WEEKS)
    quantity = np.random.default_rng(1).poisson(1 + sku).astype(float)
    quantity += 900.0 * (is_corrected & (sku < N_CORRECTED) & (week == n_weeks - 1))
    columns = {t.SKU: [f"sku-{one:02}" for one in sku], t.SITE: "shop", t.CHANNEL: "*",
               t.DATE: [START + dt.timedelta(weeks=int(one)) for one in week], t.QUANTITY: quantity, t.PRICE: 2.0}  # fmt: skip
    return pd.DataFrame(columns)[week < n_weeks]


@dataclass(frozen=True)
class Night:
    """A night: its configuration, what names its data, and the data."""

    config: Config
    name: str
    sold: pd.DataFrame

    def run(self, spark: "SparkSession") -> Run:
        """Return the run of this night, as far as it is committed."""
        return Run(spark, self.config, self.name)

    def work(self, spark: "SparkSession", progress: Progress = QUIET) -> dict[str, Committed]:
        """Do the jobs up to the forecast, what is not done yet, and return their commits."""
        self._take_in(self.run(spark))
        commits = {}
        for job, do in WORK.items():
            jobs = self.run(spark)
            with jobs.claim(job, progress.note) as done:
                commits[job] = done or do(jobs, progress)
        return commits

    def _take_in(self, jobs: Run) -> None:
        spark = jobs.store.spark
        with jobs.claim("ingest", QUIET.note) as done:
            if done is None:
                skus = [(sku, "food", "brand", 2.0, None, None, None, None) for sku in sorted(set(self.sold[t.SKU]))]
                sold = self.sold.reindex(columns=t.SALES.names).astype(object)
                given = {t.SALES: [*sold.where(sold.notna(), None).itertuples(index=False, name=None)], t.CATALOGUE: skus}
                for table in TABLES:
                    jobs.write(table, spark.createDataFrame(given.get(table, []), table.nullable_ddl))
                jobs.commit("ingest", cutoff=self.sold[t.DATE].max())


@dataclass(frozen=True)
class Nights:
    """Nights of one warehouse, oldest first; the last also in a copy where nothing but models is kept; what was said."""

    first: Night
    later: Night
    corrected: Night
    whole: Night
    said: str


@pytest.fixture(scope="module")
def nights(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder, said = tmp_path_factory.mktemp("nights"), io.StringIO()
    config = small_config(folder / "warehouse", Path("unused"), *SETTINGS)
    first, later = Night(config, "first", sales(N_WEEKS - 1)), Night(config, "later", sales(N_WEEKS))
    corrected = Night(config, "corrected", sales(N_WEEKS, is_corrected=True))
    for night in (first, later):
        night.work(spark)
    shutil.copytree(folder / "warehouse", folder / "whole")
    corrected.work(spark, Progress(said))
    whole = Night(config.model_copy(update={"warehouse": str(folder / "whole")}), corrected.name, corrected.sold)
    with mock.patch.object(Run, "earlier", return_value=None):
        whole.work(spark)
    return Nights(first, later, corrected, whole, said.getvalue())


def rows_of(spark: "SparkSession", night: Night, table: t.Table, job: str) -> pd.DataFrame:
    return night.run(spark).read(table, job).orderBy(*t.SERIES.key).toPandas().drop(columns=str(t.RUN_ID), errors="ignore")


def test_nights_after_the_first_keep_its_models_and_say_so(spark: "SparkSession", nights: Nights) -> None:
    first, later, corrected = (night.run(spark) for night in (nights.first, nights.later, nights.corrected))
    trained = first.needed("train")
    assert trained.producer == first.run_id
    for jobs in (later, corrected):
        assert jobs.keeps_training
        assert jobs.needed("train") == trained
        assert jobs.needed("forecast").cutoff == jobs.needed("ingest").cutoff == trained.cutoff + dt.timedelta(weeks=1)
    assert len({first.run_id, later.run_id, corrected.run_id}) == 3
    said = io.StringIO()
    say_if_kept(later, trained, Progress(said))
    say_if_kept(first, trained, Progress(said))
    assert said.getvalue().count(f"kept are the models of run {first.run_id}, cutoff {trained.cutoff}") == 1


def test_only_what_changed_is_made_again_and_the_tables_are_those_of_a_whole_run(spark: "SparkSession", nights: Nights) -> None:
    n_changed = {stage: int(n) for stage, n in re.findall(r"(assembled|forecast): (\d+) series", nights.said)}
    assert n_changed == {"assembled": N_CORRECTED, "forecast": N_CORRECTED}
    for table, job in ((t.SERIES, "build_features"), (t.FORECASTS, "forecast")):
        found, expected = (rows_of(spark, night, table, job) for night in (nights.corrected, nights.whole))
        assert found.astype(str).equals(expected.astype(str)), table.name
        before = rows_of(spark, nights.later, table, job).astype(str)
        assert (before != found.astype(str)).any(axis=1).sum() >= N_CORRECTED


def test_series_whose_class_is_another_now_that_others_sold_more_are_forecast_again(
    spark: "SparkSession", nights: Nights
) -> None:
    found, before = (
        rows_of(spark, night, t.FORECASTS, "forecast").set_index(str(t.SKU)) for night in (nights.corrected, nights.later)
    )
    others = found.index[N_CORRECTED:]
    assert (found[t.ABC_CLASS][others] != before[t.ABC_CLASS][others]).any()


def test_a_night_trains_where_the_models_are_too_old_or_it_is_asked_for(spark: "SparkSession", nights: Nights) -> None:
    for periods in (1, None):
        forecast = nights.later.config.forecast.model_copy(update={"retrain_after_periods": periods})
        jobs = Run(spark, nights.later.config.model_copy(update={"forecast": forecast}), nights.later.name)
        assert not jobs.keeps_training
        assert jobs.committed("train") is None
        assert jobs.committed("build_features") is not None, "what does not depend on models is done already"


def test_a_night_does_nothing_twice(spark: "SparkSession", nights: Nights) -> None:
    before = nights.first.run(spark).store.rows(t.RUNS)
    for night in (nights.first, nights.later, nights.corrected):
        night.work(spark)
    assert nights.first.run(spark).store.rows(t.RUNS) == before
