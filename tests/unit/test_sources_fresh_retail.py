"""The FreshRetailNet layout, a small one written by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.errors import SourceError
from replen.features.panel import panel_from_series
from replen.sources.fresh_retail import read_fresh_retail

N_DAYS = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two products in one store, ten days; the second has no row on the third day."""
    days = pd.date_range("2024-03-28", periods=N_DAYS)
    rows = [
        {
            "store_id": 7, "product_id": product, "first_category_id": 1, "third_category_id": 3, "dt": day,
            "sale_amount": 0.1 * product, "stockout_hours_6_22": 4 if day == days[0] else 0, "discount": 0.9,
            "holiday_flag": int(day.dayofweek >= 5), "activity_flag": 0, "precpt": 1.5, "avg_temperature": 15.0,
            "avg_humidity": 70.0, "avg_wind_level": 2.0,
        }
        for product in (4, 6) for day in days if not (product == 6 and day == days[2])
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "days.parquet")
    return tmp_path


def test_sales_are_counted_in_tenths_and_stock_as_a_share_of_the_opening_hours(folder: Path) -> None:
    data = read_fresh_retail(folder)
    assert data.ids.tolist() == ["7-4", "7-6"]
    sold, in_stock = (np.stack(data.series[name]) for name in (t.SALES_HISTORY, t.IN_STOCK))
    np.testing.assert_allclose(sold[0], 4.0, rtol=1e-6)
    assert np.flatnonzero(np.isnan(sold[1])).tolist() == [2]
    assert in_stock[0].tolist() == [0.75] + [1.0] * (N_DAYS - 1)


def test_weather_is_past_only_and_holidays_are_known_in_advance(folder: Path) -> None:
    data = read_fresh_retail(folder)
    panel = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[5], n_ahead=4)
    assert {"precpt", "avg_temperature"} <= panel.past.keys()
    assert panel.known["holiday_flag"].shape == (2, N_DAYS)
    assert np.isfinite(panel.known[t.PLANNED_PRICE][0]).all()


def test_without_rows_after_the_cutoff_nothing_is_planned(folder: Path) -> None:
    data = read_fresh_retail(folder, cutoff=np.datetime64("2024-04-06"))
    panel = panel_from_series(data.series, data.market, freq="D", cutoff=data.dates[-1], n_ahead=4)
    assert np.isnan(panel.known[t.PLANNED_PRICE]).all()
    assert "holiday_flag" in panel.past
    assert np.isfinite(panel.past[t.PRICE][0]).all()


def test_files_without_the_columns_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"store_id": [1]}).to_csv(tmp_path / "days.csv", index=False)
    with pytest.raises(SourceError, match=r"expected files with columns store_id, product_id, .* found \['days.csv'\]"):
        read_fresh_retail(tmp_path)
