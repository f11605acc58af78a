"""Alerts for people: listed, acknowledged; the thresholds of accounts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select, update

from sipguard.manage import page
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError, NotFoundError
from sipguard.manage.page import Page
from sipguard.model.alert import OF_ACCOUNTS, Alert, Kind, Own
from sipguard.model.authorization import Authorization
from sipguard.store import alert as store
from sipguard.store.alert import COLUMNS, alert

NOTE_CHARACTERS = 1_000

PERCENT = frozenset({Kind.BALANCE_FALLING, Kind.CAPACITY, Kind.ASR_COLLAPSE})
"""Kinds whose threshold is a percentage; that of BALANCE_LOW is micro-units, of the others a count."""


async def list_(
    view: View,
    *,
    standing: bool = True,
    kind: Kind | None = None,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Page[Alert]:
    """Those in scope, the newest first; `standing`: only those that are not over. Raises InvalidError."""
    query = _in_scope(view).order_by(alert.c.key.desc()).limit(page.check_limit(limit) + 1)
    if standing:
        query = query.where(alert.c.cleared_ms.is_(None))
    if kind is not None:
        query = query.where(alert.c.kind == kind.value)
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(alert.c.key < last)
    found = [Alert(*row) for row in await view.conn.execute(query)]
    return Page(found[:limit], page.cursor(found[limit - 1].key) if len(found) > limit else None)


async def acknowledge(act: Act, key: int, note: str = "") -> Alert:
    """Somebody has seen it. One that tells of a change, and not of a state, is over with that.

    Raises NotFoundError for one out of scope, ConflictError where somebody else was first, InvalidError.
    """
    if len(note) > NOTE_CHARACTERS:
        raise InvalidError.of("note", f"has {len(note)} characters, at most {NOTE_CHARACTERS} are kept")
    found = (await act.conn.execute(_in_scope(act).where(alert.c.key == key))).one_or_none()
    if found is None:
        raise NotFoundError("alert", key)
    before = Alert(*found)
    if before.acknowledged_by is not None:
        raise ConflictError(f"alert {key} was acknowledged by {before.acknowledged_by}")
    values: dict[str, object] = {
        "acknowledged_ms": act.now_ms,
        "acknowledged_by": act.actor.name,
        "note": note,
    }
    if before.kind == Kind.GATEWAY_CHANGED and before.cleared_ms is None:
        values["cleared_ms"] = act.now_ms
    change = update(alert).where(alert.c.key == key).values(values).returning(*COLUMNS, alert.c.account_key)
    *row, account_key = (await act.conn.execute(change)).one()
    await act.noted("alert", str(key), account_key, note=note, kind=before.kind, subject=before.subject)
    return Alert(*row)


async def thresholds(view: View, account_id: str) -> list[Own]:
    """What an account says itself. Raises NotFoundError."""
    return await store.thresholds(view.conn, await view.account_key(account_id))


async def set_threshold(
    act: Act, account_id: str, kind: Kind, value: int | None, *, subtree: bool = False
) -> Own:
    """From now on alerts of this kind come from `value` on; None: not at all (authorization 1).

    `subtree`: also for everything below that has no nearer one. Raises NotFoundError, InvalidError.
    """
    await act.require(Authorization.ACCOUNT)
    key = await act.account_key(account_id)
    _check(kind, value)
    own = Own(key, kind, subtree, value)
    await store.set_threshold(act.conn, own)
    await act.noted("account", account_id, key, kind=kind.value, subtree=subtree, value=value)
    return own


async def unset_threshold(act: Act, account_id: str, kind: Kind, *, subtree: bool = False) -> None:
    """What an agent above says counts again, or the default. Raises NotFoundError, also where none is set."""
    await act.require(Authorization.ACCOUNT)
    key = await act.account_key(account_id)
    if not await store.unset_threshold(act.conn, key, kind, subtree):
        raise NotFoundError("threshold", kind.value)
    await act.noted("account", account_id, key, kind=kind.value, subtree=subtree, value="unset")


def _check(kind: Kind, value: int | None) -> None:
    if kind not in OF_ACCOUNTS:
        raise InvalidError.of("kind", f"found {kind}, expected one of {', '.join(OF_ACCOUNTS)}")
    most = 100 if kind in PERCENT else 2**53
    if value is not None and not 0 <= value <= most:
        raise InvalidError.of("value", f"found {value}, expected 0 to {most}")


def _in_scope(view: View) -> Select[Any]:
    """An account sees alerts about itself, what is below it, and the trunks of these."""
    return select(*COLUMNS).where(view.within(alert.c.account_key))
