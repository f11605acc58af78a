"""The calls that are being set up or are up. Every count is the number of these records, by what they
name: nothing is incremented in one place and decremented in another, so no count can drift.

A call that is over in the books has its channels until its BYE goes: its gateway knows nothing of the end
before, and an INVITE that overtook the BYE would be one too many there.
"""

from __future__ import annotations

from collections.abc import Iterator

from sipguard.calls.call import Call

_Index = dict[int, set[int]]


class Current:
    """All present calls, with their counts (policy.capacity.Counts)."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._leaving: dict[int, Call] = {}
        self._answered: set[int] = set()
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

    @property
    def answered(self) -> int:
        """Calls that are answered and not over."""
        return len(self._answered)

    @property
    def leaving(self) -> int:
        """Calls that are over in the books, and have their channels until their BYE goes."""
        return len(self._leaving)

    def answer(self, call: Call) -> None:
        """The call has been answered."""
        self._answered.add(call.id)

    def ids(self) -> tuple[int, ...]:
        """The calls that there are now, the oldest first."""
        return tuple(self._calls)

    def of_account(self, key: int) -> tuple[int, ...]:
        """Calls of an account and of everything below it."""
        return tuple(self._by_account.get(key, ()))

    def of_mapping_gateway(self, key: int) -> tuple[int, ...]:
        """Calls that came in through a mapping gateway."""
        return tuple(self._by_mapping_gateway.get(key, ()))

    def of_routing_gateway(self, key: int) -> tuple[int, ...]:
        """Calls that a routing gateway has or is being asked to take."""
        return tuple(self._by_routing_gateway.get(key, ()))

    def keys(self) -> dict[str, tuple[int, ...]]:
        """Accounts and gateways that have calls now, by kind."""
        return {kind: tuple(index) for kind, index in self._indexes()}

    def faults(self, kind: str, key: int) -> Iterator[str]:
        """What is wrong with one count: calls in it that are over, or that do not name it."""
        for call_id in tuple(dict(self._indexes())[kind].get(key, ())):
            call = self._calls.get(call_id) or self._leaving.get(call_id)
            if call is None:
                yield f"{kind} {key} counts call {call_id}, which is over"
            elif key not in _named(call)[kind]:
                yield f"{kind} {key} counts call {call_id}, which is not its"

    def missing(self, call: Call) -> Iterator[str]:
        """Counts that a present call names and is not in."""
        for kind, index in self._indexes():
            for key in _named(call)[kind]:
                if call.id not in index.get(key, ()):
                    yield f"{kind} {key} does not count call {call.id}"
        if (call.id in self._answered) != (call.answered_ms is not None):
            yield f"call {call.id} is counted among the answered ones against its record"

    def _indexes(self) -> tuple[tuple[str, _Index], ...]:
        return (
            ("account", self._by_account),
            ("mapping_gateway", self._by_mapping_gateway),
            ("routing_gateway", self._by_routing_gateway),
        )

    def claim(self, call: Call) -> None:
        """Take a channel at every level and gateway that the call names."""
        assert call.id not in self._calls, f"call {call.id} is claimed already"
        self._calls[call.id] = call
        if call.answered_ms is not None:
            self._answered.add(call.id)
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
        self.leave(call)
        self.free(call.id)

    def leave(self, call: Call) -> None:
        """The call is over in the books: it is no present call, and has its channels until its BYE goes."""
        del self._calls[call.id]
        self._answered.discard(call.id)
        self._leaving[call.id] = call

    def free(self, call_id: int) -> None:
        """The BYE of a call that is over has gone: its channels are free. Nothing, where they were before."""
        call = self._leaving.pop(call_id, None)
        if call is None:
            return
        for level in call.permit.levels:
            _discard(self._by_account, level.account.key, call.id)
        _discard(self._by_mapping_gateway, call.permit.mapping_gateway.key, call.id)
        _discard(self._by_routing_gateway, call.candidate.gateway.key, call.id)

    def counts(self) -> dict[str, dict[int, int]]:
        """Every count that is not zero, by kind and key."""
        return {kind: {key: len(calls) for key, calls in index.items()} for kind, index in self._indexes()}


def _named(call: Call) -> dict[str, tuple[int, ...]]:
    """What a call counts for, by kind."""
    return {
        "account": tuple(level.account.key for level in call.permit.levels),
        "mapping_gateway": (call.permit.mapping_gateway.key,),
        "routing_gateway": (call.candidate.gateway.key,),
    }


def _discard(index: _Index, key: int, call: int) -> None:
    calls = index[key]
    calls.discard(call)
    if not calls:
        del index[key]
