"""Alerts, and the thresholds that accounts have of their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from sipguard.manage import alert
from sipguard.manage.page import LIMIT
from sipguard.manage.values import Form, Memo
from sipguard.model.actor import Actor
from sipguard.model.alert import Alert, Kind
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(tags=["alerts"], route_class=StrictRoute)


class AlertInfo(BaseModel):
    """One that was raised. Times are Unix milliseconds."""

    id: int
    kind: str
    severity: str
    scope: str
    subject: str
    text: str
    value: float
    threshold: float
    raised_ms: int
    cleared_ms: int | None = Field(description="null: it stands.")
    acknowledged_ms: int | None
    acknowledged_by: str | None = Field(description='A login, or "operator" where that is not in scope.')
    note: str


class Acknowledgement(Form):
    """That somebody has seen it."""

    note: Memo = ""


class ThresholdInfo(BaseModel):
    """From where on an account is alarmed about."""

    kind: Kind
    subtree: bool = Field(description="Holds for all below as well, where these have no nearer one.")
    value: int | None = Field(description="In the unit of the kind; null: no such alerts.")


class NewThreshold(Form):
    """A threshold to be."""

    value: int | None = Field(None, ge=0, le=2**53)
    subtree: bool = False


AlertNumber = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/alerts", responses=responses())
async def list_alerts(
    desk: CurrentDesk,
    actor: CurrentActor,
    standing: Annotated[bool, Query(description="Only those that are not over.")] = True,
    kind: Kind | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[AlertInfo]:
    """Alerts in scope, the newest first."""
    async with desk.reading(actor) as view:
        found = await alert.list_(view, standing=standing, kind=kind, after=cursor, limit=limit)
    return Listing(items=[_info(one, actor) for one in found.items], next_cursor=found.next_cursor)


@router.post("/alerts/{number}/acknowledgement", responses=responses(404, 409))
async def acknowledge_alert(
    desk: CurrentDesk, actor: CurrentActor, number: AlertNumber, form: Acknowledgement
) -> AlertInfo:
    """Say that somebody has seen it."""
    async with desk.writing(actor, "alert.acknowledge") as act:
        return _info(await alert.acknowledge(act, number, form.note), actor)


@router.get("/accounts/{account_id}/thresholds", responses=responses(404))
async def list_thresholds(desk: CurrentDesk, actor: CurrentActor, account_id: str) -> list[ThresholdInfo]:
    """What an account says itself; all else is as the agents above say, or the defaults."""
    async with desk.reading(actor) as view:
        found = await alert.thresholds(view, account_id)
    return [ThresholdInfo(kind=one.kind, subtree=one.subtree, value=one.value) for one in found]


@router.put("/accounts/{account_id}/thresholds/{kind}", responses=responses(404))
async def set_threshold(
    desk: CurrentDesk, actor: CurrentActor, account_id: str, kind: Kind, form: NewThreshold
) -> ThresholdInfo:
    """Be alarmed from a value on; null: not at all (authorization 1)."""
    async with desk.writing(actor, "account.threshold") as act:
        own = await alert.set_threshold(act, account_id, kind, form.value, subtree=form.subtree)
    return ThresholdInfo(kind=own.kind, subtree=own.subtree, value=own.value)


@router.delete("/accounts/{account_id}/thresholds/{kind}", status_code=204, responses=responses(404))
async def unset_threshold(
    desk: CurrentDesk, actor: CurrentActor, account_id: str, kind: Kind, subtree: bool = False
) -> None:
    """What those above say counts again (authorization 1)."""
    async with desk.writing(actor, "account.threshold") as act:
        await alert.unset_threshold(act, account_id, kind, subtree=subtree)


def _info(told: Alert, actor: Actor) -> AlertInfo:
    by = told.acknowledged_by
    if by is not None and by != actor.name and not actor.sees_all:
        by = "operator"
    return AlertInfo(
        id=told.key,
        kind=told.kind,
        severity=told.severity,
        scope=told.scope,
        subject=told.subject,
        text=told.text,
        value=told.value,
        threshold=told.threshold,
        raised_ms=told.raised_ms,
        cleared_ms=told.cleared_ms,
        acknowledged_ms=told.acknowledged_ms,
        acknowledged_by=by,
        note=told.note,
    )
