"""The job `train` on many weekly series: moving average, ridge and the global LSTM, fitted and scored over three folds.

python tests/benchmarks/bench_backtest.py --folder DIR [--series 100000] [--models moving_average,ridge,lstm]

The platform is generated, ingested and made series of before the clock starts; DIR keeps them for the next time. Timed is the
whole job: every forecaster fitted at three cutoffs and at the last one, all series forecast and scored at the three, MLflow.
Memory is the resident set of the largest of each kind of process, looked at twice a second. The last line is one JSON object.
"""

import argparse
import json
import time
from pathlib import Path

import replen.tables as t
from jobs import train
from replen.progress import Progress
from replen.spark.run import open_run
from replen.spark.session import session
from tests.benchmarks.generated import configured, make_series
from tests.benchmarks.usage import peak_memory

N_FOLDS = 3
SHOWN = ("wape", "pinball", "bias")


def main() -> None:
    """Print progress and scores, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--models", default="moving_average,ridge,lstm")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    chosen = parser.parse_args()
    settings = [f"evaluate.folds={N_FOLDS}", *chosen.settings]
    models = chosen.models.split(",")
    config = configured("bench_backtest", chosen.folder, n_series=chosen.series, models=models, settings=settings)
    spark, progress = session(config.spark, config.name), Progress()
    make_series(spark, config, progress)
    began = time.monotonic()
    with peak_memory() as peak:
        train.run(spark, config, progress)
    seconds = time.monotonic() - began
    jobs = open_run(spark, config)
    n_series, metrics = jobs.read(t.SERIES, "build_features").count(), jobs.read(t.METRICS, train.JOB).toPandas()
    spark.stop()
    all_folds = metrics[(metrics[t.SEGMENT] == "all") & metrics[t.METRIC].isin(SHOWN)]
    scores = all_folds.groupby([t.MODEL, t.METRIC])[t.VALUE].mean().unstack()
    print(scores.round(4).to_string())
    report = {"n_series": n_series, "n_folds": config.evaluate.folds, "seconds": round(seconds, 1), "seed": config.seed}
    memory = {f"{kind}_gib": round(gib, 2) for kind, gib in peak.items()}
    print(json.dumps({"benchmark": "backtest", **report, **memory, "scores": scores.round(4).to_dict("index")}))


if __name__ == "__main__":
    main()
