"""The VN2 scoring job from the command line, on a small folder in the competition's layout."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs import score_vn2
from replen.evaluate.vn2_scores import OURS, REFERENCES, SETTINGS, TUNED_HERE
from tests.unit.vn2_folder import keys, units, write_week, write_week_0

N_SERIES, N_HISTORY = 8, 78
TINY = ("forecast.lightgbm.rounds=3", "forecast.lightgbm.min_leaf_rows=5", "plan.n_paths=16")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three windows instead of thirteen."""
    monkeypatch.setattr(score_vn2, "N_EARLY", 1)
    monkeypatch.setattr(score_vn2, "N_WINDOWS", 2)
    write_week_0(tmp_path / "data", N_SERIES, N_HISTORY)
    return tmp_path / "data"


def run(folder: Path, out: Path) -> int:
    settings = [part for setting in TINY for part in ("--set", setting)]
    return score_vn2.main(["--data", str(folder), "--out", str(out), *settings])


def written(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "scores.json").read_text()))


def rounds(out: Path) -> list[pd.DataFrame]:
    return [pd.read_csv(out / f"round_{number}.csv") for number in range(1, 7)]


def test_week_0_alone_plays_the_windows_of_the_history(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(folder, out) == 0
    scores, shown = written(out), capsys.readouterr().out
    assert not list(out.glob("round_*.csv"))
    assert "competition" not in scores
    assert list(scores["policies"]) == [*REFERENCES, OURS, TUNED_HERE]
    assert all(name in shown for name in scores["policies"])
    for scored in scores["policies"].values():
        assert list(scored["by_window"]) == ["62", "70"]
        for one in scored["by_window"].values():
            assert one["cost"] == pytest.approx(one["holding"] + one["shortage"])
        assert scored["mean"] == pytest.approx(sum(one["cost"] for one in scored["by_window"].values()) / 2)
    means = [one["mean"] for one in scores["chosen_on"]["by"]]
    assert scores["chosen_on"]["windows"] == ["54"]
    assert (len(means), scores["settings_tried"]["in_this_run"]) == (len(SETTINGS), len(SETTINGS))
    chosen = scores["chosen_on"]["by"][means.index(min(means))]
    assert {name: scores["setting"][name] for name in ("fractile", "dispersion")} == {
        name: chosen[name] for name in ("fractile", "dispersion")
    }
    assert scores["policies"][TUNED_HERE]["mean"] <= scores["policies"][OURS]["mean"]
    for told in scores["against"].values():
        assert told["low"] <= told["difference"] <= told["high"]


def test_the_competition_is_played_and_no_round_reads_its_own_week(folder: Path, tmp_path: Path) -> None:
    """From week 3 on every other series sells more: rounds 1 to 3, which read up to week 2, stay as they were, not the rest."""
    sold = units(N_SERIES, 8, seed=7)
    for number in range(1, 9):
        write_week(folder, number, sold)
    assert run(folder, tmp_path / "one") == 0
    sold[::2, 2:] += 50
    for number in range(3, 9):
        write_week(folder, number, sold)
    assert run(folder, tmp_path / "two") == 0
    one, two = rounds(tmp_path / "one"), rounds(tmp_path / "two")
    for orders in one:
        assert list(orders) == ["Store", "Product", "quantity"]
        pd.testing.assert_frame_equal(orders[["Store", "Product"]], keys(N_SERIES))
        assert (orders["quantity"] >= 0).all()
    assert [before.equals(after) for before, after in zip(one, two, strict=True)] == [True] * 3 + [False] * 3
    scores, others = written(tmp_path / "one"), written(tmp_path / "two")
    for scored in scores["competition"].values():
        assert scored["all_weeks"] >= scored["cost"] == pytest.approx(scored["holding"] + scored["shortage"])
    assert scores["policies"] == others["policies"], "the windows end with week 0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weeks": 3}, "expected sales of weeks 1 to 8 of the competition, or of week 0 only; found weeks 1 to 3"),
        ({"history": 60}, "sales of week 0: expected 76 weeks or more, found 60"),
    ],
)
def test_what_cannot_be_played_is_told(
    folder: Path, tmp_path: Path, change: dict[str, int], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "history" in change:
        write_week_0(folder, N_SERIES, change["history"])
    for number in range(1, change.get("weeks", 0) + 1):
        write_week(folder, number, units(N_SERIES, number))
    assert run(folder, tmp_path / "out") == 1
    assert message in capsys.readouterr().err
