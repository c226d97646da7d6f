"""Facts of the sales as Spark counts them, against a loop over series."""

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.config import Quality
from replen.overlays import load_config
from replen.quality import facts as f
from replen.quality.facts import ALL, NOW, THEN, ZERO_BIN
from replen.sources.periods import Freq, Span, length
from replen.spark.quality import Counting, unknown_of_sales

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS: Quality = load_config(Path(__file__).parents[2] / "conf/test.yaml").quality
LAST = dt.date(2024, 6, 24)
N_PERIODS, WINDOW = 40, 6


def made_up(freq: Freq) -> pd.DataFrame:
    """Return sales of 80 series with every trouble: gaps, unknown values, two channels, sites that closed, jumps of price."""
    random, rows = np.random.default_rng(7), []
    for number in range(80):
        sku, site = f"sku-{number % 50}", f"site-{number % 3}"
        first, ends = random.integers(0, N_PERIODS), N_PERIODS - (random.integers(0, 20) if number % 7 == 0 else 0)
        for period in range(min(first, ends - 1), ends):
            day = LAST - (N_PERIODS - 1 - period) * length(freq)
            for channel in ("web", "store")[: 1 + number % 2]:
                if random.random() < 0.9:
                    quantity = float(random.poisson(number % 5)) if random.random() < 0.95 else None
                    price = (
                        5.0 * (10.0 if period >= N_PERIODS - 2 and number % 9 == 0 else 1.0) if random.random() < 0.8 else None
                    )
                    in_stock = random.choice([0.0, 0.5, 1.0])
                    rows.append((sku, site, channel, day, quantity, price, None, 0.5 if number % 2 else None, in_stock, None))
    return pd.DataFrame(rows, columns=t.SALES.names)


def others() -> dict[t.Table, pd.DataFrame]:
    skus = [f"sku-{number}" for number in range(50)]
    category = [None if number % 10 == 0 else f"c{number % 4}" for number in range(50)]
    keys = pd.DataFrame([(f"sku-{number % 50}", f"site-{number % 3}") for number in range(80)], columns=[t.SKU, t.SITE])
    return {
        t.CATALOGUE: pd.DataFrame({str(t.SKU): skus, str(t.CATEGORY): category}),
        t.STOCK: keys[::2],
        t.SUPPLY: pd.concat([keys[::3], keys[::3]]),
    }


def counted_by_loop(sales: pd.DataFrame, windows: dict[str, Span], *, complete: bool) -> pd.DataFrame:
    """Return the facts, series by series."""
    tables, one, freq = others(), length(windows[NOW].freq), windows[NOW].freq
    category = tables[t.CATALOGUE].set_index("sku")["category"].to_dict()
    given = {
        name: set(map(tuple, tables[table].to_numpy()))
        for table, name in ((t.STOCK, f.WITHOUT["stock"]), (t.SUPPLY, f.WITHOUT["supply"]))
    }
    found: list[dict[str, Any]] = []
    now, apart = windows[NOW], one * (7 if freq == "D" else 1)
    for (sku, site), rows in sales.groupby(["sku", "site"]):
        days = {day: part for day, part in rows.groupby("date")}
        units = {day: part["quantity"].sum(min_count=1) for day, part in days.items()}
        prices = {day: part["price"].mean() for day, part in days.items()}
        inside = [day for day in days if now.first <= day <= now.cutoff]
        priced = [prices[day] for day in sorted(inside) if not math.isnan(prices[day])]
        usual = np.mean([prices[day] for day in inside if day < now.cutoff and not math.isnan(prices[day])] or [math.nan])
        price = priced[-1] if priced else math.nan
        periods = (max(days) - min(days)).days // one.days + 1
        window_rows = rows[rows["date"].isin(inside)]
        own = {
            **{f.unknown(column): int(rows[column].isna().sum()) for column in t.SALES.values},
            f.SOLD_ROWS: int((window_rows["quantity"] > 0).sum()),
            f.SOLD_EMPTY: int(((window_rows["quantity"] > 0) & (window_rows["in_stock"] == 0)).sum()),
            **{name: float(np.nan_to_num(units.get(now.cutoff - k * apart, 0.0))) for k, name in enumerate(f.NEWEST)},
            f.GAPPED: int(not complete and len(days) < periods),
            f.PRICED: int(usual > 0),
            f.JUMPED: int(usual > 0 and (price > usual * 3 or price < usual / 3)),
        }
        sold_now = sum(units[day] for day in inside if units[day] > 0) > 0
        sold_days = [day for day in days if units[day] > 0]
        own |= {name: int(sold_now and (sku, site) not in keys) for name, keys in given.items()}
        for window, span in windows.items():
            known = [day for day in days if span.first <= day <= span.cutoff and not math.isnan(units[day])]
            n_known = len(known)
            if complete:
                n_known = max(0, (span.cutoff - max(span.first, min(days))).days // one.days + 1)
            total = sum(units[day] for day in known)
            bin_ = (
                None if not n_known else ZERO_BIN if not total else math.floor(math.log2(total / n_known) * f.BINS_PER_OCTAVE)
            )
            facts = {
                f.WINDOW: window, f.BIN: bin_, f.N_SERIES: 1, f.PERIODS: n_known,
                f.ZEROS: n_known - sum(units[day] > 0 for day in known),
                f.ROWS: int(rows["date"].between(span.first, span.cutoff).sum()),
                f.LAST_SALE: pd.Timestamp(max(sold_days)) if sold_days and window == NOW else pd.NaT,
            }  # fmt: skip
            counted = facts | {name: value if window == NOW else 0 for name, value in own.items()}
            segments = (ALL, f"category={category[sku] or 'none'}", f"site={site}")
            found += [{str(t.SEGMENT): segment} | counted for segment in segments]
    rows = pd.DataFrame(found)
    sums = [name for name in rows.columns if name not in (*f.FACT_KEY, f.LAST_SALE)]
    return rows.groupby(list(f.FACT_KEY), dropna=False).agg({**dict.fromkeys(sums, "sum"), f.LAST_SALE: "max"}).reset_index()


def framed(spark: "SparkSession", rows: pd.DataFrame, ddl: str) -> "DataFrame":
    listed = [tuple(None if pd.isna(value) else value for value in row) for row in rows.itertuples(index=False)]
    return spark.createDataFrame(listed, ddl)


@pytest.mark.parametrize(("freq", "complete", "with_then"), [("W", True, True), ("W", False, True), ("D", False, False)])
def test_facts_are_those_of_a_loop_over_series(spark: "SparkSession", freq: Freq, complete: bool, with_then: bool) -> None:
    one = length(freq)
    ends = {NOW: LAST} | ({THEN: LAST - 2 * one} if with_then else {})
    windows = {name: Span(end - (WINDOW - 1) * one, end, freq) for name, end in ends.items()}
    sales = made_up(freq)
    frames = {t.SALES: framed(spark, sales, t.SALES.nullable_ddl)}
    for table, rows in others().items():
        frames[table] = framed(spark, rows, ", ".join(f"{name} string" for name in rows.columns))
    found = Counting(windows, SETTINGS, complete, 3).facts(frames)
    expected = counted_by_loop(sales, windows, complete=complete)
    key = list(f.FACT_KEY)
    found[f.BIN] = found[f.BIN].astype(float)
    found, expected = (rows.sort_values(key).reset_index(drop=True) for rows in (found, expected))
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)
    assert unknown_of_sales(found) == {str(column): int(sales[column].isna().sum()) for column in t.SALES.values}


def test_the_sales_are_read_once(spark: "SparkSession", tmp_path: Path) -> None:
    paths = {t.SALES: tmp_path / "the-sales", **{table: tmp_path / table.name for table in others()}}
    framed(spark, made_up("W"), t.SALES.nullable_ddl).write.parquet(str(paths[t.SALES]))
    for table, rows in others().items():
        framed(spark, rows, ", ".join(f"{name} string" for name in rows.columns)).write.parquet(str(paths[table]))
    counting = Counting({NOW: Span(LAST - (WINDOW - 1) * length("W"), LAST, "W")}, SETTINGS, True, 3)
    frames = {table: spark.read.parquet(str(path)) for table, path in paths.items()}
    series = counting.by_series(frames[t.SALES])._jdf.queryExecution().executedPlan().toString()
    assert series.count("Exchange") == 1, "channels are pooled and series are made behind one shuffle"
    facts = counting.rows(frames)._jdf.queryExecution().executedPlan().toString()
    assert facts.count("FileScan") == len(frames)
