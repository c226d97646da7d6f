"""Panel -> prepared panel: the one composition of stock-out masks, outliers and missing values, in training and inference."""

from dataclasses import replace

from replen import tables as t
from replen.config import Features
from replen.features.missing import fill_missing
from replen.features.outliers import treat_outliers
from replen.features.panel import Panel, started
from replen.features.stockouts import mask_stock_outs


def prepare(panel: Panel, settings: Features) -> Panel:
    """Return the panel as models see it: a function of each series' own arrays up to the panel's cutoff, and of nothing else.

    Stock-outs are masked first, so that they are no outliers; outliers are treated before gaps are filled, so that they
    are not spread. To prepare for an earlier cutoff, take `panel.until(...)` first: `mean`, `interpolate` and the fences
    look at all periods they are given. Actuals for scores come from the panel before this.
    """
    masked = mask_stock_outs(panel.past[t.SALES_HISTORY], panel.past[t.IN_STOCK], min_in_stock=settings.min_in_stock)
    sales, _ = treat_outliers(masked, settings.outliers)
    since_start = started(panel)
    past = {
        name: fill_missing(values, settings.missing.get(name, "unknown"), started=since_start)
        for name, values in {**panel.past, t.SALES_HISTORY: sales}.items()
    }
    return replace(panel, past=past)
