"""Let a poll be of any kind that the program's table names, on any subject, weighed before it was put, with a cap.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("uq_poll_open", table_name="poll")
    with op.batch_alter_table("poll") as poll:
        poll.add_column(sa.Column("subject", sa.Text(), nullable=False, server_default=""))
        poll.add_column(sa.Column("weighed_at", UTCDateTime(), nullable=True))
        poll.add_column(sa.Column("level_minor", sa.BigInteger(), nullable=True))
        poll.add_column(sa.Column("yes_heads", sa.BigInteger(), nullable=True))
        poll.add_column(sa.Column("no_heads", sa.BigInteger(), nullable=True))
        poll.drop_constraint(op.f("ck_poll_kind"), type_="check")
        poll.drop_constraint(op.f("ck_poll_outcome"), type_="check")
        poll.create_check_constraint(op.f("ck_poll_weighed_before"), "weighed_at IS NULL OR weighed_at <= opened_at")
    op.create_index(
        "uq_poll_open", "poll", ["offering_id", "kind", "subject"], unique=True,
        sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"),
    )
    with op.batch_alter_table("poll_answer") as answer:
        answer.add_column(sa.Column("unreleased_minor", sa.BigInteger(), nullable=True))
        answer.add_column(sa.Column("struck_at", UTCDateTime(), nullable=True))
        answer.drop_constraint(op.f("ck_poll_answer_choice"), type_="check")
        answer.create_check_constraint(
            op.f("ck_poll_answer_capped"), "unreleased_minor IS NULL OR unreleased_minor >= weight_minor"
        )


def downgrade() -> None:
    raise NotImplementedError("Polls of the new kinds cannot be kept in the old table.")
