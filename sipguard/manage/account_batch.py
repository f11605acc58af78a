"""Many accounts made in one transaction: all of a batch, or none.

Everything is looked up and written by sets, not by lines, with the same rules as for a single account.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from sipguard.manage import sub_agent
from sipguard.manage.account_file import Line, LineProblem
from sipguard.manage.account_form import NewAccount
from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, ForbiddenError
from sipguard.model.actor import Role
from sipguard.model.authorization import Authorization
from sipguard.store import feed

_COLUMNS = (
    "id",
    "name",
    "memo",
    "credit_limit_micros",
    "call_limit",
    "cps_limit",
    "max_call_seconds",
    "max_rate_micros",
    "locked",
    "lock_ends_calls",
    "valid_from",
    "valid_till",
    "time_zone",
    "tax_ppm",
)


@dataclass(slots=True)
class Agent:
    """An account under which others are to hang."""

    key: int | None
    """None: of this file, and not made yet."""
    currency: str
    depth: int
    is_sub: bool
    """It has an agent itself."""
    is_agent: bool
    """It has sub-accounts already."""


@dataclass(slots=True)
class Known:
    """What a file has told so far and the database does not hold yet; a dry run keeps all of it."""

    agents: dict[str, Agent] = field(default_factory=dict)


async def check(act: Act, lines: Sequence[Line], known: Known) -> list[LineProblem]:
    """Everything that is wrong with a batch; nothing is written. Fills `known` with what is right.

    Raises ForbiddenError where the actor may not make accounts at all.
    """
    await act.require(Authorization.ACCOUNT)
    gives_credit = bool(await act.effective() & Authorization.SUB_PAYMENT)
    forms = [line.form for line in lines if line.form is not None]
    taken = set((await act.conn.execute(_TAKEN, {"ids": json.dumps([form.id for form in forms])})).scalars())
    agents = await _agents(act, forms)
    tables = await _tables(act, forms)
    own = await _own(act)
    found: list[LineProblem] = []
    for line in lines:
        found += line.problems
        form = line.form
        if form is None:
            continue
        wrong = _wrong(act, form, known, agents, tables, own)
        if form.id in taken:
            wrong.append(("id", f"the account id {form.id} is taken"))
        if form.id in known.agents:
            wrong.append(("id", f"the account id {form.id} stands there twice"))
        if form.credit_limit_micros and not gives_credit:
            wrong.append(("credit_limit_micros", "this needs authorization 8 (sub_payment)"))
        found += [LineProblem(line.number, where, message) for where, message in wrong]
        if not wrong:
            above = own if form.agent_id is None else _agent(form.agent_id, known, agents)
            currency = form.currency or (above.currency if above is not None else "")
            known.agents[form.id] = Agent(
                None, currency, 1 + (above.depth if above else 0), above is not None, False
            )
    return found


async def write(act: Act, lines: Sequence[Line], known: Known, job: int) -> None:
    """Make the accounts of a batch that `check` found right, and see that they are there.

    Raises AssertionError, which rolls all of it back, where the database does not hold what was written.
    """
    forms = [line.form for line in lines if line.form is not None]
    agents = await _agents(act, forms)
    tables = await _tables(act, forms)
    own = await _own(act)
    last = await act.conn.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'account'")) or 0
    keys = {form.id: last + 1 + position for position, form in enumerate(forms)}
    rows = []
    for form in forms:
        above = own if form.agent_id is None else agents.get(form.agent_id)
        agent_key = keys.get(form.agent_id or "") if above is None else above.key
        table = tables.get(form.rate_table_id or "")
        values: list[Any] = [
            keys[form.id],
            agent_key,
            known.agents[form.id].currency,
            table.key if table else None,
        ]
        rows.append(
            (*values, *(getattr(form, name) if name != "name" else form.name or form.id for name in _COLUMNS))
        )
        known.agents[form.id].key = keys[form.id]
    names = ("key", "agent_key", "currency", "rate_table_key", *_COLUMNS)
    marks = ", ".join("?" * len(names))
    insert = f"INSERT INTO account ({', '.join(names)}) VALUES ({marks})"  # noqa: S608  (names of our own)
    await act.conn.exec_driver_sql(insert, rows)
    span = {"first": last + 1, "last": last + len(forms)}
    for kind in ("balance", "revenue"):
        await act.conn.execute(_LEDGERS, span | {"kind": kind})
    actor = act.actor
    who = {"at": act.now_ms, "actor": actor.name, "role": actor.role.value, "own": actor.account_key}
    await act.conn.execute(_AUDIT, span | who | {"via": actor.via.value, "job": job})
    await feed.record(act.conn, "account", "import", f"{job}:{span['first']}-{span['last']}")
    made = (await act.conn.execute(_VERIFY, span)).one()
    if tuple(made) != (len(forms), 2 * len(forms), len(forms)):
        raise AssertionError(f"of {len(forms)} accounts the database holds {tuple(made)}")


def _wrong(
    act: Act,
    form: NewAccount,
    known: Known,
    agents: dict[str, Agent],
    tables: dict[str, Any],
    own: Agent | None,
) -> list[tuple[str, str]]:
    wrong = []
    above = own if form.agent_id is None else _agent(form.agent_id, known, agents)
    if form.agent_id is not None and above is None:
        return [("agent_id", f"there is no account {form.agent_id}")]
    if above is None and form.currency is None:
        wrong.append(("currency", "a top-level account needs one"))
    currency = form.currency or (above.currency if above is not None else "")
    if above is not None and currency != above.currency:
        wrong.append(("currency", f"found {currency}, the tree of its agent is in {above.currency}"))
    if form.valid_from is not None and form.valid_till is not None and form.valid_till <= form.valid_from:
        wrong.append(("valid_till", "is not after valid_from"))
    try:
        sub_agent.depth_warnings(act, 1 + (0 if above is None else above.depth))
    except ConflictError as error:
        wrong.append(("agent_id", str(error)))
    if above is not None and above.is_sub and not above.is_agent and _asks(act):
        wrong.append(("agent_id", sub_agent.NEEDED))
    if form.rate_table_id is not None:
        table = tables.get(form.rate_table_id)
        owners = {None if above is None else above.key} | ({None} if act.actor.sees_all else set())
        if table is None or table.owner_key not in owners or (above is not None and above.key is None):
            wrong.append(
                ("rate_table_id", f"there is no rate table {form.rate_table_id} that its agent sells by")
            )
        elif table.currency != currency:
            wrong.append(
                ("rate_table_id", f"{form.rate_table_id} is in {table.currency}, the account in {currency}")
            )
    return wrong


def _asks(act: Act) -> bool:
    return act.desk.rules.sub_agents_need_approval and act.actor.role is Role.ACCOUNT


def _agent(id: str, known: Known, agents: dict[str, Agent]) -> Agent | None:
    return agents.get(id) or known.agents.get(id)


async def _own(act: Act) -> Agent | None:
    if act.actor.account_key is None:
        return None
    row = (await act.conn.execute(_OWN, {"own": act.actor.account_key})).one_or_none()
    if row is None:
        raise ForbiddenError("the account of this login is no more")
    return _of_row(row)


async def _agents(act: Act, forms: Sequence[NewAccount]) -> dict[str, Agent]:
    """The agents that are named, as far as they are there and in scope."""
    ids = sorted({form.agent_id for form in forms if form.agent_id is not None})
    parameters = {"ids": json.dumps(ids), "own": act.actor.account_key}
    rows = await act.conn.execute(_ALL_AGENTS if act.actor.sees_all else _AGENTS_IN_SCOPE, parameters)
    return {row.id: _of_row(row) for row in rows}


async def _tables(act: Act, forms: Sequence[NewAccount]) -> dict[str, Any]:
    ids = sorted({form.rate_table_id for form in forms if form.rate_table_id is not None})
    rows = await act.conn.execute(_TABLES, {"ids": json.dumps(ids)})
    return {row.id: row for row in rows}


def _of_row(row: Any) -> Agent:
    return Agent(row.key, row.currency, row.path.count("/"), row.agent_key is not None, bool(row.is_agent))


_AGENT = (
    "SELECT account.id, account.key, currency, agent_key, path, EXISTS ("
    "  SELECT 1 FROM account AS sub WHERE sub.agent_key = account.key AND sub.closed_ms IS NULL) AS is_agent"
    " FROM account JOIN account_path ON account_path.account_key = account.key"
)
_NAMED = " WHERE account.id IN (SELECT value FROM json_each(:ids))"
_ALL_AGENTS = text(f"{_AGENT}{_NAMED} AND :own IS NULL")
_IN_SCOPE = (
    " AND path >= (SELECT path FROM account_path WHERE account_key = :own)"
    " AND path < (SELECT rtrim(path, '/') || '0' FROM account_path WHERE account_key = :own)"
)
_AGENTS_IN_SCOPE = text(_AGENT + _NAMED + _IN_SCOPE)
_OWN = text(f"{_AGENT} WHERE account.key = :own")
_TAKEN = text("SELECT id FROM account WHERE id IN (SELECT value FROM json_each(:ids))")
_TABLES = text(
    "SELECT id, key, currency, owner_key FROM rate_table WHERE id IN (SELECT value FROM json_each(:ids))"
)
_LEDGERS = text(
    "INSERT INTO ledger_account (kind, account_key, currency, balance_micros)"
    " SELECT :kind, key, currency, 0 FROM account WHERE key BETWEEN :first AND :last"
)
_AUDIT = text(
    "INSERT INTO audit (at_ms, actor, actor_role, actor_account_key, via, action, noun, id, account_key,"
    "  authorization, outcome, detail)"
    " SELECT :at, :actor, :role, :own, :via, 'account.import', 'account', id, key, 1, 'done',"
    "  json_object('import', :job) FROM account WHERE key BETWEEN :first AND :last"
)
_VERIFY = text(
    "SELECT (SELECT count(*) FROM account WHERE key BETWEEN :first AND :last),"
    " (SELECT count(*) FROM ledger_account"
    "  WHERE account_key BETWEEN :first AND :last AND balance_micros = 0),"
    " (SELECT count(*) FROM account_path WHERE account_key BETWEEN :first AND :last)"
)
