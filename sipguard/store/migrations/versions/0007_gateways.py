"""Gateways by name, probes, redirections. Port and transport may be left to the DNS from here on."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Made beside the old column, which is then dropped: nothing else of the table has to be known or moved.
OPTIONAL = (
    ("port", "INTEGER CHECK (port_ BETWEEN 1 AND 65535)"),
    ("transport", "TEXT CHECK (transport_ IN ('udp', 'tcp', 'tls'))"),
)

ADDED = (
    "probe_seconds INTEGER CHECK (probe_seconds >= 1)",
    "probe_down_codes TEXT NOT NULL DEFAULT '[408,503]' CHECK (json_valid(probe_down_codes))",
    "fails_over_after_media INTEGER NOT NULL DEFAULT 0 CHECK (fails_over_after_media IN (0, 1))",
    "redirects TEXT NOT NULL DEFAULT 'refuse' CHECK (redirects IN ('refuse', 'judge'))",
)


def upgrade() -> None:
    for column, definition in OPTIONAL:
        op.execute(f"ALTER TABLE routing_gateway ADD COLUMN {column}_ {definition}")
        op.execute(f"UPDATE routing_gateway SET {column}_ = {column}")  # noqa: S608  (names of our own)
        op.execute(f"ALTER TABLE routing_gateway DROP COLUMN {column}")
        op.execute(f"ALTER TABLE routing_gateway RENAME COLUMN {column}_ TO {column}")
    for definition in ADDED:
        op.execute(f"ALTER TABLE routing_gateway ADD COLUMN {definition}")


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
