"""Order tables in a database: one run in one transaction; what a person has approved is never touched."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from replen import tables as t
from replen.databases import connect, first_line, passes
from replen.errors import PassingError, TableError, raise_all
from replen.orders.bulk import STAGED, create, drop, load
from replen.orders.lines import PROPOSED
from replen.orders.merge import Difference
from replen.orders.schema import LOCK, PLAN_RUNS, SCHEMA, WRITTEN
from replen.orders.status import CANCELLED, ON_THE_WAY
from replen.orders.upgrade import require

APPROVED_ORDER_SHORT = "approved_order_short"
ORDERS = SCHEMA[t.ORDERS.name]
Frames = Iterable[pd.DataFrame]
UNKNOWN = "the connection was lost during the commit: it is there whole or not at all; the same command again is safe"


@dataclass(frozen=True)
class Written:
    """What one write did.

    Attributes:
        rows: rows of the run by table, orders that are frozen left out.
        changed: rows inserted, updated or deleted, by table: none where the same run was there already.
        frozen: order lines left as a person approved them.
        short: those of which the plan wanted more: each is an exception.
    """

    rows: Mapping[str, int]
    changed: Mapping[str, int]
    frozen: int
    short: int


class OrderDatabase:
    """A database that holds orders, explanations, exceptions and certificates."""

    def __init__(self, setting: str) -> None:
        """Connect; an empty SQLite file gets its tables.

        Raises:
            ConfigError: see `databases.connect` and `upgrade.require`.
            TableError: the database fails.
        """
        self.engine = connect(setting, where="orders.database")
        with naming("nothing was done"):
            require(self.engine)

    def write_run(self, run_id: str, plan_date: dt.date, frames: Mapping[str, Frames], *, days: int = 1) -> Written:
        """Return what was written: the run replaces the proposals of its plan date, all of it or nothing.

        Writing the same run again changes no row. Orders that a person has approved (any status but `proposed`) stay as they
        are; where the plan wants more than they bring, the shortfall becomes an exception, never a second order.

        Args:
            run_id: the run the frames belong to.
            plan_date: first order_date of its orders.
            frames: table name -> frames in the columns of `tables.ORDERS`, `EXPLANATIONS`, `EXCEPTIONS`, `CERTIFICATES`.
            days: from the plan date on, on which its orders may be placed: those of a period.

        Raises:
            TableError: a frame lacks columns or breaks a key or a check, or the database fails; nothing is then written.
        """
        what = f"run {run_id}: nothing was written, the last run stands; it needs rows that keep the tables' keys and checks"
        with naming(what), self.engine.begin() as connection:
            lock(connection)
            return _Run(connection, run_id, (plan_date, plan_date + dt.timedelta(days=days - 1))).write(frames)

    def on_the_way(self, plan_date: dt.date, *, without: Sequence[str] = ()) -> pd.DataFrame:
        """Return what earlier plan dates have on the way, rows of `tables.OPEN_ORDERS` by order_id, without status.

        Args:
            plan_date: orders placed on it or later are left out.
            without: statuses that are left out.
        """
        statuses = [status for status in ON_THE_WAY if status not in without]
        columns = (t.ORDER_ID, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_QUANTITY, t.EXPECTED_DATE)
        coming = (
            sa.select(*(ORDERS.c[name] for name in columns))
            .where(ORDERS.c[t.STATUS].in_(statuses), ORDERS.c[t.ORDER_DATE] < plan_date)
            .order_by(ORDERS.c[t.ORDER_ID])
        )
        with naming("nothing was read"), self.engine.connect() as connection:
            rows = connection.execute(coming).all()
        return pd.DataFrame(rows, columns=[name for name in t.OPEN_ORDERS.names if name != t.STATUS])

    def read(self, table: t.Table, *, order_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows of a table by key: all, or those of some orders."""
        stored = SCHEMA[table.name]
        wanted = sa.select(stored).order_by(*stored.primary_key)
        if order_ids is not None:
            wanted = wanted.where(stored.c[t.ORDER_ID].in_(order_ids))
        with naming("nothing was read"), self.engine.connect() as connection:
            rows = connection.execute(wanted).all()
        return pd.DataFrame(rows, columns=table.names)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Turn a failure of the database into a sentence.

    Args:
        what: was done when it failed, or was not done for it.

    Raises:
        PassingError: the same again may succeed.
        TableError: saying that, and what the driver says.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        kind = PassingError if passes(error) else TableError
        told = UNKNOWN if error.statement is None and error.connection_invalidated else what
        raise kind(f"orders database: {told}; the database says: {first_line(error)}") from error


def lock(connection: sa.Connection) -> None:
    """Wait until nobody else changes orders; nobody does until this transaction ends; SQLite locked when it began."""
    connection.execute(sa.select(LOCK).with_for_update()).all()


class _Run:
    """One run inside its transaction."""

    def __init__(self, connection: sa.Connection, run_id: str, order_dates: tuple[dt.date, dt.date]) -> None:
        """Lock the orders between the first and the last order date of the run, against other programs too."""
        same_date = ORDERS.c[t.ORDER_DATE].between(*order_dates)
        locked = sa.select(ORDERS.c[t.ORDER_ID]).where(same_date).with_for_update().subquery()
        connection.scalar(sa.select(sa.func.count()).select_from(locked))
        self._connection, self._run_id, self._plan_date = connection, run_id, order_dates[0]
        self._same_plan = PLAN_RUNS.c.plan_date.between(*order_dates)
        self._proposals = sa.and_(same_date, ORDERS.c[t.STATUS] == PROPOSED)
        self._frozen = sa.and_(same_date, ORDERS.c[t.STATUS] != PROPOSED)
        self._standing = set(connection.scalars(sa.select(PLAN_RUNS.c[t.RUN_ID]).where(self._same_plan)))

    def write(self, frames: Mapping[str, Frames]) -> Written:
        """Stage the frames, set apart what a person has approved, and write the difference."""
        for table, staged in STAGED.items():
            create(self._connection, staged)
            for frame in _in_contract(table, frames):
                load(self._connection, table, frame)
        short = self._shortfalls()
        load(self._connection, t.EXCEPTIONS, _by_series(short))
        frozen = self._set_apart()
        rows = {
            table.name: self._connection.scalar(sa.select(sa.func.count()).select_from(staged)) or 0
            for table, staged in STAGED.items()
        }
        changed = self._write_differences()
        self._take_the_place()
        for staged in STAGED.values():
            drop(self._connection, staged)
        return Written(rows, changed, frozen, len(short))

    def _shortfalls(self) -> pd.DataFrame:
        """Return the staged orders that want more than an approved one brings, with `brought`."""
        wanted = STAGED[t.ORDERS]
        brought = sa.case((ORDERS.c[t.STATUS] == CANCELLED, 0.0), else_=ORDERS.c[t.ORDER_QUANTITY])
        short = (
            sa.select(wanted, brought.label("brought"))
            .join(ORDERS, ORDERS.c[t.ORDER_ID] == wanted.c[t.ORDER_ID])
            .where(self._frozen, wanted.c[t.ORDER_QUANTITY] > brought)
            .order_by(wanted.c[t.ORDER_ID])
        )
        return pd.DataFrame(self._connection.execute(short).all(), columns=[*t.ORDERS.names, "brought"])

    def _set_apart(self) -> int:
        """Take approved orders and their explanations out of what is staged and return how many there were."""
        approved = sa.select(ORDERS.c[t.ORDER_ID]).where(self._frozen)
        orders, explanations = STAGED[t.ORDERS], STAGED[t.EXPLANATIONS]
        self._connection.execute(sa.delete(explanations).where(explanations.c[t.ORDER_ID].in_(approved)))
        return self._connection.execute(sa.delete(orders).where(orders.c[t.ORDER_ID].in_(approved))).rowcount

    def _write_differences(self) -> dict[str, int]:
        """Delete what is not wanted, children first; update and insert, parents first; return rows changed by table."""
        explained = SCHEMA[t.EXPLANATIONS.name].c[t.ORDER_ID].in_(sa.select(ORDERS.c[t.ORDER_ID]).where(self._proposals))
        scopes, runs = {t.ORDERS: self._proposals, t.EXPLANATIONS: explained}, self._standing | {self._run_id}
        scopes |= {table: SCHEMA[table.name].c[t.RUN_ID].in_(runs) for table in (t.EXCEPTIONS, t.CERTIFICATES)}
        differences = {table: Difference(SCHEMA[table.name], STAGED[table], scope) for table, scope in scopes.items()}
        deleted = {table: differences[table].delete(self._connection) for table in reversed(WRITTEN)}
        return {table.name: deleted[table] + differences[table].write(self._connection) for table in WRITTEN}

    def _take_the_place(self) -> None:
        """Make the run the one that stands for the plan date; where it does already, no row is touched."""
        if self._standing != {self._run_id}:
            self._connection.execute(sa.delete(PLAN_RUNS).where(self._same_plan))
            self._connection.execute(sa.insert(PLAN_RUNS).values({"plan_date": self._plan_date, str(t.RUN_ID): self._run_id}))


def _by_series(short: pd.DataFrame) -> pd.DataFrame:
    """Return exceptions for approved orders that bring less than the plan wants, one a series whatever its suppliers."""
    found = short[[t.RUN_ID, t.SKU, t.SITE]].copy()
    found[t.KIND], found[t.SEVERITY] = APPROVED_ORDER_SHORT, "warning"
    found[t.VALUE_AT_RISK] = short[t.VALUE] * (short[t.ORDER_QUANTITY] - short["brought"]) / short[t.ORDER_QUANTITY]
    found[t.ACTION] = [
        f"order {order_id} is approved {brought:g} units, the plan wants {wanted:g}: agree on more with the supplier "
        f"(`replen orders confirm --quantity`), or leave {wanted - brought:g} to the next order date"
        for order_id, wanted, brought in short[[t.ORDER_ID, t.ORDER_QUANTITY, "brought"]].itertuples(index=False)
    ]
    by_series = found.groupby([*t.EXCEPTIONS.key], as_index=False)
    return by_series.agg({t.SEVERITY: "first", t.VALUE_AT_RISK: "sum", t.ACTION: "; ".join})


def _in_contract(table: t.Table, frames: Mapping[str, Frames]) -> Iterator[pd.DataFrame]:
    """Yield the frames of a table with its columns in order; orders are proposals."""
    for rows in frames.get(table.name, ()):
        missing = [name for name in table.names if name not in rows.columns and name != t.STATUS]
        raise_all(TableError, [f"{table.name}: column {name} is missing; give the columns of the table" for name in missing])
        ordered = rows.reindex(columns=table.names)
        yield ordered.assign(**{str(t.STATUS): PROPOSED}) if table is t.ORDERS else ordered
