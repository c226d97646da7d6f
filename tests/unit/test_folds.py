"""Rolling origins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen.errors import ConfigError
from replen.evaluate.folds import fold_cutoffs, target_periods
from replen.features.periods import Freq, period_range


@given(
    freq=st.sampled_from(["D", "W"]),
    folds=st.integers(0, 4),
    horizon=st.integers(1, 6),
    history=st.integers(1, 9),
    spare=st.integers(0, 5),
)
def test_targets_are_the_last_periods_each_once(freq: Freq, folds: int, horizon: int, history: int, spare: int) -> None:
    n_periods = history + spare + folds * horizon
    periods = period_range("2024-01-01", "2024-12-30", freq)[:n_periods]
    cutoffs = fold_cutoffs(periods, folds=folds, horizon=horizon, min_history=history)
    targets = [period for cutoff in cutoffs for period in periods[target_periods(periods, cutoff, horizon)]]
    assert len(cutoffs) == folds
    assert targets == list(periods[n_periods - folds * horizon :])
    assert all((periods <= cutoff).sum() >= history for cutoff in cutoffs)


def test_too_little_history_is_refused_with_the_number_of_folds_that_fits() -> None:
    periods = np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]")  # 20 days
    with pytest.raises(
        ConfigError, match=r"evaluate.folds: 4 folds of 4 periods need 24 periods .* there are 20. .* to 3 or less"
    ):
        fold_cutoffs(periods, folds=4, horizon=4, min_history=8)
    assert len(fold_cutoffs(periods, folds=3, horizon=4, min_history=8)) == 3
    with pytest.raises(ConfigError):
        fold_cutoffs(periods[:-1], folds=3, horizon=4, min_history=8)
