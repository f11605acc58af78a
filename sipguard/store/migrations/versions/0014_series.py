"""Figures by the minute and by the hour, and how far they are counted."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# By time first: what is written lies at the end, and what is forgotten at the beginning.
SERIES = """
CREATE TABLE series (
    step INTEGER NOT NULL CHECK (step IN (60, 3600)),
    at INTEGER NOT NULL CHECK (at % step = 0),
    scope TEXT NOT NULL CHECK (scope IN
        ('all', 'account', 'below', 'mapping_gateway', 'routing_gateway', 'destination')),
    key TEXT NOT NULL,
    currency TEXT NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    pdd_ms INTEGER NOT NULL DEFAULT 0,
    pdd_calls INTEGER NOT NULL DEFAULT 0,
    charge_micros INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    balance_micros INTEGER,
    sub_accounts INTEGER,
    PRIMARY KEY (step, at, scope, key, currency)
) STRICT, WITHOUT ROWID
"""
# What was last known before a moment; by the hour, so that the minutes write at one place alone.
BALANCE = """
CREATE INDEX series_balance ON series (key, at) WHERE step = 3600 AND balance_micros IS NOT NULL
"""
GROWTH = "CREATE INDEX series_growth ON series (key, at) WHERE step = 3600 AND sub_accounts IS NOT NULL"

# Through which record and which change everything is counted. The first step counts what there is already.
POSITION = """
CREATE TABLE series_position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    grown INTEGER NOT NULL
) STRICT
"""


def upgrade() -> None:
    for statement in (SERIES, BALANCE, GROWTH, POSITION):
        op.execute(statement)
    op.execute("INSERT INTO series_position VALUES (1, 0, 0, 0)")


def downgrade() -> None:
    for table in ("series", "series_position"):
        op.execute(f"DROP TABLE {table}")
