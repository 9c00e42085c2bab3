"""A restricted investor's own percentages of net assets, on the declaration

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("investor_declaration", sa.Column("invested_bp", sa.BigInteger(), nullable=True))
    op.add_column("investor_declaration", sa.Column("intends_bp", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("investor_declaration", "intends_bp")
    op.drop_column("investor_declaration", "invested_bp")
