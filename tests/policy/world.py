"""A small trade to judge calls in: two levels of agents, a vendor, a trunk. Each test changes its part.

root (top) > reseller > acme, whose trunk is 127.0.0.2 in country 44; the vendor's gateway takes all prefixes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sipguard.config import LEADING_ZERO
from sipguard.model.account import Account
from sipguard.model.call import Attempt
from sipguard.model.configuration import Configuration, Settings
from sipguard.model.credential import Credential
from sipguard.model.gateway import MappingGateway, NumberPlan, Route, RouteMode, RoutingGateway
from sipguard.model.money import MICROS_PER_UNIT
from sipguard.model.phone import Phone
from sipguard.model.rate import Rate, RateTable
from sipguard.model.section import Action, Direction, Section
from sipguard.model.verdict import Permit, Refusal, Verdict
from sipguard.policy.decide import Moment, decide
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.health import Outages
from sipguard.policy.pace import Pace

UNIT = MICROS_PER_UNIT
ZEROS = frozenset(LEADING_ZERO)
NOW = Moment(unix_ms=1_700_000_000_000, monotonic_ns=5_000_000_000)
LONDON = "442079460000"
TRUNK = "127.0.0.2"

ROOT, RESELLER, ACME = 1, 2, 3
BRITAIN = NumberPlan(country_code="44", national_prefix="0", international_prefixes=("00",))
BARE = NumberPlan(country_code=None, national_prefix=None, international_prefixes=())
OPERATOR_REVENUE, OPERATOR_COST, TAX = 900, 901, 902


def account(key: int, account_id: str, agent_key: int | None = None, **changes: Any) -> Account:
    """An account that buys by table 10 + its key, with ledgers 100 + key and 200 + key."""
    plain = Account(
        key=key,
        id=account_id,
        name=account_id.title(),
        agent_key=agent_key,
        currency="USD",
        rate_table_key=10 + key,
        credit_limit_micros=0,
        call_limit=None,
        cps_limit=None,
        max_call_seconds=None,
        max_rate_micros=None,
        locked=False,
        valid_from=None,
        valid_till=None,
        balance_ledger=100 + key,
        revenue_ledger=200 + key,
    )
    return replace(plain, **changes)


def mapping_gateway(key: int = 1, **changes: Any) -> MappingGateway:
    plain = MappingGateway(
        key=key,
        id=f"trunk-{key}",
        account_key=ACME,
        sources=(f"{TRUNK}/32",),
        capacity=None,
        cps_limit=None,
        locked=False,
        number_plan=BRITAIN,
        routing_gateway_keys=None,
        trusted=False,
    )
    return replace(plain, **changes)


def routing_gateway(key: int = 1, **changes: Any) -> RoutingGateway:
    plain = RoutingGateway(
        key=key,
        id=f"vendor-{key}",
        host="127.0.0.10",
        port=5060,
        transport="udp",
        capacity=None,
        cps_limit=None,
        locked=False,
        clearing_ledger=300 + key,
        cost_table_key=None,
        vendor_credit_micros=None,
        strip_digits=0,
        add_prefix="",
        answer_timeout_ms=4000,
        ring_timeout_ms=181_000,
        failover_codes=frozenset({503}),
        dials_by_to=False,
        takes_refer=False,
    )
    return replace(plain, **changes)


def route(key: int, gateway_key: int = 1, prefix: str = "", **changes: Any) -> Route:
    plain = Route(key, gateway_key, prefix, RouteMode.TERMINATE, priority=1, weight=1)
    return replace(plain, **changes)


def rate(
    key: int,
    table_key: int,
    prefix: str = "",
    price: int = 60_000,
    fee: int = 0,
    initial: int = 1,
    following: int = 1,
    **more: Any,
) -> Rate:
    """A row; `price` in micro-units per minute: the default is a thousandth of a unit per second."""
    return Rate(key, table_key, prefix, f"to {prefix}", fee, initial, following, price, **more)


def allow(key: int, account_key: int, prefix: str, direction: Direction = Direction.CALLED) -> Section:
    return Section(key, account_key, direction, Action.ALLOW, prefix)


def block(key: int, account_key: int, prefix: str, direction: Direction = Direction.CALLED) -> Section:
    return Section(key, account_key, direction, Action.BLOCK, prefix)


@dataclass
class Calls:
    """Counts as given; what is not named has no calls."""

    accounts: Mapping[int, int] = field(default_factory=dict)
    mapping_gateways: Mapping[int, int] = field(default_factory=dict)
    routing_gateways: Mapping[int, int] = field(default_factory=dict)

    def account(self, key: int) -> int:
        return self.accounts.get(key, 0)

    def mapping_gateway(self, key: int) -> int:
        return self.mapping_gateways.get(key, 0)

    def routing_gateway(self, key: int) -> int:
        return self.routing_gateways.get(key, 0)


@dataclass
class World:
    """Rows to build a directory from, and the state to judge against."""

    accounts: list[Account] = field(
        default_factory=lambda: [
            account(ROOT, "root"),
            account(RESELLER, "reseller", ROOT),
            account(ACME, "acme", RESELLER),
        ]
    )
    sections: list[Section] = field(default_factory=list)
    tables: list[RateTable] = field(
        default_factory=lambda: [RateTable(key, f"table-{key}", "USD") for key in (11, 12, 13, 20)]
    )
    rates: list[Rate] = field(
        default_factory=lambda: [rate(1, 11), rate(2, 12), rate(3, 13), rate(9, 20, price=30_000)]
    )
    trunks: list[MappingGateway] = field(default_factory=lambda: [mapping_gateway()])
    gateways: list[RoutingGateway] = field(default_factory=lambda: [routing_gateway()])
    routes: list[Route] = field(default_factory=lambda: [route(1)])
    phones: list[Phone] = field(default_factory=list)
    credentials: list[Credential] = field(default_factory=list)
    settings: Settings = field(
        default_factory=lambda: Settings(
            slice_seconds=30,
            free_levels=False,
            emergency_numbers=frozenset({"112", "999"}),
            emergency_gateway_ids=("vendor-1",),
            leading_zero_countries=ZEROS,
        )
    )
    funds: Funds = field(
        default_factory=lambda: Funds(
            {100 + key: 10 * UNIT for key in (ROOT, RESELLER, ACME)} | {301: 10 * UNIT}
        )
    )
    counts: Calls = field(default_factory=Calls)
    pace: Pace = field(default_factory=Pace)
    out: Outages = field(default_factory=dict)

    def change(self, account_key: int, **changes: Any) -> World:
        """Change one account, named by its key."""
        self.accounts = [replace(a, **changes) if a.key == account_key else a for a in self.accounts]
        return self

    def directory(self) -> Directory:
        return Directory.build(
            Configuration(
                revision=7,
                accounts=self.accounts,
                sections=self.sections,
                rate_tables=self.tables,
                rates=self.rates,
                mapping_gateways=self.trunks,
                routing_gateways=self.gateways,
                routes=self.routes,
                operator_revenue_ledger=OPERATOR_REVENUE,
                operator_cost_ledger=OPERATOR_COST,
                tax_ledger=TAX,
                phones=self.phones,
                credentials=self.credentials,
            ),
            self.settings,
        )

    def judge(
        self,
        called: str = LONDON,
        *,
        calling: str = "+442079461111",
        source: str = TRUNK,
        call_id: str = "a84b4c76e66710",
        now: Moment = NOW,
    ) -> Verdict:
        return decide(
            Attempt(source, 5060, called, calling, call_id),
            self.directory(),
            self.funds,
            self.counts,
            self.pace,
            now,
            self.out,
        )

    def permit(self, called: str = LONDON, **more: Any) -> Permit:
        verdict = self.judge(called, **more)
        assert isinstance(verdict, Permit), verdict
        return verdict

    def refusal(self, called: str = LONDON, **more: Any) -> Refusal:
        verdict = self.judge(called, **more)
        assert isinstance(verdict, Refusal), verdict
        return verdict


def gateway_ids(permit: Permit) -> list[str]:
    """The gateways of a permit, in order."""
    return [candidate.gateway.id for candidate in permit.candidates]


def numbers(count: int) -> Iterable[str]:
    """Call-IDs, all different and always the same."""
    return (f"call-{number}@127.0.0.2" for number in range(count))
