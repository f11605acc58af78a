"""Routing gateways through which calls may be sold below their cost."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE routing_gateway ADD COLUMN sells_below_cost INTEGER NOT NULL DEFAULT 0"
        " CHECK (sells_below_cost IN (0, 1))"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE routing_gateway DROP COLUMN sells_below_cost")
