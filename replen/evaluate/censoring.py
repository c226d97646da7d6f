"""Stock-outs put where there were none, so that it is known what would have sold: does a forecaster see demand or sales?"""

from dataclasses import replace

import numpy as np

from replen import tables as t
from replen.features.panel import Panel
from replen.forecast import random


def fully_stocked(panel: Panel) -> Panel:
    """Return the panel with sales unknown wherever stock was short: what is left is demand."""
    sales, in_stock = panel.past[t.SALES_HISTORY], panel.past[t.IN_STOCK]
    return replace(panel, past={**panel.past, t.SALES_HISTORY: np.where(in_stock >= 1, sales, np.nan).astype(np.float32)})


def censored(panel: Panel, *, share: float, seed: int) -> Panel:
    """Return the panel with a random share of its fully stocked periods cut as its real stock-outs cut theirs.

    A period that is cut gets the share of time in stock of a real stock-out, drawn from all of the panel's, and sells that
    share of what it sold, in whole units; real stock-outs stay as they are. Which periods, and how, depends on the series and
    the seed alone.

    Args:
        panel: not prepared; in_stock says where stock was short.
        share: of the fully stocked periods with known sales, 0..1.
        seed: of the draws.
    """
    sales, in_stock = panel.past[t.SALES_HISTORY], panel.past[t.IN_STOCK]
    pattern = np.sort(in_stock[in_stock < 1])
    seeds = random.series_seeds(panel.keys, np.datetime64(0, "D"), seed=seed)
    chosen, which = np.split(random.uniforms(seeds, 2 * panel.shape[1]), 2, axis=1)
    cut = (chosen < share) & (in_stock >= 1) & np.isfinite(sales) & bool(len(pattern))
    left = pattern[(which * len(pattern)).astype(np.intp)] if len(pattern) else in_stock
    past = {
        **panel.past,
        t.SALES_HISTORY: np.where(cut, np.floor(sales * left), sales).astype(np.float32),
        t.IN_STOCK: np.where(cut, left, in_stock).astype(np.float32),
    }
    return replace(panel, past=past)
