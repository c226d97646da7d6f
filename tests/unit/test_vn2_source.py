"""The VN2 layout, small folders of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.errors import SourceError
from replen.sources.vn2 import read_vn2
from tests.unit.vn2_folder import dates, units, write_week, write_week_0

N_SERIES, N_HISTORY = 5, 20
SALES = "Week 0 - 2024-04-08 - Sales.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_week_0(tmp_path, N_SERIES, N_HISTORY)
    return tmp_path


def edit(path: Path, change: dict[str, object]) -> None:
    pd.read_csv(path).assign(**change).to_csv(path, index=False)


def test_week_0_alone_is_history_and_opening_stock(folder: Path) -> None:
    data = read_vn2(folder)
    assert (data.n_history, data.n_played) == (N_HISTORY, 0)
    assert data.weeks.astype(str).tolist() == dates(1 - N_HISTORY, 0)
    assert data.keys["Store"].tolist() == [2, 1, 1, 0, 0], "the order of the file"
    assert data.in_stock.shape == data.sales.shape, "flags of weeks to come are left alone"
    assert (~data.in_stock).sum() == 3
    assert (data.on_hand == 4).all()
    assert (data.receipts == [1, 2]).all()


def test_series_rows_hold_flags_and_what_their_product_sells(folder: Path) -> None:
    data = read_vn2(folder)
    rows = data.series
    assert list(rows) == t.SERIES.names
    assert rows[t.SKU].tolist() == data.keys["Product"].astype(str).tolist()
    alike = (data.keys["Product"] == data.keys["Product"][0]).to_numpy()
    shared = rows[t.COVARIATES][0]["of_product"]
    assert shared[4] == data.sales[alike][1:, 4].mean(), "the first series is out of stock then"
    assert shared[0] == data.sales[alike, 0].mean()


def test_later_weeks_come_whole_or_as_one_column_and_in_any_row_order(folder: Path) -> None:
    sold = units(N_SERIES, 3, seed=9)
    write_week(folder, 1, sold)
    series = pd.read_csv(folder / SALES)[["Store", "Product"]]
    for number in (2, 3):
        one = series.assign(Sales=sold[:, number - 1]).sample(frac=1, random_state=number)
        one.to_csv(folder / f"Week {number} - {dates(number, number)[0]} - Sales.csv", index=False)
    data = read_vn2(folder)
    assert data.n_played == 3
    np.testing.assert_array_equal(data.sales[:, N_HISTORY:], sold)


def test_a_week_is_what_was_told_first(folder: Path) -> None:
    """Week 2's file changes history and week 1, which a round after week 1 could not have known."""
    sold = units(N_SERIES, 2, seed=9)
    before = read_vn2(folder).sales
    write_week(folder, 1, sold)
    write_week(folder, 2, sold)
    edit(folder / f"Week 2 - {dates(2, 2)[0]} - Sales.csv", {dates(1, 1)[0]: 99, dates(0, 0)[0]: 99})
    data = read_vn2(folder)
    np.testing.assert_array_equal(data.sales, np.column_stack([before, sold]))


def test_flags_of_a_week_come_from_its_own_file(folder: Path) -> None:
    """Week 0's file says of weeks to come that all is in stock."""
    write_week(folder, 1, units(N_SERIES, 1))
    flags = pd.read_csv(folder / "Week 0 - In Stock.csv")
    flags.assign(**{dates(1, 1)[0]: False}).to_csv(folder / "Week 1 - 2024-04-15 - In Stock.csv", index=False)
    assert not read_vn2(folder).in_stock[:, -1].any()


def test_a_week_without_flags_is_in_stock(folder: Path) -> None:
    flags = pd.read_csv(folder / "Week 0 - In Stock.csv")
    flags[["Store", "Product", *dates(1 - N_HISTORY, 0)]].to_csv(folder / "Week 0 - In Stock.csv", index=False)
    write_week(folder, 1, units(N_SERIES, 1))
    assert read_vn2(folder).in_stock[:, -1].all()


def test_missing_files_are_named_with_what_is_there(tmp_path: Path) -> None:
    write_week_0(tmp_path, N_SERIES, N_HISTORY)
    (tmp_path / "Week 0 - Master.csv").unlink()
    with pytest.raises(SourceError, match=r"expected `Week 0 - \[DATE - \]Master.csv`; found .*Week 0 - In Stock.csv"):
        read_vn2(tmp_path)


def test_a_gap_between_the_weeks_is_told(folder: Path) -> None:
    write_week(folder, 2, units(N_SERIES, 2))
    with pytest.raises(SourceError, match=r"expected sales of every week up to 2, found none of weeks \[1\]"):
        read_vn2(folder)


def test_a_file_without_its_own_week_is_told(folder: Path) -> None:
    (folder / "Week 1 - 2024-04-15 - Sales.csv").write_text((folder / SALES).read_text())
    with pytest.raises(SourceError, match=r"Week 1 - 2024-04-15 - Sales.csv: expected a column 2024-04-15"):
        read_vn2(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (SALES, {"2024-04-08": -1}, r"sales: expected units of 0 or more, found -1.0 in row 1, number 20 \(5 in all\)"),
        (SALES, {"2024-04-01": np.nan}, "sales: expected units of 0 or more, found nan in row 1, number 19"),
        (SALES, {"Store": 1, "Product": 1}, "expected one row a Store and Product, found several of Store 1, Product 1"),
        (SALES, {"Store": [0, 1, np.nan, 1, 2]}, "Sales.csv: expected a Store in every row, found none in line 4"),
        ("Week 0 - Master.csv", {"Department": np.nan}, "Master.csv: expected a Department in every row, found none in line 2"),
        ("Week 0 - Master.csv", {"Store": 9, "Product": range(5)}, "expected a row for each of the 5 series"),
        ("Week 0 - 2024-04-08 - Initial State.csv", {"End Inventory": -2}, "initial state: expected units of 0 or more"),
    ],
)
def test_bad_rows_are_told(folder: Path, name: str, change: dict[str, object], message: str) -> None:
    edit(folder / name, change)
    with pytest.raises(SourceError, match=message):
        read_vn2(folder)


def test_a_file_with_a_header_alone_is_told(folder: Path) -> None:
    (folder / SALES).write_text((folder / SALES).read_text().split("\n")[0])
    with pytest.raises(SourceError, match=r"Sales.csv: expected a row for each series, found none"):
        read_vn2(folder)
