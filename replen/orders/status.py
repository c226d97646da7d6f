"""The life of an order: which status may follow which."""

from collections.abc import Mapping

from replen.orders.lines import PROPOSED

APPROVED, SENT, CONFIRMED, RECEIVED, CANCELLED = "approved", "sent", "confirmed", "received", "cancelled"
FOLLOWERS: Mapping[str, tuple[str, ...]] = {
    PROPOSED: (APPROVED, CANCELLED),
    APPROVED: (SENT, CANCELLED),
    SENT: (CONFIRMED, CANCELLED),
    CONFIRMED: (RECEIVED, CANCELLED),
    RECEIVED: (),
    CANCELLED: (),
}
STATUSES = tuple(FOLLOWERS)
ON_THE_WAY = (APPROVED, SENT, CONFIRMED)  # a later plan counts on them


def leading_to(status: str) -> tuple[str, ...]:
    """Return the statuses that `status` may follow.

    >>> leading_to("cancelled")
    ('proposed', 'approved', 'sent', 'confirmed')
    """
    return tuple(before for before, after in FOLLOWERS.items() if status in after)
