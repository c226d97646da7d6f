"""The order tables as a database sees them, made from `tables.py`; `migrations/` brings a database to what stands here."""

from typing import Any

import sqlalchemy as sa

from replen import tables as t
from replen.database_types import MAP, MOMENT, TEXT, Name
from replen.orders.status import STATUSES

HEAD = "0004"  # the last revision in migrations/versions: what a job expects to find
NAME_LENGTH, SHORT_LENGTH = 255, 64  # characters
SHORT = (t.ORDER_ID, t.RUN_ID, t.STATUS, t.FROM_STATUS, t.TO_STATUS, t.KIND, t.SEVERITY)
LONG = (t.ACTION, t.NOTE)
WRITTEN = (t.ORDERS, t.EXPLANATIONS, t.EXCEPTIONS, t.CERTIFICATES)
TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "string": Name(NAME_LENGTH),
    "double": sa.Double(),
    "date": sa.Date(),
    "timestamp": MOMENT,
    "int": sa.Integer(),
    "bigint": sa.BigInteger(),
}
REQUIRED = {
    t.ORDERS.name: (t.RUN_ID, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_DATE, t.ORDER_QUANTITY, t.STATUS),
    t.EXPLANATIONS.name: (t.RUN_ID,),
    t.ORDER_EVENTS.name: (t.FROM_STATUS, t.TO_STATUS, t.ORDER_QUANTITY, t.WHO),
}
_KNOWN = ", ".join(f"'{status}'" for status in STATUSES)
RULES: dict[str, list[sa.schema.SchemaItem]] = {
    t.ORDERS.name: [
        sa.CheckConstraint(f"{t.ORDER_QUANTITY} > 0", "orders_quantity_above_zero"),
        sa.CheckConstraint(f"{t.VALUE} >= 0", "orders_value_not_negative"),
        sa.CheckConstraint(f"{t.STATUS} IN ({_KNOWN})", "orders_status_known"),
        sa.UniqueConstraint(t.ORDER_DATE, t.SKU, t.SITE, t.SUPPLIER, name="orders_placed_once"),
        sa.Index("orders_by_status", t.STATUS, t.ORDER_DATE),
    ],
    t.EXPLANATIONS.name: [sa.ForeignKeyConstraint([t.ORDER_ID], ["orders.order_id"], "explanations_of_orders")],
    t.ORDER_EVENTS.name: [
        sa.CheckConstraint(f"{t.FROM_STATUS} IN ({_KNOWN})", "order_events_from_known"),
        sa.CheckConstraint(f"{t.TO_STATUS} IN ({_KNOWN})", "order_events_to_known"),
        sa.UniqueConstraint(t.ORDER_ID, t.TO_STATUS, name="order_events_happen_once"),
        sa.ForeignKeyConstraint([t.ORDER_ID], ["orders.order_id"], "order_events_of_orders"),
    ],
}

metadata = sa.MetaData()


def column(table: t.Table, name: t.Column) -> sa.Column[Any]:
    """Return one column of the contract; maps become JSON."""
    kind = Name(SHORT_LENGTH) if name in SHORT else TEXT if name in LONG else TYPES.get(name.type, MAP)
    required = name in table.key or name in REQUIRED.get(table.name, ())
    return sa.Column(str(name), kind, primary_key=name in table.key, nullable=not required)


SCHEMA = {
    table.name: sa.Table(table.name, metadata, *(column(table, name) for name in table.columns), *RULES.get(table.name, ()))
    for table in (*WRITTEN, t.ORDER_EVENTS)
}
# One row: who changes orders holds it, so that a plan and a person, or two plans, come one after the other.
LOCK = sa.Table("order_lock", metadata, sa.Column("name", Name(SHORT_LENGTH), primary_key=True))
# Whose exceptions and certificates stand for a plan date, also where no order line of the run does.
PLAN_RUNS = sa.Table(
    "plan_runs",
    metadata,
    sa.Column("plan_date", sa.Date(), primary_key=True),
    sa.Column(str(t.RUN_ID), Name(SHORT_LENGTH), primary_key=True),
)
