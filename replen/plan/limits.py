"""Rows of `limits` -> which series share which limit in which period, and how much of it a plan uses.

Limits of one name form a family: each series belongs to at most one of its scope values. A limit and period is a row; prices
and usage are arrays over rows. A flow is counted in the period of the order or of the receipt (open orders are receipts too), a
stock at the end of each period, in expectation over the paths. A minimum order value is a row of today's orders: later ones
are decided when their day comes.
"""

import datetime as dt
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import MINIMUM, MINIMUM_TAKES, LimitRule
from replen.errors import PlanError, raise_all
from replen.plan.timing import FloatArray, IntArray, step_dates

ALL, EACH, WHOLE, STOCK = "all", "*", "horizon", "stock"
NO_ROW = -1
SCOPES = {ALL: None, **{str(column): column for column in (t.CATEGORY, t.SUPPLIER, t.SITE)}}
MEASURES = {"budget": "money", "volume": "volume", "capacity": "units", MINIMUM: "money"}
COUNTED = {"budget": "flow", "volume": "stock", "capacity": "flow", MINIMUM: "flow"}
UNIT = {"money": t.UNIT_COST, "volume": t.UNIT_VOLUME}
"""Column that says how much a unit uses; units use 1."""


@dataclass(frozen=True)
class Family:
    """Limits of one name.

    Attributes:
        name: of the limits.
        scope: column that says which of them a series shares; None: all series share the one there is.
        values: scope values, in the order of `rows`.
        measure: money | volume | units.
        basis: order | receipt | stock.
        rows: shape (n_values, horizon), number of the limit's row in the period, NO_ROW = no limit.
    """

    name: str
    scope: t.Column | None
    values: tuple[str, ...]
    measure: str
    basis: str
    rows: IntArray

    def members(self, items: pd.DataFrame) -> IntArray:
        """Return which of the values each item belongs to, (n_items,); NO_ROW = none."""
        if self.scope is None:
            return np.zeros(len(items), np.int64)
        return np.asarray(pd.Index(self.values).get_indexer(pd.Index(items[self.scope].astype(object))), np.int64)

    def per_unit(self, items: pd.DataFrame) -> FloatArray:
        """Return how much of the limit a unit uses, (n_items,); where it is unknown, nothing is counted."""
        if self.measure not in UNIT:
            return np.ones(len(items))
        return np.asarray(np.nan_to_num(items[UNIT[self.measure]].to_numpy(dtype=np.float64, na_value=np.nan)))


@dataclass(frozen=True)
class Limits:
    """All limits of a plan.

    Attributes:
        families: by name.
        limits: shape (n_rows,), most that may be used, in the family's measure; inf = no limit.
        minimums: shape (n_rows,), least that is used unless nothing is, in the family's measure; 0 = no minimum.
        labels: one a row, such as `budget` or `capacity supplier-3 2024-07-01`.
    """

    families: tuple[Family, ...]
    limits: FloatArray
    minimums: FloatArray
    labels: tuple[str, ...]

    @classmethod
    def none(cls) -> Self:
        """Return no limits."""
        return cls((), np.zeros(0), np.zeros(0), ())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def unused(self, values: Mapping[str, Collection[str | None]]) -> tuple[str, ...]:
        """Return the limits, by name and scope value, that no item has anything to do with.

        Args:
            values: column of a scope -> what the items hold there.
        """
        named = ((family, value) for family in self.families if family.scope is not None for value in family.values)
        return tuple(f"{family.name} {value}" for family, value in named if value not in values[str(family.scope)])

    @property
    def available(self) -> FloatArray:
        """Return what each row allows at most, or asks for at least where it is a minimum, (n_rows,)."""
        return np.where(np.isfinite(self.limits), self.limits, self.minimums)

    def worth(self, prices: FloatArray) -> FloatArray:
        """Return money that a unit of each row is worth, (n_rows,): 1 where it is counted in money, else its price.

        Args:
            prices: shape (n_rows,), what one more unit of each row would save.
        """
        found = prices.copy()
        for family in self.families:
            found[family.rows[(family.rows != NO_ROW) & (family.measure == "money")]] = 1.0
        return found


def limit_rows(table: pd.DataFrame, rules: Mapping[str, LimitRule]) -> pd.DataFrame:
    """Return the rows of `tables.LIMITS` and, as rows, the limits of the configuration."""
    configured = pd.DataFrame(
        [{str(t.NAME): name, **rule.model_dump()} for name, rule in rules.items()], columns=t.LIMITS.names, dtype=object
    )
    return pd.concat([table.astype(object), configured], ignore_index=True)


def read_limits(rows: pd.DataFrame, plan_date: dt.date, *, horizon: int, freq: str) -> Limits:
    """Return the limits of the planned periods; those of other periods are left out.

    Args:
        rows: of `tables.LIMITS`.
        plan_date: first day of step 0.
        horizon: periods planned.
        freq: D or W.

    Raises:
        PlanError: rows that say nothing sound; all of them.
    """
    filled, dates = _filled(rows), step_dates(np.datetime64(plan_date), horizon=horizon, freq=freq)
    raise_all(PlanError, _problems(filled, dates))
    families, amounts, least, labels = [], list[float](), list[bool](), list[str]()
    for name, family in filled.groupby(str(t.NAME), sort=True):
        values = tuple(sorted(set(family[t.SCOPE_VALUE])))
        numbers = np.full((len(values), horizon), NO_ROW)
        for row in family.to_dict("records"):
            steps = _steps(row[t.PERIOD], dates[:1] if row[t.KIND] == MINIMUM else dates)
            shared = [steps] if row[t.PERIOD] == WHOLE else [[step] for step in steps]
            for together in shared:
                numbers[values.index(row[t.SCOPE_VALUE]), together] = len(amounts)
                amounts.append(float(row[t.LIMIT]))
                least.append(row[t.KIND] == MINIMUM)
                labels.append(_label(row, None if row[t.PERIOD] == WHOLE else dates[together[0]]))
        families.append(_family(str(name), family.iloc[0], values, numbers))
    limits, is_minimum = np.array(amounts), np.array(least, dtype=bool)
    return Limits(tuple(families), np.where(is_minimum, np.inf, limits), np.where(is_minimum, limits, 0.0), tuple(labels))


def _family(name: str, row: "pd.Series[str]", values: tuple[str, ...], numbers: IntArray) -> Family:
    """Return the family of rows like this one."""
    basis = STOCK if row[t.COUNTED] == STOCK else row[t.BASIS]
    return Family(name, SCOPES[row[t.SCOPE]], values, row[t.MEASURE], basis, numbers)


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with what is left out filled in as the kind says."""
    kind, scope = rows[t.KIND], rows[t.SCOPE].fillna(ALL)
    inbound = (kind == "capacity") & (scope != str(t.SUPPLIER))
    filled = {
        t.SCOPE: scope,
        t.SCOPE_VALUE: rows[t.SCOPE_VALUE].fillna(EACH),
        t.PERIOD: rows[t.PERIOD].fillna(EACH).astype(str),
        t.MEASURE: rows[t.MEASURE].fillna(kind.map(MEASURES)),
        t.COUNTED: rows[t.COUNTED].fillna(kind.map(COUNTED)),
        t.BASIS: rows[t.BASIS].fillna(inbound.map({True: "receipt", False: "order"})),
    }
    return rows.assign(**{str(column): values for column, values in filled.items()})


def _problems(rows: pd.DataFrame, dates: NDArray[np.datetime64]) -> Iterator[str]:
    """Yield what is wrong with filled rows."""
    for name, family in rows.groupby(str(t.NAME)):
        where = f"limits, {name}"
        for column in (t.KIND, t.SCOPE, t.MEASURE, t.COUNTED, t.BASIS):
            found = sorted(set(family[column]))
            if len(found) > 1:
                yield f"{where}, column {column}: expected one value a name, found {', '.join(found)}; use two names"
        scope, values = family[t.SCOPE].iloc[0], sorted(set(family[t.SCOPE_VALUE]))
        if (scope == ALL) != (values == [EACH]) or EACH in values[1:]:
            expected = EACH if scope == ALL else f"a {scope}"
            yield f"{where}, column {t.SCOPE_VALUE}: expected {expected}, as the scope is {scope}, found {', '.join(values)}"
        yield from _wrong_minimum(where, family[family[t.KIND] == MINIMUM])
        for period in sorted(set(family[t.PERIOD]) - {EACH, WHOLE}):
            if pd.isna(pd.to_datetime(period, errors="coerce")):
                yield f"{where}, column {t.PERIOD}: expected a day, {EACH} or {WHOLE}, found {period!r}"
        yield from _twice(where, family, dates)


def _wrong_minimum(where: str, rows: pd.DataFrame) -> Iterator[str]:
    """Yield what minimum order values say that only other limits can."""
    for name, taken in MINIMUM_TAKES.items():
        for value in sorted(set(rows[name]) - set(taken)):
            yield f"{where}, column {name}: expected {' or '.join(taken)}, as the kind is {MINIMUM}, found {value}"
    if WHOLE in set(rows[t.PERIOD]):
        yield f"{where}, column {t.PERIOD}: expected a day or {EACH}, as the kind is {MINIMUM}, found {WHOLE}"


def _twice(where: str, family: pd.DataFrame, dates: NDArray[np.datetime64]) -> Iterator[str]:
    """Yield the periods for which a scope value has several limits of one name."""
    periods = zip(family[t.SCOPE_VALUE], family[t.PERIOD], strict=True)
    taken = pd.Series([(value, str(dates[step])) for value, period in periods for step in _steps(period, dates)], dtype=object)
    for value, date in sorted(set(taken[taken.duplicated()])):
        yield f"{where}: expected one limit a period, found several for {value} in that of {date}; use two names"


def _steps(period: str, dates: NDArray[np.datetime64]) -> list[int]:
    """Return the planned steps that a period names."""
    if period in (EACH, WHOLE):
        return list(range(len(dates)))
    day = pd.to_datetime(period, errors="coerce")
    length = dates[1] - dates[0] if len(dates) > 1 else np.timedelta64(1, "D")
    inside = np.flatnonzero((dates <= day) & (day < dates + length)) if not pd.isna(day) else np.zeros(0, np.intp)
    return [int(step) for step in inside]


def _label(row: Mapping[Hashable, object], date: np.datetime64 | None) -> str:
    parts = [row[t.NAME], *([] if row[t.SCOPE_VALUE] == EACH else [row[t.SCOPE_VALUE]]), *([] if date is None else [date])]
    return " ".join(map(str, parts))
