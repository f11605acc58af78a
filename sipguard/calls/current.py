"""The calls that are being set up or are up. Every count is the number of these records, by what they
name: nothing is incremented in one place and decremented in another, so no count can drift.
"""

from __future__ import annotations

from collections.abc import Iterator

from sipguard.calls.call import Call

_Index = dict[int, set[int]]


class Current:
    """All present calls, with their counts (policy.capacity.Counts)."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._by_account: _Index = {}
        self._by_mapping_gateway: _Index = {}
        self._by_routing_gateway: _Index = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def find(self, call: int) -> Call | None:
        """The call, unless it is over."""
        return self._calls.get(call)

    def account(self, key: int) -> int:
        """Calls of an account and of everything below it."""
        return len(self._by_account.get(key, ()))

    def mapping_gateway(self, key: int) -> int:
        """Calls that came in through a mapping gateway."""
        return len(self._by_mapping_gateway.get(key, ()))

    def routing_gateway(self, key: int) -> int:
        """Calls that a routing gateway has or is being asked to take."""
        return len(self._by_routing_gateway.get(key, ()))

    def claim(self, call: Call) -> None:
        """Take a channel at every level and gateway that the call names."""
        assert call.id not in self._calls, f"call {call.id} is claimed already"
        self._calls[call.id] = call
        for level in call.permit.levels:
            self._by_account.setdefault(level.account.key, set()).add(call.id)
        self._by_mapping_gateway.setdefault(call.permit.mapping_gateway.key, set()).add(call.id)
        self._by_routing_gateway.setdefault(call.candidate.gateway.key, set()).add(call.id)

    def move(self, call: Call, position: int) -> None:
        """The call goes to another candidate of its permit."""
        _discard(self._by_routing_gateway, call.candidate.gateway.key, call.id)
        call.position = position
        call.candidate = call.permit.candidates[position]
        self._by_routing_gateway.setdefault(call.candidate.gateway.key, set()).add(call.id)

    def drop(self, call: Call) -> None:
        """The call is over: everything that it took is free."""
        del self._calls[call.id]
        for level in call.permit.levels:
            _discard(self._by_account, level.account.key, call.id)
        _discard(self._by_mapping_gateway, call.permit.mapping_gateway.key, call.id)
        _discard(self._by_routing_gateway, call.candidate.gateway.key, call.id)

    def counts(self) -> dict[str, dict[int, int]]:
        """Every count that is not zero, by kind and key."""
        return {
            "account": {key: len(calls) for key, calls in self._by_account.items()},
            "mapping_gateway": {key: len(calls) for key, calls in self._by_mapping_gateway.items()},
            "routing_gateway": {key: len(calls) for key, calls in self._by_routing_gateway.items()},
        }


def _discard(index: _Index, key: int, call: int) -> None:
    calls = index[key]
    calls.discard(call)
    if not calls:
        del index[key]
