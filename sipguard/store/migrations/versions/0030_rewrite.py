"""Rewrite rules of gateways and phones; the caller as a gateway was told it."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0026"
branch_labels = None
depends_on = None

RULES = "TEXT NOT NULL DEFAULT '[]' CHECK (json_valid({0}) AND json_type({0}) = 'array')"
COLUMNS = (
    ("mapping_gateway", "called_rewrite"),
    ("mapping_gateway", "caller_rewrite"),
    ("routing_gateway", "called_rewrite"),
    ("routing_gateway", "caller_rewrite"),
    ("phone", "called_rewrite"),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {RULES.format(column)}")
    op.execute("ALTER TABLE cdr ADD COLUMN calling_sent TEXT")


def downgrade() -> None:
    op.execute("ALTER TABLE cdr DROP COLUMN calling_sent")
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
