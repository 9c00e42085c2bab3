"""What rails take back of payments, and what the issuer owes because of it

Revision: 0015
Follows: 0014
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sandbox_dispute",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("transfer_ref", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("window_ends_at", UTCDateTime(), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'won', 'withdrawn', 'lost')", name=op.f("ck_sandbox_dispute_state")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_sandbox_dispute_above_zero")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_dispute")),
        sa.UniqueConstraint("ref", name=op.f("uq_sandbox_dispute_ref")),
    )
    op.create_index(
        "ix_sandbox_dispute_due_at",
        "sandbox_dispute",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_sandbox_dispute_transfer_ref", "sandbox_dispute", ["transfer_ref"], unique=False)
    op.create_table(
        "reversal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("escrow_minor", sa.BigInteger(), nullable=False),
        sa.Column("owed_minor", sa.BigInteger(), nullable=False),
        sa.Column("set_off_minor", sa.BigInteger(), nullable=False),
        sa.Column("claim_minor", sa.BigInteger(), nullable=False),
        sa.Column("loss_minor", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserve_minor", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("opened_journal_id", sa.BigInteger(), nullable=False),
        sa.Column("decided_journal_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'dispute') = (due_at IS NOT NULL)", name=op.f("ck_reversal_dispute_has_deadline")
        ),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_reversal_decided")),
        sa.CheckConstraint("kind IN ('dispute', 'return')", name=op.f("ck_reversal_kind")),
        sa.CheckConstraint(
            "state <> 'lost' OR escrow_minor + owed_minor + set_off_minor + claim_minor + loss_minor = amount_minor",
            name=op.f("ck_reversal_lost_is_whole"),
        ),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name=op.f("ck_reversal_state")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_reversal_above_zero")),
        sa.CheckConstraint(
            "escrow_minor + owed_minor <= amount_minor", name=op.f("ck_reversal_apart_within")
        ),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name=op.f("fk_reversal_operation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversal")),
        sa.UniqueConstraint("operation_id", "ref", name=op.f("uq_reversal_operation_id_ref")),
        sa.UniqueConstraint("public_id", name=op.f("uq_reversal_public_id")),
    )
    op.create_index("ix_reversal_commitment_id", "reversal", ["commitment_id"], unique=False)
    op.create_index("ix_reversal_offering_id_state", "reversal", ["offering_id", "state"], unique=False)
    op.create_index(
        "ix_reversal_open",
        "reversal",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "issuer_claim",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=False),
        sa.Column("reversal_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("set_off_minor", sa.BigInteger(), nullable=False),
        sa.Column("given_up_minor", sa.BigInteger(), nullable=False),
        sa.Column("won_back_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'open') = (paid_minor + set_off_minor + given_up_minor + won_back_minor < amount_minor)",
            name=op.f("ck_issuer_claim_open_while_owed"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'settled', 'given_up', 'won_back')", name=op.f("ck_issuer_claim_state")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_issuer_claim_above_zero")),
        sa.CheckConstraint(
            "paid_minor + set_off_minor + given_up_minor + won_back_minor <= amount_minor",
            name=op.f("ck_issuer_claim_within"),
        ),
        sa.CheckConstraint(
            "paid_minor >= 0 AND set_off_minor >= 0 AND given_up_minor >= 0 AND won_back_minor >= 0",
            name=op.f("ck_issuer_claim_not_negative"),
        ),
        sa.ForeignKeyConstraint(["reversal_id"], ["reversal.id"], name=op.f("fk_issuer_claim_reversal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_claim")),
        sa.UniqueConstraint("public_id", name=op.f("uq_issuer_claim_public_id")),
        sa.UniqueConstraint("reversal_id", name=op.f("uq_issuer_claim_reversal_id")),
    )
    op.create_index(
        "ix_issuer_claim_offering_id_state", "issuer_claim", ["offering_id", "state"], unique=False
    )
    op.create_index(
        "ix_issuer_claim_open",
        "issuer_claim",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.add_column("carried_share", sa.Column("voided_by", sa.BigInteger(), nullable=True))
    op.add_column(
        "commitment", sa.Column("disputed_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    with op.batch_alter_table("payout") as batch:
        batch.add_column(sa.Column("reversal_id", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("set_off_minor", sa.BigInteger(), server_default="0", nullable=False))
        batch.alter_column("release_id", nullable=True)
        batch.drop_constraint(op.f("ck_payout_status"), type_="check")
        batch.create_check_constraint(
            op.f("ck_payout_status"), "status IN ('waiting', 'reserved', 'sending', 'paid', 'set_off')"
        )
        batch.create_check_constraint(
            op.f("ck_payout_set_off_within"), "set_off_minor >= 0 AND set_off_minor <= amount_minor"
        )
        batch.create_check_constraint(
            op.f("ck_payout_set_off_whole"), "(status = 'set_off') = (set_off_minor = amount_minor)"
        )
        batch.create_check_constraint(
            op.f("ck_payout_has_one_cause"), "(release_id IS NULL) <> (reversal_id IS NULL)"
        )
        batch.create_unique_constraint(op.f("uq_payout_reversal_id"), ["reversal_id"])


def downgrade() -> None:
    with op.batch_alter_table("payout") as batch:
        batch.drop_constraint(op.f("uq_payout_reversal_id"), type_="unique")
        for name in ("has_one_cause", "set_off_whole", "set_off_within", "status"):
            batch.drop_constraint(op.f(f"ck_payout_{name}"), type_="check")
        batch.create_check_constraint(
            op.f("ck_payout_status"), "status IN ('waiting', 'reserved', 'sending', 'paid')"
        )
        batch.alter_column("release_id", nullable=False)
        batch.drop_column("set_off_minor")
        batch.drop_column("reversal_id")
    op.drop_column("commitment", "disputed_minor")
    op.drop_column("carried_share", "voided_by")
    op.drop_table("issuer_claim")
    op.drop_table("reversal")
    op.drop_table("sandbox_dispute")
