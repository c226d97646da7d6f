"""The processes that train one model together, as training sees them: one alone, or several that exchange what they find."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Ranks(Protocol):
    """This process and those beside it. Every rank makes the same calls in the same order; each waits for all others."""

    @property
    def rank(self) -> int:
        """Return the number of this process, from 0."""
        ...

    @property
    def size(self) -> int:
        """Return how many processes there are."""
        ...

    def mean(self, tensors: Sequence[Any], *, weight: Any) -> list[Any]:
        """Return each tensor's mean over ranks, weighted by each rank's scalar `weight`; the same bits on every rank."""
        ...

    def gather(self, value: T) -> list[T]:
        """Return the value of every rank, in their order."""
        ...

    def first(self, value: T) -> T:
        """Return the value of rank 0; what other ranks give is not looked at."""
        ...


@dataclass(frozen=True)
class Alone:
    """One process that trains by itself."""

    rank: int = 0
    size: int = 1

    def mean(self, tensors: Sequence[Any], *, weight: Any) -> list[Any]:
        """Return the tensors as they are."""
        del weight
        return list(tensors)

    def gather(self, value: T) -> list[T]:
        """Return the one value."""
        return [value]

    def first(self, value: T) -> T:
        """Return the value."""
        return value


ALONE = Alone()


def share_of(total: int, ranks: Ranks) -> int:
    """Return how many of `total` things are this rank's; shares add up to the total, never rise and differ by one at most.

    >>> [share_of(7, Alone(rank, 3)) for rank in range(3)]
    [3, 2, 2]
    """
    return (total + ranks.size - 1 - ranks.rank) // ranks.size
