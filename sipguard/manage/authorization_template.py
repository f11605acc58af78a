"""Templates: sets of authorizations under a name. Those of the program, and those that operators add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import select, update

from sipguard.manage import etag
from sipguard.manage.authorization_form import NewTemplate, TemplateChanges
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError, NotFoundError
from sipguard.model.authorization import TEMPLATES, Authorization, of_slugs, slugs
from sipguard.store.authorization_template import authorization_template
from sipguard.store.metadata import insert_row


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """A template as everybody sees it."""

    id: str
    authorizations: tuple[str, ...]
    memo: str
    built_in: bool
    """It comes with the program and stays as it is."""

    @property
    def etag(self) -> str:
        return etag.etag({"authorizations": list(self.authorizations), "memo": self.memo})


async def list_templates(view: View) -> list[TemplateInfo]:
    """All of them, those of the program first."""
    rows = await view.conn.execute(select(authorization_template).order_by(authorization_template.c.id))
    return [_built_in(id) for id in TEMPLATES] + [_info(row) for row in rows]


async def get(view: View, id: str) -> TemplateInfo:
    """Raises NotFoundError."""
    if id in TEMPLATES:
        return _built_in(id)
    query = select(authorization_template).where(authorization_template.c.id == id)
    row = (await view.conn.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("template", id)
    return _info(row)


async def granted(view: View, id: str) -> Authorization:
    """What a template grants. Raises InvalidError that names the field of the form that asked."""
    try:
        return of_slugs((await get(view, id)).authorizations)
    except NotFoundError as error:
        raise InvalidError.of("template_id", str(error)) from None


async def create(act: Act, form: NewTemplate) -> TemplateInfo:
    """Raises ForbiddenError for all but administrators, ConflictError for a name that is taken."""
    act.require_administrator()
    taken = select(authorization_template.c.key).where(authorization_template.c.id == form.id)
    if form.id in TEMPLATES or await act.conn.scalar(taken) is not None:
        raise ConflictError(f"there is a template {form.id} already")
    values = {"granted": int(of_slugs(form.authorizations)), "memo": form.memo}
    await insert_row(act.conn, authorization_template, id=form.id, **values)
    await act.changed("authorization_template", form.id, None, after=form.model_dump())
    return await get(act, form.id)


async def modify(act: Act, id: str, form: TemplateChanges, expected: str | None = None) -> TemplateInfo:
    """Raises ForbiddenError, NotFoundError, StaleError, ConflictError for those of the program."""
    before = await _changeable(act, id)
    etag.check("template", id, expected, {"authorizations": list(before.authorizations), "memo": before.memo})
    values = {"granted": int(of_slugs(form.authorizations)), "memo": form.memo}
    await act.conn.execute(
        update(authorization_template).where(authorization_template.c.id == id).values(values)
    )
    await act.changed("authorization_template", id, None, after=form.model_dump())
    return await get(act, id)


async def delete(act: Act, id: str) -> None:
    """Accounts keep what they were granted by it. Raises ForbiddenError, NotFoundError, ConflictError."""
    await _changeable(act, id)
    await act.conn.execute(delete_from(authorization_template).where(authorization_template.c.id == id))
    await act.changed("authorization_template", id, None)


async def _changeable(act: Act, id: str) -> TemplateInfo:
    act.require_administrator()
    found = await get(act, id)
    if found.built_in:
        raise ConflictError(f"the template {id} comes with the program and stays as it is")
    return found


def _built_in(id: str) -> TemplateInfo:
    return TemplateInfo(id, slugs(TEMPLATES[id]), "", True)


def _info(row: Any) -> TemplateInfo:
    return TemplateInfo(row.id, slugs(Authorization(row.granted)), row.memo, False)
