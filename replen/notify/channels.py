"""The channel of each recipient."""

import datetime as dt
from collections.abc import Callable
from functools import partial

from replen.config import Audience, Email, Files, Notify, Webhook
from replen.errors import ConfigError, raise_all
from replen.notify import files, smtp, webhook
from replen.notify.message import UndeliveredError, message_of
from replen.notify.outbox import Event
from replen.notify.schema import SUPPLIER, WAREHOUSE
from replen.notify.secret import secret


def deliver(event: Event, settings: Notify, *, at: dt.datetime) -> None:
    """Deliver an event through the channel of its recipient; secrets are read each time, so they can be changed under way.

    Raises:
        UndeliveredError: the receiver did not take it, the payload is none, or no channel is configured.
        ConfigError: a secret is gone.
    """
    message = message_of(event)
    where, audience = _audience(event.recipient_kind, settings)
    channel = audience.channel_of(event.recipient)
    if isinstance(channel, Files):
        files.deliver(message, channel)
    elif isinstance(channel, Email):
        smtp.deliver(message, channel, settings.smtp)
    elif isinstance(channel, Webhook):
        to = webhook.endpoint(channel, where=f"{where}.recipients.{event.recipient}")
        webhook.deliver(message, to, settings.http, at=at)
    else:
        raise UndeliveredError(f"no channel: name {event.recipient} in {where}.recipients, or give {where}.default", final=True)


def check(settings: Notify) -> None:
    """Look for every secret and URL of the channels before anything is sent.

    Raises:
        ConfigError: saying all that is missing.
    """
    problems: list[str] = []
    for kind in (SUPPLIER, WAREHOUSE):
        where, audience = _audience(kind, settings)
        named = {f"{where}.recipients.{name}": channel for name, channel in audience.recipients.items()}
        for key, channel in {f"{where}.default": audience.default, **named}.items():
            if isinstance(channel, Webhook):
                problems += _problems(partial(webhook.endpoint, channel, where=key))
    if settings.smtp.password is not None:
        problems += _problems(partial(secret, settings.smtp.password, where="notify.smtp.password"))
    raise_all(ConfigError, problems)


def _audience(kind: str, settings: Notify) -> tuple[str, Audience]:
    return f"notify.{kind}", settings.supplier if kind == SUPPLIER else settings.warehouse


def _problems(look: Callable[[], object]) -> list[str]:
    try:
        look()
    except ConfigError as error:
        return [str(error)]
    return []
