"""Balances and holds: the in-memory state machine of money. No I/O, nothing awaited, no clock.

    available = balance + credit limit - held

A hold belongs to a call and to a ledger account. It is taken for all ledgers of a request or for none,
grows by `extend`, moves to another vendor by `retarget`, and ends in `settle` or `release`. What is held
by a ledger is the sum over the calls that hold on it; `totals` recomputes it and asserts that it is so.

An earmark is a hold that belongs to no call but to an entry that another process is about to write: a payment
by hand takes its money as a call does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sipguard.model.ledger import Posting
from sipguard.model.money import Micros
from sipguard.policy.balances import Balances


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

    __slots__ = ("_balances", "_earmarks", "_held", "_held_micros", "_holds", "_marked", "_pairs", "_recount")

    def __init__(self, balances: Mapping[int, Micros] | Iterable[tuple[int, Micros]] = ()) -> None:
        """`balances`: what the journal sums to, by ledger."""
        self._balances = balances if isinstance(balances, Balances) else Balances(balances)
        self._held: dict[int, Micros] = {}
        self._holds: dict[int, dict[int, Micros]] = {}
        self._pairs = 0
        self._held_micros = 0
        self._recount: Recount | None = None
        self._earmarks: dict[str, int] = {}
        self._marked = 0
        """Earmarks since the start: their numbers among the holds are negative, those of calls are not."""

    def balance(self, ledger: int) -> Micros:
        """Sum of all postings of the ledger; negative while credit is used."""
        return self._balances[ledger]

    def held(self, ledger: int) -> Micros:
        """Sum of what calls and earmarks hold on the ledger; never negative."""
        return self._held.get(ledger, 0)

    def held_by(self, call: int, ledger: int) -> Micros:
        """What one call holds on the ledger; 0 for a call that holds nothing."""
        return self._holds.get(call, _NOTHING).get(ledger, 0)

    def available(self, ledger: int, credit_limit_micros: Micros) -> Micros:
        """What can still be held; negative where the limit was lowered below what is already used."""
        return self._balances[ledger] + credit_limit_micros - self._held.get(ledger, 0)

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

    def earmark(self, key: str, wanted: Sequence[Want]) -> Shortage | None:
        """Keep money for the entry of that key, all that is wanted or nothing, until `unmark`."""
        assert key not in self._earmarks, f"entry {key} has its money already"
        shortage = self.hold(-1 - self._marked, wanted)
        if shortage is None:
            self._marked += 1
            self._earmarks[key] = -self._marked
        return shortage

    def is_earmarked(self, key: str) -> bool:
        """Whether money is kept for the entry of that key."""
        return key in self._earmarks

    def unmark(self, key: str) -> None:
        """Let go of what is kept for an entry, if anything is: it was posted, or never will be."""
        marked = self._earmarks.pop(key, None)
        if marked is not None:
            self.release(marked)

    def post(self, postings: Sequence[Posting]) -> None:
        """Apply an entry that the journal has taken: a payment, a reversal, a correction."""
        assert sum(posting.amount_micros for posting in postings) == 0, f"unbalanced: {postings}"
        balances = self._balances
        for posting in postings:
            balances[posting.ledger] += posting.amount_micros

    def sums(self) -> Totals:
        """The open holds as they are kept count of; costs nothing."""
        return Totals(len(self._holds) - len(self._earmarks), self._pairs, self._held_micros)

    def held_ledgers(self) -> dict[int, Micros]:
        """What is held, by ledger; ledgers that nothing is held on are left out."""
        return dict(self._held)

    def holds_of(self, call: int) -> Mapping[int, Micros]:
        """What one call holds, by ledger."""
        return self._holds.get(call, _NOTHING)

    def recount(self) -> Recount:
        """Begin to count the holds anew, beside what goes on; one at a time."""
        assert self._recount is None, "the holds are being counted already"
        self._recount = Recount(self)
        return self._recount

    def totals(self) -> Totals:
        """Count the open holds, call by call, and assert that they add up to what the ledgers say."""
        held: dict[int, Micros] = {}
        for holds in self._holds.values():
            for ledger, amount in holds.items():
                assert amount > 0, f"hold of {amount} on ledger {ledger}"
                held[ledger] = held.get(ledger, 0) + amount
        assert held == self._held, "holds of the calls and of the ledgers differ"
        calls = len(self._holds) - len(self._earmarks)
        counted = Totals(calls, sum(map(len, self._holds.values())), sum(held.values()))
        assert counted == self.sums(), f"{counted} counted, {self.sums()} kept"
        return counted

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
                if ledger not in holds:
                    self._pairs += 1
                self._held_micros += amount
                holds[ledger] = holds.get(ledger, 0) + amount
                held[ledger] = held.get(ledger, 0) + amount
                if self._recount is not None:
                    self._recount.changed(call, ledger, amount)

    def _drop(self, call: int, ledger: int) -> Micros:
        amount = self._holds[call].pop(ledger, 0)
        if amount:
            left = self._held[ledger] - amount
            assert left >= 0, f"ledger {ledger} holds {left}"
            self._pairs -= 1
            self._held_micros -= amount
            if self._recount is not None:
                self._recount.changed(call, ledger, -amount)
            if left:
                self._held[ledger] = left
            else:
                del self._held[ledger]
        return amount


class Recount:
    """The holds added up again, call by call, while the funds go on changing.

    What changes on a call that was counted already, or that is newer than the count, is followed.
    """

    def __init__(self, funds: Funds) -> None:
        self._funds = funds
        self._waiting = set(funds._holds)
        self._sums: dict[int, Micros] = {}

    def count(self, calls: int) -> bool:
        """Count so many calls more; False once all are."""
        for _ in range(min(calls, len(self._waiting))):
            call = self._waiting.pop()
            for ledger, amount in self._funds.holds_of(call).items():
                self._add(ledger, amount)
        return bool(self._waiting)

    def changed(self, call: int, ledger: int, amount: Micros) -> None:
        """A call holds more, or less, than before."""
        if call not in self._waiting:
            self._add(ledger, amount)

    def finish(self) -> dict[int, tuple[Micros, Micros]]:
        """End the count: ledgers that hold something else than their calls, as (ledger's, calls')."""
        assert not self._waiting, f"{len(self._waiting)} calls were not counted"
        self._funds._recount = None
        held = self._funds._held
        if held == self._sums:
            return {}
        ledgers = held.keys() | self._sums.keys()
        pairs = {ledger: (held.get(ledger, 0), self._sums.get(ledger, 0)) for ledger in ledgers}
        return {ledger: pair for ledger, pair in pairs.items() if pair[0] != pair[1]}

    def _add(self, ledger: int, amount: Micros) -> None:
        left = self._sums.get(ledger, 0) + amount
        if left:
            self._sums[ledger] = left
        else:
            self._sums.pop(ledger, None)


_NOTHING: Mapping[int, Micros] = {}
