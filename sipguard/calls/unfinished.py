"""Attempts that were being set up when the process was killed: each gets its record, with nothing charged, at
the next start, unless the configuration does without (`calls.record_attempts_at_start`). So are answers that
nobody wanted, and whose BYE may have been lost: it is said again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import partial

import msgspec

from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange
from sipguard.calls.settlement import source_of
from sipguard.model.call import Attempt
from sipguard.model.cdr import Cdr, Outcome
from sipguard.store.attempt import AttemptFile
from sipguard.store.writer import CallClosed, Release

REASON = "restart"
_STATUS, _TEMPORARY_FAILURE = 500, 41


class _Unfinished(msgspec.Struct, array_like=True, frozen=True, gc=False):
    call: int
    sip_call_id: str
    source_host: str
    source_port: int
    request_user: str
    from_user: str
    invited_ms: int
    account_id: str
    mapping_gateway_id: str
    routing_gateway_id: str
    called: str
    calling: str
    revision: int
    user_agent: str


class _Unwanted(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    call: int
    at_ms: int
    dialog: bytes


UNWANTED_KEPT_NS = 64_000_000_000
"""Twice the 32 s for which a BYE is retransmitted (RFC 3261 timer F)."""

_ENDED = 'SIP;cause=200;text="Call ended"'

_SEQUENCE_BITS = 40
"""Of a call id, below its epoch (Invite.call)."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Unfinished).decode
_decode_unwanted = msgspec.msgpack.Decoder(_Unwanted).decode


def keep(exchange: Exchange, call: Call) -> None:
    """Remember an attempt that is about to be forwarded."""
    attempts = exchange.attempts
    if attempts is None:
        return
    attempt, permit = call.attempt, call.permit
    call.slot = attempts.put(
        _encode(
            _Unfinished(
                call.id,
                attempt.sip_call_id,
                attempt.source_host,
                attempt.source_port,
                attempt.request_user,
                attempt.from_user,
                call.invited.unix_ms,
                permit.levels[0].account.id,
                permit.mapping_gateway.id,
                call.candidate.gateway.id,
                permit.called,
                permit.calling,
                permit.revision,
                call.user_agent,
            )
        )
    )


def keep_unwanted(exchange: Exchange, call: int, dialog: bytes) -> None:
    """Remember an answer that was sent ACK and BYE, until that BYE has arrived or is repeated no more."""
    attempts = exchange.attempts
    if attempts is None:
        return
    slot = attempts.put(_encode(_Unwanted(call, exchange.clock.now().unix_ms, dialog)))
    if slot >= 0:
        _clear_later(exchange, attempts, slot, call)


def _clear_later(exchange: Exchange, attempts: AttemptFile, slot: int, call: int) -> None:
    until_ns = exchange.clock.now().monotonic_ns + UNWANTED_KEPT_NS
    exchange.alarms.at(until_ns, lambda _: attempts.clear(slot), call)


def settled(exchange: Exchange, call: Call) -> None:
    """The attempt has its record, or the call is known as answered, durably."""
    if call.slot >= 0 and exchange.attempts is not None:
        exchange.attempts.clear(call.slot)
        call.slot = -1


def when_settled(exchange: Exchange, call: Call) -> Release | None:
    """What `submit` is to call when the record of an attempt is durable; None: nothing."""
    return None if call.slot < 0 else _Settled(exchange, call)


class _Settled(Release):
    """The engine holds nothing for an attempt that came to nothing; its slot is free once that is heard."""

    __slots__ = ("_exchange", "_record")

    def __init__(self, exchange: Exchange, call: Call) -> None:
        super().__init__(call.id)
        self._exchange, self._record = exchange, call

    def __call__(self) -> None:
        self.released()

    def released(self) -> None:
        settled(self._exchange, self._record)


def calls(left: Mapping[int, bytes]) -> list[int]:
    """The ids of what an earlier process has left (store.attempt.AttemptFile.left)."""
    return [told.call for told in map(_read, left.values()) if told is not None]


def adopt(
    exchange: Exchange, attempts: AttemptFile, left: Mapping[int, bytes], known: Container[int], epoch: int
) -> None:
    """Keep attempts there from now on, and give those that an earlier process has `left` there their records,
    but for those that are `known` to the books. Each keeps its slot until its record is durable. Answers that
    nobody wanted are ended once more.

    `epoch`: of this process. What is of no earlier one belongs to a database that was replaced, by a backup
    for one: this one has calls of its own under those ids, or will have.
    """
    exchange.attempts = attempts
    for slot, content in left.items():
        told = _read(content)
        unwanted = None if told is not None else _read_unwanted(content)
        if unwanted is not None and _ends(exchange, unwanted, epoch):
            _clear_later(exchange, attempts, slot, unwanted.call)
        elif told is None or told.call in known or told.call >> _SEQUENCE_BITS >= epoch:
            attempts.clear(slot)
        else:
            exchange.writer.submit(CallClosed(_cdr(told), None), partial(attempts.clear, slot))


def _read(content: bytes) -> _Unfinished | None:
    """None: of another version."""
    try:
        return _decode(content)
    except msgspec.DecodeError:
        return None


def _read_unwanted(content: bytes) -> _Unwanted | None:
    try:
        return _decode_unwanted(content)
    except msgspec.DecodeError:
        return None


def _ends(exchange: Exchange, told: _Unwanted, epoch: int) -> bool:
    """Say BYE again, where that may be waited for; False: it is not."""
    late_ms = exchange.clock.now().unix_ms - told.at_ms
    if late_ms * 1_000_000 > UNWANTED_KEPT_NS or told.call >> _SEQUENCE_BITS >= epoch:
        return False
    if not exchange.engine.restore(told.call, told.dialog):
        return False
    exchange.hangup(told.call, _ENDED)
    return True


def _cdr(told: _Unfinished) -> Cdr:
    attempt = Attempt(told.source_host, told.source_port, told.request_user, told.from_user, told.sip_call_id)
    return Cdr(
        call=told.call,
        sip_call_id=told.sip_call_id,
        outcome=Outcome.FAILED,
        source=source_of(attempt),
        account_id=told.account_id,
        mapping_gateway_id=told.mapping_gateway_id,
        routing_gateway_id=told.routing_gateway_id,
        called_received=told.request_user,
        called=told.called,
        called_sent=None,
        calling_received=told.from_user,
        calling=told.calling,
        invited_ms=told.invited_ms,
        ringing_ms=None,
        answered_ms=None,
        ended_ms=told.invited_ms,
        duration_ms=0,
        status=_STATUS,
        reason=REASON,
        q850=_TEMPORARY_FAILURE,
        ended_by="sipguard",
        refusal_level=None,
        refusal_rule=None,
        refusal_observed=None,
        refusal_required=None,
        cost_micros=0,
        revision=told.revision,
        user_agent=told.user_agent,
        tries=(),
        levels=(),
    )
