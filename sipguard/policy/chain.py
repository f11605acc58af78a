"""The chain of an account: itself and every agent above it, prepared for what a decision asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from sipguard.model.account import Account
from sipguard.model.money import Micros
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import pace
from sipguard.policy.refusal import account_rule
from sipguard.policy.section import Ruling, Sections
from sipguard.policy.window import zone_of

_FOREVER_MS = 1 << 63


class Buyer(NamedTuple):
    """A level as a buyer of calls."""

    account: Account
    rate_table_key: int | None
    """None: it has no rate table."""
    income_ledger: int
    """Where its charge goes: the revenue of the agent above, or of the operator at the top."""
    zone: tzinfo
    """Whose clock its hours and days are read on."""


class Limit(NamedTuple):
    """A limit that an account of the chain has."""

    key: int
    """Under which its use is counted: Counts.account or Pace.used."""
    most: int
    account: Account


@dataclass(frozen=True, slots=True)
class Chain:
    """Accounts are listed from the caller upwards, except where the top is to be named first."""

    accounts: tuple[Account, ...]
    """The calling account first, the top-level account last; never empty."""
    locked: Account | None
    """The highest level that is locked."""
    valid_from_ms: int
    """Unix milliseconds from which every level is valid, inclusive."""
    valid_till_ms: int
    """Unix milliseconds until which every level is valid, exclusive."""
    rulings: tuple[Ruling, ...]
    """Number sections from the top downwards: a block names the highest level that blocks."""
    buyers: tuple[Buyer, ...]
    rate_caps: tuple[tuple[int, Micros], ...]
    """Position and highest price per minute, of the levels that have one."""
    call_limits: tuple[Limit, ...]
    cps_limits: tuple[Limit, ...]
    max_call_seconds: int | None
    """The least of all levels."""


def climb(account: Account, accounts: Mapping[int, Account]) -> tuple[Account, ...]:
    """The account and every agent above it, the top last. The agents exist and form no circle."""
    found = [account]
    while account.agent_key is not None:
        account = accounts[account.agent_key]
        found.append(account)
    return tuple(found)


def prepare(account: Account, above: Chain | None, sections: Sections, operator_revenue_ledger: int) -> Chain:
    """Precompute the chain of an account out of that of its agent; `above` is None at the top."""
    rulings = sections.of(account)
    buyer = Buyer(
        account,
        account.rate_table_key,
        operator_revenue_ledger if above is None else above.accounts[0].revenue_ledger,
        zone_of(account.time_zone),
    )
    caps = () if account.max_rate_micros is None else ((0, account.max_rate_micros),)
    calls = () if account.call_limit is None else (Limit(account.key, account.call_limit, account),)
    pace_key = pace.account_key(account)
    cps = () if account.cps_limit is None else (Limit(pace_key, account.cps_limit, account),)
    valid_from_ms = 0 if account.valid_from is None else account.valid_from * 1000
    valid_till_ms = _FOREVER_MS if account.valid_till is None else account.valid_till * 1000
    if above is None:
        return Chain(
            accounts=(account,),
            locked=account if account.locked else None,
            valid_from_ms=max(0, valid_from_ms),
            valid_till_ms=min(_FOREVER_MS, valid_till_ms),
            rulings=rulings,
            buyers=(buyer,),
            rate_caps=caps,
            call_limits=calls,
            cps_limits=cps,
            max_call_seconds=account.max_call_seconds,
        )
    seconds = [most for most in (account.max_call_seconds, above.max_call_seconds) if most is not None]
    return Chain(
        accounts=(account, *above.accounts),
        locked=above.locked or (account if account.locked else None),
        valid_from_ms=max(above.valid_from_ms, valid_from_ms),
        valid_till_ms=min(above.valid_till_ms, valid_till_ms),
        rulings=(*above.rulings, *rulings),
        buyers=(buyer, *above.buyers),
        rate_caps=(*caps, *((position + 1, cap) for position, cap in above.rate_caps)),
        call_limits=(*calls, *above.call_limits),
        cps_limits=(*cps, *above.cps_limits),
        max_call_seconds=min(seconds, default=None),
    )


def refusal(chain: Chain, unix_ms: int) -> Refusal | None:
    """Refuses where any level is locked or outside its validity; names the highest such level."""
    if chain.locked is not None:
        account = chain.locked
        return Refusal(
            Reason.ACCOUNT_LOCKED,
            account.id,
            account_rule(account, "locked"),
            observed="locked",
            required="unlocked",
        )
    if chain.valid_from_ms <= unix_ms < chain.valid_till_ms:
        return None
    for account in reversed(chain.accounts):
        if account.valid_from is not None and unix_ms < account.valid_from * 1000:
            return _expired(account, "valid_from", unix_ms, f"from Unix time {account.valid_from}")
        if account.valid_till is not None and unix_ms >= account.valid_till * 1000:
            return _expired(account, "valid_till", unix_ms, f"before Unix time {account.valid_till}")
    return None


def _expired(account: Account, field: str, unix_ms: int, required: str) -> Refusal:
    return Refusal(
        Reason.ACCOUNT_EXPIRED,
        account.id,
        account_rule(account, field),
        observed=f"Unix time {unix_ms // 1000}",
        required=required,
    )
