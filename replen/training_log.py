"""A training event as MLflow shows it: a parent run, one run a model family, versions, champions and challengers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Config, Forecast
from replen.evaluate.champion import Choice, choose
from replen.evaluate.examples import Example
from replen.evaluate.metrics import SIMULATED_COST
from replen.evaluate.scores import STEP, transform_counts
from replen.features.segments import ALL
from replen.forecast.fit import COUNTED
from replen.forecast.storage import Packed
from replen.forecast.streamed import STREAMED
from replen.model_table import comparison
from replen.quality.verdict import STOP, WARN
from replen.registered import FAMILY, HORIZON, LEVELS
from replen.registry_names import CHALLENGER, CHAMPION, alias, fold_folder, plain
from replen.series_log import SeriesResults, log_series
from replen.tracking import FamilyRun, ModelVersion, Tracker, Value

TABULAR = frozenset(STREAMED) - {"lstm"}
"""Families that read rows as `forecast.tabular` says."""
BY_SEGMENT = (
    "wape", "relative_bias", "pinball", "rmsse", "wrmsse", "spl", "wspl", "coverage_50", "coverage_90",
    SIMULATED_COST, str(t.FILL_RATE),
)  # fmt: skip
N_SEGMENTS = 20
"""Segments of a kind whose metrics are logged, those that sold most; all stand in `metrics.parquet`."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch of a training gave."""

    family: str
    cutoff: str
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Training:
    """All that a training event has to show.

    Attributes:
        fitted: family -> forecaster fitted up to the run's cutoff.
        at_folds: cutoff of a fold -> family -> forecaster fitted up to it.
        seconds: family -> wall clock of its fits.
        scores: rows of `tables.SCORES`, added up.
        metrics: rows of `tables.METRICS`.
        series: metrics by series.
        examples: a few series of the last fold.
        epochs: of trained families, of every fold.
        checks: rows of `tables.QUALITY_CHECKS`.
        quality: findings of ingest by table and rule.
    """

    run_id: str
    config: Config
    fitted: Mapping[str, Packed]
    at_folds: Mapping[str, Mapping[str, Packed]]
    seconds: Mapping[str, float]
    scores: pd.DataFrame
    metrics: pd.DataFrame
    series: SeriesResults
    examples: Sequence[Example]
    epochs: Iterable[Epoch]
    checks: pd.DataFrame
    quality: pd.DataFrame


def log_training(tracker: Tracker, training: Training) -> pd.DataFrame:
    """Return rows of `tables.MODELS`, after logging and registering every family and promoting champions and challengers."""
    config = training.config
    with tracker.training(training.run_id, f"{config.name} {training.run_id}") as parent:
        before = tracker.champions_before(parent, sorted({ALL, *training.metrics[t.SEGMENT]}))
        choices = choose(training.metrics, config.forecast, incumbents=before)
        versions = {}
        for family, packed in training.fitted.items():
            with tracker.family(training.run_id, family, parent) as run:
                _log_family(run, family, packed, training)
                for number, network in enumerate(packed.networks):
                    run.keras_network(network, f"network_{number}")
                versions[family] = tracker.register(run, family)
        tracker.promote(_aliases(choices, versions))
        models = _models(training, versions, choices)
        _log_parent(parent, training, models, choices)
    return models


def _aliases(choices: Iterable[Choice], versions: Mapping[str, ModelVersion]) -> dict[str, tuple[ModelVersion, str]]:
    aliases = {}
    for choice in choices:
        aliases[alias(CHAMPION, choice.segment)] = versions[choice.champion], choice.reason
        if choice.challenger is not None:
            aliases[alias(CHALLENGER, choice.segment)] = versions[choice.challenger], str(choice.challenger_reason)
    return aliases


def _models(training: Training, versions: Mapping[str, ModelVersion], choices: Sequence[Choice]) -> pd.DataFrame:
    rows = [
        {
            t.RUN_ID: training.run_id,
            t.MODEL: family,
            t.MODEL_VERSION: version.version,
            t.MLFLOW_RUN: version.mlflow_run,
            t.CHAMPION_OF: {one.segment: one.reason for one in choices if one.champion == family},
            t.CHALLENGER_OF: {one.segment: one.challenger_reason for one in choices if one.challenger == family},
            t.FIT_SECONDS: training.seconds[family],
        }
        for family, version in versions.items()
    ]
    return pd.DataFrame(rows, columns=t.MODELS.names)


def _log_parent(parent: FamilyRun, training: Training, models: pd.DataFrame, choices: Sequence[Choice]) -> None:
    from replen.training_plots import example_figure  # workers import this module, and never draw

    parent.text(training.config.model_dump_json(indent=2, exclude={"orders", "tracking"}), "config.json")
    parent.text("\n".join(comparison(training.config, training.metrics, models)) + "\n", "comparison.txt")
    parent.table(training.quality, "quality.parquet")
    parent.table(training.checks.drop(columns=str(t.MEASURED)), "quality_checks.parquet")
    parent.metrics(check_values(training.checks))
    parent.table(training.metrics, "metrics.parquet")
    champion = choices[0].champion
    overall = (one for one in metric_values(training.metrics, champion) if one.name in BY_SEGMENT)
    parent.metrics([Value(t.FIT_SECONDS, sum(set(training.seconds.values()))), *overall])
    for choice in choices:
        parent.tag(f"replen.{alias(CHAMPION, choice.segment)}", choice.champion)
        parent.tag(f"replen.{alias('reason', choice.segment)}", choice.reason)
        if choice.challenger is not None:
            parent.tag(f"replen.{alias(CHALLENGER, choice.segment)}", choice.challenger)
    for number, example in enumerate(training.examples, start=1):
        parent.figure(example_figure(example), f"forecasts/{number}-{example.role.replace(' ', '-')}.png")


def _log_family(run: FamilyRun, family: str, packed: Packed, training: Training) -> None:
    config = training.config
    common = {"seed": config.seed, "freq": config.freq, "horizon": config.forecast.horizon, "folds": config.evaluate.folds}
    run.params({**common, **family_params(config.forecast, family)})
    together = [model for model in training.fitted if model in COUNTED]
    if family in together and len(together) > 1:
        run.tag(f"replen.{t.FIT_SECONDS}", f"of {', '.join(together)}, which are fitted together")
    run.metrics([Value(t.FIT_SECONDS, training.seconds[family]), *metric_values(training.metrics, family)])
    losses = _losses(training.epochs, family)
    curves = losses.melt(ignore_index=False, var_name="name").dropna()
    run.metrics(Value(name, value, epoch) for epoch, name, value in curves.itertuples())
    log_series(run, family, training.series)
    _log_figures(run, family, training, losses)
    for cutoff, fitted in training.at_folds.items():
        with TemporaryDirectory() as folder:
            fitted[family].save(Path(folder))
            run.folder(Path(folder), fold_folder(cutoff))
    with TemporaryDirectory() as folder:
        packed.save(Path(folder))
        run.model(Path(folder), {FAMILY: family, HORIZON: config.forecast.horizon, LEVELS: list(config.forecast.quantiles)})


def family_params(settings: Forecast, family: str) -> dict[str, object]:
    """Return what a family was fitted with: its own section of the config, and `tabular.` of those that read tables of rows."""
    shared = settings.tabular.model_dump() if family in TABULAR else {}
    return {**getattr(settings, family).model_dump(), **{f"tabular.{name}": value for name, value in shared.items()}}


def check_values(checks: pd.DataFrame) -> Iterator[Value]:
    """Yield the values of checks of whole tables, `quality/sales/level_psi`, and how many checks warn or stop."""
    for level in (WARN, STOP):
        yield Value(f"quality/{level}", float((checks[t.LEVEL] == level).sum()))
    whole = checks[(checks[t.SEGMENT] == ALL) & np.isfinite(checks[t.VALUE].astype(float))]
    for name, table, value in whole[[t.NAME, t.TABLE, t.VALUE]].itertuples(index=False):
        yield Value(f"quality/{table}/{name}", float(value))


def metric_values(metrics: pd.DataFrame, family: str) -> Iterator[Value]:
    """Yield the metrics of a family under the names that all families share.

    `wape` over all folds, `fold_wape` with the fold's number as the step, `step_wape` with the step of the horizon, and
    `class/lumpy/wape` by segment.
    """
    rows = metrics[metrics[t.MODEL] == family]
    folds = sorted(set(rows[t.FOLD]) - {ALL})
    shown = set(largest_segments(rows))
    for fold, segment, metric, value in rows[[t.FOLD, t.SEGMENT, t.METRIC, t.VALUE]].itertuples(index=False):
        kind, _, label = segment.partition("=")
        if segment == ALL:
            yield Value(metric, value) if fold == ALL else Value(f"fold_{metric}", value, folds.index(fold))
        elif fold == ALL and kind == STEP and pd.notna(value):
            yield Value(f"{STEP}_{metric}", value, int(label))
        elif fold == ALL and segment in shown and metric in BY_SEGMENT and pd.notna(value):
            yield Value(f"{kind}/{plain(label)}/{metric}", value)


def largest_segments(rows: pd.DataFrame) -> list[str]:
    """Return the `N_SEGMENTS` segments of each kind that sold most, from the metrics of one family."""
    sold = rows[(rows[t.FOLD] == ALL) & (rows[t.METRIC] == "absolute_actual") & (rows[t.SEGMENT] != ALL)]
    kinds = sold[t.SEGMENT].astype(str).str.split("=").str[0]
    in_order = sold.sort_values(str(t.VALUE), ascending=False, kind="stable")
    return [str(segment) for segment in in_order.groupby(kinds).head(N_SEGMENTS)[t.SEGMENT]]


def _losses(epochs: Iterable[Epoch], family: str) -> pd.DataFrame:
    """Return one row an epoch, a column `cutoff_name` for each curve."""
    rows = [
        (one.epoch, f"{one.cutoff}_{name}", value)
        for one in epochs
        if one.family == family
        for name, value in one.metrics.items()
    ]
    return pd.DataFrame(rows, columns=["epoch", "name", "value"]).pivot_table("value", "epoch", "name", aggfunc="last")


def _log_figures(run: FamilyRun, family: str, training: Training, losses: pd.DataFrame) -> None:
    from replen.training_plots import calibration_figure, family_figure, loss_figure

    if training.examples:
        run.figure(family_figure(training.examples, family), "forecasts.png")
    counts = transform_counts(training.scores)
    if family in counts.index:
        run.figure(calibration_figure(counts.loc[family].to_numpy(np.float64), family), "calibration.png")
    if len(losses):
        run.figure(loss_figure(losses, family), "loss.png")
