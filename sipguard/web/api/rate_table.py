"""Rate tables and their rows, and what an account pays."""

from __future__ import annotations

import csv
import io
from typing import Annotated

from fastapi import APIRouter, Query, Response

from sipguard.manage import rate_table
from sipguard.manage.page import LIMIT
from sipguard.manage.rate_table import ImportInfo, PriceInfo, RateInfo, RateTableInfo
from sipguard.manage.rate_table_form import NewRateTable, PriceListForm
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.once import OnceIfAsked
from sipguard.web.problem import responses

router = APIRouter(tags=["rates"], route_class=StrictRoute)


@router.get("/rate-tables", responses=responses())
async def list_rate_tables(
    desk: CurrentDesk, actor: CurrentActor, cursor: Cursor = None, limit: Limit = LIMIT
) -> Listing[RateTableInfo]:
    """Rate tables by id: an agent's are those that it owns, and those of agents below it."""
    async with desk.reading(actor) as view:
        return Listing.of(await rate_table.list_tables(view, after=cursor, limit=limit))


@router.post("/rate-tables", status_code=201, responses=responses(404, 409, 422))
async def create_rate_table(once: OnceIfAsked, form: NewRateTable) -> RateTableInfo:
    """Make an empty table to sell by (authorization 1)."""
    return await once.run(
        "rate_table.create",
        lambda act: rate_table.create(act, form),
        location=lambda made: f"/api/v1/rate-tables/{made.id}",
    )


@router.get("/rate-tables/{table_id}", responses=responses(404))
async def get_rate_table(desk: CurrentDesk, actor: CurrentActor, table_id: str) -> RateTableInfo:
    """One rate table."""
    async with desk.reading(actor) as view:
        return await rate_table.get(view, table_id)


@router.delete("/rate-tables/{table_id}", status_code=204, responses=responses(404, 409))
async def remove_rate_table(desk: CurrentDesk, actor: CurrentActor, table_id: str) -> None:
    """Remove a table that never had rows and that nobody buys by (authorization 1)."""
    async with desk.writing(actor, "rate_table.remove") as act:
        await rate_table.remove(act, table_id)


@router.get("/rate-tables/{table_id}/rates", responses=responses(404))
async def list_rates(
    desk: CurrentDesk,
    actor: CurrentActor,
    table_id: str,
    prefix: Annotated[str, Query(pattern=r"^[0-9]{0,18}$", description="Front of the rows' prefixes.")] = "",
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[RateInfo]:
    """Rows of a table by prefix."""
    async with desk.reading(actor) as view:
        return Listing.of(await rate_table.list_rates(view, table_id, prefix, after=cursor, limit=limit))


@router.post("/rate-tables/{table_id}/import", responses=responses(404, 409))
async def import_price_list(
    desk: CurrentDesk, actor: CurrentActor, table_id: str, form: PriceListForm
) -> ImportInfo:
    """Take over a price list, whole or not at all (authorization 1); with `dry_run` say what would change."""
    return await rate_table.import_(desk, actor, table_id, form)


@router.get(
    "/rate-tables/{table_id}/rates.csv",
    response_class=Response,
    responses={**responses(404), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_rates(desk: CurrentDesk, actor: CurrentActor, table_id: str) -> Response:
    """A table as a price list, which an import takes."""
    async with desk.reading(actor) as view:
        names, rows = await rate_table.export_page(view, table_id)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows(rows)
    disposition = {"Content-Disposition": 'attachment; filename="rates.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=disposition)


@router.get("/accounts/{account_id}/price", responses=responses(404))
async def get_price(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: str,
    number: Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="E.164 digits.")],
) -> PriceInfo:
    """What an account in scope pays for calls to a number now: its own price, nobody's cost."""
    async with desk.reading(actor) as view:
        return await rate_table.price(view, account_id, number)
