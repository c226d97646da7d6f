"""Deliveries to receivers that fail, and by senders that die: nothing lost, repeats recognised, order kept."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from replen.cli import main
from replen.notify import channels
from replen.notify.outbox import now
from replen.notify.schema import OUTBOX
from replen.notify.sender import Sender
from tests.receivers import DROP, LOST, OK, SLOW, Receiver, attachment, http_receiver, smtp_receiver
from tests.unit.notify_instances import AT, KEY, Clock, change, files_of, outbox_of, settings, tell, tell_one_by_one, webhook_to

N_RECIPIENTS = 40
MAIL = {"channel": "smtp", "to": ["buyer@mill.example"]}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("WEBHOOK_KEY", KEY)


def failing(statuses, seed):
    """Return answers of a receiver that fails half the time, in every way there is, and sometimes after it took the message."""
    chance = random.Random(seed)
    return lambda _: OK if chance.random() < 0.5 else SLOW if chance.random() < 0.01 else chance.choice([*statuses, DROP, LOST])


def payloads(posts, mails):
    """Return what receivers kept as (id it came with, payload), in the order it came."""
    posted = [({name.lower(): value for name, value in post.headers.items()}["idempotency-key"], post.body) for post in posts]
    mailed = [(mail["Message-ID"].strip("<>").partition("@")[0], attachment(mail, ".json")) for mail in mails]
    return posted + mailed


def test_a_thousand_notifications_reach_receivers_that_fail_half_the_time(database):
    web, mail = Receiver(failing([500, 503, 429], seed=1)), Receiver(failing([421, 451], seed=2))
    with http_receiver(web), smtp_receiver(mail):  # to have ports
        pass
    using = settings(
        supplier={"recipients": {f"{n}": webhook_to(web.port) if n % 5 else MAIL for n in range(N_RECIPIENTS)}},
        smtp={"port": mail.port},
        retry={"first_seconds": 1, "max_seconds": 8, "attempts": 100},
    )
    engine, outbox = outbox_of(database)
    n_events = 1000 if engine.dialect.name == "postgresql" else 300  # a thousand once: it is the receivers that take time
    sent = tell_one_by_one(engine, [change(str(n), supplier=str(n % N_RECIPIENTS)) for n in range(n_events)], using)
    sender = Sender(outbox, using, clock := Clock())
    for turn in range(1000):
        with ExitStack() as listening:
            if turn % 5 != 1:  # else nobody listens: connection refused
                listening.enter_context(http_receiver(web))
                listening.enter_context(smtp_receiver(mail))
            sender.run()
        clock.forward(seconds=8)
        if outbox.counts() == {"delivered": n_events}:
            break
    kept = payloads(web.taken, mail.taken)
    assert outbox.counts() == {"delivered": n_events}
    assert {event_id for event_id, _ in kept} == set(sent)
    assert all(json.loads(body)["event_id"] == event_id for event_id, body in kept)
    assert n_events < len(kept) == len(web.taken) + len(mail.taken), "some were taken twice"
    assert len(set(kept)) == n_events, "a repeat is the same, byte for byte"
    place = {event_id: n for n, event_id in enumerate(sent)}
    for n in range(N_RECIPIENTS):  # each hears in the order of what happened, repeats aside
        heard = [place[event_id] for event_id, _ in kept if place[event_id] % N_RECIPIENTS == n]
        assert heard == sorted(heard)
    assert len(web.got) + len(mail.got) > 1.5 * n_events, "they failed often"


def configured(tmp_path, database, using):
    """Return the arguments of `replen notify` with these settings."""
    overlay = {"orders": {"database": database}, "notify": using.model_dump(mode="json")}
    (tmp_path / "notify.yaml").write_text(json.dumps(overlay))
    return ["notify", "--config", str(tmp_path / "notify.yaml")]


def started(arguments):
    """Return a process of its own that delivers."""
    command = [sys.executable, "-c", "import sys; from replen.cli import main; sys.exit(main())", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_sender_killed_after_a_delivery_loses_nothing_and_repeats_are_recognised(database, tmp_path):
    begun, killer = [], threading.Lock()

    def kill_at_the_tenth(_):
        with killer:
            if begun and len(receiver.got) in (10, 25):
                os.kill(begun.pop().pid, signal.SIGKILL)
        return OK  # taken, and nobody is left to mark it

    with http_receiver(Receiver(kill_at_the_tenth)) as receiver:
        using = settings(supplier={"default": webhook_to(receiver.port)})
        engine, outbox = outbox_of(database)
        sent = tell_one_by_one(engine, [change(str(n), supplier=str(n % 20)) for n in range(60)], using)
        for _ in range(2):
            begun.append(process := started(configured(tmp_path, database, using)))
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
        assert outbox.counts()["pending"] > 0
        Sender(outbox, using, Clock(now() + (Clock().at - AT))).run()
        held = outbox.counts()["pending"]
        assert 0 < held <= 60, "what the dead held waits for the end of the lease"
        clock = Clock(now())
        clock.forward(seconds=using.lease_seconds)
        Sender(outbox, using, clock).run()
    kept = payloads(receiver.taken, [])
    assert outbox.counts() == {"delivered": 60}
    assert {event_id for event_id, _ in kept} == set(sent)
    assert len(kept) > 60, "what was delivered but not marked came again"
    assert len(set(kept)) == 60, "under the same id, with the same body"


def test_two_senders_at_once_deliver_each_once_and_in_order(database, tmp_path):
    with http_receiver(Receiver()) as receiver:
        using = settings(supplier={"default": webhook_to(receiver.port)})
        engine, outbox = outbox_of(database)
        sent = tell_one_by_one(engine, [change(str(n), supplier=str(n % 8)) for n in range(200)], using)
        both = [started(configured(tmp_path, database, using)) for _ in range(2)]
        said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(int(re.search(r"(\d+) delivered", text)[1]) for text in said) == 200
    heard = [event_id for event_id, _ in payloads(receiver.taken, [])]
    assert sorted(heard) == sorted(sent)
    place = {event_id: n for n, event_id in enumerate(sent)}
    for n in range(8):
        mine = [place[event_id] for event_id in heard if place[event_id] % 8 == n]
        assert mine == sorted(mine)
    assert outbox.counts() == {"delivered": 200}


@pytest.mark.parametrize("payload", ["", "{", "[]", '{"event_id": "x"}', "null", "\\u0000"])
def test_a_payload_that_is_none_is_dead_with_a_reason_and_stops_nobody(database, tmp_path, payload):
    engine, outbox = outbox_of(database)
    using = settings(supplier={"default": files_of(tmp_path / "out")})
    first, second = tell_one_by_one(engine, [change("a"), change("b")], using)
    with engine.begin() as connection:
        connection.execute(sa.update(OUTBOX).where(OUTBOX.c.event_id == first).values(payload=payload))
    done = Sender(outbox, using, Clock()).run()
    assert (done["dead"], done["delivered"]) == (1, 1)
    (dead,) = outbox.dead()
    assert (dead.event_id, dead.attempts) == (first, 1)
    assert dead.last_error.startswith("payload is no notification: ")
    assert [path.name.split("-")[3] for path in (tmp_path / "out").iterdir()] == [f"{second}.json"]


def test_a_payload_of_another_event_is_not_sent_under_this_id(tmp_path):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    using = settings(supplier={"default": files_of(tmp_path / "out")})
    first, second = tell_one_by_one(engine, [change("a"), change("b")], using)
    with engine.begin() as connection:
        other = sa.select(OUTBOX.c.payload).where(OUTBOX.c.event_id == second).scalar_subquery()
        connection.execute(sa.update(OUTBOX).where(OUTBOX.c.event_id == first).values(payload=other))
    Sender(outbox, using, Clock()).run()
    assert [(dead.event_id, dead.last_error) for dead in outbox.dead()] == [(first, "payload is of another event")]


def test_attempts_are_bounded_and_further_and_further_apart(tmp_path):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    with http_receiver(Receiver(answer=lambda _: 503)) as receiver:
        using = settings(supplier={"default": webhook_to(receiver.port)}, retry={"attempts": 4}, senders=1)
        tell(engine, [change()], using)
        sender, waits = Sender(outbox, using, clock := Clock(), chance=lambda: 1.0), []
        while outbox.counts() == {"pending": 1}:
            sender.run()
            with engine.connect() as connection:
                due = connection.execute(sa.select(OUTBOX.c.next_attempt_at)).scalar_one()
            waits.append((due - clock.at.replace(tzinfo=None)).total_seconds())
            clock.forward(seconds=waits[-1] - 0.001)
            assert not sender.run(), "not before its time"
            clock.forward(seconds=0.001)
    assert (waits[:3], len(receiver.got)) == ([30, 60, 120], 4)
    assert outbox.dead()[0].last_error == "HTTP 503 Service Unavailable: no: None (attempt 4, the last)"


def test_a_receiver_is_not_asked_before_the_time_it_named(tmp_path):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    with http_receiver(Receiver(answer=lambda _: 429, headers={"Retry-After": "600"})) as receiver:
        using = settings(supplier={"default": webhook_to(receiver.port)}, senders=1)
        tell(engine, [change()], using)
        sender = Sender(outbox, using, clock := Clock())
        for seconds, n_asked in ((599, 1), (1, 2)):
            sender.run()
            clock.forward(seconds=seconds)
            sender.run()
            assert len(receiver.got) == n_asked


def test_an_event_that_ends_its_sender_is_given_up_in_the_end(tmp_path):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    using = settings(supplier={"default": files_of(tmp_path / "out")}, retry={"attempts": 3})
    tell(engine, [change()], using)
    clock = Clock()
    for _ in range(3):
        assert outbox.claim(clock(), lease_seconds=300)  # and its sender dies
        clock.forward(seconds=300)
    assert Sender(outbox, using, clock).run() == {"dead": 1}
    assert outbox.dead()[0].last_error == "its 3 attempts are used up; the last error: its sender ended"


def test_a_recipient_whose_channel_is_gone_is_told_as_dead(tmp_path):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    tell(engine, [change()], settings(supplier={"default": files_of(tmp_path / "out")}))
    assert Sender(outbox, settings(), Clock()).run() == {"dead": 1}
    assert outbox.dead()[0].last_error.startswith("no channel: name mill in notify.supplier.recipients")


def test_what_nobody_expected_is_tried_again_and_tells_no_secret(tmp_path, monkeypatch):
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    using = settings(supplier={"default": files_of(tmp_path / "out")})
    tell(engine, [change()], using)

    def fails(*_, **__):
        raise KeyError("hunter2")

    monkeypatch.setattr(channels, "deliver", fails)
    assert Sender(outbox, using, Clock()).run() == {"put off": 1}
    with engine.connect() as connection:
        assert connection.execute(sa.select(OUTBOX.c.last_error)).scalar_one() == "unexpected KeyError"


def test_the_command_delivers_lists_the_dead_and_tries_them_again(tmp_path, capsys, monkeypatch):
    database = f"sqlite:///{tmp_path}/orders.db"
    engine, _ = outbox_of(database)
    with http_receiver(Receiver(answer=lambda _: 400)) as receiver:
        using = settings(supplier={"recipients": {"mill": webhook_to(receiver.port)}, "default": files_of(tmp_path / "out")})
        tell(engine, [change(), change("b", supplier="farm")], using)
        arguments = configured(tmp_path, database, using)
        assert main(arguments) == 0
        assert "1 delivered, 0 to be tried again, 1 given up; 0 pending, 1 dead" in capsys.readouterr().out
        assert main([*arguments, "--dead"]) == 0
        listed = capsys.readouterr().out
        assert re.search(r"supplier mill  .*  1 attempts  HTTP 400 Bad Request: ", listed)
        assert main([*arguments, "--retry-dead", listed.split()[0]]) == 0
        receiver.answer = lambda _: OK
        assert main(arguments) == 0
        assert "1 delivered" in capsys.readouterr().out
    assert main(["show", *arguments[1:]]) == 0
    assert KEY not in capsys.readouterr().out
    monkeypatch.delenv("WEBHOOK_KEY")
    assert main(arguments) == 1
    assert "notify.supplier.recipients.mill.secret: env:WEBHOOK_KEY is missing" in capsys.readouterr().err
    assert main(["notify"]) == 1
    assert "orders.database: expected the database whose outbox" in capsys.readouterr().err
