"""account list and balance: who there is, below whom, and with how much money."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypedDict

import click

from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json
from sipguard.model.money import format_micros

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.store.account import Listed


class Row(TypedDict):
    """An account as `account list --json` prints it."""

    id: str
    name: str
    agent_id: str | None
    category: str
    """"agent" while it has sub-accounts, else "account"."""
    depth: int
    """0 for a top-level account."""
    currency: str
    balance_micros: int
    credit_limit_micros: int
    held_micros: int | None
    """None while no daemon runs to know it."""
    available_micros: int
    """Balance and credit, less what is held."""
    revenue_micros: int
    """Earned from the direct sub-accounts."""
    call_limit: int | None
    cps_limit: int | None
    locked: bool
    valid_from: int | None
    valid_till: int | None


@click.group()
def account() -> None:
    """Accounts and agents."""


@account.command("list")
@click.option("--tree", is_flag=True, help="Show the tree of agents, with the system operator as its root.")
@json_option
@click.pass_obj
def list_(shell: Shell, tree: bool, as_json: bool) -> None:
    """List all accounts with their money.

    An account is an agent while it has sub-accounts. Held is what live calls keep reserved; it is known only
    while the daemon runs.
    """
    from sipguard.model.ledger import LedgerKind
    from sipguard.store import account as store
    from sipguard.store import ledger

    async def query(conn: AsyncConnection) -> tuple[list[Listed], int, int]:
        balances = await ledger.balances(conn)
        revenue = await ledger.of_house(conn, LedgerKind.REVENUE)
        cost = await ledger.of_house(conn, LedgerKind.COST)
        return await store.tree(conn), balances[revenue], balances[cost]

    listed, earned_micros, cost_micros = shell.read(query)
    rows = _rows(listed, shell.held_micros())
    if as_json:
        show_json(rows)
        return
    _show_table(rows, earned_micros if tree else None)
    if tree:
        click.echo(
            f"The operator earned {format_micros(earned_micros)} from its accounts, its vendors' calls cost"
            f" {format_micros(cost_micros)}: margin {format_micros(earned_micros - cost_micros)}"
        )


@click.command()
@click.argument("account_id", metavar="ACCOUNT")
@json_option
@click.pass_obj
def balance(shell: Shell, account_id: str, as_json: bool) -> None:
    """Show what ACCOUNT has and can spend."""
    from sipguard.store import account as store

    listed = shell.read(store.tree)
    row = next((row for row in _rows(listed, shell.held_micros()) if row["id"] == account_id), None)
    if row is None:
        _refuse(account_id, [one.account.id for one in listed])
    if as_json:
        show_json({name: value for name, value in row.items() if name in _BALANCE})
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("balance", format_micros(row["balance_micros"]), row["currency"])
    table.add_row("credit limit", format_micros(row["credit_limit_micros"]), row["currency"])
    table.add_row("held by live calls", _held(row), row["currency"])
    table.add_row("available", format_micros(row["available_micros"]), row["currency"])
    show(table)


async def require(conn: AsyncConnection, account_id: str) -> None:
    """Raise UsageError, with the nearest id that there is, where there is no such account."""
    from sipguard.store import account as store

    if await store.by_id(conn, account_id) is None:
        _refuse(account_id, [one.id for one in await store.all_accounts(conn)])


_BALANCE = ("id", "currency", "balance_micros", "credit_limit_micros", "held_micros", "available_micros")


def _rows(listed: Sequence[Listed], held: Mapping[int, int] | None) -> list[Row]:
    ids = {one.account.key: one.account.id for one in listed}
    agents = {one.account.agent_key for one in listed}
    return [_row(one, ids, one.account.key in agents, held) for one in listed]


def _row(one: Listed, ids: Mapping[int, str], is_agent: bool, held: Mapping[int, int] | None) -> Row:
    account = one.account
    held_micros = None if held is None else held.get(account.balance_ledger, 0)
    return {
        "id": account.id,
        "name": account.name,
        "agent_id": None if account.agent_key is None else ids[account.agent_key],
        "category": "agent" if is_agent else "account",
        "depth": one.depth,
        "currency": account.currency,
        "balance_micros": one.balance_micros,
        "credit_limit_micros": account.credit_limit_micros,
        "held_micros": held_micros,
        "available_micros": one.balance_micros + account.credit_limit_micros - (held_micros or 0),
        "revenue_micros": one.revenue_micros,
        "call_limit": account.call_limit,
        "cps_limit": account.cps_limit,
        "locked": account.locked,
        "valid_from": account.valid_from,
        "valid_till": account.valid_till,
    }


def _show_table(rows: Sequence[Row], operator_earned_micros: int | None) -> None:
    """`operator_earned_micros` given: as a tree below the operator."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Account", no_wrap=True)
    table.add_column("Name", min_width=16)
    table.add_column("Category", no_wrap=True)
    for title in ("Balance", "Credit", "Held", "Earned"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("State", no_wrap=True)

    guides: Iterator[str] | None = None
    if operator_earned_micros is not None:
        guides = iter(_guides([row["depth"] for row in rows]))
        table.add_row("System operator", "", "Operator", "", "", "", format_micros(operator_earned_micros))
    now = time.time()
    for row in rows:
        table.add_row(
            plain((next(guides) if guides else "") + row["id"]),
            plain(row["name"]),
            row["category"].capitalize(),
            format_micros(row["balance_micros"]),
            format_micros(row["credit_limit_micros"]),
            _held(row),
            format_micros(row["revenue_micros"]) if row["category"] == "agent" else "",
            row["currency"],
            _state(row, now),
        )
    show(table)


def _guides(depths: Sequence[int]) -> list[str]:
    """The lines that lead from a root above depth 0 to each node of a tree in depth-first order."""
    guides = []
    later: set[int] = set()  # depths at which a sibling, of this node or of a node above it, still follows
    for depth in reversed(depths):
        later = {other for other in later if other <= depth}
        lines = ["│  " if above in later else "   " for above in range(depth)]
        guides.append("".join(lines) + ("├─ " if depth in later else "└─ "))
        later.add(depth)
    return guides[::-1]


def _held(row: Row) -> str:
    return "-" if row["held_micros"] is None else format_micros(row["held_micros"])


def _state(row: Row, now: float) -> str:
    if row["locked"]:
        return "locked"
    if row["valid_from"] is not None and now < row["valid_from"]:
        return "not yet valid"
    if row["valid_till"] is not None and now >= row["valid_till"]:
        return "expired"
    return "active"


def _refuse(account_id: str, known: Sequence[str]) -> NoReturn:
    near = difflib.get_close_matches(account_id, known, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no account {account_id}{hint}")
