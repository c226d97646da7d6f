"""Which run stands for a plan date: what it found is replaced by the next one, also where it placed no order."""

import sqlalchemy as sa
from alembic import op

from replen.database_types import Name

revision, down_revision, branch_labels, depends_on = "0004", "0003", None, None


def upgrade() -> None:
    """Add the table, with the runs that the orders know."""
    op.create_table(
        "plan_runs",
        sa.Column("plan_date", sa.Date(), primary_key=True),
        sa.Column("run_id", Name(64), primary_key=True),
    )
    op.execute("INSERT INTO plan_runs (plan_date, run_id) SELECT DISTINCT order_date, run_id FROM orders")
