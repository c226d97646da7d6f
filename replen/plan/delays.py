"""Lead times that vary: drawn for every sample path once, then shifted away.

The lead time of a series has the mean `lead_time_days` and the standard deviation `lead_time_sd_days` and is a gamma: never
below 0, with its longer tail on the late side. It is cut into n_paths equally likely parts, whose means are dealt out to the
paths in an order that a hash of the series' seed and key says: independent of the demand on the path, the same whatever is
planned beside it, and with the mean asked for. Days become periods once, as those of fixed lead times do.

All orders of a path are late alike, so that none overtakes another. Then a path on which orders come `delay` periods after the
shortest lead time, looked at `delay` periods later, is a path on which they are in time: what an order of step s meets on path
w is the demand less receipts of the calendar step s + lead_time + delay_w. Both programs are solved in this shifted time, in
which every order of a step arrives at once. Money and stock are always counted in calendar time: the last `delay` steps of a
shifted path lie past the horizon and cost nothing there, and an order that arrives past the horizon on a path is neither used
nor paid for on it, as in the simulator.

By hand: 10 units are wanted in each of steps 1, 2 and 3. Only today's order may be placed; its lead time is 1 or 3 with equal
chance. A unit costs 1, its holding 0.5, a lost sale 4, and what is left is worth nothing. Each of the first 10 units is sold at
once on both paths and gains 4 - 1 = 3. Each of the next 10 is sold after one period of holding if prompt, and left over if
late: (3.5 - 0.5) / 2 - 1 = 0.5. Each of the 10 after these is sold after two periods or left over: (3 - 0.5) / 2 - 1 = 0.25.
Further units are left over on both. So 30 are ordered; they cost 30, holding is (15 + 10) / 2, and 20 sales are lost if late,
80 / 2: 82.5 in all.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import gammainc, gammaincinv

from replen.plan.delays_kernel import come_later, mean_later, take_later
from replen.plan.timing import BoolArray, FloatArray, IntArray

HASH_KEY = "delay of a path!"  # 16 characters
STEADY = 1e-4  # times its mean: a lead time that varies less is fixed


def lead_time_paths(mean: FloatArray, deviation: FloatArray, keys: pd.DataFrame, *, n_paths: int) -> FloatArray:
    """Return lead times by path, (n_series, n_paths), days.

    Args:
        mean: shape (n_series,), days; above 0 where lead times vary.
        deviation: shape (n_series,), days, >= 0; 0 where lead times are fixed.
        keys: one row a series; its values alone say in which order the paths get the parts.
        n_paths: how many.
    """
    days = np.repeat(mean[:, None], n_paths, axis=1)
    varies = np.flatnonzero(deviation > STEADY * mean)
    terms, which = np.unique(np.column_stack([mean, deviation])[varies], axis=0, return_inverse=True)
    shape = (terms[:, :1] / terms[:, 1:]) ** 2
    below = gammainc(shape + 1.0, gammaincinv(shape, np.linspace(0.0, 1.0, n_paths + 1)))  # share of the mean below each cut
    parts = n_paths * np.diff(below, axis=1) * terms[:, :1]
    days[varies] = parts[which.ravel()[:, None], _shuffled(keys.iloc[varies], n_paths)]
    return days


def _shuffled(keys: pd.DataFrame, n_paths: int) -> IntArray:
    """Return the numbers 0 .. n_paths - 1 in an order that a row's values alone decide, (n_series, n_paths)."""
    own = pd.util.hash_pandas_object(keys, index=False, hash_key=HASH_KEY).to_numpy(np.uint64)
    places = pd.util.hash_array(np.arange(1, n_paths + 1, dtype=np.uint64))
    drawn = pd.util.hash_array((own[:, None] ^ places).ravel()).reshape(-1, n_paths)
    return np.argsort(drawn, axis=1, kind="stable")


def split(lead_times: IntArray, horizon: int) -> tuple[IntArray, IntArray | None]:
    """Return the shortest lead time of each series, (n_series,), and the periods after it by path; None = all are on time.

    Args:
        lead_times: shape (n_series, n_paths), periods.
        horizon: orders that come as late as this never come, however late they are.

    >>> split(np.array([[1, 3, 2]]), 8)
    (array([1]), array([[0, 2, 1]]))
    """
    shortest = lead_times.min(axis=1)
    delays = np.minimum(lead_times - shortest[:, None], horizon)
    return shortest, delays if delays.any() else None


def shifted(values: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return values of `delay` steps later, (horizon, n_series, n_paths); those of the last step where there is no later one.

    Args:
        values: shape (horizon, n_series, n_paths), by calendar step, or one path that stands for all.
        delays: shape (n_series, n_paths), steps; None = none.
    """
    if delays is None:
        return values
    later = np.empty((len(values), *delays.shape))
    take_later(values, delays, later)
    return later


def delayed(by_step: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return by path what comes `delay` steps later than it is due, (horizon, n_series, n_paths), or one path without delays.

    Args:
        by_step: shape (n_series, horizon), units due at each step.
        delays: shape (n_series, n_paths), steps; None = none.
    """
    if delays is None:
        return by_step.T[:, :, None]
    came = np.empty((by_step.shape[1], *delays.shape))
    come_later(by_step, delays, came)
    return came


def within(delays: IntArray | None, horizon: int) -> BoolArray:
    """Return which shifted steps lie within the horizon, (horizon, n_series, n_paths), or (horizon, 1, 1) without delays."""
    steps = np.arange(horizon)[:, None, None]
    return np.asarray(steps + (0 if delays is None else delays) < horizon)


def delay_shares(delays: IntArray) -> FloatArray:
    """Return the share of the paths that has each delay, (n_series, longest delay + 1).

    >>> delay_shares(np.array([[0, 2, 0, 0]]))
    array([[0.75, 0.  , 0.25]])
    """
    n_series, n_paths = delays.shape
    counts = np.zeros((n_series, int(delays.max(initial=0)) + 1))
    np.add.at(counts, (np.arange(n_series)[:, None], delays), 1.0)
    return np.asarray(counts / n_paths)


def expected_later(by_step: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return the expected value of `delay` steps later, 0 past the horizon, (n_series, horizon).

    Args:
        by_step: shape (n_series, horizon), by calendar step.
        delays: shape (n_series, n_paths), steps; None = none.
    """
    if delays is None:
        return by_step
    total = np.zeros(by_step.shape)
    for steps, share, later in _later(by_step, delays):
        total[:, steps] += share * later
    return total


def expected_delayed(by_step: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return the expected units of each calendar step of what comes `delay` steps later than it is due, (n_series, horizon)."""
    return by_step if delays is None else np.flip(expected_later(np.flip(by_step, axis=1), delays), axis=1)


def least_later(by_step: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return the least value of `delay` steps later on any path, 0 where that is past the horizon on all, (n_series, horizon).

    Args:
        by_step: shape (n_series, horizon), by calendar step.
        delays: shape (n_series, n_paths), steps; None = none.
    """
    if delays is None:
        return by_step
    least = np.full(by_step.shape, np.inf)
    for steps, share, later in _later(by_step, delays):
        least[:, steps] = np.minimum(least[:, steps], np.where(share > 0, later, np.inf))
    return np.where(np.isfinite(least), least, 0.0)


def _later(by_step: FloatArray, delays: IntArray) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Yield by delay the steps that have a later one, the share of the paths that are so late, and the later values."""
    horizon, shares = by_step.shape[1], delay_shares(delays)
    for delay in range(min(shares.shape[1], horizon)):
        yield slice(horizon - delay), shares[:, delay, None], by_step[:, delay:]


def mean_within(values: FloatArray, delays: IntArray | None) -> FloatArray:
    """Return expected values of `delay` steps later, on the paths on which that is within the horizon, (n_series, horizon).

    Args:
        values: shape (horizon, n_series, n_paths), by calendar step.
        delays: shape (n_series, n_paths), steps, 0 on at least one path; None = none.
    """
    if delays is None:
        return np.asarray(values.mean(axis=2).T)
    means = np.empty(values.shape[1::-1])
    mean_later(values, delays, means)
    return means
