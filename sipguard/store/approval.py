"""What agents asked for and administrators decide."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Integer, Table, Text

from sipguard.store.metadata import metadata

approval = Table(
    "approval",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("action", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("form", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("login_key", Integer),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("asked_ms", Integer, nullable=False),
    Column("decided_by", Text),
    Column("decided_ms", Integer),
    Column("decision", Text),
)
