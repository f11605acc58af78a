"""Rates with grace, minimum, tiers and windows; tables with rounding and a zone; tax, and its ledger account.

A row of a rate table is never changed from here on: what a later price list replaces is marked as removed and
stays, so that the rate_key of a call record leads to the very price for good.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# tiers: "600:500000 1800:300000", from second 600 on 0.50 per minute. days: bits, Monday the lowest.
# Minutes of the local day; till_minute less than from_minute: on the next day.
RATES = """
ALTER TABLE rate_table ADD COLUMN time_rounding TEXT NOT NULL DEFAULT 'up'
    CHECK (time_rounding IN ('up', 'half_up', 'down'));
ALTER TABLE rate_table ADD COLUMN money_rounding TEXT NOT NULL DEFAULT 'half_up'
    CHECK (money_rounding IN ('up', 'half_up', 'down'));
ALTER TABLE rate_table ADD COLUMN money_unit_micros INTEGER NOT NULL DEFAULT 1 CHECK (money_unit_micros >= 1);
ALTER TABLE rate_table ADD COLUMN time_zone TEXT CHECK (time_zone <> '');

CREATE TABLE rate_new (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    table_key INTEGER NOT NULL REFERENCES rate_table (key),
    prefix TEXT NOT NULL CHECK (length(prefix) <= 18 AND prefix NOT GLOB '*[^0-9]*'),
    destination TEXT NOT NULL,
    connect_fee_micros INTEGER NOT NULL CHECK (connect_fee_micros >= 0),
    initial_seconds INTEGER NOT NULL CHECK (initial_seconds >= 1),
    next_seconds INTEGER NOT NULL CHECK (next_seconds >= 1),
    rate_micros INTEGER NOT NULL CHECK (rate_micros >= 0),
    grace_seconds INTEGER NOT NULL DEFAULT 0 CHECK (grace_seconds >= 0),
    minimum_seconds INTEGER NOT NULL DEFAULT 0 CHECK (minimum_seconds >= 0),
    minimum_micros INTEGER NOT NULL DEFAULT 0 CHECK (minimum_micros >= 0),
    tiers TEXT NOT NULL DEFAULT '' CHECK (tiers NOT GLOB '*[^0-9: ]*'),
    valid_from INTEGER NOT NULL DEFAULT 0,
    valid_till INTEGER CHECK (valid_till > valid_from),
    days INTEGER NOT NULL DEFAULT 127 CHECK (days BETWEEN 1 AND 127),
    from_minute INTEGER NOT NULL DEFAULT 0 CHECK (from_minute BETWEEN 0 AND 1439),
    till_minute INTEGER NOT NULL DEFAULT 1440 CHECK (till_minute BETWEEN 1 AND 1440),
    removed_ms INTEGER,
    CHECK (from_minute <> till_minute)
) STRICT;
INSERT INTO rate_new (key, table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,
        rate_micros)
    SELECT key, table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds, rate_micros
    FROM rate;
DELETE FROM sqlite_sequence WHERE name = 'rate_new';
INSERT INTO sqlite_sequence
    SELECT 'rate_new', seq FROM sqlite_sequence WHERE name = 'rate';
DROP TABLE rate;
ALTER TABLE rate_new RENAME TO rate;
CREATE UNIQUE INDEX rate_of_prefix ON rate
    (table_key, prefix, days, from_minute, till_minute, valid_from) WHERE removed_ms IS NULL;

CREATE TRIGGER rate_is_fixed BEFORE UPDATE ON rate
WHEN OLD.removed_ms IS NOT NULL OR NEW.removed_ms IS NULL
BEGIN SELECT RAISE(ABORT, 'rate: a row never changes, it is removed and another one added'); END;
CREATE TRIGGER rate_no_delete BEFORE DELETE ON rate
BEGIN SELECT RAISE(ABORT, 'rate: a row stays when it is removed, call records name it'); END;
"""

TAX = """
ALTER TABLE account ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC' CHECK (time_zone <> '');
ALTER TABLE account ADD COLUMN tax_ppm INTEGER NOT NULL DEFAULT 0 CHECK (tax_ppm >= 0);
ALTER TABLE cdr_level ADD COLUMN tax_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdr_level ADD COLUMN tax_micros INTEGER NOT NULL DEFAULT 0;

CREATE TABLE ledger_account_new (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('balance', 'revenue', 'clearing', 'cost', 'tax', 'cash')),
    account_key INTEGER REFERENCES account (key),
    routing_gateway_key INTEGER REFERENCES routing_gateway (key),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    balance_micros INTEGER NOT NULL,
    CHECK (account_key IS NULL OR kind IN ('balance', 'revenue')),
    CHECK (account_key IS NOT NULL OR kind <> 'balance'),
    CHECK ((routing_gateway_key IS NOT NULL) = (kind = 'clearing'))
) STRICT;
INSERT INTO ledger_account_new SELECT * FROM ledger_account;
DELETE FROM sqlite_sequence WHERE name = 'ledger_account_new';
INSERT INTO sqlite_sequence
    SELECT 'ledger_account_new', seq FROM sqlite_sequence WHERE name = 'ledger_account';
DROP TABLE ledger_account;
ALTER TABLE ledger_account_new RENAME TO ledger_account;
CREATE UNIQUE INDEX ledger_account_of_account ON ledger_account (account_key, kind)
    WHERE account_key IS NOT NULL;
CREATE UNIQUE INDEX ledger_account_of_vendor ON ledger_account (routing_gateway_key)
    WHERE routing_gateway_key IS NOT NULL;
CREATE UNIQUE INDEX ledger_account_of_house ON ledger_account (kind, currency)
    WHERE account_key IS NULL AND routing_gateway_key IS NULL;
INSERT INTO ledger_account (kind, currency, balance_micros)
    SELECT 'tax', currency, 0 FROM ledger_account WHERE kind = 'revenue' AND account_key IS NULL;
"""


def upgrade() -> None:
    for script in (RATES, TAX):
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
