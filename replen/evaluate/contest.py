"""Forecasters and peers on the same series from the same cutoff, in one process, with what each costs: for the scoring jobs."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Config
from replen.errors import ReplenError
from replen.evaluate.answers import held_against, scored_answers
from replen.evaluate.metrics import Doubles, Scored
from replen.evaluate.peers import PEERS
from replen.features.panel import FloatArray, Panel
from replen.features.prepare import prepare
from replen.forecast import fit, random
from replen.forecast.binding import bind, needed
from replen.forecast.blend import BLEND, Blend
from replen.forecast.chain import chain_of
from replen.forecast.interface import EpochMetrics, Forecaster
from replen.forecast.local_lstm import model as local_lstm
from replen.forecast.local_lstm.examples import reading_of
from replen.forecast.ranks import ALONE
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.streamed import STREAMED

SHARD = 8192
"""Series predicted at a time."""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What every forecaster is asked.

    Attributes:
        panel: all series up to the cutoff as they were recorded, with what is known in advance of the periods after it.
        actual: shape (n_series, horizon), what came, units; NaN = unknown, or not known yet.
        levels: shape (n_levels,), of the quantiles.
    """

    panel: Panel
    actual: FloatArray
    levels: FloatArray

    @classmethod
    def of(cls, series: Panel, cutoff: np.datetime64, sold: FloatArray, *, horizon: int, levels: Sequence[float]) -> Self:
        """Return the question from a cutoff; `sold`, shape (n_series, n_periods), is what counts as having come.

        Raises:
            ReplenError: the cutoff is no period of the series.
        """
        if not series.periods[0] <= cutoff <= series.periods[-1]:
            raise ReplenError(f"--cutoff: expected a day from {series.periods[0]} to {series.periods[-1]}, found {cutoff}")
        first = int(np.searchsorted(series.periods, cutoff, side="right"))
        came = sold[:, first : first + horizon]
        actual = np.pad(came, ((0, 0), (0, horizon - came.shape[1])), constant_values=np.nan)
        return cls(series.until(cutoff, horizon), actual, np.array(levels, np.float32))

    def uniforms(self, seed: int) -> Doubles:
        """Return shape (n_series, horizon): what randomises the probability integral transform."""
        seeds = random.series_seeds(self.panel.keys, self.panel.cutoff, seed=seed)
        return random.uniforms(seeds, self.actual.shape[1])


@dataclass(frozen=True)
class Entry:
    """What one forecaster answered, and what it cost.

    Attributes:
        model: name in the config, or of a peer.
        scored: forecasts of all series beside what came.
        seconds: wall clock of fitting and predicting; a blend's holds its members'.
        core_seconds: processor time of the same, over all processes it used.
    """

    model: str
    scored: Scored
    seconds: float
    core_seconds: float


@dataclass(frozen=True)
class Failure:
    """Why a peer has no answer."""

    model: str
    reason: str


@dataclass
class Clock:
    """Wall and processor seconds, added up over blocks."""

    seconds: float = 0.0
    core_seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, cores = time.perf_counter(), _core_seconds()
        yield
        self.seconds += time.perf_counter() - wall
        self.core_seconds += _core_seconds() - cores


def contest(
    question: Question, config: Config, *, models: Sequence[str], threads: int, note: Note
) -> Iterator[Entry | Failure]:
    """Yield the answers of our forecasters in the config's order, then those of the peers, or why one of these failed.

    Args:
        question: what is asked.
        config: its sections `features` and `forecast` say how the forecasters are fitted.
        models: those whose answers are wanted, peers among them; what they need besides is fitted and not yielded.
        threads: of the peers.
        note: told what is under way.
    """
    yield from _ours(question, config, models, note)
    uniforms = question.uniforms(config.seed)
    for name in (name for name in PEERS if name in models):
        note(name)
        yield _peer(name, question, uniforms, threads)


def _peer(name: str, question: Question, uniforms: Doubles, threads: int) -> Entry | Failure:
    clock = Clock()
    try:
        with clock.running():
            forecast = PEERS[name](question.panel, question.actual.shape[1], question.levels, threads)
    except Exception as error:  # not ours: the others' scores are worth having without it
        return Failure(name, f"{type(error).__name__}: {' '.join(str(error).split())}")
    scored = held_against(forecast, question.actual, uniforms, levels=question.levels)
    return Entry(name, scored, clock.seconds, clock.core_seconds)


def _ours(question: Question, config: Config, models: Sequence[str], note: Note) -> Iterator[Entry]:
    wanted = [model for model in config.forecast.models if model in models]
    if not wanted:
        return
    prepared, forecast = prepare(question.panel, config.features), config.forecast
    cuts = [slice(start, start + SHARD) for start in range(0, len(prepared.keys), SHARD)]
    everything = np.arange(len(prepared.keys))
    shards, uniforms = [prepared.take(everything[cut]) for cut in cuts], question.uniforms(config.seed)
    clocks: dict[str, Clock] = {}
    fitted: dict[str, Forecaster] = {}
    for model in needed(wanted, forecast):
        clocks[model] = Clock()
        with clocks[model].running():
            note(model)
            if model == fit.LOCAL_LSTM:
                fitted[model], shards = _own_models(shards, config)
            else:
                fitted[model] = _fitted(model, shards, config, note)
    bound = [bind(fitted) for _ in shards]
    for model in wanted:
        with clocks[model].running():
            parts = []
            for cut, panel, by_name in zip(cuts, shards, bound, strict=True):
                chain = {name: by_name[name] for name in chain_of(model, forecast.fallback)}
                answers = scored_answers(chain, panel, question.actual[cut], uniforms=uniforms[cut], levels=question.levels)
                parts.append(answers)
        spent = [clocks[name] for name in (model, *(forecast.blend.weights if model == BLEND else ()))]
        yield Entry(model, _joined(parts), sum(one.seconds for one in spent), sum(one.core_seconds for one in spent))


def _fitted(model: str, shards: Sequence[Panel], config: Config, note: Note) -> Forecaster:
    settings = config.forecast.model_copy(update={"models": (model,)})
    if model in STREAMED:
        with TemporaryDirectory() as folder:
            told = _teller(model, note)
            return STREAMED[model](lambda: iter(shards), settings, config.seed, folder, told, ALONE)
    if model == BLEND:
        return Blend.of(settings.blend)
    cutoff = shards[0].cutoff
    season = {cutoff: reduce(add, (SeasonSums.of(panel) for panel in shards))}
    counts = pd.concat([fit.profile_rows({cutoff: panel}, season, settings) for panel in shards])
    profiles = counts.groupby(fit.PROFILE_KEY)[[fit.COUNT]].sum().reset_index()
    return fit.simple_forecasters(cutoff, season, profiles, settings)[model]


def _own_models(shards: Sequence[Panel], config: Config) -> tuple[Forecaster, list[Panel]]:
    """Return what the series' own models share, and the shards with the weights of each."""
    settings, horizon = config.forecast.local_lstm, config.forecast.horizon
    profile, weighted = ResidualProfile.empty(horizon), []
    for panel in shards:
        models, errors = local_lstm.fit(panel, settings, horizon=horizon, seed=config.seed)
        profile += errors
        by_cutoff = [None if weights is None else {str(panel.cutoff): weights} for weights in models[t.MODEL_WEIGHTS]]
        keys = panel.keys.assign(**{str(t.WEIGHTS_BY_CUTOFF): pd.Series(by_cutoff, dtype=object)})
        weighted.append(replace(panel, keys=keys))
    return local_lstm.LocalLstmModel(settings, reading_of(shards[0], settings, horizon=horizon), profile), weighted


def _teller(model: str, note: Note) -> Callable[[EpochMetrics], None]:
    def tell(told: EpochMetrics) -> None:
        note(f"{model} {told.model}, epoch {told.epoch}: loss {told.loss:.4f}, validation {told.validation_loss:.4f}")

    return tell


def _joined(parts: Sequence[Scored]) -> Scored:
    """Return the series of all parts, one after the other."""
    names = [field.name for field in fields(Scored) if field.name != "levels"]
    return Scored(levels=parts[0].levels, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _core_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
