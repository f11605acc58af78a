"""Whether locking an account ends its calls."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE account ADD COLUMN lock_ends_calls INTEGER CHECK (lock_ends_calls IN (0, 1))")


def downgrade() -> None:
    op.execute("ALTER TABLE account DROP COLUMN lock_ends_calls")
