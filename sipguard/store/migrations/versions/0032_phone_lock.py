"""The lock of a phone says which calls it bars; one that was locked bars all."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE phone ADD COLUMN lock TEXT NOT NULL DEFAULT 'none'"
    " CHECK (lock IN ('none', 'outgoing', 'incoming', 'all'))",
    "UPDATE phone SET lock = 'all' WHERE locked",
    "ALTER TABLE phone DROP COLUMN locked",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
