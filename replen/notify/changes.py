"""Rows of orders -> changes that notifications tell; apart from them, so that senders start without pandas."""

import pandas as pd

from replen import tables as t
from replen.notify.messages import STATUSES, OrderChange

KEPT = (t.ORDER_ID, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_QUANTITY, t.ORDER_DATE, t.EXPECTED_DATE, t.STATUS)
BEFORE = (t.STATUS, t.ORDER_QUANTITY, t.EXPECTED_DATE)


def status_changes(before: pd.DataFrame, after: pd.DataFrame) -> list[OrderChange]:
    """Return the changes of orders that took a new status.

    Args:
        before: rows of `tables.ORDERS` as they were.
        after: the same rows as they are.
    """
    previous = {name: before[name].where(before[name] != after[name]) for name in BEFORE}
    rows = after[[*KEPT]].assign(**{f"previous_{name.removeprefix('order_')}": was for name, was in previous.items()})
    known = rows.astype(object).where(rows.notna(), None)
    changes = [{str(name): value for name, value in change.items()} for change in known.to_dict("records")]
    return [OrderChange(**change, version=STATUSES.index(change[t.STATUS]) + 1) for change in changes]
