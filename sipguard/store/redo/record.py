"""A group of records as bytes: a MessagePack array of maps, each with its kind and its fields by name.

By name, so that a field which is added with a default reads from older logs, whatever stands around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from sipguard.store.batch import Record, Unwritable

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Record]).decode
_decode_parts = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_one: Callable[[msgspec.Raw], Record] = msgspec.msgpack.Decoder(Record).decode
_decode_plain = msgspec.msgpack.Decoder().decode


def encode(records: list[Record]) -> tuple[bytes, list[Record]]:
    """The bytes, and the records that they stand for.

    Those are `records`, but for what cannot be put into bytes: it is Unwritable, word for word.
    """
    try:
        return _encode(records), records
    except Exception:  # of one record; which one is found by trying each
        writable = [_writable(record) for record in records]
        return _encode(writable), writable


def decode(payload: bytes) -> Sequence[Record]:
    """The records of a group. One that makes no sense to this program is Unwritable, word for word.

    Raises ValueError where `payload` is no group at all.
    """
    try:
        return _decode(payload)
    except msgspec.DecodeError:
        return [_readable(part) for part in _decode_parts(payload)]


def _writable(record: Record) -> Record:
    try:
        _encode(record)
    except Exception as error:
        return unwritable(type(record).__name__, error, record)
    return record


def _readable(part: msgspec.Raw) -> Record:
    try:
        return _decode_one(part)
    except msgspec.DecodeError as error:
        content = _decode_plain(part)
        kind = content.get("type", "?") if isinstance(content, dict) else "?"
        return unwritable(str(kind), error, content)


def unwritable(kind: str, error: Exception, content: object) -> Unwritable:
    """`content`, which cannot be written as it is. ascii(): lone surrogates may be what is wrong with it."""
    text = ascii(f"{type(error).__name__}: {error}")
    return Unwritable(time.time_ns() // 1_000_000, kind, text, ascii(content))
