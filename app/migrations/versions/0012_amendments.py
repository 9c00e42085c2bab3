"""Keep proposals to amend a running contract, what auditors say of them, the seats they add, and who left.

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APPEND_ONLY = ("amendment_comment", "amendment_exit")


def upgrade() -> None:
    op.create_table(
        "amendment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base_version_id", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_adverse", sa.Boolean(), nullable=False),
        sa.Column("subjects", sa.Text(), nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.BigInteger(), nullable=False),
        sa.Column("proposed_at", UTCDateTime(), nullable=False),
        sa.Column("passed_at", UTCDateTime(), nullable=True),
        sa.Column("leave_until", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("outcome_reason", sa.Text(), nullable=True),
        sa.Column("effective_version_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'effective') = (effective_version_id IS NOT NULL)", name=op.f("ck_amendment_effective")
        ),
        sa.CheckConstraint("(state IN ('voting', 'leaving')) = (ended_at IS NULL)", name=op.f("ck_amendment_ended")),
        sa.CheckConstraint(
            "state <> 'leaving' OR (is_adverse AND leave_until IS NOT NULL)", name=op.f("ck_amendment_leaving")
        ),
        sa.CheckConstraint(
            "state IN ('voting', 'leaving', 'effective', 'fell', 'withdrawn', 'void')", name=op.f("ck_amendment_state")
        ),
        sa.ForeignKeyConstraint(["base_version_id"], ["terms_version.id"], name=op.f("fk_amendment_base_version_id")),
        sa.ForeignKeyConstraint(
            ["effective_version_id"], ["terms_version.id"], name=op.f("fk_amendment_effective_version_id")
        ),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_amendment_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendment")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_amendment_offering_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_amendment_public_id")),
    )
    op.create_index(
        "uq_amendment_open",
        "amendment",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "amendment_comment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("amendment_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("said_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"], name=op.f("fk_amendment_comment_amendment_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_amendment_comment_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendment_comment")),
        sa.UniqueConstraint("public_id", name=op.f("uq_amendment_comment_public_id")),
    )
    op.create_index("ix_amendment_comment_amendment_id", "amendment_comment", ["amendment_id"], unique=False)
    op.create_table(
        "amendment_exit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("amendment_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tokens_lapsed", sa.BigInteger(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("left_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("amount_minor > 0 AND tokens_lapsed >= 0", name=op.f("ck_amendment_exit_amounts")),
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"], name=op.f("fk_amendment_exit_amendment_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_amendment_exit_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendment_exit")),
        sa.UniqueConstraint("amendment_id", "party_id", name=op.f("uq_amendment_exit_amendment_id_party_id")),
        sa.UniqueConstraint("journal_id", name=op.f("uq_amendment_exit_journal_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_amendment_exit_public_id")),
    )
    op.create_table(
        "amendment_seat",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("amendment_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_key", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'asked') = (answered_at IS NULL)", name=op.f("ck_amendment_seat_answered")),
        sa.CheckConstraint("state IN ('asked', 'accepted', 'declined')", name=op.f("ck_amendment_seat_state")),
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"], name=op.f("fk_amendment_seat_amendment_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_amendment_seat_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendment_seat")),
        sa.UniqueConstraint(
            "amendment_id",
            "milestone_key",
            "party_id",
            name=op.f("uq_amendment_seat_amendment_id_milestone_key_party_id"),
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_amendment_seat_public_id")),
    )
    op.create_index("ix_amendment_seat_party_id", "amendment_seat", ["party_id"], unique=False)
    triggers.guard(op.get_bind(), APPEND_ONLY)


def downgrade() -> None:
    triggers.unguard(op.get_bind(), APPEND_ONLY)
    for table in ("amendment_exit", "amendment_comment", "amendment_seat", "amendment"):
        op.drop_table(table)
