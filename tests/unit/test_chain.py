"""Fallback chains: every series is answered once, by the first that can, and each step says why."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import replen.tables as t
from replen.features.panel import FloatArray, Panel
from replen.forecast.chain import Answer, predict_chain
from replen.forecast.distribution import Distribution, from_quantiles

LEVELS = np.array([0.5], np.float32)


@dataclass(frozen=True)
class Fake:
    """Forecasts `value` for series of the skus it knows, with a note on each."""

    value: float
    skus: str
    note: str = ""
    why_not: str = "unknown sku"

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        known = panel.keys[t.SKU].isin(list(self.skus)).to_numpy()
        mean = np.repeat(np.where(known, self.value, np.nan)[:, None], horizon, axis=1).astype(np.float32)
        reason = np.where(known, self.note, self.why_not).astype(str)
        dependence = np.zeros(horizon - 1, np.float32)
        quantiles = np.repeat(mean[:, :, None], len(levels), axis=2)
        return from_quantiles(mean, quantiles, levels=levels, dependence=dependence, reason=reason)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def panel_of(skus: str) -> Panel:
    keys = pd.DataFrame({t.SKU: list(skus), t.SITE: "n", t.STREAM: "*"})
    return Panel(keys, np.array(["2024-01-01"], "datetime64[D]"), {}, {})


def by_sku(answers: list[Answer], skus: str) -> dict[str, tuple[str, float, str]]:
    """Return sku -> model, mean of the first step, reason; fails where a series was answered twice."""
    found = {}
    for answer in answers:
        for row, number in enumerate(answer.rows.tolist()):
            assert skus[number] not in found
            found[skus[number]] = (answer.model, float(answer.distribution.mean[row, 0]), str(answer.distribution.reason[row]))
    return found


def test_every_step_down_the_chain_tells_its_reason() -> None:
    chain = {
        "lstm": Fake(1.0, "ab", why_not="fewer than 8 periods"),
        "ridge": Fake(2.0, "c", why_not=""),
        "moving_average": Fake(3.0, "d", note="no season"),
    }
    found = by_sku(predict_chain(chain, panel_of("abcde"), horizon=2, levels=LEVELS), "abcde")
    assert {sku: answer[0] for sku, answer in found.items()} == {
        "a": "lstm", "b": "lstm", "c": "ridge", "d": "moving_average", "e": "moving_average",
    }  # fmt: skip
    assert [found[sku][1] for sku in "abcd"] == [1.0, 1.0, 2.0, 3.0]
    assert np.isnan(found["e"][1])
    assert {sku: answer[2] for sku, answer in found.items()} == {
        "a": "",
        "b": "",
        "c": "lstm: fewer than 8 periods; forecast by ridge",
        "d": "lstm: fewer than 8 periods; ridge: no forecast; forecast by moving_average: no season",
        "e": "lstm: fewer than 8 periods; ridge: no forecast; moving_average: unknown sku",
    }


def test_a_note_of_the_model_that_was_asked_first_stands_alone() -> None:
    answers = predict_chain({"lstm": Fake(1.0, "a", note="new brand")}, panel_of("a"), horizon=1, levels=LEVELS)
    assert by_sku(answers, "a") == {"a": ("lstm", 1.0, "new brand")}


def test_an_infinite_mean_is_no_forecast() -> None:
    chain = {"lstm": Fake(np.inf, "a"), "moving_average": Fake(3.0, "a")}
    found = by_sku(predict_chain(chain, panel_of("a"), horizon=1, levels=LEVELS), "a")
    assert found == {"a": ("moving_average", 3.0, "lstm: no forecast; forecast by moving_average")}


@given(known=st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=4), order=st.permutations("abcdef"))
def test_a_series_gets_what_it_gets_alone(known: list[set[str]], order: list[str]) -> None:
    chain = {f"model_{number}": Fake(float(number), "".join(skus)) for number, skus in enumerate(known)}
    together = by_sku(predict_chain(chain, panel_of("".join(order)), horizon=2, levels=LEVELS), "".join(order))
    assert set(together) == set("abcdef")
    for sku in "abcdef":
        alone = by_sku(predict_chain(chain, panel_of(sku), horizon=2, levels=LEVELS), sku)
        assert repr(alone[sku]) == repr(together[sku])
