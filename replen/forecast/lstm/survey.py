"""A survey of the shards before training: how they are read, what each can give, and the windows that validate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

import numpy as np

from replen.config import Lstm
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast.interface import Shards
from replen.forecast.lstm.batches import (
    Batch,
    concat,
    drawn,
    is_held_out,
    trainable,
    training_windows,
    validating,
    validation_windows,
)
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.reading import Reading
from replen.forecast.ranks import Ranks, share_of


@dataclass(frozen=True)
class Survey:
    """What one pass over the shards of all ranks finds.

    Attributes:
        reading: how every rank reads them.
        sizes: by rank and shard, the series that can be trained on.
        rank: whose view this is.
    """

    reading: Reading
    sizes: tuple[tuple[int, ...], ...]
    rank: int

    @classmethod
    def of(cls, shards: Shards, settings: Lstm, *, horizon: int, ranks: Ranks) -> Self:
        """Return the survey of the shards of all ranks, each having looked through its own.

        Raises:
            ReplenError: where a rank has nothing to train on.
        """
        sizes: list[int] = []

        def counted() -> Iterator[Panel]:
            for panel in shards():
                sizes.append(len(trainable(panel)))
                yield panel

        readings = ranks.gather(Reading.of(counted(), settings, horizon=horizon))
        found = cls(_union(readings), tuple(ranks.gather(tuple(sizes))), ranks.rank)
        idle = [rank for rank, own in enumerate(found.sizes) if not sum(own)]
        if len(idle) == ranks.size:
            raise ReplenError(
                "lstm: no series has enough periods before the cutoff to train on; give more history, or leave `lstm` out of "
                "`forecast.models`"
            )
        if idle:
            raise ReplenError(
                f"forecast.lstm.ranks: expected series to train on for each of {ranks.size} ranks, found none for ranks {idle} "
                "(counted from 0); use fewer ranks"
            )
        return found

    def quotas(self, total: int) -> list[int]:
        """Return how many of this rank's `total` each of its shards gives, by its share of the series."""
        edges = np.cumsum([0, *self.sizes[self.rank]]) / sum(self.sizes[self.rank])
        return [int(count) for count in np.diff(np.round(edges * total))]

    @property
    def first_shard(self) -> int:
        """Return the number of this rank's first shard among those of all ranks."""
        return sum(map(len, self.sizes[: self.rank]))

    def validation(self, shards: Shards, settings: Lstm, ranks: Ranks) -> Batch:
        """Return this rank's validation windows, maybe none: of a bounded number of series, spread over its shards."""
        parts = []
        for panel, quota in zip(shards(), self.quotas(share_of(settings.validation_series, ranks)), strict=True):
            chosen = panel.take(validating(panel, settings, horizon=self.reading.horizon, n_series=quota))
            parts.append(validation_windows(Inputs.of(chosen, self.reading), settings))
        return concat(parts)

    def windows(self, shards: Shards, settings: Lstm, *, n_slices: int, seed: Sequence[int]) -> Iterator[Batch]:
        """Return this rank's `n_slices` training slices, shard by shard; drawn by seed and shard."""
        for shard, (panel, quota) in enumerate(zip(shards(), self.quotas(n_slices), strict=True), start=self.first_shard):
            rng = np.random.default_rng([*seed, shard])
            series, rows = np.unique(drawn(panel, n_slices=quota, rng=rng), return_inverse=True)
            chosen = panel.take(series)
            held_out = is_held_out(chosen.keys, settings.validation_share)
            yield training_windows(Inputs.of(chosen, self.reading), rows, settings, held_out=held_out, rng=rng)


def _union(readings: Sequence[Reading]) -> Reading:
    """Return the reading that knows the columns and static values of all ranks."""

    def union(lists: Iterator[Sequence[str]]) -> tuple[str, ...]:
        return tuple(sorted(set(chain.from_iterable(lists))))

    return replace(
        readings[0],
        signals=union(one.signals for one in readings),
        events=union(one.events for one in readings),
        vocabularies={name: union(one.vocabularies[name] for one in readings) for name in readings[0].vocabularies},
        annual=any(one.annual for one in readings),
    )
