"""Scores of the VN2 game: our setting chosen on early windows, played on later ones beside three reference policies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np
import pandas as pd

from replen.evaluate.bootstrap import paired_bootstrap
from replen.evaluate.tuning import Tuned, grid_search
from replen.evaluate.vn2 import Cover, FloatArray, FractileOfNeed, Opening, Played, Rounded, SquareRootBuffer, game, play
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


SETTINGS = tuple(Setting(fractile, dispersion) for dispersion, fractile in product(DISPERSIONS, FRACTILES))


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

    def ours(self, settings: Iterable[Setting]) -> Iterator[Policy]:
        """Yield our policy with each setting; successive ones of one dispersion share their paths."""
        for dispersion, alike in groupby(settings, key=lambda setting: setting.dispersion):
            paths = [one.paths(one.blend(self.weights), dispersion=dispersion, n_paths=self.n_paths) for one in self.expected]
            yield from (FractileOfNeed(paths, setting.fractile) for setting in alike)

    def tried(self) -> Tuned[Setting]:
        """Return the costs of our policy with every setting."""
        policies = self.ours(SETTINGS)  # in the order in which they are asked for
        return grid_search([game(self.opening, self.demand)], lambda *_: Rounded(next(policies)), SETTINGS)

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
    before, played_in = Tuned.over([window.tried() for window in early]), list(windows)
    there = Tuned.over([window.tried() for window in played_in])
    played: dict[str, dict[str, Played]] = {name: {} for name in (*REFERENCES, OURS, TUNED_HERE)}
    for window in played_in:
        ours = zip((OURS, TUNED_HERE), window.ours([before.best(), there.best()]), strict=True)
        for name, policy in (*window.references().items(), *ours):
            played[name][window.name] = window.play(policy)
    means = before.totals / before.n_windows
    return Scores(played, before.best(), dict(zip(SETTINGS, means.tolist(), strict=True)), there.best())
