"""Phones: shown, listed, made, modified, removed; their passwords, which nobody reads back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from sipguard.manage import etag, page
from sipguard.manage.credential import Told, give
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_common import check_plan, refuse_while_calls
from sipguard.manage.number_range import check_numbers
from sipguard.manage.page import Page
from sipguard.manage.phone_form import NewPassword, NewPhone, PhoneChanges
from sipguard.model.authorization import Authorization
from sipguard.model.gateway import NumberPlan
from sipguard.store import contact as contacts
from sipguard.store.account import account
from sipguard.store.credential import credential
from sipguard.store.metadata import insert_row
from sipguard.store.phone import phone, phone_number, phone_source


@dataclass(frozen=True, slots=True)
class PhoneInfo:
    """A phone as its managers see it."""

    id: str
    account_id: str
    username: str | None
    """None: it has no password, and cannot register."""
    numbers: list[str]
    sources: list[str]
    country_code: str | None
    national_prefix: str | None
    international_prefixes: list[str]
    called_rewrite: list[str]
    lock: str
    call_limit: int | None
    cps_limit: int | None
    contact_limit: int
    caller_check: str

    @property
    def etag(self) -> str:
        return etag.etag(asdict(self))


@dataclass(frozen=True, slots=True)
class RegistrationInfo:
    """Where a phone says that it is."""

    contact: str
    q: float
    source: str
    transport: str
    user_agent: str
    registered_ms: int
    expires_ms: int


async def get(view: View, phone_id: str) -> PhoneInfo:
    """Raises NotFoundError."""
    return (await _infos(view, [await _row(view, phone_id)]))[0]


async def list_phones(
    view: View, account_id: str | None = None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[PhoneInfo]:
    """By id: of one account, or of all in scope. Raises NotFoundError, InvalidError."""
    query = _SELECT.where(await view.of_account(phone.c.account_key, account_id))
    rows, further = await page.read(view.conn, query, phone.c.id, after, limit)
    items = await _infos(view, rows)
    return Page(items, further)


async def create(act: Act, form: NewPhone) -> tuple[PhoneInfo, Told]:
    """Make a phone of an account in scope (authorization 2).

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for what is taken.
    """
    await act.require(Authorization.PHONE)
    account_key = await act.account_key(form.account_id)
    if await act.conn.scalar(select(phone.c.key).where(phone.c.id == form.id)) is not None:
        raise ConflictError(f"the phone id {form.id} is taken")
    username = form.username or form.id
    if await act.conn.scalar(select(credential.c.username).where(credential.c.username == username)):
        raise ConflictError(f"the username {username} is taken")
    _check_plan(form.model_dump())
    await _check_numbers(act, account_key, form.numbers, None)
    values = form.model_dump(exclude={"account_id", "username", "password", "numbers", "sources"})
    key = await insert_row(act.conn, phone, account_key=account_key, **values)
    await _put_numbers(act, key, form.numbers)
    await _put_sources(act, key, form.sources)
    told = await give(act, form.id, username, form.password, phone_key=key)
    await act.changed("phone", form.id, account_key, after=form.model_dump(exclude={"password"}))
    return await get(act, form.id), told


async def modify(act: Act, phone_id: str, form: PhoneChanges, expected: str | None = None) -> PhoneInfo:
    """Change what `form` was given (authorization 2).

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for a number that is taken, StaleError.
    """
    await act.require(Authorization.PHONE)
    row = await _row(act, phone_id)
    before = asdict((await _infos(act, [row]))[0])
    etag.check("phone", phone_id, expected, before)
    values = form.model_dump(exclude_unset=True)
    columns = {name: value for name, value in values.items() if name not in ("numbers", "sources")}
    _check_plan(before | values)
    if "numbers" in values:
        await _check_numbers(act, row.account_key, values["numbers"], row.key)
        await act.conn.execute(delete(phone_number).where(phone_number.c.phone_key == row.key))
        await _put_numbers(act, row.key, values["numbers"])
    if "sources" in values:
        await act.conn.execute(delete(phone_source).where(phone_source.c.phone_key == row.key))
        await _put_sources(act, row.key, values["sources"])
    if columns:
        await act.conn.execute(update(phone).where(phone.c.key == row.key).values(columns))
    was = {name: before[name] for name in values}
    await act.changed("phone", phone_id, row.account_key, before=was, after=values)
    return await get(act, phone_id)


async def set_password(act: Act, phone_id: str, form: NewPassword) -> Told:
    """Give a phone another password (authorization 2); what is registered stays until it expires.

    Raises ForbiddenError, NotFoundError.
    """
    await act.require(Authorization.PHONE)
    row = await _row(act, phone_id)
    if row.username is None:
        taken = select(credential.c.username).where(credential.c.username == phone_id)
        if await act.conn.scalar(taken) is not None:
            raise ConflictError(f"the username {phone_id} is taken")
    told = await give(act, phone_id, row.username or phone_id, form.password, phone_key=row.key)
    await act.changed("phone", phone_id, row.account_key, username=told.username)
    return told


async def remove(act: Act, phone_id: str, expected: str | None = None) -> None:
    """Remove a phone with its numbers, password and registrations (authorization 2), once no call is up.

    Raises ForbiddenError, NotFoundError, StaleError, ConflictError, UnavailableError.
    """
    await act.require(Authorization.PHONE)
    row = await _row(act, phone_id)
    before = asdict((await _infos(act, [row]))[0])
    etag.check("phone", phone_id, expected, before)
    await refuse_while_calls(act, "phone", phone_id, f"phone:{phone_id}")
    for table in (phone_number, phone_source, credential, contacts.contact):
        await act.conn.execute(delete(table).where(table.c.phone_key == row.key))
    await act.conn.execute(delete(phone).where(phone.c.key == row.key))
    await act.changed("phone", phone_id, row.account_key, before=before)


async def registrations(view: View, phone_id: str) -> list[RegistrationInfo]:
    """Where a phone is registered, as of a second ago. Raises NotFoundError."""
    row = await _row(view, phone_id)
    table = contacts.contact.c
    query = (
        select(contacts.contact)
        .where(table.phone_key == row.key, table.expires_ms > view.now_ms)
        .order_by(table.q.desc(), table.registered_ms.desc())
    )
    return [
        RegistrationInfo(
            contact=each.uri,
            q=each.q / 1000,
            source=f"[{each.host}]:{each.port}" if ":" in each.host else f"{each.host}:{each.port}",
            transport=each.transport,
            user_agent=each.user_agent,
            registered_ms=each.registered_ms,
            expires_ms=each.expires_ms,
        )
        for each in await view.conn.execute(query)
    ]


def _check_plan(values: Mapping[str, Any]) -> None:
    prefixes = tuple(values["international_prefixes"])
    check_plan(NumberPlan(values["country_code"], values["national_prefix"], prefixes))


async def _check_numbers(act: Act, account_key: int, numbers: Sequence[str], phone_key: int | None) -> None:
    if len(set(numbers)) < len(numbers):
        raise InvalidError.of("numbers", "one is there twice")
    own: set[str] = set()
    if phone_key is not None:
        mine = select(phone_number.c.number).where(phone_number.c.phone_key == phone_key)
        own = set((await act.conn.scalars(mine)).all())
    new = [number for number in numbers if number not in own]
    await check_numbers(act, account_key, new)
    taken = (
        await act.conn.scalars(select(phone_number.c.number).where(phone_number.c.number.in_(new)))
    ).all()
    if taken:
        raise ConflictError("these numbers are taken", sorted(taken))


async def _put_numbers(act: Act, key: int, numbers: Sequence[str]) -> None:
    rows = [{"number": number, "phone_key": key, "position": at} for at, number in enumerate(numbers)]
    if rows:
        await act.conn.execute(insert(phone_number), rows)


async def _put_sources(act: Act, key: int, sources: Sequence[str]) -> None:
    rows = [{"phone_key": key, "network": network} for network in dict.fromkeys(sources)]
    if rows:
        await act.conn.execute(insert(phone_source), rows)


async def _row(view: View, phone_id: str) -> Any:
    return await view.in_scope("phone", phone_id, _SELECT.where(phone.c.id == phone_id), "account_key")


_SELECT: Select[Any] = (
    select(phone, account.c.id.label("account_id"), credential.c.username)
    .join(account, account.c.key == phone.c.account_key)
    .outerjoin(credential, credential.c.phone_key == phone.c.key)
    .group_by(phone.c.key)
)


async def _infos(view: View, rows: Sequence[Any]) -> list[PhoneInfo]:
    keys = [row.key for row in rows]
    numbers: dict[int, list[str]] = defaultdict(list)
    query = select(phone_number).where(phone_number.c.phone_key.in_(keys)).order_by(phone_number.c.position)
    for each in await view.conn.execute(query):
        numbers[each.phone_key].append(each.number)
    sources: dict[int, list[str]] = defaultdict(list)
    networks = select(phone_source).where(phone_source.c.phone_key.in_(keys)).order_by(phone_source.c.network)
    for each in await view.conn.execute(networks):
        sources[each.phone_key].append(each.network)
    return [
        PhoneInfo(
            id=row.id,
            account_id=row.account_id,
            username=row.username,
            numbers=numbers[row.key],
            sources=sources[row.key],
            country_code=row.country_code,
            national_prefix=row.national_prefix,
            international_prefixes=list(row.international_prefixes),
            called_rewrite=list(row.called_rewrite),
            lock=row.lock,
            call_limit=row.call_limit,
            cps_limit=row.cps_limit,
            contact_limit=row.contact_limit,
            caller_check=row.caller_check,
        )
        for row in rows
    ]
