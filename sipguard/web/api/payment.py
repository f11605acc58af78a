"""Payments, requests for them, and statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from sipguard.manage import payment, payment_request, statement
from sipguard.manage.page import LIMIT
from sipguard.manage.payment import PaymentInfo
from sipguard.manage.payment_form import Decision, NewPayment, NewPaymentRequest, PaymentKind, Reversal
from sipguard.manage.payment_request import PaymentRequestInfo, State
from sipguard.manage.statement import Book, Statement
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.once import Once, OnceIfAsked, OnceRequired
from sipguard.web.problem import responses

router = APIRouter(tags=["payments"], route_class=StrictRoute)

_MS_MAX = 253_402_300_799_999
Milliseconds = Annotated[int, Query(ge=0, le=_MS_MAX, description="Unix milliseconds.")]


@router.get("/payments", responses=responses(404))
async def list_payments(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: Annotated[str | None, Query(description="Of this account alone.")] = None,
    kind: PaymentKind | None = None,
    from_ms: Milliseconds | None = None,
    till_ms: Milliseconds | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[PaymentInfo]:
    """Payments with a side in scope, the newest first."""
    async with desk.reading(actor) as view:
        found = await payment.list_payments(
            view, account_id, kind=kind, from_ms=from_ms, till_ms=till_ms, after=cursor, limit=limit
        )
    return Listing.of(found)


@router.post("/payments", status_code=201, responses=responses(404, 409, 422))
async def create_payment(once: OnceRequired, form: NewPayment) -> PaymentInfo:
    """Move money (authorization 8): an agent's top-up comes out of its own balance.

    The same Idempotency-Key with the same body answers the same payment and moves nothing.
    """
    return await once.run(
        "payment.create", lambda act: payment.create(act, form, _key(once)), location=_payment_url
    )


@router.get("/payments/{payment_id}", responses=responses(404))
async def get_payment(desk: CurrentDesk, actor: CurrentActor, payment_id: str) -> PaymentInfo:
    """One payment."""
    async with desk.reading(actor) as view:
        return await payment.get(view, payment_id)


@router.post("/payments/{payment_id}/reversal", status_code=201, responses=responses(404, 409, 422))
async def reverse_payment(once: OnceRequired, payment_id: str, form: Reversal) -> PaymentInfo:
    """Take a payment back by a new one (authorization 8); once, and whole."""
    return await once.run(
        "payment.reverse",
        lambda act: payment.reverse(act, payment_id, form, _key(once)),
        location=_payment_url,
    )


@router.get("/payment-requests", responses=responses())
async def list_payment_requests(
    desk: CurrentDesk,
    actor: CurrentActor,
    state: State | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[PaymentRequestInfo]:
    """Requests of accounts in scope, the newest first."""
    async with desk.reading(actor) as view:
        return Listing.of(await payment_request.list_requests(view, state=state, after=cursor, limit=limit))


@router.post("/payment-requests", status_code=201, responses=responses(409, 422))
async def create_payment_request(once: OnceRequired, form: NewPaymentRequest) -> PaymentRequestInfo:
    """Ask for money for the own account (authorization 7); who pays it decides."""
    return await once.run(
        "payment_request.create",
        lambda act: payment_request.create(act, form, _key(once)),
        location=lambda made: f"/api/v1/payment-requests/{made.id}",
    )


@router.get("/payment-requests/{request_id}", responses=responses(404))
async def get_payment_request(desk: CurrentDesk, actor: CurrentActor, request_id: str) -> PaymentRequestInfo:
    """One request."""
    async with desk.reading(actor) as view:
        return await payment_request.get(view, request_id)


@router.post("/payment-requests/{request_id}/approval", responses=responses(404, 409, 422))
async def approve_payment_request(once: OnceRequired, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Pay it (authorization 8, above the account): an agent out of its own balance."""
    return await once.run(
        "payment_request.approve", lambda act: payment_request.approve(act, request_id, form)
    )


@router.post("/payment-requests/{request_id}/refusal", responses=responses(404, 409, 422))
async def refuse_payment_request(once: OnceIfAsked, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Say no (authorization 8, above the account)."""
    return await once.run("payment_request.refuse", lambda act: payment_request.refuse(act, request_id, form))


@router.post("/payment-requests/{request_id}/withdrawal", responses=responses(404, 409, 422))
async def withdraw_payment_request(once: OnceIfAsked, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Take a request of the own account back (authorization 7)."""
    return await once.run(
        "payment_request.withdraw", lambda act: payment_request.withdraw(act, request_id, form)
    )


@router.get("/accounts/{account_id}/statement", responses=responses(404))
async def get_statement(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: str,
    book: Book = Book.BALANCE,
    from_ms: Milliseconds = 0,
    till_ms: Milliseconds | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Statement:
    """Opening balance, every posting of the period, closing balance."""
    async with desk.reading(actor) as view:
        return await statement.get(
            view, account_id, book=book, from_ms=from_ms, till_ms=till_ms, after=cursor, limit=limit
        )


@router.get(
    "/accounts/{account_id}/statement.csv",
    response_class=StreamingResponse,
    responses={**responses(404), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_statement(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: str,
    book: Book = Book.BALANCE,
    from_ms: Milliseconds = 0,
    till_ms: Milliseconds | None = None,
) -> StreamingResponse:
    """The whole period as CSV, amounts as decimals."""
    async with desk.reading(actor) as view:  # what is wrong with the question is said before the first line
        first = await statement.get(view, account_id, book=book, from_ms=from_ms, till_ms=till_ms, limit=1)

    async def lines() -> AsyncIterator[str]:
        async with desk.reading(actor) as view:
            period = {"book": book, "from_ms": from_ms, "till_ms": first.till_ms}
            async for part in statement.as_csv(view, account_id, **period):
                yield part

    disposition = {"Content-Disposition": 'attachment; filename="statement.csv"'}
    return StreamingResponse(lines(), media_type="text/csv", headers=disposition)


def _key(once: Once) -> str:
    """The journal keeps it for ever, the answers for two days."""
    assert once.key is not None, "the header is required here"
    return once.key


def _payment_url(made: PaymentInfo) -> str:
    return f"/api/v1/payments/{made.id}"
