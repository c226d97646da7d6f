"""Scores of the VN2 game: our setting chosen on early windows, played on later ones beside three reference policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd

from replen.evaluate.simulation import Policy
from replen.evaluate.vn2 import Cover, FloatArray, FractileOfNeed, Opening, Played, SquareRootBuffer, play
from replen.evaluate.vn2_outlook import LIGHTGBM, STEPS, Outlook

FRACTILES, DISPERSIONS = (0.65, 0.7, 0.75, 0.8, 5 / 6), (0.0, 0.1)
REFERENCES = ("cover", "projected", "projected, half LightGBM")
OURS, TUNED_HERE = "ours", "ours, tuned on these windows"
RESAMPLES, INTERVAL = 2000, (0.025, 0.975)


@dataclass(frozen=True)
class Setting:
    """What is chosen of our policy.

    Attributes:
        fractile: of need, see `FractileOfNeed`.
        dispersion: of the sample paths around the blend, 0 = Poisson.
    """

    fractile: float
    dispersion: float


SETTINGS = tuple(Setting(*chosen) for chosen in product(FRACTILES, DISPERSIONS))


@dataclass(frozen=True)
class Window:
    """Eight weeks to be played.

    Attributes:
        name: of the window.
        opening: stock before it.
        demand: shape (n_series, N_WEEKS), units.
        expected: what is expected before each order.
        weights: member -> weight in the blend.
        n_paths: sample paths a series.
    """

    name: str
    opening: Opening
    demand: FloatArray
    expected: Sequence[Outlook]
    weights: Mapping[str, float]
    n_paths: int
    _paths: dict[float, list[FloatArray]] = field(default_factory=dict)

    def references(self) -> dict[str, Policy]:
        """Return the policies that ours is held against."""
        forecasts = [one.reference for one in self.expected]
        halves = [(one.reference[:, :STEPS] + one.members[LIGHTGBM]) / 2 for one in self.expected]
        policies: tuple[Policy, ...] = (Cover(forecasts), SquareRootBuffer(forecasts), SquareRootBuffer(halves))
        return dict(zip(REFERENCES, policies, strict=True))

    def ours(self, setting: Setting) -> Policy:
        """Return our policy; its paths are the same under every fractile."""
        spread = setting.dispersion
        if spread not in self._paths:
            self._paths[spread] = [
                one.paths(one.blend(self.weights), dispersion=spread, n_paths=self.n_paths) for one in self.expected
            ]
        return FractileOfNeed(self._paths[spread], setting.fractile)

    def play(self, policy: Policy) -> Played:
        """Return what the policy does and costs."""
        return play(self.opening, self.demand, policy)


@dataclass(frozen=True)
class Scores:
    """What policies cost by window, and how the setting of ours was chosen.

    Attributes:
        played: policy -> window -> what it did.
        chosen: the setting of ours.
        early: setting -> mean cost of the early windows, what it was chosen by.
        here: the setting that is best on the windows themselves.
    """

    played: Mapping[str, Mapping[str, Played]]
    chosen: Setting
    early: Mapping[Setting, float]
    here: Setting

    def table(self) -> pd.DataFrame:
        """Return one row a policy: cost by window, mean cost, mean holding and shortage."""
        rows = {}
        for name, by_window in self.played.items():
            costs = {window: played.cost.sum() for window, played in by_window.items()}
            parts = {
                part: np.mean([getattr(one, part).sum() for one in by_window.values()]) for part in ("holding", "shortage")
            }
            rows[name] = {**costs, "mean": np.mean(list(costs.values())), **parts}
        return pd.DataFrame(rows).T

    def against(self, reference: str, *, seed: int) -> dict[str, float]:
        """Return the mean over windows of our cost less a reference's, and its interval when series are drawn anew."""
        ours, theirs = (np.mean([one.cost for one in self.played[name].values()], axis=0) for name in (OURS, reference))
        low, high = bootstrap_interval(ours - theirs, seed=seed)
        return {"difference": float((ours - theirs).sum()), "low": low, "high": high}


def scores(early: Sequence[Window], windows: Sequence[Window]) -> Scores:
    """Return what the references and ours cost in the windows, ours with the setting that is best in the early ones."""
    before = {setting: _mean_cost(early, setting) for setting in SETTINGS}
    there = {setting: _mean_cost(windows, setting) for setting in SETTINGS}
    chosen, here = min(before, key=before.__getitem__), min(there, key=there.__getitem__)
    played: dict[str, dict[str, Played]] = {}
    for window in windows:
        policies = window.references() | {OURS: window.ours(chosen), TUNED_HERE: window.ours(here)}
        for name, policy in policies.items():
            played.setdefault(name, {})[window.name] = window.play(policy)
    return Scores(played, chosen, before, here)


def bootstrap_interval(by_series: FloatArray, *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a sum over series, each resample being as many series drawn with replacement.

    Source: the percentile bootstrap (Efron & Tibshirani, An Introduction to the Bootstrap, ch. 13).
    """
    n_series, generator = len(by_series), np.random.default_rng(seed)
    drawn = generator.multinomial(n_series, np.full(n_series, 1 / n_series), size=RESAMPLES)
    low, high = np.quantile(drawn @ by_series, INTERVAL)
    return float(low), float(high)


def _mean_cost(windows: Sequence[Window], setting: Setting) -> float:
    return float(np.mean([window.play(window.ours(setting)).cost.sum() for window in windows]))
