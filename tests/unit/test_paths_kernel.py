"""Compiled sample paths beside the same written with scipy, array by array."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from replen.forecast import random
from replen.forecast.distribution import Distribution, correlation_factor, from_negative_binomial, from_quantiles
from replen.forecast.paths_kernel import normal

N_SERIES, HORIZON, N_PATHS = 40, 9, 33
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95], np.float32)
SEEDS = np.random.default_rng(4).integers(-(2**62), 2**62, N_SERIES)


def counts() -> Distribution:
    rng = np.random.default_rng(3)
    mean = rng.gamma(0.5, 40.0, (N_SERIES, HORIZON)).astype(np.float32)
    mean[0], mean[1, 2], mean[2] = 0.0, np.nan, 3e4
    dispersion = rng.gamma(1.0, 0.7, mean.shape).astype(np.float32)
    dispersion[3] = 0.0
    return from_negative_binomial(mean, dispersion, levels=LEVELS, dependence=dependence(), reason=np.full(N_SERIES, ""))


def by_quantiles(levels: np.ndarray = LEVELS) -> Distribution:
    rng = np.random.default_rng(5)
    quantiles = np.sort(rng.gamma(1.0, 9.0, (N_SERIES, HORIZON, len(levels))), axis=2)
    quantiles[4] = np.nan
    mean = quantiles.mean(axis=2)
    return from_quantiles(mean, quantiles, levels=levels, dependence=dependence(), reason=np.full(N_SERIES, ""))


def dependence() -> np.ndarray:
    return (0.6 ** np.arange(1, HORIZON)).astype(np.float32)


def plainly(made: Distribution) -> np.ndarray:
    n_pairs = (N_PATHS + 1) // 2
    drawn = ndtri(random.uniforms(SEEDS, n_pairs * HORIZON)).reshape(N_SERIES, n_pairs, HORIZON)
    scores = drawn @ correlation_factor(made.dependence).T
    levels = np.stack([ndtr(scores), ndtr(-scores)], axis=2).reshape(N_SERIES, 2 * n_pairs, HORIZON)[:, :N_PATHS]
    return made.inverse_cdf(np.clip(levels, 1e-12, 1 - 1e-12))


def test_counts_are_those_of_scipy() -> None:
    made = counts()
    found, wanted = made.sample_paths(SEEDS, N_PATHS), plainly(made)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    known = ~np.isnan(wanted)
    # A level that is a probability to the last bit may fall on either side of it.
    assert (found[known] != wanted[known]).mean() < 1e-3
    assert np.abs(found[known] - wanted[known]).max() <= 1


@pytest.mark.parametrize("levels", [LEVELS, LEVELS[2:3]])
def test_what_is_known_by_quantiles_is_that_of_scipy(levels: np.ndarray) -> None:
    made = by_quantiles(levels)
    np.testing.assert_allclose(made.sample_paths(SEEDS, N_PATHS), plainly(made), rtol=1e-6)


def test_first_steps_are_the_same_however_many_follow() -> None:
    for made in (counts(), by_quantiles()):
        whole = made.sample_paths(SEEDS, N_PATHS)
        assert np.array_equal(made.sample_paths(SEEDS, N_PATHS, 4), whole[:, :, :4], equal_nan=True)


def test_normal_scores_are_those_of_scipy() -> None:
    levels = np.concatenate([np.geomspace(1e-300, 0.5, 2000), 1 - np.geomspace(1e-15, 0.5, 2000)])
    found = np.array([normal(level) for level in levels])
    np.testing.assert_allclose(found, ndtri(levels), rtol=4e-15, atol=1e-15)


def test_one_number_is_that_of_all() -> None:
    drawn = random.uniforms(SEEDS[:2], 5)
    assert [[random.uniform(seed, draw) for draw in range(5)] for seed in SEEDS[:2]] == drawn.tolist()
