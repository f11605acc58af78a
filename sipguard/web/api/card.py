"""Phone cards in batches."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from sipguard.manage import card
from sipguard.manage.card import CardBatchInfo, CardInfo, Printed
from sipguard.manage.card_form import Blocking, NewCardBatch
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing, OfAccount
from sipguard.web.once import OnceIfAsked
from sipguard.web.problem import responses

router = APIRouter(prefix="/card-batches", tags=["cards"], route_class=StrictRoute)


class NewCardBatchInfo(BaseModel):
    """A batch that was just made."""

    batch: CardBatchInfo
    cards: list[Printed] = Field(description="PINs, told this once and nowhere kept.")


@router.get("", responses=responses(404))
async def list_card_batches(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: OfAccount = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[CardBatchInfo]:
    """Batches by id."""
    async with desk.reading(actor) as view:
        return Listing.of(await card.list_batches(view, account_id, after=cursor, limit=limit))


@router.post("", status_code=201, responses=responses(404, 409))
async def create_card_batch(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewCardBatch
) -> NewCardBatchInfo:
    """Make cards (authorization 3). The answer has their PINs, which cannot be read again."""
    async with desk.writing(actor, "card_batch.create") as act:
        made, printed = await card.create(act, form)
    response.headers["Location"] = f"/api/v1/card-batches/{made.id}"
    return NewCardBatchInfo(batch=made, cards=printed)


@router.get("/{batch_id}", responses=responses(404))
async def get_card_batch(desk: CurrentDesk, actor: CurrentActor, batch_id: str) -> CardBatchInfo:
    """One batch."""
    async with desk.reading(actor) as view:
        return await card.get(view, batch_id)


@router.get("/{batch_id}/cards", responses=responses(404))
async def list_cards(
    desk: CurrentDesk, actor: CurrentActor, batch_id: str, cursor: Cursor = None, limit: Limit = LIMIT
) -> Listing[CardInfo]:
    """The cards of a batch by serial number, without their PINs."""
    async with desk.reading(actor) as view:
        return Listing.of(await card.list_cards(view, batch_id, after=cursor, limit=limit))


@router.post("/{batch_id}/block", responses=responses(404, 422))
async def block_cards(once: OnceIfAsked, batch_id: str, form: Blocking) -> CardBatchInfo:
    """Block or unblock a batch, or some of its cards (authorization 3): all that are named, or none."""
    return await once.run("card_batch.block", lambda act: card.block(act, batch_id, form))
