"""What a tree may grow to: how deep, and whether an account below an agent may become an agent itself."""

from __future__ import annotations

from sqlalchemy import exists, select

from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError
from sipguard.model.actor import Role
from sipguard.store import tree
from sipguard.store.account import account


async def check_depth(act: Act, agent_key: int | None, levels: int = 1) -> tuple[str, ...]:
    """Warnings about hanging so many levels under an agent. Raises ConflictError beyond the limit."""
    deep = levels + (0 if agent_key is None else await tree.depth(act.conn, agent_key))
    return depth_warnings(act, deep)


def depth_warnings(act: Act, deep: int) -> tuple[str, ...]:
    """Warnings about a tree of `deep` levels. Raises ConflictError beyond the limit."""
    rules = act.desk.rules
    if rules.depth_limit is not None and deep > rules.depth_limit:
        raise ConflictError(f"a tree has at most {rules.depth_limit} levels here (manage.depth_limit)")
    if deep > rules.depth_warning:
        return (f"the tree is deeper than {rules.depth_warning} levels",)
    return ()


async def needs_approval(act: Act, agent_key: int | None) -> bool:
    """Whether an account under this one would make it a sub-agent that an administrator has to approve."""
    if not act.desk.rules.sub_agents_need_approval or act.actor.role is not Role.ACCOUNT:
        return False
    if agent_key is None:
        return False
    query = select(account.c.agent_key).where(account.c.key == agent_key)
    is_sub = await act.conn.scalar(query) is not None
    return is_sub and not await is_agent(act, agent_key)


async def is_agent(act: Act, account_key: int) -> bool:
    """Whether it has open sub-accounts."""
    return bool(await act.conn.scalar(select(exists().where(tree.directly_below(account_key)))))


NEEDED = "this makes a sub-agent, which an administrator has to approve: ask for it"
