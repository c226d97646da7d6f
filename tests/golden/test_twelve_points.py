"""Twelve sales and nothing else: every member must answer sensibly."""

import numpy as np
import pandas as pd

from replen import tables as t
from replen.features.panel import Panel
from replen.forecast.local_lstm.examples import reading_of
from replen.forecast.local_lstm.model import LocalLstmModel, fit
from replen.overlays import load_config

SALES = [100, 110, 120, 130, 125, 140, 150, 130, 140, 130, 150, 160]
LEVELS = np.array([0.1, 0.5, 0.9], np.float32)


def twelve_points() -> Panel:
    keys = pd.DataFrame({t.SKU: ["sku"], t.SITE: ["shop"], t.STREAM: [t.POOLED], t.BUCKET: [0]})
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(len(SALES))
    return Panel(keys, weeks, {t.SALES_HISTORY: np.array([SALES], np.float32)}, {})


def test_local_lstm_forecasts_the_twelve_points() -> None:
    forecast, panel = load_config(None).forecast, twelve_points()
    settings = forecast.local_lstm.model_copy(update={"min_known": len(SALES)})
    models, profile = fit(panel, settings, horizon=forecast.horizon, seed=1)
    by_cutoff = [{str(panel.cutoff): weights} for weights in models[t.MODEL_WEIGHTS]]
    carrying = Panel(panel.keys.assign(**{str(t.WEIGHTS_BY_CUTOFF): by_cutoff}), panel.periods, panel.past, panel.known)
    model = LocalLstmModel(settings, reading_of(panel, settings, horizon=forecast.horizon), profile)
    made = model.predict(carrying, horizon=forecast.horizon, levels=LEVELS)
    assert 110 <= made.mean[0, 0] <= 180
    assert made.reason[0] == ""
