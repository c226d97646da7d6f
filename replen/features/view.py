"""How rows of `series` become prepared panels: the one way for fitting, backtests and forecasts."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pyarrow import fs

from replen.config import Features
from replen.features.panel import Panel, active, panel_from_series
from replen.features.periods import Freq
from replen.features.prepare import prepare


@dataclass(frozen=True)
class View:
    """What a panel depends on besides the rows of its series.

    Attributes:
        market: rows of `tables.MARKET`.
        freq: length of a period.
        cutoff: last period of the data.
        n_ahead: periods after a cutoff for what is known in advance.
        features: how histories are prepared.
    """

    market: pd.DataFrame
    freq: Freq
    cutoff: dt.date
    n_ahead: int
    features: Features

    def panel(self, rows: pd.DataFrame) -> Panel:
        """Return the panel of rows of `tables.SERIES`, all periods, not prepared."""
        return panel_from_series(rows, self.market, freq=self.freq, cutoff=self.cutoff, n_ahead=self.n_ahead)

    def at(self, panel: Panel, cutoff: np.datetime64) -> Panel:
        """Return the active series of a panel as models see them at a cutoff: nothing later is left in it."""
        then = panel.until(cutoff, self.n_ahead)
        return prepare(then.take(active(then, self.features.active_periods)), self.features)

    def shards(self, files: Sequence[str], cutoff: np.datetime64, *, rows: int = 8192) -> Callable[[], Iterator[Panel]]:
        """Return what reads Parquet files of `tables.SERIES` into prepared panels of at most `rows` series, one at a time."""

        def read() -> Iterator[Panel]:
            for file in files:
                filesystem, path = fs.FileSystem.from_uri(file) if "://" in file else (fs.LocalFileSystem(), file)
                for batch in pq.ParquetFile(path, filesystem=filesystem).iter_batches(batch_size=rows):
                    panel = self.at(self.panel(batch.to_pandas()), cutoff)
                    if panel.shape[0]:
                        yield panel

        return read
