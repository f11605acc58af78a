"""Management: grants, owners, logins, sessions, API keys, the audit log, requests that may be repeated."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = (
    # Bit N - 1 is authorization N; new accounts hold none.
    ("account", "granted INTEGER NOT NULL DEFAULT 0 CHECK (granted BETWEEN 0 AND 255)"),
    ("account", "memo TEXT NOT NULL DEFAULT ''"),
    # The agent that keeps the table or the gateway; none: the operator.
    ("rate_table", "owner_key INTEGER REFERENCES account (key)"),
    ("routing_gateway", "owner_key INTEGER REFERENCES account (key)"),
)

# The order of lists and of the tree; says also whether an account is an agent.
INDEXES = (
    "DROP INDEX account_agent",
    "CREATE INDEX account_agent ON account (agent_key, id)",
)

TABLES = (
    """
CREATE TABLE login (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE COLLATE NOCASE CHECK (username <> ''),
    role TEXT NOT NULL CHECK (role IN ('administrator', 'support', 'viewer', 'account')),
    account_key INTEGER REFERENCES account (key),
    password_hash TEXT NOT NULL,
    totp_secret TEXT,
    totp_last_step INTEGER,
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    CHECK ((role = 'account') = (account_key IS NOT NULL))
) STRICT
""",
    "CREATE INDEX login_account ON login (account_key) WHERE account_key IS NOT NULL",
    # Every attempt to sign in that got as far as a name; the base of lockout and of the last logins.
    """
CREATE TABLE login_attempt (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    username TEXT NOT NULL COLLATE NOCASE,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused'))
) STRICT
""",
    "CREATE INDEX login_attempt_username ON login_attempt (username, at_ms)",
    # Only a hash of what the browser holds: who reads the database cannot sign in with it.
    """
CREATE TABLE session (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    login_key INTEGER NOT NULL REFERENCES login (key) ON DELETE CASCADE,
    csrf_token TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    user_agent TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX session_login ON session (login_key)",
    """
CREATE TABLE api_key (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    login_key INTEGER NOT NULL REFERENCES login (key) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    seen_ms INTEGER
) STRICT
""",
    "CREATE INDEX api_key_login ON api_key (login_key)",
    # account_key: under whose eyes the object lies; none: only those who see everything read of it.
    """
CREATE TABLE audit (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_role TEXT NOT NULL,
    actor_account_key INTEGER,
    via TEXT NOT NULL,
    action TEXT NOT NULL,
    noun TEXT NOT NULL,
    id TEXT NOT NULL,
    account_key INTEGER,
    authorization INTEGER,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT
""",
    "CREATE INDEX audit_account ON audit (account_key, key)",
    "CREATE INDEX audit_object ON audit (noun, id)",
    "CREATE INDEX audit_use ON audit (actor_account_key, authorization, key) WHERE authorization IS NOT NULL",
    # What a request with an idempotency key answered, to be answered again.
    """
CREATE TABLE idempotent_request (
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
    at_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (actor, idempotency_key)
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX idempotent_request_age ON idempotent_request (at_ms)",
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in (*INDEXES, *TABLES):
        op.execute(statement)
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{action.lower()} BEFORE {action} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
