"""Deleting accounts: what stands in the way, and what is left.

A deleted account is closed, not destroyed: hidden everywhere, locked, without logins and grants. Its row, its
ledger accounts and its id stay, because call records, statements and the journal name them; so an id is never
given a second time, and nobody inherits the records of somebody else.
"""

from __future__ import annotations

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, text, update

from sipguard.control import ControlError
from sipguard.manage import account as accounts
from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError
from sipguard.model.authorization import Authorization
from sipguard.model.money import format_micros
from sipguard.store import live_call, tree
from sipguard.store.account import account
from sipguard.store.login import login
from sipguard.store.section import section, section_set

_GOES_ALONG = frozenset(
    {
        *("account", "account_path", "ledger_account", "login", "section", "section_set", "alert_threshold"),
        *("account_import", "alert", "approval", "payment", "payment_request"),
    }
)
"""Tables whose rows of an account go with it or stay as its history. A row of any other stands in the way."""


async def delete(act: Act, account_id: str) -> None:
    """Close an account (authorization 1).

    Raises ForbiddenError, NotFoundError, ConflictError with the list of what has to go first: sub-accounts,
    calls, money, phones, gateways, rate tables, whatever else is its.
    """
    await act.require(Authorization.ACCOUNT)
    key = await accounts.managed(act, account_id)
    before = await accounts.get(act, account_id)
    obstacles = [
        *await _below(act, key),
        *await _calls(act, account_id),
        *_money(before),
        *await _things(act, key),
    ]
    if obstacles:
        raise ConflictError(f"the account {account_id} cannot be deleted", obstacles)
    for owned in (section, section_set, login):
        await act.conn.execute(delete_from(owned).where(owned.c.account_key == key))
    closed = {"locked": True, "closed_ms": act.now_ms, "granted": 0}
    await act.conn.execute(update(account).where(account.c.key == key).values(closed))
    await act.changed("account", account_id, key, before=before.version)


async def _below(act: Act, key: int) -> list[str]:
    count = await tree.count_direct(act.conn, key)
    return [_counted(count, "sub-account")] if count else []


async def _calls(act: Act, account_id: str) -> list[str]:
    proxy, has_calls = act.desk.proxy, None
    if proxy is not None:
        try:
            has_calls = await proxy.live_calls(account_id)
        except ControlError:
            return ["the daemon does not say whether it has live calls"]
    if has_calls is None:
        has_calls = await live_call.name(act.conn, account_id)
    return ["live calls"] if has_calls else []


def _money(before: accounts.AccountInfo) -> list[str]:
    if before.balance_micros == 0:
        return []
    return [f"a balance of {format_micros(before.balance_micros)} {before.currency}"]


async def _things(act: Act, key: int) -> list[str]:
    """Rows of whatever table refers to accounts, by the schema itself: what is added later counts, too."""
    references = await act.conn.execute(
        text(
            'SELECT DISTINCT held.name, refers."from" FROM sqlite_schema AS held'
            " JOIN pragma_foreign_key_list(held.name) AS refers"
            " WHERE held.type = 'table' AND refers.\"table\" = 'account' ORDER BY held.name"
        )
    )
    found = []
    for table, column in references.all():
        if table not in _GOES_ALONG:
            # Names of our own schema, not what somebody wrote.
            query = select(func.count()).select_from(text(f'"{table}"')).where(text(f'"{column}" = :key'))
            if count := await act.conn.scalar(query, {"key": key}):
                found.append(_counted(count, table.replace("_", " ")))
    return found


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
