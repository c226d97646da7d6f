"""Local LSTMs three ways: a new Keras model a series, one compiled Keras model with its weights reset, and the stack.

python tests/benchmarks/bench_lstm.py [--smoke]

All three train the same models from the same weights on the same data for the same number of epochs on one thread. Processor
seconds leave out what others do on the machine. What is compiled once, for the reset model and for the stack, is shown apart; a
new model compiles every time. Training multiplies the rounding of single precision, so forecasts after it are compared twice:
the stack's with Keras' own, and Keras' own with those from weights that differ in their last digit. The last line is JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import LocalLstm
from replen.features.panel import Panel
from replen.forecast.local_lstm.examples import read, reading_of, training_examples
from replen.forecast.local_lstm.model import means
from replen.forecast.local_lstm.train import for_epochs, layout_of
from replen.forecast.lstm.step import prepare_tensorflow
from replen.overlays import load_config
from tests.unit import keras_twin

Report = dict[str, float]

N_STACKS, N_NEW, N_RESET = 2, 6, 24
SMALL = {"units": 4, "context": 8, "slices": 2, "origins_per_slice": 4, "epochs": 2, "stack": 16}
LAST_DIGIT = 2e-7


def panel_of(n_series: int, n_periods: int = 156) -> Panel:
    """Return busy weekly series with a season, three years long."""
    rng = np.random.default_rng(0)
    weeks = np.arange(n_periods)
    level = np.exp(rng.uniform(2, 5, (n_series, 1)))
    season = 1 + 0.5 * np.sin(2 * np.pi * (weeks / 52 + rng.uniform(0, 1, (n_series, 1))))
    sales = rng.negative_binomial(5, 5 / (5 + level * season)).astype(np.float32)
    keys = pd.DataFrame({t.SKU: [f"sku {i}" for i in range(n_series)], t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    return Panel(keys, np.datetime64("2022-01-03") + 7 * weeks, {t.SALES_HISTORY: sales}, {})


class Bench:
    """The data, and the three ways to train on them."""

    def __init__(self, settings: LocalLstm, *, n_stacks: int, horizon: int) -> None:
        panel = panel_of(settings.stack * n_stacks)
        inputs = read(panel, reading_of(panel, settings, horizon=horizon))
        self.examples = training_examples(inputs, np.arange(len(panel.keys)), settings)
        self.settings, self.seeds = settings, np.arange(len(panel.keys), dtype=np.int64)

    def stacked(self, n_series: int, *, n_epochs: int) -> np.ndarray:
        """Return forecasts of the first series, trained stack by stack."""
        found = []
        for start in range(0, n_series, self.settings.stack):
            rows = slice(start, start + self.settings.stack)
            part, seeds = self.examples.take(rows), self.seeds[rows]
            weights = for_epochs(part, seeds, self.settings, np.full(len(part), n_epochs))
            found.append(means(weights, part, self.settings))
        return np.concatenate(found)

    def new_each(self, n_series: int) -> None:
        """Train a new Keras model for each of the first series."""
        for row in range(n_series):
            keras_twin.train(self.examples, self.seeds, self.settings, row=row, n_epochs=self.settings.epochs)

    def compiled(self) -> Any:
        """Return one Keras model, compiled by a first step."""
        twin = keras_twin.compiled(keras_twin.network(layout_of(self.examples, self.settings), self.examples), self.settings)
        return keras_twin.train_again(twin, self.examples, self.seeds, self.settings, row=0, n_epochs=1)

    def reset(self, twin: Any, n_series: int, *, nudge: float = 0.0) -> np.ndarray:
        """Return forecasts of the first series, each trained by the same Keras model with its weights reset."""
        found, n_epochs = [], self.settings.epochs
        for row in range(n_series):
            keras_twin.train_again(twin, self.examples, self.seeds, self.settings, row=row, n_epochs=n_epochs, nudge=nudge)
            found.append(keras_twin.means(twin, self.examples, row=row))
        return np.stack(found)


def timed(report: Report, name: str, work: Callable[[], Any], *, n_series: int) -> Any:
    """Return what the work gives, after noting its processor and wall seconds a series."""
    processor, wall = time.process_time(), time.perf_counter()
    given = work()
    report[name] = (time.process_time() - processor) / n_series
    report[f"{name}_wall"] = (time.perf_counter() - wall) / n_series
    print(f"{name:28}{report[name]:11.4f}{report[f'{name}_wall']:11.4f}")
    return given


def measured(bench: Bench, *, n_new: int, n_reset: int) -> Report:
    """Return seconds a series of each way, their ratios, and how far forecasts are apart, relative to them."""
    report: Report = {}
    n_series, epochs = len(bench.examples), bench.settings.epochs
    print(f"{'seconds a series':28}{'processor':>11}{'wall':>11}")
    timed(report, "new_model", lambda: bench.new_each(n_new), n_series=n_new)
    twin = timed(report, "compile_reset_model", bench.compiled, n_series=1)
    theirs = timed(report, "reset_model", lambda: bench.reset(twin, n_reset), n_series=n_reset)
    timed(report, "compile_stack", lambda: bench.stacked(1, n_epochs=1), n_series=1)
    ours = timed(report, "stack", lambda: bench.stacked(n_series, n_epochs=epochs), n_series=n_series)
    nudged = bench.reset(twin, n_reset, nudge=LAST_DIGIT)
    report["new_over_stack"] = report["new_model"] / report["stack"]
    report["reset_over_stack"] = report["reset_model"] / report["stack"]
    pairs = {"stack_from_keras": (ours[:n_reset], theirs), "nudged_from_keras": (nudged, theirs)}
    for name, (one, other) in pairs.items():
        difference = np.abs(one / other - 1)
        report[f"{name}_median"], report[f"{name}_largest"] = float(np.median(difference)), float(difference.max())
    return report


def main() -> None:
    """Print what each way costs and how far the stack's forecasts are from Keras' own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    smoke = parser.parse_args().smoke
    forecast = load_config(None).forecast
    prepare_tensorflow(1)
    settings = forecast.local_lstm.model_copy(update=SMALL if smoke else {})
    bench = Bench(settings, n_stacks=1 if smoke else N_STACKS, horizon=4 if smoke else forecast.horizon)
    report = measured(bench, n_new=1 if smoke else N_NEW, n_reset=2 if smoke else N_RESET)
    print(json.dumps({**report, "epochs": settings.epochs, "stack": settings.stack, "units": settings.units}))


if __name__ == "__main__":
    main()
