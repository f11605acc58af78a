"""Bursts against gateways and customers of few channels: never one call over, anywhere, at any moment.

What is in progress is counted at the gateways, by what they were asked and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sipguard.model.cdr import Outcome
from sipguard.store.batch import Record
from tests.calls import proof
from tests.calls.crowd import Crowd
from tests.calls.desk import CALLER, Desk, Ledger
from tests.harness.ends import Address, Chances
from tests.policy.world import ROOT, UNIT, World, account, mapping_gateway, rate, route, routing_gateway

CALLS, BURST = 3_000, 200
CAPACITIES = (1, 2, 3, 5, 8, 13, 20, 30, 40, 50)
AGENTS = {2: 30, 3: 40, 4: 50, 5: 80}
"""Calls that an agent and all below it may have, by its key."""
ROOT_LIMITS = {"the gateways are short": 190, "the top level is short": 120}
"""The gateways take 172 calls."""
CUSTOMERS = {key: 1 + (key - 10) % 20 for key in range(10, 50)}

CHANCES = Chances(
    lost=0,
    repeated=0,
    forked=0,
    ack_lost=0,
    caller_vanishes=0.01,
    caller_dies=0.01,
    callee_dies=0.01,
    talk_ms=12_000,
    ring_ms=4_000,
    ways={"silent": 1, "trying": 1, "refuse": 20, "busy": 80, "fail": 60, "answer": 200, "ring": 600},
)


def agent_of(customer: int) -> int:
    return list(AGENTS)[customer % len(AGENTS)]


def number_of(customer: int) -> str:
    return f"44207946{customer:04}"


def host_of(gateway: int) -> Address:
    return f"198.51.100.{gateway}", 5060


def crowd(seed: int, root_limit: int) -> Crowd:
    world = World()
    world.accounts = [
        account(ROOT, "root", call_limit=root_limit, rate_table_key=11, max_call_seconds=60),
        *(account(key, f"agent-{key}", ROOT, call_limit=AGENTS[key], rate_table_key=11) for key in AGENTS),
        *(
            account(key, f"customer-{key}", agent_of(key), call_limit=CUSTOMERS[key], rate_table_key=11)
            for key in CUSTOMERS
        ),
    ]
    world.rates = [rate(1, 11)]
    world.gateways = [
        routing_gateway(key, host=host_of(key)[0], capacity=capacity)
        for key, capacity in enumerate(CAPACITIES, 1)
    ]
    world.routes = [route(key, key, priority=1 + key % 3) for key, _ in enumerate(CAPACITIES, 1)]
    world.trunks = [
        mapping_gateway(key, account_key=key, sources=(f"10.0.0.{key}/32",), capacity=None if key % 2 else 15)
        for key in CUSTOMERS
    ]
    balances = {100 + one.key: 10**6 * UNIT for one in world.accounts}
    customers = {(f"10.0.0.{key}", 5060): number_of(key) for key in CUSTOMERS}
    made = Crowd(
        world.directory(), balances, customers, [host_of(key.key) for key in world.gateways], seed, CHANCES
    )
    made.limits = {
        "root": root_limit,
        **{f"agent-{key}": limit for key, limit in AGENTS.items()},
        **{f"customer-{key}": limit for key, limit in CUSTOMERS.items()},
        **{f"trunk-{key}": 10**6 if key % 2 else 15 for key in CUSTOMERS},
        **{host_of(key)[0]: capacity for key, capacity in enumerate(CAPACITIES, 1)},
    }
    chains = {
        number_of(key): (f"trunk-{key}", f"customer-{key}", f"agent-{agent_of(key)}", "root")
        for key in CUSTOMERS
    }
    made.names = lambda gateway, number: (gateway[0], *chains[number])
    return made


@pytest.mark.parametrize("short", ROOT_LIMITS)
def test_l14_never_one_call_over_at_any_gateway_or_level(short: str) -> None:
    calls = proof.calls(CALLS)
    world = crowd(proof.SEED, ROOT_LIMITS[short])
    world.bursts(calls, BURST, 1_000, proof.progress("channels", calls))
    cdrs = world.disk.cdrs.values()
    reasons = Counter(cdr.reason or "" for cdr in cdrs)
    filled = [name for name, limit in world.limits.items() if world.highest[name] == limit]
    proof.report(
        f"channels, {short}",
        calls=len(cdrs),
        outcomes=dict(Counter(cdr.outcome.value for cdr in cdrs)),
        failovers=world.exchange.tally.failovers,
        over=len(world.over),
        filled=f"{len(filled)} of {len(world.limits)} limits",
        reasons=dict(reasons.most_common()),
    )
    assert not world.over, world.over[:20]
    assert not +world.present, "what gateways began, they ended"
    assert len(cdrs) == calls
    assert not any(world.exchange.current.counts().values()), "all counts zero"
    assert world.exchange.funds.totals().calls == 0
    gateways = {host_of(key)[0] for key in range(1, 11)}
    assert "root" in filled or gateways <= set(filled), "each of them was full once"
    assert "agent-2" in filled
    assert len(filled) > 15, "and many customers used all that they have"
    assert {cdr.outcome for cdr in cdrs} == set(Outcome)
    assert world.exchange.tally.failovers > calls // 400
    assert any(len(cdr.tries) > 1 and cdr.outcome is Outcome.ANSWERED for cdr in cdrs)


class Later(Ledger):
    """What is submitted is durable when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        super().submit(record)
        if done is not None:
            self.waiting.append(done)

    def commit(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


def test_l14_a_gateway_has_its_call_until_the_bye_goes() -> None:
    """The charge is written first. An INVITE that overtook the BYE would be one too many for the gateway."""
    desk = Desk(World(gateways=[routing_gateway(capacity=1)]))
    desk.exchange.writer = ledger = Later()
    desk.invite()
    invite = desk.invited()
    desk.answer(invite, "200 OK", "Contact: <sip:b@127.0.0.10>", invite.header("Record-Route"))
    ledger.commit()
    desk.turn()
    (told,) = [one for one in desk.sent("SIP/2.0 200") if one.to == CALLER]
    desk.receive(
        CALLER,
        f"BYE sip:b@127.0.0.10 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER[0]}:5060;branch=z9hG4bKbye\r\n"
        f"Max-Forwards: 70\r\n{told.header('Record-Route').replace('Record-Route', 'Route')}\r\n"
        f"{told.header('From')}\r\n{told.header('To')}\r\n{told.header('Call-ID')}\r\n"
        "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
    )
    assert len(desk.exchange.current) == 0, "over in the books"
    assert not desk.sent("BYE")
    desk.invite()
    assert ledger.cdrs[-1].reason == "gateways_full", "no room yet"
    ledger.commit()
    desk.turn()
    assert len(desk.sent("BYE")) == 1
    desk.invite()
    assert desk.invited().to == invite.to
