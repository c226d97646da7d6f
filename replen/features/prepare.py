"""Panel -> prepared panel: the one composition of stock-out masks, outliers and missing values, in training and inference."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from replen import tables as t
from replen.config import Features
from replen.features.missing import fill_missing
from replen.features.outliers import treat_outliers
from replen.features.panel import FloatArray, Panel, started
from replen.features.stockouts import mask_stock_outs


def prepare(panel: Panel, settings: Features) -> Panel:
    """Return the panel as models see it: a function of each series' own arrays up to the panel's cutoff, and of nothing else.

    Stock-outs are masked first, so that they are no outliers; outliers are treated before gaps are filled, so that they
    are not spread. To prepare for an earlier cutoff, take `panel.until(...)` first: `mean`, `interpolate` and the fences
    look at all periods they are given; of what is known in advance, those ahead too. Actuals for scores come from the
    panel before this.
    """
    masked = mask_stock_outs(panel.past[t.SALES_HISTORY], panel.past[t.IN_STOCK], min_in_stock=settings.min_in_stock)
    sales, _ = treat_outliers(masked, settings.outliers)
    past = {**panel.past, t.SALES_HISTORY: sales}
    return replace(panel, past=_filled(panel, past, settings), known=_filled(panel, panel.known, settings))


def _filled(panel: Panel, columns: Mapping[str, FloatArray], settings: Features) -> dict[str, FloatArray]:
    since_start = started(panel)
    filled = {}
    for name, values in columns.items():
        n_ahead = values.shape[1] - since_start.shape[1]
        there = np.pad(since_start, ((0, 0), (0, n_ahead)), mode="edge")
        filled[name] = fill_missing(values, settings.missing.get(name, "unknown"), started=there)
    return filled
