"""Rolling origins: the cutoffs a forecaster is scored from, `horizon` periods apart, the last `horizon` before the end."""

import numpy as np

from replen.errors import ConfigError
from replen.features.periods import DateArray


def fold_cutoffs(periods: DateArray, *, folds: int, horizon: int, min_history: int) -> DateArray:
    """Return the cutoff of each fold, shape (folds,), oldest first; targets of the last fold end with the periods.

    Args:
        periods: shape (n_periods,), consecutive periods of the data up to the run's cutoff.
        folds: >= 0; 0 gives none.
        horizon: periods scored after each cutoff; folds do not overlap.
        min_history: periods the first fold must have, its cutoff included, >= 1.

    Raises:
        ConfigError: the data are too short.

    >>> fold_cutoffs(np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]"), folds=2, horizon=3, min_history=4)
    array(['2024-01-04', '2024-01-07'], dtype='datetime64[D]')
    """
    left = len(periods) - folds * horizon
    if folds and left < min_history:
        most = max(len(periods) - min_history, 0) // horizon
        raise ConfigError(
            f"evaluate.folds: {folds} folds of {horizon} periods need {min_history + folds * horizon} periods of sales with "
            f"the {min_history} of history before the first; there are {len(periods)}. Set evaluate.folds to {most} or less, "
            "shorten evaluate.horizon, or give more history"
        )
    return periods[left - 1 + horizon * np.arange(folds)]


def target_periods(periods: DateArray, cutoff: np.datetime64, horizon: int) -> slice:
    """Return the columns of the `horizon` periods after a cutoff, among `periods`."""
    first = int(np.searchsorted(periods, cutoff, side="right"))
    return slice(first, first + horizon)
