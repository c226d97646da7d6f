"""Two ranks in local Spark train one network: as one process does, the same weights on both, and a rank may die."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pyspark import SparkConf

import replen.tables as t
from replen.errors import ConfigError, ReplenError
from replen.features.view import View
from replen.forecast.distributed import on_ranks
from replen.forecast.interface import EpochMetrics
from replen.forecast.lstm.checkpoint import Checkpoints, told_from
from replen.forecast.ranks import ALONE, Ranks
from replen.forecast.storage import Packed
from replen.forecast.streamed import Training
from replen.overlays import load_config
from replen.spark.fitting import check_slots, fit_on_ranks

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = [
    "forecast.lstm.epochs=3", "forecast.lstm.windows_per_epoch=2400", "forecast.lstm.batch_size=30",
    "forecast.lstm.validation_share=0.5", "forecast.lstm.ranks=2",
]  # fmt: skip
CONFIG = load_config(Path(__file__).parents[2] / "conf/test.yaml", SETTINGS)
N_SERIES, N_PERIODS = 240, 70
PERIODS = np.datetime64("2023-01-02") + 7 * np.arange(N_PERIODS)


def series_files(folder: Path) -> tuple[str, ...]:
    """Write rows of `series` to three files that no equal share respects."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame([dict.fromkeys(t.SERIES.names) for _ in range(N_SERIES)])
    rows[t.SKU], rows[t.SITE], rows[t.STREAM] = [f"sku-{number}" for number in range(N_SERIES)], "site", t.POOLED
    rows[t.BUCKET], rows[t.START_DATE], rows[t.CATEGORY] = 0, PERIODS[0].item(), [f"kind {i % 7}" for i in range(N_SERIES)]
    level = np.exp(rng.uniform(0, 4, (N_SERIES, 1)))  # Poisson: the network has to learn how little they vary
    sales = rng.poisson(level, (N_SERIES, N_PERIODS)).astype(np.float32)
    rows[t.SALES_HISTORY] = pd.Series(list(sales), dtype=object)
    folder.mkdir()
    cuts = [0, 50, 170, N_SERIES]
    files = [folder / f"{number}.parquet" for number in range(3)]
    for file, first, last in zip(files, cuts, cuts[1:], strict=False):
        rows[first:last].to_parquet(file, row_group_size=40)
    return tuple(map(str, files))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Training]:
    """Return what makes the training that keeps its checkpoints in a folder of the given name."""
    folder = tmp_path_factory.mktemp("horovod")
    view = View(pd.DataFrame(columns=t.MARKET.names), "W", PERIODS[-1].item(), CONFIG.forecast.horizon, CONFIG.features)
    files = series_files(folder / "series")
    return lambda name: Training("lstm", view, files, PERIODS[-1], CONFIG.forecast, 5, str(folder / name))


def digest(packed: Packed) -> str:
    """Return a hash of the weights and of what predictions depend on besides."""
    weights = b"".join(array.tobytes() for network in packed.networks for array in network.get_weights())
    return hashlib.sha256(weights + packed.files["lstm.json"]).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(spark: "SparkSession", training: Callable[[str], Training]) -> tuple[Packed, list[EpochMetrics]]:
    """Return the forecaster of two ranks and the epochs told."""
    told: list[EpochMetrics] = []
    made = fit_on_ranks(spark, training("undisturbed"), attempts=1, observer=told.append, note=print)
    return made, told


def test_two_ranks_learn_what_one_process_learns(
    undisturbed: tuple[Packed, list[EpochMetrics]], training: Callable[[str], Training]
) -> None:
    alone: list[EpochMetrics] = []
    training("alone").on(ALONE, alone.append)
    together = undisturbed[1]
    assert [told.epoch for told in together] == [told.epoch for told in alone] == [1, 2, 3]
    assert alone[-1].validation_loss < 0.98 * alone[0].validation_loss  # there is something to learn
    assert together[-1].validation_loss == pytest.approx(alone[-1].validation_loss, rel=0.01)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of the attempt's Spark job
def test_a_killed_rank_costs_one_epoch_and_all_ranks_end_with_the_weights_of_an_undisturbed_run(
    spark: "SparkSession", undisturbed: tuple[Packed, list[EpochMetrics]], training: Callable[[str], Training], tmp_path: Path
) -> None:
    made, told, notes = training("killed"), list[EpochMetrics](), list[str]()
    died = tmp_path / "died"

    def work(ranks: Ranks) -> tuple[list[str], list[int]]:
        epochs: list[int] = []

        def die_once(metrics: EpochMetrics) -> None:
            epochs.append(metrics.epoch)
            if ranks.rank == 1 and metrics.epoch == 2 and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return ranks.gather(digest(made.on(ranks, die_once))), epochs

    with told_from(Checkpoints(made.folder), told.append):
        digests, epochs = on_ranks(work, size=2, attempts=2, shipped=[], note=notes.append)
    assert died.exists()
    assert len(notes) == 1
    assert "attempt 2 of 2" in notes[0]
    assert epochs in ([2, 3], [3])  # rank 0 may or may not have kept epoch 2 when rank 1 died after it
    assert digests == [digest(undisturbed[0])] * 2
    assert told == undisturbed[1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_attempts_are_bounded_and_the_error_shows_what_the_rank_said(spark: "SparkSession") -> None:
    def work(ranks: Ranks) -> None:
        if ranks.rank == 1:
            raise ValueError("no such luck")
        ranks.gather(ranks.rank)

    owners = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ReplenError, match=r"forecast\.lstm\.ranks: .* 1 attempts failed(?s:.*)no such luck"):
        on_ranks(work, size=2, attempts=1, shipped=[], note=print)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == owners
    assert spark.range(3).count() == 3


def test_sessions_that_cannot_hold_the_ranks_are_refused() -> None:
    conf = SparkConf(loadDefaults=False).set("spark.task.cpus", "2").set("spark.speculation", "true")
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*spark\.speculation.*expected 4 task slots, found 3"):
        check_slots(conf, 4, cores=6)
    check_slots(conf.set("spark.speculation", "false"), 3, cores=6)
