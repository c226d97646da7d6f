"""The scoring jobs from the command line, on small folders in the layouts of M5 and FreshRetailNet, split over files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs import score_fresh_retail, score_m5

HORIZON = 5
N_DAYS = 80
START = "2016-01-02"
TINY = (
    "features.active_periods=60", "forecast.models=[seasonal_naive, moving_average, lightgbm, lstm, blend]",
    "forecast.lightgbm.rounds=20", "forecast.tabular.max_rows=1000", "forecast.lstm.units=4",
    "forecast.lstm.layers=1", "forecast.lstm.epochs=1", "forecast.lstm.windows_per_epoch=64", "forecast.lstm.batch_size=8",
    "forecast.lstm.n_models=1", "forecast.lstm.context=14", "forecast.lstm.threads=1",
)  # fmt: skip
MODELS = ("seasonal_naive", "moving_average", "lstm", "blend", "peer_seasonal_naive")


def asked(data: Path, out: Path, *more: str) -> list[str]:
    settings = [part for setting in TINY for part in ("--set", setting)]
    return ["--data", str(data), "--out", str(out), "--models", ",".join(MODELS), "--threads", "1", *settings, *more]


def sales(n_series: int, n_days: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return what sold by series and day, more at the weekend."""
    rhythm = np.where(np.arange(n_days) % 7 < 2, 2.0, 1.0)
    return np.random.default_rng(3).poisson(3.0 * rhythm, (n_series, n_days))


def written(out: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    return pd.read_parquet(out / "forecasts.parquet"), json.loads((out / "scores.json").read_text())


def check_forecasts(rows: pd.DataFrame, levels: tuple[float, ...], *, ids: list[str], cutoffs: list[str], horizon: int) -> None:
    """Every model forecasts every step of every series from every cutoff once, with finite, rising quantiles."""
    names = [f"q{level:.4g}" for level in levels]
    assert list(rows) == ["model", "cutoff", "id", "step", "mean", *names]
    key = ["model", "cutoff", "id", "step"]
    wanted = pd.MultiIndex.from_product([MODELS, cutoffs, ids, range(1, horizon + 1)], names=key)
    found = pd.MultiIndex.from_frame(rows[key].astype({"model": str, "cutoff": str}))
    assert not found.has_duplicates
    assert found.sort_values().tolist() == wanted.sort_values().tolist()
    values = rows[["mean", *names]].to_numpy()
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert (np.diff(values[:, 1:], axis=1) >= 0).all()


@pytest.fixture(params=["csv", "parquet"])
def m5(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three items in two stores; sales in files of other days, one of which ends early, as the competition's do."""
    folder, suffix = tmp_path / "data", request.param
    folder.mkdir()

    def write(rows: pd.DataFrame, name: str) -> None:
        path = folder / f"{name}.{suffix}"
        rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)

    keys = pd.DataFrame([(item, "FOODS_1", "FOODS", store, store[:2]) for item in "ABC" for store in ("CA_1", "TX_1")])
    keys.columns = pd.Index(["item_id", "dept_id", "cat_id", "store_id", "state_id"])
    keys.insert(0, "id", keys["item_id"] + "_" + keys["store_id"])
    days = pd.DataFrame(sales(6, N_DAYS), columns=[f"d_{day}" for day in range(1, N_DAYS + 1)])
    for name, first, last in (("validation", 1, 60), ("evaluation", 31, N_DAYS)):
        part = days.loc[:, f"d_{first}" : f"d_{last}"]
        write(pd.concat([keys.assign(id=keys["id"] + f"_{name}"), part], axis=1), f"sales_train_{name}")
    dates = pd.date_range(START, periods=N_DAYS + HORIZON)
    weeks = 11550 + np.arange(len(dates)) // 7
    names = [f"d_{day}" for day in range(1, len(dates) + 1)]
    calendar = pd.DataFrame({"date": dates.strftime("%Y-%m-%d"), "wm_yr_wk": weeks, "d": names, "event_type_2": ""})
    write(calendar.assign(event_type_1=np.where(weeks % 5 == 0, "Sporting", ""), snap_CA=weeks % 2, snap_TX=0), "calendar")
    prices = keys[["store_id", "item_id"]].merge(pd.DataFrame({"wm_yr_wk": np.unique(weeks)}), how="cross")
    write(prices.assign(sell_price=2.5), "sell_prices")
    return folder


def test_m5_is_scored_where_what_came_is_known(m5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a cutoff three are taken, a horizon apart, the last one a horizon before the last day."""
    out = tmp_path / "out"
    assert score_m5.main(asked(m5, out, "--horizon", str(HORIZON))) == 0
    rows, scores = written(out)
    cutoffs = [str(N_DAYS - HORIZON * back) for back in (3, 2, 1)]
    ids = [f"{item}_{store}" for item in "ABC" for store in ("CA_1", "TX_1")]
    check_forecasts(rows, score_m5.LEVELS, ids=ids, cutoffs=cutoffs, horizon=HORIZON)
    assert (scores["champion"], scores["horizon"], scores["n_series"]) == ("lstm", HORIZON, 6)
    assert list(scores["models"]) == list(MODELS)
    for scored in scores["models"].values():
        assert list(scored["by_cutoff"]) == cutoffs
        assert 0 < scored["mean"]["wrmsse"] < 3
        assert 0 < scored["mean"]["wspl"] < 1
    shown = capsys.readouterr().out
    assert all(model in shown for model in MODELS)
    assert "* lstm" in shown


def test_m5_is_forecast_from_its_last_day_further_than_the_overlay_says(m5: Path, tmp_path: Path) -> None:
    """35 days, of which none is in the calendar: nothing is known of what came, so there are no scores."""
    out, horizon = tmp_path / "out", 35
    assert score_m5.main(asked(m5, out, "--cutoff", f"d_{N_DAYS}", "--horizon", str(horizon))) == 0
    rows, scores = written(out)
    ids = [f"{item}_{store}" for item in "ABC" for store in ("CA_1", "TX_1")]
    check_forecasts(rows, score_m5.LEVELS, ids=ids, cutoffs=[str(N_DAYS)], horizon=horizon)
    assert set(scores["models"]["blend"]["mean"]) == {"seconds", "core_seconds"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--cutoff", "d_81"), "--cutoff: expected a day from d_1 to d_80, found d_81"),
        (("--horizon", "28"), "for a rolling validation, found d_1 to d_80"),
        (("--horizon", "0"), "forecast.horizon: input should be greater than or equal to 1"),
        (("--models", "lstm,nobody"), "--models: expected some of"),
    ],
)
def test_what_cannot_be_done_is_told(
    m5: Path, tmp_path: Path, more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score_m5.main(asked(m5, tmp_path / "out", *more)) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def fresh_retail(tmp_path: Path) -> Path:
    """Four products in two stores, the first 50 days in Parquet and the rest in CSV; stock-outs on some days."""
    folder, n_days = tmp_path / "data", 70
    folder.mkdir()
    series = pd.DataFrame([(store, product) for store in (1, 2) for product in range(4)], columns=["store_id", "product_id"])
    dates = pd.date_range("2024-03-28", periods=n_days)
    rows = series.merge(pd.DataFrame({"dt": dates}), how="cross")
    number = np.arange(len(rows))
    rows = rows.assign(
        first_category_id=1, third_category_id=rows["product_id"] % 2, sale_amount=0.1 * sales(8, n_days).ravel(),
        stockout_hours_6_22=np.where(number % 11 == 0, 5, 0), discount=np.where(number % 13 == 0, 0.8, 1.0),
        holiday_flag=(rows["dt"].dt.dayofweek >= 5).astype(int), activity_flag=0, precpt=1.5, avg_temperature=15.0,
    )  # fmt: skip
    early = rows["dt"] < dates[50]
    rows[early].to_parquet(folder / "train.parquet")
    rows[~early].assign(dt=rows["dt"].dt.strftime("%Y-%m-%d")).to_csv(folder / "eval.csv", index=False)
    return folder


def test_fresh_retail_is_scored_where_what_came_is_known(fresh_retail: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert score_fresh_retail.main(asked(fresh_retail, out, "--cutoff", "2024-05-20", "--horizon", "10")) == 0
    rows, scores = written(out)
    ids = [f"{store}-{product}" for store in (1, 2) for product in range(4)]
    check_forecasts(rows, score_fresh_retail.LEVELS, ids=ids, cutoffs=["2024-05-20"], horizon=10)
    assert 0.1 < rows["mean"].mean() < 1, "in the file's unit, a tenth of what is counted"
    assert (scores["champion"], list(scores["models"])) == ("blend", list(MODELS))
    assert all(0 < scored["mean"]["wape"] < 2 for scored in scores["models"].values())


def test_fresh_retail_is_forecast_from_its_last_day(fresh_retail: Path, tmp_path: Path) -> None:
    out, last = tmp_path / "out", "2024-06-05"
    assert score_fresh_retail.main(asked(fresh_retail, out, "--cutoff", last)) == 0
    rows, scores = written(out)
    ids = [f"{store}-{product}" for store in (1, 2) for product in range(4)]
    check_forecasts(rows, score_fresh_retail.LEVELS, ids=ids, cutoffs=[last], horizon=7)
    assert set(scores["models"]["lstm"]["mean"]) == {"seconds", "core_seconds"}


def test_scores_so_far_are_there_when_a_forecaster_breaks_down(
    fresh_retail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours stops the job: what was scored before it stands in the files."""

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    out = tmp_path / "out"
    monkeypatch.setattr("replen.evaluate.contest.held_against", broken)
    with pytest.raises(OSError, match="disk full"):
        score_fresh_retail.main(
            asked(fresh_retail, out, "--cutoff", "2024-05-20", "--models", "moving_average,peer_seasonal_naive")
        )
    rows, scores = written(out)
    assert list(scores["models"]) == ["moving_average"]
    assert set(rows["model"].astype(str)) == {"moving_average"}
    assert not list(out.glob("*.partial"))
