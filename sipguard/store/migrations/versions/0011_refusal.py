"""What the engine refused before policy was asked, summed up by the minute."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE refusal ("
        "key INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, source_host TEXT NOT NULL,"
        " method TEXT NOT NULL, status INTEGER NOT NULL, count INTEGER NOT NULL CHECK (count >= 1),"
        " sip_call_id TEXT NOT NULL) STRICT"
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
