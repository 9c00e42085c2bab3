"""Orders that withdraw a live offering, and authorities' orders as documents

Revision: 0017
Follows: 0016
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE wind_down_order ADD COLUMN kind TEXT DEFAULT 'wind_down' NOT NULL "
        "CONSTRAINT ck_wind_down_order_kind CHECK (kind IN ('wind_down', 'withdraw'))"
    )
    op.create_table(
        "authority_order",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("attached_by", sa.BigInteger(), nullable=False),
        sa.Column("attached_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_authority_order_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authority_order")),
        sa.UniqueConstraint("public_id", name=op.f("uq_authority_order_public_id")),
    )
    op.create_index("ix_authority_order_about", "authority_order", ["about"], unique=False)
    triggers.guard(op.get_bind(), ("authority_order",))


def downgrade() -> None:
    triggers.unguard(op.get_bind(), ("authority_order",))
    op.drop_table("authority_order")
    op.drop_column("wind_down_order", "kind")
