"""Balances that many calls share, at three levels and at vendors who are paid in advance: nobody ever owes
one micro-unit more than he may, and who cannot pay is cut at the second that was granted.

What calls have cost so far is added up beside the proxy, by the rater of tests/harness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from sipguard.calls import saved
from sipguard.model.cdr import Outcome
from sipguard.model.ledger import Posting
from sipguard.store.batch import CallAnswered, CallClosed, CallUpdated, Record
from tests.calls import proof
from tests.calls.crowd import Crowd, is_bye_of_ours
from tests.harness import rater
from tests.harness.ends import MS, Address, Chances, headers
from tests.harness.rater import Price
from tests.policy.world import ROOT, World, account, mapping_gateway, rate, route, routing_gateway

CALLS, BURST, EVERY_MS = 2_000, 20, 1_000
SECOND = 1_000 * MS
ROUNDED_MS = 1
"""A call's clock starts at a whole millisecond."""

RESELLERS = (2, 3)
CUSTOMERS = {10: 2, 11: 2, 12: 2, 13: 3, 14: 3, 15: 3}
"""Who sells to whom."""
CREDIT = {102: 30_000, 110: 50_000, 113: 1}
"""How far below zero a ledger may go; the others not at all."""
VENDORS = (1, 2)
CASH = 999

PRICES = {
    "root": Price(100, 1, 1, 30_000),
    "reseller": Price(501, 6, 6, 50_001),
    "customer": Price(1_003, 30, 6, 60_007),
    "vendor": Price(0, 1, 1, 20_003),
}
TABLES = {"root": 11, "reseller": 12, "customer": 13, "vendor": 20}

SLICE_SECONDS = 10
TOP_UP_MS = 400
TOP_UPS = {101: 20_000, 102: 16_000, 103: 18_000, 301: 7_000, 302: 6_000} | {
    100 + key: 18_000 for key in CUSTOMERS
}
"""The most that is paid in at a time, half of the time."""
DRY_SPELL = 0.01
"""How often a payer stops paying for a while, so that at every level money is short now and then."""
DRY_NS = 12 * SECOND

CHANCES = Chances(
    lost=0, repeated=0, forked=0, ack_lost=0, caller_vanishes=0.2, talk_ms=60_000, ring_ms=3_000
)


@cache
def cost_micros(price: Price, seconds: int) -> int:
    """What so many seconds, started ones included, have cost."""
    return rater.charge_micros(seconds * 1_000, price)


class Tab(NamedTuple):
    """A call that is up."""

    answered_ns: int
    payers: tuple[tuple[int, Price], ...]

    def owed(self, length_ms: int) -> list[tuple[int, int]]:
        seconds = -(-length_ms // 1_000)
        return [(ledger, cost_micros(price, seconds)) for ledger, price in self.payers]


class Purses(Crowd):
    """Every ledger with a limit, added up once more."""

    def __init__(self, world: World, seed: int) -> None:
        self.purses = {101: 60_000, 102: 60_000, 103: 60_000, 301: 30_000, 302: 20_000} | {
            100 + key: 150_000 for key in CUSTOMERS
        }
        self.tabs: dict[int, Tab] = {}
        self.granted: dict[int, int] = {}
        self.due_ns: dict[str, int] = {}
        """When calls that are being cut should have ended, by Call-ID."""
        self.late_ms: list[float] = []
        self._dry_until_ns = dict.fromkeys(self.purses, 0)
        self.lowest_purse = dict.fromkeys(self.purses, 10**12)
        self.checks = 0
        self._checked_ns = 0
        customers = {(f"10.0.0.{key}", 5060): f"44207946{key:04}" for key in CUSTOMERS}
        gateways: list[Address] = [(f"198.51.100.{key}", 5060) for key in VENDORS]
        super().__init__(world.directory(), dict(self.purses), customers, gateways, seed, CHANCES)
        self.lowest = dict(self.purses)
        self.total = sum(self.purses.values())

    def told(self, record: Record) -> None:
        match record:
            case CallAnswered(call, _, _, state):
                present = self.exchange.current.find(call)
                assert present is not None
                sip_call_id = present.attempt.sip_call_id
                (leg,) = [leg for leg in self._legs if leg[1] == sip_call_id]
                self.tabs[call] = Tab(self.now, payers(int(present.permit.called[-4:]), leg[0]))
                self._grant(call, state)
            case CallUpdated(call, state):
                self._grant(call, state)
            case CallClosed(cdr, _) if cdr.outcome is Outcome.ANSWERED:
                tab, granted_ns = self.tabs.pop(cdr.call), self.granted.pop(cdr.call) * SECOND
                length_ns = self.now - tab.answered_ns
                assert abs(cdr.duration_ms - min(length_ns, granted_ns) // MS) <= ROUNDED_MS
                for ledger, owed in tab.owed(cdr.duration_ms):
                    self.purses[ledger] -= owed
                if cdr.reason == "not_enough_money":
                    self.due_ns[cdr.sip_call_id] = tab.answered_ns + granted_ns

    def _grant(self, call: int, state: bytes) -> None:
        clock = self.exchange.clock
        kept = saved.load(call, state, self.exchange.directory, clock.now(), clock.boot)
        self.granted[call] = kept.granted_seconds

    def send(self, source: Address, target: Address, message: bytes) -> None:
        if self.due_ns and is_bye_of_ours(source, message) and target in self.gateways:
            due_ns = self.due_ns.pop(headers(message)["call-id"][0], None)
            if due_ns is not None:
                self.late_ms.append((self.now - due_ns) / MS)
        super().send(source, target, message)

    def step(self) -> bool:
        more = super().step()
        if self.now - self._checked_ns >= SECOND // 4:
            self.check()
        return more

    def check(self) -> None:
        """Compare with everything that has been used up to now.

        Between two payments what is left only falls, so that it is lowest just before a payment: looking
        then, and now and then between, misses no instant.
        """
        self._checked_ns = self.now
        self.checks += 1
        left = dict(self.purses)
        for tab in self.tabs.values():
            for ledger, owed in tab.owed((self.now - tab.answered_ns) // MS - ROUNDED_MS):
                left[ledger] -= owed
        funds = self.exchange.funds
        for ledger, rest in left.items():
            self.lowest_purse[ledger] = min(self.lowest_purse[ledger], rest)
            assert rest >= -CREDIT.get(ledger, 0), f"L-08: {ledger} has {rest} at {self.now}"
            reserved = funds.balance(ledger) - funds.held(ledger)
            assert reserved <= rest, f"L-09: {ledger} has {rest} and {reserved} to give at {self.now}"
            assert funds.balance(ledger) == self.purses[ledger]
        house = (CASH, *(200 + key for key in (ROOT, *RESELLERS, *CUSTOMERS)), 900, 901, 902)
        everything = sum(funds.balance(ledger) for ledger in (*left, *house))
        assert everything == self.total, "L-07: value is neither made nor lost"

    def top_up(self) -> None:
        """Payments to everybody, of random amounts; often of nothing."""
        self.check()
        for ledger, most in TOP_UPS.items():
            if self.random.random() < DRY_SPELL:
                self._dry_until_ns[ledger] = self.now + DRY_NS
            if self.now < self._dry_until_ns[ledger]:
                continue
            amount = max(0, self.random.randrange(-most, 2 * most))
            self.purses[ledger] += amount
            self.exchange.funds.post((Posting(CASH, -amount), Posting(ledger, amount)))
            for paid, micros in ((CASH, -amount), (ledger, amount)):
                self.disk.balances[paid] = self.disk.balances.get(paid, 0) + micros

    def pay(self, calls: int, progress: Callable[[int], None]) -> None:
        """Calls and payments, until no more come; then let what is up come to its end."""
        for at_ms in range(TOP_UP_MS, calls // BURST * EVERY_MS, TOP_UP_MS):
            self.after(at_ms * MS, self.top_up)
        self.bursts(calls, BURST, EVERY_MS, progress)
        self.check()


def payers(customer: int, vendor: Address) -> tuple[tuple[int, Price], ...]:
    """Who pays for a call, by its customer and the gateway that took it."""
    return (
        (100 + customer, PRICES["customer"]),
        (100 + CUSTOMERS[customer], PRICES["reseller"]),
        (100 + ROOT, PRICES["root"]),
        (300 + int(vendor[0].rsplit(".", 1)[1]), PRICES["vendor"]),
    )


def trade() -> World:
    world = World()
    world.accounts = [
        account(ROOT, "root", rate_table_key=11),
        *(
            account(
                key, f"reseller-{key}", ROOT, rate_table_key=12, credit_limit_micros=CREDIT.get(100 + key, 0)
            )
            for key in RESELLERS
        ),
        *(
            account(
                key, f"customer-{key}", agent, rate_table_key=13, credit_limit_micros=CREDIT.get(100 + key, 0)
            )
            for key, agent in CUSTOMERS.items()
        ),
    ]
    world.rates = [
        rate(
            table,
            table,
            price=PRICES[who].rate_micros,
            fee=PRICES[who].connect_fee_micros,
            initial=PRICES[who].initial_seconds,
            following=PRICES[who].next_seconds,
        )
        for who, table in TABLES.items()
    ]
    world.gateways = [
        routing_gateway(key, host=f"198.51.100.{key}", cost_table_key=20, vendor_credit_micros=0)
        for key in VENDORS
    ]
    world.routes = [route(key, key, priority=key) for key in VENDORS]
    world.trunks = [mapping_gateway(key, account_key=key, sources=(f"10.0.0.{key}/32",)) for key in CUSTOMERS]
    world.settings = replace(world.settings, slice_seconds=SLICE_SECONDS)
    return world


def test_l08_nobody_owes_one_micro_unit_more_than_he_may() -> None:
    calls = proof.calls(CALLS)
    world = Purses(trade(), proof.SEED)
    world.pay(calls, proof.progress("purses", calls))
    cdrs = world.disk.cdrs.values()
    answered = [cdr for cdr in cdrs if cdr.outcome is Outcome.ANSWERED]
    late = sorted(world.late_ms)
    spare = {ledger: low + CREDIT.get(ledger, 0) for ledger, low in world.lowest_purse.items()}
    unheld = {ledger: low + CREDIT.get(ledger, 0) for ledger, low in world.lowest.items()}
    proof.report(
        "purses",
        attempts=len(cdrs),
        answered=len(answered),
        refused=dict(Counter(cdr.reason for cdr in cdrs if cdr.outcome is Outcome.REFUSED)),
        cut=len(late),
        late_ms_p99=late[len(late) * 99 // 100],
        late_ms_max=late[-1],
        checks=world.checks,
        least_left_micros=spare,
        least_unheld_micros=unheld,
    )
    assert len(cdrs) == calls
    assert late[-1] <= 1_000, "L-10"
    assert late[0] >= -ROUNDED_MS, "and nobody is cut before the end that was granted"
    assert not world.due_ns, "every call that was to be cut got its BYE"
    assert not world.tabs
    assert min(spare.values()) >= 0, "L-08"
    assert min(unheld.values()) >= 0, "L-08, holds included"
    for ledger, rest in world.purses.items():
        assert world.disk.balances[ledger] == rest, "L-03, to the micro-unit"
    assert world.exchange.funds.totals().calls == 0
    for kind, keys in {"customer": CUSTOMERS, "reseller": RESELLERS, "root": (ROOT,)}.items():
        first_slice = cost_micros(PRICES[kind], SLICE_SECONDS)
        assert min(unheld[100 + key] for key in keys) < first_slice, f"money of a {kind} was short"
    assert min(unheld[300 + key] for key in VENDORS) < cost_micros(PRICES["vendor"], SLICE_SECONDS)
    assert len(late) > calls // 100
    assert len(answered) > calls // 10
