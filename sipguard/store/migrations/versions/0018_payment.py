"""Payments by hand and requests for them; the postings of a ledger account, for its statement."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# from_key and to_key: accounts; none: the world outside.
TABLES = (
    """
CREATE TABLE payment (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('top_up', 'deduction', 'transfer', 'reversal')),
    entry TEXT NOT NULL UNIQUE REFERENCES journal_entry (idempotency_key),
    from_key INTEGER,
    to_key INTEGER,
    amount_micros INTEGER NOT NULL CHECK (amount_micros > 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    actor TEXT NOT NULL,
    actor_account_key INTEGER,
    reverses INTEGER UNIQUE REFERENCES payment (key),
    CHECK (from_key IS NOT NULL OR to_key IS NOT NULL),
    CHECK (from_key IS NULL OR to_key IS NULL OR from_key <> to_key),
    CHECK ((reverses IS NOT NULL) = (kind = 'reversal'))
) STRICT
""",
    "CREATE INDEX payment_from ON payment (from_key, key) WHERE from_key IS NOT NULL",
    "CREATE INDEX payment_to ON payment (to_key, key) WHERE to_key IS NOT NULL",
    """
CREATE TABLE payment_request (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    at_ms INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    account_key INTEGER NOT NULL,
    amount_micros INTEGER NOT NULL CHECK (amount_micros > 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason <> ''),
    actor TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'withdrawn')),
    decided_ms INTEGER,
    decided_by TEXT,
    decided_by_account_key INTEGER,
    decision TEXT,
    payment_key INTEGER UNIQUE REFERENCES payment (key),
    CHECK ((state = 'pending') = (decided_ms IS NULL)),
    CHECK ((state = 'approved') = (payment_key IS NOT NULL))
) STRICT
""",
    "CREATE INDEX payment_request_account ON payment_request (account_key, key)",
    "CREATE INDEX payment_request_pending ON payment_request (key) WHERE state = 'pending'",
    # The statement of one account, without reading everybody's.
    "CREATE INDEX posting_ledger ON posting (ledger, entry)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER payment_no_{action.lower()} BEFORE {action} ON payment "
            "BEGIN SELECT RAISE(ABORT, 'payment is append-only'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("a schema is not taken back: restore the copy from before the migration")
