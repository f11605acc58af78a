"""A new INVITE: judged, then claimed, held and forwarded in one step with nothing awaited between."""

from __future__ import annotations

from sipguard.calls import authentication, registrar, settlement, unfinished
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange
from sipguard.calls.location import contact_ways
from sipguard.calls.reasons import answer
from sipguard.model.call import Attempt
from sipguard.model.verdict import Permit, Reason, Refusal
from sipguard.policy import caller, credit, identity
from sipguard.policy.decide import Moment, decide
from sipguard.policy.funds import Shortage
from sipguard.policy.pace import routing_gateway_key
from sipguard.sip.events import Caller, Invite, Request
from sipguard.sip.targets import Way
from sipguard.store.writer import CallClosed


def on_invite(exchange: Exchange, event: Invite) -> None:
    """Decide once; forward or refuse."""
    now = exchange.clock.now()
    directory = exchange.directory
    user, certificate = "", tuple(event.certificate or ()) if directory.certificates else ()
    if directory.logins and identity.by_certificate(certificate, event.source_host, directory) is None:
        told = authentication.caller(exchange, event, now)
        if told is None:
            return
        user = told
    attempt = Attempt(
        event.source_host,
        event.source_port,
        event.request_user,
        event.from_user,
        event.sip_call_id,
        user,
        event.asserted_user if exchange.directory.believes_assertions else "",
        certificate,
    )
    exchange.tally.attempts += 1
    verdict = judge(exchange, attempt, now)
    if isinstance(verdict, Permit):
        closed = None if verdict.emergency else _closed(exchange, verdict)
        verdict = closed or _admit(exchange, event, attempt, verdict, now)
    if exchange.tracer is not None:
        exchange.tracer.judged(attempt, verdict)
    if isinstance(verdict, Permit):
        return
    refuse(exchange, event, attempt, verdict, now)


def judge(exchange: Exchange, attempt: Attempt, now: Moment) -> Permit | Refusal:
    """The decision, by everything as it is at this moment."""
    out = exchange.gateways.health.out
    return decide(attempt, exchange.directory, exchange.funds, exchange.current, exchange.pace, now, out)


def on_request(exchange: Exchange, event: Request) -> None:
    """A REGISTER is for the registrar. No rule of ours covers a MESSAGE, ..., so it goes nowhere."""
    if event.method == "REGISTER":
        registrar.on_register(exchange, event)
        return
    exchange.engine.reject(event.call, 405, "Method Not Allowed")


def _closed(exchange: Exchange, permit: Permit) -> Refusal | None:
    """Refusals that are no matter of policy: the store is down, or the daemon is being stopped."""
    if (trouble := exchange.writer.refusal()) is not None:
        return _of_permit(permit, Reason.STORE_DOWN, trouble, "a store that takes records")
    if exchange.draining:
        return _of_permit(permit, Reason.OVERLOADED, "draining", "a daemon that takes new calls")
    return None


def _of_permit(permit: Permit, reason: Reason, observed: str, required: str) -> Refusal:
    return Refusal(
        reason,
        level=None,
        rule=None,
        observed=observed,
        required=required,
        account_id=permit.levels[0].account.id,
        gateway_id=permit.mapping_gateway.id,
        called=permit.called,
        calling=permit.calling,
    )


def _admit(
    exchange: Exchange, event: Invite, attempt: Attempt, permit: Permit, now: Moment
) -> Permit | Refusal:
    """Take money and channels at every level and at the first gateway, or nothing."""
    position, ways = _first(exchange, permit, attempt, now)
    if not ways and permit.candidates[0].gateway.key < 0:
        observed = f"{permit.candidates[0].gateway.id} is registered nowhere"
        return _of_permit(permit, Reason.NOT_REGISTERED, observed, "a registered phone")
    if not ways:
        return _of_permit(permit, Reason.GATEWAYS_DOWN, "no gateway has an address", "one that has")
    first = permit.candidates[position]
    shortage = exchange.funds.hold(event.call, credit.holds(permit, first))
    if shortage is not None:
        # decide() looked at each ledger by itself; here they are asked for together.
        return _of_permit(permit, Reason.NOT_ENOUGH_MONEY, *_values(shortage))
    call = Call(
        id=event.call,
        permit=permit,
        attempt=attempt,
        user_agent=event.user_agent,
        invited=now,
        candidate=first,
        position=position,
        ways=ways,
        granted_seconds=permit.slice_seconds,
        codecs_offered=event.codecs,
    )
    exchange.current.claim(call)
    if exchange.attempts is not None:
        unfinished.keep(exchange, call)
    exchange.pace.take(permit, now.monotonic_ns)
    send(exchange, call, now)
    return permit


def _first(exchange: Exchange, permit: Permit, attempt: Attempt, now: Moment) -> tuple[int, tuple[Way, ...]]:
    """The first candidate that has an address; only of an emergency call it need not be the first of all."""
    for position, candidate in enumerate(permit.candidates):
        key = candidate.gateway.key
        if key < 0:  # a phone, which is where it has registered
            return position, contact_ways(exchange.locations.of(-key, now.unix_ms))
        ways = exchange.gateways.ways(key, attempt.sip_call_id, now.monotonic_ns)
        if ways:
            return position, ways
    return 0, ()


def _values(shortage: Shortage) -> tuple[str, str]:
    return f"{shortage.available_micros} micro-units available", f"{shortage.required_micros} micro-units"


def send(exchange: Exchange, call: Call, now: Moment) -> None:
    """Forward a call to its present candidate, by the first of its ways, with the number that was judged."""
    candidate = call.candidate
    exchange.pace.take_route(candidate.gateway, now.monotonic_ns)
    trusted = call.permit.mapping_gateway.trusted
    if exchange.tracer is not None:
        exchange.tracer.sent(call)
    told = caller.presented(call.permit, candidate.gateway)
    shown = None if told is None else _shown(told)
    call.calling_sent = None if told is None else told.user
    way = call.ways[0]
    forwarded = exchange.engine.forward(call.id, way.target, candidate.number, trusted, shown, way.beside)
    assert forwarded, f"call {call.id} is unknown to the engine"


def _shown(told: caller.Presented) -> Caller:
    return Caller(
        told.user,
        keeps_name=told.keeps_name,
        asserted=told.asserted,
        by_remote_party=told.by_remote_party,
    )


def next_gateway(exchange: Exchange, call: Call, now: Moment) -> bool:
    """Move the call, its slot and its vendor's hold to the next candidate that has room; False: none has."""
    for position in range(call.position + 1, len(call.permit.candidates)):
        candidate = call.permit.candidates[position]
        gateway = candidate.gateway
        if not (exchange.gateways.usable(gateway.key, now.monotonic_ns) or call.permit.emergency):
            continue
        ways = exchange.gateways.ways(gateway.key, call.attempt.sip_call_id, now.monotonic_ns)
        if not ways:
            continue
        if gateway.capacity is not None and exchange.current.routing_gateway(gateway.key) >= gateway.capacity:
            continue
        if (
            gateway.cps_limit is not None
            and exchange.pace.used(routing_gateway_key(gateway), now.monotonic_ns) >= gateway.cps_limit
        ):
            continue
        from_ledger = call.candidate.gateway.clearing_ledger
        if exchange.funds.retarget(call.id, from_ledger, credit.vendor_hold(candidate)) is not None:
            continue
        exchange.current.move(call, position)
        call.ways = ways
        return True
    return False


def refuse(exchange: Exchange, event: Invite, attempt: Attempt, refusal: Refusal, now: Moment) -> None:
    """Answer by the table, and keep why."""
    exchange.tally.refused += 1
    reply = answer(refusal.reason)
    exchange.engine.reject(event.call, reply.status, reply.phrase, reply.reason, reply.retry_after)
    revision = exchange.directory.revision
    cdr = settlement.refused(event.call, attempt, refusal, now, revision, event.user_agent, event.codecs)
    exchange.writer.submit(CallClosed(cdr, None))
