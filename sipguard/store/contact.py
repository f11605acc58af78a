"""Contacts of phones, so that a restart still knows where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import JSON, Column, ForeignKey, Integer, Table, Text, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.contact import Contact
from sipguard.store.metadata import metadata
from sipguard.store.phone import phone

contact = Table(
    "contact",
    metadata,
    Column("phone_key", ForeignKey("phone.key"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("uri", Text, nullable=False),
    Column("q", Integer, nullable=False),
    Column("expires_ms", Integer, nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("cseq", Integer, nullable=False),
    Column("instance", Text, nullable=False),
    Column("reg_id", Integer),
    Column("path", JSON, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("listener", Integer, nullable=False),
    Column("transport", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("registered_ms", Integer, nullable=False),
)


_COLUMNS = tuple(column.name for column in contact.c)


class Listed(NamedTuple):
    """A contact as people are shown it."""

    phone_id: str
    contact: Contact


async def all_contacts(conn: AsyncConnection) -> list[Contact]:
    """Every contact, expired ones too. Connections are not of this run: `stream` is 0."""
    return [one.contact for one in await listed(conn)]


async def listed(conn: AsyncConnection) -> list[Listed]:
    """Every contact with the id of its phone, by phone and preference."""
    query = (
        select(phone.c.id, contact)
        .join(phone, contact.c.phone_key == phone.c.key)
        .order_by(phone.c.id, contact.c.q.desc(), contact.c.registered_ms.desc())
    )
    rows = (row._mapping for row in await conn.execute(query))
    return [Listed(row["id"], _contact({name: row[name] for name in _COLUMNS})) for row in rows]


async def put(conn: AsyncConnection, phone_key: int, contacts: Sequence[Contact]) -> None:
    """Make these the contacts of a phone; of one that was removed meanwhile, nothing."""
    if await conn.scalar(select(phone.c.key).where(phone.c.key == phone_key)) is None:
        return
    await conn.execute(delete(contact).where(contact.c.phone_key == phone_key))
    if contacts:
        await conn.execute(insert(contact), list(_rows(contacts)))


def _contact(values: dict[str, object]) -> Contact:
    path = values.pop("path")
    assert isinstance(path, list)
    return Contact(**values, path=tuple(path), stream=0)  # type: ignore[arg-type]


def _rows(contacts: Iterable[Contact]) -> Iterable[dict[str, object]]:
    for one in contacts:
        yield {name: getattr(one, name) for name in _COLUMNS} | {"path": list(one.path)}
