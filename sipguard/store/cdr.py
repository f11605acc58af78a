"""Call detail records as the store keeps them: one row each, written once, in the order in which calls ended.

A row holds the whole record; what each level paid and which gateways were tried are JSON arrays in it. So a
record is one row at the end of one tree, and beside it only its call id goes into an index: what a commit
dirties does not grow with the number of records. Whatever else they are found by is worked out later, block
by block (cdr_block.py). The views cdr_level and cdr_try give the arrays as rows to whoever asks in SQL.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import fields
from sqlalchemy import Column, Integer, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.store.metadata import metadata

# The names are the fields of model.cdr; only the first two have no field.
cdr = Table(
    "cdr",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("sip_hash", Integer, nullable=False),
    Column("call", Integer, nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("account_id", Text),
    Column("phone_id", Text),
    Column("mapping_gateway_id", Text),
    Column("routing_gateway_id", Text),
    Column("called_received", Text, nullable=False),
    Column("called", Text),
    Column("called_sent", Text),
    Column("calling_received", Text, nullable=False),
    Column("calling", Text),
    Column("invited_ms", Integer, nullable=False),
    Column("ringing_ms", Integer),
    Column("answered_ms", Integer),
    Column("ended_ms", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text),
    Column("q850", Integer),
    Column("ended_by", Text, nullable=False),
    Column("refusal_level", Text),
    Column("refusal_rule", Text),
    Column("refusal_observed", Text),
    Column("refusal_required", Text),
    Column("currency", Text, nullable=False),
    Column("cost_micros", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("callee_user_agent", Text, nullable=False),
    Column("codecs_offered", Text, nullable=False),
    Column("codecs_answered", Text, nullable=False),
    Column("tries", Text, nullable=False),
    Column("levels", Text, nullable=False),
    Column("calling_sent", Text),
)


_ASKED_AT_ONCE = 500
"""Values in one statement; SQLite allows 32,766."""


async def by_call(conn: AsyncConnection, call: int) -> Cdr | None:
    """The record of our own call id."""
    row = (await conn.execute(select(cdr).where(cdr.c.call == call))).one_or_none()
    return None if row is None else from_row(row)


async def recorded(conn: AsyncConnection, calls: Sequence[int]) -> set[int]:
    """Those of our own call ids that have a record."""
    found: set[int] = set()
    for first in range(0, len(calls), _ASKED_AT_ONCE):
        some = cdr.c.call.in_(calls[first : first + _ASKED_AT_ONCE])
        found.update((await conn.execute(select(cdr.c.call).where(some))).scalars())
    return found


def sip_hash(sip_call_id: str) -> int:
    """By which a Call-ID is looked up: 32 bits, and the text itself decides."""
    return zlib.crc32(sip_call_id.encode())


def to_row(told: Cdr) -> tuple[Any, ...]:
    """A record as the values of its columns, but for the sequence."""
    return (
        sip_hash(told.sip_call_id),
        *_plain_values(told),
        _encode([_try_values(tried) for tried in told.tries]).decode(),
        _encode([_level_values(level) for level in told.levels]).decode(),
        told.calling_sent,
    )


def from_row(row: Sequence[Any]) -> Cdr:
    """The record of a row of all columns."""
    told = dict(zip(_PLAIN, row[2:-3], strict=True))
    told["outcome"] = Outcome(told["outcome"])
    return Cdr(
        **told,
        tries=tuple(GatewayTry(*values) for values in _decode(row[-3])),
        levels=tuple(LevelCharge(*values) for values in _decode(row[-2])),
        calling_sent=row[-1],
    )


_PLAIN = cdr.c.keys()[2:-3]
_plain_values = attrgetter(*("outcome.value" if name == "outcome" else name for name in _PLAIN))

# Inside a row a level and a try are their fields in order: new fields go to the end and have a default.
_try_values = attrgetter(*(field.name for field in fields(GatewayTry)))
_level_values = attrgetter(*(field.name for field in fields(LevelCharge)))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[list[Any]]).decode
