"""The metrics of every series as MLflow gets them: one table a family, quantiles over the series, the worst of each measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from replen import tables as t
from replen.evaluate.metrics import SIMULATED_COST
from replen.tracking import FamilyRun, Value

N_WORST = 50
RANKED_BY = ("pinball", "wape", "rmsse", "spl", SIMULATED_COST)
QUANTILE_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class SeriesResults:
    """Metrics by series, without holding them.

    Attributes:
        files: Parquet files of one row a model, fold and series with metrics as columns.
        quantiles: one row a model and metric: quantiles over all series and folds, `q10` ... `q90`.
        worst: metric of `RANKED_BY` -> rows like those of the files, the `N_WORST` largest of each model.
    """

    files: Sequence[str]
    quantiles: pd.DataFrame
    worst: Mapping[str, pd.DataFrame]


def log_series(run: FamilyRun, family: str, series: SeriesResults) -> None:
    """Log the series of one family to its run."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "series_metrics.parquet"
        write_rows_of(family, series.files, path)
        if path.exists():
            run.file(path)
    for metric, rows in series.worst.items():
        worst = rows[rows[t.MODEL] == family]
        if len(worst):
            run.table(worst, f"worst_{metric}.parquet")
    quantiles = series.quantiles[series.quantiles[t.MODEL] == family].drop(columns=str(t.MODEL))
    run.table(quantiles, "series_quantiles.parquet")
    by_level = quantiles[quantiles[t.METRIC].isin(RANKED_BY)].melt(str(t.METRIC), var_name="level", value_name="value")
    run.metrics(Value(f"series/{metric}/{level}", value) for metric, level, value in by_level.itertuples(index=False))


def write_rows_of(family: str, files: Sequence[str], path: Path) -> None:
    """Write the rows of one model of Parquet files into one file, batch by batch; nothing where there are no files."""
    if not files:
        return
    filesystem = fs.FileSystem.from_uri(files[0])[0]
    stored = ds.dataset([fs.FileSystem.from_uri(file)[1] for file in files], filesystem=filesystem, format="parquet")
    with pq.ParquetWriter(path, stored.schema) as writer:
        for batch in stored.to_batches(filter=ds.field(str(t.MODEL)) == family):
            if batch.num_rows:
                writer.write_batch(batch)
