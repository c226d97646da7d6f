"""The life cycle: events, the lock of writers, and constraints that refuse what is no order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from replen.database_types import MOMENT, TEXT, Name

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

STATUSES = "'proposed', 'approved', 'sent', 'confirmed', 'received', 'cancelled'"
MAPS = {"explanations": ("limit_prices", "alternatives"), "certificates": ("solver_counts",)}


def upgrade() -> None:
    """Add what is missing; rows stay."""
    with op.batch_alter_table("orders") as orders:
        for name, length in (("run_id", 64), ("sku", 255), ("site", 255), ("supplier", 255), ("status", 64)):
            orders.alter_column(name, existing_type=Name(length), nullable=False)
        orders.alter_column("order_date", existing_type=sa.Date(), nullable=False)
        orders.alter_column("order_quantity", existing_type=sa.Double(), nullable=False)
        orders.create_check_constraint("orders_quantity_above_zero", "order_quantity > 0")
        orders.create_check_constraint("orders_value_not_negative", "value >= 0")
        orders.create_check_constraint("orders_status_known", f"status IN ({STATUSES})")
        orders.create_unique_constraint("orders_placed_once", ["order_date", "sku", "site", "supplier"])
        orders.create_index("orders_by_status", ["status", "order_date"])
        orders.drop_index("orders_by_date")
    with op.batch_alter_table("explanations") as explanations:
        explanations.alter_column("run_id", existing_type=Name(64), nullable=False)
        explanations.create_foreign_key("explanations_of_orders", "orders", ["order_id"], ["order_id"])
    if op.get_context().dialect.name == "postgresql":  # json has no equality there, jsonb has
        for table, columns in MAPS.items():
            for name in columns:
                op.alter_column(table, name, type_=postgresql.JSONB(), postgresql_using=f"{name}::jsonb")
    op.create_table(
        "order_events",
        sa.Column("order_id", Name(64), primary_key=True),
        sa.Column("time", MOMENT, primary_key=True),
        sa.Column("from_status", Name(64), nullable=False),
        sa.Column("to_status", Name(64), nullable=False),
        sa.Column("order_quantity", sa.Double(), nullable=False),
        sa.Column("who", Name(255), nullable=False),
        sa.Column("note", TEXT),
        sa.CheckConstraint(f"from_status IN ({STATUSES})", "order_events_from_known"),
        sa.CheckConstraint(f"to_status IN ({STATUSES})", "order_events_to_known"),
        sa.UniqueConstraint("order_id", "to_status", name="order_events_happen_once"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], "order_events_of_orders"),
    )
    lock = op.create_table("order_lock", sa.Column("name", Name(64), primary_key=True))
    op.bulk_insert(lock, [{"name": "orders"}])
