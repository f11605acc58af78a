"""Money that another process is about to move is kept from the calls, for as long as it stays connected."""

from __future__ import annotations

import asyncio

import msgspec

from sipguard.calls.exchange import Exchange, log
from sipguard.calls.follow import POLL_SECONDS, Follower
from sipguard.control import ControlError, Handler, Lease
from sipguard.policy.funds import Want


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    """Idempotency key of the entry that is to be written."""
    wanted: tuple[tuple[int, int, int], ...]
    """Ledger, amount, and how far below zero the ledger may go."""


def earmarks(exchange: Exchange, follower: Follower, epoch: int) -> Handler:
    """The command ``earmark``: answers the epoch of this start, or what is short.

    The money is kept until the entry was followed. Should the connection end without one, it is kept until
    the feed was read once more: an entry that was committed is in it, and none can come any more.
    """

    async def end(key: str) -> None:
        while exchange.funds.is_earmarked(key):
            try:
                await follower.refresh()
            except Exception as error:  # the store may be locked or gone: the next round tries again
                log.warning("earmark.feed_failed", error=str(error))
                await asyncio.sleep(POLL_SECONDS)
                continue
            exchange.funds.unmark(key)

    def earmark(args: dict[str, object]) -> object:
        try:
            asked = msgspec.convert(args, _Asked)
        except msgspec.ValidationError as error:
            raise ControlError(f"earmark: {error}") from None
        if any(amount < 0 or credit_limit < 0 for _, amount, credit_limit in asked.wanted):
            raise ControlError("earmark: an amount or a credit limit is negative")
        if exchange.funds.is_earmarked(asked.key):
            raise ControlError(f"entry {asked.key} is being written already")
        shortage = exchange.funds.earmark(asked.key, [Want(*want) for want in asked.wanted])
        if shortage is not None:
            return {"shortage": shortage._asdict()}
        return Lease({"epoch": epoch}, lambda: end(asked.key))

    return earmark
