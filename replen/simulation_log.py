"""Simulated policies as MLflow shows them: a run a policy, below the training event whose forecasters they order by."""

from collections.abc import Iterator

import pandas as pd

import replen.tables as t
from replen.config import Config
from replen.evaluate.simulations import Chosen, Pair
from replen.features.segments import ALL
from replen.policy_table import policy_table, run_name
from replen.registry_names import plain
from replen.tracking import Tracker, Value

TUNED = "tuned"
TABLE_FILE = "simulations.parquet"
MEASURES = tuple(str(column) for column in t.SIMULATIONS.values)


def log_simulations(tracker: Tracker, event: str, config: Config, rows: pd.DataFrame, configured: Pair) -> None:
    """Log every policy of a run.

    Args:
        tracker: MLflow.
        event: run_id of the training event.
        config: of the run.
        rows: of `tables.SIMULATIONS`.
        configured: as in `policy_table`.
    """
    if rows.empty:
        return
    (run_id,) = set(rows[t.RUN_ID])
    with tracker.training(event, f"{config.name} {event}") as parent:
        for (model, policy), mine in rows.groupby([str(t.MODEL), str(t.POLICY)], sort=False):
            with tracker.policy(run_id, run_name(model, policy), parent) as run:
                run.params({str(t.MODEL): model, str(t.POLICY): policy, **_described(config)})
                run.metrics(measure_values(mine))
                run.table(rows, TABLE_FILE)
                run.text("\n".join(policy_table(config, rows, configured)) + "\n", "simulations.txt")


def log_tuning(tracker: Tracker, event: str, config: Config, found: Chosen, rows: pd.DataFrame, text: str) -> None:
    """Log what a tuning chose: the measures of the setting in the last window, under the names that all policies share.

    Args:
        tracker: MLflow.
        event: run_id of the training event.
        config: of the run.
        found: the setting, and what it brings.
        rows: of `tables.SIMULATIONS`, every setting in every window.
        text: for a person, with the overlay.
    """
    (run_id,) = set(rows[t.RUN_ID])
    last = rows[(rows[t.POLICY] == found.name) & (rows[t.WINDOW] == found.window)]
    against = dict(zip(map(str, (t.COST_DIFFERENCE, t.DIFFERENCE_LOW, t.DIFFERENCE_HIGH)), found.saving, strict=True))
    with tracker.training(event, f"{config.name} {event}") as parent, tracker.policy(run_id, TUNED, parent) as run:
        run.params({"setting": found.name, "settings_tried": found.n_tried, "scored": found.window, **_described(config)})
        run.metrics(measure_values(last.assign(**against).assign(**{str(t.WINDOW): ALL})))
        run.table(rows, TABLE_FILE)
        run.text(text + "\n", "tuning.txt")


def measure_values(rows: pd.DataFrame) -> Iterator[Value]:
    """Yield the measures of a policy under the names that all policies share.

    `cost` over all windows, `window_cost` with the window's number as the step, `class/lumpy/cost` by segment.
    """
    windows = sorted(set(rows[t.WINDOW]) - {ALL})
    for row in rows.to_dict("records"):
        window, (kind, _, label) = row[t.WINDOW], row[t.SEGMENT].partition("=")
        if window != ALL and row[t.SEGMENT] != ALL:
            continue
        start = "" if window == ALL else "window_"
        start = f"{kind}/{plain(label)}/" if row[t.SEGMENT] != ALL else start
        step = 0 if window == ALL else windows.index(window)
        yield from (Value(f"{start}{name}", float(row[name]), step) for name in MEASURES if pd.notna(row[name]))


def _described(config: Config) -> dict[str, object]:
    """Return what policies were played with."""
    plan = config.plan
    shared = {"horizon": plan.horizon, "n_paths": plan.n_paths, "unmet_demand": plan.unmet_demand}
    return shared | {"window": config.evaluate.horizon, "series": config.simulate.series, "seed": config.seed}
