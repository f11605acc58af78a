"""Routes: which routing gateways may take a call, in the order in which they are tried.

The longest matching prefix comes first. A shorter one follows only where every route of the longer one that
this trunk may use says "continue"; locked and full gateways count, for "terminate" means that calls to this
prefix go nowhere else. Within a prefix lower priority comes first, and equal priorities share by weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from itertools import groupby
from typing import NamedTuple
from zlib import crc32

from sipguard.model.gateway import MappingGateway, Route, RouteMode, RoutingGateway
from sipguard.model.rate import Rate
from sipguard.model.verdict import Candidate, Reason, Refusal
from sipguard.policy import pace, rewrite
from sipguard.policy.capacity import Counts
from sipguard.policy.funds import Funds
from sipguard.policy.health import Outages
from sipguard.policy.pace import Pace
from sipguard.policy.prefix import PrefixIndexer
from sipguard.policy.rate import Rates
from sipguard.policy.rating import rate_at
from sipguard.policy.rewrite import Screen

CANDIDATES_MAX = 16
"""Gateways that one call may try: no caller waits for more at 4 s each, and a decision stays short."""

_SPACE = 0
_SHOWN_MAX = 6


class Way(NamedTuple):
    """A route with its gateway, prepared."""

    route_key: int
    weight: int
    gateway: RoutingGateway
    cost_table_key: int | None
    """Where the vendor's rates are found; None: calls through the gateway cost nothing."""
    cost_currency: str | None
    pace_key: int


class Stage(NamedTuple):
    """All routes of one prefix."""

    tiers: tuple[tuple[Way, ...], ...]
    """By priority, the first to try first."""
    terminating: frozenset[int]
    """Keys of the gateways that stop here."""


class Routes:
    """All routes, in one prefix index."""

    __slots__ = ("_all", "_stages")

    def __init__(
        self,
        routes: Iterable[Route],
        gateways: Mapping[int, RoutingGateway],
        rates: Rates,
        make_index: PrefixIndexer,
    ) -> None:
        """Raises ValueError that names a route whose gateway is missing, or whose weight is not positive."""
        ordered = sorted(routes, key=lambda route: (route.prefix, route.priority, route.key))
        for route in ordered:
            if route.gateway_key not in gateways:
                raise ValueError(f"route {route.key}: no routing gateway with key {route.gateway_key}")
            if route.weight < 1:
                raise ValueError(f"route {route.key}: weight {route.weight} is less than 1")
        prefixes: list[str] = []
        self._stages: list[Stage] = []
        for prefix, same_prefix in groupby(ordered, key=lambda route: route.prefix):
            here = tuple(same_prefix)
            tiers = groupby(here, key=lambda route: route.priority)
            self._stages.append(
                Stage(
                    tuple(
                        tuple(_way(route, gateways[route.gateway_key], rates) for route in tier)
                        for _, tier in tiers
                    ),
                    frozenset(route.gateway_key for route in here if route.mode is RouteMode.TERMINATE),
                )
            )
            prefixes.append(prefix)
        try:
            index = make_index([_SPACE] * len(prefixes), prefixes, range(len(prefixes)))
        except ValueError as error:
            raise ValueError(f"routes, ordered by prefix: {error}") from error
        self._all = index.all

    def candidates(
        self,
        called: str,
        sip_call_id: str,
        mapping_gateway: MappingGateway,
        currency: str,
        sale: Rate | None,
        rates: Rates,
        funds: Funds,
        counts: Counts,
        pace_: Pace,
        now_ms: int,
        now_ns: int,
        out: Outages,
        screen: Screen,
    ) -> tuple[Candidate, ...] | Refusal:
        """Every gateway that may take the call now, at most CANDIDATES_MAX of them.

        `sale`: what the operator sells the call for; None: the top level has no price, and no margin is kept.
        `screen`: what numbers have to pass that a gateway's rules have changed. The same
        Call-ID draws the same order among equal priorities, so that a decision can be replayed.
        """
        allowed = mapping_gateway.routing_gateway_keys
        found: list[Candidate] = []
        passed: list[_Passed] = []
        tried: set[int] = set()
        for index in self._all(_SPACE, called):
            tiers, terminating = self._stages[index]
            for tier in tiers:
                for way in tier if len(tier) == 1 else _shared(tier, sip_call_id):
                    gateway = way.gateway
                    if gateway.key in tried or (allowed is not None and gateway.key not in allowed):
                        continue
                    tried.add(gateway.key)
                    outcome = _consider(
                        way, called, currency, sale, rates, funds, counts, pace_, now_ms, now_ns, out, screen
                    )
                    if isinstance(outcome, Candidate):
                        found.append(outcome)
                        if len(found) == CANDIDATES_MAX:
                            return tuple(found)
                    else:
                        passed.append(outcome)
            if terminating if allowed is None else terminating & allowed:
                break
        return tuple(found) if found else _none(called, passed)


class _Passed(NamedTuple):
    """A gateway that was passed over."""

    gateway: RoutingGateway
    reason: Reason
    """What the call is refused with if no gateway is left."""
    why: str


def _consider(
    way: Way,
    called: str,
    currency: str,
    sale: Rate | None,
    rates: Rates,
    funds: Funds,
    counts: Counts,
    pace_: Pace,
    now_ms: int,
    now_ns: int,
    out: Outages,
    screen: Screen,
) -> Candidate | _Passed:
    gateway = way.gateway
    if gateway.locked:
        return _Passed(gateway, Reason.NO_ROUTE, "locked")
    if gateway.key in out and (outage := out[gateway.key]).holds(now_ns):
        return _Passed(gateway, Reason.GATEWAYS_DOWN, f"out of service: {outage.why}")
    number = rewrite.sent(gateway, called)
    if number is None:
        return _Passed(gateway, Reason.NO_ROUTE, "strips the whole number")
    if gateway.called_rewrite or gateway.caller_rewrite:
        no = rewrite.refusal(gateway, called, screen)
        if no is not None:
            blocked = no.reason is Reason.SECTION_BLOCKED
            # No number and no rule: a call record tells this to those who may not see them.
            why = "a number that sections block" if blocked else "no number in its plan"
            return _Passed(gateway, Reason.NO_ROUTE, f"rewrites to {why}")
    cost: Rate | None = None
    hold = 0
    if way.cost_table_key is not None:
        priced = rates.find(way.cost_table_key, called, now_ms, UTC, 0)
        if priced is None or way.cost_currency != currency:
            return _Passed(gateway, Reason.NO_ROUTE, f"has no rate in {currency}")
        cost = priced.rate
        if sale is not None and not gateway.sells_below_cost and _below(sale, cost):
            return _Passed(gateway, Reason.MARGIN, "costs more than the call is sold for")
        if gateway.vendor_credit_micros is not None:
            hold = priced.hold_micros
    if gateway.capacity is not None and counts.routing_gateway(gateway.key) >= gateway.capacity:
        return _Passed(gateway, Reason.GATEWAYS_FULL, "full")
    if gateway.cps_limit is not None and pace_.used(way.pace_key, now_ns) >= gateway.cps_limit:
        return _Passed(gateway, Reason.GATEWAYS_FULL, "at its calls per second")
    if hold and funds.available(gateway.clearing_ledger, gateway.vendor_credit_micros or 0) < hold:
        return _Passed(gateway, Reason.GATEWAYS_FULL, "vendor's money spent")
    return Candidate(gateway, way.route_key, cost, hold, number)


def _below(sale: Rate, cost: Rate) -> bool:
    """Whether some call could be sold below its cost: the minute, in every tier, and the connect fee each
    have to be covered. What is sold is compared without tax, which is not ours.

    Increments, grace and minimum are left out: a vendor's longer ones are a matter of the average call, not
    of the price.
    """
    if sale.connect_fee_micros < cost.connect_fee_micros or sale.rate_micros < cost.rate_micros:
        return True
    if not sale.tiers and not cost.tiers:
        return False
    changes = (tier.after_seconds for tier in (*sale.tiers, *cost.tiers))
    return any(rate_at(sale, second) < rate_at(cost, second) for second in changes)


def _none(called: str, passed: list[_Passed]) -> Refusal:
    """Named first is what passes soonest: a full gateway, one that is out of service, margins, no route."""
    reasons = {each.reason for each in passed}
    if Reason.GATEWAYS_FULL in reasons:
        reason, required = Reason.GATEWAYS_FULL, "a gateway with room and a funded vendor"
    elif Reason.GATEWAYS_DOWN in reasons:
        reason, required = Reason.GATEWAYS_DOWN, "a gateway that is in service"
    elif Reason.MARGIN in reasons:
        reason, required = Reason.MARGIN, "a gateway that costs no more than the call is sold for"
    else:
        reason, required = Reason.NO_ROUTE, "a route to an unlocked gateway that this trunk may use"
    observed = "; ".join(f"{each.gateway.id} {each.why}" for each in passed[:_SHOWN_MAX])
    return Refusal(reason, None, None, observed or f"no route for {called}", required)


def _way(route: Route, gateway: RoutingGateway, rates: Rates) -> Way:
    table = None if gateway.cost_table_key is None else rates.table(gateway.cost_table_key)
    return Way(
        route.key,
        route.weight,
        gateway,
        None if table is None else table.key,
        None if table is None else table.currency,
        pace.routing_gateway_key(gateway),
    )


def _shared(tier: tuple[Way, ...], sip_call_id: str) -> list[Way]:
    """Equal priorities in an order drawn by weight, one after the other, out of the Call-ID."""
    state = crc32(sip_call_id.encode("utf-8", "surrogatepass"))
    left = list(tier)
    total = sum(way.weight for way in left)
    drawn: list[Way] = []
    while len(left) > 1:
        # One step of a 64-bit linear congruential generator (Knuth, MMIX); its high bits are the good ones.
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFF_FFFF_FFFF_FFFF
        point = (state >> 32) * total >> 32
        position = 0
        while (point := point - left[position].weight) >= 0:
            position += 1
        drawn.append(left.pop(position))
        total -= drawn[-1].weight
    return drawn + left
