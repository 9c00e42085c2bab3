"""Lateness and reports

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

APPEND_ONLY = (
    "extension",
    "extension_move",
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "extension",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("days > 0", name=op.f("ck_extension_above_zero")),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_extension_milestone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension")),
        sa.UniqueConstraint("milestone_id", name=op.f("uq_extension_milestone_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_extension_public_id")),
    )
    op.create_table(
        "extension_move",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("extension_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("seconds > 0", name=op.f("ck_extension_move_above_zero")),
        sa.ForeignKeyConstraint(
            ["extension_id"], ["extension.id"], name=op.f("fk_extension_move_extension_id")
        ),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.id"], name=op.f("fk_extension_move_milestone_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension_move")),
        sa.UniqueConstraint(
            "extension_id", "milestone_id", name=op.f("uq_extension_move_extension_id_milestone_id")
        ),
    )
    op.create_index("ix_extension_move_milestone_id", "extension_move", ["milestone_id"], unique=False)
    op.create_table(
        "report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("reminded_at", UTCDateTime(), nullable=True),
        sa.Column("done", sa.Text(), nullable=True),
        sa.Column("spent_minor", sa.BigInteger(), nullable=True),
        sa.Column("next_steps", sa.Text(), nullable=True),
        sa.Column("next_on", sa.Text(), nullable=True),
        sa.Column("cash_left_minor", sa.BigInteger(), nullable=True),
        sa.Column("risks", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("filed_by", sa.BigInteger(), nullable=True),
        sa.Column("filed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'filed') = (filed_at IS NOT NULL)", name=op.f("ck_report_filed")),
        sa.CheckConstraint(
            "state <> 'filed' OR (done IS NOT NULL AND spent_minor IS NOT NULL AND next_steps IS NOT NULL AND next_on IS NOT NULL AND cash_left_minor IS NOT NULL AND risks IS NOT NULL AND content_hash IS NOT NULL AND filed_by IS NOT NULL)",
            name=op.f("ck_report_whole"),
        ),
        sa.CheckConstraint("state IN ('due', 'filed', 'missed', 'ended')", name=op.f("ck_report_state")),
        sa.CheckConstraint("spent_minor >= 0 AND cash_left_minor >= 0", name=op.f("ck_report_not_negative")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_report_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_report_offering_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_report_public_id")),
    )
    op.create_index("ix_report_state_due_at", "report", ["state", "due_at"], unique=False)
    op.create_index(
        "uq_report_due",
        "report",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "report_countdown",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL AND outcome IS NOT NULL)",
            name=op.f("ck_report_countdown_ended"),
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('reported', 'wound_down', 'offering_ended')",
            name=op.f("ck_report_countdown_outcome"),
        ),
        sa.CheckConstraint("state IN ('running', 'ended')", name=op.f("ck_report_countdown_state")),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name=op.f("fk_report_countdown_offering_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_countdown")),
        sa.UniqueConstraint("public_id", name=op.f("uq_report_countdown_public_id")),
    )
    op.create_index(
        "uq_report_countdown_running",
        "report_countdown",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.add_column(
        "milestone", sa.Column("extended_seconds", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("milestone", sa.Column("past_grace_at", UTCDateTime(), nullable=True))
    triggers.guard(op.get_bind(), APPEND_ONLY)


def downgrade() -> None:
    op.drop_column("milestone", "extended_seconds")
    op.drop_column("milestone", "past_grace_at")
    op.drop_table("report_countdown")
    op.drop_table("report")
    op.drop_table("extension_move")
    op.drop_table("extension")
