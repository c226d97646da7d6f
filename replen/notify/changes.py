"""Rows of orders -> changes that notifications tell; apart from them, so that senders start without pandas."""

import pandas as pd

from replen import tables as t
from replen.notify.messages import STATUSES, OrderChange


def status_changes(orders: pd.DataFrame, to: str) -> list[OrderChange]:
    """Return the changes of orders, rows of `tables.ORDERS` as they were, that all take a new status."""
    kept = (t.ORDER_ID, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_QUANTITY, t.ORDER_DATE, t.EXPECTED_DATE)
    new = {"status": to, "version": STATUSES.index(to) + 1}  # an order takes each status once, in this order
    known = orders[[*kept, t.STATUS]].astype(object).where(orders[[*kept, t.STATUS]].notna(), None)
    names = [*map(str, kept), "previous_status"]
    return [OrderChange(**dict(zip(names, row, strict=True)) | new) for row in known.itertuples(index=False)]
