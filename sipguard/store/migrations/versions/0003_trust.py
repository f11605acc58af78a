"""Whose word is taken: trusted mapping gateways, and what routing gateways dial by beside the request URI."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FLAGS = (
    ("mapping_gateway", "trusted"),
    ("routing_gateway", "dials_by_to"),
    ("routing_gateway", "takes_refer"),
)


def upgrade() -> None:
    for table, flag in FLAGS:
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {flag} INTEGER NOT NULL DEFAULT 0 CHECK ({flag} IN (0, 1))"
        )


def downgrade() -> None:
    for table, flag in FLAGS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {flag}")
