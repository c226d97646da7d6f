"""What people do with orders: each change is allowed, recorded with who and when, and made whole or not at all."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Self

import pandas as pd
import sqlalchemy as sa

from replen import tables as t
from replen.config import Notify
from replen.errors import TableError, raise_all
from replen.notify.changes import status_changes
from replen.notify.outbox import enqueue
from replen.orders.database import lock, naming
from replen.orders.schema import SCHEMA
from replen.orders.status import FOLLOWERS, leading_to

ORDERS, EVENTS = SCHEMA[t.ORDERS.name], SCHEMA[t.ORDER_EVENTS.name]
MOVED = (t.ORDER_QUANTITY, t.VALUE, t.EXPECTED_DATE)
IDS_A_STATEMENT = 1000
PROBLEMS_TOLD = 20


@dataclass(frozen=True)
class Selection:
    """Orders that are equal in every column named, to one of its values, and worth more than `value_above`.

    Attributes:
        equal: column -> values; no column: all orders.
        value_above: money; None: of any value.
    """

    equal: dict[t.Column, tuple[object, ...]]
    value_above: float | None = None

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is left out."""
        return not self.equal and self.value_above is None

    @property
    def is_strict(self) -> bool:
        """Return whether orders or statuses are named, so that one that cannot change is an error, not left out."""
        return t.ORDER_ID in self.equal or t.STATUS in self.equal

    def clause(self) -> sa.ColumnElement[bool]:
        """Return the condition on `orders`."""
        above = [] if self.value_above is None else [ORDERS.c[t.VALUE] > self.value_above]
        return sa.and_(sa.true(), *(ORDERS.c[name].in_(values) for name, values in self.equal.items()), *above)


@dataclass(frozen=True)
class Act:
    """A change of status: which, by whom, and why.

    Attributes:
        to: the new status.
        who: does it.
        note: why.
        quantity: units that each order has from now on, above 0; None = as before.
        expected_date: day that each is expected on from now on; None = as before.
    """

    to: str
    who: str
    note: str | None = None
    quantity: float | None = None
    expected_date: dt.date | None = None

    def done_to(self, orders: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.ORDERS` as they are after it; an order's value follows its quantity."""
        after = orders.assign(**{str(t.STATUS): self.to})
        if self.quantity is not None:
            after[t.ORDER_QUANTITY] = self.quantity
            after[t.VALUE] = orders[t.VALUE] * self.quantity / orders[t.ORDER_QUANTITY]
        if self.expected_date is not None:
            after[t.EXPECTED_DATE] = self.expected_date
        return after


@dataclass(frozen=True)
class Totals:
    """How many orders, of how many suppliers, and what they are worth."""

    n_orders: int
    n_suppliers: int
    value: float

    @classmethod
    def of(cls, orders: pd.DataFrame) -> Self:
        """Return those of rows of `tables.ORDERS`."""
        return cls(len(orders), orders[t.SUPPLIER].nunique(), float(orders[t.VALUE].sum()))


def orders_of(engine: sa.Engine, chosen: Selection, *, limit: int | None = None) -> pd.DataFrame:
    """Return the first of the chosen orders, or all, rows of `tables.ORDERS`, by date, supplier, SKU and site."""
    with naming("nothing was read"), engine.connect() as connection:
        return _read(connection, sa.select(ORDERS).where(chosen.clause()).limit(limit))


def totals_of(engine: sa.Engine, chosen: Selection) -> Totals:
    """Return the totals of the chosen orders."""
    number, suppliers = sa.func.count(), sa.func.count(ORDERS.c[t.SUPPLIER].distinct())
    totals = sa.select(number, suppliers, sa.func.coalesce(sa.func.sum(ORDERS.c[t.VALUE]), 0.0)).where(chosen.clause())
    with naming("nothing was read"), engine.connect() as connection:
        return Totals(*connection.execute(totals).one())


def events_of(engine: sa.Engine, order_ids: Sequence[str]) -> pd.DataFrame:
    """Return what was done with orders, rows of `tables.ORDER_EVENTS`, oldest first."""
    wanted = sa.select(EVENTS).where(EVENTS.c[t.ORDER_ID].in_(order_ids)).order_by(EVENTS.c[t.TIME])
    with naming("nothing was read"), engine.connect() as connection:
        return pd.DataFrame(connection.execute(wanted).all(), columns=t.ORDER_EVENTS.names)


@contextmanager
def changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a transaction in which nobody else changes orders; whatever fails in it, nothing was changed.

    Raises:
        TableError: the database fails.
    """
    with naming("nothing was changed"), engine.begin() as connection:
        lock(connection)
        yield connection


def changeable(connection: sa.Connection, chosen: Selection, to: str) -> pd.DataFrame:
    """Return the chosen orders that may become `to`, rows of `tables.ORDERS`, locked until the transaction ends.

    Raises:
        TableError: an order that is named, or has a status that is named, is not there or may not become `to`.
    """
    orders = _read(connection, sa.select(ORDERS).where(chosen.clause()).with_for_update())
    allowed = orders[t.STATUS].isin(leading_to(to))
    if chosen.is_strict:
        found = orders.loc[~allowed, [t.ORDER_ID, t.STATUS]].itertuples(index=False)
        problems = [_not_allowed(order_id, status, to) for order_id, status in found]
        unknown = set(chosen.equal.get(t.ORDER_ID, ())).difference(orders[t.ORDER_ID])
        problems += [
            f"order {order_id}: none of the chosen orders has this id; see `replen orders list`" for order_id in unknown
        ]
        told = problems[:PROBLEMS_TOLD]
        raise_all(TableError, told + [f"... and {len(problems) - len(told)} more"] * (len(problems) > len(told)))
    return orders[allowed]


def change(connection: sa.Connection, orders: pd.DataFrame, act: Act, told: Notify) -> pd.DataFrame:
    """Do it to orders of `changeable`, record it, put what is to be told into the outbox; return them as they are now."""
    now, after = dt.datetime.now(dt.UTC).replace(tzinfo=None), act.done_to(orders)
    rows = zip(orders[t.ORDER_ID], orders[t.STATUS], after[t.ORDER_QUANTITY], strict=True)
    while part := list(islice(rows, IDS_A_STATEMENT)):
        same = {str(t.TIME): now, str(t.TO_STATUS): act.to, str(t.WHO): act.who, str(t.NOTE): act.note}
        names = [str(name) for name in (t.ORDER_ID, t.FROM_STATUS, t.ORDER_QUANTITY)]
        connection.execute(sa.insert(EVENTS), [dict(zip(names, row, strict=True)) | same for row in part])
        these = ORDERS.c[t.ORDER_ID].in_([row[0] for row in part])
        connection.execute(sa.update(ORDERS).where(these).values({ORDERS.c[t.STATUS]: act.to}))
    if not (act.quantity is None and act.expected_date is None):
        for order_id, *values in after[[t.ORDER_ID, *MOVED]].itertuples(index=False):
            changed = sa.update(ORDERS).where(ORDERS.c[t.ORDER_ID] == order_id)
            connection.execute(changed.values(dict(zip(map(str, MOVED), values, strict=True))))
    enqueue(connection, status_changes(orders, after), told)
    return after


def _read(connection: sa.Connection, orders: sa.Select[tuple[object, ...]]) -> pd.DataFrame:
    by = (t.ORDER_DATE, t.SUPPLIER, t.SKU, t.SITE)
    rows = connection.execute(orders.order_by(*(ORDERS.c[name] for name in by))).all()
    return pd.DataFrame(rows, columns=t.ORDERS.names)


def _not_allowed(order_id: str, status: str, to: str) -> str:
    possible = " or ".join(FOLLOWERS[status]) or "nothing more"
    return f"order {order_id} is {status}: it cannot become {to}; what it can become: {possible}"
