"""Keep that an auditor took an attestation back, or corrected it after the release, and why (MIL-15).

Revision: 0018
Follows: 0017
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attestation_withdrawal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("attestation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('withdrawn', 'corrected', 'noted')", name=op.f("ck_attestation_withdrawal_kind")
        ),
        sa.ForeignKeyConstraint(
            ["attestation_id"], ["attestation.id"], name=op.f("fk_attestation_withdrawal_attestation_id_attestation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attestation_withdrawal")),
        sa.UniqueConstraint("public_id", name=op.f("uq_attestation_withdrawal_public_id")),
        sa.UniqueConstraint("attestation_id", name=op.f("uq_attestation_withdrawal_attestation_id")),
    )
    triggers.guard(op.get_bind(), ("attestation_withdrawal",))


def downgrade() -> None:
    op.drop_table("attestation_withdrawal")
