"""Delivers what suppliers and warehouses are to hear of their orders: to files, by mail, by webhook. Needs no Spark.

replen notify --config my.yaml              (once: what is due now)
replen notify --config my.yaml --watch 30   (again every 30 seconds)
"""

import datetime as dt
import time
from collections.abc import Sequence

from replen.cli import job_main
from replen.config import Config
from replen.databases import connect
from replen.errors import ConfigError, TableError
from replen.notify.channels import check
from replen.notify.outbox import Outbox, now
from replen.notify.schema import DEAD, DELIVERED, PENDING
from replen.notify.sender import PUT_OFF, Sender
from replen.progress import Progress

JOB = "notify"


def run(
    config: Config, progress: Progress, *, watch: float | None = None, dead: bool = False, again: Sequence[str] | None = None
) -> str:
    """Return what was done: a round of deliveries, the list of the dead, or how many of them are pending again.

    Args:
        config: with `orders.database` and `notify`.
        progress: told of each round while watching.
        watch: seconds between rounds, until the process is ended; None = one round.
        dead: list the notifications that were given up; nothing is sent.
        again: event ids of dead notifications to deliver again, none named = all; None = no such wish.

    Raises:
        ConfigError: no database, or a secret or URL is missing.
        TableError: the database fails; while watching it is told, and tried again.
    """
    if config.orders.database is None:
        raise ConfigError("orders.database: expected the database whose outbox is delivered, found none")
    outbox = Outbox(connect(config.orders.database, where="orders.database"))
    if dead:
        return list_of_dead(outbox)
    if again is not None:
        return f"{outbox.retry(again, now())} dead notifications are pending again"
    check(config.notify)
    sender = Sender(outbox, config.notify)
    while watch is not None:
        try:
            progress.note(round_of(sender))
        except TableError as error:
            progress.note(f"replen: {error}")
        time.sleep(watch)
    return round_of(sender)


def round_of(sender: Sender) -> str:
    """Deliver what is due, forget what is old, and return what came of it."""
    done = sender.run()
    sender.outbox.forget(sender.clock() - dt.timedelta(days=sender.settings.keep_days))
    waiting = sender.outbox.counts()
    return (
        f"notifications: {done[DELIVERED]} delivered, {done[PUT_OFF]} to be tried again, {done[DEAD]} given up; "
        f"{waiting.get(PENDING, 0)} pending, {waiting.get(DEAD, 0)} dead"
    )


def list_of_dead(outbox: Outbox) -> str:
    """Return a line for each notification that was given up: event, what, who, since when, attempts, why."""
    lines = [
        f"{event.event_id}  {event.kind}  {event.recipient_kind} {event.recipient}  {event.created_at:%Y-%m-%d %H:%M}Z  "
        f"{event.attempts} attempts  {event.last_error}"
        for event in outbox.dead()
    ]
    return "\n".join([*lines, f"{len(lines)} dead notifications" + ("; --retry-dead delivers them again" if lines else "")])


if __name__ == "__main__":
    job_main(JOB)
