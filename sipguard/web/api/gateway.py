"""Mapping gateways (trunks of customers) and routing gateways (ways out)."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from sipguard.manage import mapping_gateway, number_test, routing_gateway
from sipguard.manage.credential import Told
from sipguard.manage.gateway_form import (
    MappingGatewayChanges,
    NewCredential,
    NewMappingGateway,
    NewRoutingGateway,
    RoutingGatewayChanges,
    TestCall,
    TestNumber,
)
from sipguard.manage.mapping_gateway import MappingGatewayInfo
from sipguard.manage.number_test import TriedNumber
from sipguard.manage.page import LIMIT
from sipguard.manage.routing_gateway import RoutingGatewayInfo
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing, OfAccount
from sipguard.web.once import OnceIfAsked
from sipguard.web.problem import responses

router = APIRouter(tags=["gateways"], route_class=StrictRoute)


class TrunkCredential(BaseModel):
    """What has to be typed into the trunk."""

    id: str
    username: str
    password: str | None = Field(description="Told this once, nowhere kept; null where the client chose it.")


class NewMappingGatewayInfo(BaseModel):
    """A mapping gateway that was just made."""

    mapping_gateway: MappingGatewayInfo
    credential: TrunkCredential | None


@router.get("/mapping-gateways", responses=responses(404))
async def list_mapping_gateways(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: OfAccount = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[MappingGatewayInfo]:
    """Mapping gateways by id."""
    async with desk.reading(actor) as view:
        return Listing.of(await mapping_gateway.list_gateways(view, account_id, after=cursor, limit=limit))


@router.post("/mapping-gateways", status_code=201, responses=responses(404, 409))
async def create_mapping_gateway(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewMappingGateway
) -> NewMappingGatewayInfo:
    """Make a trunk of an account (authorization 4)."""
    async with desk.writing(actor, "mapping_gateway.create") as act:
        made, told = await mapping_gateway.create(act, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/mapping-gateways/{made.id}"
    return NewMappingGatewayInfo(mapping_gateway=made, credential=None if told is None else _credential(told))


@router.get("/mapping-gateways/{gateway_id}", responses=responses(404))
async def get_mapping_gateway(
    desk: CurrentDesk, actor: CurrentActor, response: Response, gateway_id: str
) -> MappingGatewayInfo:
    """One mapping gateway."""
    async with desk.reading(actor) as view:
        found = await mapping_gateway.get(view, gateway_id)
    put(response, found.etag)
    return found


@router.patch("/mapping-gateways/{gateway_id}", responses=responses(404, 409, 412, 428))
async def modify_mapping_gateway(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    gateway_id: str,
    form: MappingGatewayChanges,
    expected: IfMatch,
) -> MappingGatewayInfo:
    """Change what is given (authorization 5; capacity and calls per second: 6)."""
    async with desk.writing(actor, "mapping_gateway.modify") as act:
        changed = await mapping_gateway.modify(act, gateway_id, form, expected)
    put(response, changed.etag)
    return changed


@router.delete("/mapping-gateways/{gateway_id}", status_code=204, responses=responses(404, 409, 412, 428))
async def remove_mapping_gateway(
    desk: CurrentDesk, actor: CurrentActor, gateway_id: str, expected: IfMatch
) -> None:
    """Remove a trunk that no call comes through (authorization 4)."""
    async with desk.writing(actor, "mapping_gateway.remove") as act:
        await mapping_gateway.remove(act, gateway_id, expected)


@router.post("/mapping-gateways/{gateway_id}/password", responses=responses(404, 409))
async def set_mapping_gateway_password(
    desk: CurrentDesk, actor: CurrentActor, gateway_id: str, form: NewCredential
) -> TrunkCredential:
    """Give a trunk a user or another password (authorization 5)."""
    async with desk.writing(actor, "mapping_gateway.set_password") as act:
        return _credential(await mapping_gateway.set_password(act, gateway_id, form))


@router.post("/mapping-gateways/{gateway_id}/test-number", responses=responses(404))
async def test_mapping_gateway_number(
    desk: CurrentDesk, actor: CurrentActor, gateway_id: str, form: TestCall
) -> TriedNumber:
    """What numbers from this trunk are judged as and, with a routing gateway, sent as, step by step.

    Changes nothing.
    """
    async with desk.reading(actor) as view:
        return await number_test.try_trunk(view, gateway_id, form)


@router.get("/routing-gateways", responses=responses())
async def list_routing_gateways(
    desk: CurrentDesk, actor: CurrentActor, cursor: Cursor = None, limit: Limit = LIMIT
) -> Listing[RoutingGatewayInfo]:
    """Routing gateways by id: an agent's are its own and those below; the operator's are not shown to it."""
    async with desk.reading(actor) as view:
        return Listing.of(await routing_gateway.list_gateways(view, after=cursor, limit=limit))


@router.post("/routing-gateways", status_code=201, responses=responses(404, 409, 422))
async def create_routing_gateway(once: OnceIfAsked, form: NewRoutingGateway) -> RoutingGatewayInfo:
    """Make a gateway (authorization 4). An agent's is used by calls from below it alone."""
    return await once.run(
        "routing_gateway.create",
        lambda act: routing_gateway.create(act, form),
        location=lambda made: f"/api/v1/routing-gateways/{made.id}",
    )


@router.get("/routing-gateways/{routing_gateway_id}", responses=responses(404))
async def get_routing_gateway(
    desk: CurrentDesk, actor: CurrentActor, response: Response, routing_gateway_id: str
) -> RoutingGatewayInfo:
    """One routing gateway with its routes."""
    async with desk.reading(actor) as view:
        found = await routing_gateway.get(view, routing_gateway_id)
    put(response, found.etag)
    return found


@router.patch("/routing-gateways/{routing_gateway_id}", responses=responses(404, 412, 428))
async def modify_routing_gateway(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    routing_gateway_id: str,
    form: RoutingGatewayChanges,
    expected: IfMatch,
) -> RoutingGatewayInfo:
    """Change what is given (authorization 5; capacity and calls per second: 6)."""
    async with desk.writing(actor, "routing_gateway.modify") as act:
        changed = await routing_gateway.modify(act, routing_gateway_id, form, expected)
    put(response, changed.etag)
    return changed


@router.delete(
    "/routing-gateways/{routing_gateway_id}", status_code=204, responses=responses(404, 409, 412, 428)
)
async def remove_routing_gateway(
    desk: CurrentDesk, actor: CurrentActor, routing_gateway_id: str, expected: IfMatch
) -> None:
    """Remove a gateway that no call goes through and no money was booked at (authorization 4)."""
    async with desk.writing(actor, "routing_gateway.remove") as act:
        await routing_gateway.remove(act, routing_gateway_id, expected)


@router.post("/routing-gateways/{routing_gateway_id}/test-number", responses=responses(404))
async def test_routing_gateway_number(
    desk: CurrentDesk, actor: CurrentActor, routing_gateway_id: str, form: TestNumber
) -> TriedNumber:
    """What judged numbers become on their way to this gateway, step by step. Changes nothing."""
    async with desk.reading(actor) as view:
        return await number_test.try_gateway(view, routing_gateway_id, form)


def _credential(told: Told) -> TrunkCredential:
    return TrunkCredential(id=told.id, username=told.username, password=told.password)
