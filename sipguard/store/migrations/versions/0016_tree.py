"""Accounts that are closed, templates of authorizations, destination sets, approvals, bulk creation."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A closed account is hidden and places no call; its row stays for what refers to it.
    "ALTER TABLE account ADD COLUMN closed_ms INTEGER CHECK (closed_ms IS NULL OR locked = 1)",
    # All that a walk down the tree reads, in the order of lists.
    "DROP INDEX account_agent",
    "CREATE INDEX account_agent ON account (agent_key, closed_ms, id)",
    # What reports of authorizations go through: most accounts hold none.
    "CREATE INDEX account_granted ON account (id) WHERE granted <> 0",
    """
CREATE TABLE authorization_template (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    granted INTEGER NOT NULL CHECK (granted BETWEEN 0 AND 255),
    memo TEXT NOT NULL
) STRICT
""",
    # A named list of prefixes, of an agent or of the operator (no owner).
    """
CREATE TABLE destination_set (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL CHECK (id <> ''),
    owner_key INTEGER REFERENCES account (key),
    memo TEXT NOT NULL
) STRICT
""",
    "CREATE UNIQUE INDEX destination_set_agent ON destination_set (owner_key, id)"
    " WHERE owner_key IS NOT NULL",
    "CREATE UNIQUE INDEX destination_set_operator ON destination_set (id) WHERE owner_key IS NULL",
    """
CREATE TABLE destination_prefix (
    set_key INTEGER NOT NULL REFERENCES destination_set (key),
    prefix TEXT NOT NULL CHECK (length(prefix) <= 18 AND prefix NOT GLOB '*[^0-9]*'),
    PRIMARY KEY (set_key, prefix)
) STRICT, WITHOUT ROWID
""",
    # Which sets an account's sections name; their prefixes stand as rows of `section` that name the set.
    """
CREATE TABLE section_set (
    account_key INTEGER NOT NULL REFERENCES account (key),
    direction TEXT NOT NULL CHECK (direction IN ('called', 'calling')),
    action TEXT NOT NULL CHECK (action IN ('allow', 'block')),
    set_key INTEGER NOT NULL REFERENCES destination_set (key),
    PRIMARY KEY (account_key, direction, action, set_key)
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX section_set_set ON section_set (set_key)",
    "ALTER TABLE section ADD COLUMN set_key INTEGER REFERENCES destination_set (key)",
    "CREATE INDEX section_of_set ON section (set_key) WHERE set_key IS NOT NULL",
    # What an agent asked for and an administrator decides; `form` is the whole command.
    """
CREATE TABLE approval (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL,
    id TEXT NOT NULL,
    form TEXT NOT NULL CHECK (json_valid(form)),
    reason TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'withdrawn')),
    actor TEXT NOT NULL,
    login_key INTEGER,
    account_key INTEGER NOT NULL REFERENCES account (key),
    asked_ms INTEGER NOT NULL,
    decided_by TEXT,
    decided_ms INTEGER,
    decision TEXT,
    CHECK ((state = 'pending') = (decided_ms IS NULL))
) STRICT
""",
    "CREATE INDEX approval_account ON approval (account_key, key)",
    "CREATE INDEX approval_pending ON approval (key) WHERE state = 'pending'",
    # A job that makes accounts from a file; how far it is, is committed with every batch.
    """
CREATE TABLE account_import (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    actor_role TEXT NOT NULL,
    login_key INTEGER,
    account_key INTEGER REFERENCES account (key),
    via TEXT NOT NULL,
    content_hash BLOB NOT NULL CHECK (length(content_hash) = 32),
    content BLOB,
    dry_run INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    batch_lines INTEGER NOT NULL CHECK (batch_lines > 0),
    state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'done')),
    lines INTEGER NOT NULL,
    lines_done INTEGER NOT NULL CHECK (lines_done <= lines),
    created INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    problems TEXT NOT NULL CHECK (json_valid(problems)),
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT
""",
    "CREATE INDEX account_import_account ON account_import (account_key, key)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
