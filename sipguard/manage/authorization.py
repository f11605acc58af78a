"""What accounts may do: granted, seen, taken back. What one holds is looked up at the moment of the grant."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update

from sipguard.manage import account as accounts
from sipguard.manage import authorization_template as templates
from sipguard.manage import etag, sub_agent
from sipguard.manage.authorization_form import Grant
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, ForbiddenError
from sipguard.model.actor import Role
from sipguard.model.authorization import Authorization, effective, of_slugs, slugs
from sipguard.store import tree
from sipguard.store.account import account


@dataclass(frozen=True, slots=True)
class HeldInfo:
    """What an account holds."""

    account_id: str
    granted: tuple[str, ...]
    """To the account itself."""
    inherited: tuple[str, ...]
    """What is left from above: granted to every agent above it."""
    effective: tuple[str, ...]
    """What it may do at this moment: both."""

    @property
    def etag(self) -> str:
        """Version of what was granted."""
        return etag.etag({"account_id": self.account_id, "granted": list(self.granted)})


async def held(view: View, account_id: str) -> HeldInfo:
    """Raises NotFoundError."""
    own, *above = await tree.chain(view.conn, await view.account_key(account_id))
    inherited = effective(level.granted for level in above)
    return HeldInfo(account_id, slugs(own.granted), slugs(inherited), slugs(inherited & own.granted))


async def grant(
    act: Act, account_id: str, form: Grant, expected: str | None = None, *, approved: bool = False
) -> HeldInfo:
    """Have an account hold just what `form` says (authorization 1).

    Nobody gives what it does not hold now; taking back is always possible. Raises ForbiddenError,
    NotFoundError, StaleError, InvalidError for a template that there is not, ConflictError where an agent
    above the account does not hold it.
    """
    await act.require(Authorization.ACCOUNT)
    key = await accounts.managed(act, account_id)
    own, *above = await tree.chain(act.conn, key)
    was = await held(act, account_id)
    etag.check(
        "authorizations of account",
        account_id,
        expected,
        {"account_id": account_id, "granted": list(was.granted)},
    )
    wanted = (
        of_slugs(form.authorizations)
        if form.authorizations is not None
        else await templates.granted(act, form.template_id or "")
    )
    added = wanted & ~own.granted
    _refuse(added & ~await act.effective())
    if beyond := added & ~effective(level.granted for level in above):
        raise ConflictError(
            f"an agent above {account_id} does not hold everything that is to be granted", slugs(beyond)
        )
    if added & Authorization.ACCOUNT and not approved and await _makes_sub_agent(act, key, bool(above)):
        raise ForbiddenError(sub_agent.NEEDED)
    if wanted != own.granted:
        await act.conn.execute(update(account).where(account.c.key == key).values(granted=int(wanted)))
        now = list(slugs(wanted))
        await act.changed(
            "account", account_id, key, before={"granted": list(was.granted)}, after={"granted": now}
        )
    return await held(act, account_id)


def _refuse(missing: Authorization) -> None:
    for one in Authorization:
        if one & missing:
            raise ForbiddenError(
                f"nobody grants what it does not hold: authorization {one.number} ({one.slug})", one.number
            )


async def _makes_sub_agent(act: Act, key: int, is_sub: bool) -> bool:
    if not act.desk.rules.sub_agents_need_approval or act.actor.role is not Role.ACCOUNT:
        return False
    return is_sub and not await sub_agent.is_agent(act, key)
