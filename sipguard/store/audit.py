"""The audit log: who did or tried what, with which authorization, and what it changed. Append-only."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Integer, Table, Text

from sipguard.store.metadata import metadata

audit = Table(
    "audit",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("actor_account_key", Integer),
    Column("via", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("noun", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("account_key", Integer),
    Column("authorization", Integer),
    Column("outcome", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)
