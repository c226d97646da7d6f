"""Order changes, settings and outboxes that tests of notifications share."""

import base64
import datetime as dt

import sqlalchemy as sa

from replen.config import Notify
from replen.databases import connect
from replen.notify.messages import OrderChange
from replen.notify.outbox import Outbox, enqueue
from replen.notify.schema import metadata
from replen.overlays import load_config

AT = dt.datetime(2024, 4, 15, 2, 0, tzinfo=dt.UTC)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Clock:
    """A clock that a test moves."""

    def __init__(self, at=AT):
        self.at = at

    def __call__(self):
        return self.at

    def forward(self, **by):
        self.at += dt.timedelta(**by)


def change(order_id="a", status="sent", previous="approved", **changed):
    """Return a change of an order of 6 units from mill for the shop."""
    values = {
        "order_id": order_id, "version": 2, "status": status, "sku": f"sku {order_id}", "site": "shop", "supplier": "mill",
        "order_quantity": 6, "order_date": dt.date(2024, 4, 15), "expected_date": dt.date(2024, 4, 25),
        "previous_status": previous,
    }  # fmt: skip
    return OrderChange(**values | changed)


def settings(**changed) -> Notify:
    """Return the section of base.yaml with some keys changed; nobody waits long."""
    notify = load_config(None).notify.model_dump()
    notify["http"]["timeout_seconds"] = notify["smtp"]["timeout_seconds"] = 0.5
    notify["smtp"] |= {"host": "127.0.0.1", "sender": "orders@shop.example", "tls": "offered"}
    for key, value in changed.items():
        notify[key] = notify[key] | value if isinstance(value, dict) else value
    return Notify.model_validate(notify)


def files_of(folder, kind="json"):
    return {"channel": "files", "folder": str(folder), "format": kind}


def webhook_to(port, secret="env:WEBHOOK_KEY", **more):
    return {"channel": "webhook", "url": f"http://127.0.0.1:{port}/orders", "secret": secret} | more


def outbox_of(database):
    """Return the engine and the outbox of an empty database."""
    engine = connect(database, where="orders.database")
    if engine.dialect.name == "sqlite":  # as the servers of tests: no waiting for the disk
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        engine.dispose()
    metadata.create_all(engine)
    return engine, Outbox(engine)


def tell(engine, changes, using, at=AT):
    """Enqueue changes together, as events of one batch."""
    with engine.begin() as connection:
        return enqueue(connection, changes, using, at=at)


def tell_one_by_one(engine, changes, using):
    """Return the event of each change, in order."""
    with engine.begin() as connection:
        return [event for one in changes for event in enqueue(connection, [one], using, at=AT)]
