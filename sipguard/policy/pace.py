"""Calls per second: an exact window of one second, not a bucket that lets twice the limit through.

Any `limit + 1` admitted calls of one account or gateway span at least a second, and none is refused while
fewer were admitted. Refused attempts use nothing up (floods are the guard's matter). What is counted is
derived from one queue of the admissions of the last second, so a count cannot drift and nothing is left of
a key that is idle.
"""

from __future__ import annotations

from collections import deque

from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.model.verdict import Permit

WINDOW_NS = 1_000_000_000

# Keys of accounts and gateways share one dictionary; the low bits tell them apart without a tuple per look.
_ACCOUNT, _MAPPING_GATEWAY, _ROUTING_GATEWAY, _KINDS = 0, 1, 2, 4


def account_key(account: Account) -> int:
    """Under which an account, and everything below it, is counted."""
    return account.key * _KINDS + _ACCOUNT


def mapping_gateway_key(gateway: MappingGateway) -> int:
    """Under which the calls that a mapping gateway brings are counted."""
    return gateway.key * _KINDS + _MAPPING_GATEWAY


def routing_gateway_key(gateway: RoutingGateway) -> int:
    """Under which the INVITEs that a routing gateway is sent are counted."""
    return gateway.key * _KINDS + _ROUTING_GATEWAY


class Pace:
    """Admissions of the last second. `decide` reads it; whoever acts on the permit takes from it."""

    __slots__ = ("_counts", "_window")

    def __init__(self) -> None:
        self._window: deque[tuple[int, tuple[int, ...]]] = deque()
        self._counts: dict[int, int] = {}

    def used(self, key: int, now_ns: int) -> int:
        """Admissions under this key within the second that ends at `now_ns` (monotonic nanoseconds)."""
        self._expire(now_ns)
        return self._counts.get(key, 0)

    def take(self, permit: Permit, now_ns: int) -> None:
        """Count an admitted call for its mapping gateway and every level. Emergency calls use up nothing."""
        if permit.emergency:
            return
        keys = [account_key(level.account) for level in permit.levels if level.account.cps_limit is not None]
        if permit.mapping_gateway.cps_limit is not None:
            keys.append(mapping_gateway_key(permit.mapping_gateway))
        self._take(tuple(keys), now_ns)

    def take_route(self, gateway: RoutingGateway, now_ns: int) -> None:
        """Count an INVITE that is sent to a routing gateway, the first and each one after a failover."""
        if gateway.cps_limit is not None:
            self._take((routing_gateway_key(gateway),), now_ns)

    def _take(self, keys: tuple[int, ...], now_ns: int) -> None:
        if not keys:
            return
        self._expire(now_ns)
        self._window.append((now_ns, keys))
        counts = self._counts
        for key in keys:
            counts[key] = counts.get(key, 0) + 1

    def _expire(self, now_ns: int) -> None:
        window, counts = self._window, self._counts
        while window and window[0][0] <= now_ns - WINDOW_NS:
            _, keys = window.popleft()
            for key in keys:
                left = counts[key] - 1
                if left:
                    counts[key] = left
                else:
                    del counts[key]
