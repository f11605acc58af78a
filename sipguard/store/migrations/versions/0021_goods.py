"""Number ranges that agents hand out, and phone cards in batches."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Begin and end have as many digits, so that text compares as numbers do.
    """
CREATE TABLE number_range (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    account_key INTEGER NOT NULL REFERENCES account (key),
    first TEXT NOT NULL CHECK (length(first) BETWEEN 1 AND 18 AND first NOT GLOB '*[^0-9]*'),
    last TEXT NOT NULL CHECK (length(last) = length(first) AND last NOT GLOB '*[^0-9]*'),
    memo TEXT NOT NULL,
    CHECK (first <= last)
) STRICT
""",
    "CREATE INDEX number_range_account ON number_range (account_key, first)",
    "CREATE INDEX phone_account ON phone (account_key, id)",
    "CREATE INDEX mapping_gateway_account ON mapping_gateway (account_key, id)",
    """
CREATE TABLE card_batch (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    account_key INTEGER NOT NULL REFERENCES account (key),
    currency TEXT NOT NULL,
    face_value_micros INTEGER NOT NULL CHECK (face_value_micros > 0),
    cards INTEGER NOT NULL CHECK (cards > 0),
    valid_till INTEGER,
    valid_days INTEGER CHECK (valid_days > 0),
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    memo TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT
""",
    "CREATE INDEX card_batch_account ON card_batch (account_key, id)",
    # A PIN is told once, when it is made; here is its keyed hash alone.
    """
CREATE TABLE card (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_key INTEGER NOT NULL REFERENCES card_batch (key),
    serial TEXT NOT NULL UNIQUE CHECK (serial <> ''),
    pin_hash BLOB NOT NULL UNIQUE CHECK (length(pin_hash) = 32),
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    first_used_ms INTEGER
) STRICT
""",
    "CREATE INDEX card_of_batch ON card (batch_key, serial)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
