"""Say on whom a payout waits, and by when

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout", sa.Column("waits_on", sa.Text(), nullable=True))
    op.add_column("payout", sa.Column("act_by", UTCDateTime(), nullable=True))
    op.add_column("payout", sa.Column("overdue_at", UTCDateTime(), nullable=True))
    # What waits already is an operator's, from now on.
    op.execute(
        "UPDATE payout SET waits_on = 'operator', act_by = next_at WHERE status = 'waiting' AND waits_for IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("payout", "waits_on")
    op.drop_column("payout", "act_by")
    op.drop_column("payout", "overdue_at")
