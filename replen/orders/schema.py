"""The order tables as a database sees them, made from `tables.py`."""

from typing import Any

import sqlalchemy as sa

from replen import tables as t

NAME_LENGTH = 1000  # characters of a sku, site or supplier
WRITTEN = (t.ORDERS, t.EXPLANATIONS, t.EXCEPTIONS, t.CERTIFICATES)
TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "string": sa.String(NAME_LENGTH),
    "double": sa.Double(),
    "date": sa.Date(),
    "int": sa.Integer(),
    "bigint": sa.BigInteger(),
}
CHECKS = {t.ORDERS.name: [f"{t.ORDER_QUANTITY} > 0"]}

metadata = sa.MetaData()


def _table(table: t.Table) -> sa.Table:
    """Return one table of the contract with its key and checks; maps become JSON."""
    columns = [
        sa.Column(
            str(column), TYPES.get(column.type, sa.JSON()), primary_key=column in table.key, nullable=column not in table.key
        )
        for column in table.columns
    ]
    checks = [sa.CheckConstraint(check) for check in CHECKS.get(table.name, [])]
    return sa.Table(table.name, metadata, *columns, *checks)


SCHEMA = {table.name: _table(table) for table in WRITTEN}
sa.Index("orders_by_date", SCHEMA[t.ORDERS.name].c[t.ORDER_DATE], SCHEMA[t.ORDERS.name].c[t.STATUS])
