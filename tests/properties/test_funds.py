"""Money under any order of events, against a model that keeps every fact and recomputes every sum."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from sipguard.model.ledger import Posting
from sipguard.policy.funds import Funds, Shortage, Want

LEDGERS = (1, 2, 3)
VENDORS = (8, 9)
WORLD = 0
"""Where money comes from and goes to."""
CREDIT = {1: 0, 2: 50, 3: 0, 8: 20, 9: None}

AMOUNTS = st.integers(0, 60)
WANTED = st.lists(st.tuples(st.sampled_from(LEDGERS + VENDORS), AMOUNTS), max_size=5)


class Fact(NamedTuple):
    """A hold that was granted to a call; it is never changed, only forgotten with others."""

    call: int
    ledger: int
    amount: int


class MoneyMachine(RuleBasedStateMachine):
    """Calls hold, extend, move, settle and release; payments come and go in between."""

    calls = Bundle("calls")

    @initialize(balances=st.fixed_dictionaries({ledger: st.integers(0, 200) for ledger in LEDGERS + VENDORS}))
    def begin(self, balances: dict[int, int]) -> None:
        self.funds = Funds(balances)
        self.journal = [Posting(ledger, amount) for ledger, amount in balances.items()]
        self.facts: list[Fact] = []
        self.open: set[int] = set()
        self.started = 0

    def balance(self, ledger: int) -> int:
        return sum(posting.amount_micros for posting in self.journal if posting.ledger == ledger)

    def held(self, ledger: int, facts: list[Fact] | None = None) -> int:
        return sum(fact.amount for fact in (self.facts if facts is None else facts) if fact.ledger == ledger)

    def grants(self, wanted: list[tuple[int, int]], facts: list[Fact]) -> bool:
        """Whether, with these holds, every ledger could give all that is asked of it."""
        for ledger in {ledger for ledger, amount in wanted if amount}:
            credit = CREDIT[ledger]
            asked = sum(amount for other, amount in wanted if other == ledger)
            if credit is not None and self.balance(ledger) + credit - self.held(ledger, facts) < asked:
                return False
        return True

    def check(self, shortage: Shortage | None, granted: bool) -> None:
        assert (shortage is None) == granted
        if shortage is not None:
            assert shortage.available_micros < shortage.required_micros

    @rule(target=calls, wanted=WANTED)
    def hold(self, wanted: list[tuple[int, int]]) -> object:
        self.started += 1
        call, granted = self.started, self.grants(wanted, self.facts)
        self.check(self.funds.hold(call, wants(wanted)), granted)
        if not granted:
            return multiple()
        self.facts += [Fact(call, *want) for want in wanted]
        self.open.add(call)
        return call

    @rule(call=calls, wanted=WANTED)
    def extend(self, call: int, wanted: list[tuple[int, int]]) -> None:
        granted = self.grants(wanted, self.facts)
        self.check(self.funds.extend(call, wants(wanted)), granted)
        if granted:
            self.facts += [Fact(call, *want) for want in wanted]

    @rule(call=calls, old=st.sampled_from(VENDORS), new=st.sampled_from(VENDORS), amount=AMOUNTS)
    def retarget(self, call: int, old: int, new: int, amount: int) -> None:
        others = [fact for fact in self.facts if (fact.call, fact.ledger) != (call, old)]
        granted = self.grants([(new, amount)], others)
        self.check(self.funds.retarget(call, old, Want(new, amount, CREDIT[new])), granted)
        if granted:
            self.facts = [*others, Fact(call, new, amount)]

    @rule(call=consumes(calls), share=st.integers(0, 100))
    def settle(self, call: int, share: int) -> None:
        """Charge a share of what is held, as a call that ended within its grant does (L-10)."""
        postings = [
            Posting(fact.ledger, -fact.amount * share // 100)
            for fact in self.facts
            if fact.call == call and fact.amount * share % 100 == 0
        ]
        postings.append(Posting(WORLD, -sum(posting.amount_micros for posting in postings)))
        self.funds.settle(call, postings)
        self.journal += postings
        self._forget(call)

    @rule(call=consumes(calls))
    def release(self, call: int) -> None:
        self.funds.release(call)
        self._forget(call)

    @rule(number=st.integers(1, 50))
    def release_what_is_gone(self, number: int) -> None:
        if number not in self.open:
            self.funds.release(number)

    @rule(ledger=st.sampled_from(LEDGERS + VENDORS), amount=st.integers(1, 100))
    def pay_in(self, ledger: int, amount: int) -> None:
        postings = [Posting(ledger, amount), Posting(WORLD, -amount)]
        self.funds.post(postings)
        self.journal += postings

    @rule(ledger=st.sampled_from(LEDGERS), amount=st.integers(1, 100))
    def withdraw(self, ledger: int, amount: int) -> None:
        """Money that leaves by hand asks for a hold first, as a call does."""
        self.started += 1
        want = (ledger, amount)
        granted = self.grants([want], self.facts)
        self.check(self.funds.hold(self.started, wants([want])), granted)
        if granted:
            postings = [Posting(ledger, -amount), Posting(WORLD, amount)]
            self.funds.settle(self.started, postings)
            self.journal += postings

    def _forget(self, call: int) -> None:
        self.facts = [fact for fact in self.facts if fact.call != call]
        self.open.remove(call)

    @invariant()
    def sums_are_right(self) -> None:
        for ledger in (*LEDGERS, *VENDORS, WORLD):
            assert self.funds.balance(ledger) == self.balance(ledger)
            assert self.funds.held(ledger) == self.held(ledger)
            for call in self.open:
                mine = [fact for fact in self.facts if fact.call == call]
                assert self.funds.held_by(call, ledger) == self.held(ledger, mine)

    @invariant()
    def nobody_is_below_the_limit(self) -> None:
        """L-08, at every instant: balance - held >= -credit limit."""
        for ledger, credit in CREDIT.items():
            if credit is not None:
                assert self.funds.available(ledger, credit) >= 0

    @invariant()
    def auditors_agree(self) -> None:
        """L-09: nothing is held without an open call."""
        totals = self.funds.totals()
        assert totals.calls == len(self.open)
        assert totals.held_micros == sum(fact.amount for fact in self.facts)
        assert totals.holds == len({(fact.call, fact.ledger) for fact in self.facts if fact.amount})


def wants(wanted: list[tuple[int, int]]) -> list[Want]:
    return [Want(ledger, amount, CREDIT[ledger]) for ledger, amount in wanted]


MoneyMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMoney = MoneyMachine.TestCase
