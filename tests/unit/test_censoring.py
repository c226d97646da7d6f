"""Stock-outs put where there were none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from replen.evaluate.censoring import censored, fully_stocked
from replen.features.panel import Panel


@pytest.fixture
def panel() -> Panel:
    """Return 50 series of 100 days that always sell 10; every tenth day was half or a quarter in stock and sold 7."""
    n_series, n_days = 50, 100
    sku = [f"s{i}" for i in range(n_series)]
    keys = pd.DataFrame({"sku": sku, "site": "a", "stream": "*", "bucket": 0, "start_date": np.datetime64("2024-01-01")})
    in_stock = np.ones((n_series, n_days), np.float32)
    in_stock[::2, ::10], in_stock[1::2, ::10] = 0.5, 0.25
    sales = np.where(in_stock < 1, 7.0, 10.0).astype(np.float32)
    return Panel(keys, np.datetime64("2024-01-01") + np.arange(n_days), {"sales": sales, "in_stock": in_stock}, {})


def test_a_share_of_the_full_days_is_cut_as_real_stock_outs_are(panel: Panel) -> None:
    cut = censored(panel, share=0.2, seed=1)
    before, after = panel.past["in_stock"], cut.past["in_stock"]
    changed = before != after
    assert changed[before == 1].mean() == pytest.approx(0.2, abs=0.02)
    assert not changed[before < 1].any()
    assert set(np.unique(after[changed])) == {0.25, 0.5}
    np.testing.assert_array_equal(cut.past["sales"][changed], np.floor(10 * after[changed]))
    np.testing.assert_array_equal(cut.past["sales"][~changed], panel.past["sales"][~changed])


def test_a_series_is_cut_alike_alone_and_in_a_panel(panel: Panel) -> None:
    alone = replace(panel, past={name: values.copy() for name, values in panel.past.items()}).take(np.array([7, 3]))
    pattern_kept = censored(alone, share=0.2, seed=1).past["in_stock"] < 1
    np.testing.assert_array_equal(pattern_kept, censored(panel, share=0.2, seed=1).past["in_stock"][[7, 3]] < 1)


def test_only_full_days_are_demand(panel: Panel) -> None:
    demand = fully_stocked(panel).past["sales"]
    np.testing.assert_array_equal(np.isnan(demand), panel.past["in_stock"] < 1)
    assert np.nanmin(demand) == 10


def test_nothing_is_cut_where_no_stock_out_was_ever_seen(panel: Panel) -> None:
    full = replace(panel, past={**panel.past, "in_stock": np.ones(panel.shape, np.float32)})
    np.testing.assert_array_equal(censored(full, share=0.5, seed=1).past["sales"], panel.past["sales"])
