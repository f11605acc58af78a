"""The one MetaData that every table of the store belongs to; each table is defined beside its queries.

The tables here say what queries need: names, types, keys. Checks, triggers and indexes are written out in
migrations/versions, which make the real ones; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData()


async def insert_row(conn: AsyncConnection, table: Table, **values: Any) -> int:
    """Insert one row; the key that it got."""
    primary_key = (await conn.execute(insert(table).values(values))).inserted_primary_key
    assert primary_key is not None
    return int(primary_key[0])
