"""A policy's few parameters, chosen on simulated cost over past windows; every setting that is tried is counted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from replen.evaluate.simulation import AS_PLANNED, Reality, Score, score, simulate
from replen.plan.policies.known import Policy
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

T = TypeVar("T")


@runtime_checkable
class Watching(Policy, Protocol):
    """A policy that says how often its series are reviewed, as dynamic rules do."""

    @property
    def positions(self) -> Positions:
        """Return the series, reviewed as it wants them to be."""


@dataclass(frozen=True)
class Window:
    """A stretch of the past in which policies are played.

    Attributes:
        positions: n_series positions at its start.
        demand: shape (n_steps, n_series, n_paths), what was wanted in it, units.
        first_step: steps before it are not scored: no order could reach them.
        backorders: True: what is short waits; False: it is lost.
        reality: what goes otherwise than the positions say.
    """

    positions: Positions
    demand: FloatArray
    first_step: int = 0
    backorders: bool = False
    reality: Reality = AS_PLANNED

    def score(self, policy: Policy) -> Score:
        """Return what a policy would have cost, and its service; it is asked when its own positions say, if it has any."""
        positions = policy.positions if isinstance(policy, Watching) else self.positions
        history = simulate(positions, self.demand, policy, backorders=self.backorders, reality=self.reality)
        return score(positions, history, backorders=self.backorders, first_step=self.first_step)

    def cost(self, policy: Policy) -> FloatArray:
        """Return what a policy would have cost, (n_series,), money."""
        return self.score(policy).cost


@dataclass(frozen=True)
class Tuned(Generic[T]):
    """What was tried.

    Attributes:
        settings: every setting, in the order in which they were tried.
        costs: shape (n_settings, n_windows, n_series), money.
    """

    settings: tuple[T, ...]
    costs: FloatArray

    @property
    def n_tried(self) -> int:
        """Return how many settings were tried."""
        return len(self.settings)

    @property
    def n_windows(self) -> int:
        """Return how many windows they were tried in."""
        return len(self.costs[0])

    @classmethod
    def over(cls, parts: Sequence[Self]) -> Self:
        """Return what was tried in several searches of the same settings and series, each in windows of its own."""
        return cls(parts[0].settings, np.concatenate([one.costs for one in parts], axis=1))

    @property
    def totals(self) -> FloatArray:
        """Return the cost of each setting over all windows and series, (n_settings,), money."""
        return np.asarray(self.costs.sum(axis=(1, 2)))

    def best(self, series: NDArray[np.bool_] | slice = slice(None)) -> T:
        """Return the setting that cost least over all windows and the series given; of equal ones the first."""
        return self.settings[int(self.of(series).totals.argmin())]

    def of(self, series: NDArray[np.bool_] | slice) -> Self:
        """Return what was tried on some series."""
        return type(self)(self.settings, self.costs[:, :, series])


def grid_search(windows: Iterable[Window], policy: Callable[[int, T], Policy], settings: Sequence[T]) -> Tuned[T]:
    """Return the costs of every setting.

    Args:
        windows: of the same n_series series, all before the time that the setting is for; taken one after the other.
        policy: number of the window, setting -> the policy, made of what was known at the start of that window.
        settings: the candidates; all are tried in one window before the next one.
    """
    by_window = [[window.cost(policy(place, setting)) for setting in settings] for place, window in enumerate(windows)]
    return Tuned(tuple(settings), np.array(by_window).swapaxes(0, 1))
