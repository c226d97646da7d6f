"""A few series as a person looks at them: history, what was forecast by every model at one cutoff, and what came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.evaluate.backtest import Fold
from replen.evaluate.folds import target_periods
from replen.features.panel import FloatArray, Panel
from replen.features.periods import DateArray
from replen.features.view import View
from replen.forecast.binding import bind
from replen.forecast.chain import chain_of, predict_chain
from replen.forecast.interface import Forecaster

FAN = (0.05, 0.25, 0.5, 0.75, 0.95)
N_EXAMPLES = 2
"""Series shown for each role."""
ROLE = "role"


@dataclass(frozen=True)
class Predicted:
    """What one model forecast for one series: mean, shape (horizon,), and quantiles of `FAN`, shape (horizon, 5), units."""

    mean: FloatArray
    fan: FloatArray
    reason: str


@dataclass(frozen=True)
class Example:
    """One series.

    Attributes:
        name: its sku and site.
        role: why it is shown.
        periods: shape (n_periods,), up to the last period that was forecast.
        sales: shape (n_periods,), units sold, NaN = unknown; the last `horizon` of them came after the cutoff.
        by_model: name -> what was forecast.
    """

    name: str
    role: str
    periods: DateArray
    sales: FloatArray
    by_model: Mapping[str, Predicted]


def examples(
    rows: pd.DataFrame, roles: pd.DataFrame, *, view: View, fold: Fold, fallback: Sequence[str], horizon: int
) -> list[Example]:
    """Return the examples in the order of `roles`.

    Args:
        rows: rows of `tables.SERIES` of the chosen series, which are active at the fold's cutoff.
        roles: their keys, and why each is shown.
        view: how rows become panels.
        fold: whose forecasters are asked.
        fallback: names asked in turn for the series that one cannot forecast.
        horizon: periods after the cutoff.
    """
    rows = roles[list(t.SERIES.key)].merge(rows, on=list(t.SERIES.key), how="inner")
    panel = view.panel(rows)
    then, until = view.at(panel, fold.cutoff), target_periods(panel.periods, fold.cutoff, horizon).stop
    forecasters = bind(fold.forecasters)
    by_model = {
        model: _predicted({name: forecasters[name] for name in chain_of(model, fallback)}, then, horizon)
        for model in forecasters
    }
    return [
        Example(
            name=f"{sku} at {site}",
            role=role,
            periods=panel.periods[:until],
            sales=panel.past[t.SALES_HISTORY][number, :until],
            by_model={model: predicted[number] for model, predicted in by_model.items()},
        )
        for number, (sku, site, role) in enumerate(roles[[t.SKU, t.SITE, ROLE]].itertuples(index=False))
    ]


def _predicted(chain: Mapping[str, Forecaster], then: Panel, horizon: int) -> dict[int, Predicted]:
    """Return number of the series -> what the chain forecasts."""
    found = {}
    for answer in predict_chain(chain, then, horizon=horizon, levels=np.asarray(FAN, np.float32)):
        made = answer.distribution
        for row, number in enumerate(answer.rows.tolist()):
            found[number] = Predicted(made.mean[row], made.quantiles[row], str(made.reason[row]))
    return found
