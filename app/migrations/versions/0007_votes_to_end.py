"""Calls of investors for a vote to end a plan

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

APPEND_ONLY = ("end_call_support",)

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "end_call",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("called_by", sa.BigInteger(), nullable=False),
        sa.Column("called_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'put') = (poll_id IS NOT NULL)", name=op.f("ck_end_call_put")),
        sa.CheckConstraint("state IN ('gathering', 'put', 'lapsed')", name=op.f("ck_end_call_state")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_end_call_offering_id")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_end_call_poll_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_call")),
        sa.UniqueConstraint("poll_id", name=op.f("uq_end_call_poll_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_end_call_public_id")),
    )
    op.create_index(
        "uq_end_call_gathering",
        "end_call",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("state = 'gathering'"),
        postgresql_where=sa.text("state = 'gathering'"),
    )
    op.create_table(
        "end_call_support",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["end_call.id"], name=op.f("fk_end_call_support_call_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_end_call_support_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_call_support")),
        sa.UniqueConstraint("call_id", "party_id", name=op.f("uq_end_call_support_call_id_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_end_call_support_public_id")),
    )
    op.create_index("ix_end_call_support_party_id", "end_call_support", ["party_id"], unique=False)
    triggers.guard(op.get_bind(), APPEND_ONLY)


def downgrade() -> None:
    op.drop_table("end_call_support")
    op.drop_table("end_call")
