"""The worlds that calls are simulated in, each bad in its own way, and what has to hold of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sipguard.model.cdr import Outcome
from tests.calls.simulation import Simulation
from tests.harness.ends import Chances
from tests.policy.world import ACME, RESELLER, ROOT, UNIT, World, mapping_gateway, route, routing_gateway

CALLER = ("127.0.0.2", 5060)
GATEWAYS = [("198.51.100.1", 5060), ("198.51.100.2", 5060)]
NUMBER = "442079460000"

BAD_NETWORK = Chances(0.25, 0.2, cancelled=0.4, ack_lost=0.3)
VANISHING = Chances(caller_dies=0.2, callee_dies=0.15, caller_forgets=0.15, never_acknowledged=0.1)


def simulation(seed: int, chances: Chances | None = None, units: int = 1000) -> Simulation:
    """Three levels of payers with so many `units` each, two gateways, limits at every level."""
    world = World()
    world.gateways = [
        routing_gateway(1, host=GATEWAYS[0][0], capacity=30, cost_table_key=20),
        routing_gateway(2, host=GATEWAYS[1][0], cost_table_key=20),
    ]
    world.trunks = [mapping_gateway(capacity=80)]
    world.change(RESELLER, call_limit=70).change(ACME, max_call_seconds=300)
    world.routes = [route(1, 1, priority=1), route(2, 2, priority=2)]
    balances = {100 + key: units * UNIT for key in (ROOT, RESELLER, ACME)} | {301: 0, 302: 0}
    return Simulation(world.directory(), balances, CALLER, GATEWAYS, seed, chances or Chances())


def ordinary(seed: int, calls: int) -> Simulation:
    """Loss, copies, CANCEL, forks, re-INVITE, gateways that fail or say nothing: a little of each."""
    world = simulation(seed)
    world.run(calls, per_second=4)
    return world


def killed(seed: int, calls: int) -> Simulation:
    """The same, with kills in between."""
    world = simulation(1000 + seed)
    world.run(calls, per_second=4, kills=25)
    return world


def poor(seed: int, calls: int) -> Simulation:
    """Many calls on one small balance."""
    world = simulation(2000 + seed, units=1)
    world.run(calls, per_second=8)
    return world


def poor_and_killed(seed: int, calls: int) -> Simulation:
    """What was held before a kill is held after it."""
    world = simulation(4000 + seed, units=1)
    world.run(calls, per_second=8, kills=25)
    return world


def bad_network(seed: int, calls: int) -> Simulation:
    """A quarter of all messages is lost, a fifth comes twice, and there are kills."""
    world = simulation(3000 + seed, BAD_NETWORK)
    world.run(calls, per_second=4, kills=10)
    return world


def vanishing(seed: int, calls: int) -> Simulation:
    """Ends that fall silent, forget their calls, never acknowledge."""
    world = simulation(5000 + seed, VANISHING)
    world.run(calls, per_second=4)
    return world


def vanishing_and_killed(seed: int, calls: int) -> Simulation:
    """The same, with kills in between."""
    world = simulation(6000 + seed, VANISHING)
    world.run(calls, per_second=4, kills=25)
    return world


KINDS: dict[str, Callable[[int, int], Simulation]] = {
    kind.__name__: kind
    for kind in (ordinary, killed, poor, poor_and_killed, bad_network, vanishing, vanishing_and_killed)
}


def left_over(world: Simulation) -> dict[str, int]:
    """What has to be zero once every call is over."""
    exchange, disk = world.exchange, world.disk
    totals, stats = exchange.funds.totals(), world.engine.stats()
    return {
        "calls": len(exchange.current),
        "counts": sum(number for kind in exchange.current.counts().values() for number in kind.values()),
        "holds": totals.calls,
        "held_micros": totals.held_micros,
        "residual_micros": sum(disk.balances.values()) - sum(world.balances.values()),
        "drift_micros": sum(
            abs(exchange.funds.balance(ledger) - balance) for ledger, balance in disk.balances.items()
        ),
        "transactions": stats.transactions,
        "engine_calls": stats.calls,
        "live_on_disk": sum(call.ended_ms is None for call in disk.live.values()),
        "doubled": disk.duplicates + sum(times - 1 for times in disk.entries.values()),
    }


def breaches(world: Simulation) -> Iterator[str]:
    """Every breach once all calls are over, with its invariant where it has one."""
    disk = world.disk
    for what, found in left_over(world).items():
        if found:
            yield f"{found} {what} left over (L-01, L-03, L-04, L-07, L-09, L-14)"
    answered = {call for call, cdr in disk.cdrs.items() if cdr.outcome is Outcome.ANSWERED}
    if answered != set(disk.live):
        yield f"L-11: {len(answered ^ set(disk.live))} answered calls without their one record"
    for call in answered:
        if len(disk.cdrs[call].levels) != 3:
            yield f"L-12: call {call} charged {len(disk.cdrs[call].levels)} levels"
        if f"call:{call}" not in disk.entries:
            yield f"L-04: call {call} has no charge"
    seen = {cdr.sip_call_id for cdr in disk.cdrs.values() if cdr.outcome is Outcome.ANSWERED}
    if unheard := world.answered() - seen:
        yield f"L-11: {len(unheard)} callers heard an answer that is not in the books"
    for ledger in (100 + ROOT, 100 + RESELLER, 100 + ACME):
        if world.lowest[ledger] < 0:
            yield f"L-08: ledger {ledger} was {world.lowest[ledger]} less its holds"
    if up := world.up():
        yield f"{len(up)} ends have heard no BYE"
    if astray := world.asked() - {NUMBER}:
        yield f"judged is not sent: {astray}"
