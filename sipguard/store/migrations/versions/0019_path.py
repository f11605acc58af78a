"""The way from the top to every open account, so that a subtree is one range of an index.

A path is the keys from the top-level account to the account itself, each with a "/" behind: "3/17/420/".
What stands below an account begins with its path; "0" is the character after "/". Triggers keep it, whoever
writes.
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ADD = (
    "INSERT INTO account_path SELECT NEW.key, path || NEW.key || '/', NEW.id FROM ("
    " SELECT '' AS path WHERE NEW.agent_key IS NULL"
    " UNION ALL SELECT path FROM account_path WHERE account_key = NEW.agent_key);"
)
_IS_THERE = (
    "SELECT RAISE(ABORT, 'account: its agent is closed') WHERE NEW.agent_key IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM account_path WHERE account_key = NEW.agent_key);"
)

STATEMENTS = (
    """
CREATE TABLE account_path (
    account_key INTEGER PRIMARY KEY REFERENCES account (key),
    path TEXT NOT NULL,
    id TEXT NOT NULL
) STRICT
""",
    "CREATE UNIQUE INDEX account_path_path ON account_path (path, id)",
    """
INSERT INTO account_path
    WITH RECURSIVE walk (key, path, id) AS (
        SELECT key, key || '/', id FROM account WHERE agent_key IS NULL AND closed_ms IS NULL
        UNION ALL
        SELECT account.key, walk.path || account.key || '/', account.id
        FROM walk JOIN account ON account.agent_key = walk.key WHERE account.closed_ms IS NULL)
    SELECT key, path, id FROM walk
""",
    "CREATE TRIGGER account_path_added AFTER INSERT ON account WHEN NEW.closed_ms IS NULL"
    f" BEGIN {_IS_THERE} {_ADD} END",
    # Texts of our own schema, whatever ruff takes them for.
    "CREATE TRIGGER account_path_moved AFTER UPDATE OF agent_key ON account"  # noqa: S608
    " WHEN NEW.closed_ms IS NULL AND NEW.agent_key IS NOT OLD.agent_key"
    f" BEGIN {_IS_THERE}"
    " UPDATE account_path SET path = ("
    "   SELECT path FROM (SELECT '' AS path WHERE NEW.agent_key IS NULL"
    "   UNION ALL SELECT path FROM account_path WHERE account_key = NEW.agent_key)"
    " ) || substr(account_path.path, 1 + (SELECT length(path) - length(NEW.key || '/') FROM account_path"
    "   WHERE account_key = NEW.key))"
    " WHERE account_key IN (SELECT below.account_key FROM account_path AS top JOIN account_path AS below"
    "   ON below.path >= top.path AND below.path < rtrim(top.path, '/') || '0'"
    "   WHERE top.account_key = NEW.key); END",
    "CREATE TRIGGER account_path_closed AFTER UPDATE OF closed_ms ON account"
    " WHEN NEW.closed_ms IS NOT NULL AND OLD.closed_ms IS NULL"
    " BEGIN SELECT RAISE(ABORT, 'account: it has sub-accounts') WHERE EXISTS ("
    "   SELECT 1 FROM account WHERE agent_key = NEW.key AND closed_ms IS NULL);"
    " DELETE FROM account_path WHERE account_key = NEW.key; END",
    "CREATE TRIGGER account_path_opened AFTER UPDATE OF closed_ms ON account"
    " WHEN NEW.closed_ms IS NULL AND OLD.closed_ms IS NOT NULL"
    f" BEGIN {_IS_THERE} {_ADD} END",
    "CREATE TRIGGER account_path_gone BEFORE DELETE ON account"
    " BEGIN DELETE FROM account_path WHERE account_key = OLD.key; END",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
