"""What makes the journal one chain: the bytes that an entry is hashed over, and the check before writing.

The hash of an entry is SHA-256 over the hash of the entry before it (32 zero bytes before the first) followed
by this JSON array, UTF-8, without spaces:

    [key, idempotency key, kind, at_ms, origin, memo, [[ledger, amount_micros], ...]]

Any program can follow the chain with that sentence alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from sipguard.model.ledger import Entry

GENESIS = bytes(32)
"""Stands for the hash before the first entry."""

_encode = msgspec.json.Encoder().encode


def link(
    previous: bytes,
    key: int,
    idempotency_key: str,
    kind: str,
    at_ms: int,
    origin: str,
    memo: str,
    postings: Sequence[tuple[int, int]],
) -> bytes:
    """Hash of an entry; `postings` are (ledger, amount_micros) in their order."""
    return sha256(previous + _encode((key, idempotency_key, kind, at_ms, origin, memo, postings))).digest()


def check(entry: Entry, currencies: Mapping[int, str]) -> None:
    """Raise ValueError unless the postings of `entry` sum to zero in every currency.

    `currencies` holds the currency of every ledger account.
    """
    residual: dict[str, int] = {}
    for posting in entry.postings:
        currency = currencies.get(posting.ledger)
        if currency is None:
            raise ValueError(f"entry {entry.key}: there is no ledger account {posting.ledger}")
        residual[currency] = residual.get(currency, 0) + posting.amount_micros
    for currency, micros in residual.items():
        if micros:
            raise ValueError(
                f"entry {entry.key}: its postings sum to {micros} micro-units of {currency}, not 0"
            )
