"""Scores of the VN2 game: our setting chosen on early windows, played on later ones beside three reference policies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from replen.evaluate.bootstrap import paired_bootstrap
from replen.evaluate.vn2 import Cover, FloatArray, FractileOfNeed, Opening, Played, SquareRootBuffer, play
from replen.evaluate.vn2_outlook import LIGHTGBM, STEPS, Outlook
from replen.plan.policies.known import Policy

FRACTILES, DISPERSIONS = (0.65, 0.7, 0.75, 0.8, 5 / 6), (0.0, 0.02, 0.05)
REFERENCES = ("cover", "projected", "projected, half LightGBM")
OURS, TUNED_HERE = "ours", "ours, tuned on these windows"


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

    def references(self) -> dict[str, Policy]:
        """Return the policies that ours is held against."""
        forecasts = [one.reference for one in self.expected]
        halves = [(one.reference[:, :STEPS] + one.members[LIGHTGBM]) / 2 for one in self.expected]
        policies: tuple[Policy, ...] = (Cover(forecasts), SquareRootBuffer(forecasts), SquareRootBuffer(halves))
        return dict(zip(REFERENCES, policies, strict=True))

    def trials(self, settings: Sequence[Setting]) -> dict[Setting, Played]:
        """Return what our policy does and costs with each setting; settings of one dispersion share their paths."""
        played = {}
        for dispersion in dict.fromkeys(setting.dispersion for setting in settings):
            paths = [one.paths(one.blend(self.weights), dispersion=dispersion, n_paths=self.n_paths) for one in self.expected]
            for setting in (one for one in settings if one.dispersion == dispersion):
                played[setting] = self.play(FractileOfNeed(paths, setting.fractile))
        return played

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
        """Return the mean over windows of our cost less a reference's, and its interval over drawn series and windows."""
        ours, theirs = (np.stack([one.cost for one in self.played[name].values()]) for name in (OURS, reference))
        found, n_series = paired_bootstrap(ours, theirs, seed=seed), ours.shape[1]
        return {"difference": n_series * found.mean, "low": n_series * found.low, "high": n_series * found.high}


def scores(early: Iterable[Window], windows: Iterable[Window]) -> Scores:
    """Return what the references and ours cost in the windows, ours with the setting that is best in the early ones."""
    before = _means([window.trials(SETTINGS) for window in early])
    chosen = min(before, key=before.__getitem__)
    references, trials = {}, {}
    for window in windows:
        references[window.name] = {name: window.play(policy) for name, policy in window.references().items()}
        trials[window.name] = window.trials(SETTINGS)
    there = _means(list(trials.values()))
    here = min(there, key=there.__getitem__)
    played = {name: {window: by_name[name] for window, by_name in references.items()} for name in REFERENCES}
    for name, setting in ((OURS, chosen), (TUNED_HERE, here)):
        played[name] = {window: by_setting[setting] for window, by_setting in trials.items()}
    return Scores(played, chosen, before, here)


def _means(trials: Sequence[Mapping[Setting, Played]]) -> dict[Setting, float]:
    """Return the mean cost of each setting over windows."""
    return {setting: float(np.mean([by_setting[setting].cost.sum() for by_setting in trials])) for setting in SETTINGS}
