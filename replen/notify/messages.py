"""What suppliers and warehouses hear: changes of orders -> one notification a recipient, with its order lines."""

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from replen.config import Audience, Heard, Notify
from replen.notify.schema import ID_LENGTH

LIFE_CYCLE = ("proposed", "approved", "sent", "confirmed", "received")
STATUSES = (*LIFE_CYCLE, "cancelled")
CANCELLED: Heard = "cancelled"
CHANGED: Heard = "changed"
Status = Literal["proposed", "approved", "sent", "confirmed", "received", "cancelled"]
Units = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AudienceKind = Literal["supplier", "warehouse"]


class OrderChange(BaseModel):
    """An order line as it is now, and what it was before; the line of a notification.

    Attributes:
        version: grows with every change of the order: of two lines of one order the larger version is the newer.
        previous_status: None = the order is new.
        previous_quantity: units; None = as now.
        previous_expected_date: None = as now.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str
    version: int
    status: Status
    sku: str
    site: str
    supplier: str
    order_quantity: Units
    order_date: dt.date
    expected_date: dt.date | None
    previous_status: Status | None = None
    previous_quantity: Units | None = None
    previous_expected_date: dt.date | None = None

    @property
    def moved(self) -> bool:
        """Return whether quantity or date is another than before."""
        return (self.previous_quantity or self.order_quantity) != self.order_quantity or (
            self.previous_expected_date or self.expected_date
        ) != self.expected_date


class Recipient(BaseModel):
    """Who hears."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: AudienceKind
    name: str


class Notification(BaseModel):
    """What one recipient hears of one batch of changes; its JSON is the payload.

    Attributes:
        event_id: 32 hexadecimal digits; the same for the same changes, whenever they are told.
        created_at: UTC.
        part: of `parts`, from 1: a long batch is told in parts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: str
    kind: str
    schema_version: Literal[1]
    created_at: dt.datetime
    recipient: Recipient
    part: int
    parts: int
    lines: Annotated[tuple[OrderChange, ...], Field(min_length=1)]

    @property
    def total_quantity(self) -> float:
        """Return the units of all lines."""
        return sum(line.order_quantity for line in self.lines)


def heard_as(change: OrderChange, when: Sequence[Heard]) -> Heard | None:
    """Return what an audience hears of a change: its new status, `changed`, or None where it hears nothing.

    An order of which it has not heard before is neither cancelled nor changed for it.

    >>> line = dict(order_id="a", version=2, sku="s", site="w", supplier="m", order_quantity=6, order_date="2024-04-15",
    ...             expected_date=None)
    >>> heard_as(OrderChange(**line, status="cancelled", previous_status="sent"), ("sent", "cancelled"))
    'cancelled'
    >>> heard_as(OrderChange(**line, status="cancelled", previous_status="approved"), ("sent", "cancelled")) is None
    True
    """
    told = [LIFE_CYCLE.index(status) for status in when if status in LIFE_CYCLE]
    before = change.previous_status
    knows = bool(told) and before in LIFE_CYCLE and min(told) <= LIFE_CYCLE.index(before)
    taken = next((status for status in when if status == change.status != before), None)
    if taken is not None and (taken != CANCELLED or knows):
        return taken
    return CHANGED if CHANGED in when and knows and change.moved and change.status != CANCELLED else None


def notifications(changes: Sequence[OrderChange], settings: Notify, *, at: dt.datetime) -> list[Notification]:
    """Return what recipients that have a channel hear of changes made together: one a recipient and kind of change.

    Lines are sorted as the recipient works: a supplier by site, a warehouse by supplier, then expected date and sku. More than
    `settings.lines` of them are told in parts.

    Args:
        changes: of one transaction.
        settings: section `notify`.
        at: when they were made, UTC.
    """
    audiences: tuple[tuple[AudienceKind, Audience, str], ...] = (
        ("supplier", settings.supplier, "supplier"),
        ("warehouse", settings.warehouse, "site"),
    )
    return [
        told
        for kind, audience, named_by in audiences
        for told in _told(kind, _heard(changes, audience, attrgetter(named_by)), settings.lines, at)
    ]


Batches = Mapping[tuple[str, Heard], list[OrderChange]]


def _heard(changes: Sequence[OrderChange], audience: Audience, name_of: Callable[[OrderChange], str]) -> Batches:
    """Return changes by the recipient's name and what it hears."""
    batches: dict[tuple[str, Heard], list[OrderChange]] = defaultdict(list)
    for change in changes:
        name, heard = name_of(change), heard_as(change, audience.when)
        if heard is not None and audience.channel_of(name) is not None:
            batches[name, heard].append(change)
    return batches


def _told(kind: AudienceKind, batches: Batches, most_lines: int, at: dt.datetime) -> Iterator[Notification]:
    """Yield the notifications of batches, in parts of at most `most_lines`."""
    for (name, heard), batch in batches.items():
        ordered = sorted(batch, key=lambda line: (line.site, line.supplier, str(line.expected_date), line.sku, line.order_id))
        parts = [ordered[first : first + most_lines] for first in range(0, len(ordered), most_lines)]
        for part, lines in enumerate(parts, start=1):
            yield Notification(
                event_id=event_id(f"orders_{heard}", Recipient(kind=kind, name=name), lines),
                kind=f"orders_{heard}",
                schema_version=1,
                created_at=at,
                recipient=Recipient(kind=kind, name=name),
                part=part,
                parts=len(parts),
                lines=tuple(lines),
            )


def event_id(kind: str, recipient: Recipient, lines: Sequence[OrderChange]) -> str:
    """Return the name of what happened, 32 hexadecimal digits: the same changes told to the same recipient are one event."""
    what = [[line.order_id, line.version, line.status, line.order_quantity, str(line.expected_date)] for line in lines]
    parts = json.dumps([kind, recipient.kind, recipient.name, what], ensure_ascii=True)
    return hashlib.sha256(parts.encode("ascii")).hexdigest()[:ID_LENGTH]
