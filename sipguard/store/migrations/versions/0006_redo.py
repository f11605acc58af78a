"""How far the redo log is applied, and the name by which the database knows its own log."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE redo_position ("
        " key INTEGER PRIMARY KEY CHECK (key = 1),"
        " database_id BLOB NOT NULL CHECK (length(database_id) = 16),"
        " log_id BLOB NOT NULL CHECK (length(log_id) = 16),"
        " sequence INTEGER NOT NULL CHECK (sequence >= 0)"
        ") STRICT"
    )
    op.execute("INSERT INTO redo_position VALUES (1, randomblob(16), zeroblob(16), 0)")


def downgrade() -> None:
    op.execute("DROP TABLE redo_position")
