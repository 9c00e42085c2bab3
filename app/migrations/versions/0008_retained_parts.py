"""Submissions for retained parts, and from when a part waits for a report

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submission", sa.Column("is_retention", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("milestone", sa.Column("reporting_since", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("milestone", "reporting_since")
    op.drop_column("submission", "is_retention")
