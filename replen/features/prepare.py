"""Panel -> prepared panel: the one composition of stock-outs, outliers and missing values, in training and inference."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from replen import tables as t
from replen.config import Features
from replen.features.missing import fill_missing
from replen.features.outliers import treat_outliers
from replen.features.panel import FloatArray, Panel, started
from replen.features.stockouts import without_stock_outs

CUT = (t.SALES_HISTORY, t.CUSTOMER_COUNT)
"""What an empty shelf cuts. The stock itself and what people look at (views, baskets) are the same whether or not they could
buy, so they stay: they tell that there was demand."""


def prepare(panel: Panel, settings: Features) -> Panel:
    """Return the panel as models see it: a function of each series' own arrays up to the panel's cutoff, and of nothing else.

    Stock-outs go first, so that they are no outliers; outliers are treated before gaps are filled, so that they are not
    spread. Customers of a stock-out are not filled in: the rule `zero` is for periods without a record. To prepare for an
    earlier cutoff, take `panel.until(...)` first: `mean`, `interpolate` and the fences look at all periods they are given; of
    what is known in advance, those ahead too. Actuals for scores come from the panel before this.
    """
    in_stock, enough = panel.past[t.IN_STOCK], settings.min_in_stock
    wanted = {str(name): without_stock_outs(panel.past[name], in_stock, min_in_stock=enough) for name in CUT}
    sales, _ = treat_outliers(wanted[t.SALES_HISTORY], settings.outliers)
    past = _filled(panel, {**panel.past, **wanted, t.SALES_HISTORY: sales}, settings)
    past[t.CUSTOMER_COUNT] = np.where(in_stock < enough, np.float32(np.nan), past[t.CUSTOMER_COUNT])
    return replace(panel, past=past, known=_filled(panel, panel.known, settings))


def _filled(panel: Panel, columns: Mapping[str, FloatArray], settings: Features) -> dict[str, FloatArray]:
    since_start = started(panel)
    filled = {}
    for name, values in columns.items():
        n_ahead = values.shape[1] - since_start.shape[1]
        there = np.pad(since_start, ((0, 0), (0, n_ahead)), mode="edge")
        filled[name] = fill_missing(values, settings.missing.get(name, "unknown"), started=there)
    return filled
