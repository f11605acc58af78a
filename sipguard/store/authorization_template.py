"""Sets of authorizations under a name, made by operators; those of the program are in model.authorization."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from sipguard.store.metadata import metadata

authorization_template = Table(
    "authorization_template",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("granted", Integer, nullable=False),
    Column("memo", Text, nullable=False),
)
