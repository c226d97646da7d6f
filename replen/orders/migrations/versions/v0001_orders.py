"""Orders, explanations, exceptions and certificates, as they were before orders had a life cycle."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from replen.database_types import TEXT, Name

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "orders",
        sa.Column("order_id", Name(64), primary_key=True),
        *_names(64, "run_id"),
        *_names(255, "sku", "site", "supplier"),
        *(sa.Column(name, sa.Date()) for name in ("order_date", "expected_date", "next_order_date")),
        *_numbers("order_quantity", "reorder_point", "order_up_to_level", "safety_stock", "value"),
        *_names(255, "policy"),
        *_names(64, "status"),
    )
    op.create_index("orders_by_date", "orders", ["order_date", "status"])
    op.create_table(
        "explanations",
        sa.Column("order_id", Name(64), primary_key=True),
        *_names(64, "run_id"),
        *_numbers("forecast_demand", "projected_stock", "target"),
        *_names(255, "binding"),
        *_numbers("rounding"),
        *(sa.Column(name, sa.JSON()) for name in ("limit_prices", "alternatives")),
        *_names(255, "model", "model_version"),
    )
    op.create_table(
        "exceptions",
        sa.Column("run_id", Name(64), primary_key=True),
        *(sa.Column(name, Name(255), primary_key=True) for name in ("sku", "site")),
        sa.Column("kind", Name(64), primary_key=True),
        *_names(64, "severity"),
        *_numbers("value_at_risk"),
        sa.Column("action", TEXT),
    )
    op.create_table(
        "certificates",
        sa.Column("run_id", Name(64), primary_key=True),
        sa.Column("limit", Name(255), primary_key=True),
        *_numbers("dual_bound", "feasible_cost", "gap", "largest_violation"),
        sa.Column("iterations", sa.Integer()),
        *_numbers("available", "used", "limit_price"),
        sa.Column("solver_counts", sa.JSON()),
    )


def _names(length: int, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, Name(length)) for name in names]


def _numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Double()) for name in names]
