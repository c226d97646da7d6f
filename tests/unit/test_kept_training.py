"""Which training a run keeps: the last of its recipe, as long as it is young enough, and the same one for ever after."""

import datetime as dt
from pathlib import Path

import pytest

import replen.tables as t
from replen.config import Config
from replen.overlays import load_config
from replen.spark.keys import JOBS, job_keys, kept_training, recipe

CONF = Path(__file__).parents[2] / "conf"
MONDAY = dt.date(2024, 6, 24)
NIGHT = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)


def config_of(*settings: str) -> Config:
    return load_config(CONF / "test.yaml", ["forecast.retrain_after_periods=4", *settings])


def committed(config: Config, inputs: str, job: str, *, weeks_ago: int = 0, hour: int = 0, training: str | None = None):  # type: ignore[no-untyped-def]
    keys = job_keys(config, inputs, on_the_way=None, training=training)
    return {
        t.RUN_ID: keys[JOBS[-1]],
        t.JOB: job,
        t.JOB_KEY: keys[job],
        t.CUTOFF: MONDAY - dt.timedelta(weeks=weeks_ago),
        t.COMMITTED_AT: NIGHT + dt.timedelta(hours=hour),
        t.RECIPE: recipe(config),
        t.CONFIG: config.model_dump_json(),
    }


READ_IN = committed(config_of(), "today", "ingest")
LAST_WEEK = committed(config_of(), "last week", "train", weeks_ago=1)


@pytest.mark.parametrize(("weeks_ago", "is_kept"), [(-1, False), (0, True), (3, True), (4, False)])
def test_a_training_is_kept_for_so_many_periods(weeks_ago: int, is_kept: bool) -> None:
    trained = committed(config_of(), "earlier", "train", weeks_ago=weeks_ago)
    assert kept_training([READ_IN, trained], config_of(), "today") == (trained[t.JOB_KEY] if is_kept else None)


def test_the_last_training_is_kept() -> None:
    older, twice = (
        committed(config_of(), "older", "train", weeks_ago=2),
        committed(config_of(), "a", "train", weeks_ago=1, hour=1),
    )
    assert kept_training([READ_IN, LAST_WEEK, twice, older], config_of(), "today") == twice[t.JOB_KEY]


@pytest.mark.parametrize(
    "setting",
    ["seed=1", "forecast.lstm.units=9", "features.active_periods=9", "evaluate.folds=2", "costs.order_cost=7", "name=another",
     "sources.complete=true"],
)  # fmt: skip
def test_models_of_another_recipe_or_name_are_not_taken(setting: str) -> None:
    other = committed(config_of(setting), "last week", "train", weeks_ago=1)
    assert kept_training([READ_IN, other], config_of(), "today") is None


@pytest.mark.parametrize("setting", ["forecast.retrain_after_periods=null", "plan.horizon=7", "cutoff=2024-06-17"])
def test_models_of_runs_that_differ_in_what_no_model_depends_on_are_taken(setting: str) -> None:
    other = committed(config_of(setting), "last week", "train", weeks_ago=1)
    assert kept_training([READ_IN, other], config_of(), "today") == other[t.JOB_KEY]


def test_who_asks_for_none_or_has_read_nothing_trains() -> None:
    assert kept_training([READ_IN, LAST_WEEK], config_of("forecast.retrain_after_periods=null"), "today") is None
    assert kept_training([LAST_WEEK], config_of(), "today") is None


def test_a_run_stays_with_the_training_that_it_has_taken() -> None:
    key = str(LAST_WEEK[t.JOB_KEY])
    taken = committed(config_of(), "today", "train", weeks_ago=1, training=key)
    later = committed(config_of(), "another", "train", hour=9)
    assert kept_training([READ_IN, LAST_WEEK, later], config_of(), "today") == later[t.JOB_KEY]
    assert kept_training([READ_IN, LAST_WEEK, taken, later], config_of(), "today") == key


def test_a_run_that_has_trained_keeps_its_own() -> None:
    own, later = committed(config_of(), "today", "train"), committed(config_of(), "another", "train", hour=9)
    assert kept_training([READ_IN, own, later], config_of(), "today") == own[t.JOB_KEY]
    with_own = job_keys(config_of(), "today", on_the_way=None, training=str(own[t.JOB_KEY]))
    assert with_own == job_keys(config_of(), "today", on_the_way=None)


def test_runs_that_keep_different_trainings_are_different_runs() -> None:
    alone, kept, other = (job_keys(config_of(), "today", on_the_way=None, training=key) for key in (None, "a", "b"))
    for job in ("train", "forecast", "plan_orders", "simulate"):
        assert len({alone[job], kept[job], other[job]}) == 3
    for job in ("ingest", "check_quality", "build_features"):
        assert alone[job] == kept[job] == other[job]
