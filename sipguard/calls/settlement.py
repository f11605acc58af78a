"""What a call costs every level, and its CDR. Pure: records in, values out; who writes them is the caller's
matter.
"""

from __future__ import annotations

from typing import NamedTuple

from sipguard.calls.call import Call
from sipguard.calls.reasons import answer
from sipguard.model.call import Attempt
from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.model.ledger import Entry, Posting
from sipguard.model.money import Micros
from sipguard.model.verdict import Refusal
from sipguard.policy.decide import Moment
from sipguard.policy.funds import Funds
from sipguard.policy.rating import Charge, charge

USER_AGENT_LENGTH = 128
"""Characters of a User-Agent that are kept: enough to know it by, and no way to fill a disk."""


def duration_ms(call: Call, now_ns: int) -> int:
    """Length of an answered call, never more than was granted: beyond it nothing is held that could pay."""
    lasted = max(0, (now_ns - call.answered_ns) // 1_000_000)
    return min(lasted, call.granted_seconds * 1000)


class Charges(NamedTuple):
    """What an answered call costs, worked out once: for the entry and for the CDR."""

    levels: list[Charge]
    """Of each level, in the order of the permit; zeros where it has no price."""
    cost: Micros
    """What the vendor charges."""


def charges(call: Call, length_ms: int) -> Charges:
    """Price an answered call at every level and at the vendor."""
    cost = call.candidate.cost
    return Charges(
        [_FREE if level.rate is None else charge(level.rate, length_ms) for level in call.permit.levels],
        0 if cost is None else charge(cost, length_ms).micros,
    )


_FREE = Charge(0, 0, 0)


def entry_of(
    call: Call, owed: Charges, operator_cost_ledger: int, tax_ledger: int, at_ms: int
) -> Entry | None:
    """The charge of an answered call: each level pays the level above, the operator its vendor, and the tax
    of every level goes to the house's tax ledger.

    None where nothing is owed (an emergency call, a free rate).
    """
    postings: list[Posting] = []
    for level, (_, amount, tax) in zip(call.permit.levels, owed.levels, strict=True):
        if amount:
            postings.append(Posting(level.account.balance_ledger, -amount))
            postings.append(Posting(level.income_ledger, amount - tax))
        if tax:
            postings.append(Posting(tax_ledger, tax))
    if owed.cost:
        postings.append(Posting(call.candidate.gateway.clearing_ledger, -owed.cost))
        postings.append(Posting(operator_cost_ledger, owed.cost))
    if not postings:
        return None
    return Entry(f"call:{call.id}", "call", at_ms, tuple(postings))


def answered(
    call: Call,
    funds: Funds,
    owed: Charges,
    length_ms: int,
    ended_by: str,
    reason: str | None,
    q850: int | None,
) -> Cdr:
    """CDR of an answered call, after its charge was applied to `funds`."""
    assert call.answered_ms is not None
    levels = []
    for position, (level, (billed, amount, tax)) in enumerate(
        zip(call.permit.levels, owed.levels, strict=True)
    ):
        account, rate = level.account, level.rate
        levels.append(
            LevelCharge(
                position,
                account.id,
                account.balance_ledger,
                level.income_ledger,
                None if rate is None else rate.key,
                0 if rate is None else rate.rate_micros,
                billed,
                amount,
                funds.balance(account.balance_ledger),
                0 if rate is None else rate.terms.tax_ppm,
                tax,
                "" if rate is None else rate.prefix,
            )
        )
    final = GatewayTry(call.candidate.gateway.id, call.candidate.number, 200, "response")
    return _of_permit(
        call,
        outcome=Outcome.ANSWERED,
        ended_ms=call.answered_ms + length_ms,
        length_ms=length_ms,
        status=200,
        reason=reason,
        q850=q850,
        ended_by=ended_by,
        cost=owed.cost,
        tries=(*call.tries, final),
        levels=tuple(levels),
    )


def failed(
    call: Call,
    now_ns: int,
    status: int,
    ended_by: str,
    cancelled: bool,
    q850: int | None,
    reason: str | None = None,
) -> Cdr:
    """CDR of a call that no gateway took, that the caller gave up, or that was ended for `reason`."""
    return _of_permit(
        call,
        outcome=Outcome.CANCELLED if cancelled else Outcome.FAILED,
        ended_ms=call.unix_ms(now_ns),
        length_ms=0,
        status=status,
        reason=reason,
        q850=q850,
        ended_by=ended_by,
        cost=0,
        tries=tuple(call.tries),
        levels=(),
    )


def _of_permit(
    call: Call,
    *,
    outcome: Outcome,
    ended_ms: int,
    length_ms: int,
    status: int,
    reason: str | None,
    q850: int | None,
    ended_by: str,
    cost: int,
    tries: tuple[GatewayTry, ...],
    levels: tuple[LevelCharge, ...],
) -> Cdr:
    permit, attempt = call.permit, call.attempt
    return Cdr(
        call=call.id,
        sip_call_id=attempt.sip_call_id,
        outcome=outcome,
        source=source_of(attempt),
        account_id=permit.levels[0].account.id,
        mapping_gateway_id=permit.mapping_gateway.id,
        routing_gateway_id=call.candidate.gateway.id,
        called_received=attempt.request_user,
        called=permit.called,
        called_sent=call.candidate.number,
        calling_received=attempt.from_user,
        calling=permit.calling,
        invited_ms=call.invited.unix_ms,
        ringing_ms=call.ringing_ms,
        answered_ms=call.answered_ms,
        ended_ms=ended_ms,
        duration_ms=length_ms,
        status=status,
        reason=reason,
        q850=q850,
        ended_by=ended_by,
        refusal_level=None,
        refusal_rule=None,
        refusal_observed=None,
        refusal_required=None,
        cost_micros=cost,
        revision=permit.revision,
        user_agent=call.user_agent[:USER_AGENT_LENGTH],
        tries=tries,
        levels=levels,
        callee_user_agent=call.callee_user_agent[:USER_AGENT_LENGTH],
        codecs_offered=call.codecs_offered,
        codecs_answered=call.codecs_answered,
        currency=permit.levels[0].account.currency,
        calling_sent=call.calling_sent,
    )


def refused(
    call: int,
    attempt: Attempt,
    refusal: Refusal,
    now: Moment,
    revision: int,
    user_agent: str,
    codecs_offered: str,
) -> Cdr:
    """CDR of an attempt that sipguard refused: who, by which rule, and the values that were compared."""
    reply = answer(refusal.reason)
    return Cdr(
        call=call,
        sip_call_id=attempt.sip_call_id,
        outcome=Outcome.REFUSED,
        source=source_of(attempt),
        account_id=refusal.account_id,
        mapping_gateway_id=refusal.gateway_id,
        routing_gateway_id=None,
        called_received=attempt.request_user,
        called=refusal.called,
        called_sent=None,
        calling_received=attempt.from_user,
        calling=refusal.calling,
        invited_ms=now.unix_ms,
        ringing_ms=None,
        answered_ms=None,
        ended_ms=now.unix_ms,
        duration_ms=0,
        status=reply.status,
        reason=refusal.reason.value,
        q850=reply.q850,
        ended_by="sipguard",
        refusal_level=refusal.level,
        refusal_rule=refusal.rule,
        refusal_observed=refusal.observed,
        refusal_required=refusal.required,
        cost_micros=0,
        revision=revision,
        user_agent=user_agent[:USER_AGENT_LENGTH],
        tries=(),
        levels=(),
        codecs_offered=codecs_offered,
    )


def source_of(attempt: Attempt) -> str:
    """Address and port as one text, IPv6 in brackets."""
    host = f"[{attempt.source_host}]" if ":" in attempt.source_host else attempt.source_host
    return f"{host}:{attempt.source_port}"
