"""Order lines of a notification as CSV that a spreadsheet opens without running anything in it."""

import csv
import io

from replen import tables as t
from replen.notify.messages import Notification, OrderChange

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (str(t.EVENT_ID), str(t.EVENT_KIND), *OrderChange.model_fields)


def as_csv(notification: Notification) -> str:
    """Return one row a line of the notification, header first; event and kind stand on every row."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for line in notification.lines:
        values = (notification.event_id, notification.kind, *(value for _, value in line))
        rows.writerow([guarded(value) if isinstance(value, str) else value for value in values])
    return text.getvalue()


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe before what would begin one.

    >>> guarded("=HYPERLINK(A1)"), guarded("mill")
    ("'=HYPERLINK(A1)", 'mill')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
