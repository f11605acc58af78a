"""Jobs that make accounts from a file, and how far they are."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text

from sipguard.store.metadata import metadata

account_import = Table(
    "account_import",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("login_key", Integer),
    Column("account_key", ForeignKey("account.key")),
    Column("via", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("content", LargeBinary),
    Column("dry_run", Boolean, nullable=False),
    Column("batch_lines", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("lines_done", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("problems", JSON, nullable=False),
    Column("began_ms", Integer, nullable=False),
    Column("ended_ms", Integer),
)
