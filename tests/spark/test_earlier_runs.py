"""Runs of one warehouse, as far as `runs` tells of them: which training they have, and which run has the same cutoff."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

import replen.tables as t
from replen.overlays import load_config
from replen.spark.keys import JOBS, job_keys
from replen.spark.run import Run

CONF = Path(__file__).parents[2] / "conf"
MONDAY = dt.date(2024, 6, 24)
pytestmark = pytest.mark.usefixtures("spark")
UP_TO_FORECAST = ("ingest", "build_features", "train", "forecast")


def run_of(folder: Path, inputs: str, *settings: str) -> Run:
    config = load_config(CONF / "test.yaml", [f"warehouse={folder}", "forecast.retrain_after_periods=4", *settings])
    return Run(SparkSession.active(), config, inputs)


def night(folder: Path, inputs: str, cutoff: dt.date, *settings: str, jobs: tuple[str, ...] = UP_TO_FORECAST) -> list[str]:
    """Do the jobs of a night that are not committed, each by a process of its own, and return which that were."""
    done = []
    for job in jobs:
        run = run_of(folder, inputs, *settings)
        with run.claim(job, pytest.fail) as committed:
            if committed is None:
                run.commit(job, cutoff=cutoff)
                done.append(job)
    return done


def test_a_night_does_all_jobs_but_the_training_that_it_keeps(tmp_path: Path) -> None:
    assert night(tmp_path, "first", MONDAY) == [*UP_TO_FORECAST]
    assert night(tmp_path, "next", MONDAY + dt.timedelta(weeks=1)) == ["ingest", "build_features", "forecast"]
    first, later = run_of(tmp_path, "first"), run_of(tmp_path, "next")
    assert later.needed("train") == first.needed("train")
    assert (later.needed("train").producer, later.needed("train").cutoff) == (first.run_id, MONDAY)
    assert later.needed("forecast").producer == later.run_id
    assert night(tmp_path, "next", MONDAY + dt.timedelta(weeks=1)) == []
    assert night(tmp_path, "first", MONDAY) == []


def test_a_night_trains_when_the_last_training_is_too_long_ago_and_later_ones_keep_that(tmp_path: Path) -> None:
    trained = [weeks for weeks in range(10) if "train" in night(tmp_path, f"{weeks}", MONDAY + dt.timedelta(weeks=weeks))]
    assert trained == [0, 4, 8]


def test_without_the_setting_every_night_trains(tmp_path: Path) -> None:
    never = "forecast.retrain_after_periods=null"
    for inputs in ("first", "next"):
        assert night(tmp_path, inputs, MONDAY, never) == [*UP_TO_FORECAST]
        run = run_of(tmp_path, inputs, never)
        assert run.run_id == job_keys(run.config, inputs, on_the_way=None)[JOBS[-1]]


def test_plans_that_differ_in_orders_on_the_way_rest_on_the_same_training(tmp_path: Path) -> None:
    night(tmp_path, "first", MONDAY)
    night(tmp_path, "next", MONDAY + dt.timedelta(weeks=1))
    later = run_of(tmp_path, "next")
    with_orders = later.with_orders("some")
    assert with_orders.run_id != later.run_id
    assert with_orders.needed("train") == later.needed("train")
    assert with_orders.committed("forecast") is not None


def test_the_earlier_run_is_the_last_other_one_with_this_cutoff_recipe_and_jobs(tmp_path: Path) -> None:
    jobs = ("ingest", "build_features")
    now = run_of(tmp_path, "now")
    night(tmp_path, "now", MONDAY, jobs=jobs)
    assert run_of(tmp_path, "now").earlier(*jobs) is None, "a run is not its own earlier one"
    night(tmp_path, "before", MONDAY - dt.timedelta(weeks=1), jobs=jobs)
    night(tmp_path, "other recipe", MONDAY, "seed=1", jobs=jobs)
    night(tmp_path, "other name", MONDAY, "name=another", jobs=jobs)
    night(tmp_path, "unfinished", MONDAY, jobs=jobs[:1])
    assert now.earlier(*jobs) is None
    for inputs in ("one", "two"):
        night(tmp_path, inputs, MONDAY, jobs=jobs)
    found = now.earlier(*jobs)
    assert found is not None
    assert {found[job].producer for job in jobs} == {run_of(tmp_path, "two").run_id}


def test_a_warehouse_of_a_version_that_knew_no_recipe_goes_on(tmp_path: Path) -> None:
    night(tmp_path / "new", "first", MONDAY, jobs=("ingest",))
    (row,) = run_of(tmp_path / "new", "first").store.rows(t.RUNS)
    columns = {name: pa.array([value]) for name, value in row.items() if name not in (t.RECIPE, t.VERSIONS, t.COUNTS)}
    maps = {str(name): pa.array([[]], pa.map_(pa.string(), pa.int64())) for name in (t.VERSIONS, t.COUNTS)}
    write_deltalake(str(tmp_path / "old" / t.RUNS.name), pa.table(columns | maps))
    assert night(tmp_path / "old", "next", MONDAY) == [*UP_TO_FORECAST]
    assert [row[t.RECIPE] is None for row in run_of(tmp_path / "old", "next").store.rows(t.RUNS)].count(True) == 1
