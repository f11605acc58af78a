"""Phones, their numbers and the networks that they may be in."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import JSON, Column, Connection, ForeignKey, Integer, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model import rewrite
from sipguard.model.gateway import NumberPlan
from sipguard.model.phone import CallerCheck, Phone, PhoneLock
from sipguard.store.metadata import EVERY, Range, metadata

phone = Table(
    "phone",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("call_limit", Integer),
    Column("cps_limit", Integer),
    Column("contact_limit", Integer, nullable=False),
    Column("caller_check", Text, nullable=False),
    Column("country_code", Text),
    Column("national_prefix", Text),
    Column("international_prefixes", JSON, nullable=False),
    Column("called_rewrite", JSON, nullable=False),
    Column("lock", Text, nullable=False),
)

phone_number = Table(
    "phone_number",
    metadata,
    Column("number", Text, primary_key=True),
    Column("phone_key", ForeignKey("phone.key"), nullable=False),
    Column("position", Integer, nullable=False),
)

phone_source = Table(
    "phone_source",
    metadata,
    Column("phone_key", ForeignKey("phone.key"), primary_key=True),
    Column("network", Text, primary_key=True),
)


async def all_phones(conn: AsyncConnection) -> list[Phone]:
    return await conn.run_sync(read_phones)


def read_phones(conn: Connection, keys: Range = EVERY) -> list[Phone]:
    """The phones with such keys; for a thread."""
    numbers: dict[int, list[str]] = defaultdict(list)
    for row in conn.execute(
        select(phone_number).where(phone_number.c.phone_key.between(*keys)).order_by(phone_number.c.position)
    ):
        numbers[row.phone_key].append(row.number)
    sources: dict[int, list[str]] = defaultdict(list)
    for row in conn.execute(select(phone_source).where(phone_source.c.phone_key.between(*keys))):
        sources[row.phone_key].append(row.network)
    return [
        Phone(
            key=row.key,
            id=row.id,
            account_key=row.account_key,
            numbers=tuple(numbers[row.key]),
            sources=tuple(sources[row.key]),
            number_plan=NumberPlan(row.country_code, row.national_prefix, tuple(row.international_prefixes)),
            lock=PhoneLock(row.lock),
            call_limit=row.call_limit,
            cps_limit=row.cps_limit,
            contact_limit=row.contact_limit,
            caller_check=CallerCheck(row.caller_check),
            called_rewrite=rewrite.parsed(row.called_rewrite),
        )
        for row in conn.execute(select(phone).where(phone.c.key.between(*keys)))
    ]
