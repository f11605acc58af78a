"""No INSERT OR REPLACE takes a rate away: who follows the feed by keys would go on pricing by it."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0032"
branch_labels = None
depends_on = None

_UNIQUE = "table_key, prefix, days, from_minute, till_minute, valid_from"
_NEW = ", ".join(f"NEW.{name}" for name in _UNIQUE.split(", "))

STATEMENTS = (
    "DROP TRIGGER rate_replace_is_fed",
    "CREATE TRIGGER rate_no_replace BEFORE INSERT ON rate"  # noqa: S608
    f" WHEN EXISTS (SELECT 1 FROM rate WHERE ({_UNIQUE}) = ({_NEW}) AND removed_ms IS NULL)"
    " OR EXISTS (SELECT 1 FROM rate WHERE key = NEW.key)"
    " BEGIN SELECT RAISE(ABORT, 'rate: a row stays until it is removed, and this one is there already'); END",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
