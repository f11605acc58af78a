"""Alerts, thresholds of accounts, what webhooks are still to be told, gateways as they were last seen."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = (
    """
CREATE TABLE alert (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind <> ''),
    severity TEXT NOT NULL CHECK (severity IN ('warning', 'critical')),
    scope TEXT NOT NULL CHECK (scope IN ('system', 'account', 'mapping_gateway', 'routing_gateway', 'disk')),
    subject TEXT NOT NULL,
    account_key INTEGER REFERENCES account (key),
    text TEXT NOT NULL,
    value REAL NOT NULL,
    threshold REAL NOT NULL,
    raised_ms INTEGER NOT NULL,
    cleared_ms INTEGER,
    acknowledged_ms INTEGER,
    acknowledged_by TEXT,
    note TEXT NOT NULL DEFAULT '',
    CHECK ((acknowledged_ms IS NULL) = (acknowledged_by IS NULL))
) STRICT
""",
    # One at a time of a kind about a thing, whoever raises it.
    "CREATE UNIQUE INDEX alert_standing ON alert (kind, scope, subject) WHERE cleared_ms IS NULL",
    "CREATE INDEX alert_account ON alert (account_key, key) WHERE account_key IS NOT NULL",
    """
CREATE TABLE alert_threshold (
    account_key INTEGER NOT NULL REFERENCES account (key) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind <> ''),
    subtree INTEGER NOT NULL CHECK (subtree IN (0, 1)),
    value INTEGER CHECK (value >= 0),
    PRIMARY KEY (account_key, kind, subtree)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE alert_delivery (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    body TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL
) STRICT
""",
    "CREATE INDEX alert_delivery_due ON alert_delivery (next_ms)",
    """
CREATE TABLE known_gateway (
    kind TEXT NOT NULL CHECK (kind IN ('mapping_gateway', 'routing_gateway')),
    id TEXT NOT NULL,
    content TEXT NOT NULL CHECK (json_valid(content)),
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID
""",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("alert", "alert_threshold", "alert_delivery", "known_gateway"):
        op.execute(f"DROP TABLE {table}")
