"""Order lines: how each is named, so that the same line of the same plan date is the same order in every run."""

import datetime as dt
import hashlib
import json

import pandas as pd

from replen import tables as t

PROPOSED = "proposed"
ID_LENGTH = 32  # hexadecimal digits: 128 bits, no collision among any number of orders


def order_id(plan_date: dt.date, *, sku: str, site: str, supplier: str) -> str:
    """Return the name of an order line, 32 hexadecimal digits; no choice of names makes two lines one.

    >>> order_id(dt.date(2024, 4, 15), sku="a|b", site="c", supplier="d") == order_id(
    ...     dt.date(2024, 4, 15), sku="a", site="b|c", supplier="d")
    False
    """
    parts = json.dumps([plan_date.isoformat(), sku, site, supplier], ensure_ascii=True)  # quoting keeps the parts apart
    return hashlib.sha256(parts.encode("ascii")).hexdigest()[:ID_LENGTH]


def with_order_ids(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return decisions with order_id set where something is ordered on the plan date, null elsewhere."""
    keys = zip(*(decisions[column] for column in (t.ORDER_DATE, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_QUANTITY)), strict=True)
    ids = [
        order_id(date, sku=sku, site=site, supplier=supplier) if quantity > 0 else None
        for date, sku, site, supplier, quantity in keys
    ]
    return decisions.assign(**{str(t.ORDER_ID): pd.Series(ids, index=decisions.index, dtype=object)})
