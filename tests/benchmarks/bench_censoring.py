"""How much of the bias that stock-outs cause is taken away, where it is known what would have sold.

python tests/benchmarks/bench_censoring.py --data DIR [--models moving_average,ridge,lightgbm,lstm] [--series 50000]
python tests/benchmarks/bench_censoring.py --generated DIR [...]

--data is FreshRetailNet-50K: only fully stocked days count as known; a seeded fifth of them is cut as real stock-outs cut
sales, and the last week's fully stocked days are forecast. --generated is a generated weekly platform, made in DIR, whose
true demand is known: what its customers wanted in the 13 weeks after the cutoff is forecast. Every forecaster is fitted three
times: on demand (truth; in generated data no stock-out is to be seen there), on sales as if they were demand (raw), and as
features.min_in_stock says (ours). Removed = 1 - |ours - truth| / |raw - truth| in bias, where bias = (forecast - demand) /
demand. The last line of output is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.score_fresh_retail import LEVELS, OVERLAY
from jobs.train import open_view
from replen import tables as t
from replen.config import Config
from replen.evaluate.censoring import censored, fully_stocked
from replen.evaluate.contest import Question, contest
from replen.features.calendar import periods_after
from replen.features.panel import FloatArray, Panel, panel_from_series
from replen.overlays import load_config
from replen.progress import Progress
from replen.sources.fresh_retail import read_fresh_retail
from replen.sources.generator_periods import DEMAND, TRUE_DEMAND
from replen.spark.run import open_run
from replen.spark.session import session
from tests.benchmarks.generated import configured, make_series

SHARE, HORIZON = 0.2, 7
MODELS = "moving_average,ridge,lightgbm,lstm"


@dataclass(frozen=True)
class Case:
    """What is measured: ways to train (panel up to the cutoff, features.min_in_stock) and the demand that came after."""

    config: Config
    ways: dict[str, tuple[Panel, float]]
    actual: FloatArray

    def biases(self, models: Sequence[str]) -> pd.DataFrame:
        """Return bias by model and way to train."""
        found, known = {}, np.isfinite(self.actual)
        for name, (panel, min_in_stock) in self.ways.items():
            features = self.config.features.model_copy(update={"min_in_stock": min_in_stock})
            question = Question(panel, self.actual, np.array(LEVELS, np.float32))
            setting = self.config.model_copy(update={"features": features})
            for entry in contest(question, setting, models=models, threads=2, note=lambda text: sys.stderr.write(text + "\n")):
                off = (entry.scored.mean - self.actual)[known & np.isfinite(entry.scored.mean)].sum()
                found[entry.model, name] = float(off / self.actual[known].sum())
        return pd.Series(found).unstack()[list(self.ways)]


def fresh_retail(folder: Path, n_series: int, settings: Sequence[str]) -> Case:
    """Return the case of real data; nothing real that was short counts as known."""
    config, data = load_config(OVERLAY, settings), read_fresh_retail(folder)
    series = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[-1], n_ahead=HORIZON)
    series = series.take(np.arange(0, len(series.keys), -(-len(series.keys) // n_series)))
    known, cut = fully_stocked(series), censored(series, share=SHARE, seed=config.seed)
    sales = np.where(series.past[t.IN_STOCK] < 1, np.nan, cut.past[t.SALES_HISTORY]).astype(np.float32)
    until = series.periods[-1 - HORIZON]
    told, cut = (panel.until(until, HORIZON) for panel in (known, replace(cut, past={**cut.past, t.SALES_HISTORY: sales})))
    ways = {"truth": (told, 0.0), "raw": (cut, 0.0), "ours": (cut, config.features.min_in_stock)}
    return Case(config, ways, known.past[t.SALES_HISTORY][:, -HORIZON:])


def generated(folder: Path, n_series: int, models: Sequence[str], settings: Sequence[str]) -> Case:
    """Return the case of a generated platform, whose true demand no job reads."""
    config = configured("bench_censoring", folder, n_series=n_series, models=models, settings=settings)
    spark = session(config.spark, config.name)
    make_series(spark, config, Progress())
    jobs = open_run(spark, config)
    panel = open_view(jobs).panel(jobs.read(t.SERIES, "build_features").toPandas())
    wanted = spark.read.parquet(f"{config.sources.path}/{TRUE_DEMAND.name}").toPandas()
    spark.stop()
    ahead = periods_after(panel.periods, config.forecast.horizon)
    keys = pd.MultiIndex.from_frame(panel.keys[[t.SKU, t.SITE]])
    by_key = wanted.pivot_table(DEMAND, [t.SKU, t.SITE], t.DATE).reindex(keys)
    by_key.columns = pd.to_datetime(by_key.columns)
    history, actual = (by_key.reindex(columns=pd.DatetimeIndex(days)).to_numpy(np.float32) for days in (panel.periods, ahead))
    full = np.ones(panel.shape, np.float32)
    truth = replace(panel, past={**panel.past, t.SALES_HISTORY: history, t.IN_STOCK: full})
    ways = {"truth": (truth, 0.0), "raw": (panel, 0.0), "ours": (panel, config.features.min_in_stock)}
    return Case(config, ways, actual)


def main() -> None:
    """Print one line a forecaster, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path)
    where.add_argument("--generated", type=Path)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    chosen = parser.parse_args()
    models = chosen.models.split(",")
    case = (
        fresh_retail(chosen.data, chosen.series, chosen.settings)
        if chosen.data
        else generated(chosen.generated, chosen.series, models, chosen.settings)
    )
    found = case.biases(models)
    found["removed"] = 1 - (found["ours"] - found["truth"]).abs() / (found["raw"] - found["truth"]).abs()
    print(found.round(4).to_string())
    about = {"benchmark": "censoring", "n_series": len(case.actual), "seed": case.config.seed}
    print(json.dumps({**about, "bias": found.round(4).to_dict("index")}))


if __name__ == "__main__":
    main()
