"""Draws by lot, and what auditors say of themselves

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

APPEND_ONLY = ("lot_seed", "lot_draw", "lot_ticket")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auditor_profile",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("is_willing", sa.Boolean(), nullable=False),
        sa.Column("sectors", sa.Text(), nullable=False),
        sa.Column("firm", sa.Text(), nullable=False),
        sa.Column("firm_key", sa.Text(), nullable=False),
        sa.Column("fee_note", sa.Text(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_auditor_profile_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auditor_profile")),
        sa.UniqueConstraint("party_id", name=op.f("uq_auditor_profile_party_id")),
    )
    op.create_table(
        "declared_conflict",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declared_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name=op.f("fk_declared_conflict_issuer_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_declared_conflict_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declared_conflict")),
        sa.UniqueConstraint("public_id", name=op.f("uq_declared_conflict_public_id")),
    )
    op.create_index(
        "ix_declared_conflict_party_id_issuer_id", "declared_conflict", ["party_id", "issuer_id"], unique=False
    )
    op.create_table(
        "lot_seed",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("committed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_lot_seed_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot_seed")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_lot_seed_offering_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_lot_seed_public_id")),
    )
    op.create_table(
        "lot_draw",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_key", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("seats", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("seed_id", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("drawn_by", sa.BigInteger(), nullable=True),
        sa.Column("drawn_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_lot_draw_offering_id")),
        sa.ForeignKeyConstraint(["seed_id"], ["lot_seed.id"], name=op.f("fk_lot_draw_seed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot_draw")),
        sa.UniqueConstraint("public_id", name=op.f("uq_lot_draw_public_id")),
        sa.UniqueConstraint("seed_id", name=op.f("uq_lot_draw_seed_id")),
    )
    op.create_index("ix_lot_draw_offering_id", "lot_draw", ["offering_id"], unique=False)
    op.create_table(
        "lot_ticket",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("draw_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("rank", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("excluded", sa.Text(), nullable=True),
        sa.CheckConstraint("(position IS NULL) = (excluded IS NOT NULL)", name=op.f("ck_lot_ticket_drawn_or_excluded")),
        sa.ForeignKeyConstraint(["draw_id"], ["lot_draw.id"], name=op.f("fk_lot_ticket_draw_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_lot_ticket_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot_ticket")),
        sa.UniqueConstraint("draw_id", "party_id", name=op.f("uq_lot_ticket_draw_id_party_id")),
    )
    op.create_index("ix_lot_ticket_party_id", "lot_ticket", ["party_id"], unique=False)
    triggers.guard(op.get_bind(), APPEND_ONLY)


def downgrade() -> None:
    triggers.unguard(op.get_bind(), APPEND_ONLY)
    for table in ("lot_ticket", "lot_draw", "lot_seed", "declared_conflict", "auditor_profile"):
        op.drop_table(table)
