"""A gateway redirects a call (3xx). It is never followed unjudged.

Either it counts as a refusal, or the number of each Contact is a new decision, as if the caller had dialled
it, by the same chain, sections, prices and routes.

Where the Contact itself would lead plays no part: a call goes where our own routes lead for its number.
"""

from __future__ import annotations

import msgspec

from sipguard.calls import admission
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange, log
from sipguard.model.gateway import Redirects
from sipguard.model.verdict import Permit
from sipguard.policy import credit
from sipguard.policy.decide import Moment
from sipguard.sip.events import Failed

JUDGED = frozenset({300, 301, 302})
"""Redirections that name other places for the same call; 305 and 380 ask for something else (21.3)."""

REDIRECTIONS_MAX = 5
"""Numbers that one call may be redirected to: beyond it somebody sends it in circles."""


def follow(exchange: Exchange, call: Call, event: Failed, now: Moment) -> bool:
    """Give the call the permit of the first Contact that is permitted; it is then to be sent.

    False: there is none (left), and the call has what it had.
    """
    if event.status in JUDGED and call.candidate.gateway.redirects is Redirects.JUDGE:
        call.contacts[:0] = event.contact_users
    while call.contacts:
        user = call.contacts.pop(0)
        if call.permit.emergency or len(call.redirected) >= REDIRECTIONS_MAX:
            return False
        # A gateway writes numbers as it is sent them, in E.164 digits; the trunk's own plan does not apply.
        number = f"+{user}" if user[:1].isdecimal() else user
        if number and number not in call.redirected:
            call.redirected.add(number)
            if _judged(exchange, call, number, now):
                return True
    return False


def _judged(exchange: Exchange, call: Call, number: str, now: Moment) -> bool:
    """Judge one Contact; True: the call has its permit.

    What the call holds and counts is free meanwhile, and its own again if the answer is no: nothing is
    awaited in between, so nobody else can take it.
    """
    exchange.over(call)
    attempt = msgspec.structs.replace(call.attempt, redirected_to=number)
    verdict = admission.judge(exchange, attempt, now)
    before = (call.permit, call.candidate, call.position)
    if isinstance(verdict, Permit) and not verdict.emergency and verdict.called != call.permit.called:
        first = verdict.candidates[0]
        ways = exchange.gateways.ways(first.gateway.key, attempt.sip_call_id, now.monotonic_ns)
        if ways and exchange.funds.hold(call.id, credit.holds(verdict, first)) is None:
            call.permit, call.candidate, call.position, call.ways = verdict, first, 0, ways
            call.granted_seconds = verdict.slice_seconds
            exchange.current.claim(call)
            log.info("call.redirected", call=call.id, called=verdict.called)
            return True
    call.permit, call.candidate, call.position = before
    shortage = exchange.funds.hold(call.id, credit.holds(call.permit, call.candidate))
    assert shortage is None, f"call {call.id} lost its own hold"
    exchange.current.claim(call)
    refused = verdict.reason.value if not isinstance(verdict, Permit) else "not another number to call"
    log.info("call.redirection_refused", call=call.id, reason=refused)
    return False
