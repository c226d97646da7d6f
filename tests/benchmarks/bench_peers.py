"""Forecast and plan of a generated weekly platform, and what a user would do them with instead, in one run on two cores.

python tests/benchmarks/bench_peers.py --series 10000 [--series 1000000] [--arima-series 2000] [--folder DIR] [--set KEY=VALUE]

The platform is that of bench_end_to_end.py. Our jobs run at each size, the LSTM as champion and no folds backtested; peers at
the first size alone. Two sizes give the marginal cost of a series, which ratios are then taken to; one size, the mean cost.

Forecast, 13 weeks ahead: AutoETS and LightGBM of all series or the first `--peer-series` in an order by hash, AutoARIMA and
AutoETS with a season of `--arima-series`; statsforecast on Spark or on one machine, whichever takes fewer core-seconds for
AutoETS of `--try-series`. A season of 1 is in the peers' favour: with season_length=52, as is documented for weeks, AutoETS
finds the same models and takes many times as long. Loss: pinball over the levels of forecast.quantiles, against the
generator's true demand, the same series for all.

Plan: plan_orders without limits beside linprog for each of `--linprog-series` in applyInPandas (peers_plan.py). Both read and
write Parquet with Spark; a peer's start is taken off by a quarter of them.

Core-seconds are those of all processes, Spark's included. DIR keeps platforms for the next time; warehouses in it are made
anew. The last line is one JSON object.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs import forecast, plan_orders, train
from jobs.train import open_view
from replen.config import Config
from replen.evaluate.metrics import pinball_loss
from replen.features.panel import FloatArray, Panel
from replen.forecast import random
from replen.sources.generator import ensure_generated
from replen.sources.generator_periods import DEMAND, TRUE_DEMAND
from replen.spark.run import Run, open_run
from replen.spark.session import session
from tests.benchmarks import peers_plan
from tests.benchmarks.bench_end_to_end import BEFORE, HORIZON, MODELS, SETTINGS
from tests.benchmarks.generated import configured
from tests.benchmarks.peers_forecast import LIGHTGBM, Asked, Peer, here, lightgbm, on_spark, quantiles_of, write_rows
from tests.benchmarks.usage import Recorded, Stage

OURS, SCORED, WARMING, SEASON = "replen", 2000, 8, 52
KEY = [str(t.SKU), str(t.SITE)]
OWN = ["forecast.champion=lstm", "evaluate.folds=0"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Numbers of series: each of our runs, of peers (None: all), of slow peers, of the choice of a way, of linprog."""

    ours: Sequence[int]
    peers: int | None
    arima: int
    tried: int
    linprog: int


def timed(progress: Recorded, name: str, work: Callable[[], object]) -> Stage:
    """Return what some work took."""
    place = len(progress.stages)
    with progress.stage(name):
        work()
    return progress.stages[place]


def ours(spark: SparkSession, config: Config, progress: Recorded) -> tuple[Run, dict[str, Stage]]:
    """Do every job up to the plan without limits; return the run and what each took."""
    ensure_generated(spark, config.sources, freq=config.freq, seed=config.seed)
    jobs = (*BEFORE, plan_orders)
    used = {job.JOB: timed(progress, job.JOB, lambda job=job: job.run(spark, config, progress)) for job in jobs}  # type: ignore[misc]
    return open_run(spark, config), used


def per_series(used: Stage, n_series: int) -> Row:
    """Return a row of the report."""
    each = 1e3 * used.core_seconds / n_series
    return {"series": n_series, "seconds": used.seconds, "core_seconds": used.core_seconds, "core_ms_a_series": each}


@dataclass(frozen=True)
class Judge:
    """Who is scored on what: some series, their true demand, the quantiles asked for.

    Attributes:
        names: ids of the series, of those we forecast.
        actual: shape (n_series, horizon), units; NaN = not on sale.
        own: shape (n_series, horizon, n_levels), our quantiles.
        levels: shape (n_levels,).
    """

    names: "pd.Series[str]"
    actual: FloatArray
    own: FloatArray
    levels: FloatArray

    @classmethod
    def of(cls, run: Run, panel: Panel) -> "Judge":
        """Return the judge of a panel's series."""
        spark, config = run.store.spark, run.config
        chosen = F.broadcast(spark.createDataFrame(panel.keys[KEY]))
        rows = run.read(t.FORECASTS, forecast.JOB).where(F.col(t.MEAN).isNotNull()).join(chosen, KEY, "left_semi").toPandas()
        quantiles = np.stack([np.stack(by_step) for by_step in rows[t.QUANTILES]]).astype(np.float32)
        after = F.col(t.DATE) > F.lit(run.needed(forecast.JOB).cutoff)
        wanted = spark.read.parquet(f"{config.sources.path}/{TRUE_DEMAND.name}").where(after).join(chosen, KEY, "left_semi")
        table = wanted.toPandas().pivot_table(index=KEY, columns=t.DATE, values=DEMAND).iloc[:, : config.forecast.horizon]
        actual = table.reindex(pd.MultiIndex.from_frame(rows[KEY])).to_numpy(np.float32)
        return cls(rows[t.SKU] + "|" + rows[t.SITE], actual, quantiles, np.array(config.forecast.quantiles, np.float32))

    def loss(self, quantiles: FloatArray) -> float:
        """Return the mean pinball loss, units."""
        return float(np.nanmean(pinball_loss(self.actual, quantiles, self.levels)))


def read_panel(run: Run) -> Panel:
    """Return all series, not prepared, in an order by hash: the first of them are a sample."""
    files = run.files(t.SERIES, "build_features")
    panel = open_view(run).panel(pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True))
    return panel.take(np.argsort(random.series_seeds(panel.keys, panel.cutoff, seed=0)))


def forecast_peers(run: Run, folder: Path, sizes: Sizes, progress: Recorded) -> tuple[dict[str, Row], str]:
    """Return a row for each forecaster, our loss among them, and where statsforecast runs."""
    from statsforecast.models import AutoARIMA, AutoETS

    panel, levels = read_panel(run), np.array(run.config.forecast.quantiles, np.float32)
    n_all = min(sizes.peers or len(panel.keys), len(panel.keys))
    n_few = min(sizes.arima, n_all)
    asked: dict[int, Asked] = {}
    for n_series in {n_all, n_few, min(sizes.tried, n_all), WARMING}:
        asked[n_series] = Asked(folder / f"first-{n_series}", HORIZON, levels)
        write_rows(panel.take(np.arange(n_series)), asked[n_series])
    judge = Judge.of(run, panel.take(np.arange(min(SCORED, n_few))))

    def row(name: str, peer: Peer, model: str, n_series: int) -> Row:
        peer(asked[WARMING], str(folder / f"{name}-warming"))
        answer = str(folder / name)
        used = timed(progress, name, lambda: peer(asked[n_series], answer))
        scored = judge.loss(quantiles_of(answer, model, judge.names, asked[n_series])) if n_series >= n_few else None
        return per_series(used, n_series) | {"pinball": scored}

    ets, seasonal, arima = AutoETS(1), AutoETS(SEASON, alias="AutoETS52"), AutoARIMA(season_length=1)
    ways: dict[str, Callable[[Any], Peer]] = {"one machine": here, "Spark": lambda model: on_spark(model, run.store.spark)}
    tried = {
        f"AutoETS, {way}": row(f"try AutoETS, {way}", make(ets), "AutoETS", min(sizes.tried, n_all))
        for way, make in ways.items()
    }
    way = min(ways, key=lambda way: tried[f"AutoETS, {way}"]["core_ms_a_series"])
    rows = {
        OURS: {"pinball": judge.loss(judge.own)},
        **tried,
        "AutoETS": row("AutoETS", ways[way](ets), "AutoETS", n_all),
        "AutoETS, season 52": row("AutoETS, season 52", ways[way](seasonal), "AutoETS52", n_few),
        "AutoARIMA": row("AutoARIMA", ways[way](arima), "AutoARIMA", n_few),
        "LightGBM": row(LIGHTGBM, lightgbm, LIGHTGBM, n_all),
    }
    return rows, way


def plan_peer(run: Run, folder: Path, sizes: Sizes, progress: Recorded) -> Row:
    """Return the row of linprog, its start taken off, and the largest difference to the cost that we find.

    Raises:
        AssertionError: linprog finds another cost.
    """
    spark, panel = run.store.spark, read_panel(run)
    some = panel.take(np.arange(min(sizes.linprog, len(panel.keys)))).keys[KEY]
    sources, n_series, used = {}, {}, {}
    for name, keys in {"quarter": some.iloc[: len(some) // 4], "whole": some}.items():
        sources[name] = peers_plan.programs(run, keys)
        n_series[name] = sum(one.n_series for one in sources[name])
        peers_plan.write_programs(sources[name], folder / f"{name}.parquet")
    for name in ("quarter", "whole"):
        source, target = folder / f"{name}.parquet", folder / f"{name}-planned"
        used[name] = timed(progress, f"linprog, {name}", lambda: peers_plan.plan_on_spark(spark, source, target))  # noqa: B023
    difference = peers_plan.largest_difference(sources["whole"], folder / "whole-planned")
    assert difference < peers_plan.TOLERANCE, f"linprog found another cost: {difference}"
    more = used["whole"].core_seconds - used["quarter"].core_seconds
    each = 1e3 * more / (n_series["whole"] - n_series["quarter"])
    return per_series(used["whole"], n_series["whole"]) | {"core_ms_a_series": each, "largest_difference": difference}


def our_row(used: Sequence[Stage], n_series: Sequence[int]) -> Row:
    """Return what a stage of ours takes: the marginal cost of a series where there are several sizes."""
    found = per_series(used[0], n_series[0])
    if len(used) == 1:
        return found
    more = 1e3 * (used[-1].core_seconds - used[0].core_seconds) / (n_series[-1] - n_series[0])
    sizes = {f"core_seconds_{n}": one.core_seconds for one, n in zip(used, n_series, strict=True)}
    return found | sizes | {"mean_core_ms_a_series": found["core_ms_a_series"], "core_ms_a_series": more}


def beside(rows: dict[str, Row]) -> dict[str, Row]:
    """Return the rows with ratios to ours."""
    own = rows[OURS]
    for found in rows.values():
        for name, ratio in (("core_ms_a_series", "times_ours"), ("pinball", "loss_over_ours")):
            if own.get(name) and found.get(name):
                found[ratio] = found[name] / own[name]
    return rows


def measured(folder: Path, sizes: Sizes, settings: Sequence[str]) -> dict[str, Any]:
    """Return what is found at these sizes."""
    configs = []
    for n_series in sorted(sizes.ours):
        place = folder / str(n_series)
        shutil.rmtree(place / "warehouse", ignore_errors=True)
        asked = [*SETTINGS, *OWN, *settings]
        configs.append(configured("bench_peers", place, n_series=n_series, models=MODELS, settings=asked))
    spark, progress = session(configs[0].spark, configs[0].name), Recorded()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        runs = [ours(spark, config, progress) for config in configs]
        n_series = [run.needed(forecast.JOB).counts["series"] for run, _ in runs]
        first, answers = runs[0][0], Path(scratch)
        rows, way = forecast_peers(first, answers, sizes, progress)
        by_job = {job: our_row([used[job] for _, used in runs], n_series) for job in (forecast.JOB, plan_orders.JOB, train.JOB)}
        rows[OURS] = by_job[forecast.JOB] | rows[OURS]
        plan = {OURS: by_job[plan_orders.JOB], "linprog": plan_peer(first, answers, sizes, progress)}
    spark.stop()
    about = {"n_series": n_series, "seed": configs[0].seed, "statsforecast_runs_on": way, "train": by_job[train.JOB]}
    return {**about, "forecast": beside(rows), "plan": beside(plan)}


def main() -> None:
    """Print a table a stage, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, action="append", required=True, help="may be given twice: marginal cost")
    parser.add_argument("--peer-series", type=int, help="of AutoETS and LightGBM; default: all of the first size")
    parser.add_argument("--arima-series", type=int, default=2000)
    parser.add_argument("--try-series", type=int, default=500)
    parser.add_argument("--linprog-series", type=int, default=2000)
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--folder", type=Path, help="keeps platforms; default: a temporary one")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    sizes = Sizes(asked.series, asked.peer_series, asked.arima_series, asked.try_series, asked.linprog_series)
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        found = measured(folder, sizes, [f"sources.generator.n_periods={asked.weeks}", *asked.settings])
    for stage in ("forecast", "plan"):
        print(f"\n{stage}\n{pd.DataFrame(found[stage]).T.to_string(float_format='{:.4g}'.format)}")
    print(json.dumps({"benchmark": "peers", "weeks": asked.weeks, **found}))


if __name__ == "__main__":
    main()
