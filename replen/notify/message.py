"""One notification on its way: what channels are given, and how they say that it was not taken."""

from dataclasses import dataclass

from pydantic import ValidationError

from replen.notify.messages import Notification
from replen.notify.outbox import Event


@dataclass(frozen=True)
class Message:
    """A notification to deliver.

    Attributes:
        event_id: goes with every delivery; repeats have the same.
        body: the payload as it stands in the outbox, so that repeats are alike byte for byte.
        content: the payload, read.
    """

    event_id: str
    body: str
    content: Notification


class UndeliveredError(Exception):
    """A receiver did not take a message.

    Attributes:
        final: trying again would not help.
        retry_after: seconds that the receiver asks to wait, else None.
    """

    def __init__(self, why: str, *, final: bool = False, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.final, self.retry_after = final, retry_after


def message_of(event: Event) -> Message:
    """Return the message of an event.

    Raises:
        UndeliveredError: its payload is none, for good.
    """
    try:
        content = Notification.model_validate_json(event.payload)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "payload"
        raise UndeliveredError(f"payload is no notification: {key}: {first['msg']}", final=True) from None
    if content.event_id != event.event_id:
        raise UndeliveredError("payload is of another event", final=True)
    return Message(event.event_id, event.payload, content)
