"""${message}."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = ${repr(up_revision)}, ${repr(down_revision)}, None, None


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}
