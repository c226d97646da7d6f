"""What a run and its jobs are named by: hashes of what their tables depend on; and which earlier training a run keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

import replen.tables as t
from replen.config import Config
from replen.features.periods import period_numbers
from replen.overlays import code_version, digest
from replen.warehouse import configuration

JOBS = ("ingest", "check_quality", "build_features", "train", "forecast", "plan_orders")
AFTER = {
    "check_quality": ("ingest",),
    "build_features": ("ingest",),
    "train": ("build_features",),
    "forecast": ("build_features", "train"),
    "plan_orders": ("forecast", "check_quality"),
}
TRAIN = "train"
SIMULATE = "simulate"
"""A job beside the others: a run has its id with or without it."""
WHEN_TO_TRAIN = {"retrain_after_periods"}
"""Keys of `forecast` that say when a training takes place; what it gives does not depend on them."""


def job_keys(config: Config, input_fingerprint: str, *, on_the_way: str | None, training: str | None = None) -> dict[str, str]:
    """Return for each job a hash of all that its tables depend on: its sections, the jobs before it, inputs and code.

    Features, models and forecasts do not depend on checks of the data, orders do. Where a run takes place (warehouse,
    tracking, spark, database) is no part of a key, nor is whether a check may stop it; the last key is the run's id.

    Args:
        config: of the run.
        input_fingerprint: hash of the input files.
        on_the_way: hash of the orders of the database that a plan counts on; None: there are none.
        training: key of an earlier training whose models the run takes (see `kept_training`); None: it has its own.
    """
    # Where a database is, and how its rows are cut, is as little of a run as the folder of files.
    sources = config.sources.model_dump(exclude={"path": True, "tables": {"__all__": {"database", "partition"}}})
    sections: dict[str, tuple[object, ...]] = {
        "ingest": (config.freq, config.cutoff, config.currency, config.rates, sources),
        "check_quality": (config.quality.model_dump(exclude={"stop"}),),
        "build_features": (config.forecast.horizon,),
        TRAIN: _learned_by(config),
        "forecast": (),
        "plan_orders": (config.costs, config.plan, config.limits, *([on_the_way] if on_the_way else [])),
    }
    first = JOBS[0]
    keys = {first: digest(first, digest(config.seed, input_fingerprint, code_version()), *sections[first])}
    for job, before in AFTER.items():
        keys[job] = digest(job, *(keys[one] for one in before), *sections[job])
        if job == TRAIN and training is not None:
            keys[job] = training
    return keys | {SIMULATE: digest(SIMULATE, keys["forecast"], config.costs, config.plan, config.simulate)}


def recipe(config: Config) -> str:
    """Return a hash of all that features, models and forecasts depend on but data: sections and code."""
    return digest(code_version(), config.freq, config.sources.complete, *_learned_by(config))


def kept_training(committed: Sequence[Mapping[str, Any]], config: Config, input_fingerprint: str) -> str | None:
    """Return the key of the training whose models a run takes: the last one of its recipe, unless too many periods ago.

    A run that has taken one stays with it, whatever is trained later. None: the run trains, or it has not read its inputs yet,
    so that nobody knows its cutoff.

    Args:
        committed: rows of `tables.RUNS`.
        config: of the run.
        input_fingerprint: hash of the input files.
    """
    n_periods = config.forecast.retrain_after_periods
    own = job_keys(config, input_fingerprint, on_the_way=None)
    cutoffs = [row[t.CUTOFF] for row in committed if row[t.JOB] == JOBS[0] and row[t.JOB_KEY] == own[JOBS[0]]]
    if n_periods is None or not cutoffs:
        return None
    now = period_numbers(cutoffs[0], config.freq)
    trainings = [row for row in same_recipe(committed, config) if row[t.JOB] == TRAIN]
    recent = [row for row in trainings if 0 <= now - period_numbers(row[t.CUTOFF], config.freq) < n_periods]
    newest = sorted(recent, key=lambda row: (row[t.CUTOFF], row[t.COMMITTED_AT]), reverse=True)
    keys = [row[t.JOB_KEY] for row in newest]
    taken = {row[t.RUN_ID]: row[t.JOB_KEY] for row in newest}
    run_ids = {key: job_keys(config, input_fingerprint, on_the_way=None, training=key)[JOBS[-1]] for key in keys}
    return next((key for key in keys if taken.get(run_ids[key]) == key), keys[0] if keys else None)


def same_recipe(committed: Sequence[Mapping[str, Any]], config: Config) -> list[Mapping[str, Any]]:
    """Return the rows of `tables.RUNS` of runs of this name and freq whose results differ from this one's by data alone."""
    ours, mine = recipe(config), (config.name, config.freq)
    return [row for row in committed if row.get(t.RECIPE) == ours and configuration(row) == mine]


def _learned_by(config: Config) -> tuple[object, ...]:
    """Return the sections that models depend on."""
    simulated = config.evaluate.simulated_cost.n_paths > 0
    forecast = config.forecast.model_dump(mode="json", exclude=WHEN_TO_TRAIN)
    return config.seed, config.features, forecast, config.evaluate, config.costs if simulated else None
