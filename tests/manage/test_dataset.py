"""The data set loader: every mistake named with its place, all at once; all of a file or nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import dataset
from sipguard.manage.dataset import DataSetError
from sipguard.model.gateway import NumberPlan, RouteMode
from sipguard.store import account, configuration, database, feed, ledger
from sipguard.store.database import Database

T = TypeVar("T")

WHOLE = """
currency = "BDT"

[[account]]  # before its agent
id = "customer"
name = "Customer"
agent = "agent"
rate_table = "retail"
credit_limit = "12.5"
call_limit = 0
cps_limit = 5
max_call_seconds = 3600
max_rate = "3"
locked = true
valid_from = 2027-01-01T00:00:00+06:00
valid_till = 2028-01-01T00:00:00Z
sections = [{ direction = "calling", action = "block", prefix = "" }]

[[account]]
id = "agent"

[[rate_table]]
id = "retail"
rates = [
    { prefix = "880", destination = "Bangladesh", connect_fee = "0.1", initial = 60, next = 6, rate = "1.2" },
    { prefix = "", rate = "0.000001" },
]

[[mapping_gateway]]
id = "trunk"
account = "customer"
sources = ["192.0.2.1", "2001:db8::/32"]
country_code = "880"
national_prefix = "0"
international_prefixes = ["00", "011"]
routing_gateways = ["vendor"]
trusted = true

[[mapping_gateway]]
id = "nowhere"
account = "agent"
sources = []
routing_gateways = []

[[routing_gateway]]
id = "vendor"
host = "2001:db8::5"
port = 5080
capacity = 10
cost_table = "retail"
vendor_credit = "7"
strip_digits = 3
add_prefix = "0"
called_rewrite = ["880*:0*", "*:9*"]
caller_rewrite = ["44*:0*"]
dials_by_to = true
routes = [{ prefix = "880", priority = 2, weight = 3, mode = "continue" }, { prefix = "" }]

[[routing_gateway]]
id = "prepaid"
host = "192.0.2.9"
prepaid = true
takes_refer = true
sells_below_cost = true

[[routing_gateway]]
id = "postpaid"
host = "192.0.2.9"

[[payment]]
key = "1"
account = "customer"
amount = "500"
memo = "opening"

[[payment]]
key = "2"
vendor = "vendor"
amount = "9"
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Database]:
    db = database.create(tmp_path / "sipguard.db")
    yield db
    asyncio.run(db.close())


def load(db: Database, text: str) -> dataset.Loaded:
    async def run() -> dataset.Loaded:
        async with db.writing() as conn:
            return await dataset.load(conn, dataset.parse(text), now_ms=1_700_000_000_000, name="test")

    return _run(db, run)


def read(db: Database, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with db.reading() as conn:
            return await query(conn)

    return _run(db, run)


def _run(db: Database, command: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await command()
        finally:
            await db.close()  # each asyncio.run has a loop of its own; the next one connects anew

    return asyncio.run(run())


def test_everything_arrives(opened: Database) -> None:
    assert load(opened, WHOLE) == dataset.Loaded(
        rate_tables=1, rates=2, accounts=2, mapping_gateways=2, routing_gateways=3, phones=0, payments=2
    )
    told = read(opened, configuration.load)
    accounts = {one.id: one for one in told.accounts}
    customer, agent = accounts["customer"], accounts["agent"]
    (table,) = told.rate_tables
    assert (customer.agent_key, customer.rate_table_key, agent.name) == (agent.key, table.key, "agent")
    assert (customer.credit_limit_micros, customer.max_rate_micros) == (12_500_000, 3_000_000)
    assert (customer.call_limit, customer.cps_limit, customer.max_call_seconds) == (0, 5, 3600)
    assert customer.locked
    assert customer.valid_from == datetime(2026, 12, 31, 18, tzinfo=UTC).timestamp()
    assert customer.valid_till == datetime(2028, 1, 1, tzinfo=UTC).timestamp()
    assert (agent.rate_table_key, agent.call_limit, agent.valid_from, agent.locked) == (None,) * 3 + (False,)

    assert [(one.account_key, one.direction, one.action, one.prefix) for one in told.sections] == [
        (customer.key, "calling", "block", "")
    ]
    assert [tuple(one)[2:8] for one in told.rates] == [
        ("880", "Bangladesh", 100_000, 60, 6, 1_200_000),
        ("", "", 0, 1, 1, 1),
    ]

    vendor, prepaid, postpaid = told.routing_gateways
    assert (vendor.host, vendor.port, vendor.transport) == ("2001:db8::5", 5080, "udp")
    assert (vendor.strip_digits, vendor.add_prefix, vendor.cost_table_key) == (3, "0", table.key)
    assert [rule.text for rule in vendor.called_rewrite] == ["880*:0*", "*:9*"]
    assert [rule.text for rule in vendor.caller_rewrite] == ["44*:0*"]
    marks = [(one.dials_by_to, one.takes_refer) for one in told.routing_gateways]
    assert marks == [(True, False), (False, True), (False, False)]
    assert [one.sells_below_cost for one in told.routing_gateways] == [False, True, False]
    limits = [one.vendor_credit_micros for one in (vendor, prepaid, postpaid)]
    assert limits == [7_000_000, 0, None]
    assert vendor.failover_codes == {408, 500, 501, 502, 503, 504, 505, 513, 555, 580}
    assert [(one.gateway_key, one.prefix, one.mode, one.priority, one.weight) for one in told.routes] == [
        (vendor.key, "880", RouteMode.CONTINUE, 2, 3),
        (vendor.key, "", RouteMode.TERMINATE, 1, 1),
    ]

    trunk, nowhere = told.mapping_gateways
    assert (trunk.trusted, nowhere.trusted) == (True, False)
    assert set(trunk.sources) == {"192.0.2.1/32", "2001:db8::/32"}
    assert trunk.number_plan == NumberPlan("880", "0", ("00", "011"))
    assert trunk.routing_gateway_keys == {vendor.key}
    assert (nowhere.sources, nowhere.routing_gateway_keys) == ((), frozenset())

    balances = read(opened, ledger.balances)
    assert balances[customer.balance_ledger] == 500_000_000
    assert balances[vendor.clearing_ledger] == 9_000_000
    assert sum(balances.values()) == 0
    assert read(opened, lambda conn: ledger.entry(conn, "payment:1")).memo == "opening"
    assert read(opened, ledger.verify).ok
    assert read(opened, lambda conn: feed.since(conn, 0))[-1][2:5] == ("configuration", "load", "test")
    assert told.revision == read(opened, feed.revision)


def test_a_database_in_use_is_refused(opened: Database) -> None:
    load(opened, WHOLE)
    with pytest.raises(DataSetError, match="it holds 2 account, 1 rate_table, 2 mapping_gateway, 3 routing"):
        load(opened, WHOLE)


def test_all_or_nothing(opened: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> bool:
        raise KeyError("the last step")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "post", fail)
        with pytest.raises(KeyError):
            load(opened, WHOLE)
    assert read(opened, account.all_accounts) == []
    assert load(opened, WHOLE).accounts == 2


HEAD = 'currency = "BDT"\n'
TABLE = HEAD + '[[rate_table]]\nid = "t"\nrates = [{rates}]\n'
ACCOUNT = HEAD + '[[account]]\nid = "a"\n'
TRUNK = ACCOUNT + '[[mapping_gateway]]\nid = "m"\naccount = "a"\n'
VENDOR = HEAD + '[[routing_gateway]]\nid = "v"\nhost = "192.0.2.1"\n'
PAYMENT = ACCOUNT + '[[payment]]\nkey = "p"\n'
MORE = '[[account]]\nid = "b"\n'
NUMBER = "expected a whole number from"

MISTAKES = [
    # file, what is said about it
    ("currency = 5", 'currency: found 5, expected a currency code of three capital letters such as "BDT"'),
    ("", "currency: found nothing, expected a currency code"),
    (
        HEAD + "colour = 1",
        "colour: found a key that means nothing here, expected one of currency, time_zone, rate_table",
    ),
    (HEAD + "acount = []", "acount: found a key that means nothing here, did you mean account?"),
    (HEAD + "account = 5", "account: found 5, expected a list"),
    (HEAD + "account = [5]", "account[0]: found 5, expected a table"),
    (HEAD + "[[account]]", "account[0].id: found nothing, expected 1 to 64 printable characters"),
    (HEAD + '[[account]]\nid = " a"', 'account[0].id: found " a", expected 1 to 64 printable'),
    (ACCOUNT + 'agent = "nobody"', 'account[0].agent: found "nobody", expected the id of a [[account]]'),
    (ACCOUNT + 'agent = "a"', 'account[0].agent: found "a", expected an agent that is not below it (a -> a)'),
    (ACCOUNT + 'agent = "b"\n' + MORE + 'agent = "a"', 'account[0].agent: found "b", expected an agent that'),
    (ACCOUNT + 'agent = "b"\n' + MORE + 'agent = "a"', 'account[1].agent: found "a", expected an agent that'),
    (
        ACCOUNT + ACCOUNT.removeprefix(HEAD),
        'account[1].id: found "a", expected a name of its own (account[0]',
    ),
    (
        ACCOUNT + 'currency = "USD"',
        'account[0].currency: found "USD", expected "BDT", the currency of the house',
    ),
    (
        ACCOUNT + 'currency = "USD"\n' + MORE + 'agent = "a"',
        'account[1].currency: found "BDT", expected "USD", the currency of its agent "a"',
    ),
    (ACCOUNT + 'rate_table = "x"', 'account[0].rate_table: found "x", expected the id of a [[rate_table]]'),
    (
        ACCOUNT + 'rate_table = "t"\n[[rate_table]]\nid = "t"\ncurrency = "USD"\nrates = []',
        'account[0].rate_table: found "t", expected a table in "BDT"',
    ),
    (ACCOUNT + "credit_limit = 5", "account[0].credit_limit: found 5, expected an amount in quotes"),
    (ACCOUNT + 'credit_limit = "-5"', 'account[0].credit_limit: found "-5", expected an amount in quotes'),
    (ACCOUNT + 'credit_limit = "1e3"', 'account[0].credit_limit: found "1e3", expected an amount in quotes'),
    (ACCOUNT + "call_limit = -1", f"account[0].call_limit: found -1, {NUMBER} 0 to 2147483647"),
    (ACCOUNT + "call_limit = 1.5", f"account[0].call_limit: found 1.5, {NUMBER} 0 to"),
    (ACCOUNT + "call_limit = true", f"account[0].call_limit: found true, {NUMBER} 0 to"),
    (ACCOUNT + "locked = 1", "account[0].locked: found 1, expected true or false"),
    (
        ACCOUNT + "valid_from = 2027-01-01",
        'account[0].valid_from: found "2027-01-01", expected a date and time',
    ),
    (ACCOUNT + "valid_from = 2027-01-01T00:00:00", "account[0].valid_from: found"),
    (
        ACCOUNT + "valid_from = 2027-01-01T00:00:00Z\nvalid_till = 2027-01-01T00:00:00Z",
        "account[0].valid_till: found 1798761600, expected a moment after valid_from",
    ),
    (
        ACCOUNT + 'sections = [{ direction = "in", action = "allow", prefix = "1" }]',
        'account[0].sections[0].direction: found "in", expected one of "called", "calling"',
    ),
    (
        ACCOUNT + 'sections = [{ direction = "called", action = "allow", prefix = "+1" }]',
        'account[0].sections[0].prefix: found "+1", expected a prefix of at most 18 digits',
    ),
    (
        ACCOUNT + "sections = [" + 2 * '{ direction = "called", action = "allow", prefix = "1" },' + "]",
        'account[0].sections[1].prefix: found "1", expected a section only once (account[0].sections[0]',
    ),
    (
        TABLE.format(rates='{ prefix = "1" }'),
        "rate_table[0].rates[0].rate: found nothing, expected an amount",
    ),
    (TABLE.format(rates='{ prefix = "1", rate = 1.2 }'), "rate_table[0].rates[0].rate: found 1.2, expected"),
    (
        TABLE.format(rates='{ prefix = "1", rate = "1", next = 0 }'),
        f"rate_table[0].rates[0].next: found 0, {NUMBER} 1 to 86400",
    ),
    (
        TABLE.format(rates='{ prefix = "1", rate = "1" }, { prefix = "1", rate = "2" }'),
        'rate_table[0].rates[1].prefix: found "1", expected a prefix only once for the same days, hours',
    ),
    (TRUNK, "mapping_gateway[0].sources: found nothing, expected a list"),
    (
        TRUNK + 'sources = ["10.0.0.1/8"]',
        'mapping_gateway[0].sources[0]: found "10.0.0.1/8", expected an address',
    ),
    (TRUNK + 'sources = ["pbx.example"]', 'mapping_gateway[0].sources[0]: found "pbx.example", expected an'),
    (
        TRUNK + 'sources = ["192.0.2.1", "192.0.2.1/32"]',
        'mapping_gateway[0].sources[1]: found "192.0.2.1/32", expected a network of its own'
        " (mapping_gateway[0].sources[0] is the same)",
    ),
    (
        TRUNK + 'sources = []\nnational_prefix = "0"',
        'mapping_gateway[0].national_prefix: found "0", expected a country_code with it',
    ),
    (
        TRUNK + 'sources = []\nrouting_gateways = ["v"]',
        'mapping_gateway[0].routing_gateways[0]: found "v", expected the id of a [[routing_gateway]]',
    ),
    (
        TRUNK.replace('account = "a"', 'account = "b"') + "sources = []",
        'mapping_gateway[0].account: found "b"',
    ),
    (
        VENDOR.replace("192.0.2.1", "sip_example..net"),
        'routing_gateway[0].host: found "sip_example..net", expected an IP',
    ),
    (
        VENDOR + "hides_call_id = true",
        "routing_gateway[0].hides_call_id: found true, expected hides_topology with it",
    ),
    (
        VENDOR + 'caller_format = "national"',
        'routing_gateway[0].caller_format: found "national", expected a country_code with it',
    ),
    (VENDOR + "port = 0", f"routing_gateway[0].port: found 0, {NUMBER} 1 to 65535"),
    (
        VENDOR + 'transport = "sctp"',
        'routing_gateway[0].transport: found "sctp", expected one of "udp", "tcp", "tls"',
    ),
    (
        VENDOR + 'tls_name = "gw.example"',
        'routing_gateway[0].tls_name: found "gw.example", expected transport = "tls" with it',
    ),
    (
        VENDOR + "tls_verify = false",
        'routing_gateway[0].tls_verify: found false, expected transport = "tls" with it',
    ),
    (
        VENDOR + 'transport = "tls"\ntls_name = "a b"',
        'routing_gateway[0].tls_name: found "a b", expected a domain such as "pbx.example.com", an IP',
    ),
    (
        VENDOR + 'cost_table = "t"',
        'routing_gateway[0].cost_table: found "t", expected the id of a [[rate_table]]',
    ),
    (
        VENDOR + 'prepaid = true\nvendor_credit = "1"',
        "routing_gateway[0].prepaid: found true, expected either",
    ),
    (
        VENDOR + "failover_codes = [503, 486]",
        "routing_gateway[0].failover_codes[1]: found 486, expected a SIP",
    ),
    (VENDOR + "failover_codes = [200]", "routing_gateway[0].failover_codes[0]: found 200, expected a SIP"),
    (
        VENDOR + 'routes = [{ prefix = "1", weight = 0 }]',
        "routing_gateway[0].routes[0].weight: found 0, expected",
    ),
    (
        VENDOR + 'routes = [{ prefix = "1" }, { prefix = "1" }]',
        'routing_gateway[0].routes[1].prefix: found "1", expected a prefix only once',
    ),
    (PAYMENT + 'amount = "0"\naccount = "a"', 'payment[0].amount: found "0", expected an amount above zero'),
    (PAYMENT + 'amount = "1"', "payment[0]: found [], expected either account or vendor"),
    (
        PAYMENT + 'amount = "1"\naccount = "a"\nvendor = "v"',
        'payment[0].vendor: found "v", expected the id of a [[routing_gateway]]',
    ),
    (
        PAYMENT + 'amount = "1"\naccount = "b"',
        'payment[0].account: found "b", expected the id of a [[account]]',
    ),
    (
        PAYMENT + 'amount = "1"\naccount = "a"\n[[payment]]\nkey = "p"\namount = "1"\naccount = "a"',
        'payment[1].key: found "p", expected a name of its own (payment[0] bears it)',
    ),
    (HEAD + "account = ", "is not TOML: Invalid value"),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, says: str) -> None:
    with pytest.raises(DataSetError) as caught:
        dataset.parse(text, "mine.toml")
    assert any(problem.startswith(says) for problem in caught.value.problems), caught.value.problems
    assert all(line.startswith("mine.toml: ") for line in str(caught.value).splitlines())


def test_all_mistakes_are_told_at_once() -> None:
    text = (
        ACCOUNT
        + 'agent = "nobody"\nlocked = 1\ncall_limit = "x"\n'
        + MORE
        + 'rate_table = "none"\nagent = "a"'
    )
    with pytest.raises(DataSetError) as caught:
        dataset.parse(text)
    # The agent of the first account is not looked up, since that account could not be read. It is known all
    # the same: that the second one names it is no mistake.
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "account[0].call_limit",
        "account[0].locked",
        "account[1].rate_table",
    ]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"none\.toml: cannot be read: .*No such file"):
        dataset.read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'currency = "\xe9"')
    with pytest.raises(DataSetError, match=r"latin\.toml: cannot be read: .*utf-8"):
        dataset.read(tmp_path / "latin.toml")
