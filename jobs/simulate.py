"""Policies played over past windows, on the forecasts of their time: what each would have cost; `--tune` chooses a setting.

spark-submit jobs/simulate.py --config conf/cluster.yaml
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs.forecast import champions_of, fetch
from jobs.train import fold_origins, open_view
from replen.cli import job_main
from replen.config import Config, Policies
from replen.errors import ConfigError
from replen.evaluate.replay import CHAMPION, Origin, Replay
from replen.evaluate.simulated_cost import Trials
from replen.evaluate.simulations import CONFIGURED, chosen, policies_of, settings_of, simulations
from replen.features.segments import Segmentation
from replen.features.view import View
from replen.forecast.binding import bind, needed
from replen.forecast.fit import LOCAL_LSTM
from replen.policy_table import policy_table, tuning_text
from replen.progress import Progress
from replen.registry_names import fold_folder
from replen.simulation_log import log_simulations, log_tuning
from replen.spark.buckets import per_bucket
from replen.spark.items import KEY
from replen.spark.keys import SIMULATE as JOB
from replen.spark.local import fit_local, with_weights
from replen.spark.revenues import limits_at
from replen.spark.run import Run, open_run
from replen.spark.simulations import averages, costs, drawn, with_terms
from replen.tracking import Tracker


def run(spark: SparkSession, config: Config, progress: Progress, *, tune: bool = False) -> str:
    """Return the table of the policies, which `simulations` holds; or, with `tune`, the setting chosen and its overlay."""
    jobs = open_run(spark, config)
    cutoff = jobs.needed("forecast").cutoff
    policies, models = policies_of(config.plan.policy, config.simulate.policies), config.simulate.models
    configured = models[0], next(iter(policies))
    with jobs.claim(JOB, progress.note) as done:
        if tune:
            return tuned(jobs, progress)
        if done is None:
            played, counts = play(jobs, policies, models, progress)
            rows = simulations(averages(played), costs(played), configured, run_id=jobs.run_id, seed=config.seed)
            with progress.stage("MLflow"):
                log_simulations(tracker_of(config), jobs.needed("train").producer, config, rows, configured)
            known = rows.astype(object).where(rows.notna(), None)
            jobs.write(t.SIMULATIONS, spark.createDataFrame(known, t.SIMULATIONS.nullable_ddl))
            jobs.commit(JOB, cutoff=cutoff, counts=counts)
    return "\n".join(policy_table(config, jobs.read(t.SIMULATIONS, JOB).toPandas(), configured))


def tuned(jobs: Run, progress: Progress) -> str:
    """Return what a tuning found; MLflow keeps it, tables do not.

    Raises:
        ConfigError: there is one window only, and so none to choose a setting on.
    """
    config, model = jobs.config, jobs.config.simulate.models[0]
    if (n_windows := len(windows(jobs))) < 2:  # noqa: PLR2004
        raise ConfigError(
            "evaluate.folds, simulate.windows: --tune chooses on all windows but the last, expected 2 or more, "
            f"found {n_windows}"
        )
    settings = settings_of(config.plan.policy, config.simulate.tune)
    played, _ = play(jobs, settings, [model], progress)
    found = chosen(costs(played), list(settings), seed=config.seed)
    rows = simulations(averages(played), costs(played), (model, CONFIGURED), run_id=jobs.run_id, seed=config.seed)
    text = "\n".join(tuning_text(config, found, settings))
    with progress.stage("MLflow"):
        log_tuning(tracker_of(config), jobs.needed("train").producer, config, found, rows, text)
    return text


def play(
    jobs: Run, policies: Mapping[str, Policies], models: Sequence[str], progress: Progress
) -> tuple[DataFrame, dict[str, int]]:
    """Return rows of `tables.SIMULATED` of series that were played, and how many were and were not, by reason."""
    config, view = jobs.config, open_view(jobs)
    every = jobs.read(t.SERIES, "build_features")
    at, some = windows(jobs), drawn(every, config.simulate.series)
    origins = origins_of(jobs, every, at, models, view)
    if any(LOCAL_LSTM in origin.forecasters for origin in origins):  # of the folds, tables keep no weights of single series
        some = with_weights(some, fit_local(jobs, some, at, view)[1])
    replay = Replay(
        view=view,
        origins=origins,
        trials=Trials(config.evaluate, config.costs, config.freq, config.seed),
        models=models,
        policies=policies,
        plan=config.plan,
        fallback=config.forecast.fallback,
        levels=config.forecast.quantiles,
        segments=config.evaluate.segments,
    )
    with progress.stage(f"{len(policies)} policies played over {len(at)} windows"):
        rows = jobs.stage(t.SIMULATED, per_bucket(with_terms(jobs, some), replay, t.SIMULATED, sizes=config.spark))
    left_out = rows.where(F.col(t.REASON).isNotNull()).groupBy(t.REASON).count().collect()
    played = rows.where(F.col(t.REASON).isNull())
    counts = {"played": played.select(t.WINDOW, *KEY).distinct().count()}
    return played, counts | {f"not played: {reason}": count for reason, count in left_out}


def windows(jobs: Run) -> list[np.datetime64]:
    """Return the cutoffs of the windows, oldest first: the last folds of the backtest.

    Raises:
        ConfigError: the backtest has no folds.
    """
    config = jobs.config
    if not config.evaluate.folds:
        raise ConfigError("evaluate.folds: windows are folds of the backtest, expected 1 or more, found 0")
    cutoff = np.datetime64(jobs.needed("train").cutoff)
    cutoffs = fold_origins(jobs.read(t.SERIES, "build_features"), config, cutoff)
    return cutoffs[-(config.simulate.windows or len(cutoffs)) :]


def origins_of(
    jobs: Run, series: DataFrame, cutoffs: Sequence[np.datetime64], models: Sequence[str], view: View
) -> list[Origin]:
    """Return the starts of the windows with their forecasters, as the training kept them; champions are those of the run."""
    config, tracker = jobs.config, tracker_of(jobs.config)
    trained = {row[t.MODEL]: row for row in jobs.read(t.MODELS, "train").collect()}
    *at_cutoffs, now = limits_at(series, [*cutoffs, np.datetime64(view.cutoff)], view)
    champions = champions_of(trained, now, config)
    named = {*models} - {CHAMPION} | ({*champions.by_segment.values()} if CHAMPION in models else set())
    names, origins = needed(named, config.forecast), []
    for cutoff, limits in zip(cutoffs, at_cutoffs, strict=True):
        folder = fold_folder(str(cutoff))
        fitted = {name: fetch(tracker, trained[name][t.MLFLOW_RUN], name, folder) for name in names}
        at_cutoff = replace(champions, segmentation=Segmentation(config.features, limits))
        origins.append(Origin(cutoff, bind(fitted), at_cutoff))
    return origins


def tracker_of(config: Config) -> Tracker:
    """Return MLflow as configured."""
    return Tracker(config.tracking, config.warehouse)


if __name__ == "__main__":
    job_main(JOB)
