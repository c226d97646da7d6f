"""The outbox: what recipients are to be told of orders, written in the transaction that changes them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from replen.database_types import MOMENT, Name

revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", Name(32), nullable=False, unique=True),
        sa.Column("kind", Name(32), nullable=False),
        sa.Column("recipient_kind", Name(32), nullable=False),
        sa.Column("recipient", Name(255), nullable=False),
        sa.Column("payload", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", Name(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("claim", Name(32)),
        sa.Column("last_error", sa.Text()),
        sa.Column("delivered_at", MOMENT),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", "outbox_state"),
        sa.CheckConstraint("recipient_kind IN ('supplier', 'warehouse')", "outbox_recipient_kind"),
    )
    op.create_index("outbox_by_state", "outbox", ["state", "number"])
