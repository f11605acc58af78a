"""Double entry: postings that sum to zero. Money only ever moves by these."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from sipguard.model.money import Micros


class LedgerKind(StrEnum):
    """What a ledger account stands for."""

    BALANCE = "balance"
    """Spendable money of an account."""
    REVENUE = "revenue"
    """What an agent, or the operator, earned from those directly below; not spendable."""
    CLEARING = "clearing"
    """Money that lies with a vendor."""
    COST = "cost"
    """What the operator's vendors charged."""
    TAX = "tax"
    """Collected on top of the price of calls and owed to the authority; the house's, not spendable."""
    CASH = "cash"
    """The world outside: payments come from here."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """A change of one ledger account."""

    ledger: int
    amount_micros: Micros


class Entry(msgspec.Struct, frozen=True):
    """One transaction of the journal. Its postings sum to zero, or it cannot be written."""

    key: str
    """Idempotency key ("call:123", "payment:..."): a second entry with it is a no-op."""
    kind: str
    """"call", "payment", "reversal", ..."""
    at_ms: int
    """Unix milliseconds."""
    postings: tuple[Posting, ...]
    memo: str = ""
