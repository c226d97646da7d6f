"""The scoring jobs' contest and scoreboard, on a small panel."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen.config import Config
from replen.evaluate.contest import Entry, Question, contest
from replen.evaluate.metrics import Scored
from replen.evaluate.peers import PEERS, interval_levels
from replen.evaluate.scoreboard import ForecastFile, Scoreboard, coverage
from replen.features.panel import Panel
from replen.overlays import load_config

HORIZON, LEVELS = 7, np.array([0.1, 0.5, 0.9], np.float32)
SETTINGS = [
    "freq=D", "forecast.horizon=7", "plan.horizon=7", "evaluate.horizon=7",
    "forecast.models=[seasonal_naive,moving_average,blend]",
    "forecast.champion=blend", "forecast.seasonal_naive.season=7", "forecast.moving_average.window=14",
    "forecast.blend.weights={moving_average: 3, seasonal_naive: 1}",
]  # fmt: skip


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(None, SETTINGS)


@pytest.fixture(scope="module")
def question() -> Question:
    """Twenty series with a weekly rhythm over ten weeks; the last one never sold."""
    rng, n_periods = np.random.default_rng(5), 70
    periods = np.datetime64("2024-01-01", "D") + np.arange(n_periods)
    rhythm = np.where((np.arange(n_periods + HORIZON) % 7) >= 5, 2.0, 1.0)
    sales = rng.poisson(3.0 * rhythm, (20, n_periods + HORIZON)).astype(np.float32)
    sales[-1] = np.nan
    keys = pd.DataFrame(
        {"sku": [f"s{i}" for i in range(20)], "site": "a", "stream": "*", "bucket": 0, "start_date": periods[0]}
    )
    keys[["category", "brand", "unit_price", "launch_date", "end_date"]] = ["c", None, 1.0, None, None]
    unknown = np.full((20, n_periods), np.nan, np.float32)
    names = ("price", "promotion", "in_stock", "customer_count", "inventory_level")
    past = {"sales": sales[:, :n_periods], **dict.fromkeys(names, unknown)}
    return Question(Panel(keys, periods, past, {}), sales[:, n_periods:], LEVELS)


def entries(question: Question, config: Config, *models: str) -> dict[str, Entry]:
    found = contest(question, config, models=models, threads=1, note=lambda _: None)
    return {entry.model: entry for entry in found}


def test_a_blend_is_the_weighted_mean_of_members_and_costs_what_they_cost(question: Question, config: Config) -> None:
    found = entries(question, config, "blend", "moving_average", "seasonal_naive")
    average, naive, blend = (found[name] for name in ("moving_average", "seasonal_naive", "blend"))
    sold = slice(0, 19)
    expected = 0.75 * average.scored.mean[sold] + 0.25 * naive.scored.mean[sold]
    np.testing.assert_allclose(blend.scored.mean[sold], expected, rtol=1e-5)
    assert blend.seconds >= average.seconds + naive.seconds


def test_no_series_is_without_a_forecast_and_members_not_asked_for_are_not_shown(question: Question, config: Config) -> None:
    found = entries(question, config, "blend")
    assert list(found) == ["blend"]
    assert np.isfinite(found["blend"].scored.mean).all()
    assert np.isfinite(found["blend"].scored.quantiles).all()


@pytest.mark.parametrize("name", PEERS)
def test_peers_answer_every_series_with_rising_quantiles(name: str, question: Question, config: Config) -> None:
    scored = entries(question, config, name)[name].scored
    assert scored.mean.shape == (20, HORIZON)
    assert np.isfinite(scored.mean).all()
    assert (np.diff(scored.quantiles, axis=2) >= 0).all()
    weekend = np.flatnonzero((np.arange(70, 77) % 7) >= 5)
    workday = np.setdiff1d(np.arange(HORIZON), weekend)
    assert scored.mean[:19, weekend].mean() > 1.3 * scored.mean[:19, workday].mean()


def test_interval_levels_are_named_as_the_peers_name_their_columns() -> None:
    assert interval_levels(np.array([0.005, 0.165, 0.5, 0.835, 0.995], np.float32)) == [67, 99]


def test_scoreboard_writes_forecasts_and_scores(tmp_path: Path, question: Question, config: Config) -> None:
    (entry,) = entries(question, config, "moving_average").values()
    ids = np.array([f"id{i}" for i in range(20)])
    file, board = ForecastFile(tmp_path, ids, unit=0.1), Scoreboard("moving_average", ("wape",))
    for cutoff, wape in (("1", 0.5), ("2", 0.7)):
        file.add(entry, cutoff)
        board.add(cutoff, entry, {"wape": wape, "other": float("nan")})
    file.close()
    board.write(tmp_path, {"data": "made up"})
    rows = pd.read_parquet(tmp_path / "forecasts.parquet")
    assert list(rows) == ["model", "cutoff", "id", "step", "mean", "q0.1", "q0.5", "q0.9"]
    assert len(rows) == 2 * 20 * HORIZON
    first = rows[(rows["id"] == "id3") & (rows["cutoff"] == "1")]
    assert first["step"].tolist() == list(range(1, HORIZON + 1))
    np.testing.assert_allclose(first["mean"], entry.scored.mean[3] * 0.1, rtol=1e-6)
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["champion"] == "moving_average"
    assert written["models"]["moving_average"]["mean"]["wape"] == pytest.approx(0.6)
    assert written["models"]["moving_average"]["by_cutoff"]["2"]["other"] is None
    assert "* moving_average 0.6000" in str(board)


def test_coverage_is_by_class_too() -> None:
    transform = np.array([[0.1, 0.6], [0.95, np.nan]])
    nothing = np.zeros((2, 2), np.float32)
    scored = Scored(nothing, nothing, nothing, nothing[:, :, None], np.array([0.5], np.float32), transform)
    found = coverage(scored, np.array(["smooth", "lumpy"]))
    assert found["below_50"] == pytest.approx(1 / 3)
    assert (found["below_90 smooth"], found["below_90 lumpy"]) == (1.0, 0.0)
