"""Metrics against naive formulas and hand examples; rows of scores add up."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import replen.tables as t
from replen.evaluate.answers import TRANSFORM_LEVELS, held_against
from replen.evaluate.metrics import InSample, Scored, in_sample, metric_parts, pinball_loss, randomised_transform, ratios
from replen.evaluate.scores import N_BINS, score_rows, series_scores, summarise, transform_counts, transform_rows
from replen.forecast.distribution import from_negative_binomial, from_quantiles

LEVELS = np.array([0.1, 0.5, 0.9], dtype=np.float32)
amounts = st.integers(0, 20).map(float)
unknown_or_amounts = st.one_of(st.just(np.nan), amounts)


def values(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> st.SearchStrategy[NDArray[np.float32]]:
    return arrays.arrays(np.float32, shape, elements=elements)


@st.composite
def scored(draw: st.DrawFn, *, complete: bool = False) -> tuple[Scored, InSample]:
    n, h = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    forecast = amounts if complete else unknown_or_amounts
    evaluated = Scored(
        actual=draw(values((n, h), unknown_or_amounts)),
        mean=draw(values((n, h), forecast)),
        median=draw(values((n, h), amounts)),
        quantiles=np.sort(draw(values((n, h, 3), amounts)), axis=2),
        levels=LEVELS,
        transform=draw(arrays.arrays(np.float64, (n, h), elements=st.floats(0, 1))),
    )
    history = draw(values((n, draw(st.integers(1, 8))), unknown_or_amounts))
    return evaluated, in_sample(history, draw(arrays.arrays(np.float64, n, elements=amounts)))


def cells(case: Scored) -> list[tuple[int, int]]:
    return [tuple(cell) for cell in np.argwhere(~np.isnan(case.actual) & ~np.isnan(case.mean))]


def naive_pinball(case: Scored, i: int, j: int) -> float:
    losses = [
        max(q * (y - f), (q - 1) * (y - f))
        for q, f in zip(case.levels.astype(float), case.quantiles[i, j], strict=True)
        for y in [case.actual[i, j]]
    ]
    return float(np.mean(losses))


def ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan


def naive_metrics(case: Scored, scale: InSample) -> dict[str, float]:
    kept = cells(case)
    y = np.array([case.actual[cell] for cell in kept], dtype=float)
    e = np.array([case.mean[cell] for cell in kept], dtype=float) - y
    m = np.array([case.median[cell] for cell in kept], dtype=float) - y
    u = np.array([case.transform[cell] for cell in kept])
    n, demand = len(kept), float(y.sum())
    rmsse, spl, weight = [], [], []
    for i in range(len(case.actual)):
        steps = [j for k, j in kept if k == i]
        if steps and not np.isnan(scale.squared[i]):
            errors = case.mean[i, steps].astype(float) - case.actual[i, steps]
            rmsse.append(float(np.sqrt(np.mean(errors**2) / scale.squared[i])))
            spl.append(float(np.mean([naive_pinball(case, i, j) for j in steps]) / scale.absolute[i]))
            weight.append(float(scale.weight[i]))
    return {
        "mae": ratio(np.abs(e).sum(), n),
        "mse": ratio((e**2).sum(), n),
        "rmse": math.sqrt(ratio((e**2).sum(), n)),
        "wape": ratio(np.abs(e).sum(), demand),
        "bias": ratio(e.sum(), n),
        "relative_bias": ratio(e.sum(), demand),
        "median_mae": ratio(np.abs(m).sum(), n),
        "median_wape": ratio(np.abs(m).sum(), demand),
        "pinball": ratio(sum(naive_pinball(case, i, j) for i, j in kept), n),
        "coverage_50": ratio((u < 0.5).sum(), n),
        "coverage_90": ratio((u < 0.9).sum(), n),
        "rmsse": ratio(sum(rmsse), len(rmsse)),
        "spl": ratio(sum(spl), len(spl)),
        "wrmsse": ratio(float(np.dot(weight, rmsse)), sum(weight)),
        "wspl": ratio(float(np.dot(weight, spl)), sum(weight)),
        "n": n,
        "n_missing": int((~np.isnan(case.actual) & np.isnan(case.mean)).sum()),
        "n_series": len({i for i, _ in kept}),
        "absolute_actual": demand,
        "n_scaled": len(rmsse),
        "weight": sum(weight),
    }


def measured(case: Scored, scale: InSample, fold: str = "2024-01-01", model: str = "lstm") -> pd.DataFrame:
    labels = np.array(["odd" if i % 2 else "even" for i in range(len(case.actual))])
    return score_rows(metric_parts(case, scale), model=model, fold=fold, segments={"class": labels})


def as_dict(metrics: pd.DataFrame, *, segment: str = "all", fold: str = "all") -> dict[str, float]:
    chosen = metrics[(metrics[t.SEGMENT] == segment) & (metrics[t.FOLD] == fold)]
    return dict(zip(chosen[t.METRIC], chosen[t.VALUE], strict=True))


def chosen_rows(case: Scored, scale: InSample, rows: slice) -> tuple[Scored, InSample]:
    part = {name: getattr(case, name)[rows] for name in ("actual", "mean", "median", "quantiles", "transform")}
    return replace(case, **part), InSample(scale.absolute[rows], scale.squared[rows], scale.weight[rows])


@given(case=scored())
def test_every_metric_is_its_naive_formula(case: tuple[Scored, InSample]) -> None:
    found = as_dict(summarise(measured(*case), run_id="r"))
    naive = naive_metrics(*case)
    assert found.keys() == naive.keys()
    np.testing.assert_allclose([found[name] for name in naive], list(naive.values()), rtol=1e-6, atol=1e-12)


@given(case=scored())
def test_metrics_of_a_segment_are_those_of_its_series(case: tuple[Scored, InSample]) -> None:
    metrics = summarise(measured(*case), run_id="r")
    for segment, rows in (("class=even", slice(0, None, 2)), ("class=odd", slice(1, None, 2))):
        if len(case[0].actual[rows]):
            alone, naive = as_dict(metrics, segment=segment), naive_metrics(*chosen_rows(*case, rows))
            np.testing.assert_allclose([alone[name] for name in naive], list(naive.values()), rtol=1e-6, atol=1e-12)


@given(case=scored(), at=st.sampled_from([0, 2, 4]))
def test_scores_of_parts_add_up_to_those_of_the_whole(case: tuple[Scored, InSample], at: int) -> None:
    halves = [measured(*chosen_rows(*case, rows)) for rows in (slice(0, at), slice(at, None))]
    apart, whole = summarise(pd.concat(halves), run_id="r"), summarise(measured(*case), run_id="r")
    names = t.METRICS.names[:-1]
    both = whole.merge(apart, on=names, how="left")
    np.testing.assert_allclose(both["value_x"], both["value_y"], rtol=1e-9, atol=1e-12)


@given(case=scored())
def test_steps_are_scored_by_step_and_series_by_series(case: tuple[Scored, InSample]) -> None:
    data, scale = case
    metrics = summarise(measured(data, scale), run_id="r")
    for j in range(data.actual.shape[1]):
        at_step = replace(
            data, **{name: getattr(data, name)[:, [j]] for name in ("actual", "mean", "median", "quantiles", "transform")}
        )
        found, naive = as_dict(metrics, segment=f"step={j + 1}"), naive_metrics(at_step, scale)
        assert np.isnan(found["rmsse"])
        np.testing.assert_allclose(found["wape"], naive["wape"], rtol=1e-6)
        np.testing.assert_allclose(found["pinball"], naive["pinball"], rtol=1e-6)
    keys = pd.DataFrame({t.SKU: [f"s{i}" for i in range(len(data.actual))], t.SITE: "n", t.STREAM: "*"})
    by_series = series_scores(metric_parts(data, scale), keys, model="lstm", fold="2024-01-01")
    for i in range(len(data.actual)):
        naive = naive_metrics(*chosen_rows(data, scale, slice(i, i + 1)))
        np.testing.assert_allclose([by_series.loc[i, name] for name in naive], list(naive.values()), rtol=1e-6, atol=1e-12)


@given(case=scored(), factor=st.sampled_from([2.0, 0.5]))
def test_money_or_packs_change_no_relative_metric(case: tuple[Scored, InSample], factor: float) -> None:
    data, scale = case
    scaled = replace(
        data, **{name: np.float32(factor) * getattr(data, name) for name in ("actual", "mean", "median", "quantiles")}
    )
    found = as_dict(
        summarise(measured(scaled, InSample(factor * scale.absolute, factor**2 * scale.squared, scale.weight)), run_id="r")
    )
    naive = naive_metrics(data, scale)
    for name in ("wape", "relative_bias", "rmsse", "wrmsse", "spl", "wspl", "coverage_50"):
        np.testing.assert_allclose(found[name], naive[name], rtol=1e-6)
    for name in ("mae", "rmse", "bias", "pinball"):
        np.testing.assert_allclose(found[name], factor * naive[name], rtol=1e-6, atol=1e-12)


def test_hand_example() -> None:
    # One series, two weeks: forecast 4 and 6, sold 5 and 2; a third week is unknown, for a fourth there is no forecast.
    data = Scored(
        actual=np.array([[5, 2, np.nan, 7]], dtype=np.float32),
        mean=np.array([[4, 6, 3, np.nan]], dtype=np.float32),
        median=np.array([[5, 5, 3, 3]], dtype=np.float32),
        quantiles=np.array([[[3, 8], [4, 9], [0, 0], [0, 0]]], dtype=np.float32),
        levels=np.array([0.5, 0.9], dtype=np.float32),
        transform=np.array([[0.6, 0.1, 0.0, 1.0]]),
    )
    scale = in_sample(np.array([[0, 0, 2, 3, np.nan, 1, 4]], dtype=np.float32), np.array([10.0]))
    # changes from the first sale on: 1 (2 -> 3) and 3 (1 -> 4), so absolute 2 and squared 5
    assert (scale.absolute.tolist(), scale.squared.tolist()) == ([2.0], [5.0])
    found = as_dict(summarise(measured(data, scale), run_id="r"))
    expected = {
        "n": 2, "n_missing": 1, "mae": 2.5, "mse": 8.5, "rmse": 8.5**0.5, "wape": 5 / 7, "bias": 1.5, "relative_bias": 3 / 7,
        "median_mae": 1.5, "median_wape": 3 / 7, "coverage_50": 0.5, "coverage_90": 1.0, "rmsse": (8.5 / 5) ** 0.5,
        # week 1: (0.5 * 2 + 0.1 * 3) / 2 = 0.65; week 2: (0.5 * 2 + 0.1 * 7) / 2 = 0.85
        "pinball": 0.75, "spl": 0.375, "wspl": 0.375, "wrmsse": (8.5 / 5) ** 0.5,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_pinball_of_the_median_is_half_the_absolute_error() -> None:
    actual, forecast = np.array([[3.0, 8.0]], dtype=np.float32), np.array([[5.0, 1.0]], dtype=np.float32)
    loss = pinball_loss(actual, forecast[:, :, None], np.array([0.5], dtype=np.float32))
    np.testing.assert_allclose(loss, 0.5 * np.abs(actual - forecast))


def test_the_randomised_transform_of_a_right_forecast_is_uniform() -> None:
    rng = np.random.default_rng(7)
    probability = np.array([0.5, 0.3, 0.2])
    demand = rng.choice(3, p=probability, size=(200, 100))
    at_or_below = np.cumsum(probability)[demand]
    transform = randomised_transform(at_or_below - probability[demand], at_or_below, rng.random(demand.shape))
    for level in (0.1, 0.5, 0.9):
        assert (transform < level).mean() == pytest.approx(level, abs=0.015)


def test_a_series_that_never_changes_has_no_scale() -> None:
    scale = in_sample(np.array([[3, 3, 3], [0, 0, 0], [np.nan, 2, np.nan]], dtype=np.float32), np.ones(3))
    assert np.isnan(scale.absolute).all()
    assert np.isnan(scale.squared).all()


def test_ratios_without_anything_scored_are_undefined_not_zero() -> None:
    nothing = metric_parts(
        Scored(*(np.full((1, 1), np.nan, dtype=np.float32),) * 3, np.zeros((1, 1, 3), np.float32), LEVELS, np.zeros((1, 1))),
        InSample(np.ones(1), np.ones(1), np.ones(1)),
    )
    found = ratios({**{k: v.sum() for k, v in nothing.by_step.items()}, **{k: v.sum() for k, v in nothing.by_series.items()}})
    assert all(np.isnan(found[name]) for name in ("wape", "pinball", "rmsse", "coverage_90"))
    assert found["n"] == 0


@given(transform=arrays.arrays(np.float64, (3, 5), elements=st.one_of(st.just(np.nan), st.floats(0, 1))), at=st.integers(0, 3))
def test_the_histogram_of_the_transform_counts_every_scored_period_once(transform: NDArray[np.float64], at: int) -> None:
    halves = [transform_rows(part, model="lstm", fold="2024-01-01") for part in (transform[:at], transform[at:])]
    counts = transform_counts(pd.concat(halves)).loc["lstm"].to_numpy()
    known = transform[~np.isnan(transform)]
    naive = [sum(min(int(value * N_BINS), N_BINS - 1) == number for value in known) for number in range(N_BINS)]
    edges = np.isclose(known * N_BINS, np.round(known * N_BINS))  # a float may fall on either side of an edge
    assert counts.sum() == len(known)
    assert edges.any() or counts.tolist() == naive


def test_counts_of_the_transform_are_no_metric() -> None:
    rows = transform_rows(np.array([[0.1]]), model="lstm", fold="2024-01-01")
    data = Scored(*(np.ones((1, 1), np.float32),) * 3, np.ones((1, 1, 3), np.float32), LEVELS, np.array([[0.1]]))
    scale = InSample(np.ones(1), np.ones(1), np.ones(1))
    whole = summarise(pd.concat([measured(data, scale), rows]), run_id="r")
    pd.testing.assert_frame_equal(whole, summarise(measured(data, scale), run_id="r"))


@pytest.mark.parametrize("mean", [0.1, 0.4, 1.5, 6.0, 40.0])
def test_a_right_distribution_known_by_quantiles_of_counts_looks_right(mean: float) -> None:
    rng, n_series = np.random.default_rng(0), 20_000
    actual = rng.negative_binomial(2, 2 / (2 + mean), (n_series, 1)).astype(np.float32)
    levels = np.array([0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995], np.float32)
    cells = np.full((n_series, 1), mean, np.float32), np.full((n_series, 1), 0.5, np.float32)
    asked = np.union1d(levels, TRANSFORM_LEVELS.astype(np.float32))
    exact = from_negative_binomial(*cells, levels=asked, dependence=np.zeros(0, np.float32), reason=np.full(n_series, ""))
    known = from_quantiles(exact.mean, exact.quantiles, levels=asked, dependence=exact.dependence, reason=exact.reason)
    held = held_against(known, actual, rng.random((n_series, 1)), levels=levels)
    np.testing.assert_array_equal(held.quantiles, exact.quantiles[:, :, np.searchsorted(asked, levels)])
    assert [np.mean(held.transform < level) for level in (0.5, 0.9)] == pytest.approx([0.5, 0.9], abs=0.015)
