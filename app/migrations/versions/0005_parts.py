"""Releases in part, retained parts and parts that wait for a report

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNTS = ("share_pct", "verdict_pct", "parts", "decided_minor", "counted_minor", "reporting_minor")


def upgrade() -> None:
    for name in COUNTS:
        op.add_column("milestone", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("milestone", sa.Column("retained_until", UTCDateTime(), nullable=True))
    # What was released before this was released whole; what was approved was met.
    op.execute(
        "UPDATE milestone SET share_pct = 100, decided_minor = tranche_minor, counted_minor = tranche_minor"
        " WHERE state = 'released'"
    )
    op.execute("UPDATE milestone SET verdict_pct = 100 WHERE state IN ('challengeable', 'disputed', 'approved')")
    op.execute(
        "UPDATE milestone SET returned_minor = tranche_minor"
        " WHERE state IN ('failed', 'lapsed') AND tranche_minor IS NOT NULL"
    )
    with op.batch_alter_table("milestone") as milestone:
        milestone.create_check_constraint(op.f("ck_milestone_never_more_than_decided"), "released_minor <= decided_minor")
        milestone.create_check_constraint(
            op.f("ck_milestone_parts_within_the_tranche"),
            "tranche_minor IS NULL OR decided_minor + returned_minor + reporting_minor <= tranche_minor",
        )
        milestone.create_check_constraint(
            op.f("ck_milestone_parts_in_range"),
            "parts BETWEEN 0 AND 2 AND share_pct BETWEEN 0 AND 100 AND verdict_pct BETWEEN 0 AND 100",
        )
    with op.batch_alter_table("carried_share") as carried:
        carried.add_column(sa.Column("part", sa.BigInteger(), server_default="1", nullable=False))
        carried.drop_constraint(op.f("uq_carried_share_milestone_id_commitment_id"), type_="unique")
        carried.create_unique_constraint(
            op.f("uq_carried_share_milestone_id_part_commitment_id"), ["milestone_id", "part", "commitment_id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("carried_share") as carried:
        carried.drop_constraint(op.f("uq_carried_share_milestone_id_part_commitment_id"), type_="unique")
        carried.drop_column("part")
        carried.create_unique_constraint(
            op.f("uq_carried_share_milestone_id_commitment_id"), ["milestone_id", "commitment_id"]
        )
    with op.batch_alter_table("milestone") as milestone:
        for name in ("never_more_than_decided", "parts_within_the_tranche", "parts_in_range"):
            milestone.drop_constraint(op.f(f"ck_milestone_{name}"), type_="check")
        for name in (*COUNTS, "retained_until"):
            milestone.drop_column(name)
