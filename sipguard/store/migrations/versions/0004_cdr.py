"""Call records as one row each, numbered in the order of writing, found by blocks, dropped by whole days.

What was there is numbered in the order in which the calls ended.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE cdr_new (
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 1),
    sip_hash INTEGER NOT NULL DEFAULT 0,
    call INTEGER NOT NULL,
    sip_call_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'refused', 'failed', 'cancelled')),
    source TEXT NOT NULL,
    account_id TEXT,
    phone_id TEXT,
    mapping_gateway_id TEXT,
    routing_gateway_id TEXT,
    called_received TEXT NOT NULL,
    called TEXT,
    called_sent TEXT,
    calling_received TEXT NOT NULL,
    calling TEXT,
    invited_ms INTEGER NOT NULL,
    ringing_ms INTEGER,
    answered_ms INTEGER,
    ended_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
    status INTEGER NOT NULL,
    reason TEXT,
    q850 INTEGER,
    ended_by TEXT NOT NULL,
    refusal_level TEXT,
    refusal_rule TEXT,
    refusal_observed TEXT,
    refusal_required TEXT,
    currency TEXT NOT NULL DEFAULT '',
    cost_micros INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    callee_user_agent TEXT NOT NULL DEFAULT '',
    codecs_offered TEXT NOT NULL DEFAULT '',
    codecs_answered TEXT NOT NULL DEFAULT '',
    tries TEXT NOT NULL DEFAULT '[]',
    levels TEXT NOT NULL DEFAULT '[]'
) STRICT;
"""

OLD = """
INSERT INTO cdr_new
    SELECT row_number() OVER (ORDER BY ended_ms, call), crc32(sip_call_id), call, sip_call_id, outcome,
        source, account_id, NULL, mapping_gateway_id, routing_gateway_id, called_received, called,
        called_sent,
        calling_received, calling, invited_ms, ringing_ms, answered_ms, ended_ms, duration_ms, status, reason,
        q850, ended_by, refusal_level, refusal_rule, refusal_observed, refusal_required,
        coalesce((SELECT currency FROM account WHERE id = account_id), ''),
        cost_micros, revision, user_agent, '', '', '',
        (SELECT json_group_array(json_array(gateway_id, number, status, cause)) FROM
            (SELECT * FROM cdr_try WHERE cdr_try.call = cdr.call ORDER BY position)),
        (SELECT json_group_array(json_array(position, account_id, ledger, income_ledger, rate_key,
            rate_micros, billed_seconds, charge_micros, balance_micros, tax_ppm, tax_micros,
            coalesce((SELECT prefix FROM rate WHERE key = rate_key), ''))) FROM
            (SELECT * FROM cdr_level WHERE cdr_level.call = cdr.call ORDER BY position))
    FROM cdr;
DROP TABLE cdr_level;
DROP TABLE cdr_try;
DROP TABLE cdr;
ALTER TABLE cdr_new RENAME TO cdr;
CREATE UNIQUE INDEX cdr_of_call ON cdr (call);
"""

VIEWS = """
CREATE VIEW cdr_try AS
    SELECT call, key AS position, value ->> 0 AS gateway_id, value ->> 1 AS number, value ->> 2 AS status,
        value ->> 3 AS cause
    FROM cdr, json_each(cdr.tries);

CREATE VIEW cdr_level AS
    SELECT call, value ->> 0 AS position, value ->> 1 AS account_id, value ->> 2 AS ledger,
        value ->> 3 AS income_ledger, value ->> 4 AS rate_key, value ->> 5 AS rate_micros,
        value ->> 6 AS billed_seconds, value ->> 7 AS charge_micros, value ->> 8 AS balance_micros,
        value ->> 9 AS tax_ppm, value ->> 10 AS tax_micros, value ->> 11 AS prefix
    FROM cdr, json_each(cdr.levels);
"""

# A block is 8192 sequences. Its rows here are made once it is full, and go with it.
BLOCKS = """
CREATE TABLE cdr_block (
    block INTEGER PRIMARY KEY,
    first_invited_ms INTEGER NOT NULL,
    last_invited_ms INTEGER NOT NULL,
    first_ended_ms INTEGER NOT NULL,
    last_ended_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE cdr_block_account (
    block INTEGER NOT NULL REFERENCES cdr_block (block),
    account_id TEXT NOT NULL,
    PRIMARY KEY (block, account_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE cdr_block_call_id (
    block INTEGER NOT NULL REFERENCES cdr_block (block),
    sip_hash INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (block, sip_hash, sequence)
) STRICT, WITHOUT ROWID;
"""

# Records go only by whole days that are over, and only once the store has been told to keep none before.
RETENTION = """
CREATE TABLE cdr_retention (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    kept_from_ms INTEGER NOT NULL CHECK (kept_from_ms % 86400000 = 0),
    dropped_through INTEGER NOT NULL
) STRICT;
INSERT INTO cdr_retention VALUES (1, 0, 0);

CREATE TRIGGER cdr_retention_goes_forward BEFORE UPDATE ON cdr_retention
WHEN NEW.kept_from_ms < OLD.kept_from_ms OR NEW.dropped_through < OLD.dropped_through
    OR NEW.kept_from_ms > unixepoch('now') * 1000
BEGIN SELECT RAISE(ABORT, 'cdr_retention: it goes forward only, and never beyond today'); END;
CREATE TRIGGER cdr_retention_no_delete BEFORE DELETE ON cdr_retention
BEGIN SELECT RAISE(ABORT, 'cdr_retention: it goes forward only'); END;

CREATE TRIGGER cdr_no_update BEFORE UPDATE ON cdr
BEGIN SELECT RAISE(ABORT, 'cdr is append-only'); END;
CREATE TRIGGER cdr_no_delete BEFORE DELETE ON cdr
WHEN OLD.ended_ms >= coalesce((SELECT kept_from_ms FROM cdr_retention), 0)
BEGIN SELECT RAISE(ABORT, 'cdr is append-only'); END;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.create_function("crc32", 1, lambda text: zlib.crc32(text.encode()), deterministic=True)
    for script in (TABLE, OLD, VIEWS, BLOCKS, RETENTION):
        for statement in _statements(script):
            op.execute(statement.replace(":", r"\:"))  # SQLAlchemy would take ": name" for a parameter


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")


def _statements(script: str) -> Iterator[str]:
    """The single statements of a script, triggers whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
