"""Prepared chains of the accounts that call, kept from one state of the configuration to the next.

A chain is right as long as its account is and the chain above it is. That is looked at once for each state
in which it is asked for: so a change costs nothing but to those below it, and nobody goes through all chains.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from sipguard.policy import chain
from sipguard.policy.accounts import AGENT, Accounts
from sipguard.policy.chain import Chain
from sipguard.policy.section import Sections

_KEPT = 1 << 15
"""Chains that are kept, at about 2 kB each."""


class _Entry(NamedTuple):
    state: object
    """In which it was last looked at."""
    chain: Chain
    packed: bytes
    """Of the account (Accounts.packed)."""
    above: Chain | None


class Chains:
    """Those of the accounts that have called lately. Shared by all states of one line, and of one thread."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: OrderedDict[int, _Entry] = OrderedDict()

    def find(self, key: int, state: object) -> Chain | None:
        """The chain of an account, where it is known to be right in this state."""
        found = self._entries.get(key)
        return found.chain if found is not None and found.state is state else None

    def prepare(
        self, key: int, state: object, accounts: Accounts, sections: Sections, operator_revenue_ledger: int
    ) -> Chain:
        """The chain of an account as it is in this state; KeyError where there is no such account."""
        path: list[tuple[int, bytes, _Entry | None]] = []
        above: Chain | None = None
        at: int | None = key
        while at is not None:
            entry = self._entries.get(at)
            if entry is not None and entry.state is state:
                above = entry.chain
                break
            packed = accounts.packed(at)
            if entry is not None and entry.packed is packed:
                path.append((at, packed, entry))
                at = entry.chain.accounts[0].agent_key
            else:
                path.append((at, packed, None))
                row = accounts.row(at)
                assert row is not None
                at = row[AGENT]
        for at, packed, entry in reversed(path):
            if entry is None or entry.above is not above:
                made = chain.prepare(accounts[at], above, sections, operator_revenue_ledger)
            else:
                made = entry.chain
            self._keep(at, _Entry(state, made, packed, above))
            above = made
        assert above is not None
        return above

    def _keep(self, key: int, entry: _Entry) -> None:
        # One goes when another comes: to let go of many at once would stop calls.
        if len(self._entries) >= _KEPT and key not in self._entries:
            self._entries.popitem(last=False)
        self._entries[key] = entry
