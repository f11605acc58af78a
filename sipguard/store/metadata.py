"""The one MetaData that every table of the store belongs to; each table is defined beside its queries.

The tables here say what queries need: names, types, keys. Checks, triggers and indexes are written out in
migrations/versions, which make the real ones; a test holds the two together.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, MetaData, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData()


async def insert_row(conn: AsyncConnection, table: Table, **values: Any) -> int:
    """Insert one row; the key that it got."""
    primary_key = (await conn.execute(insert(table).values(values))).inserted_primary_key
    assert primary_key is not None
    return int(primary_key[0])


def plainly(conn: Connection, sql: str, *values: object) -> sqlite3.Cursor:
    """Rows as the driver makes them, one by one, in the transaction of `conn`: for those of which there are
    millions, and a tenth of the price of others. For connections of threads (Database.snapshot)."""
    connection = conn.connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    if not conn.in_transaction():
        conn.begin()
    return connection.execute(sql, values)


Range = tuple[int, int]
"""Keys from the first to the last, both included."""

EVERY: Range = (-(2**63), 2**63 - 1)
