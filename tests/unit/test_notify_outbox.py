"""The outbox on each kind of database: one event is one row, held by one sender at a time, in order for each recipient."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from replen.errors import TableError
from replen.notify.outbox import Outbox, enqueue
from replen.notify.schema import OUTBOX, metadata
from tests.unit.notify_instances import AT, change, files_of, outbox_of, settings, tell

USING = settings(supplier={"default": files_of("out")}, warehouse={"default": files_of("out")})
LATER = AT + dt.timedelta(seconds=300)


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(sa.select(OUTBOX).order_by(OUTBOX.c.number)).all()


def claim(outbox, at=AT):
    return outbox.claim(at, lease_seconds=300)


def test_an_event_told_again_is_the_same_row(database):
    engine, _ = outbox_of(database)
    first = tell(engine, [change("a"), change("b")], USING)
    before = rows(engine)
    assert tell(engine, [change("b"), change("a")], USING, at=LATER) == first
    assert rows(engine) == before
    assert [(row.recipient_kind, row.recipient, row.kind) for row in before] == [
        ("supplier", "mill", "orders_sent"),
        ("warehouse", "shop", "orders_sent"),
    ]


def test_events_come_and_go_with_the_transaction_of_the_orders(database):
    engine, _ = outbox_of(database)
    with pytest.raises(RuntimeError), engine.begin() as connection:
        enqueue(connection, [change()], USING, at=AT)
        raise RuntimeError
    assert rows(engine) == []


def test_a_recipient_without_a_channel_has_no_event(database):
    engine, _ = outbox_of(database)
    assert tell(engine, [change()], settings()) == []
    assert rows(engine) == []


def test_only_the_oldest_event_of_a_recipient_is_claimed_and_by_one(database):
    engine, outbox = outbox_of(database)
    using = settings(supplier={"default": files_of("out")})
    for name in ("mill", "farm"):
        tell(engine, [change("a", supplier=name)], using)
        tell(engine, [change("a", "cancelled", "sent", supplier=name)], using)
    held = [claim(outbox), claim(outbox)]
    assert claim(outbox) is None
    assert [(event.recipient, event.kind, event.attempts) for event in held] == [
        ("mill", "orders_sent", 1),
        ("farm", "orders_sent", 1),
    ]
    outbox.put_off(held[0], LATER, "down")
    assert outbox.delivered(held[1], AT)
    assert claim(outbox).kind == "orders_cancelled"
    assert claim(outbox) is None, "mill waits for its first"
    assert claim(outbox, LATER).recipient == "mill"


def test_who_is_late_can_say_that_it_delivered_but_not_that_it_failed(database):
    engine, outbox = outbox_of(database)
    tell(engine, [change()], settings(supplier={"default": files_of("out")}))
    late = claim(outbox)
    assert claim(outbox, LATER - dt.timedelta(seconds=1)) is None
    second = claim(outbox, LATER)
    assert (second.event_id, second.attempts) == (late.event_id, 2)
    outbox.put_off(late, AT, "late")
    outbox.bury(late, "late")
    assert rows(engine)[0].claim == second.claim
    assert outbox.delivered(late, LATER)
    assert not outbox.delivered(second, LATER)
    outbox.bury(second, "refused the repeat")
    assert outbox.counts() == {"delivered": 1}


def test_many_senders_claim_each_event_once(database):
    engine, outbox = outbox_of(database)
    tell(engine, [change(str(n), supplier=str(n)) for n in range(60)], settings(supplier={"default": files_of("out")}))
    others = [outbox, *(Outbox(engine) for _ in range(7))]

    def work(one):
        return [event.event_id for event in iter(lambda: claim(one), None)]

    with ThreadPoolExecutor(len(others)) as pool:
        claimed = [event_id for found in pool.map(work, others) for event_id in found]
    assert sorted(claimed) == sorted(row.event_id for row in rows(engine))
    assert {row.attempts for row in rows(engine)} == {1}


def test_the_dead_are_listed_and_delivered_again_when_asked(database):
    engine, outbox = outbox_of(database)
    tell(engine, [change(str(n), supplier=str(n)) for n in range(3)], settings(supplier={"default": files_of("out")}))
    for _ in range(3):
        outbox.bury(claim(outbox), "no such address " * 1000)
    assert claim(outbox, LATER) is None
    first = outbox.dead()[0]
    assert (first.recipient, first.attempts, len(first.last_error)) == ("0", 1, 1000)
    assert outbox.retry([first.event_id, "unknown"], LATER) == 1
    assert claim(outbox, LATER).event_id == first.event_id
    assert outbox.retry([], LATER) == 2
    assert outbox.counts() == {"pending": 3}


def test_what_was_delivered_is_forgotten_when_it_is_old(database):
    engine, outbox = outbox_of(database)
    tell(engine, [change()], USING)
    outbox.delivered(claim(outbox), AT)
    assert outbox.forget(AT) == 0
    assert outbox.forget(LATER) == 1
    assert outbox.counts() == {"pending": 1}


def test_a_state_or_recipient_that_does_not_exist_is_refused_by_the_database(database):
    engine, _ = outbox_of(database)
    tell(engine, [change()], USING)
    for column, value in (("state", "lost"), ("recipient_kind", "customer"), ("event_id", None)):
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
            connection.execute(sa.update(OUTBOX).values({column: value}))


def test_a_database_without_the_table_is_told_as_such(database):
    engine, outbox = outbox_of(database)
    metadata.drop_all(engine)
    with pytest.raises(TableError, match="^outbox: expected this table"):
        claim(outbox)
