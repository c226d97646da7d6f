"""Blends: weighted means level by level, members that drop out, members asked once, contradictions refused."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.errors import ConfigError
from replen.features.panel import Panel
from replen.forecast.binding import bind
from replen.forecast.blend import Blend
from replen.forecast.distribution import Distribution, from_negative_binomial, from_quantiles
from replen.forecast.storage import Packed, pack
from replen.overlays import load_config

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
HORIZON = 3


@dataclass
class Fixed:
    """A forecaster that gives what it was made with, and counts how often it was asked."""

    answer: Distribution
    asked: list[Panel] = field(default_factory=list)

    def predict(self, panel: Panel, *, horizon: int, levels: np.ndarray) -> Distribution:
        self.asked.append(panel)
        return self.answer

    def save(self, folder: Path) -> None:
        (folder / "fixed.txt").write_text("fixed")


def panel_of(n_series: int) -> Panel:
    keys = pd.DataFrame({t.SKU: [f"sku {i}" for i in range(n_series)], t.SITE: "shop", t.STREAM: t.POOLED})
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(5)
    return Panel(keys, weeks, {t.SALES_HISTORY: np.ones((n_series, 5), np.float32)}, {})


def fixed(middle: list[float], reasons: list[str], dependence: float = 0.0) -> Fixed:
    mean = np.repeat(np.array(middle, np.float32)[:, None], HORIZON, axis=1)
    around = mean[:, :, None] * np.array([0.5, 0.9, 2.0], np.float32)
    steps = np.full(HORIZON - 1, dependence, np.float32)
    return Fixed(from_quantiles(mean, around, levels=LEVELS, dependence=steps, reason=np.array(reasons)))


def blend_of(one: Fixed, other: Fixed) -> dict[str, object]:
    return bind({"one": one, "blend": Blend({"one": 3.0, "other": 1.0}), "other": other})


def test_quantiles_are_averaged_level_by_level_by_relative_weights() -> None:
    one, other = fixed([4.0, 8.0], ["", ""], dependence=0.4), fixed([8.0, 0.0], ["", ""])
    found = blend_of(one, other)["blend"].predict(panel_of(2), horizon=HORIZON, levels=LEVELS)
    assert found.mean[:, 0].tolist() == [5.0, 6.0]
    np.testing.assert_allclose(found.quantiles[0, 0], [2.5, 4.5, 10.0], rtol=1e-6)
    np.testing.assert_allclose(found.dependence, 0.3, rtol=1e-6)
    assert found.reason.tolist() == ["", ""]


def test_a_member_without_a_forecast_drops_out_with_its_reason() -> None:
    one, other = fixed([np.nan, np.nan, 8.0], ["too short", "", ""]), fixed([8.0, np.nan, 8.0], ["", "no luck", "a note"])
    found = blend_of(one, other)["blend"].predict(panel_of(3), horizon=HORIZON, levels=LEVELS)
    np.testing.assert_array_equal(found.mean[:, 0], [8.0, np.nan, 8.0])
    np.testing.assert_allclose(found.quantiles[0, 0], [4.0, 7.2, 16.0], rtol=1e-6)
    assert found.reason.tolist() == ["without one: too short", "without one: no forecast; without other: no luck", ""]


def test_members_of_several_families_are_blended() -> None:
    counts = from_negative_binomial(
        np.full((2, HORIZON), 6.0, np.float32), np.full((2, HORIZON), 0.5, np.float32),
        levels=LEVELS, dependence=np.zeros(HORIZON - 1, np.float32), reason=np.array(["", ""]),
    )  # fmt: skip
    other = fixed([2.0, 2.0], ["", ""])
    found = blend_of(Fixed(counts), other)["blend"].predict(panel_of(2), horizon=HORIZON, levels=LEVELS)
    np.testing.assert_allclose(found.quantiles, 0.75 * counts.quantiles + 0.25 * other.answer.quantiles, rtol=1e-6)


def test_a_panel_is_predicted_once_by_each_member() -> None:
    one, other, panel = fixed([4.0], [""]), fixed([8.0], [""]), panel_of(1)
    bound = blend_of(one, other)
    for forecaster in bound.values():
        forecaster.predict(panel, horizon=HORIZON, levels=LEVELS)
    assert [len(one.asked), len(other.asked)] == [1, 1]
    bound["one"].predict(replace(panel), horizon=HORIZON, levels=LEVELS)
    bound["one"].predict(replace(panel), horizon=HORIZON, levels=LEVELS[:2])
    assert len(one.asked) == 3


def test_a_member_that_no_blend_asks_is_left_as_it_is() -> None:
    one = fixed([4.0], [""])
    assert bind({"one": one}) == {"one": one}


def test_a_blend_is_stored_by_names_and_weights_and_bound_again() -> None:
    packed = pack("blend", Blend({"one": 3.0, "other": 1.0}))
    assert isinstance(packed, Packed)
    assert list(packed.files) == ["weights.json"]
    bound = bind({"one": fixed([4.0], [""]), "blend": packed, "other": fixed([8.0], [""])})
    assert bound["blend"].predict(panel_of(1), horizon=HORIZON, levels=LEVELS).mean[0, 0] == 5.0


@pytest.mark.parametrize("weights", ["{}", "{ridge: 1}", "{blend: 1, moving_average: 1}"])
def test_a_blend_of_models_that_are_not_there_is_refused(weights: str) -> None:
    changes = ["forecast.models=[moving_average, blend]", f"forecast.blend.weights={weights}"]
    overlay = Path(__file__).parents[2] / "conf/base.yaml"
    with pytest.raises(ConfigError, match="forecast.blend.weights: expected other members"):
        load_config(overlay, changes)
