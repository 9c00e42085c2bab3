"""Let investors decide about a failed milestone: when they were asked, and a date that their vote gave.

Revision: 0014
Follows: 0013
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("milestone", sa.Column("asked_at", UTCDateTime(), nullable=True))
    triggers.unguard(op.get_bind(), ("extension",))
    with op.batch_alter_table("extension") as extension:
        extension.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="asked"))
        extension.alter_column("asked_by", existing_type=sa.BigInteger(), nullable=True)
        extension.drop_constraint(op.f("uq_extension_milestone_id"), type_="unique")
        extension.create_unique_constraint(op.f("uq_extension_milestone_id_kind"), ["milestone_id", "kind"])
        extension.create_check_constraint(op.f("ck_extension_kind"), "kind IN ('asked', 'voted')")
        extension.create_check_constraint(op.f("ck_extension_asked"), "(kind = 'asked') = (asked_by IS NOT NULL)")
    triggers.guard(op.get_bind(), ("extension",))


def downgrade() -> None:
    triggers.unguard(op.get_bind(), ("extension",))
    with op.batch_alter_table("extension") as extension:
        extension.drop_constraint(op.f("ck_extension_asked"), type_="check")
        extension.drop_constraint(op.f("ck_extension_kind"), type_="check")
        extension.drop_constraint(op.f("uq_extension_milestone_id_kind"), type_="unique")
        extension.create_unique_constraint(op.f("uq_extension_milestone_id"), ["milestone_id"])
        extension.alter_column("asked_by", existing_type=sa.BigInteger(), nullable=False)
        extension.drop_column("kind")
    triggers.guard(op.get_bind(), ("extension",))
    op.drop_column("milestone", "asked_at")
