"""What only the proxy knows of this moment: from memory alone, in steps that hold no call up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import sipguard
from sipguard.calls.exchange import Exchange
from sipguard.model.alert import Kind
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.watch.meter import Meter
from sipguard.watch.metrics import GatewayNow
from sipguard.watch.pulse import Pulse

STEP = 25
"""Gateways or accounts that are looked at in one go: less than 100 us, in which no call waits longer."""

MAPPING, ROUTING = "mapping_gateway", "routing_gateway"


class Now:
    """The present figures of one proxy. On the loop."""

    def __init__(
        self, exchange: Exchange, meter: Meter, pulse: Pulse, *, epoch: int, alerts: Mapping[str, int]
    ) -> None:
        """`alerts`: how many are raised, by kind, as it changes."""
        self._exchange, self._meter, self._pulse = exchange, meter, pulse
        self._epoch, self._alerts = epoch, alerts
        self.began_ms = exchange.clock.now().unix_ms
        """Unix milliseconds."""
        self._known: object = None
        self._trunks: list[tuple[str, MappingGateway | RoutingGateway]] = []

    def not_ready(self) -> list[str]:
        """Why no new calls are taken; empty: they are."""
        reasons = ["draining"] if self._exchange.draining else []
        if (trouble := self._exchange.writer.refusal()) is not None:
            reasons.append(trouble)
        return reasons

    def follow(self) -> None:
        """Have the meter know the gateways of the present directory. Costs nothing while that stays."""
        directory = self._exchange.directory
        if directory is not self._known:
            self._known = directory
            trunks: list[tuple[str, MappingGateway | RoutingGateway]] = [
                (ROUTING, one) for one in directory.routing_gateways.values()
            ]
            # Phones are mapping gateways, too, by negative keys (policy.phone); there may be any number.
            trunks += [(MAPPING, one) for key, one in directory.mapping_gateways.items() if key > 0]
            self._trunks = sorted(trunks, key=lambda trunk: (trunk[0], trunk[1].id))
            self._meter.configure((kind, one.id) for kind, one in trunks)

    def alerts(self) -> dict[str, int]:
        """How many are raised, of every kind."""
        return {kind.value: self._alerts.get(kind.value, 0) for kind in Kind}

    async def gateways(self, limit: int | None) -> list[GatewayNow]:
        """Routing gateways behind mapping gateways, each by id; the first `limit` of them."""
        self.follow()
        found: list[GatewayNow] = []
        for first in range(0, len(self._trunks[:limit]), STEP):
            found += self._looked_at(self._trunks[:limit][first : first + STEP])
            await asyncio.sleep(0)
        return found

    async def busiest(self, limit: int) -> list[GatewayNow]:
        """At most `limit` gateways, those first that somebody should look at: out of service, then full."""
        self.follow()
        trunks, found = self._trunks, list[GatewayNow]()
        for first in range(0, len(trunks), STEP):
            found += self._looked_at(trunks[first : first + STEP])
            found.sort(key=_urgency)
            del found[limit:]
            await asyncio.sleep(0)
        return found

    async def told(self, gateways: int | None, accounts: Iterable[str] = ()) -> dict[str, object]:
        """What goes on, as JSON has it; accounts that there are not are left out of `accounts`.

        `gateways`: at most so many, the busiest; None: all of them, by kind and id.
        """
        exchange, meter = self._exchange, self._meter
        shown = await (self.gateways(None) if gateways is None else self.busiest(gateways))
        attempts, answers, refusals = self._pulse.per_second(10)
        present, live = len(exchange.current), exchange.current.answered
        return {
            "at_ms": exchange.clock.now().unix_ms,
            "up_since_ms": self.began_ms,
            "version": sipguard.__version__,
            "epoch": self._epoch,
            "ready": not self.not_ready(),
            "calls": {"live": live, "attempts": present - live},
            "per_second": {"attempts": attempts, "answered": answers, "refused": refusals},
            "since_start": {
                "attempts": exchange.tally.attempts,
                "outcomes": dict(meter.outcomes),
                "refusals": {reason: calls for reason, calls in meter.refusals.items() if calls},
                "statuses": {str(status): calls for status, calls in sorted(meter.statuses.items())},
            },
            "gateways": [_as_json(one) for one in shown],
            "gateways_total": len(self._trunks),
            "alerts": self.alerts(),
            "accounts": await self._accounts(accounts),
        }

    async def _accounts(self, ids: Iterable[str]) -> dict[str, object]:
        exchange, found = self._exchange, dict[str, object]()
        for number, id in enumerate(ids, 1):
            account = exchange.directory.account(id)
            if account is not None:
                funds, ledger = exchange.funds, account.balance_ledger
                found[id] = {
                    "id": id,
                    "calls": exchange.current.account(account.key),
                    "call_limit": account.call_limit,
                    "locked": account.locked,
                    "currency": account.currency,
                    "balance_micros": funds.balance(ledger),
                    "held_micros": funds.held(ledger),
                    "available_micros": funds.available(ledger, account.credit_limit_micros),
                }
            if number % STEP == 0:
                await asyncio.sleep(0)
        return found

    def _looked_at(self, trunks: list[tuple[str, MappingGateway | RoutingGateway]]) -> list[GatewayNow]:
        current, states = self._exchange.current, self._exchange.gateways
        now_ns = self._exchange.clock.now().monotonic_ns
        found = []
        for kind, one in trunks:
            if kind == MAPPING:
                calls, up, why = current.mapping_gateway(one.key), not one.locked, None
            else:
                calls = current.routing_gateway(one.key)
                up = not one.locked and states.usable(one.key, now_ns)
                why = None if up else states.why(one.key, now_ns)
            found.append(GatewayNow(kind, one.id, calls, one.capacity, up, why))
        return found


def _urgency(one: GatewayNow) -> tuple[bool, float, int, str, str]:
    """Sorts those first that somebody should look at."""
    fullness = one.calls / one.capacity if one.capacity else 0.0
    return one.up, -fullness, -one.calls, one.kind, one.id


def _as_json(one: GatewayNow) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "calls": one.calls,
        "capacity": one.capacity,
        "up": one.up,
        "why": one.why,
    }
