"""Limits on concurrent calls and on calls per second: of the mapping gateway, the account and every agent."""

from __future__ import annotations

from typing import Protocol

from sipguard.model.gateway import MappingGateway
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import pace
from sipguard.policy.chain import Chain
from sipguard.policy.pace import Pace
from sipguard.policy.refusal import account_rule, gateway_rule


class Counts(Protocol):
    """Calls that live or are being set up now, derived from the records of those calls."""

    def account(self, key: int) -> int:
        """Calls of an account and of everything below it."""

    def mapping_gateway(self, key: int) -> int:
        """Calls that came in through a mapping gateway."""

    def routing_gateway(self, key: int) -> int:
        """Calls that a routing gateway has, or is being asked to take."""


def refusal(
    chain: Chain, gateway: MappingGateway, counts: Counts, pace_: Pace, now_ns: int
) -> Refusal | None:
    """Concurrent calls first, then calls per second; the gateway first, then the caller's account upwards.

    `now_ns`: monotonic nanoseconds. Nothing is taken here: that is done with the permit (Pace.take).
    """
    if gateway.capacity is not None:
        live = counts.mapping_gateway(gateway.key)
        if live >= gateway.capacity:
            return _concurrent(gateway.id, gateway_rule(gateway, "capacity"), live, gateway.capacity)
    for key, most, account in chain.call_limits:
        live = counts.account(key)
        if live >= most:
            return _concurrent(account.id, account_rule(account, "call_limit"), live, most)
    if gateway.cps_limit is not None:
        used = pace_.used(pace.mapping_gateway_key(gateway), now_ns)
        if used >= gateway.cps_limit:
            return _too_fast(gateway.id, gateway_rule(gateway, "cps_limit"), used, gateway.cps_limit)
    for key, most, account in chain.cps_limits:
        used = pace_.used(key, now_ns)
        if used >= most:
            return _too_fast(account.id, account_rule(account, "cps_limit"), used, most)
    return None


def _concurrent(level: str, rule: str, live: int, most: int) -> Refusal:
    return Refusal(
        Reason.CONCURRENT_LIMIT, level, rule, observed=f"{live} calls", required=f"fewer than {most} calls"
    )


def _too_fast(level: str, rule: str, used: int, most: int) -> Refusal:
    return Refusal(
        Reason.CALLS_PER_SECOND,
        level,
        rule,
        observed=f"{used} calls within a second",
        required=f"fewer than {most} calls within a second",
    )
