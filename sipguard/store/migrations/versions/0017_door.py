"""Signing in: second factors, known devices, where attempts came from; keys for some nouns; kept headers."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

COLUMNS = (
    # Shown at enrolment and not yet confirmed by a code.
    ("login", "totp_pending TEXT"),
    # The network that an attempt came from: what is slowed down together.
    ("login_attempt", "network TEXT NOT NULL DEFAULT ''"),
    # Nouns that a key is for, as a JSON array; none: all.
    ("api_key", "nouns TEXT CHECK (nouns IS NULL OR json_valid(nouns))"),
    # Of the first answer, as a JSON object: where what it made is, and its version.
    ("idempotent_request", "headers TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(headers))"),
)

STATEMENTS = (
    "CREATE INDEX login_attempt_network ON login_attempt (network, at_ms)",
    "CREATE INDEX login_attempt_age ON login_attempt (at_ms)",
    """
CREATE TABLE recovery_code (
    login_key INTEGER NOT NULL REFERENCES login (key) ON DELETE CASCADE,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (login_key, code_hash)
) STRICT, WITHOUT ROWID
""",
    # Browsers that somebody has signed in with before: strangers' guesses do not keep them out.
    """
CREATE TABLE login_device (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    login_key INTEGER NOT NULL REFERENCES login (key) ON DELETE CASCADE,
    seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX login_device_login ON login_device (login_key)",
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
