"""Group E on a daemon with its web process: what only shows when the whole of it runs.

R1 and R2 are agents of two trees; each holds everything an agent can and has an API key.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from sipguard.cli import main
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.harness.order import end_in_order

PORT = 8060
API = "/api/v1"
ANY = {"If-Match": "*"}

_DATA = """\
currency = "GBP"

[[rate_table]]
id = "world"
rates = [{ prefix = "", initial = 1, next = 1, rate = "0.60" }]
"""
_TREE = """
[[account]]
id = "{agent}"
rate_table = "world"

[[account]]
id = "{customer}"
agent = "{agent}"
rate_table = "world"

[[payment]]
account = "{agent}"
amount = "100"
key = "{agent}"
"""
DATA = (
    _DATA
    + _TREE.format(agent="R1", customer="acme")
    + _TREE.format(agent="R2", customer="bob")
    + '[[routing_gateway]]\nid = "vendor"\nhost = "@NET@.100"\nroutes = [{ prefix = "" }]\n'
)


class Site:
    """The daemon, and who asks it."""

    def __init__(self, daemon: Daemon, client: httpx2.Client) -> None:
        self.daemon = daemon
        self.client = client
        self.keys = {
            name: self._key(name, *more)
            for name, more in (
                ("root", ("--role", "administrator")),
                ("R1", ("--role", "account", "--account", "R1")),
                ("R2", ("--role", "account", "--account", "R2")),
            )
        }

    def _key(self, name: str, *more: str) -> str:
        self._says("login", "add", name, *more, typed="good enough for all\n")
        return self._says("login", "key", "add", name, "--name", "tests").strip()

    def _says(self, *arguments: str, typed: str = "") -> str:
        said = CliRunner().invoke(main, ["--config", str(self.daemon.config), *arguments], input=typed)
        assert said.exit_code == 0, said.output
        return said.output

    def ask(self, who: str | None, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {})
        if who is not None:
            headers = headers | {"Authorization": f"Bearer {self.keys[who]}"}
        return self.client.request(method, API + path, headers=headers, **more)

    def pay(self, who: str | None, key: str, **form: object) -> httpx2.Response:
        told = {"reason": "paid at the counter"} | form
        return self.ask(who, "POST", "/payments", json=told, headers={"Idempotency-Key": key})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database has."""
        with closing(sqlite3.connect(f"file:{self.daemon.database}?mode=ro", uri=True)) as file:
            return file.execute(query).fetchall()

    def balance(self, account: str) -> int:
        found: int = self.ask("root", "GET", f"/accounts/{account}").json()["balance_micros"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    loopback = Loopback()
    host = loopback.host(1)
    web = f'[web]\nhost = "{host}"\nport = {PORT}\nlogin_requests_per_second = 100000\n'
    web += "source_requests_per_second = 100000\n"
    with Daemon(tmp_path_factory.mktemp("site"), host, more=web) as daemon:
        daemon.init(DATA, loopback)
        daemon.start()
        eventually("the web process", lambda: '"web.ready"' in daemon.output(), 30.0)
        with httpx2.Client(base_url=f"http://{host}:{PORT}", timeout=30) as client:
            site = Site(daemon, client)
            form = {"template_id": "full_access"}
            for agent in ("R1", "R2"):
                granted = site.ask("root", "PUT", f"/accounts/{agent}/authorizations", json=form, headers=ANY)
                assert granted.status_code == 200, granted.text
            yield site
        end_in_order(daemon)
    loopback.close()


BULK: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "E04": (
        "POST",
        "/account-imports",
        {"csv": "id,agent_id\nown-1,acme\nown-2,\ntheirs,bob\nown-3,R2\n"},
        202,
    ),
    "E04a": (
        "POST",
        "/mapping-gateways",
        {
            "id": "both",
            "account_id": "acme",
            "sources": ["8.8.8.8"],
            "routing_gateway_ids": ["of-R1", "of-R2"],
        },
        403,
    ),
    "E04b": (
        "PUT",
        "/accounts/acme/sections",
        {
            "called": [
                {"action": "allow", "set_id": "of-R1"},
                {"action": "allow", "set_id": "of-R2"},
            ],
            "calling": [],
        },
        400,
    ),
}


def _have_of_their_own(site: Site) -> None:
    """A gateway and a destination set of each agent."""
    for agent in ("R1", "R2"):
        if site.ask(agent, "GET", f"/routing-gateways/of-{agent}").status_code == 200:
            continue
        gateway = {"id": f"of-{agent}", "host": "8.8.4.4"}
        made = site.ask(agent, "POST", "/routing-gateways", json=gateway)
        assert made.status_code == 201, made.text
        made = site.ask(agent, "POST", "/destination-sets", json={"id": f"of-{agent}", "prefixes": ["44"]})
        assert made.status_code == 201, made.text


@pytest.mark.parametrize(("method", "path", "form", "status"), BULK.values(), ids=BULK)
def test_what_names_own_and_foreign_ids_is_refused_whole(
    site: Site, method: str, path: str, form: dict[str, Any], status: int
) -> None:
    _have_of_their_own(site)
    counted = "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM mapping_gateway)"
    counted += ", (SELECT count(*) FROM section)"
    before = site.rows(counted)
    answer = site.ask("R1", method, path, json=form, headers=ANY)
    assert answer.status_code == status, answer.text
    if status == 202:
        job = answer.headers["location"].removeprefix(API)
        eventually("the job", lambda: site.ask("R1", "GET", job).json()["state"] != "running", 30.0)
        told = site.ask("R1", "GET", job).json()
        assert (told["created"], told["failed"]) == (0, 4)
        assert {(one["line"], one["field"]) for one in told["problems"]} == {(4, "agent_id"), (5, "agent_id")}
        # What is not theirs is told as what is not there.
        assert {one["message"] for one in told["problems"]} == {
            "there is no account bob",
            "there is no account R2",
        }
    assert site.rows(counted) == before


def test_e14_a_payment_that_is_told_again_is_credited_once(site: Site) -> None:
    before = site.balance("acme")
    first = site.pay("R1", "again", account_id="acme", amount_micros=7)
    assert first.status_code == 201, first.text
    with ThreadPoolExecutor(4) as pool:
        again = list(
            pool.map(lambda _: site.pay("R1", "again", account_id="acme", amount_micros=7), range(12))
        )
    assert {answer.status_code for answer in again} == {201}
    assert {answer.json()["id"] for answer in again} == {first.json()["id"]}
    assert site.balance("acme") == before + 7


def test_e14_payments_that_come_at_once_are_credited_once(site: Site) -> None:
    before = site.balance("acme")
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(lambda _: site.pay("R1", "at-once", account_id="acme", amount_micros=5), range(16))
        )
    # One whose twin was still being done is told to come again.
    assert {answer.status_code for answer in told} <= {201, 409}
    assert site.pay("R1", "at-once", account_id="acme", amount_micros=5).status_code == 201
    assert site.balance("acme") == before + 5


def test_e14_the_order_in_which_payments_come_is_of_no_matter(site: Site) -> None:
    before = site.balance("acme")
    for number in (3, 1, 2, 1, 3):
        told = site.pay("R1", f"in-order-{number}", account_id="acme", amount_micros=number)
        assert told.status_code == 201
    assert site.balance("acme") == before + 6


CHANGED: dict[str, dict[str, object]] = {
    "E14": {"amount_micros": 8},
    "E14a": {"amount_micros": -8},
    "E14b": {"account_id": "R1"},
    "E14c": {"kind": "deduction"},
    "E14d": {"reason": "another"},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_payment_is_not_changed_by_telling_it_again(site: Site, change: dict[str, object]) -> None:
    form: dict[str, object] = {"account_id": "acme", "amount_micros": 7}
    assert site.pay("R1", "changed", **form).status_code == 201
    before = (site.balance("acme"), site.balance("R1"))
    assert site.pay("R1", "changed", **(form | change)).status_code in (400, 422)
    assert (site.balance("acme"), site.balance("R1")) == before


def test_e14_who_signs_with_no_key_or_that_of_another_moves_nothing(site: Site) -> None:
    before = site.balance("acme")
    form = {"account_id": "acme", "amount_micros": 9}
    assert site.pay(None, "unsigned", **form).status_code == 401
    assert site.pay("R2", "of-another", **form).status_code == 404
    good = site.keys["R1"]
    prefix, id, secret = good.split("_", 2)
    stranger = site.keys["R2"].split("_", 2)[2]
    for forged in (good[:-1], good + "x", f"{prefix}_{id}_{stranger}", f"{prefix}_{id}_", secret, "''"):
        site.keys["forged"] = forged
        assert site.pay("forged", "forged", **form).status_code == 401, forged
    assert site.balance("acme") == before


INJECTED = (
    "'",
    "' OR '1'='1",
    '" OR ""="',
    "x') UNION SELECT password_hash, 1, 2 FROM login --",
    "1; DROP TABLE account",
    "id DESC, (SELECT password_hash FROM login)",
    "%",
    "_%",
    "\\",
    "*",
    "a\0b",
)


def _lists(site: Site) -> Iterator[tuple[str, list[str]]]:
    """Every GET with parameters in its query: its path, filled with what R1 owns, and their names."""
    document = site.ask("R1", "GET", "/openapi.json").json()
    for path, item in document["paths"].items():
        told = item.get("get", {}).get("parameters", [])
        names = [one["name"] for one in told if one["in"] == "query"]
        if names and not path.endswith("/live"):
            filled = path.removeprefix(API)
            for one in told:
                if one["in"] == "path":
                    mine = {"account_id": "acme", "agent_id": "R1", "set_id": "of-R1"}
                    filled = filled.replace(f"{{{one['name']}}}", mine.get(one["name"], "1"))
            yield filled, [*names, "order", "password_hash"]


def test_e28_sql_is_text_in_every_parameter_of_every_list(site: Site) -> None:
    """A value is refused or compared as it stands: it finds nothing that is not in scope."""
    tried = 0
    hashes = [text for (text,) in site.rows("SELECT password_hash FROM login")]
    tables = site.rows("SELECT count(*) FROM sqlite_master")
    for path, names in _lists(site):
        for name in names:
            for value in INJECTED:
                answer = site.ask("R1", "GET", path, params={name: value})
                where = f"GET {path}?{name}={value}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code in (200, 400, 404, 503), where
                assert not any(secret in answer.text for secret in hashes), where
                assert not {"bob", "R2"} & set(re.findall(r"\w+", answer.text)), where
                assert "sqlite" not in answer.text.lower(), where
                tried += 1
    assert tried > 500
    assert site.rows("SELECT count(*) FROM sqlite_master") == tables


def test_e28_signs_of_like_stand_for_themselves(site: Site) -> None:
    def found(**params: str) -> list[str]:
        page = site.ask("R1", "GET", "/accounts", params={"scope": "all"} | params).json()
        return [row["id"] for row in page["items"]]

    assert found(q="acm") == ["acme"]
    for sign in ("%", "_", "a%e", "_cme", "%%", "\\", "ac\\me", "[a]cme", "a*"):
        assert found(q=sign) == [], sign
        assert found(id_prefix=sign) == [], sign


SORTS = {
    "E28": "password_hash",
    "E28a": "balance_micros; --",
    "E28b": "(SELECT 1)",
    "E28c": "id, name",
    "E28d": "ID",
    "E28e": "--id",
    "E28f": "",
}


@pytest.mark.parametrize("sort", SORTS.values(), ids=SORTS)
def test_only_named_orders_are_orders(site: Site, sort: str) -> None:
    assert site.ask("R1", "GET", "/accounts", params={"sort": sort}).status_code == 400


@pytest.mark.bypass("E28")
@pytest.mark.parametrize("value", ["' OR '1'='1", "acme' --", "%", "_cme", "acme%00", "../acme"])
def test_sql_in_a_path_names_nothing(site: Site, value: str) -> None:
    quoted = value.replace("%", "%25").replace(" ", "%20").replace("/", "%2F")
    for noun in ("accounts", "phones", "mapping-gateways", "routing-gateways", "payments", "rate-tables"):
        assert site.ask("R1", "GET", f"/{noun}/{quoted}").status_code in (400, 404), noun
