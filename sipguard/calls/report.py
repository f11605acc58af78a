"""What the proxy says of itself: for `sipguard status`, and later for the stats endpoints."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.policy.phone import phone_id

SLICE = 40
"""Entries that are put together in one go: less than 100 us, in which no call waits longer."""

IDS_SLICE = 1_000
"""Numbers that are looked through in one go: as long."""

SPARE = 100
"""Calls beyond a page that are looked at, too: so many may end meanwhile."""


async def status(exchange: Exchange, auditor: Auditor, epoch: int) -> dict[str, object]:
    """Sizes and counters. Counts are keyed by id; those that are zero are left out."""
    current, directory = exchange.current, exchange.directory
    totals, live, present = exchange.funds.sums(), current.answered, len(current)
    engine = exchange.engine.stats()
    counts = current.counts()
    writer = exchange.writer
    return {
        "epoch": epoch,
        "revision": directory.revision,
        "live_calls": live,
        "attempts": present - live,
        "ending_calls": current.leaving,
        "holds": totals.holds,
        "held_micros": totals.held_micros,
        "counts": await _named(exchange, counts),
        "gateways_out": {
            str(gateway["id"]): gateway["why"] for gateway in exchange.gateways.report() if gateway["why"]
        },
        "backlog": writer.backlog,
        "store_healthy": writer.refusal() is None,
        "draining": exchange.draining,
        "overloaded": engine.overloaded,
        "totals": {
            "attempts": exchange.tally.attempts,
            "refused": exchange.tally.refused,
            "answered": exchange.tally.answered,
            "failed": exchange.tally.failed,
            "failovers": exchange.tally.failovers,
            "cut": exchange.tally.cut,
            "lost": exchange.tally.lost,
        },
        "audit": auditor.state(),
        "notices": dict(exchange.notices.counts),
        "contacts": len(exchange.locations.all()),
        "logins": {
            "challenged": exchange.logged.challenged,
            "accepted": exchange.logged.accepted,
            "wrong": exchange.logged.wrong,
            "stale": exchange.logged.stale,
            "replayed": exchange.logged.replayed,
        },
        "store": {
            "batches": writer.counts.batches,
            "records": writer.counts.records,
            "duplicates": writer.counts.duplicates,
            "rejected": writer.counts.rejected,
            "failures": writer.counts.failures,
            "redo_failures": writer.counts.redo_failures,
        },
        "engine": {
            "received": engine.received,
            "sent": engine.sent,
            "malformed": engine.malformed,
            "refused": engine.refused,
            "shed": engine.shed,
            "dropped": engine.dropped,
            "transactions": engine.transactions,
            "calls": engine.calls,
            "live": engine.live,
            "streams": engine.streams,
        },
    }


def _id(exchange: Exchange, kind: str, key: int) -> str:
    directory = exchange.directory
    named: Account | MappingGateway | RoutingGateway | None
    match kind:
        case "account":
            named = directory.accounts.get(key)
        case "mapping_gateway":
            named = directory.mapping_gateways.get(key)
        case _:
            named = directory.routing_gateways.get(key)
    if named is None and (called := directory.phones.by_key.get(-key)) is not None:
        return phone_id(called)
    return named.id if named is not None else str(key)


async def _named(exchange: Exchange, counts: Mapping[str, Mapping[int, int]]) -> dict[str, int]:
    named: dict[str, int] = {}
    for kind, keys in counts.items():
        for key, count in keys.items():
            named[f"{kind}:{_id(exchange, kind, key)}"] = count
            if len(named) % SLICE == 0:
                await asyncio.sleep(0)
    return named


def held(exchange: Exchange) -> dict[int, int]:
    """Micro-units that calls hold, by ledger account; what holds nothing is left out."""
    return exchange.funds.held_ledgers()


async def oldest(calls: Sequence[int], after: int, limit: int) -> list[int]:
    """The `limit` lowest of some calls' numbers above `after`, rising."""
    found: list[int] = []
    for first in range(0, len(calls), IDS_SLICE):
        below = found[-1] if len(found) == limit else math.inf
        more = [call for call in calls[first : first + IDS_SLICE] if after < call < below]
        if more:
            found = sorted(found + more)[:limit]
        await asyncio.sleep(0)
    return found


async def in_steps(told: Mapping[str, object], name: str) -> dict[str, object]:
    """An answer whose long list `name` is written as JSON already, a piece at a time."""
    rows = told[name]
    assert isinstance(rows, list)
    return {**told, name: await encoded(rows)}


async def encoded(rows: Sequence[object]) -> msgspec.Raw:
    """A list as JSON, written a piece at a time."""
    pieces: list[bytes] = []
    for first in range(0, len(rows), SLICE):
        pieces.append(msgspec.json.encode(rows[first : first + SLICE])[1:-1])
        await asyncio.sleep(0)
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


async def page(exchange: Exchange, calls: Sequence[int], after: int, limit: int) -> list[dict[str, object]]:
    """The oldest `limit` of `calls` with numbers above `after`, as far as they are present."""
    wanted = await oldest(calls, after, limit + SPARE)
    return (await live_calls(exchange, wanted))[:limit]


async def live_calls(exchange: Exchange, calls: Iterable[int]) -> list[dict[str, object]]:
    """Those of `calls` that are present, in their order."""
    found: list[dict[str, object]] = []
    for call_id in calls:
        call = exchange.current.find(call_id)
        if call is None:
            continue
        found.append(
            {
                "call": call.id,
                "sip_call_id": call.attempt.sip_call_id,
                "account_id": call.permit.levels[0].account.id,
                "called": call.permit.called,
                "calling": call.permit.calling,
                "mapping_gateway_id": call.permit.mapping_gateway.id,
                "routing_gateway_id": call.candidate.gateway.id,
                "invited_ms": call.invited.unix_ms,
                "answered_ms": call.answered_ms,
                "granted_seconds": call.granted_seconds,
            }
        )
        if len(found) % SLICE == 0:
            await asyncio.sleep(0)
    return found
