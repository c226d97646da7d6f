"""What a night of many more series would take: a straight line a stage, fitted to runs of `bench_end_to_end.py`.

python tests/benchmarks/extrapolate.py RUNS.jsonl [--series 100000000] [--cores 400]

RUNS.jsonl holds the last lines of runs at two sizes or more, on the same machine. A stage takes a start, which does not depend
on the number of series, and core-seconds a series: least squares of relative errors, neither below 0. The start stays what it
is on more cores, in seconds; the rest is divided by the cores, so this is a bound from below: no network, no skew, no waiting
for the last task. Memory is shown as it was at each size, since a partition's does not grow with their number.

The last line is JSON.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

KINDS = ("driver_gib", "jvm_gib", "worker_gib")
N_SERIES = "n_series"
NO_NIGHT = ("generate", "plan_orders, no limits")


def line(n_series: Sequence[float], measured: Sequence[float]) -> tuple[float, float]:
    """Return start and rise a series of the line, neither below 0, with the least squares of relative errors."""
    sizes, found = np.asarray(n_series, float), np.maximum(measured, 1e-9)
    (start, rise), _ = nnls(np.stack([1 / found, sizes / found / sizes.max()], axis=1), np.ones(len(found)))
    return float(start), float(rise / sizes.max())


def by_stage(runs: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return one row a run and stage, in the order of the stages; parts of stages, and what no night has, are left out."""
    rows = [
        {N_SERIES: run[N_SERIES], "stage": stage, **measured}
        for run in runs
        for stage, measured in run["stages"].items()
        if " > " not in stage and stage not in NO_NIGHT
    ]
    return pd.DataFrame(rows)


def lines(measured: pd.DataFrame, *, n_series: int, cores: int) -> pd.DataFrame:
    """Return by stage the lines of seconds and core-seconds, how far they are off, and the hours at another size."""
    found = []
    for stage, rows in measured.groupby("stage", sort=False):
        start, _ = line(rows[N_SERIES], rows["seconds"])
        base, rise = line(rows[N_SERIES], rows["core_seconds"])
        off = np.abs(base + rise * rows[N_SERIES] - rows["core_seconds"]) / rows["core_seconds"]
        hours = (start + (base + rise * n_series) / cores) / 3600
        found.append({"stage": stage, "start_seconds": start, "core_ms_a_series": 1e3 * rise, "off": off.max(), "hours": hours})
    return pd.DataFrame(found).set_index("stage")


def main() -> None:
    """Print both tables, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--series", type=int, default=100_000_000)
    parser.add_argument("--cores", type=int, default=400)
    asked = parser.parse_args()
    measured = by_stage([json.loads(text) for text in asked.runs.read_text(encoding="utf-8").splitlines() if text.strip()])
    sizes = measured.groupby("stage")[N_SERIES].nunique()
    if (sizes < 2).any():
        parser.error(
            f"{asked.runs}: expected each stage at two sizes or more, found one of {', '.join(sizes.index[sizes < 2])}"
        )
    fitted = lines(measured, n_series=asked.series, cores=asked.cores).round(4)
    print(fitted.to_string())
    print(measured.groupby(N_SERIES)[list(KINDS)].max().to_string())
    found = {"hours": round(float(fitted["hours"].sum()), 3), "stages": fitted.to_dict("index")}
    print(json.dumps({"benchmark": "extrapolate", "series": asked.series, "cores": asked.cores, **found}))


if __name__ == "__main__":
    main()
