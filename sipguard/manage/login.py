"""Logins: who may sign in. Administrators manage all, agents those of their accounts (authorization 1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import etag, page, session, totp
from sipguard.manage import password as passwords
from sipguard.manage.desk import Act, Desk, View
from sipguard.manage.errors import ConflictError, InvalidError, NotFoundError
from sipguard.manage.login_form import LoginChanges, NewLogin
from sipguard.manage.page import Page
from sipguard.model.actor import Actor, Role
from sipguard.model.authorization import Authorization
from sipguard.store import tree
from sipguard.store.account import account
from sipguard.store.login import api_key, login, login_attempt, login_device, recovery_code
from sipguard.store.metadata import insert_row


@dataclass(frozen=True, slots=True)
class LoginInfo:
    """A login as its managers see it."""

    username: str
    role: Role
    account_id: str | None
    locked: bool
    must_change: bool
    totp: bool
    """Whether it has a second factor."""
    created_ms: int
    changed_ms: int
    last_sign_in_ms: int | None

    @property
    def etag(self) -> str:
        """Version of what can be modified."""
        return etag.etag(_fixed(self))


async def add(
    conn: AsyncConnection, username: str, password: str, role: Role, account_key: int | None, now_ms: int
) -> int:
    """Make a login by hand, without an actor; its key. `conn` holds the write lock.

    Raises ConflictError, InvalidError.
    """
    passwords.check(password, username)
    values = {"role": role.value, "account_key": account_key, "must_change": False}
    return await _insert(conn, username, await passwords.hashed(password), now_ms, **values)


async def list_all(
    view: View, account_id: str | None = None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[LoginInfo]:
    """Logins in scope by name, or those of one account. Raises NotFoundError, InvalidError."""
    query = _SELECT
    if account_id is not None:
        query = query.where(login.c.account_key == await view.account_key(account_id))
    elif view.actor.account_key is not None:
        mine = view.actor.account_key
        keys = select(tree.below(mine).c.key)
        query = query.where(or_(login.c.account_key == mine, login.c.account_key.in_(keys)))
    rows, further = await page.read(view.conn, query, login.c.username, after, limit)
    items = [_info(row) for row in rows]
    return Page(items, further)


async def get(view: View, username: str) -> LoginInfo:
    """Raises NotFoundError."""
    return _info(await found(view, username))


async def found(view: View, username: str) -> Any:
    """The row of a login in scope. Raises NotFoundError, the same whether it is foreign or is not."""
    query = _SELECT.where(login.c.username == username)
    row = (await view.conn.execute(query)).one_or_none()
    # Staff is the operator's: seen by those who see everything.
    if not await view.sees(-1 if row is None else row.account_key) or row is None:
        raise NotFoundError("login", username)
    return row


async def managed(act: Act, username: str) -> Any:
    """The row of a login that the actor may change: its own, or one in scope (authorization 1).

    Raises NotFoundError, ForbiddenError.
    """
    row = await found(act, username)
    if row.key == act.actor.login_key:
        return row
    await act.require(Authorization.ACCOUNT)
    if row.account_key is None:
        act.require_administrator()
    return row


async def create(desk: Desk, actor: Actor, form: NewLogin) -> LoginInfo:
    """Make a login. Raises ForbiddenError, NotFoundError, InvalidError, ConflictError, BusyError."""
    if (form.role == "account") != (form.account_id is not None):
        raise InvalidError.of("account_id", "belongs to exactly the logins of role account")
    passwords.check(form.password, form.username)
    # Before the transaction: nobody else writes while it lasts, and this takes a tenth of a second.
    password_hash = await passwords.hashed(form.password)
    async with desk.writing(actor, "login.create", Authorization.ACCOUNT) as act:
        account_key = None
        if form.account_id is None:
            act.require_administrator()
        else:
            account_key = await act.account_key(form.account_id)
        values = {"role": form.role, "account_key": account_key, "must_change": form.must_change}
        await _insert(act.conn, form.username, password_hash, act.now_ms, **values)
        after = form.model_dump(exclude={"password"})
        await act.changed("login", form.username, account_key, after=after)
        return await get(act, form.username)


async def modify(act: Act, username: str, form: LoginChanges, expected: str | None = None) -> LoginInfo:
    """Change what `form` was given. Raises ForbiddenError, NotFoundError, InvalidError, ConflictError,
    StaleError. Whoever is locked or gets another role is signed out."""
    row = await _others(act, username)
    before = _info(row)
    etag.check("login", username, expected, _fixed(before))
    values: dict[str, Any] = form.model_dump(exclude_unset=True)
    if "role" in values:
        act.require_administrator()
        if row.account_key is not None:
            raise InvalidError.of("role", "a login of an account has no other role")
    if values.get("locked") or values.get("role", "administrator") != "administrator":
        await _keep_an_administrator(act.conn, row)
    if values:
        mine = login.c.key == row.key
        await act.conn.execute(update(login).where(mine).values(**values, changed_ms=act.now_ms))
    if values.get("locked") or "role" in values:
        await session.end_all(act.conn, row.key)
    was = {name: value for name, value in asdict(before).items() if name in values}
    await act.changed("login", row.username, row.account_key, before=was, after=values)
    return await get(act, username)


async def remove(act: Act, username: str) -> None:
    """Take a login away, with its sessions and keys. Raises ForbiddenError, NotFoundError, ConflictError."""
    row = await _others(act, username)
    await _keep_an_administrator(act.conn, row)
    for table in (api_key, recovery_code, login_device):
        await act.conn.execute(delete(table).where(table.c.login_key == row.key))
    await session.end_all(act.conn, row.key)
    await act.conn.execute(delete(login).where(login.c.key == row.key))
    await act.changed("login", row.username, row.account_key)


async def set_password(
    desk: Desk, actor: Actor, username: str, password: str, must_change: bool = True
) -> LoginInfo:
    """A new password for somebody else, who is signed out everywhere.

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError, BusyError.
    """
    passwords.check(password, username)
    password_hash = await passwords.hashed(password)
    async with desk.writing(actor, "login.password") as act:
        row = await _others(act, username)
        await write_password(act, row, password_hash, must_change)
        await session.end_all(act.conn, row.key)
        return await get(act, username)


async def write_password(act: Act, row: Any, password_hash: str, must_change: bool) -> None:
    """Store a hash; browsers that were known are strangers again."""
    values = {"password_hash": password_hash, "must_change": must_change, "changed_ms": act.now_ms}
    await act.conn.execute(update(login).where(login.c.key == row.key).values(values))
    await act.conn.execute(delete(login_device).where(login_device.c.login_key == row.key))
    await act.changed("login", row.username, row.account_key, after={"must_change": must_change})


async def remove_totp(act: Act, username: str) -> LoginInfo:
    """The password alone is enough again, for who has lost everything. Raises ForbiddenError, NotFoundError,
    ConflictError."""
    row = await _others(act, username)
    await totp.remove(act.conn, row.key)
    await session.end_all(act.conn, row.key)
    await act.changed("login", row.username, row.account_key, after={"totp": "removed"})
    return await get(act, username)


_LAST = (
    select(func.max(login_attempt.c.at_ms))
    .where(login_attempt.c.username == login.c.username, login_attempt.c.outcome == "done")
    .correlate(login)
    .scalar_subquery()
)
_SELECT: Select[Any] = select(
    login, account.c.id.label("account_id"), _LAST.label("last_sign_in_ms")
).outerjoin(account, account.c.key == login.c.account_key)


async def _others(act: Act, username: str) -> Any:
    row = await managed(act, username)
    if row.key == act.actor.login_key:
        raise ConflictError("nobody does this to the login that asks: another one does")
    return row


async def _keep_an_administrator(conn: AsyncConnection, row: Any) -> None:
    """Raises ConflictError where `row` is the last one who could put things right."""
    if row.role != Role.ADMINISTRATOR or row.locked:
        return
    others = (login.c.role == "administrator") & login.c.locked.is_(False) & (login.c.key != row.key)
    if not await conn.scalar(select(func.count()).select_from(login).where(others)):
        raise ConflictError(f"{row.username} is the last administrator who can sign in")


async def _insert(
    conn: AsyncConnection, username: str, password_hash: str, now_ms: int, **values: Any
) -> int:
    taken = await conn.scalar(select(login.c.key).where(login.c.username.collate("NOCASE") == username))
    if taken is not None:
        raise ConflictError(f"the username {username} is taken")
    return await insert_row(
        conn,
        login,
        username=username,
        password_hash=password_hash,
        locked=False,
        created_ms=now_ms,
        changed_ms=now_ms,
        **values,
    )


def _fixed(info: LoginInfo) -> dict[str, object]:
    return {name: value for name, value in asdict(info).items() if name != "last_sign_in_ms"}


def _info(row: Any) -> LoginInfo:
    return LoginInfo(
        username=row.username,
        role=Role(row.role),
        account_id=row.account_id,
        locked=row.locked,
        must_change=row.must_change,
        totp=row.totp_secret is not None,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
        last_sign_in_ms=row.last_sign_in_ms,
    )
