"""Ranges of numbers that an agent may hand out as numbers of phones; its sub-accounts inherit them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from sipguard.store.metadata import metadata

number_range = Table(
    "number_range",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("memo", Text, nullable=False),
)
