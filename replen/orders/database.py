"""Order tables in a database: one run in one transaction; what a person has approved is never touched."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from replen import tables as t
from replen.databases import connect, first_line
from replen.errors import ConfigError, TableError, raise_all
from replen.orders.lines import PROPOSED
from replen.orders.schema import SCHEMA, WRITTEN, metadata

APPROVED_ORDER_SHORT = "approved_order_short"
CANCELLED = "cancelled"
Frames = Iterable[pd.DataFrame]


@dataclass(frozen=True)
class Written:
    """What one write did.

    Attributes:
        rows: rows inserted by table.
        frozen: order lines left as a person approved them.
        short: those of which the plan wanted more: each is an exception.
    """

    rows: Mapping[str, int]
    frozen: int
    short: int


class OrderDatabase:
    """A database that holds orders, explanations, exceptions and certificates."""

    def __init__(self, url: str) -> None:
        """Connect, and create the tables that are missing.

        Raises:
            ConfigError: see `databases.connect`, or the tables cannot be created.
        """
        self._engine = connect(url, where="orders.database")
        try:
            metadata.create_all(self._engine)
        except sa.exc.SQLAlchemyError as error:
            raise ConfigError(f"orders.database: its tables cannot be created: {first_line(error)}") from error

    def write_run(self, run_id: str, plan_date: dt.date, frames: Mapping[str, Frames], *, days: int = 1) -> Written:
        """Return what was written: the run replaces the proposals of its plan date, all of it or nothing.

        Writing the same run again changes nothing. Orders that a person has approved (any status but `proposed`) stay as they
        are; where the plan wants more than they bring, the shortfall becomes an exception, never a second order.

        Args:
            run_id: the run the frames belong to.
            plan_date: first order_date of its orders.
            frames: table name -> frames in the columns of `tables.ORDERS`, `EXPLANATIONS`, `EXCEPTIONS`, `CERTIFICATES`.
            days: from the plan date on, on which its orders may be placed: those of a period.

        Raises:
            TableError: a frame lacks columns or breaks a key or a check, or the database fails; nothing is then written.
        """
        try:
            with self._engine.begin() as connection:
                return _Run(connection, run_id, (plan_date, plan_date + dt.timedelta(days=days - 1))).write(frames)
        except sa.exc.DBAPIError as error:
            raise TableError(
                f"orders database, run {run_id}: nothing was written, the last run stands. Expected rows that keep the tables' "
                f"keys and checks, and a database that can be written; found: {first_line(error)}"
            ) from error

    def read(self, table: t.Table) -> pd.DataFrame:
        """Return all rows of a table, by key."""
        stored = SCHEMA[table.name]
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(stored).order_by(*stored.primary_key)).all()
        return pd.DataFrame(rows, columns=table.names)


class _Run:
    """One run inside its transaction."""

    def __init__(self, connection: sa.Connection, run_id: str, order_dates: tuple[dt.date, dt.date]) -> None:
        """Read what a person has approved between the first and the last order date of the run."""
        orders = SCHEMA[t.ORDERS.name]
        self._connection, self._run_id = connection, run_id
        self._same_date = orders.c[t.ORDER_DATE].between(*order_dates)
        approved = sa.select(orders.c[t.ORDER_ID], orders.c[t.ORDER_QUANTITY], orders.c[t.STATUS]).where(
            self._same_date, orders.c[t.STATUS] != PROPOSED
        )
        rows = connection.execute(approved.with_for_update()).all()
        self._approved = {order_id: 0.0 if status == CANCELLED else quantity for order_id, quantity, status in rows}
        self._frozen = 0
        self._short: list[pd.DataFrame] = []

    def write(self, frames: Mapping[str, Frames]) -> Written:
        """Replace the proposals of the plan date and all that belongs to them."""
        self._delete_proposals()
        kept = {
            t.ORDERS: map(self._not_approved, _in_contract(t.ORDERS, frames)),
            t.EXPLANATIONS: (rows[~rows[t.ORDER_ID].isin(self._approved)] for rows in _in_contract(t.EXPLANATIONS, frames)),
            t.EXCEPTIONS: self._with_shortfalls(_in_contract(t.EXCEPTIONS, frames)),
            t.CERTIFICATES: _in_contract(t.CERTIFICATES, frames),
        }
        rows = {table.name: self._insert(table, kept[table]) for table in WRITTEN}
        return Written(rows, self._frozen, sum(map(len, self._short)))

    def _delete_proposals(self) -> None:
        """Delete proposals of the plan date, their explanations, and what is keyed by the runs that made them."""
        orders, explanations = SCHEMA[t.ORDERS.name], SCHEMA[t.EXPLANATIONS.name]
        proposals = sa.select(orders.c[t.ORDER_ID]).where(self._same_date, orders.c[t.STATUS] == PROPOSED)
        runs = {self._run_id, *self._connection.scalars(sa.select(orders.c[t.RUN_ID]).where(self._same_date).distinct())}
        self._connection.execute(sa.delete(explanations).where(explanations.c[t.ORDER_ID].in_(proposals)))
        for table in (t.EXCEPTIONS, t.CERTIFICATES):
            stored = SCHEMA[table.name]
            self._connection.execute(sa.delete(stored).where(stored.c[t.RUN_ID].in_(runs)))
        self._connection.execute(sa.delete(orders).where(self._same_date, orders.c[t.STATUS] == PROPOSED))

    def _not_approved(self, orders: pd.DataFrame) -> pd.DataFrame:
        """Return the orders nobody has approved yet, as proposals; remember where an approved one brings too little."""
        approved = orders[t.ORDER_ID].map(self._approved)
        missing = orders[t.ORDER_QUANTITY] - approved
        short = orders[missing > 0]
        self._frozen += int(approved.notna().sum())
        if len(short):
            self._short.append(_shortfalls(short, missing[missing > 0]))
        return orders[approved.isna()].assign(**{t.STATUS: PROPOSED})

    def _with_shortfalls(self, exceptions: Frames) -> Iterator[pd.DataFrame]:
        """Yield the exceptions, then the shortfalls of approved orders; the orders have been written by then."""
        yield from exceptions
        if self._short:  # one row a series, though several of its suppliers may be short
            by_series = pd.concat(self._short).groupby([*t.EXCEPTIONS.key], as_index=False)
            yield by_series.agg({t.SEVERITY: "first", t.VALUE_AT_RISK: "sum", t.ACTION: "; ".join})

    def _insert(self, table: t.Table, frames: Frames) -> int:
        """Insert the frames and return how many rows there were."""
        n_rows = 0
        for rows in frames:
            if len(rows):
                self._connection.execute(sa.insert(SCHEMA[table.name]), _records(table, rows))
            n_rows += len(rows)
        return n_rows


def _shortfalls(orders: pd.DataFrame, missing: pd.Series) -> pd.DataFrame:
    """Return exceptions for approved orders that bring less than the plan wants."""
    actions = [
        f"order {order_id} is approved {quantity - short:g} units, the plan wants {quantity:g}: raise it, or leave {short:g} "
        "to the next order date"
        for order_id, quantity, short in zip(orders[t.ORDER_ID], orders[t.ORDER_QUANTITY], missing, strict=True)
    ]
    value = orders[t.VALUE] * missing / orders[t.ORDER_QUANTITY]
    found = orders[[t.RUN_ID, t.SKU, t.SITE]].copy()
    found[t.KIND], found[t.SEVERITY], found[t.VALUE_AT_RISK], found[t.ACTION] = APPROVED_ORDER_SHORT, "warning", value, actions
    return found


def _in_contract(table: t.Table, frames: Mapping[str, Frames]) -> Iterator[pd.DataFrame]:
    """Yield the frames of a table with its columns in order."""
    for rows in frames.get(table.name, ()):
        missing = [name for name in table.names if name not in rows.columns and name != t.STATUS]
        raise_all(TableError, [f"{table.name}: column {name} is missing; give the columns of the table" for name in missing])
        yield rows.reindex(columns=table.names)


def _records(table: t.Table, rows: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as the driver wants them: null for NaN, dates without a time, maps as dictionaries."""
    columns = {str(column): _values(column, rows[column]) for column in table.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(column: t.Column, values: pd.Series) -> list[object]:
    """Return a column as Python objects."""
    known = values.astype(object).where(values.notna(), None)
    if column.type == "date":
        return [None if value is None else pd.Timestamp(value).date() for value in known]
    if column.type.startswith("map"):
        return [None if value is None else dict(value) for value in known]
    return list(known)
