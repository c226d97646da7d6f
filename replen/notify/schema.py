"""The outbox as the order database sees it."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from replen import tables as t
from replen.database_types import MOMENT, Name

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
SUPPLIER, WAREHOUSE = "supplier", "warehouse"
KIND_LENGTH, NAME_LENGTH, ID_LENGTH = 32, 255, 32  # characters

metadata = sa.MetaData()

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def _one_of(column: t.Column, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(sa.column(str(column)).in_(values), name=f"outbox_{column}")


# Numbered as events come: what one order goes through is written under the lock of its row, so its numbers rise.
OUTBOX = sa.Table(
    t.OUTBOX.name,
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column(str(t.EVENT_ID), Name(ID_LENGTH), nullable=False, unique=True),
    sa.Column(str(t.EVENT_KIND), Name(KIND_LENGTH), nullable=False),
    sa.Column(str(t.RECIPIENT_KIND), Name(KIND_LENGTH), nullable=False),
    sa.Column(str(t.RECIPIENT), Name(NAME_LENGTH), nullable=False),
    sa.Column(str(t.PAYLOAD), LONG_TEXT, nullable=False),
    sa.Column(str(t.CREATED_AT), MOMENT, nullable=False),
    sa.Column(str(t.STATE), Name(KIND_LENGTH), nullable=False),
    sa.Column(str(t.ATTEMPTS), sa.Integer(), nullable=False),
    sa.Column(str(t.NEXT_ATTEMPT_AT), MOMENT, nullable=False),
    sa.Column(str(t.CLAIM), Name(ID_LENGTH)),
    sa.Column(str(t.LAST_ERROR), sa.Text()),
    sa.Column(str(t.DELIVERED_AT), MOMENT),
    _one_of(t.STATE, PENDING, DELIVERED, DEAD),
    _one_of(t.RECIPIENT_KIND, SUPPLIER, WAREHOUSE),
    sa.Index("outbox_by_state", str(t.STATE), "number"),
)
