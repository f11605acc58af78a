"""The configuration of the network as files: out, compared, in, and out again byte for byte."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import update

from sipguard.manage import account as accounts
from sipguard.manage import (
    alert,
    destination_set,
    mapping_gateway,
    network_apply,
    network_diff,
    network_export,
    network_file,
    number_range,
    phone,
    routing_gateway,
    section,
)
from sipguard.manage import authorization as authorizations
from sipguard.manage import authorization_template as templates
from sipguard.manage import rate_table as rate_tables
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.authorization_form import Grant, NewTemplate
from sipguard.manage.credential import Told
from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_form import NewMappingGateway, NewRoutingGateway
from sipguard.manage.network import CONFIGURATION
from sipguard.manage.network_apply import Applied
from sipguard.manage.network_diff import Differences, Verb
from sipguard.manage.number_range_form import NewNumberRange
from sipguard.manage.phone_form import NewPhone
from sipguard.manage.rate_table_form import NewRateTable, PriceListForm
from sipguard.manage.section_form import NewSet, SectionChanges
from sipguard.manage.values import Form, read
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.alert import Kind
from sipguard.model.ledger import LedgerKind
from sipguard.store import database, ledger
from sipguard.store.account import account

T = TypeVar("T")

ROOT = Actor("root", Role.ADMINISTRATOR, Via.SHELL)


class House:
    """A database without anything in it but a currency, and a directory of files."""

    def __init__(self, directory: Path, like: House | None = None) -> None:
        if like is None:
            directory.mkdir()
        else:
            shutil.copytree(like.path.parent, directory)
        self.files = directory / "files"
        self.path = directory / "house.db"
        if like is None:
            asyncio.run(self._make())

    async def _make(self) -> None:
        store = database.create(self.path)
        async with store.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
        await store.close()

    def run(self, command: Callable[[Desk], Awaitable[T]]) -> T:
        async def running() -> T:
            store = database.open(self.path)
            try:
                return await command(Desk(store))
            finally:
                await store.close()

        return asyncio.run(running())

    def act(self, action: str, command: Callable[[Act], Awaitable[Any]], actor: Actor = ROOT) -> Any:
        async def acting(desk: Desk) -> Any:
            async with desk.writing(actor, action) as act:
                return await command(act)

        return self.run(acting)

    def export(self, files: Path | None = None) -> dict[str, bytes]:
        """Write the files; their content by name."""
        directory = files or self.files

        async def write(desk: Desk) -> None:
            async with desk.reading(ROOT) as view:
                await network_export.export(view, directory, lambda *_: None)

        self.run(write)
        return {
            str(path.relative_to(directory)): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }

    def diff(self, files: Path | None = None) -> Differences:
        async def compare(desk: Desk) -> Differences:
            async with desk.reading(ROOT) as view:
                return await network_diff.compare(
                    view, network_file.read(files or self.files), lambda *_: None
                )

        return self.run(compare)

    def apply(self, files: Path | None = None, passwords: list[Told] | None = None, **how: Any) -> Applied:
        what = self.diff(files)
        how = {"remove": False, "dry_run": False} | how
        keep = [] if passwords is None else passwords
        return self.run(lambda desk: network_apply.apply(desk, ROOT, what, passwords=keep.extend, **how))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql).fetchall()

    def edit(self, name: str, *changes: tuple[str, str]) -> None:
        """Change text in a file, each exactly once."""
        path = self.files / name
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, (name, old, text)
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def form(kind: type[Form], **values: Any) -> Any:
    return read(kind, values)


def populate(house: House) -> None:
    """Something of every noun, with the corners of each."""
    house.act("x.y", _accounts)
    house.run(_rates)
    house.act("x.y", _goods)
    house.act("x.y", _sets_of_an_agent, Actor("gulf", Role.ACCOUNT, Via.SHELL, 1, _key(house, "agent")))
    house.act("x.y", _sections)
    # An agent below keeps what those above have lost; it counts for nothing, and is configuration.
    house.act(
        "x.y", lambda act: act.conn.execute(update(account).where(account.c.id == "top").values(granted=1))
    )


def _key(house: House, id: str) -> int:
    return int(house.rows(f"SELECT key FROM account WHERE id = '{id}'")[0][0])


async def _accounts(act: Act) -> None:
    await templates.create(act, form(NewTemplate, id="silver", authorizations=["phone", "account"], memo="m"))
    await rate_tables.create(act, form(NewRateTable, id="house", time_zone="Asia/Dhaka"))
    await rate_tables.create(act, form(NewRateTable, id="eur", currency="EUR", money_unit_micros=10_000))
    await accounts.create(
        act,
        form(
            NewAccount,
            id="top",
            name='Größte, "Firma"',
            memo="zwei\nZeilen",
            currency="BDT",
            rate_table_id="house",
            credit_limit_micros=2**62 // 4,
            call_limit=0,
            max_rate_micros=0,
            locked=True,
            lock_ends_calls=False,
            valid_from=1_000,
            valid_till=2_000_000_000,
            time_zone="Asia/Dhaka",
            tax_ppm=150_000,
        ),
    )
    # The id of the agent sorts behind that of its customer.
    await accounts.create(act, form(NewAccount, id="agent", agent_id="top"))
    await accounts.create(act, form(NewAccount, id="a-customer", agent_id="agent"))
    await accounts.create(act, form(NewAccount, id="europe", currency="EUR", rate_table_id="eur"))
    await rate_tables.create(act, form(NewRateTable, id="agents+own", owner_id="agent"))
    await accounts.modify(act, "a-customer", form(AccountChanges, rate_table_id="agents+own"))
    for id in ("top", "agent", "a-customer"):
        await authorizations.grant(act, id, form(Grant, authorizations=["sub_payment", "account", "phone"]))


async def _rates(desk: Desk) -> None:
    lists = {
        "house": 'prefix,rate,destination,tiers\n*,1.5,Everywhere,\n880,0.000001,"Dhaka, BD",60:0.5\n',
        "eur": "prefix,rate,days,hours\n44,2,sat-sun,\n44,1,mon-fri,08:00-18:00\n44,3,mon-fri,18:00-08:00\n",
    }
    lists["agents+own"] = "prefix,rate\n880,4\n"
    for id, text in lists.items():
        await rate_tables.import_(desk, ROOT, id, form(PriceListForm, csv=text))


async def _goods(act: Act) -> None:
    await destination_set.create(act, form(NewSet, id="gulf", prefixes=["966", "971"], memo="six"))
    await destination_set.create(act, form(NewSet, id="all", prefixes=[""]))
    await number_range.create(
        act, form(NewNumberRange, id="wide", account_id="agent", first="880100", last="880999")
    )
    await number_range.create(
        act, form(NewNumberRange, id="narrow", account_id="a-customer", first="880200", last="880299")
    )
    route = {"prefix": "", "priority": 2}
    await routing_gateway.create(
        act,
        form(
            NewRoutingGateway,
            id="vendor",
            host="sip.example.net",
            transport="tls",
            cost_table_id="house",
            routes=[{"prefix": "880", "mode": "continue", "weight": 7}, route],
            vendor_credit_micros=0,
            failover_codes=[503, 500],
            caller_format="e164",
        ),
    )
    await routing_gateway.create(act, form(NewRoutingGateway, id="own", host="8.8.8.8", owner_id="agent"))
    trunks = NewMappingGateway
    await mapping_gateway.create(
        act, form(trunks, id="open", account_id="a-customer", sources=["192.0.2.9", "192.0.2.0/29"])
    )
    await mapping_gateway.create(
        act,
        form(
            trunks, id="safe", account_id="top", username="trunk user", routing_gateway_ids=["vendor", "own"]
        ),
    )
    await mapping_gateway.create(
        act,
        form(
            trunks,
            id="tls",
            account_id="top",
            certificates=["pbx.example"],
            routing_gateway_ids=[],
            caller_number="880100",
            caller_prefixes=["8801", "880"],
        ),
    )
    await phone.create(
        act, form(NewPhone, id="desk", account_id="a-customer", numbers=["880211", "880201"], call_limit=2)
    )
    await phone.create(act, form(NewPhone, id="named", account_id="a-customer", username="bob"))
    await phone.create(act, form(NewPhone, id="bob", account_id="agent", username="someone"))
    await alert.set_threshold(act, "top", Kind.BALANCE_LOW, 5_000_000, subtree=True)
    await alert.set_threshold(act, "top", Kind.BALANCE_LOW, None)


async def _sets_of_an_agent(act: Act) -> None:
    await destination_set.create(act, form(NewSet, id="gulf", prefixes=["974"]))
    await section.modify(
        act, "a-customer", form(SectionChanges, called=[{"action": "block", "set_id": "gulf"}])
    )


async def _sections(act: Act) -> None:
    await section.modify(
        act,
        "top",
        form(
            SectionChanges,
            called=[
                {"action": "allow", "prefix": ""},
                {"action": "block", "set_id": "gulf"},
                {"action": "block", "prefix": "88019"},
            ],
            calling=[{"action": "allow", "prefix": "880"}],
        ),
    )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> House:
    """With nothing in it; nobody writes to it."""
    return House(tmp_path_factory.mktemp("network") / "template")


@pytest.fixture(scope="session")
def model(template: House) -> House:
    """A network with something of everything; nobody writes to it."""
    house = House(template.path.parent.with_name("model"), template)
    populate(house)
    house.export()
    return house


@pytest.fixture(scope="session")
def applied(template: House, model: House) -> House:
    """What the model's files make of an empty house; nobody writes to it."""
    house = House(template.path.parent.with_name("applied"), template)
    house.apply(model.files)
    house.export()
    return house


@pytest.fixture
def empty(tmp_path: Path, template: House) -> House:
    return House(tmp_path / "house", template)


@pytest.fixture
def copy(tmp_path: Path, applied: House) -> House:
    """A house that is what the model's files say, with files of its own."""
    return House(tmp_path / "house", applied)


@contextmanager
def refused(*words: str) -> Iterator[None]:
    with pytest.raises((InvalidError, ConflictError)) as failure:
        yield
    for word in words:
        assert word in str(failure.value)


def test_a_network_comes_out_as_it_went_in(model: House, empty: House) -> None:
    before = model.export()
    assert not model.diff()
    dry = empty.apply(model.files, dry_run=True)
    assert empty.rows("SELECT count(*) FROM account") == [(0,)]
    passwords: list[Told] = []
    done = empty.apply(model.files, passwords)
    assert (done.steps, done.rate_tables) == (dry.steps, dry.rate_tables)
    assert empty.export() == before
    assert not empty.diff(model.files)
    assert {one.username for one in passwords} == {"trunk user", "desk", "bob", "someone"}
    assert all(one.password for one in passwords)


def test_a_file_for_every_noun_has_something_in_it(model: House) -> None:
    written = model.export()
    assert all(content.count(b"\n") > 1 for name, content in written.items() if name.endswith(".csv"))
    assert all(content for content in written.values())


def test_no_secret_is_in_a_file(model: House) -> None:
    secrets = [
        str(value).encode()
        for row in model.rows("SELECT ha1_md5, ha1_sha256, ha1_sha512_256 FROM credential")
        for value in row
    ]
    assert secrets
    for content in model.export().values():
        assert not any(secret in content for secret in secrets)


def test_every_table_is_configuration_or_known_not_to_be(model: House) -> None:
    """Whoever adds a table of configuration has the files hold it, too: manage/network.py."""
    movement = {
        *("ledger_account", "journal_entry", "posting", "payment", "payment_request", "idempotent_request"),
        *("cdr", "cdr_block", "cdr_block_account", "cdr_block_call_id", "cdr_retention", "live_call"),
        *("series", "series_position", "refusal", "rejected_record", "redo_position", "known_gateway"),
        *("alert", "alert_delivery", "audit", "change", "feed_pause", "account_import", "approval"),
        "contact",
        *("instance", "alembic_version", "sqlite_sequence"),
    }
    secret = {
        *("credential", "secret", "card", "card_batch", "login", "login_attempt", "login_device"),
        *("session", "api_key", "recovery_code"),
    }
    tables = {name for (name,) in model.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables - movement - secret == CONFIGURATION


def test_changes_are_told_field_by_field_and_made(copy: House) -> None:
    copy.edit("accounts.jsonl", ('"id": "agent", ', '"id": "agent", "name": "Other", "call_limit": 9, '))
    copy.edit("sections.csv", ("top,called,block,88019,,\n", ""), ("top,calling,allow,880,,\n", ""))
    copy.edit("routing_gateways.routes.csv", ("vendor,*,2,", "vendor,*,3,"))
    copy.edit("rates/eur.csv", ("44,,2.00", "44,,2.50"))
    found = copy.diff()
    assert [(one.name, sorted(one.fields)) for one in found.objects] == [
        ("account agent", ["call_limit", "name"]),
        ("section top", ["rules"]),
        ("routing gateway vendor", ["routes"]),
    ]
    assert found.objects[0].fields["call_limit"] == (None, 9)
    assert [one.name for one in found.rates] == ["rates of eur: 1 up"]
    wanted = {path.name: path.read_bytes() for path in copy.files.rglob("*.*") if path.is_file()}
    copy.apply()
    assert {Path(name).name: content for name, content in copy.export().items()} == wanted


def test_what_no_file_has_stays_unless_it_is_to_go(copy: House) -> None:
    copy.edit("phones.jsonl", ((copy.files / "phones.jsonl").read_text().splitlines()[0] + "\n", ""))
    assert [(one.name, one.verb) for one in copy.diff().objects] == [("phone bob", Verb.GONE)]
    assert copy.apply().steps == 0
    assert copy.apply(remove=True).steps == 1
    assert not copy.diff()


def test_all_that_is_of_accounts_goes_with_them(copy: House) -> None:
    for path in copy.files.glob("*.*"):
        if path.suffix == ".csv":
            path.write_text(path.read_text().splitlines(keepends=True)[0])
        elif path.name not in ("sipguard.json", "rate_tables.jsonl", "accounts.jsonl"):
            path.write_text("")
    lines = (copy.files / "accounts.jsonl").read_text().splitlines(keepends=True)
    (copy.files / "accounts.jsonl").write_text("".join(line for line in lines if "a-customer" not in line))
    copy.apply(remove=True)
    assert not copy.diff()
    assert copy.rows("SELECT count(*) FROM account WHERE closed_ms IS NULL") == [(3,)]
    assert copy.rows("SELECT (SELECT count(*) FROM phone) + (SELECT count(*) FROM section_set)") == [(0,)]


def test_a_file_that_is_not_there_says_nothing(copy: House) -> None:
    for name in ("phones.jsonl", "accounts.jsonl", "sections.csv"):
        (copy.files / name).unlink()
    assert not copy.diff()


def test_numbers_and_addresses_change_hands(copy: House) -> None:
    desk = (copy.files / "phones.jsonl").read_text()
    assert '"numbers": ["880211", "880201"]' in desk
    copy.edit(
        "phones.jsonl",
        ('"numbers": ["880211", "880201"]', '"numbers": ["880201"]'),
        ('{"id": "named", ', '{"id": "named", "numbers": ["880211"], '),
        ('"username": "bob"', '"username": "robert"'),
    )
    copy.edit(
        "mapping_gateways.jsonl",
        ('["192.0.2.0/29", "192.0.2.9/32"]', '["192.0.2.0/29"]'),
        ('"certificates": ["pbx.example"]', '"sources": ["192.0.2.9/32"]'),
    )
    passwords: list[Told] = []
    copy.apply(passwords=passwords)
    assert not copy.diff()
    assert [one.username for one in passwords] == ["robert"]


def test_a_tree_is_turned_around(copy: House) -> None:
    house = copy.files
    for name in ("phones.jsonl", "number_ranges.jsonl", "rate_tables.jsonl", "authorizations.jsonl"):
        (house / name).unlink()
    (house / "rates" / "agents+own.csv").unlink()
    lines = (house / "accounts.jsonl").read_text()
    lines = lines.replace('"agent_id": "top"', '"currency": "BDT"')
    lines = lines.replace('{"id": "top", ', '{"id": "top", "agent_id": "agent", ')
    (house / "accounts.jsonl").write_text(lines)
    assert [one.name for one in copy.diff().objects] == ["account agent", "account top"]
    copy.apply()
    assert copy.rows(
        "SELECT a.id, b.id FROM account a LEFT JOIN account b ON b.key = a.agent_key WHERE a.id <> 'europe'"
        " ORDER BY a.id"
    ) == [("a-customer", "agent"), ("agent", None), ("top", "agent")]


def test_it_is_all_or_nothing(copy: House) -> None:
    copy.edit(
        "accounts.jsonl",
        ('"id": "agent", ', '"id": "agent", "call_limit": 9, '),
        (
            '{"id": "europe", ',
            '{"id": "new", "agent_id": "europe", "rate_table_id": "house"}\n{"id": "europe", ',
        ),
    )
    with refused("accounts.jsonl line 3 (account new)", "rate_table_id"):
        copy.apply()
    assert copy.rows("SELECT call_limit FROM account WHERE id = 'agent'") == [(None,)]


def test_batches_that_are_interrupted_go_on(model: House, empty: House) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done >= 6:
            raise StoppedError

    whole = len(empty.diff(model.files).objects)
    with pytest.raises(StoppedError):
        empty.apply(model.files, batch=3, progress=stop)
    left = len(empty.diff(model.files).objects)
    assert 0 < left < whole
    empty.apply(model.files, batch=3)
    assert empty.export() == model.export()


def test_many_new_accounts_are_made_by_sets(copy: House) -> None:
    """As one by one: with tables, agents before those below them, and mistakes by their line."""
    lines = (copy.files / "accounts.jsonl").read_text()
    new = [f'{{"id": "x{at}", "currency": "BDT", "rate_table_id": "house", "memo": "m"}}' for at in range(60)]
    new += [f'{{"id": "y{at}", "agent_id": "x{at}", "call_limit": {at}}}' for at in range(60)]
    (copy.files / "accounts.jsonl").write_text(lines + "\n".join(new) + "\n")
    copy.apply()
    assert not copy.diff()
    assert copy.rows("SELECT count(*) FROM audit WHERE action = 'account.import'") == [(120,)]
    assert copy.rows("SELECT count(*) FROM ledger_account WHERE account_key IS NOT NULL") == [(2 * 124,)]
    wrong = [f'{{"id": "z{at}", "agent_id": "{"x1" if at != 50 else "nobody"}"}}' for at in range(60)]
    (copy.files / "accounts.jsonl").write_text(lines + "\n".join(new + wrong) + "\n")
    with refused(f"accounts.jsonl line {4 + 120 + 51} (account z50): agent_id: there is no account nobody"):
        copy.apply()
    assert not [id for (id,) in copy.rows("SELECT id FROM account") if id.startswith("z")]


def test_what_was_decided_once_is_not_changed(copy: House) -> None:
    copy.edit(
        "phones.jsonl",
        ('"account_id": "a-customer", "username": "bob"', '"account_id": "agent", "username": "bob"'),
    )
    with refused("phones.jsonl line 3 (phone named): account_id", "a-customer"):
        copy.apply()


def test_every_change_is_in_the_audit_log_and_in_the_feed(copy: House) -> None:
    assert copy.rows("SELECT DISTINCT actor, outcome FROM audit") == [("root", "done")]
    actions = {action for (action,) in copy.rows("SELECT DISTINCT action FROM audit")}
    assert {"account.create", "account.grant", "account.sections", "phone.create"} <= actions
    nouns = {noun for (noun,) in copy.rows("SELECT DISTINCT noun FROM change")}
    assert {"account", "phone", "routing_gateway", "mapping_gateway", "rate_table"} <= nouns


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("accounts.jsonl", '{"id": "a"\n', "accounts.jsonl line 1: is not a line of JSON"),
        ("accounts.jsonl", "[]\n", "accounts.jsonl line 1: is not a line of JSON: expected an object"),
        ("accounts.jsonl", '\n{"id": "a b"}\n', "accounts.jsonl line 2: id"),
        ("accounts.jsonl", '{"id": "a"}\n{"id": "a"}\n', "line 2: a stands in accounts.jsonl line 1 already"),
        ("accounts.jsonl", '{"id": "a", "call_limit": "5"}\n', "accounts.jsonl line 1: call_limit"),
        ("accounts.jsonl", '{"id": "a", "colour": "red"}\n', "accounts.jsonl line 1: colour"),
        ("accounts.jsonl", '{"id": 7}\n', "accounts.jsonl line 1: expected text in id"),
        ("accounts.jsonl", "[" * 100_000, "accounts.jsonl line 1: is not a line of JSON"),
        ("accounts.jsonl", b"\xff", "accounts.jsonl: cannot be read"),
        ("phones.jsonl", '{"id": "p", "account_id": "a", "password": "x"}\n', "line 1: password: is nothing"),
        ("sections.csv", "account_id,action\n", "sections.csv line 1: found account_id,action, expected"),
        (
            "sections.csv",
            "account_id,direction,action,prefix,set_id,set_owner_id\na,called,allow,,,\n",
            "sections.csv line 2: exactly one of",
        ),
        (
            "sections.csv",
            "account_id,direction,action,prefix,set_id,set_owner_id\n\na,called,allow,8,,\na,down,allow,8,,\n",
            "sections.csv line 4: direction",
        ),
        ("sections.csv", 'account_id,direction,action,prefix,set_id,set_owner_id\n"a', "sections.csv line 2"),
        (
            "routing_gateways.routes.csv",
            "routing_gateway_id,prefix,priority,weight,mode\nv,8,1,1,terminate\n",
            "routing_gateways.routes.csv line 2: there is no routing_gateway v",
        ),
        ("rates/none.csv", "prefix,rate\n1,1\n", "rates/none.csv: there is no rate table none"),
        ("sipguard.json", '{"format": 2, "currency": "BDT"}', "format"),
        ("sipguard.json", "{", "is not JSON"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(empty: House, name: str, text: str | bytes, told: str) -> None:
    empty.export()
    (empty.files / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with refused(told):
        network_file.read(empty.files)


def test_price_lists_are_told_by_line(copy: House) -> None:
    copy.edit("rates/eur.csv", ("44,,2.00", "44,,two"))
    with refused("rates/eur.csv", "line 4", "two"):
        copy.diff()


def test_files_of_another_currency_are_refused(copy: House) -> None:
    copy.edit("sipguard.json", ("BDT", "USD"))
    with refused("found USD, the house keeps BDT"):
        copy.diff()


def test_no_directory_of_others_is_written_into(model: House, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with refused("holds something else"):
        model.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
