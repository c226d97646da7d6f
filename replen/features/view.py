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

    def shards(
        self,
        files: Sequence[str],
        cutoff: np.datetime64,
        *,
        rows: int = 8192,
        most: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> Callable[[], Iterator[Panel]]:
        """Return what reads Parquet files of `tables.SERIES`, in their order, into prepared panels of at most `rows` series.

        Panels are cut from the stream of all files, so that they do not depend on how many files there are.

        Args:
            files: of the series' table.
            cutoff: last period of the panels.
            rows: series a panel.
            most: the stream ends after so many series; a random choice, as they come in the order of a hash. None: all.
            share: (number, of how many): which of equal parts of the stream is read; row groups of others are left alone.
        """

        def read() -> Iterator[Panel]:
            for part in _cut(_batches(files, most, *share), rows):
                panel = self.at(self.panel(part), cutoff)
                if panel.shape[0]:
                    yield panel

        return read


def _batches(files: Sequence[str], most: int | None, number: int, n_shares: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of one of `n_shares` equal parts of all files, or of the first `most` rows of them."""
    opened = [_open(file) for file in files]
    stored = sum(file.metadata.num_rows for file in opened)
    total = stored if most is None else min(most, stored)
    first, last = number * total // n_shares, (number + 1) * total // n_shares
    row = 0
    for file in opened:
        for group in range(file.num_row_groups):
            n_rows = file.metadata.row_group(group).num_rows
            if first < row + n_rows and row < last:
                for batch in file.iter_batches(batch_size=4096, row_groups=[group]):
                    start, stop = (min(max(edge - row, 0), len(batch)) for edge in (first, last))
                    row += len(batch)
                    if start < stop:
                        yield batch.slice(start, stop - start).to_pandas()
            else:
                row += n_rows


def _open(file: str) -> pq.ParquetFile:
    filesystem, path = fs.FileSystem.from_uri(file) if "://" in file else (fs.LocalFileSystem(), file)
    return pq.ParquetFile(path, filesystem=filesystem)


def _cut(frames: Iterator[pd.DataFrame], rows: int) -> Iterator[pd.DataFrame]:
    """Yield the same rows in frames of `rows` each, the last one shorter."""
    held: list[pd.DataFrame] = []
    for frame in frames:
        held.append(frame)
        while sum(map(len, held)) >= rows:
            joined = pd.concat(held, ignore_index=True)
            yield joined.iloc[:rows].reset_index(drop=True)
            held = [joined.iloc[rows:]]
    if sum(map(len, held)):
        yield pd.concat(held, ignore_index=True)
