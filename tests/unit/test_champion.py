"""Champion and challenger: the best on equal terms, by segment, unless the one so far is about as good; each with a reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.config import Forecast
from replen.errors import ConfigError, TableError
from replen.evaluate.champion import Choice, choose
from replen.evaluate.metrics import InSample, Scored, metric_parts
from replen.evaluate.scores import score_rows, summarise
from replen.overlays import load_config

CONF = Path(__file__).parents[2] / "conf"
NAIVE_AND_LSTM = {"moving_average": (1.0, 4.0), "lstm": (2.0, 2.0)}


def settings(**promotion: Any) -> Forecast:
    """Return the section `forecast` with a champion for each demand class of any size, but for what is given."""
    changes = {"segment": "class", "min_series": 1, **promotion}
    return load_config(CONF / "test.yaml", [f"forecast.promotion.{key}={value}" for key, value in changes.items()]).forecast


def two_folds(loss: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """Return metrics of models whose pinball loss is given for the one even and the one odd series."""
    rows = []
    classes = {"class": np.array(["even", "odd"])}
    for model, by_class in loss.items():
        actual = np.full((2, 1), 10.0, dtype=np.float32)
        off = np.array(by_class, dtype=np.float32)[:, None]
        data = Scored(actual, actual, actual, (actual - 2 * off)[:, :, None], np.array([0.5], np.float32), np.zeros((2, 1)))
        parts = metric_parts(data, InSample(np.ones(2), np.ones(2), np.ones(2)))
        rows += [score_rows(parts, model=model, fold=fold, segments=classes) for fold in ("2024-01-01", "2024-02-01")]
    return summarise(pd.concat(rows), run_id="r")


def champions(choices: list[Choice]) -> dict[str, str]:
    return {choice.segment: choice.champion for choice in choices}


def test_the_champion_is_the_best_of_all_folds_and_the_challenger_the_next() -> None:
    whole, even, odd = choose(two_folds(NAIVE_AND_LSTM), settings(), incumbents={})
    assert whole == Choice(
        "all", "lstm", "smallest pinball over 2 folds: lstm 2, moving_average 2.5",
        "moving_average", "the best besides lstm: pinball over 2 folds: moving_average 2.5",
    )  # fmt: skip
    assert (even.segment, even.champion, even.challenger) == ("class=even", "moving_average", "lstm")
    assert (odd.segment, odd.champion, odd.challenger) == ("class=odd", "lstm", "moving_average")


def test_one_champion_of_all_unless_segments_are_asked_for() -> None:
    assert champions(choose(two_folds(NAIVE_AND_LSTM), settings(segment="all"), incumbents={})) == {"all": "lstm"}


def test_the_measure_is_the_rules() -> None:
    """Means are right in every model: RMSE ties, and the first by name is taken."""
    (choice,) = choose(two_folds({"b": (1.0, 1.0), "a": (2.0, 2.0)}), settings(segment="all", measure="rmse"), incumbents={})
    assert (choice.champion, choice.reason) == ("a", "smallest rmse over 2 folds: a 0, b 0")


def test_ties_go_to_the_first_by_name() -> None:
    chosen = choose(two_folds({"b": (1.0, 1.0), "a": (1.0, 1.0)}), settings(), incumbents={})
    assert set(champions(chosen).values()) == {"a"}


@pytest.mark.parametrize(
    ("min_gain", "champion", "reason"),
    [
        (0.19, "lstm", "smallest pinball over 2 folds: lstm 2, moving_average 2.5; "
         "better than moving_average, the champion so far, by 20.00%"),
        (0.21, "moving_average", "stays: lstm is better than moving_average, the champion so far, by 20.00%, "
         "less than forecast.promotion.min_gain = 21.00%; pinball over 2 folds: lstm 2, moving_average 2.5"),
    ],
)  # fmt: skip
def test_the_champion_so_far_is_replaced_by_a_clearly_better_one_only(min_gain: float, champion: str, reason: str) -> None:
    rule = settings(segment="all", min_gain=min_gain)
    (choice,) = choose(two_folds(NAIVE_AND_LSTM), rule, incumbents={"all": "moving_average"})
    assert (choice.champion, choice.reason) == (champion, reason)
    assert choice.challenger == ({"lstm", "moving_average"} - {champion}).pop()


def test_each_segment_has_its_own_champion_so_far() -> None:
    before = {"class=even": "lstm", "class=odd": "lstm"}
    chosen = choose(two_folds(NAIVE_AND_LSTM), settings(min_gain=0.6), incumbents=before)
    assert champions(chosen) == {"all": "lstm", "class=even": "lstm", "class=odd": "lstm"}


def test_a_champion_so_far_that_is_no_longer_a_model_is_told_of() -> None:
    (choice,) = choose(two_folds(NAIVE_AND_LSTM), settings(segment="all"), incumbents={"all": "arima"})
    assert choice.champion == "lstm"
    assert choice.reason.endswith("; arima, the champion so far, was not compared")


def test_a_small_segment_takes_the_champion_of_all() -> None:
    """Each class has one series a fold."""
    _, even, odd = choose(two_folds(NAIVE_AND_LSTM), settings(min_series=2), incumbents={"class=even": "moving_average"})
    reason = "champion of all: 1 series a fold, fewer than forecast.promotion.min_series = 2"
    assert [even, odd] == [Choice("class=even", "lstm", reason), Choice("class=odd", "lstm", reason)]


def test_a_segment_where_the_measure_is_not_defined_takes_the_champion_of_all() -> None:
    metrics = two_folds(NAIVE_AND_LSTM)
    metrics.loc[(metrics[t.SEGMENT] == "class=even") & (metrics[t.METRIC] == "wape"), t.VALUE] = np.nan
    chosen = {choice.segment: choice for choice in choose(metrics, settings(measure="wape"), incumbents={})}
    assert chosen["class=even"] == Choice("class=even", "lstm", "champion of all: wape is not defined here")


def test_a_measure_that_needs_prices_nobody_gave_is_replaced_by_the_pinball_loss() -> None:
    metrics = two_folds(NAIVE_AND_LSTM)
    metrics.loc[metrics[t.METRIC] == "wspl", t.VALUE] = np.nan
    whole, even, _ = choose(metrics, settings(measure="wspl"), incumbents={})
    instead = "pinball over 2 folds (wspl, asked for by forecast.promotion.measure, is not defined here)"
    assert (whole.champion, whole.reason) == ("lstm", f"smallest {instead}: lstm 2, moving_average 2.5")
    assert (even.champion, even.reason) == ("lstm", "champion of all: wspl is not defined here")
    metrics.loc[metrics[t.METRIC] == "pinball", t.VALUE] = np.nan
    with pytest.raises(TableError, match=r"expected wspl \(forecast.promotion.measure\) of some model"):
        choose(metrics, settings(measure="wspl"), incumbents={})


def test_no_folds_give_no_metrics() -> None:
    metrics = summarise(pd.DataFrame(columns=t.SCORES.names), run_id="r")
    assert (list(metrics), len(metrics)) == (t.METRICS.names, 0)
    named = settings().model_copy(update={"champion": "lstm"})
    assert champions(choose(metrics, named, incumbents={})) == {"all": "lstm"}


@pytest.mark.parametrize(
    "metrics", [two_folds(NAIVE_AND_LSTM), pd.DataFrame([], columns=t.METRICS.names).astype({t.SEGMENT: str})]
)
def test_a_named_champion_is_that_of_every_series(metrics: pd.DataFrame) -> None:
    named = settings().model_copy(update={"champion": "moving_average"})
    (choice,) = choose(metrics, named, incumbents={"all": "lstm"})
    assert (choice.champion, choice.reason) == ("moving_average", "named by forecast.champion")
    assert choice.challenger == ("lstm" if len(metrics) else None)


@pytest.mark.parametrize("lost", ["a fold", "periods", "sales"])
def test_models_scored_on_different_periods_are_not_compared(lost: str) -> None:
    metrics = two_folds({"a": (1.0, 1.0), "b": (2.0, 2.0)})
    of_b = (metrics[t.MODEL] == "b") & (metrics[t.FOLD] == "2024-01-01")
    if lost == "a fold":
        metrics = metrics[~of_b]
    else:
        name = "n" if lost == "periods" else "absolute_actual"
        metrics.loc[of_b & (metrics[t.METRIC] == name), t.VALUE] -= 1
    with pytest.raises(TableError, match="fold 2024-01-01, segment all: expected the same"):
        choose(metrics, settings(), incumbents={})


def test_no_scores_no_champion() -> None:
    with pytest.raises(TableError, match=r"set evaluate.folds above 0"):
        choose(pd.DataFrame([], columns=t.METRICS.names).astype({t.SEGMENT: str}), settings(), incumbents={})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("forecast.champion=arima", "forecast.champion: expected best or one of forecast.models, found arima"),
        ("forecast.fallback=[arima]", "forecast.fallback: expected different ones of forecast.models, found arima"),
        ("forecast.fallback=[lstm, lstm]", "forecast.fallback: expected different ones of forecast.models, found lstm, lstm"),
        ("forecast.fallback=[]", "forecast.fallback: "),
        ("evaluate.segments=[class]", "forecast.promotion.segment: expected all or one of evaluate.segments, found abc"),
        ("forecast.promotion.measure=bias", "forecast.promotion.measure: "),
    ],
)
def test_names_in_the_rule_are_checked(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(CONF / "test.yaml", ["forecast.promotion.segment=abc", setting])
    assert message in str(refused.value)
