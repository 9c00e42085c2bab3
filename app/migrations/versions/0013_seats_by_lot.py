"""Seats that lots give and take, rounds of a review

Revision: 0013
Follows: 0012
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("appointment", sa.Column("draw_id", sa.BigInteger(), nullable=True))
    op.add_column("appointment", sa.Column("ended_at", UTCDateTime(), nullable=True))
    op.add_column("appointment", sa.Column("retry_at", UTCDateTime(), nullable=True))
    op.execute(
        "UPDATE appointment SET ended_at = COALESCE(answered_at, appointed_at) WHERE state IN ('declined', 'replaced')"
    )
    with op.batch_alter_table("appointment") as appointment:
        appointment.drop_constraint(op.f("ck_appointment_state"), type_="check")
        appointment.create_check_constraint(
            op.f("ck_appointment_state"),
            "state IN ('appointed', 'accepted', 'declined', 'lapsed', 'recused', 'struck', 'replaced')",
        )
        appointment.create_check_constraint(
            op.f("ck_appointment_ended"), "(ended_at IS NULL) = (state IN ('appointed', 'accepted'))"
        )
    op.add_column("submission", sa.Column("review_round", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("submission", sa.Column("round_since", UTCDateTime(), nullable=True))
    op.add_column("submission", sa.Column("reminders", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    raise NotImplementedError("Seats that were recused or struck cannot be kept in the old table.")
