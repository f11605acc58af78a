"""Phone cards in batches. Of a PIN only a keyed hash is kept."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text

from sipguard.store.metadata import metadata

card_batch = Table(
    "card_batch",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("face_value_micros", Integer, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("valid_till", Integer),
    Column("valid_days", Integer),
    Column("blocked", Boolean, nullable=False),
    Column("memo", Text, nullable=False),
    Column("created_ms", Integer, nullable=False),
)

card = Table(
    "card",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("batch_key", ForeignKey("card_batch.key"), nullable=False),
    Column("serial", Text, nullable=False),
    Column("pin_hash", LargeBinary, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("first_used_ms", Integer),
)
