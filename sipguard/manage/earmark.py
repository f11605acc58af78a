"""Money that leaves an account by hand is kept from the calls before it is booked.

By whoever knows what calls hold: while a daemon runs that is the daemon; else it is us, as long as we keep
one from starting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sipguard import control
from sipguard.control import ControlError, NotRunningError
from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, UnavailableError
from sipguard.model.money import Micros, format_micros
from sipguard.store import ledger, lock
from sipguard.store.database import StoreError
from sipguard.store.instance import instance
from sipguard.store.live_call import live_call
from sipguard.store.redo import replay

ASK_SECONDS = 2.0
"""How long the daemon may take while we hold the write lock: it needs no lock to answer."""


class Outflow(NamedTuple):
    """Money that is about to leave a ledger account."""

    ledger: int
    amount_micros: Micros
    credit_limit_micros: Micros
    """How far below zero the ledger may go."""


@asynccontextmanager
async def earmark(act: Act, key: str, outflow: Outflow) -> AsyncIterator[None]:
    """Keep money for the entry `key` until the block ends, which has to be after the commit (Act.kept).

    The daemon lends it for as long as we are connected, and looks for the entry before it takes it back: so
    there is no moment at which a call could hold it, and nothing is left behind by a process that dies.

    Raises ConflictError where there is not enough, UnavailableError where nobody can tell.
    """
    async with AsyncExitStack() as stack:
        if not await _lent(act, stack, key, outflow):
            try:
                stack.enter_context(lock.alone(act.desk.store.path))
            except StoreError:
                raise UnavailableError("the daemon is starting or stopping: try again") from None
            await _check_alone(act, outflow)
        yield


async def _lent(act: Act, stack: AsyncExitStack, key: str, outflow: Outflow) -> bool:
    """Whether a daemon runs, and keeps the money from now on."""
    proxy = act.desk.proxy
    if proxy is None:
        return False
    try:
        answer = await stack.enter_async_context(
            control.asking(proxy.socket, "earmark", timeout_seconds=ASK_SECONDS, key=key, wanted=[outflow])
        )
    except NotRunningError:
        return False
    except ControlError as error:
        raise UnavailableError(f"the money cannot be moved now: {error}") from None
    await _check(act, answer)
    return True


async def _check(act: Act, answer: Any) -> None:
    if "shortage" in answer:
        raise _short(answer["shortage"]["available_micros"], answer["shortage"]["required_micros"])
    # A start takes its epoch before it reads the balances, and for that the write lock, which we hold.
    if answer["epoch"] != await act.conn.scalar(select(func.max(instance.c.epoch))):
        raise UnavailableError("the daemon has just been started anew: try again")


async def _check_alone(act: Act, outflow: Outflow) -> None:
    """Without a daemon, what the database says is all there is."""
    if replay.is_needed(act.desk.store.path, None if act.desk.proxy is None else act.desk.proxy.redo):
        raise UnavailableError("the daemon is not running, and has left records that are not applied yet")
    up = select(live_call.c.call).where(live_call.c.ended_ms.is_(None)).limit(1)
    if await act.conn.scalar(up) is not None:
        raise UnavailableError("the daemon is not running, and calls were up whose money is held")
    book = ledger.ledger_account.c
    balance = await act.conn.scalar(select(book.balance_micros).where(book.key == outflow.ledger))
    available = (balance or 0) + outflow.credit_limit_micros
    if available < outflow.amount_micros:
        raise _short(available, outflow.amount_micros)


def _short(available: Micros, required: Micros) -> ConflictError:
    return ConflictError(
        f"not enough money: {format_micros(available)} can be moved, {format_micros(required)} is needed"
    )
