"""Accounts and the agents above them."""

from __future__ import annotations

from dataclasses import dataclass

from sipguard.model.money import Micros


@dataclass(frozen=True, slots=True)
class Account:
    """A customer or an agent (VOS3000 manual section 2.4.2). It is an agent while it has sub-accounts.

    A limit of None means no limit; 0 means none allowed.
    """

    key: int
    """Internal row key; never shown."""
    id: str
    """The account id that people use; unique, never changes."""
    name: str
    agent_key: int | None
    """Key of the agent above; None for a top-level account."""
    currency: str
    """ISO 4217; one currency per tree."""
    rate_table_key: int | None
    """The table this account buys by; None: the level has no price of its own (see policy.rating)."""
    credit_limit_micros: Micros
    """How far below zero the balance may go; not negative."""
    call_limit: int | None
    """Concurrent calls, of the account and everything below it."""
    cps_limit: int | None
    """Call attempts per second, likewise."""
    max_call_seconds: int | None
    max_rate_micros: Micros | None
    """Highest price per minute that this level buys at."""
    locked: bool
    valid_from: int | None
    """Unix seconds, inclusive."""
    valid_till: int | None
    """Unix seconds, exclusive."""
    balance_ledger: int
    """Ledger account that holds the spendable balance."""
    revenue_ledger: int
    """Ledger account that earns what the direct sub-accounts pay; not spendable."""
    time_zone: str = "UTC"
    """IANA name of the zone in which the hours and days of its rates are read."""
    tax_ppm: int = 0
    """Tax on top of what it pays for calls, in parts per million (model.rate.PPM)."""
    lock_ends_calls: bool | None = None
    """Whether a lock, or the end of its time, ends its calls; None: as the configuration says."""
