"""Random numbers keyed by what they are for, never by where they are drawn: a cluster draws what a laptop draws."""

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from replen import tables as t

UIntArray = NDArray[np.uint64]
FloatArray = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True)
def mix(values: UIntArray) -> UIntArray:
    """Return 64 well-mixed bits for each value; compiled, also for a single value.

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood, Fast Splittable Pseudorandom Number Generators, 2014).
    """
    bits = values + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


def series_seeds(keys: pd.DataFrame, cutoff: np.datetime64, *, seed: int) -> NDArray[np.int64]:
    """Return shape (n_series,): the seed of each series' random numbers, a function of (seed, series, cutoff) alone."""
    day = np.int64(cutoff.astype("datetime64[D]").astype(np.int64))
    bits = np.full(len(keys), mix(np.array([seed, day], dtype=np.int64).view(np.uint64)).sum(dtype=np.uint64))
    for column in (t.SKU, t.SITE, t.STREAM):
        bits = mix(bits ^ pd.util.hash_array(keys[column].to_numpy(dtype=object)))
    return bits.view(np.int64)


def uniforms(seeds: NDArray[np.int64], n_draws: int) -> FloatArray:
    """Return shape (n_series, n_draws): uniform numbers inside (0, 1), row i from seed i alone."""
    counters = np.arange(1, n_draws + 1, dtype=np.uint64) * _GOLDEN
    bits = mix(mix(seeds.view(np.uint64))[:, None] + counters)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


@njit(cache=True)
def uniform(seed: np.int64, draw: int) -> float:
    """Return one number of `uniforms`, for compiled code; draws count from 0."""
    bits = mix(mix(np.uint64(seed)) + np.uint64(draw + 1) * _GOLDEN)  # type: ignore[arg-type]  # single numbers, once compiled
    return float((np.float64(bits >> np.uint64(11)) + 0.5) * 2.0**-53)
