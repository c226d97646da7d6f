"""The scoring jobs' contest and scoreboard, on a small panel."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen.config import Config
from replen.errors import ReplenError
from replen.evaluate.contest import Entry, Failure, Question, contest
from replen.evaluate.metrics import Scored
from replen.evaluate.peers import PACKAGES, PEERS, check_installed, interval_levels
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


def answers(question: Question, config: Config, *models: str) -> list[Entry | Failure]:
    return list(contest(question, config, models=models, threads=1, note=lambda _: None))


def entries(question: Question, config: Config, *models: str) -> dict[str, Entry]:
    return {entry.model: entry for entry in answers(question, config, *models) if isinstance(entry, Entry)}


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


def test_a_blend_that_stands_in_brings_its_members(question: Question) -> None:
    config = load_config(None, [*SETTINGS, "forecast.fallback=[blend]"])
    found = entries(question, config, "seasonal_naive")["seasonal_naive"].scored
    blend = entries(question, config, "blend")["blend"].scored
    np.testing.assert_array_equal(found.mean[-1], blend.mean[-1])


def test_nothing_of_ours_is_fitted_for_a_peer(question: Question, config: Config) -> None:
    noted: list[str] = []
    list(contest(question, config, models=["peer_seasonal_naive"], threads=1, note=noted.append))
    assert noted == ["peer_seasonal_naive"]


@pytest.mark.parametrize("shard", [4, 8192])
def test_models_of_single_series_are_fitted_on_each_shard_and_forecast(
    question: Question, shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards change nothing; the series that never sold has no model, and is forecast by the fallback."""
    monkeypatch.setattr("replen.evaluate.contest.SHARD", shard)
    small = {"units": 4, "layers": 1, "context": 14, "slices": 2, "lags": [7], "windows": [4, 7, 14], "epochs": 2, "stack": 16}
    local = [f"forecast.local_lstm.{key}={value}" for key, value in small.items()]
    config = load_config(None, [*SETTINGS[:4], "forecast.models=[moving_average,local_lstm]", *local])
    found = entries(question, config, "moving_average", "local_lstm")
    own, average = found["local_lstm"].scored, found["moving_average"].scored
    assert np.isfinite(own.mean).all()
    assert (np.diff(own.quantiles, axis=2) >= 0).all()
    np.testing.assert_array_equal(own.mean[-1], average.mean[-1])
    assert (np.abs(own.mean - average.mean)[:-1].max(axis=1) > 1e-3).all()
    if shard == 4:
        monkeypatch.undo()
        whole = entries(question, config, "local_lstm")["local_lstm"].scored
        np.testing.assert_allclose(own.mean, whole.mean, rtol=1e-5)
        np.testing.assert_allclose(own.quantiles, whole.quantiles, rtol=1e-5)


def test_a_peer_that_breaks_down_says_why_and_the_next_one_answers(
    question: Question, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no\ndata")

    monkeypatch.setitem(PEERS, "peer_seasonal_naive", broken)
    failure, entry = answers(question, config, "peer_seasonal_naive", "peer_auto_ets")
    assert failure == Failure("peer_seasonal_naive", "ZeroDivisionError: no data")
    assert isinstance(entry, Entry)


def test_peers_that_are_not_installed_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed(PEERS)
    monkeypatch.setitem(PACKAGES, "peer_lightgbm", "mlforecast_that_is_not_there")
    with pytest.raises(ReplenError, match=r"--models: peer_lightgbm \(expected .*install `replen\[peers\]`"):
        check_installed(PEERS)


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


def test_numbers_that_json_does_not_have_are_null_and_text_stays(tmp_path: Path, question: Question, config: Config) -> None:
    (entry,) = entries(question, config, "moving_average").values()
    board = Scoreboard("NaN Infinity", ("wape",))
    board.add("NaN", entry, {"wape": np.inf, "bias": -np.inf, "pinball": np.nan, "n": 3.0})
    board.write(tmp_path, {"data": "NaN", "infinite": float("inf")})
    written = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert (written["data"], written["infinite"], written["champion"]) == ("NaN", None, "NaN Infinity")
    scores = written["models"]["moving_average"]["by_cutoff"]["NaN"]
    assert {name: scores[name] for name in ("wape", "bias", "pinball", "n")} == {
        "wape": None, "bias": None, "pinball": None, "n": 3.0,
    }  # fmt: skip


def test_a_failure_stands_in_table_and_file_with_its_reason(tmp_path: Path, question: Question, config: Config) -> None:
    (entry,) = entries(question, config, "moving_average").values()
    board = Scoreboard("moving_average", ("wape",))
    for cutoff in ("1", "2"):
        board.add(cutoff, entry, {"wape": 0.5})
        board.add_failure(cutoff, Failure("peer_a", "ValueError: too short"))
    board.add("1", replace(entry, model="peer_b"), {"wape": 0.4})
    board.add_failure("2", Failure("peer_b", "KeyError: 'x'"))
    board.write(tmp_path, {})
    models = json.loads((tmp_path / "scores.json").read_text())["models"]
    assert models["moving_average"]["mean"]["wape"] == 0.5
    assert models["peer_a"] == {"mean": {}, "by_cutoff": {at: {"reason": "ValueError: too short"} for at in "12"}}
    assert (models["peer_b"]["mean"]["wape"], models["peer_b"]["by_cutoff"]["1"]["wape"]) == (None, 0.4)
    lines = str(board).splitlines()
    assert [line.split() for line in lines[2:4]] == [["peer_a", "-", "-", "-"], ["peer_b", "-", "-", "-"]]
    assert lines[4:] == [
        "peer_a failed at 1: ValueError: too short", "peer_a failed at 2: ValueError: too short",
        "peer_b failed at 2: KeyError: 'x'",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json"]


def test_coverage_is_by_class_too() -> None:
    transform = np.array([[0.1, 0.6], [0.95, np.nan]])
    nothing = np.zeros((2, 2), np.float32)
    scored = Scored(nothing, nothing, nothing, nothing[:, :, None], np.array([0.5], np.float32), transform)
    found = coverage(scored, np.array(["smooth", "lumpy"]))
    assert found["below_50"] == pytest.approx(1 / 3)
    assert (found["below_90 smooth"], found["below_90 lumpy"]) == (1.0, 0.0)
