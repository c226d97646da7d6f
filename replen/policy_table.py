"""Simulated policies in tables of text: for a person at a terminal, and beside the runs in MLflow."""

from collections.abc import Iterator, Mapping

import pandas as pd

import replen.tables as t
from replen.config import Config, Policies
from replen.evaluate.replay import CHAMPION
from replen.evaluate.simulations import CONFIGURED, Chosen, Pair
from replen.features.segments import ALL
from replen.model_table import PERIODS

SHOWN = {
    t.COST: "cost", t.PURCHASE: "purchase", t.LINE_COST: "lines", t.HOLDING: "holding", t.SHORTAGE: "shortage",
    t.FILL_RATE: "fill rate", t.CYCLE_SERVICE_LEVEL: "service", t.TURNS: "turns", t.WASTE: "waste", t.N_LINES: "n lines",
    t.NERVOUSNESS: "nervous",
}  # fmt: skip
SHORT, WIDTH = 24, 10


def policy_table(config: Config, rows: pd.DataFrame, configured: Pair) -> Iterator[str]:
    """Yield the lines of the table of a run: a policy a row, a measure a column; below, what each costs more than the first.

    Args:
        config: of the run.
        rows: of `tables.SIMULATIONS`.
        configured: forecaster and policy that the others are held against.
    """
    overall = rows[(rows[t.WINDOW] == ALL) & (rows[t.SEGMENT] == ALL)].to_dict("records")
    whole = sorted(overall, key=lambda row: ((row[t.MODEL], row[t.POLICY]) != configured, row[t.COST]))
    if not whole:
        yield "nothing was played: no series has terms, sales and a forecast in any window"
        return
    n_windows, first = rows[t.WINDOW].nunique() - 1, whole[0]
    yield f"{'':{SHORT}}" + "".join(f"{label:>{WIDTH}}" for label in SHOWN.values())
    for row in whole:
        yield f"{run_name(row[t.MODEL], row[t.POLICY]):{SHORT}}" + "".join(_number(row[column]) for column in SHOWN)
    yield (
        f"{config.currency} and units a series and window; {first[t.N_PLAYED]:,} series played in {n_windows} windows of "
        f"{config.evaluate.horizon} {PERIODS[config.freq]} each"
    )
    for row in whole[1:]:
        if pd.notna(row[t.COST_DIFFERENCE]):
            low, high = row[t.DIFFERENCE_LOW], row[t.DIFFERENCE_HIGH]
            names = f"{run_name(row[t.MODEL], row[t.POLICY])} less {run_name(*configured)}"
            yield f"{names}: {row[t.COST_DIFFERENCE]:,.4g}, 95 % {low:,.4g} to {high:,.4g}"


def tuning_text(config: Config, found: Chosen, settings: Mapping[str, Policies]) -> Iterator[str]:
    """Yield what a tuning found, and the overlay that takes it over."""
    for name, cost in sorted(found.early.items(), key=lambda one: one[1]):
        yield f"{name:{2 * SHORT}}{cost:>{WIDTH},.4f}"
    yield (
        f"{config.currency} a series and window, {found.n_series:,} series in all windows but the last; {found.n_tried} "
        f"settings were tried, the best is: {found.name}"
    )
    saving = found.saving
    yield (
        f"in the last window, {found.window}, it costs {found.cost:,.4f}, less what is configured: {saving.mean:,.4g}, "
        f"95 % {saving.low:,.4g} to {saving.high:,.4g}"
    )
    if found.name != CONFIGURED:
        taken = settings[found.name]
        yield from ("", "plan:", "  policy:", f"    default: {taken.default}")
        yield f"    target: {{measure: {taken.target.measure}, value: {taken.target.value:g}}}"
        if settings[CONFIGURED].by_segment or settings[CONFIGURED].target_by_segment:
            yield "    # in place of by_segment and target_by_segment, which must go"


def run_name(model: object, policy: object) -> str:
    """Return how a policy that orders by the forecasts of a model is called; champions go without saying."""
    return f"{policy}" if model == CHAMPION else f"{policy}, {model}"


def _number(value: float) -> str:
    return f"{value:>{WIDTH}.4g}" if pd.notna(value) else f"{'-':>{WIDTH}}"
