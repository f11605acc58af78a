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
    rate_space: int | None
    """Where its rates are found (Rates.find); None: it has no rate table."""
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
    """The account and every agent above it, the top last. The agents exist and form no circle (check)."""
    found = [account]
    while account.agent_key is not None:
        account = accounts[account.agent_key]
        found.append(account)
    return tuple(found)


def check(accounts: Mapping[int, Account]) -> None:
    """Raise ValueError that names an account whose agent is missing, below it, or in another currency."""
    reaches_top: set[int] = set()
    for account in accounts.values():
        path: dict[int, None] = {}
        while account.key not in reaches_top:
            path[account.key] = None
            if account.agent_key is None:
                break
            agent = accounts.get(account.agent_key)
            if agent is None:
                raise ValueError(f"account {account.id!r}: no agent with key {account.agent_key}")
            if agent.key in path:
                raise ValueError(f"account {account.id!r} is its own agent through {agent.id!r}")
            if agent.currency != account.currency:
                raise ValueError(
                    f"account {account.id!r} is in {account.currency}, its agent in {agent.currency}"
                )
            account = agent
        reaches_top.update(path)


def prepare(
    accounts: tuple[Account, ...],
    sections: Sections,
    rate_spaces: Mapping[int, int],
    operator_revenue_ledger: int,
) -> Chain:
    """Precompute a chain out of `climb`. `rate_spaces`: space of every rate table by its key."""
    incomes = [agent.revenue_ledger for agent in accounts[1:]] + [operator_revenue_ledger]
    return Chain(
        accounts=accounts,
        locked=next((account for account in reversed(accounts) if account.locked), None),
        valid_from_ms=max((a.valid_from * 1000 for a in accounts if a.valid_from is not None), default=0),
        valid_till_ms=min(
            (a.valid_till * 1000 for a in accounts if a.valid_till is not None), default=_FOREVER_MS
        ),
        rulings=tuple(ruling for account in reversed(accounts) for ruling in sections.of(account)),
        buyers=tuple(
            Buyer(
                account,
                None if account.rate_table_key is None else rate_spaces[account.rate_table_key],
                income,
                zone_of(account.time_zone),
            )
            for account, income in zip(accounts, incomes, strict=True)
        ),
        rate_caps=tuple(
            (position, account.max_rate_micros)
            for position, account in enumerate(accounts)
            if account.max_rate_micros is not None
        ),
        call_limits=tuple(Limit(a.key, a.call_limit, a) for a in accounts if a.call_limit is not None),
        cps_limits=tuple(
            Limit(pace.account_key(a), a.cps_limit, a) for a in accounts if a.cps_limit is not None
        ),
        max_call_seconds=min(
            (a.max_call_seconds for a in accounts if a.max_call_seconds is not None), default=None
        ),
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
