"""Values to levels by the thresholds of the configuration, what to do about each, and the error that stops a run."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import replen.tables as t
from replen.config import Quality
from replen.errors import QualityError
from replen.quality.checks import Measure

OK, WARN, STOP = "ok", "warn", "stop"
NOTHING = "Nothing."
NOT_JUDGED = "Nothing: no run to compare with, too few rows, or the data are not given."
ACTIONS = {
    "run_age_days": "Load newer sales, or set cutoff if an older day is meant.",
    "sales_age_days": "Find out why no sale arrived after that day: a feed that failed, or a site that closed.",
    "stock_age_days": "Count or export the stock at the end of the cutoff.",
    "null_share": "Have the source fill the column, or say how it is filled in features.missing.",
    "null_rise": "Find out why the source stopped filling the column; compare its last two deliveries.",
    "gap_share": "Set sources.complete: true if a period without a row sold nothing, else load the periods that are missing.",
    "missing_share": "Add a row for each series that is sold; without it nothing can be ordered for the series.",
    "duplicate_share": "Look up the rules that begin with `key` in the table quality, and load each row once.",
    "refused_share": "Look up what was quarantined in the table quality, and mend it in the source.",
    "negative_stock_share": "Count the series again: stock below 0 is refused and they are not planned.",
    "sold_without_stock_share": "Check in_stock and the day it is measured: what was sold was on a shelf.",
    "lead_time_share": "Mend the lead times in supply, or raise quality.max_lead_time_days.",
    "price_jump_share": "Look for another currency, unit or tax in the newest prices.",
    "newest_factor": "See whether the newest period is loaded completely and once; an event can be the reason too.",
    "level_factor": "Find out what changed history: another unit or currency, or channels that were added or lost.",
    "level_psi": "Find out what changed history for some series: look at the segments, compare the last two deliveries.",
    "zero_share_change": "Find out why periods lost or gained their sales; see sources.complete.",
    "row_factor": "See whether the table is loaded completely and once.",
}  # fmt: skip


def judged(found: Iterable[Measure], settings: Quality) -> pd.DataFrame:
    """Return rows of `tables.QUALITY_CHECKS` without the run: values above a threshold are of its level.

    A breach in one category or site warns only, unless the configuration says otherwise.
    """
    return pd.DataFrame([_row(one, settings) for one in found], columns=t.QUALITY_CHECKS.without_run.names)


def breaches(checks: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return the checks of a level, largest part of the data first: whole tables, then segments."""
    found = checks[checks[t.LEVEL] == level]
    return found.sort_values([str(t.SEGMENT), str(t.NAME), str(t.TABLE)], key=lambda column: column.where(column != "all", ""))


def told(check: Mapping[Any, Any]) -> str:
    """Return a breach in one sentence, and what to do."""
    name, level = check[t.NAME], check[t.LEVEL]
    return (
        f"{name} of {check[t.TABLE]} ({check[t.SEGMENT]}): expected at most {check[t.THRESHOLD]:g} "
        f"(quality.thresholds.{name}.{level}), found {check[t.VALUE]:.4g}. {check[t.ACTION]}"
    )


def refuse_stopped(checks: pd.DataFrame, settings: Quality) -> None:
    """Stop the run where a check says so, unless the configuration overrules it.

    Raises:
        QualityError: with every check that is above its threshold to stop.
    """
    found = breaches(checks, STOP)
    if settings.stop and len(found):
        listed = "\n".join(f"  - {told(check)}" for check in found.to_dict("records"))
        raise QualityError(
            f"the data stop the run before any order is written:\n{listed}\n"
            "Mend the data; or, to plan all the same this once, run again with --set quality.stop=false"
        )


def _row(one: Measure, settings: Quality) -> tuple[object, ...]:
    limits = getattr(settings.thresholds, one.name)
    may_stop = settings.segments_stop or not one.segment.startswith(("category=", "site="))
    level, threshold = OK, limits.warn if limits.warn is not None else limits.stop
    for name, limit in ((WARN, limits.warn), (STOP, limits.stop)):
        if limit is not None and one.value > limit:
            level, threshold = (name, limit) if name == WARN or may_stop else (WARN, threshold)
    action = ACTIONS[one.name] if level != OK else NOTHING if not np.isnan(one.value) else NOT_JUDGED
    value = None if np.isnan(one.value) else round(one.value, 9)
    measured = {name: round(number, 9) for name, number in one.measured.items() if not np.isnan(number)}
    return one.name, one.table, one.segment, value, threshold, level, action, measured
