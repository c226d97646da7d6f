"""A generated weekly platform for benchmarks, as far as the table of series; kept in a folder for the next time."""

import json
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from jobs import build_features, ingest
from replen.config import Config
from replen.overlays import load_config
from replen.progress import Progress

N_SITES = 2


def configured(name: str, folder: Path, *, n_series: int, models: Sequence[str], settings: Sequence[str]) -> Config:
    """Return base.yaml but for what is named here."""
    here = [f"name={name}", f"warehouse={folder.absolute() / 'warehouse'}", f"sources.path={folder.absolute() / 'platform'}"]
    platform = [
        "sources.kind=generator",
        f"sources.generator.n_skus={n_series // N_SITES}",
        f"sources.generator.n_sites={N_SITES}",
    ]
    chosen = [f"forecast.models={json.dumps(list(models))}", "spark.master=local[2]"]
    return load_config(None, [*here, *platform, *chosen, *settings])


def make_series(spark: SparkSession, config: Config, progress: Progress) -> None:
    """Generate, ingest and make series of it, what is not there yet."""
    for job in (ingest, build_features):
        with progress.stage(job.JOB):
            job.run(spark, config, progress)
