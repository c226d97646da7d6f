"""The checks: facts of a run, and of the run before, to one value each. Pure functions; thresholds come later."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pandas as pd

import replen.tables as t
from replen.config import Quality
from replen.quality import facts as f
from replen.quality.facts import ALL, NOW, THEN, Facts, Reference

NAN = float("nan")


@dataclass(frozen=True)
class Measure:
    """The value of a check, NaN where nothing can be said, and what it was made of."""

    name: str
    table: str
    segment: str
    value: float
    measured: dict[str, float] = field(default_factory=dict)


def measures(facts: Facts, reference: Reference | None, settings: Quality) -> Iterator[Measure]:
    """Yield every check of a run; those that compare with the run before have no value where there is none."""
    yield from freshness(facts)
    yield from unknown_values(facts, reference, settings.min_count)
    yield from findings(facts, settings.min_count)
    yield from row_counts(facts, reference, settings)
    for segment, sales in facts.sales.groupby(str(t.SEGMENT), sort=True):
        yield from plausibility(str(segment), sales, settings.min_count)
        yield from drift(str(segment), sales, reference, settings)


def freshness(facts: Facts) -> Iterator[Measure]:
    """Yield how old sales and stock are; categories and sites count while they sold something within the window."""
    yield Measure("run_age_days", t.SALES.name, ALL, float((facts.today - facts.end).days))
    sales = facts.sales[facts.sales[f.WINDOW] == NOW]
    shown = sales[(sales[t.SEGMENT] == ALL) | (sales[f.BIN].notna() & (sales[f.BIN] != f.ZERO_BIN))]
    for segment, last in shown.groupby(str(t.SEGMENT))[f.LAST_SALE].max().items():
        yield Measure("sales_age_days", t.SALES.name, str(segment), float((pd.Timestamp(facts.cutoff) - last).days))
    age = NAN if facts.oldest_stock is None else float((facts.end - facts.oldest_stock).days)
    yield Measure("stock_age_days", t.STOCK.name, ALL, age)


def unknown_values(facts: Facts, reference: Reference | None, min_count: int) -> Iterator[Measure]:
    """Yield the share of unknown values of each column that is given, and by how much it rose since the run before."""
    for table, columns in facts.unknown.items():
        for column, unknown in columns.items():
            segment, n_rows = f"column={column}", facts.n_rows.get(table, 0)
            share = _share(unknown, n_rows, min_count)
            yield Measure("null_share", table, segment, NAN if unknown == n_rows else share, {"share": share})
            before = reference.measured("null_share", table, segment).get("share", NAN) if reference else NAN
            yield Measure("null_rise", table, segment, max(share - before, 0.0))


def findings(facts: Facts, min_count: int) -> Iterator[Measure]:
    """Yield shares of the rows that ingest found repeated, refused, below 0 on the shelf, or unknown to another table."""
    for table in sorted(facts.n_rows):
        found = facts.findings[facts.findings[t.TABLE] == table]
        rule, n_rows = found[t.RULE], found[t.N_ROWS]
        refused = int(found[f.REFUSED][~rule.str.startswith("period:")].sum())  # incomplete periods are no mistake
        read = facts.n_rows[table] + refused
        if read:
            yield Measure("duplicate_share", table, ALL, _share(n_rows[rule.str.startswith("key:")].sum(), read, min_count))
            yield Measure("refused_share", table, ALL, _share(refused, read, min_count))
        if table == t.STOCK.name:
            below = n_rows[rule == f"{t.ON_HAND}: below 0"].sum()
            yield Measure("negative_stock_share", table, ALL, _share(below, read, min_count))
        if table == t.SUPPLY.name:
            wrong = n_rows[rule.str.startswith(f"{t.LEAD_TIME_DAYS}:")].sum() + facts.long_lead_times
            yield Measure("lead_time_share", table, ALL, _share(wrong, read, min_count))
        if table == t.CATALOGUE.name:
            added = n_rows[rule == "sku: sold, not in the catalogue"].sum()
            yield Measure("missing_share", table, ALL, _share(added, facts.n_rows[table], min_count))


def row_counts(facts: Facts, reference: Reference | None, settings: Quality) -> Iterator[Measure]:
    """Yield the rows of each table against those of the run before; sales are counted in the same periods."""
    windows = facts.sales[facts.sales[t.SEGMENT] == ALL].groupby(f.WINDOW)[f.ROWS].sum()
    for table, n_rows in sorted(facts.n_rows.items()):
        now = then = float(n_rows)
        before = float(reference.n_rows.get(table, 0)) or NAN if reference else NAN  # a table given for the first time
        if table == t.SALES.name:
            now, then = float(windows.get(NOW, 0)), float(windows.get(THEN, 0))
            before = _comparable("row_factor", table, ALL, reference, settings).get("rows", NAN)
        enough = max(then, before) >= settings.min_count
        yield Measure("row_factor", table, ALL, f.factor(then, before) if enough else NAN, {"rows": now, **_window(settings)})


def plausibility(segment: str, sales: pd.DataFrame, min_count: int) -> Iterator[Measure]:
    """Yield shares of series and rows of one segment that cannot be right."""
    now = sales[sales[f.WINDOW] == NOW]
    total = now.sum(numeric_only=True)
    n_sold = now[f.N_SERIES][now[f.BIN].notna() & (now[f.BIN] != f.ZERO_BIN)].sum()
    for table, column in f.WITHOUT.items():
        yield Measure("missing_share", table, segment, _share(total[column], n_sold, min_count))
    shares = {
        "gap_share": (f.GAPPED, f.N_SERIES),
        "sold_without_stock_share": (f.SOLD_EMPTY, f.SOLD_ROWS),
        "price_jump_share": (f.JUMPED, f.PRICED),
    }
    for name, (part, whole) in shares.items():
        yield Measure(name, t.SALES.name, segment, _share(total[part], total[whole], min_count))


def drift(segment: str, sales: pd.DataFrame, reference: Reference | None, settings: Quality) -> Iterator[Measure]:
    """Yield how the sales of one segment moved: the newest period against those like it, old ones against the run before.

    Levels of series are compared within the window of the run before, as this run and as that run read it: season and
    growth are the same in both, so what is left is data that were changed.
    """
    now, then = (sales[sales[f.WINDOW] == window] for window in (NOW, THEN))
    units = [float(now[name].sum()) for name in f.NEWEST]
    like_it = [one for one in units[1:] if one > 0]  # nothing was sold before the history begins, or on a holiday
    enough = like_it and now[f.N_SERIES].sum() >= settings.min_count
    yield Measure("newest_factor", t.SALES.name, segment, f.factor(units[0], median(like_it)) if enough else NAN)

    before = {name: _comparable(name, t.SALES.name, segment, reference, settings) for name in _COMPARED}
    levels, levels_then = _levels(now), _levels(then)
    if then[f.N_SERIES].sum() < settings.min_count:
        before = {name: {} for name in _COMPARED}
    moved = f.factor(f.median_level(levels_then), before["level_factor"].get("median", NAN))
    yield _measure("level_factor", segment, moved, {"median": f.median_level(levels)}, settings)
    octaves = {name: count for name, count in before["level_psi"].items() if name not in _window(settings)}
    index = f.stability_index(f.by_octave(levels_then), octaves) if octaves else NAN
    yield _measure("level_psi", segment, index, f.by_octave(levels), settings)
    change = abs(_zero_share(then) - before["zero_share_change"].get("share", NAN))
    yield _measure("zero_share_change", segment, change, {"share": _zero_share(now)}, settings)


_COMPARED = ("level_factor", "level_psi", "zero_share_change")


def _measure(name: str, segment: str, value: float, measured: dict[str, float], settings: Quality) -> Measure:
    return Measure(name, t.SALES.name, segment, value, measured | _window(settings))


def _comparable(name: str, table: str, segment: str, reference: Reference | None, settings: Quality) -> dict[str, float]:
    """Return what the run before measured, empty where its window was as long as none or another."""
    measured = reference.measured(name, table, segment) if reference else {}
    return measured if _window(settings).items() <= measured.items() else {}


def _window(settings: Quality) -> dict[str, float]:
    return {f.WINDOW: float(settings.window)}


def _levels(sales: pd.DataFrame) -> pd.Series:
    return sales[sales[f.BIN].notna()].groupby(f.BIN)[f.N_SERIES].sum()


def _zero_share(sales: pd.DataFrame) -> float:
    return _share(sales[f.ZEROS].sum(), sales[f.PERIODS].sum(), 1)


def _share(part: Any, whole: Any, min_count: int) -> float:
    """Return part / whole, NaN where the whole is less than the least that is judged."""
    return float(part) / float(whole) if whole >= max(min_count, 1) else NAN
