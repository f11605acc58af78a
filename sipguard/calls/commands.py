"""What the control socket does to calls: lists them, ends them, tells what happened."""

from __future__ import annotations

from collections.abc import Mapping

from sipguard.calls import hangup, report
from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.control import ControlError, Handler

_SELECTORS = ("call", "account", "mapping_gateway", "routing_gateway", "gateway")


def handlers(exchange: Exchange, auditor: Auditor, epoch: int) -> dict[str, Handler]:
    """Commands by name."""

    def chosen(args: Mapping[str, object]) -> tuple[str, object] | None:
        named = [(name, args[name]) for name in _SELECTORS if args.get(name) is not None]
        if len(named) > 1:
            raise ControlError(f"one of {', '.join(_SELECTORS)} at a time")
        return named[0] if named else None

    async def calls(args: Mapping[str, object]) -> object:
        what, limit = chosen(args), args.get("limit")
        ids = exchange.current.ids() if what is None else hangup.selected(exchange, *what)
        after = args.get("after")  # the page behind that call
        if isinstance(after, int) or isinstance(limit, int):
            first, most = (
                after if isinstance(after, int) else 0,
                limit if isinstance(limit, int) else len(ids),
            )
            return await report.encoded(await report.page(exchange, ids, first, most))
        return await report.encoded(await report.live_calls(exchange, ids))

    async def hang_up(args: Mapping[str, object]) -> object:
        what = chosen(args)
        if what is None:
            raise ControlError(f"hangup needs one of {', '.join(_SELECTORS)}")
        return {"ended": await hangup.by_operator(exchange, *what)}

    def notices(args: Mapping[str, object]) -> object:
        since = args.get("since")
        return [notice._asdict() for notice in exchange.notices.since(since if isinstance(since, int) else 0)]

    return {
        "status": lambda _: report.status(exchange, auditor, epoch),
        "calls": calls,
        "hangup": hang_up,
        "held": lambda _: report.held(exchange),
        "notices": notices,
    }
