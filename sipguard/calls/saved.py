"""A live call as the store keeps it, so that a restart can go on with it: compact, versioned, and with the
terms under which it was admitted, because the directory may say something else by then.
"""

from __future__ import annotations

import msgspec

from sipguard.calls.call import Call
from sipguard.model.account import Account
from sipguard.model.call import Attempt
from sipguard.model.cdr import GatewayTry
from sipguard.model.gateway import MappingGateway, NumberPlan, RoutingGateway
from sipguard.model.rate import Rate
from sipguard.model.verdict import Candidate, Level, Permit
from sipguard.policy.decide import Moment
from sipguard.policy.directory import Directory

VERSION = 2
"""2: a rate has grace, minimum, tiers, window and terms. One of version 1 lacks them and had none of them, so
it reads as a rate with the defaults; a program of version 1 would forget them and refuses version 2.

What is added behind the last field leaves the version as it is: older programs pass over it, and whoever
reads what they have saved finds the defaults."""

_READ = (1, 2)


class _Level(msgspec.Struct, array_like=True, frozen=True):
    account_key: int
    account_id: str
    balance_ledger: int
    revenue_ledger: int
    credit_limit_micros: int
    currency: str
    income_ledger: int
    rate: Rate | None


class _Call(msgspec.Struct, array_like=True, frozen=True):
    version: int
    sip_call_id: str
    source_host: str
    source_port: int
    request_user: str
    from_user: str
    user_agent: str
    called: str
    calling: str
    invited_ms: int
    ringing_ms: int | None
    answered_ms: int
    granted_seconds: int
    slice_seconds: int
    max_seconds: int | None
    revision: int
    emergency: bool
    mapping_gateway_key: int
    mapping_gateway_id: str
    gateway_key: int
    gateway_id: str
    clearing_ledger: int
    vendor_credit_micros: int | None
    route_key: int
    cost: Rate | None
    number: str
    levels: list[_Level]
    tries: list[GatewayTry]
    proved_ms: int | None = None
    codecs_offered: str = ""
    codecs_answered: str = ""
    callee_user_agent: str = ""
    invited_ns: int = 0
    """`invited_ms` on the monotonic clock."""
    boot: bytes = b""
    """What that counts from (calls.clock.Clock); empty: nothing that another run could know."""
    calling_sent: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Call).decode


def save(call: Call, boot: bytes) -> bytes:
    """The call as bytes; `boot`: of the clock that times it (calls.clock.Clock)."""
    assert call.answered_ms is not None
    permit, attempt, gateway = call.permit, call.attempt, call.candidate.gateway
    return _encode(
        _Call(
            version=VERSION,
            sip_call_id=attempt.sip_call_id,
            source_host=attempt.source_host,
            source_port=attempt.source_port,
            request_user=attempt.request_user,
            from_user=attempt.from_user,
            user_agent=call.user_agent,
            called=permit.called,
            calling=permit.calling,
            invited_ms=call.invited.unix_ms,
            ringing_ms=call.ringing_ms,
            answered_ms=call.answered_ms,
            granted_seconds=call.granted_seconds,
            slice_seconds=permit.slice_seconds,
            max_seconds=permit.max_seconds,
            revision=permit.revision,
            emergency=permit.emergency,
            mapping_gateway_key=permit.mapping_gateway.key,
            mapping_gateway_id=permit.mapping_gateway.id,
            gateway_key=gateway.key,
            gateway_id=gateway.id,
            clearing_ledger=gateway.clearing_ledger,
            vendor_credit_micros=gateway.vendor_credit_micros,
            route_key=call.candidate.route_key,
            cost=call.candidate.cost,
            number=call.candidate.number,
            levels=[
                _Level(
                    level.account.key,
                    level.account.id,
                    level.account.balance_ledger,
                    level.account.revenue_ledger,
                    level.account.credit_limit_micros,
                    level.account.currency,
                    level.income_ledger,
                    level.rate,
                )
                for level in permit.levels
            ],
            tries=call.tries,
            proved_ms=call.proved_ms,
            codecs_offered=call.codecs_offered,
            codecs_answered=call.codecs_answered,
            callee_user_agent=call.callee_user_agent,
            invited_ns=call.invited.monotonic_ns,
            boot=boot,
            calling_sent=call.calling_sent,
        )
    )


def load(call: int, state: bytes, directory: Directory, now: Moment, boot: bytes) -> Call:
    """The call again, timed by the clocks of this run. Raises ValueError where the bytes are not ours.

    `boot`: of the clock that says `now`.
    """
    try:
        saved = _decode(state)
    except msgspec.DecodeError as error:
        raise ValueError(f"live call {call}: {error}") from error
    if saved.version not in _READ:
        raise ValueError(f"live call {call}: saved as version {saved.version}, this program reads {_READ}")
    candidate = Candidate(_gateway(saved, directory), saved.route_key, saved.cost, 0, saved.number)
    permit = Permit(
        mapping_gateway=_mapping_gateway(saved, directory),
        levels=tuple(
            Level(_account(level, directory), level.rate, 0, level.income_ledger) for level in saved.levels
        ),
        called=saved.called,
        calling=saved.calling,
        candidates=(candidate,),
        slice_seconds=saved.slice_seconds,
        max_seconds=saved.max_seconds,
        revision=saved.revision,
        emergency=saved.emergency,
    )
    attempt = Attempt(
        saved.source_host, saved.source_port, saved.request_user, saved.from_user, saved.sip_call_id
    )
    return Call(
        id=call,
        permit=permit,
        attempt=attempt,
        user_agent=saved.user_agent,
        invited=Moment(saved.invited_ms, _invited_ns(saved, now, boot)),
        candidate=candidate,
        tries=saved.tries,
        ringing_ms=saved.ringing_ms,
        answered_ms=saved.answered_ms,
        granted_seconds=saved.granted_seconds,
        proved_ms=saved.proved_ms,
        codecs_offered=saved.codecs_offered,
        codecs_answered=saved.codecs_answered,
        callee_user_agent=saved.callee_user_agent,
        calling_sent=saved.calling_sent,
    )


def _invited_ns(saved: _Call, now: Moment, boot: bytes) -> int:
    """When the call came, on the monotonic clock of this run."""
    if boot and saved.boot == boot and saved.invited_ns <= now.monotonic_ns:
        return saved.invited_ns
    # Wall time is all that two boots have in common, and a wall clock that was set meanwhile is believed.
    ago_ms = max(0, now.unix_ms - saved.invited_ms)
    return now.monotonic_ns - ago_ms * 1_000_000


def _account(level: _Level, directory: Directory) -> Account:
    """As it is now; as it was, where it has been deleted meanwhile."""
    return directory.accounts.get(level.account_key) or Account(
        key=level.account_key,
        id=level.account_id,
        name=level.account_id,
        agent_key=None,
        currency=level.currency,
        rate_table_key=None,
        credit_limit_micros=level.credit_limit_micros,
        call_limit=None,
        cps_limit=None,
        max_call_seconds=None,
        max_rate_micros=None,
        locked=False,
        valid_from=None,
        valid_till=None,
        balance_ledger=level.balance_ledger,
        revenue_ledger=level.revenue_ledger,
    )


def _mapping_gateway(saved: _Call, directory: Directory) -> MappingGateway:
    return directory.mapping_gateways.get(saved.mapping_gateway_key) or MappingGateway(
        key=saved.mapping_gateway_key,
        id=saved.mapping_gateway_id,
        account_key=saved.levels[0].account_key,
        sources=(),
        capacity=None,
        cps_limit=None,
        locked=False,
        number_plan=NumberPlan(None, None, ()),
        routing_gateway_keys=None,
        trusted=False,
    )


def _gateway(saved: _Call, directory: Directory) -> RoutingGateway:
    return directory.routing_gateways.get(saved.gateway_key) or RoutingGateway(
        key=saved.gateway_key,
        id=saved.gateway_id,
        host="",
        port=0,
        transport="udp",
        capacity=None,
        cps_limit=None,
        locked=True,
        clearing_ledger=saved.clearing_ledger,
        cost_table_key=None,
        vendor_credit_micros=saved.vendor_credit_micros,
        strip_digits=0,
        add_prefix="",
        answer_timeout_ms=0,
        ring_timeout_ms=0,
        failover_codes=frozenset(),
        dials_by_to=False,
        takes_refer=False,
    )
