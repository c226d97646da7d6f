"""How much of the bias that stock-outs cause masking takes away, on FreshRetailNet-50K, where they are put in by hand.

python tests/benchmarks/bench_censoring.py --data DIR [--models moving_average,lightgbm,lstm] [--series 50000]

Only fully stocked days count as known; a seeded fifth of them is cut as real stock-outs cut sales. Every forecaster is fitted
three times: on what was really sold (truth), on the cut sales as if they were demand (raw), and with the cut days masked
(masked); the last week's fully stocked days are then forecast. Removed = 1 - |masked - truth| / |raw - truth| in bias, where
bias = (forecast - sold) / sold. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from jobs.score_fresh_retail import LEVELS, OVERLAY
from replen import tables as t
from replen.config import Config
from replen.evaluate.censoring import censored, fully_stocked
from replen.evaluate.contest import Question, contest
from replen.features.panel import Panel, panel_from_series
from replen.overlays import load_config
from replen.sources.fresh_retail import read_fresh_retail

SHARE, HORIZON = 0.2, 7


def variants(panel: Panel, seed: int) -> Iterator[tuple[str, Panel, float]]:
    """Yield name, panel and features.min_in_stock of each way to train; nothing real that was short counts as known."""
    known = fully_stocked(panel)
    cut = censored(panel, share=SHARE, seed=seed)
    real = panel.past[t.IN_STOCK] < 1
    cut = replace(cut, past={**cut.past, t.SALES_HISTORY: np.where(real, np.nan, cut.past[t.SALES_HISTORY])})
    yield "truth", known, 0.0
    yield "raw", cut, 0.0
    yield "masked", cut, 1.0


def biases(series: Panel, config: Config, models: list[str]) -> dict[str, dict[str, float]]:
    """Return bias by model and variant."""
    cutoff = series.periods[-1 - HORIZON]
    actual = fully_stocked(series).past[t.SALES_HISTORY][:, -HORIZON:]
    known, found = np.isfinite(actual), {model: {} for model in models}
    for name, panel, min_in_stock in variants(series, config.seed):
        features = config.features.model_copy(update={"min_in_stock": min_in_stock})
        question = Question(panel.until(cutoff, HORIZON), actual, np.array(LEVELS, np.float32))
        setting = config.model_copy(update={"features": features})
        for entry in contest(question, setting, models=models, threads=2, note=lambda text: sys.stderr.write(text + "\n")):
            found[entry.model][name] = float((entry.scored.mean - actual)[known].sum() / actual[known].sum())
    return found


def main() -> None:
    """Print one line a forecaster, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", default="moving_average,lightgbm,lstm")
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    chosen = parser.parse_args()
    config, data = load_config(OVERLAY, chosen.settings), read_fresh_retail(chosen.data)
    series = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[-1], n_ahead=HORIZON)
    step = -(-len(series.keys) // chosen.series)
    series = series.take(np.arange(0, len(series.keys), step))
    result = {}
    for model, by_variant in biases(series, config, chosen.models.split(",")).items():
        removed = 1 - abs(by_variant["masked"] - by_variant["truth"]) / abs(by_variant["raw"] - by_variant["truth"])
        result[model] = {**by_variant, "removed": removed}
        print(f"{model:16s}" + "".join(f"  {name} {value:+.4f}" for name, value in result[model].items()))
    print(json.dumps({"benchmark": "censoring", "n_series": len(series.keys), "seed": config.seed, "bias": result}))


if __name__ == "__main__":
    main()
