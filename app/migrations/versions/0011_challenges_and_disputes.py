"""Challenges of verdicts, disputes before a panel, and when people were told of a verdict (MIL-10).

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "challenge",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("criterion_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("is_split", sa.Boolean(), nullable=False),
        sa.Column("money_minor", sa.BigInteger(), nullable=True),
        sa.Column("total_minor", sa.BigInteger(), nullable=True),
        sa.Column("heads", sa.BigInteger(), nullable=True),
        sa.Column("total_heads", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_challenge_ended")),
        sa.CheckConstraint(
            "(state IN ('fallen', 'disputed')) = (money_minor IS NOT NULL)", name=op.f("ck_challenge_counted")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'fallen', 'disputed', 'dropped')", name=op.f("ck_challenge_state")
        ),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_challenge_milestone_id")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_challenge_submission_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge")),
        sa.UniqueConstraint("public_id", name=op.f("uq_challenge_public_id")),
        sa.UniqueConstraint("submission_id", name=op.f("uq_challenge_submission_id")),
    )
    op.create_index("ix_challenge_milestone_id", "challenge", ["milestone_id"], unique=False)
    op.create_table(
        "challenge_supporter",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("challenge_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("joined_by", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", UTCDateTime(), nullable=False),
        sa.Column("left_at", UTCDateTime(), nullable=True),
        sa.Column("weight_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "weight_minor IS NULL OR (weight_minor > 0 AND left_at IS NULL)",
            name=op.f("ck_challenge_supporter_weight"),
        ),
        sa.ForeignKeyConstraint(
            ["challenge_id"], ["challenge.id"], name=op.f("fk_challenge_supporter_challenge_id")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_challenge_supporter_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge_supporter")),
        sa.UniqueConstraint(
            "challenge_id", "party_id", name=op.f("uq_challenge_supporter_challenge_id_party_id")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_challenge_supporter_public_id")),
    )
    op.create_index("ix_challenge_supporter_party_id", "challenge_supporter", ["party_id"], unique=False)
    op.create_table(
        "dispute",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("challenge_id", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("was_exhausted", sa.Boolean(), nullable=False),
        sa.Column("opened_by", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("share_pct", sa.BigInteger(), nullable=True),
        sa.Column("verdict_detail", sa.Text(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("sum_minor", sa.BigInteger(), nullable=True),
        sa.Column("to_release_minor", sa.BigInteger(), nullable=True),
        sa.Column("returned_minor", sa.BigInteger(), nullable=True),
        sa.Column("stays_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(cause = 'challenge') = (challenge_id IS NOT NULL)", name=op.f("ck_dispute_challenge")
        ),
        sa.CheckConstraint(
            "(state = 'decided') = (outcome IS NOT NULL AND decided_at IS NOT NULL)",
            name=op.f("ck_dispute_decided"),
        ),
        sa.CheckConstraint(
            "cause IN ('challenge', 'appeal', 'second_review', 'withdrawal')", name=op.f("ck_dispute_cause")
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('met', 'partly', 'not_met', 'undecided', 'dropped')",
            name=op.f("ck_dispute_outcome"),
        ),
        sa.CheckConstraint("state <> 'vote' OR poll_id IS NOT NULL", name=op.f("ck_dispute_vote")),
        sa.CheckConstraint("state IN ('panel', 'vote', 'decided')", name=op.f("ck_dispute_state")),
        sa.CheckConstraint("(share_pct IS NULL) = (outcome IS NULL)", name=op.f("ck_dispute_share")),
        sa.CheckConstraint("round BETWEEN 0 AND 2", name=op.f("ck_dispute_round")),
        sa.CheckConstraint(
            "sum_minor IS NULL OR (to_release_minor >= 0 AND returned_minor >= 0 AND stays_minor >= 0 AND to_release_minor + returned_minor + stays_minor = sum_minor)",
            name=op.f("ck_dispute_split"),
        ),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"], name=op.f("fk_dispute_challenge_id")),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_dispute_milestone_id")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_dispute_poll_id")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_dispute_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("challenge_id", name=op.f("uq_dispute_challenge_id")),
        sa.UniqueConstraint("poll_id", name=op.f("uq_dispute_poll_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_dispute_public_id")),
    )
    op.create_index("ix_dispute_milestone_id", "dispute", ["milestone_id"], unique=False)
    op.create_index(
        "uq_dispute_running",
        "dispute",
        ["milestone_id"],
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "dispute_finding",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("dispute_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("contract_hash", sa.Text(), nullable=False),
        sa.Column("manifest_hash", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("signed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dispute_id"], ["dispute.id"], name=op.f("fk_dispute_finding_dispute_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_dispute_finding_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_finding")),
        sa.UniqueConstraint("dispute_id", "party_id", name=op.f("uq_dispute_finding_dispute_id_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_dispute_finding_public_id")),
    )
    op.create_index("ix_dispute_finding_party_id", "dispute_finding", ["party_id"], unique=False)
    op.create_table(
        "dispute_seat",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("dispute_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("draw", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('seated', 'signed', 'replaced')", name=op.f("ck_dispute_seat_state")),
        sa.ForeignKeyConstraint(["dispute_id"], ["dispute.id"], name=op.f("fk_dispute_seat_dispute_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_dispute_seat_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_seat")),
        sa.UniqueConstraint("dispute_id", "party_id", name=op.f("uq_dispute_seat_dispute_id_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_dispute_seat_public_id")),
    )
    op.create_index("ix_dispute_seat_party_id", "dispute_seat", ["party_id"], unique=False)
    op.add_column("milestone", sa.Column("notified_at", UTCDateTime(), nullable=True))
    # What an operator suspended is told from a dispute from now on.
    op.execute("UPDATE milestone SET state = 'suspended' WHERE state = 'disputed'")
    triggers.guard(op.get_bind(), ("dispute_finding",))


def downgrade() -> None:
    triggers.unguard(op.get_bind(), ("dispute_finding",))
    op.execute("UPDATE milestone SET state = 'disputed' WHERE state = 'suspended'")
    op.drop_column("milestone", "notified_at")
    for table in ("dispute_seat", "dispute_finding", "dispute", "challenge_supporter", "challenge"):
        op.drop_table(table)
