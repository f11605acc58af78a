"""Templates of authorizations."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from sipguard.manage import authorization_template as templates
from sipguard.manage.authorization_form import NewTemplate, TemplateChanges
from sipguard.manage.authorization_template import TemplateInfo
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.problem import responses

router = APIRouter(prefix="/authorization-templates", tags=["authorizations"], route_class=StrictRoute)


class Templates(BaseModel):
    """All there are."""

    items: list[TemplateInfo]


@router.get("", responses=responses())
async def list_templates(desk: CurrentDesk, actor: CurrentActor) -> Templates:
    """All templates, those of the program first."""
    async with desk.reading(actor) as view:
        return Templates(items=await templates.list_templates(view))


@router.post("", status_code=201, responses=responses(409))
async def create_template(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewTemplate
) -> TemplateInfo:
    """Make a template (administrators)."""
    async with desk.writing(actor, "authorization_template.create") as act:
        made = await templates.create(act, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/authorization-templates/{made.id}"
    return made


@router.get("/{template_id}", responses=responses(404))
async def get_template(
    desk: CurrentDesk, actor: CurrentActor, response: Response, template_id: str
) -> TemplateInfo:
    """One template."""
    async with desk.reading(actor) as view:
        found = await templates.get(view, template_id)
    put(response, found.etag)
    return found


@router.put("/{template_id}", responses=responses(404, 409, 412, 428))
async def modify_template(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    template_id: str,
    form: TemplateChanges,
    expected: IfMatch,
) -> TemplateInfo:
    """Change a template (administrators). Accounts keep what they were granted by it."""
    async with desk.writing(actor, "authorization_template.modify") as act:
        changed = await templates.modify(act, template_id, form, expected)
    put(response, changed.etag)
    return changed


@router.delete("/{template_id}", status_code=204, responses=responses(404, 409))
async def delete_template(desk: CurrentDesk, actor: CurrentActor, template_id: str) -> None:
    """Delete a template (administrators). Accounts keep what they were granted by it."""
    async with desk.writing(actor, "authorization_template.delete") as act:
        await templates.delete(act, template_id)
