"""Balances and holds: the in-memory state machine of money. No I/O, nothing awaited, no clock.

    available = balance + credit limit - held

A hold belongs to a call and to a ledger account. It is taken for all ledgers of a request or for none,
grows by `extend`, moves to another vendor by `retarget`, and ends in `settle` or `release`. What is held
by a ledger is the sum over the calls that hold on it; `totals` recomputes it and asserts that it is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sipguard.model.ledger import Posting
from sipguard.model.money import Micros


class Want(NamedTuple):
    """Money wanted from a ledger account."""

    ledger: int
    amount_micros: Micros
    """Not negative; 0 is granted whatever the balance."""
    credit_limit_micros: Micros | None
    """How far below zero the ledger may go; None: without limit."""


class Shortage(NamedTuple):
    """Why a request got nothing: the first ledger, in the order asked, that cannot give it."""

    ledger: int
    available_micros: Micros
    required_micros: Micros


class Totals(NamedTuple):
    """What an auditor compares with the live calls (invariant L-09)."""

    calls: int
    """Calls that are between hold and settle or release."""
    holds: int
    """Pairs of call and ledger with money held."""
    held_micros: Micros


class Funds:
    """Money of every ledger account. A ledger that was never posted to has balance 0."""

    __slots__ = ("_balances", "_held", "_holds")

    def __init__(self, balances: Mapping[int, Micros] | Iterable[tuple[int, Micros]] = ()) -> None:
        """`balances`: what the journal sums to, by ledger."""
        self._balances: dict[int, Micros] = dict(balances)
        self._held: dict[int, Micros] = {}
        self._holds: dict[int, dict[int, Micros]] = {}

    def balance(self, ledger: int) -> Micros:
        """Sum of all postings of the ledger; negative while credit is used."""
        return self._balances.get(ledger, 0)

    def held(self, ledger: int) -> Micros:
        """Sum of what calls hold on the ledger; never negative."""
        return self._held.get(ledger, 0)

    def held_by(self, call: int, ledger: int) -> Micros:
        """What one call holds on the ledger; 0 for a call that holds nothing."""
        return self._holds.get(call, _NOTHING).get(ledger, 0)

    def available(self, ledger: int, credit_limit_micros: Micros) -> Micros:
        """What can still be held; negative where the limit was lowered below what is already used."""
        return self._balances.get(ledger, 0) + credit_limit_micros - self._held.get(ledger, 0)

    def hold(self, call: int, wanted: Sequence[Want]) -> Shortage | None:
        """Hold all that is wanted for a new call, or nothing. The same ledger twice is summed."""
        assert call not in self._holds, f"call {call} holds already"
        if (shortage := self._shortage(wanted)) is not None:
            return shortage
        self._holds[call] = {}
        self._add(call, wanted)
        return None

    def extend(self, call: int, wanted: Sequence[Want]) -> Shortage | None:
        """Hold more for a call, all or nothing; on a shortage its holds stay as they are."""
        assert call in self._holds, f"call {call} holds nothing that could be extended"
        if (shortage := self._shortage(wanted)) is not None:
            return shortage
        self._add(call, wanted)
        return None

    def retarget(self, call: int, from_ledger: int, want: Want) -> Shortage | None:
        """Move a call to the next vendor: drop its hold on `from_ledger` and take `want`, or neither.

        Both may be one ledger (two gateways of one vendor).
        """
        assert call in self._holds, f"call {call} holds nothing that could be moved"
        dropped = self._drop(call, from_ledger)
        shortage = self._shortage((want,))
        if shortage is None:
            self._add(call, (want,))
        elif dropped:
            self._add(call, (Want(from_ledger, dropped, None),))
        return shortage

    def settle(self, call: int, postings: Sequence[Posting]) -> None:
        """Charge a call and end its holds in one step. The postings sum to zero."""
        self.post(postings)
        self.release(call)

    def release(self, call: int) -> None:
        """End all holds of a call. A call without holds is left alone: the ways out of a call may cross."""
        holds = self._holds.get(call)
        if holds is None:
            return
        for ledger in tuple(holds):
            self._drop(call, ledger)
        del self._holds[call]

    def post(self, postings: Sequence[Posting]) -> None:
        """Apply an entry that the journal has taken: a payment, a reversal, a correction."""
        assert sum(posting.amount_micros for posting in postings) == 0, f"unbalanced: {postings}"
        balances = self._balances
        for posting in postings:
            balances[posting.ledger] = balances.get(posting.ledger, 0) + posting.amount_micros

    def totals(self) -> Totals:
        """Count the open holds, call by call, and assert that they add up to what the ledgers say."""
        held: dict[int, Micros] = {}
        for holds in self._holds.values():
            for ledger, amount in holds.items():
                assert amount > 0, f"hold of {amount} on ledger {ledger}"
                held[ledger] = held.get(ledger, 0) + amount
        assert held == self._held, "holds of the calls and of the ledgers differ"
        return Totals(len(self._holds), sum(map(len, self._holds.values())), sum(held.values()))

    def _shortage(self, wanted: Sequence[Want]) -> Shortage | None:
        sums: dict[int, Micros] = {}
        for ledger, amount, credit_limit in wanted:
            assert amount >= 0, f"wanted {amount} from ledger {ledger}"
            if amount == 0:
                continue
            required = sums[ledger] = sums.get(ledger, 0) + amount
            if credit_limit is not None:
                available = self.available(ledger, credit_limit)
                if available < required:
                    return Shortage(ledger, available, required)
        return None

    def _add(self, call: int, wanted: Sequence[Want]) -> None:
        holds, held = self._holds[call], self._held
        for ledger, amount, _ in wanted:
            if amount:
                holds[ledger] = holds.get(ledger, 0) + amount
                held[ledger] = held.get(ledger, 0) + amount

    def _drop(self, call: int, ledger: int) -> Micros:
        amount = self._holds[call].pop(ledger, 0)
        if amount:
            left = self._held[ledger] - amount
            assert left >= 0, f"ledger {ledger} holds {left}"
            if left:
                self._held[ledger] = left
            else:
                del self._held[ledger]
        return amount


_NOTHING: Mapping[int, Micros] = {}
