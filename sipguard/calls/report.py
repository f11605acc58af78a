"""What the proxy says of itself: for `sipguard status`, and later for the stats endpoints."""

from __future__ import annotations

from sipguard.calls.exchange import Exchange
from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway, RoutingGateway


def status(exchange: Exchange, epoch: int) -> dict[str, object]:
    """Sizes and counters. Counts are keyed by id; those that are zero are left out."""
    current, directory = exchange.current, exchange.directory
    totals = exchange.funds.totals()
    live = sum(1 for call in current if call.answered_ms is not None)
    engine = exchange.engine.stats()
    counts = current.counts()
    writer = exchange.writer
    return {
        "epoch": epoch,
        "revision": directory.revision,
        "live_calls": live,
        "attempts": len(current) - live,
        "holds": totals.holds,
        "held_micros": totals.held_micros,
        "counts": {
            f"{kind}:{_id(exchange, kind, key)}": count
            for kind, keys in counts.items()
            for key, count in keys.items()
        },
        "gateways_out": {
            str(gateway["id"]): gateway["why"] for gateway in exchange.gateways.report() if gateway["why"]
        },
        "backlog": writer.backlog,
        "store_healthy": writer.refusal() is None,
        "draining": exchange.draining,
        "totals": {
            "attempts": exchange.tally.attempts,
            "refused": exchange.tally.refused,
            "answered": exchange.tally.answered,
            "failed": exchange.tally.failed,
            "failovers": exchange.tally.failovers,
            "cut": exchange.tally.cut,
            "lost": exchange.tally.lost,
        },
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
    return named.id if named is not None else str(key)


def held(exchange: Exchange) -> dict[int, int]:
    """Micro-units that calls hold, by the ledger account of the balance; what holds nothing is left out."""
    funds = exchange.funds
    ledgers = [account.balance_ledger for account in exchange.directory.accounts.values()]
    return {ledger: micros for ledger in ledgers if (micros := funds.held(ledger))}


def live_calls(exchange: Exchange) -> list[dict[str, object]]:
    """Every present call, the oldest first."""
    return [
        {
            "call": call.id,
            "sip_call_id": call.attempt.sip_call_id,
            "account_id": call.permit.levels[0].account.id,
            "called": call.permit.called,
            "calling": call.permit.calling,
            "routing_gateway_id": call.candidate.gateway.id,
            "invited_ms": call.invited.unix_ms,
            "answered_ms": call.answered_ms,
            "granted_seconds": call.granted_seconds,
        }
        for call in exchange.current
    ]
