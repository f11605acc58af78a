"""Destination sets: named lists of prefixes that number sections refer to, of an agent or of the operator."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from sipguard.store.metadata import metadata

destination_set = Table(
    "destination_set",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("owner_key", ForeignKey("account.key")),
    Column("memo", Text, nullable=False),
)

destination_prefix = Table(
    "destination_prefix",
    metadata,
    Column("set_key", ForeignKey("destination_set.key"), primary_key=True),
    Column("prefix", Text, primary_key=True),
)
