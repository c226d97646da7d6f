"""Marginals against scipy, joint paths against what they promise, rows there and back."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom, norm

from replen import tables as t
from replen.errors import TableError
from replen.forecast import negative_binomial, random
from replen.forecast.distribution import (
    Distribution,
    concat,
    correlation_factor,
    from_negative_binomial,
    from_quantiles,
)
from replen.forecast.rows import from_rows, paths_of_rows, to_rows

LEVELS = np.array([0.05, 0.1, 0.5, 0.9, 0.95], np.float32)


def keys(n_series: int) -> pd.DataFrame:
    names = [f"sku {i}" for i in range(n_series)]
    return pd.DataFrame({t.SKU: names, t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: np.arange(n_series, dtype=np.int32)})


def negative_binomials(n_series: int = 6, horizon: int = 4, dependence: float = 0.6) -> Distribution:
    rng = np.random.default_rng(1)
    mean = np.exp(rng.uniform(-2, 6, (n_series, horizon))).astype(np.float32)
    dispersion = np.exp(rng.uniform(-2, 1, (n_series, horizon))).astype(np.float32)
    correlation = np.full(horizon - 1, dependence, np.float32)
    return from_negative_binomial(
        mean, dispersion, levels=LEVELS, dependence=correlation, reason=np.full(n_series, "", dtype="<U8")
    )


def by_quantiles(quantiles: list[float], levels: list[float]) -> Distribution:
    values = np.array(quantiles, np.float32)[None, None, :]
    return from_quantiles(
        np.ones((1, 1), np.float32), values, levels=np.array(levels, np.float32),
        dependence=np.zeros(0, np.float32), reason=np.array([""]),
    )  # fmt: skip


means = st.floats(0.001, negative_binomial.LARGE_MEAN)
dispersions = st.floats(0.001, 5.0)
levels = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=5)


@given(means, dispersions, levels)
def test_quantiles_of_small_means_are_the_exact_ones(mean: float, dispersion: float, wanted: list[float]) -> None:
    shape = 1 / dispersion
    found = negative_binomial.quantile(np.array([[wanted]]), np.array([[mean]]), np.array([[dispersion]]))[0, 0]
    at = nbinom.cdf(found, shape, shape / (shape + mean))
    below = nbinom.cdf(found - 1, shape, shape / (shape + mean))
    assert (at >= np.array(wanted) - 1e-9).all()
    assert (below <= np.array(wanted) + 1e-9).all()


@given(st.floats(negative_binomial.LARGE_MEAN, 1e5), st.floats(0.01, 5.0), levels)
def test_quantiles_of_large_means_are_close_to_the_exact_ones(mean: float, dispersion: float, wanted: list[float]) -> None:
    shape = 1 / dispersion
    found = negative_binomial.quantile(np.array([[wanted]]), np.array([[mean]]), np.array([[dispersion]]))[0, 0]
    exact = nbinom.ppf(wanted, shape, shape / (shape + mean))
    assert (np.abs(found - exact) <= np.maximum(1.0, 0.04 * exact)).all()


@given(st.integers(-1, 500), means, dispersions)
def test_distribution_function_is_that_of_scipy(count: int, mean: float, dispersion: float) -> None:
    shape = 1 / dispersion
    found = negative_binomial.cdf(np.array([float(count)]), np.array([mean]), np.array([dispersion]))
    assert found[0] == pytest.approx(nbinom.cdf(count, shape, shape / (shape + mean)), abs=1e-7)


def test_paths_have_the_marginals_and_the_correlation_asked_for() -> None:
    made = negative_binomials(n_series=3, dependence=0.6)
    paths = made.sample_paths(random.series_seeds(keys(3), np.datetime64("2024-01-01"), seed=5), 20_000)
    assert paths.mean(axis=1) == pytest.approx(made.mean, rel=0.08, abs=0.05)
    assert np.quantile(paths, 0.9, axis=1) == pytest.approx(made.quantiles[:, :, 3], rel=0.08, abs=1)
    ranks = paths[int(made.mean.sum(axis=1).argmax())].argsort(axis=0).argsort(axis=0)
    scores = norm.ppf((ranks + 0.5) / len(ranks))
    assert np.corrcoef(scores.T)[0, 1] == pytest.approx(0.6, abs=0.05)


def test_paths_of_a_series_alone_are_those_in_a_panel() -> None:
    made, seeds = negative_binomials(), random.series_seeds(keys(6), np.datetime64("2024-01-01"), seed=5)
    together = made.sample_paths(seeds, 7)
    for row in range(6):
        rows = np.array([row])
        assert np.array_equal(made.take(rows).sample_paths(seeds[rows], 7)[0], together[row])


def test_seeds_depend_on_series_cutoff_and_seed() -> None:
    first = random.series_seeds(keys(100), np.datetime64("2024-01-01"), seed=5)
    assert len(set(first)) == 100
    assert not set(first) & set(random.series_seeds(keys(100), np.datetime64("2024-01-08"), seed=5))
    assert not set(first) & set(random.series_seeds(keys(100), np.datetime64("2024-01-01"), seed=6))
    shuffled = keys(100).iloc[::-1]
    assert np.array_equal(random.series_seeds(shuffled, np.datetime64("2024-01-01"), seed=5)[::-1], first)


def test_uniforms_are_uniform() -> None:
    drawn = random.uniforms(np.arange(200, dtype=np.int64), 500)
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert np.histogram(drawn, bins=20, range=(0, 1))[0] == pytest.approx(5000, rel=0.06)
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.01


def test_quantiles_between_known_levels_are_linear_and_constant_outside() -> None:
    made = by_quantiles([0, 10, 30], [0.1, 0.5, 0.9])
    wanted = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.95])[None, :, None]
    assert made.inverse_cdf(wanted)[0, :, 0] == pytest.approx([0, 0, 5, 10, 20, 30], abs=1e-5)


@pytest.mark.parametrize(("actual", "below", "at"), [(0, 0, 0.5), (5, 0.7, 0.7), (10, 0.9, 1), (11, 0.9, 1), (-1, 0, 0.1)])
def test_distribution_function_of_quantiles_with_an_atom_at_zero(actual: float, below: float, at: float) -> None:
    made = by_quantiles([0, 0, 10], [0.1, 0.5, 0.9])
    found = made.cdf(np.full((1, 1), actual, np.float32))
    assert (found[0].item(), found[1].item()) == pytest.approx((below, at), abs=1e-6)


def test_without_a_forecast_everything_is_unknown() -> None:
    mean = np.array([[np.nan, np.nan]], np.float32)
    made = from_negative_binomial(mean, mean, levels=LEVELS, dependence=np.zeros(1, np.float32), reason=np.array(["none"]))
    assert np.isnan(made.quantiles).all()
    assert np.isnan(made.sample_paths(np.array([3]), 4)).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_any_correlations_give_a_factor_with_unit_variances(correlations: list[float]) -> None:
    factor = correlation_factor(np.array(correlations, np.float32))
    assert np.diag(factor @ factor.T) == pytest.approx(1.0)


def test_rows_come_back_exactly() -> None:
    made, seeds = negative_binomials(), np.arange(6, dtype=np.int64)
    rows = to_rows(made, keys(6), seeds=seeds).to_pandas()
    back = from_rows(rows, levels=tuple(LEVELS))
    for name in ("parameters", "levels", "mean", "quantiles", "dependence", "reason"):
        assert np.array_equal(getattr(back, name), getattr(made, name)), name
    assert np.array_equal(concat([back.take(np.arange(2)), back.take(np.arange(2, 6))]).mean, made.mean)


def test_rows_of_two_families_are_refused() -> None:
    rows = to_rows(negative_binomials(), keys(6), seeds=np.arange(6, dtype=np.int64)).to_pandas()
    rows.loc[0, t.FAMILY] = "quantiles"
    with pytest.raises(TableError, match="one family"):
        from_rows(rows, levels=tuple(LEVELS))


def test_every_second_path_mirrors_the_one_before() -> None:
    made = by_quantiles([0.001, 0.999], [0.001, 0.999])
    paths = made.sample_paths(np.array([11]), 8)[0, :, 0]
    assert paths[0::2] + paths[1::2] == pytest.approx(1.0, abs=1e-5)
    assert len(set(paths)) == 8


def test_paths_need_no_quantiles_where_parameters_tell_them() -> None:
    seeds = np.arange(6, dtype=np.int64)
    rows = to_rows(negative_binomials(), keys(6), seeds=seeds).to_pandas()
    wanted = paths_of_rows(rows, levels=tuple(LEVELS), n_paths=5, horizon=2)
    rows[t.QUANTILES] = None
    assert np.array_equal(paths_of_rows(rows, levels=tuple(LEVELS), n_paths=5, horizon=2), wanted)
