"""The first schema: accounts, rates, gateways, the ledger, call records, live calls, the change feed.

Amounts are micro-units, times Unix milliseconds (validity dates: Unix seconds), flags 0 or 1. STRICT, so
that a wrong type is refused and not kept. AUTOINCREMENT where a key must never be used a second time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RATES = """
CREATE TABLE rate_table (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    currency TEXT NOT NULL CHECK (length(currency) = 3)
) STRICT;

CREATE TABLE rate (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    table_key INTEGER NOT NULL REFERENCES rate_table (key),
    prefix TEXT NOT NULL CHECK (length(prefix) <= 18 AND prefix NOT GLOB '*[^0-9]*'),
    destination TEXT NOT NULL,
    connect_fee_micros INTEGER NOT NULL CHECK (connect_fee_micros >= 0),
    initial_seconds INTEGER NOT NULL CHECK (initial_seconds >= 1),
    next_seconds INTEGER NOT NULL CHECK (next_seconds >= 1),
    rate_micros INTEGER NOT NULL CHECK (rate_micros >= 0),
    UNIQUE (table_key, prefix)
) STRICT;
"""

ACCOUNTS = """
CREATE TABLE account (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    name TEXT NOT NULL,
    agent_key INTEGER REFERENCES account (key) CHECK (agent_key <> key),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    rate_table_key INTEGER REFERENCES rate_table (key),
    credit_limit_micros INTEGER NOT NULL CHECK (credit_limit_micros >= 0),
    call_limit INTEGER CHECK (call_limit >= 0),
    cps_limit INTEGER CHECK (cps_limit >= 0),
    max_call_seconds INTEGER CHECK (max_call_seconds >= 0),
    max_rate_micros INTEGER CHECK (max_rate_micros >= 0),
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    valid_from INTEGER,
    valid_till INTEGER CHECK (valid_till > valid_from)
) STRICT;
CREATE INDEX account_agent ON account (agent_key);

CREATE TRIGGER account_id_is_fixed BEFORE UPDATE OF id ON account WHEN NEW.id <> OLD.id
BEGIN SELECT RAISE(ABORT, 'account: an id never changes'); END;

CREATE TRIGGER account_no_circle BEFORE UPDATE OF agent_key ON account WHEN NEW.agent_key IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'account: an agent cannot stand below its own sub-account') WHERE NEW.key IN (
    WITH RECURSIVE above (key) AS (
        SELECT NEW.agent_key UNION SELECT agent_key FROM account JOIN above USING (key))
    SELECT key FROM above WHERE key IS NOT NULL);
END;

CREATE TABLE section (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    account_key INTEGER NOT NULL REFERENCES account (key),
    direction TEXT NOT NULL CHECK (direction IN ('called', 'calling')),
    action TEXT NOT NULL CHECK (action IN ('allow', 'block')),
    prefix TEXT NOT NULL CHECK (length(prefix) <= 18 AND prefix NOT GLOB '*[^0-9]*'),
    UNIQUE (account_key, direction, prefix, action)
) STRICT;
"""

GATEWAYS = """
CREATE TABLE routing_gateway (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    host TEXT NOT NULL CHECK (host <> ''),
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    transport TEXT NOT NULL CHECK (transport IN ('udp', 'tcp', 'tls')),
    capacity INTEGER CHECK (capacity >= 0),
    cps_limit INTEGER CHECK (cps_limit >= 0),
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    cost_table_key INTEGER REFERENCES rate_table (key),
    vendor_credit_micros INTEGER CHECK (vendor_credit_micros >= 0),
    strip_digits INTEGER NOT NULL CHECK (strip_digits >= 0),
    add_prefix TEXT NOT NULL CHECK (add_prefix NOT GLOB '*[^0-9]*'),
    answer_timeout_ms INTEGER NOT NULL CHECK (answer_timeout_ms >= 1),
    ring_timeout_ms INTEGER NOT NULL CHECK (ring_timeout_ms >= 1),
    failover_codes TEXT NOT NULL CHECK (json_valid(failover_codes))
) STRICT;

CREATE TABLE route (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway_key INTEGER NOT NULL REFERENCES routing_gateway (key),
    prefix TEXT NOT NULL CHECK (length(prefix) <= 18 AND prefix NOT GLOB '*[^0-9]*'),
    mode TEXT NOT NULL CHECK (mode IN ('terminate', 'continue')),
    priority INTEGER NOT NULL CHECK (priority >= 0),
    weight INTEGER NOT NULL CHECK (weight >= 1),
    UNIQUE (gateway_key, prefix)
) STRICT;

CREATE TABLE mapping_gateway (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    account_key INTEGER NOT NULL REFERENCES account (key),
    capacity INTEGER CHECK (capacity >= 0),
    cps_limit INTEGER CHECK (cps_limit >= 0),
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    country_code TEXT CHECK (country_code NOT GLOB '*[^0-9]*'),
    national_prefix TEXT CHECK (national_prefix NOT GLOB '*[^0-9]*'),
    international_prefixes TEXT NOT NULL CHECK (json_valid(international_prefixes)),
    all_routing_gateways INTEGER NOT NULL CHECK (all_routing_gateways IN (0, 1))
) STRICT;

CREATE TABLE mapping_gateway_source (
    network TEXT PRIMARY KEY,
    gateway_key INTEGER NOT NULL REFERENCES mapping_gateway (key)
) STRICT, WITHOUT ROWID;

CREATE TABLE mapping_gateway_route (
    gateway_key INTEGER NOT NULL REFERENCES mapping_gateway (key),
    routing_gateway_key INTEGER NOT NULL REFERENCES routing_gateway (key),
    PRIMARY KEY (gateway_key, routing_gateway_key)
) STRICT, WITHOUT ROWID;
"""

# A ledger account belongs to an account, to a vendor's routing gateway, or to the house (neither).
LEDGER = """
CREATE TABLE ledger_account (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('balance', 'revenue', 'clearing', 'cost', 'cash')),
    account_key INTEGER REFERENCES account (key),
    routing_gateway_key INTEGER REFERENCES routing_gateway (key),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    balance_micros INTEGER NOT NULL,
    CHECK (account_key IS NULL OR kind IN ('balance', 'revenue')),
    CHECK (account_key IS NOT NULL OR kind <> 'balance'),
    CHECK ((routing_gateway_key IS NOT NULL) = (kind = 'clearing'))
) STRICT;
CREATE UNIQUE INDEX ledger_account_of_account ON ledger_account (account_key, kind)
    WHERE account_key IS NOT NULL;
CREATE UNIQUE INDEX ledger_account_of_vendor ON ledger_account (routing_gateway_key)
    WHERE routing_gateway_key IS NOT NULL;
CREATE UNIQUE INDEX ledger_account_of_house ON ledger_account (kind, currency)
    WHERE account_key IS NULL AND routing_gateway_key IS NULL;

CREATE TABLE journal_entry (
    key INTEGER PRIMARY KEY CHECK (key >= 1),
    idempotency_key TEXT NOT NULL UNIQUE CHECK (idempotency_key <> ''),
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    origin TEXT NOT NULL,
    memo TEXT NOT NULL,
    previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE posting (
    entry INTEGER NOT NULL REFERENCES journal_entry (key),
    position INTEGER NOT NULL,
    ledger INTEGER NOT NULL REFERENCES ledger_account (key),
    amount_micros INTEGER NOT NULL,
    PRIMARY KEY (entry, position)
) STRICT, WITHOUT ROWID;
"""

CALLS = """
CREATE TABLE cdr (
    call INTEGER PRIMARY KEY,
    sip_call_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'refused', 'failed', 'cancelled')),
    source TEXT NOT NULL,
    account_id TEXT,
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
    cost_micros INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    user_agent TEXT NOT NULL
) STRICT;
CREATE INDEX cdr_sip_call_id ON cdr (sip_call_id);
CREATE INDEX cdr_account ON cdr (account_id);

CREATE TABLE cdr_level (
    call INTEGER NOT NULL REFERENCES cdr (call),
    position INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    ledger INTEGER NOT NULL,
    income_ledger INTEGER NOT NULL,
    rate_key INTEGER,
    rate_micros INTEGER NOT NULL,
    billed_seconds INTEGER NOT NULL,
    charge_micros INTEGER NOT NULL,
    balance_micros INTEGER NOT NULL,
    PRIMARY KEY (call, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE cdr_try (
    call INTEGER NOT NULL REFERENCES cdr (call),
    position INTEGER NOT NULL,
    gateway_id TEXT NOT NULL,
    number TEXT NOT NULL,
    status INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (call, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE live_call (
    call INTEGER PRIMARY KEY,
    answered_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    dialog BLOB NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE INDEX live_call_ended ON live_call (ended_ms) WHERE ended_ms IS NOT NULL;

CREATE TABLE rejected_record (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    error TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
"""

FEED = """
CREATE TABLE change (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    noun TEXT NOT NULL,
    action TEXT NOT NULL,
    id TEXT NOT NULL
) STRICT;

CREATE TABLE instance (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT,
    started_ms INTEGER NOT NULL
) STRICT;
"""

APPEND_ONLY = ("journal_entry", "posting", "cdr", "cdr_level", "cdr_try")


def upgrade() -> None:
    for script in (RATES, ACCOUNTS, GATEWAYS, LEDGER, CALLS, FEED):
        for statement in _statements(script):
            op.execute(statement)
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def downgrade() -> None:
    raise NotImplementedError("there is nothing below the first schema")


def _statements(script: str) -> Iterator[str]:
    """The single statements of a script, triggers whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
