"""Payments by hand, and requests for them: why and by whom. What was booked stands in the journal."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from sipguard.store.metadata import metadata

# No foreign keys to accounts: a payment outlives them. Keys of accounts are never given twice.
payment = Table(
    "payment",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entry", ForeignKey("journal_entry.idempotency_key"), nullable=False),
    Column("from_key", Integer),
    Column("to_key", Integer),
    Column("amount_micros", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_account_key", Integer),
    Column("reverses", ForeignKey("payment.key")),
)

payment_request = Table(
    "payment_request",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("account_key", Integer, nullable=False),
    Column("amount_micros", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_ms", Integer),
    Column("decided_by", Text),
    Column("decided_by_account_key", Integer),
    Column("decision", Text),
    Column("payment_key", ForeignKey("payment.key")),
)
