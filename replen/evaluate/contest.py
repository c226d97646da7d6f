"""Forecasters and peers on the same series from the same cutoff, in one process, with what each costs: for the scoring jobs."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from replen.config import Config
from replen.evaluate.metrics import Doubles, randomised_transform
from replen.evaluate.peers import PEERS, Peer
from replen.features.panel import FloatArray, Panel
from replen.features.prepare import prepare
from replen.forecast import fit, random
from replen.forecast.binding import bind
from replen.forecast.chain import predict_with_fallback
from replen.forecast.distribution import Distribution
from replen.forecast.interface import EpochMetrics, Forecaster
from replen.forecast.season import SeasonSums
from replen.forecast.streamed import STREAMED, train

SHARD = 8192
"""Series predicted at a time."""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What every forecaster is asked.

    Attributes:
        panel: all series up to the cutoff as they were recorded, with what is known in advance of the periods after it.
        horizon: periods.
        levels: shape (n_levels,), of the quantiles.
        actual: shape (n_series, horizon), what came, units; NaN = unknown; None where it is not known yet.
    """

    panel: Panel
    horizon: int
    levels: FloatArray
    actual: FloatArray | None


@dataclass(frozen=True)
class Entry:
    """What one forecaster answered, and what it cost.

    Attributes:
        model: name in the config, or of a peer.
        mean: shape (n_series, horizon), units; no series is without.
        quantiles: shape (n_series, horizon, n_levels), units.
        transform: shape (n_series, horizon), randomised probability integral transform of what came; NaN = unknown.
        n_fallback: series that another forecaster stood in for.
        seconds: wall clock of fitting and predicting.
        core_seconds: processor time of the same, over all processes it used.
    """

    model: str
    mean: FloatArray
    quantiles: FloatArray
    transform: Doubles
    n_fallback: int
    seconds: float
    core_seconds: float


@dataclass
class Clock:
    """Wall and processor seconds of a block."""

    seconds: float = 0.0
    core_seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, cores = time.perf_counter(), _core_seconds()
        yield
        self.seconds += time.perf_counter() - wall
        self.core_seconds += _core_seconds() - cores


def contest(question: Question, config: Config, *, models: Sequence[str], threads: int, note: Note) -> Iterator[Entry]:
    """Yield the answers of our forecasters in the config's order, then those of the peers.

    Args:
        question: what is asked.
        config: its sections `features` and `forecast` say how the forecasters are fitted.
        models: those whose answers are wanted; members of blends are fitted where they are needed.
        threads: of the peers.
        note: told what is under way.
    """
    yield from _ours(question, config, models, note)
    for name, peer in PEERS.items():
        if name in models:
            note(name)
            yield _peer_entry(name, peer, question, threads, config.seed)


def needed(models: Sequence[str], config: Config) -> list[str]:
    """Return the configured forecasters that answering with `models` takes: those, members of blends and the fallbacks."""
    forecast = config.forecast
    wanted = {model for model in forecast.models if model in models}
    if "blend" in wanted:
        wanted |= set(forecast.blend.weights)
    return [model for model in forecast.models if model in wanted | {forecast.fallback}]


def _ours(question: Question, config: Config, models: Sequence[str], note: Note) -> Iterator[Entry]:
    prepared = prepare(question.panel, config.features)
    shards = [prepared.take(rows) for rows in _cuts(len(prepared.keys))]
    clocks: dict[str, Clock] = {}
    fitted: dict[str, Forecaster] = {}
    for model in needed(models, config):
        note(model)
        clocks[model] = Clock()
        with clocks[model].running():
            fitted[model] = _fitted(model, shards, config, note)
    answers = _Answers(question, shards, bind(fitted), config)
    for model in (model for model in config.forecast.models if model in models):
        with clocks[model].running():
            entry = answers.of(model)
        members = [clocks[member] for member in config.forecast.blend.weights] if model == "blend" else []
        spent = [clocks[model], *members]
        yield replace(entry, seconds=sum(c.seconds for c in spent), core_seconds=sum(c.core_seconds for c in spent))


def _fitted(model: str, shards: Sequence[Panel], config: Config, note: Note) -> Forecaster:
    settings = config.forecast.model_copy(update={"models": (model,)})
    if model in STREAMED:
        with TemporaryDirectory() as folder:
            return train(
                model, lambda: iter(shards), settings, seed=config.seed, folder=Path(folder), observer=lambda told: note(_epoch(told))
            )
    cutoff = shards[0].cutoff
    season = {cutoff: reduce(add, (SeasonSums.of(panel) for panel in shards))}
    counts = (fit.profile_rows({cutoff: panel}, season, settings) for panel in shards)
    profiles = reduce(lambda one, other: _summed(one, other), counts)
    return fit.simple_forecasters(cutoff, season, profiles, settings)[model]


def _epoch(told: EpochMetrics) -> str:
    return f"model {told.model}, epoch {told.epoch}: loss {told.loss:.4f}, validation {told.validation_loss:.4f}"


@dataclass(frozen=True)
class _Answers:
    """Fitted forecasters and what they are asked, shard by shard."""

    question: Question
    shards: Sequence[Panel]
    fitted: Mapping[str, Forecaster]
    config: Config

    def of(self, model: str) -> Entry:
        """Return the answer of one forecaster; a series it cannot forecast is the fallback's."""
        fallback = self.fitted[self.config.forecast.fallback]
        means, quantiles, transforms, n_fallback = [], [], [], 0
        for panel, rows in zip(self.shards, _cuts(len(self.question.panel.keys)), strict=True):
            sizes = {"horizon": self.question.horizon, "levels": self.question.levels}
            made, instead, failed = predict_with_fallback(self.fitted[model], fallback, panel, **sizes)
            whole = _joined(made, instead, failed)
            means.append(whole[0])
            quantiles.append(whole[1])
            transforms.append(_transform((made, instead, failed), panel, self._actual(rows), self.config.seed))
            n_fallback += int(failed.sum())
        arrays = (np.concatenate(parts) for parts in (means, quantiles, transforms))
        return Entry(model, *arrays, n_fallback, 0.0, 0.0)

    def _actual(self, rows: "np.ndarray") -> FloatArray:
        ...
