"""Call records as a login may see them: its own subtree's, and of each only what is not above it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.errors import NotFoundError
from sipguard.manage.page import Page
from sipguard.model.cdr import Cdr
from sipguard.store import account as accounts
from sipguard.store import cdr as store
from sipguard.store import cdr_find
from sipguard.store.account import account
from sipguard.store.cdr_find import Wanted


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """What one level of the chain paid."""

    account_id: str
    rate_micros: int
    """Price per minute."""
    billed_seconds: int
    charge_micros: int
    """Tax included."""
    tax_micros: int
    balance_micros: int
    """Right after the charge."""
    prefix: str


@dataclass(frozen=True, slots=True)
class TryInfo:
    """A routing gateway that was asked."""

    gateway_id: str
    number: str
    status: int
    cause: str


@dataclass(frozen=True, slots=True)
class CdrInfo:
    """One attempt. Times are Unix milliseconds. Account logins see no vendor, no cost, no level above."""

    call: str
    """Our own number of it; as text, because numbers of JSON are not exact that far."""
    sip_call_id: str
    outcome: str
    account_id: str | None
    phone_id: str | None
    mapping_gateway_id: str | None
    source: str
    called_received: str
    called: str | None
    calling_received: str
    calling: str | None
    invited_ms: int
    ringing_ms: int | None
    answered_ms: int | None
    ended_ms: int
    duration_ms: int
    pdd_ms: int | None
    status: int
    reason: str | None
    q850: int | None
    ended_by: str
    refusal_level: str | None
    """Which level refused: an account, or "above" where that is none of the reader's."""
    refusal_rule: str | None
    refusal_observed: str | None
    refusal_required: str | None
    currency: str
    levels: list[LevelInfo]
    codecs_offered: str
    codecs_answered: str
    user_agent: str
    callee_user_agent: str | None
    routing_gateway_id: str | None
    called_sent: str | None
    calling_sent: str | None
    """None: as it was received."""
    tries: list[TryInfo]
    cost_micros: int | None
    revision: int


async def list_cdrs(
    view: View, wanted: Wanted, account_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[CdrInfo]:
    """The newest first; of an account with everything below it, where one is named.

    Raises NotFoundError, InvalidError for a cursor that is none.
    """
    top = await view.top_id(account_id)
    ids = None if top is None else await accounts.ids_below(view.conn, top)
    before = None if after is None else page.position(after, (int,))[0]
    assert before is None or isinstance(before, int)
    found = await cdr_find.newest(
        view.conn, wanted._replace(account_ids=ids), limit=page.check_limit(limit) + 1, before=before
    )
    seen = await _levels_seen(view, [one.cdr for one in found])
    items = [_info(one.cdr, seen) for one in found[:limit]]
    return Page(items, page.cursor(found[limit - 1].sequence) if len(found) > limit else None)


async def get(view: View, call: int) -> CdrInfo:
    """Raises NotFoundError."""
    found = await store.by_call(view.conn, call)
    key = None
    if found is not None and found.account_id is not None:
        key = await view.conn.scalar(select(account.c.key).where(account.c.id == found.account_id))
    if found is None or not await view.sees(key):
        raise NotFoundError("call", call)
    return _info(found, await _levels_seen(view, [found]))


async def _levels_seen(view: View, records: list[Cdr]) -> frozenset[str] | None:
    """Which of the accounts that paid are in scope; None: all. As the tree is now, not as it was then."""
    if view.actor.sees_all:
        return None
    ids = {level.account_id for record in records for level in record.levels}
    ids |= {record.refusal_level for record in records if record.refusal_level is not None}
    keys = dict(
        (await view.conn.execute(select(account.c.id, account.c.key).where(account.c.id.in_(ids)))).all()
    )
    visible = await view.visible(keys.values())
    return frozenset(id for id, key in keys.items() if key in visible)


def _info(told: Cdr, seen: frozenset[str] | None) -> CdrInfo:
    staff = seen is None
    above = not staff and told.refusal_level is not None and told.refusal_level not in (seen or ())
    return CdrInfo(
        call=str(told.call),
        sip_call_id=told.sip_call_id,
        outcome=told.outcome.value,
        account_id=told.account_id,
        phone_id=told.phone_id,
        mapping_gateway_id=told.mapping_gateway_id,
        source=told.source,
        called_received=told.called_received,
        called=told.called,
        calling_received=told.calling_received,
        calling=told.calling,
        invited_ms=told.invited_ms,
        ringing_ms=told.ringing_ms,
        answered_ms=told.answered_ms,
        ended_ms=told.ended_ms,
        duration_ms=told.duration_ms,
        pdd_ms=told.pdd_ms,
        status=told.status,
        reason=told.reason,
        q850=told.q850,
        ended_by=told.ended_by,
        refusal_level="above" if above else told.refusal_level,
        refusal_rule=None if above else told.refusal_rule,
        refusal_observed=None if above else told.refusal_observed,
        refusal_required=None if above else told.refusal_required,
        currency=told.currency,
        levels=[
            LevelInfo(
                level.account_id,
                level.rate_micros,
                level.billed_seconds,
                level.charge_micros,
                level.tax_micros,
                level.balance_micros,
                level.prefix,
            )
            for level in told.levels
            if seen is None or level.account_id in seen
        ],
        codecs_offered=told.codecs_offered,
        codecs_answered=told.codecs_answered,
        user_agent=told.user_agent,
        callee_user_agent=told.callee_user_agent if staff else None,
        routing_gateway_id=told.routing_gateway_id if staff else None,
        called_sent=told.called_sent if staff else None,
        calling_sent=told.calling_sent if staff else None,
        tries=[TryInfo(one.gateway_id, one.number, one.status, one.cause) for one in told.tries]
        if staff
        else [],
        cost_micros=told.cost_micros if staff else None,
        revision=told.revision,
    )
