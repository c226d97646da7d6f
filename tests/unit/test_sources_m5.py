"""The M5 layout, a small one written by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.errors import SourceError
from replen.features.panel import panel_from_series
from replen.sources.m5 import M5, read_m5

N_DAYS = 14


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two items in two stores over a fortnight; the second item is on sale from the second week on."""
    days = [f"d_{day}" for day in range(1, N_DAYS + 1)]
    rows = []
    for item in ("A", "B"):
        for store in ("CA_1", "TX_1"):
            sold = [0] * 7 + [2] * 7 if item == "B" else list(range(N_DAYS))
            key = [f"{item}_{store}_evaluation", item, "FOODS_1", "FOODS", store, store[:2]]
            rows.append([*key, *sold])
    names = ["id", "item_id", "dept_id", "cat_id", "store_id", "state_id", *days]
    sales = pd.DataFrame(rows, columns=names)
    sales.to_csv(tmp_path / "sales.csv", index=False)
    dates = pd.date_range("2016-01-02", periods=N_DAYS + 7)
    calendar = pd.DataFrame(
        {
            "date": dates.strftime("%Y-%m-%d"),
            "wm_yr_wk": 11550 + np.arange(len(dates)) // 7,
            "d": [f"d_{day}" for day in range(1, len(dates) + 1)],
            "event_type_1": ["" if day != 4 else "Sporting" for day in range(1, len(dates) + 1)],
            "event_type_2": "",
            "snap_CA": [int(day == 2) for day in range(1, len(dates) + 1)],
            "snap_TX": 0,
        }
    )
    calendar.to_csv(tmp_path / "calendar.csv", index=False)
    weeks = {"A": [11550, 11551, 11552], "B": [11551, 11552]}
    prices = [
        (store, item, week, 1.0 + week - 11550) for item, on in weeks.items() for week in on for store in ("CA_1", "TX_1")
    ]
    names = ["store_id", "item_id", "wm_yr_wk", "sell_price"]
    pd.DataFrame(prices, columns=names).to_parquet(tmp_path / "sell_prices.parquet")
    return tmp_path


def test_sales_before_the_first_price_are_unknown_and_ids_lose_the_suffix(folder: Path) -> None:
    data = read_m5(folder)
    assert data.groups["id"].tolist() == ["A_CA_1", "A_TX_1", "B_CA_1", "B_TX_1"]
    sold = np.stack(data.series[t.SALES_HISTORY])
    assert sold[0].tolist() == list(range(N_DAYS))
    assert np.isnan(sold[2, :7]).all()
    assert sold[2, 7:].tolist() == [2.0] * 7


def test_prices_and_events_reach_past_the_last_sale(folder: Path) -> None:
    data = read_m5(folder)
    panel = panel_from_series(data.series, data.market, freq="D", cutoff=data.date_of(data.last), n_ahead=7)
    assert panel.shape == (4, N_DAYS)
    assert panel.known[t.PLANNED_PRICE][0].tolist() == [1.0] * 7 + [2.0] * 7 + [3.0] * 7
    assert np.flatnonzero(panel.known["snap"][0]).tolist() == [1]
    assert not panel.known["snap"][1].any()
    assert np.flatnonzero(panel.known["sporting"][1]).tolist() == [3]
    assert np.flatnonzero(panel.known["sporting_eve"][1]).tolist() == [2]


def test_a_file_with_fewer_days_adds_series_but_not_days(folder: Path) -> None:
    sales = pd.read_csv(folder / "sales.csv")
    sales.iloc[:2].to_csv(folder / "sales.csv", index=False)
    sales.iloc[1:].drop(columns=["d_1", "d_2"]).to_parquet(folder / "more.parquet")
    data = read_m5(folder)
    assert (data.first, data.last, len(data.series)) == (3, N_DAYS, 4)
    assert data.date_of(3) == np.datetime64("2016-01-04")
    assert data.left_out == "d_1 to d_2 (2 of 4 series)"


def days(first: int, last: int) -> list[str]:
    return [f"d_{day}" for day in range(first, last + 1)]


def same_sales(folder: Path, whole: M5) -> None:
    data = read_m5(folder)
    assert (data.first, data.last, data.left_out) == (whole.first, whole.last, "")
    pd.testing.assert_frame_equal(data.groups, whole.groups)
    np.testing.assert_array_equal(np.stack(data.series[t.SALES_HISTORY]), np.stack(whole.series[t.SALES_HISTORY]))


def test_the_newest_days_of_the_competitions_second_file_are_there(folder: Path) -> None:
    """The first file ends earlier, and its ids end otherwise; what both have is read once."""
    whole = read_m5(folder)
    sales = pd.read_csv(folder / "sales.csv")
    sales["id"] = sales["id"].str.replace("_evaluation", "_validation")
    sales.drop(columns=days(12, N_DAYS)).to_csv(folder / "sales_train_validation.csv", index=False)
    same_sales(folder, whole)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_of_other_days_are_put_together(folder: Path, suffix: str) -> None:
    whole = read_m5(folder)
    sales = pd.read_csv(folder / "sales.csv")
    (folder / "sales.csv").unlink()
    for name, unused in (("late", days(1, 9)), ("early", days(10, N_DAYS))):
        part = sales.drop(columns=unused).sample(frac=1, random_state=1)
        path = folder / f"{name}.{suffix}"
        part.to_csv(path, index=False) if suffix == "csv" else part.to_parquet(path)
    same_sales(folder, whole)


def test_days_after_a_gap_are_the_ones_read(folder: Path) -> None:
    sales = pd.read_csv(folder / "sales.csv")
    sales.drop(columns=["d_5"]).to_csv(folder / "sales.csv", index=False)
    data = read_m5(folder)
    assert (data.first, data.last, data.left_out) == (6, N_DAYS, "d_1 to d_4 (4 of 4 series)")
    assert data.date_of(6) == np.datetime64("2016-01-07")


def test_files_without_a_day_in_common_are_refused(folder: Path) -> None:
    sales = pd.read_csv(folder / "sales.csv")
    sales.iloc[:2].drop(columns=days(8, N_DAYS)).to_csv(folder / "sales.csv", index=False)
    sales.iloc[2:].drop(columns=days(1, 7)).to_csv(folder / "more.csv", index=False)
    with pytest.raises(SourceError, match="expected a day with sales of all 4 series, found none from d_1 to d_14"):
        read_m5(folder)


def test_a_calendar_that_ends_before_the_sales_is_refused(folder: Path) -> None:
    pd.read_csv(folder / "calendar.csv").iloc[:10].to_csv(folder / "calendar.csv", index=False)
    with pytest.raises(SourceError, match="expected a row for each day of sales, d_1 to d_14, found 10 rows"):
        read_m5(folder)


def test_a_folder_without_prices_is_refused(folder: Path) -> None:
    (folder / "sell_prices.parquet").unlink()
    with pytest.raises(SourceError, match=r"weekly prices with columns store_id, item_id, wm_yr_wk, sell_price; found \['cal"):
        read_m5(folder)
