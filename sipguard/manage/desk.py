"""The one way in which anything is asked or changed by management.

    async with desk.reading(actor) as view:
        found = await account.get(view, "acme")

    async with desk.writing(actor, "account.modify") as act:
        await account.modify(act, "acme", changes, etag)

`writing` is one transaction: what the command changed, its audit entries and its rows in the change feed are
committed together or not at all. A refusal is written to the audit log, too, in a transaction of its own.
Commands get everything of the actor from here: what it sees (scope) and what it may do (authorizations), both
as they are in the very transaction that acts.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Row, Select, Subquery, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.errors import ForbiddenError, ManageError, NotFoundError
from sipguard.manage.proxy import Proxy
from sipguard.manage.screens import Screens
from sipguard.model.actor import Actor, Role
from sipguard.model.authorization import ALL, Authorization, effective
from sipguard.model.configuration import REALM
from sipguard.policy.owner import Reach
from sipguard.store import feed, tree
from sipguard.store.account import account
from sipguard.store.audit import audit
from sipguard.store.database import Database
from sipguard.store.metadata import insert_row


@dataclass(slots=True)
class View:
    """A read transaction of one actor."""

    conn: AsyncConnection
    actor: Actor
    now_ms: int
    """Unix milliseconds: the moment of the request."""
    desk: Desk
    _below: Subquery | None = field(default=None, init=False)

    async def sees(self, account_key: int | None) -> bool:
        """Whether an account is in the actor's scope: its own or below it. None stands for the operator."""
        if self.actor.sees_all:
            return True
        if account_key is None:
            return False
        return any(level.key == self.actor.account_key for level in await tree.chain(self.conn, account_key))

    async def account_id(self) -> str | None:
        """The id of the actor's own account; None for those who have none."""
        mine = select(account.c.id).where(account.c.key == self.actor.account_key)
        return None if self.actor.account_key is None else (await self.conn.execute(mine)).scalar_one()

    async def account_key(self, account_id: str) -> int:
        """The key of an account in scope. Raises NotFoundError, the same whether it is foreign or is not."""
        is_open = account.c.closed_ms.is_(None)
        query = select(account.c.key).where(account.c.id == account_id, is_open)
        key: int | None = await self.conn.scalar(query)
        if not await self.sees(-1 if key is None else key) or key is None:
            raise NotFoundError("account", account_id)
        return key

    async def top_key(self, account_id: str | None) -> int | None:
        """From where on a question looks down: the account that it names, else the actor's own.

        None, of those who see all: from the very top. Raises NotFoundError.
        """
        return self.actor.account_key if account_id is None else await self.account_key(account_id)

    async def top_id(self, account_id: str | None) -> str | None:
        """The same as the id of that account. Raises NotFoundError."""
        if account_id is None:
            return await self.account_id()
        await self.account_key(account_id)
        return account_id

    async def in_scope(
        self, noun: str, id: str, query: Select[tuple[object, ...]], owner: str
    ) -> Row[tuple[object, ...]]:
        """The row of `query`, if its column `owner` (an account) is in scope. Raises NotFoundError."""
        row = (await self.conn.execute(query)).one_or_none()
        held_by = -1 if row is None else row._mapping[owner]
        if not await self.sees(held_by) or row is None:
            raise NotFoundError(noun, id)
        return row

    def within(self, column: ColumnElement[int | None]) -> ColumnElement[bool]:
        """As a condition: that the account in `column` is in scope. For lists: it walks the whole subtree."""
        own = self.actor.account_key
        if own is None:
            return true()
        if self._below is None:
            self._below = tree.below(own)
        return or_(column == own, column.in_(select(self._below.c.key)))

    async def of_account(
        self, column: ColumnElement[int | None], account_id: str | None
    ) -> ColumnElement[bool]:
        """As a condition: that the account in `column` is this one; None: that it is in scope.

        Raises NotFoundError.
        """
        return self.within(column) if account_id is None else column == await self.account_key(account_id)

    async def visible(self, account_keys: Iterable[int | None]) -> Set[int]:
        """Those of some accounts that are in scope: for a page, by a walk up from each."""
        keys = {key for key in account_keys if key is not None}
        own = self.actor.account_key
        return keys if own is None else await tree.at_or_below(self.conn, own, keys)

    async def effective(self) -> Authorization:
        """What the actor may do at this moment: the intersection of the grants along its chain."""
        if self.actor.account_key is None:
            return ALL if self.actor.role is Role.ADMINISTRATOR else Authorization(0)
        return effective([level.granted for level in await tree.chain(self.conn, self.actor.account_key)])


@dataclass(slots=True)
class Act(View):
    """A write transaction of one actor. It holds the write lock from its beginning."""

    action: str
    """"account.modify": noun and verb, as the audit log has it."""
    kept: AsyncExitStack
    """What is entered here is left when the transaction is committed, or rolled back."""
    used: Authorization | None = field(default=None, init=False)
    """The authorization that was asked for last: what the next `changed` was done by."""

    async def require(self, authorization: Authorization) -> None:
        """Raises ForbiddenError where the actor does not hold it now. Administrators hold all."""
        self.used = authorization
        if not await self.effective() & authorization:
            raise ForbiddenError(
                f"this needs authorization {authorization.number} ({authorization.slug})",
                authorization.number,
            )

    def require_administrator(self) -> None:
        """Raises ForbiddenError for everybody else."""
        if self.actor.role is not Role.ADMINISTRATOR:
            raise ForbiddenError("only an administrator may do this")

    async def changed(self, noun: str, id: str, account_key: int | None, **detail: object) -> None:
        """Note what was done: audit log and change feed. `account_key`: under whose eyes the object lies.

        `detail` is what JSON can hold ("before", "after", ...) and never a secret.
        """
        verb = self.action.rpartition(".")[2]
        await self.noted(noun, id, account_key, **detail)
        await feed.record(self.conn, noun, verb, id)

    async def noted(self, noun: str, id: str, account_key: int | None, **detail: object) -> None:
        """Note what was done in the audit log alone: calls are judged as before."""
        await _record(self, noun, id, account_key, "done", detail)


@dataclass(frozen=True, slots=True)
class Rules:
    """What of management is set by configuration."""

    depth_warning: int = 3
    """Deeper trees are warned of."""
    depth_limit: int | None = None
    """Deeper ones are refused."""
    sub_agents_need_approval: bool = False
    """Whether an agent's creation of a sub-agent waits for an administrator."""
    realm: str = REALM
    """For which the passwords of phones and trunks are hashed."""
    session_idle_ms: int = 30 * 60_000
    """A session that nobody uses for so long is over."""
    session_ms: int = 12 * 3_600_000
    """A session is over after so long, used or not."""
    leading_zero_countries: frozenset[str] = frozenset()
    """Country codes whose national numbers may begin with 0."""
    reach: Reach = field(default_factory=Reach)
    """Where gateways and trunks of agents may be."""


class Desk:
    """Management over one database; shared by all requests of a process."""

    def __init__(
        self,
        store: Database,
        rules: Rules = Rules(),
        clock_ms: Callable[[], int] | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """`proxy`: is asked for live calls, and woken by every change; None: there is none to ask."""
        self.store = store
        self.rules = rules
        self.proxy = proxy
        self.screens = Screens()
        self.clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    @asynccontextmanager
    async def reading(self, actor: Actor) -> AsyncIterator[View]:
        """A view of one moment."""
        async with self.store.reading() as conn:
            yield View(conn, actor, self.clock_ms(), self)

    @asynccontextmanager
    async def writing(
        self,
        actor: Actor,
        action: str,
        authorization: Authorization | None = None,
        *,
        personal: bool = False,
    ) -> AsyncIterator[Act]:
        """One transaction that changes something. Raises ForbiddenError for those who only read.

        `authorization`: required at once, before anything is looked up. `personal`: a matter of the actor's
        own login, which those have, too, who change nothing else.
        """
        now_ms = self.clock_ms()
        act: Act | None = None
        try:
            _refuse_readers(actor, action, personal)
            async with AsyncExitStack() as kept, self.store.writing() as conn:
                act = Act(conn, actor, now_ms, self, action, kept)
                if authorization is not None:
                    await act.require(authorization)
                yield act
            if self.proxy is not None:
                self.proxy.wake()
        except (ForbiddenError, NotFoundError) as error:
            await self._refused(actor, action, now_ms, error, act)
            raise

    async def _refused(
        self, actor: Actor, action: str, now_ms: int, error: ManageError, act: Act | None
    ) -> None:
        noun, id = action.partition(".")[0], ""
        if isinstance(error, NotFoundError):
            noun, id = error.noun, str(error.id)
        async with self.store.writing() as conn:
            told = Act(conn, actor, now_ms, self, action, AsyncExitStack())
            told.used = act.used if act is not None else None
            await _record(told, noun, id, actor.account_key, "refused", {"reason": str(error)})


SUPPORT_MAY = frozenset({"alert.acknowledge", "call.hangup"})
"""Actions of logins of role support."""


def _refuse_readers(actor: Actor, action: str, personal: bool) -> None:
    if actor.read_only:
        raise ForbiddenError("this key may only read")
    if personal or (actor.role is Role.SUPPORT and action in SUPPORT_MAY):
        return
    if actor.role in (Role.VIEWER, Role.SUPPORT):
        raise ForbiddenError(f"a login of role {actor.role} changes nothing")


async def _record(
    act: Act, noun: str, id: str, account_key: int | None, outcome: str, detail: Mapping[str, object]
) -> None:
    actor = act.actor
    await insert_row(
        act.conn,
        audit,
        at_ms=act.now_ms,
        actor=actor.name,
        actor_role=actor.role.value,
        actor_account_key=actor.account_key,
        via=actor.via.value,
        action=act.action,
        noun=noun,
        id=id,
        account_key=account_key,
        authorization=None if act.used is None else act.used.number,
        outcome=outcome,
        detail=dict(detail),
    )
