"""The checks of a run as a person reads them: a table of the last run, and of the values of those before it."""

from collections.abc import Iterator, Sequence

import pandas as pd

import replen.tables as t
from replen.errors import TableError
from replen.quality.facts import ALL
from replen.quality.verdict import OK, STOP, WARN, breaches
from replen.warehouse import Row, committed_rows, configuration, read_rows

JOB = "check_quality"
N_RUNS = 10
WIDTHS = (26, 16, 24)


def report(root: str, of: tuple[str, str], *, history: bool) -> str:
    """Return the report of the last run of a configuration that was checked; with `history` the last runs' values beside it.

    Args:
        root: the warehouse.
        of: name and freq of the configuration.
        history: whether to show earlier runs too.

    Raises:
        TableError: no run of the configuration was checked.
    """
    rows = [row for row in committed_rows(root) if row[t.JOB] == JOB and configuration(row) == of]
    if not rows:
        raise TableError(
            f"{root}: no run of {of[0]} ({of[1]}) has checked its data; run `replen check-quality` (or `replen run`)"
        )
    runs = sorted(rows, key=lambda row: (row[t.CUTOFF], row[t.COMMITTED_AT]))[-N_RUNS if history else -1 :]
    checks = [read_rows(root, t.QUALITY_CHECKS, row) for row in runs]
    lines = [*head(runs[-1]), *table(checks[-1])]
    return "\n".join([*lines, "", *past(runs, checks)] if history else lines)


def head(run: Row) -> list[str]:
    """Return which run is shown."""
    return [
        f"{configuration(run)[0]}, {run[t.RUN_ID]}, cutoff {run[t.CUTOFF]}, checked {run[t.COMMITTED_AT]:%Y-%m-%d %H:%M} UTC"
    ]


def table(checks: pd.DataFrame) -> Iterator[str]:
    """Yield a line for each check of whole tables and for each breach of a category or site, breaches first."""
    yield counts(checks)
    yield _line(("check", "table", "of"), f"{'value':>10}{'at most':>10}", "")
    for level in (STOP, WARN, OK):
        for check in breaches(checks, level).to_dict("records"):
            if level != OK or _whole(check[t.SEGMENT]):
                numbers = _number(check[t.VALUE]) + _number(check[t.THRESHOLD])
                action = "" if level == OK else str(check[t.ACTION])
                yield _line((check[t.NAME], check[t.TABLE], check[t.SEGMENT]), numbers, f"{level:6}{action}")


def counts(checks: pd.DataFrame) -> str:
    """Return how many checks there are of each level."""
    found = checks[t.LEVEL].value_counts()
    not_judged = int(checks[t.VALUE].isna().sum())
    by_level = ", ".join(f"{found.get(level, 0):,} {level}" for level in (STOP, WARN, OK))
    return f"{len(checks):,} checks: {by_level}" + (f" ({not_judged:,} of them without a value)" if not_judged else "")


def past(runs: Sequence[Row], checks: Sequence[pd.DataFrame]) -> Iterator[str]:
    """Yield the values of whole tables by cutoff, oldest run first; `!` marks a warning, `!!` a stop."""
    yield _line(("check", "table", "of"), "".join(f"{run[t.CUTOFF]!s:>12}" for run in runs), "")
    marks = {OK: "", WARN: "!", STOP: "!!"}
    keyed = [frame.set_index([str(t.NAME), str(t.TABLE), str(t.SEGMENT)]) for frame in checks]
    for key in keyed[-1].index:
        if _whole(key[2]):
            cells = [
                _number(frame.loc[key, str(t.VALUE)]).strip() + marks[str(frame.loc[key, str(t.LEVEL)])]
                if key in frame.index
                else "-"
                for frame in keyed
            ]
            yield _line(key, "".join(f"{cell:>12}" for cell in cells), "")


def _whole(segment: str) -> bool:
    return segment == ALL or segment.startswith("column=")


def _line(names: Sequence[str], numbers: str, rest: str) -> str:
    labels = "".join(f"{name:<{width}}" for name, width in zip(names, WIDTHS, strict=True))
    return f"{labels}{numbers}  {rest}".rstrip()


def _number(value: float | None) -> str:
    return f"{'-':>10}" if value is None or pd.isna(value) else f"{value:>10.4g}"
