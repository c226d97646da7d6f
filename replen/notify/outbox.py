"""The outbox: written in the transaction that changes orders, read by senders, each event held by one of them at a time."""

import datetime as dt
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from replen import tables as t
from replen.config import Notify
from replen.databases import first_line
from replen.errors import TableError
from replen.notify.messages import OrderChange, notifications
from replen.notify.schema import DEAD, DELIVERED, OUTBOX, PENDING

COLUMNS = OUTBOX.c
WAITS = COLUMNS[t.STATE] == PENDING
ERROR_LENGTH = 1000  # characters of an error that are kept
LOOKED_AT = 50  # events from which one is claimed: more than senders that could hold them at once


@dataclass(frozen=True)
class Event:
    """A row of the outbox as a sender or a person sees it; times are UTC without a zone, as databases keep them."""

    number: int
    event_id: str
    kind: str
    recipient_kind: str
    recipient: str
    payload: str
    created_at: dt.datetime
    state: str
    attempts: int
    next_attempt_at: dt.datetime
    claim: str | None
    last_error: str | None
    delivered_at: dt.datetime | None


def enqueue(
    connection: sa.Connection, changes: Sequence[OrderChange], settings: Notify, *, at: dt.datetime | None = None
) -> list[str]:
    """Return the ids of the events that tell of the changes; they are written in the open transaction of `connection`.

    Changes that are enqueued again are the same events, and change nothing. Call it after the rows of the orders are changed,
    so that their locks keep the events of one order in the order of its changes.

    Args:
        connection: inside a transaction of the order database.
        changes: made in that transaction.
        settings: section `notify`.
        at: when, with a zone; None = now.
    """
    moment = at or now()
    told = notifications(changes, settings, at=moment)
    rows = [
        {
            str(t.EVENT_ID): one.event_id,
            str(t.EVENT_KIND): one.kind,
            str(t.RECIPIENT_KIND): one.recipient.kind,
            str(t.RECIPIENT): one.recipient.name,
            str(t.PAYLOAD): one.model_dump_json(exclude_none=True),
            str(t.CREATED_AT): _stored(moment),
            str(t.STATE): PENDING,
            str(t.ATTEMPTS): 0,
            str(t.NEXT_ATTEMPT_AT): _stored(moment),
        }
        for one in told
    ]
    if rows:
        connection.execute(_insert_new(connection.dialect.name), rows)
    return [one.event_id for one in told]


class Outbox:
    """The outbox of an order database, for senders and for the people who look after them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # SQLite has one writer; threads that wait here do not wait in its file lock, which is not fair.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def claim(self, at: dt.datetime, *, lease_seconds: float) -> Event | None:
        """Return a due event that nobody else holds until the lease ends, or None where there is none.

        Only the oldest pending event of a recipient is due, so that each hears in the order of what happened, and one who
        cannot be reached costs one attempt at a time. An attempt counts when it begins: an event that kills its sender is not
        tried for ever.
        """
        due = (WAITS, COLUMNS[t.NEXT_ATTEMPT_AT] <= _stored(at))
        with self._transaction() as connection:
            numbers = connection.scalars(_free(at)).all()
            # Asked again with locks: another sender may have been here in between, and is not waited for.
            held = sa.select(OUTBOX).where(COLUMNS.number.in_(numbers), *due).order_by(COLUMNS.number).limit(1)
            row = connection.execute(held.with_for_update(skip_locked=True)).one_or_none() if numbers else None
            if row is None:
                return None
            leased = {
                COLUMNS[t.CLAIM]: secrets.token_hex(16),
                COLUMNS[t.ATTEMPTS]: row.attempts + 1,
                COLUMNS[t.NEXT_ATTEMPT_AT]: _stored(at + dt.timedelta(seconds=lease_seconds)),
            }
            connection.execute(sa.update(OUTBOX).where(COLUMNS.number == row.number).values(leased))
            return Event(**{**row._mapping, **{column.key: value for column, value in leased.items()}})

    def delivered(self, event: Event, at: dt.datetime) -> bool:
        """Mark an event delivered, whoever holds it by now; return False where another sender has done so."""
        done = {
            COLUMNS[t.STATE]: DELIVERED,
            COLUMNS[t.DELIVERED_AT]: _stored(at),
            COLUMNS[t.CLAIM]: None,
            COLUMNS[t.LAST_ERROR]: None,
        }
        return self._change(done, COLUMNS.number == event.number, COLUMNS[t.STATE] != DELIVERED) == 1

    def put_off(self, event: Event, until: dt.datetime, why: str) -> None:
        """Let an event wait, unless its lease is over and another sender holds it."""
        self._fail(event, {COLUMNS[t.NEXT_ATTEMPT_AT]: _stored(until)}, why)

    def bury(self, event: Event, why: str) -> None:
        """Give an event up until a person asks for it again, unless another sender holds it."""
        self._fail(event, {COLUMNS[t.STATE]: DEAD}, why)

    def dead(self) -> list[Event]:
        """Return the events that were given up, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(sa.select(OUTBOX).where(COLUMNS[t.STATE] == DEAD).order_by(COLUMNS.number)).all()
        return [Event(**row._mapping) for row in rows]

    def retry(self, event_ids: Sequence[str], at: dt.datetime) -> int:
        """Return how many dead events are pending again: those named, or all where none is named."""
        named = (COLUMNS[t.EVENT_ID].in_(event_ids),) if event_ids else ()
        again = {COLUMNS[t.STATE]: PENDING, COLUMNS[t.ATTEMPTS]: 0, COLUMNS[t.NEXT_ATTEMPT_AT]: _stored(at)}
        return self._change(again, COLUMNS[t.STATE] == DEAD, *named)

    def forget(self, before: dt.datetime) -> int:
        """Return how many events that were delivered before a moment were deleted."""
        old = sa.delete(OUTBOX).where(COLUMNS[t.STATE] == DELIVERED, COLUMNS[t.DELIVERED_AT] < _stored(before))
        with self._transaction() as connection:
            return connection.execute(old).rowcount

    def counts(self) -> dict[str, int]:
        """Return how many events are in each state."""
        with self._transaction() as connection:
            by_state = sa.select(COLUMNS[t.STATE], sa.func.count()).group_by(COLUMNS[t.STATE])
            return {state: n_events for state, n_events in connection.execute(by_state)}

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._turn, self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise TableError(
                f"{OUTBOX.name}: expected this table, in a database that can be written; found: {first_line(error)}"
            ) from error

    def _fail(self, event: Event, values: dict[sa.Column[object], object], why: str) -> None:
        values |= {COLUMNS[t.CLAIM]: None, COLUMNS[t.LAST_ERROR]: why[:ERROR_LENGTH]}
        self._change(values, COLUMNS.number == event.number, COLUMNS[t.CLAIM] == event.claim, WAITS)

    def _change(self, values: dict[sa.Column[object], object], *where: sa.ColumnElement[bool]) -> int:
        with self._transaction() as connection:
            return connection.execute(sa.update(OUTBOX).where(*where).values(values)).rowcount


def now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(dt.UTC)


def _stored(moment: dt.datetime) -> dt.datetime:
    """Return a moment as databases keep it: UTC, without a zone."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def _free(at: dt.datetime) -> sa.Select[tuple[int]]:
    """Return the query for events that are due and the oldest pending of their recipients.

    A window, not a join with the oldest of each: tables that come and go have no statistics, and the join was then planned as
    a loop that took 375 ms over 1,000 events on PostgreSQL instead of 2.
    """
    of_recipient = (COLUMNS[t.RECIPIENT_KIND], COLUMNS[t.RECIPIENT])
    oldest = sa.func.min(COLUMNS.number).over(partition_by=of_recipient).label("oldest")
    pending = sa.select(COLUMNS.number, COLUMNS[t.NEXT_ATTEMPT_AT], oldest).where(WAITS).subquery().c
    due = (pending.number == pending.oldest, pending[t.NEXT_ATTEMPT_AT] <= _stored(at))
    return sa.select(pending.number).where(*due).order_by(pending.number).limit(LOOKED_AT)


def _insert_new(dialect: str) -> sa.Insert:
    """Return an insert that leaves alone what is there."""
    if dialect in ("mysql", "mariadb"):
        found = mysql.insert(OUTBOX)  # not INSERT IGNORE, which would also cut what does not fit
        return found.on_duplicate_key_update({str(t.EVENT_ID): COLUMNS[t.EVENT_ID]})
    written = postgresql.insert(OUTBOX) if dialect == "postgresql" else sqlite.insert(OUTBOX)
    return written.on_conflict_do_nothing(index_elements=[COLUMNS[t.EVENT_ID]])
