"""Stages that grow along a line are carried on along it."""

import pandas as pd
import pytest

from tests.benchmarks.extrapolate import by_stage, line, lines


def run(n_series: int, core_seconds: float) -> dict[str, object]:
    stage = {"seconds": core_seconds / 2, "core_seconds": core_seconds}
    return {"n_series": n_series, "stages": {"generate": stage, "train": stage, "train > MLflow": stage}}


def test_a_line_is_found_and_carried_on() -> None:
    measured = by_stage([run(n, 60 + 0.002 * n) for n in (10_000, 100_000, 1_000_000)])
    assert set(measured["stage"]) == {"train"}
    (train,) = lines(measured, n_series=10_000_000, cores=100).itertuples()
    assert train.start_seconds == pytest.approx(30)
    assert train.core_ms_a_series == pytest.approx(2)
    assert train.hours == pytest.approx((30 + (60 + 20_000) / 100) / 3600)
    assert train.off == pytest.approx(0, abs=1e-9)


def test_neither_start_nor_rise_is_below_zero() -> None:
    assert line([10, 100], [20.0, 10.0])[1] == 0
    assert line([10, 100], [1.0, 100.0])[0] == 0


def test_small_runs_count_as_much_as_large_ones() -> None:
    start, _ = line(pd.Series([1_000, 10_000, 1_000_000]), pd.Series([12.0, 20.0, 1100.0]))
    assert 10 < start < 13
