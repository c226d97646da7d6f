"""The global LSTM on one process and on two ranks, the same global batch and data: how many series-steps a second.

python tests/benchmarks/bench_horovod.py [--smoke]

A series-step is one period of one slice of history, passed forwards and backwards once. Seconds are those of whole epochs after
the first one (which compiles): reading and preparing the series, all steps, validation, checkpoint. Starting Spark tasks,
interpreters and TensorFlow is shown apart. Processor seconds are those of all ranks; they tell what a machine that others use
hides. The last line is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import replen.tables as t
from replen.config import Config
from replen.features.view import View
from replen.forecast.distributed import on_ranks
from replen.forecast.interface import EpochMetrics
from replen.forecast.lstm.step import Pace
from replen.forecast.ranks import ALONE, Alone, Ranks
from replen.forecast.streamed import Training
from replen.overlays import load_config
from replen.spark.session import session

VARIANTS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 ranks, 1 thread each": (2, 1)}
FULL = {"n_series": 4000, "settings": ["forecast.lstm.epochs=6"]}
SMOKE = {
    "n_series": 200,
    "settings": ["forecast.lstm.epochs=2", "forecast.lstm.windows_per_epoch=800", "forecast.lstm.units=8"],
}
N_PERIODS = 156
Epochs = list[tuple[float, float, float]]


def series_file(folder: Path, n_series: int) -> str:
    """Return a file of weekly series, three years long, with a season."""
    rng = np.random.default_rng(0)
    weeks = np.arange(N_PERIODS)
    rows = pd.DataFrame([dict.fromkeys(t.SERIES.names)] * n_series)
    rows[t.SKU], rows[t.SITE], rows[t.STREAM] = [f"sku {number}" for number in range(n_series)], "shop", t.POOLED
    rows[t.BUCKET], rows[t.START_DATE] = 0, np.datetime64("2021-01-04").item()
    rows[t.CATEGORY] = [f"category {number % 20}" for number in range(n_series)]
    level = np.exp(rng.uniform(0, 5, (n_series, 1))) * (
        1 + 0.5 * np.sin(2 * np.pi * weeks / 52 + rng.uniform(0, 6, (n_series, 1)))
    )
    rows[t.SALES_HISTORY] = pd.Series(list(rng.negative_binomial(5, 5 / (5 + level)).astype(np.float32)), dtype=object)
    rows.to_parquet(folder / "series.parquet", row_group_size=500)
    return str(folder / "series.parquet")


def timed(training: Training, *, alone: bool) -> Callable[[Ranks], list[Epochs]]:
    """Return work that gives wall second, processor second and validation loss at the end of each epoch, by rank."""

    def work(ranks: Ranks) -> list[Epochs]:
        epochs: Epochs = []

        def note(told: EpochMetrics) -> None:
            epochs.append((time.perf_counter(), time.process_time(), told.validation_loss))

        training.on(ALONE if alone else ranks, note)
        return ranks.gather(epochs)

    return work


def measure(config: Config, folder: Path, file: str, *, size: int, threads: int) -> dict[str, float]:
    """Return what one variant reached."""
    lstm = config.forecast.lstm.model_copy(update={"threads": threads, "ranks": size})
    forecast = config.forecast.model_copy(update={"lstm": lstm})
    last = np.datetime64("2021-01-04") + 7 * (N_PERIODS - 1)
    view = View(pd.DataFrame(columns=t.MARKET.names), "W", last.item(), forecast.horizon, config.features)
    training = Training("lstm", view, (file,), last, forecast, config.seed, str(folder / f"{size}-{threads}"))
    began = time.perf_counter()
    by_rank = on_ranks(timed(training, alone=size == 1), size=size, attempts=1, shipped=[], note=print)
    whole = time.perf_counter() - began
    steps = sum(Pace.of(lstm, Alone(rank, size)).n_slices for rank in range(size)) * lstm.context
    wall = np.diff([second for second, _, _ in by_rank[0]])
    processor = sum(np.diff([second for _, second, _ in epochs]) for epochs in by_rank)
    return {
        "series_steps_per_second": steps / float(np.median(wall)),
        "series_steps_per_processor_second": steps / float(np.median(processor)),
        "seconds_an_epoch": float(np.median(wall)),
        "processor_seconds_an_epoch": float(np.median(processor)),
        "seconds_besides_epochs": whole - float(wall.sum()),
        "validation_loss": min(loss for _, _, loss in by_rank[0]),
    }


def main() -> None:
    """Print one line a variant, then all of it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    sizes = SMOKE if parser.parse_args().smoke else FULL
    config = load_config(None, ["spark.master=local[2]", "spark.driver_memory=1g", *sizes["settings"]])
    spark = session(config.spark, "bench_horovod")
    found = {}
    with TemporaryDirectory() as folder:
        file = series_file(Path(folder), sizes["n_series"])
        for name, (size, threads) in VARIANTS.items():
            found[name] = measure(config, Path(folder), file, size=size, threads=threads)
            print(f"{name:24}" + "".join(f"  {key} {value:,.3f}" for key, value in found[name].items()), flush=True)
    spark.stop()
    two, one = (found[name]["series_steps_per_second"] for name in ("2 ranks, 1 thread each", "1 process, 1 thread"))
    print(json.dumps({"variants": found, "speedup_of_two_ranks": two / one}))


if __name__ == "__main__":
    main()
