"""Local LSTMs three ways: a new Keras model a series, one compiled Keras model with its weights reset, and the stack.

python tests/benchmarks/bench_lstm.py [--smoke]

All three train the same models from the same weights on the same data for the same number of epochs on one thread. Seconds are
processor seconds of this process (they equal wall time on an idle machine and do not count what others use); compiling is paid
once by the reset model and by the stack and is shown apart, a new model pays it every time. The last line is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import LocalLstm
from replen.features.panel import Panel
from replen.forecast.local_lstm.examples import Examples, read, reading_of, training_examples
from replen.forecast.local_lstm.model import means
from replen.forecast.local_lstm.train import for_epochs, layout_of
from replen.forecast.lstm.train import prepare_tensorflow
from replen.overlays import load_config
from tests.unit import keras_twin

FULL = {"n_stacks": 2, "n_new": 6, "n_reset": 24}
SMOKE = {"n_stacks": 1, "n_new": 1, "n_reset": 2}
SMALL = {"units": 4, "context": 8, "slices": 2, "origins_per_slice": 4, "epochs": 2, "stack": 16}


def panel_of(n_series: int, n_periods: int = 156) -> Panel:
    """Return busy weekly series with a season, three years long."""
    rng = np.random.default_rng(0)
    weeks = np.arange(n_periods)
    level = np.exp(rng.uniform(2, 5, (n_series, 1)))
    season = 1 + 0.5 * np.sin(2 * np.pi * (weeks / 52 + rng.uniform(0, 1, (n_series, 1))))
    sales = rng.negative_binomial(5, 5 / (5 + level * season)).astype(np.float32)
    keys = pd.DataFrame({t.SKU: [f"sku {i}" for i in range(n_series)], t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    return Panel(keys, np.datetime64("2022-01-03") + 7 * weeks, {t.SALES_HISTORY: sales}, {})


def examples_of(panel: Panel, settings: LocalLstm, *, horizon: int) -> Examples:
    """Return what all series learn from."""
    return training_examples(read(panel, reading_of(panel, settings, horizon=horizon)), np.arange(len(panel.keys)), settings)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall seconds that the work takes."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def main() -> None:
    """Print what each way costs and how far the stack's forecasts are from Keras' own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    smoke = parser.parse_args().smoke
    forecast = load_config(None).forecast
    settings, sizes = forecast.local_lstm.model_copy(update=SMALL if smoke else {}), SMOKE if smoke else FULL
    prepare_tensorflow(1)
    stack = settings.stack
    examples = examples_of(panel_of(stack * sizes["n_stacks"]), settings, horizon=4 if smoke else forecast.horizon)
    print(json.dumps(report(examples, settings, sizes, stack=stack)))


def report(examples: Examples, settings: LocalLstm, sizes: dict[str, int], *, stack: int) -> dict[str, float | str]:
    """Return the measured numbers, after printing them as a table."""
    layout = layout_of(examples, settings)
    seeds = np.arange(len(examples), dtype=np.int64)
    epochs = np.full(stack, settings.epochs)
    parts = [examples.take(slice(start, start + stack)) for start in range(0, len(examples), stack)]
    stacked: list[np.ndarray] = []

    def train_stacks() -> None:
        for number, part in enumerate(parts):
            stacked.append(for_epochs(part, seeds[number * stack :][:stack], settings, epochs))

    compile_stack, _ = seconds(lambda: for_epochs(parts[0], seeds[:stack], settings, np.ones(stack, np.intp)))
    in_stack = np.array(seconds(train_stacks)) / len(examples)

    def train_new() -> None:
        for row in range(sizes["n_new"]):
            keras_twin.train(examples, seeds, settings, row=row, n_epochs=settings.epochs)

    new = np.array(seconds(train_new)) / sizes["n_new"]
    twin = keras_twin.compiled(keras_twin.network(layout, examples), settings)
    compile_reset, _ = seconds(lambda: keras_twin.train_again(twin, examples, seeds, settings, row=0, n_epochs=1))
    theirs: list[np.ndarray] = []

    def train_reset() -> None:
        for row in range(sizes["n_reset"]):
            keras_twin.train_again(twin, examples, seeds, settings, row=row, n_epochs=settings.epochs)
            theirs.append(keras_twin.means(twin, examples, row=row))

    reset = np.array(seconds(train_reset)) / sizes["n_reset"]
    ours = means(stacked[0], parts[0], settings)[: len(theirs)]
    difference = np.abs(ours / np.stack(theirs) - 1)
    names = ("a new Keras model", "one model, weights reset", f"stack of {stack}")
    print(f"{'':28}processor s  wall s a series")
    for name, (processor, wall) in zip(names, (new, reset, in_stack), strict=True):
        print(f"{name:28}{processor:11.4f}{wall:8.4f}")
    return {
        "new_s": new[0], "reset_s": reset[0], "stacked_s": in_stack[0], "new_over_stacked": new[0] / in_stack[0],
        "reset_over_stacked": reset[0] / in_stack[0], "compile_stack_s": compile_stack, "compile_reset_s": compile_reset,
        "largest_relative_difference": float(difference.max()), "epochs": settings.epochs, "stack": stack,
    }  # fmt: skip


if __name__ == "__main__":
    main()
