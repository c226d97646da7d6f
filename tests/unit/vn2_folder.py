"""A small folder in the layout of the VN2 challenge."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LAST = np.datetime64("2024-04-08")
WEEK = np.timedelta64(7, "D")


def dates(first: int, last: int) -> list[str]:
    """Return the Mondays of weeks first..last, week 0 being the last of the history."""
    return (LAST + WEEK * np.arange(first, last + 1)).astype(str).tolist()


def keys(n_series: int) -> pd.DataFrame:
    """Return series that are in no order, two products a store."""
    number = np.arange(n_series)[::-1]
    return pd.DataFrame({"Store": number // 2, "Product": 100 + number % 2})


def units(n_series: int, n_weeks: int, *, seed: int = 3) -> NDArray[np.int64]:
    """Return units wanted, shape (n_series, n_weeks): more around Christmas."""
    season = 1.5 + np.cos(2 * np.pi * np.arange(n_weeks) / 52)
    return np.random.default_rng(seed).poisson(2.0 * season, (n_series, n_weeks))


def write_week_0(folder: Path, n_series: int, n_history: int) -> None:
    """Write the four files of week 0; the flags reach eight weeks further than sales, as the competition's do."""
    folder.mkdir(parents=True, exist_ok=True)
    series, columns = keys(n_series), dates(1 - n_history, 0)
    sold = pd.DataFrame(units(n_series, n_history), columns=columns)
    flags = pd.DataFrame(True, index=range(n_series), columns=dates(1 - n_history, 8))
    flags.iloc[0, 3:6] = False
    sold.iloc[0, 3:6] = 0
    pd.concat([series, sold], axis=1).to_csv(folder / "Week 0 - 2024-04-08 - Sales.csv", index=False)
    pd.concat([series, flags], axis=1).to_csv(folder / "Week 0 - In Stock.csv", index=False)
    series.assign(ProductGroup=7, Division=1, Department=series["Product"] % 2).to_csv(
        folder / "Week 0 - Master.csv", index=False
    )
    stock = {"Sales": 0, "End Inventory": 4, "In Transit W+1": 1, "In Transit W+2": 2}
    series.assign(**stock).to_csv(folder / "Week 0 - 2024-04-08 - Initial State.csv", index=False)


def write_week(folder: Path, number: int, sold: NDArray[np.int64]) -> None:
    """Write a later week's sales: history and all weeks up to it; sold: shape (n_series, number or more)."""
    first = pd.read_csv(folder / "Week 0 - 2024-04-08 - Sales.csv")
    played = pd.DataFrame(sold[:, :number], columns=dates(1, number))
    name = f"Week {number} - {dates(number, number)[0]} - Sales.csv"
    pd.concat([first, played], axis=1).to_csv(folder / name, index=False)
