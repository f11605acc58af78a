"""Accounts as a tree, through the API: moved, deleted, locked, searched, counted, walked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from sipguard.manage.desk import Rules
from tests.web.conftest import Web

URL = "/api/v1/accounts"
ANY = {"If-Match": "*"}


@contextmanager
def database(web: Web) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(web.path)
    try:
        with connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
    finally:
        connection.close()


_TEXTS = {"host": "192.0.2.1", "transport": "udp", "failover_codes": "[]", "international_prefixes": "[]"}


def insert(file: sqlite3.Connection, table: str, **values: Any) -> None:
    """A row with what is given, and the least that the schema takes for the rest."""
    for _, name, kind, needed, default, is_key in file.execute(f"PRAGMA table_info({table})").fetchall():
        if needed and default is None and not is_key and name not in values:
            values[name] = {"INTEGER": 1}.get(kind, _TEXTS.get(name, ""))
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    file.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def make(web: Web, who: str, id: str, **form: Any) -> httpx2.Response:
    return web.client.post(URL, json={"id": id} | form, headers=web.be(who))


def move(web: Web, who: str, id: str, agent_id: str | None, **form: Any) -> httpx2.Response:
    body = {"agent_id": agent_id} | form
    return web.client.post(f"{URL}/{id}/move", json=body, headers=web.be(who) | ANY)


def ids(web: Web, who: str, **params: Any) -> list[str]:
    answer = web.client.get(URL, params=params, headers=web.be(who))
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


def obstacles(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    found: list[str] = answer.json()["standing_in_the_way"]
    return found


def test_a_moved_agent_takes_its_subtree_along(web: Web) -> None:
    make(web, "shop", "shop-2", agent_id="shop-1")
    moved = move(web, "root", "shop", "stall")
    assert moved.status_code == 200, moved.text
    assert moved.json()["agent_id"] == "stall"
    assert moved.json()["warnings"] == ["the tree is deeper than 3 levels"]
    assert ids(web, "south", scope="all") == ["shop", "shop-1", "shop-2", "stall"]
    assert ids(web, "north", scope="all") == []
    path = web.client.get("/api/v1/tree/path/shop-2", headers=web.be("south")).json()["ids"]
    assert path == ["south", "stall", "shop", "shop-1", "shop-2"]
    assert web.client.get(f"{URL}/north", headers=web.be("root")).json()["category"] == "account"
    with database(web) as file:
        for key, agent, here in file.execute(
            "SELECT key, agent_key, path FROM account JOIN account_path ON key = account_key"
        ).fetchall():
            parent = file.execute("SELECT path FROM account_path WHERE account_key = ?", (agent,)).fetchone()
            assert here == f"{parent[0] if parent else ''}{key}/"


@pytest.mark.parametrize(
    ("who", "id", "agent_id", "status"),
    [
        ("north", "shop", "shop-1", 409),
        ("north", "shop", "shop", 409),
        ("north", "shop", "south", 404),
        ("north", "stall", "north", 404),
        ("shop", "shop", "shop-1", 403),
        ("shop", "shop-1", "north", 404),
        ("shop-1", "shop-1", None, 403),
        ("reader", "shop", None, 403),
        (None, "shop", None, 401),
    ],
)
def test_no_circle_and_nothing_out_of_scope(
    web: Web, who: str | None, id: str, agent_id: str | None, status: int
) -> None:
    answer = web.client.post(f"{URL}/{id}/move", json={"agent_id": agent_id}, headers=web.be(who) | ANY)
    assert answer.status_code == status, answer.text
    assert ids(web, "north", scope="all") == ["shop", "shop-1"]
    assert ids(web, "south", scope="all") == ["stall"]


def test_without_an_agent_a_moved_account_hangs_under_whoever_moves_it(web: Web) -> None:
    assert move(web, "north", "shop-1", None).json()["agent_id"] == "north"
    assert move(web, "root", "shop-1", None).json()["agent_id"] is None


def test_a_move_needs_a_table_of_the_new_agent(web: Web) -> None:
    make(web, "shop", "buyer", rate_table_id="shop-sells")
    assert obstacles(move(web, "north", "buyer", "north")) == ["rate table shop-sells"]
    assert move(web, "north", "buyer", "north", rate_table_id="south-sells").status_code == 400
    moved = move(web, "north", "buyer", "north", rate_table_id="north-sells")
    assert moved.json()["rate_table_id"] == "north-sells"


def test_a_move_stays_within_a_currency(web: Web) -> None:
    assert make(web, "root", "dollars", currency="USD").status_code == 201
    refused = move(web, "root", "dollars", "north")
    assert refused.status_code == 400
    assert refused.json()["problems"][0]["field"] == "agent_id"


def test_trunks_do_not_take_gateways_of_their_old_agent_along(web: Web) -> None:
    with database(web) as file:
        north, shop = (
            file.execute("SELECT key FROM account WHERE id = ?", (id,)).fetchone()[0]
            for id in ("north", "shop")
        )
        insert(file, "routing_gateway", id="out", owner_key=north)
        insert(file, "mapping_gateway", id="in", account_key=shop)
        file.execute(
            "INSERT INTO mapping_gateway_route (gateway_key, routing_gateway_key)"
            " SELECT mapping_gateway.key, routing_gateway.key FROM mapping_gateway, routing_gateway"
        )
    assert obstacles(move(web, "root", "shop", "south")) == ["mapping gateway in by routing gateway out"]
    assert move(web, "root", "shop-1", "north").status_code == 200


def test_a_tree_grows_no_deeper_than_the_limit(web: Web) -> None:
    web.client.app.state.desk.rules = Rules(depth_warning=2, depth_limit=3)  # type: ignore[attr-defined]
    assert make(web, "north", "near").json()["warnings"] == []
    assert make(web, "shop", "deep").json()["warnings"] == ["the tree is deeper than 2 levels"]
    assert make(web, "shop", "deeper", agent_id="shop-1").status_code == 409
    assert move(web, "root", "shop", "stall").status_code == 409


def test_what_stands_in_the_way_of_a_deletion_is_listed(web: Web) -> None:
    with database(web) as file:
        shop = file.execute("SELECT key FROM account WHERE id = 'shop'").fetchone()[0]
        insert(file, "mapping_gateway", id="in", account_key=shop)
        file.execute(
            "UPDATE ledger_account SET balance_micros = -2500000 WHERE account_key = ? AND kind = 'balance'",
            (shop,),
        )
    refused = web.client.delete(f"{URL}/shop", headers=web.be("north"))
    assert obstacles(refused) == [
        "1 sub-account",
        "a balance of -2.50 BDT",
        "1 mapping gateway",
        "1 rate table",
    ]
    assert web.client.get(f"{URL}/shop", headers=web.be("north")).json()["locked"] is False


def test_saved_calls_stand_in_the_way_while_no_daemon_runs(web: Web) -> None:
    with database(web) as file:
        file.execute(
            "INSERT INTO live_call (call, answered_ms, dialog, state) VALUES (1, 2, x'', ?)",
            (b"\x92\x01\xa6shop-1",),
        )
    assert obstacles(web.client.delete(f"{URL}/shop-1", headers=web.be("shop"))) == ["live calls"]
    with database(web) as file:
        file.execute("UPDATE live_call SET ended_ms = 3")
    assert web.client.delete(f"{URL}/shop-1", headers=web.be("shop")).status_code == 204


def test_a_deleted_account_is_gone_for_everybody_and_its_id_is_never_given_again(web: Web) -> None:
    assert web.client.delete(f"{URL}/shop-1", headers=web.be("shop")).status_code == 204
    assert web.client.get(f"{URL}/shop-1", headers=web.be("root")).status_code == 404
    assert web.client.get(URL, headers=web.be("shop-1")).status_code == 401
    assert ids(web, "root", scope="all") == ["north", "shop", "south", "stall"]
    assert web.client.get(f"{URL}/shop", headers=web.be("north")).json()["category"] == "account"
    assert make(web, "shop", "shop-1").status_code == 409
    assert make(web, "shop", "shop-2", agent_id="shop-1").status_code == 404
    assert move(web, "root", "stall", "shop-1").status_code == 404
    assert web.client.delete(f"{URL}/shop-1", headers=web.be("shop")).status_code == 404
    nodes = web.client.get("/api/v1/tree", headers=web.be("shop")).json()["items"]
    assert nodes == []
    with database(web) as file:
        closed = "SELECT locked, closed_ms, granted FROM account WHERE id = 'shop-1'"
        assert file.execute(closed).fetchone() == (1, web.clock[0], 0)
    assert web.client.delete(f"{URL}/south", headers=web.be("north")).status_code == 404
    assert web.client.delete(f"{URL}/north", headers=web.be("north")).status_code == 403


def test_a_lock_is_set_and_taken_off_again(web: Web) -> None:
    for _ in range(2):
        assert web.client.post(f"{URL}/shop/lock", headers=web.be("north")).json()["locked"] is True
    assert ids(web, "north", locked=True) == ["shop"]
    assert web.client.post(f"{URL}/shop/lock", headers=web.be("south")).status_code == 404
    assert web.client.post(f"{URL}/shop/unlock", headers=web.be("shop")).status_code == 403
    assert web.client.post(f"{URL}/shop/unlock", headers=web.be("north")).json()["locked"] is False
    with database(web) as file:
        fed = file.execute("SELECT noun, action, id FROM change WHERE first IS NULL").fetchall()
    assert [row for row in fed if row[0] == "account" and row[2] == "shop"] == [
        ("account", "lock", "shop"),
        ("account", "unlock", "shop"),
    ]


@pytest.mark.bypass("E28")
def test_search_looks_into_ids_names_and_memos_and_takes_signs_as_they_are(web: Web) -> None:
    make(web, "shop", "ann", name="Ann's 100% phones")
    make(web, "shop", "bob", memo="Knows ANN")
    assert ids(web, "north", scope="all", q="ann") == ["ann", "bob"]
    assert ids(web, "north", scope="all", q="100%") == ["ann"]
    assert ids(web, "north", scope="all", q="0% p") == ["ann"]
    assert ids(web, "north", scope="all", q="_nn") == []
    assert ids(web, "south", scope="all", q="ann") == []
    assert ids(web, "root", scope="all", id_prefix="sho") == ["shop", "shop-1"]
    assert ids(web, "root", scope="all", category="agent") == ["north", "shop", "south"]
    assert ids(web, "root", scope="all", q="'; DROP TABLE account; --") == []


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "balance", "-balance"])
@pytest.mark.parametrize("scope", ["direct", "all"])
def test_every_order_is_the_same_by_pages_as_at_once(web: Web, sort: str, scope: str) -> None:
    for number, name in enumerate(("B", "a", "B", "A", "C")):
        make(web, "shop", f"x{number}", name=name)
    with database(web) as file:
        file.execute(
            "UPDATE ledger_account SET balance_micros = account_key % 3 - 1 WHERE account_key IS NOT NULL"
        )
    params = {"scope": scope, "sort": sort}
    whole = web.client.get(URL, params=params, headers=web.be("shop")).json()["items"]
    paged: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        more = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = web.client.get(URL, params=params | more, headers=web.be("shop")).json()
        paged += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == whole
    assert len(whole) == 6
    field = {"balance": "balance_micros"}.get(sort.removeprefix("-"), sort.removeprefix("-"))
    values = [(row[field], row["id"]) for row in whole]
    assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.bypass("E28")
def test_a_cursor_of_another_order_is_refused(web: Web) -> None:
    cursor = web.client.get(URL, params={"limit": "1"}, headers=web.be("root")).json()["next_cursor"]
    params = {"sort": "balance", "cursor": cursor}
    assert web.client.get(URL, params=params, headers=web.be("root")).status_code == 400
    assert web.client.get(URL, params={"sort": "granted"}, headers=web.be("root")).status_code == 400


@pytest.mark.parametrize(
    ("who", "agent_id", "direct", "everything"),
    [("root", None, 2, 5), ("north", None, 1, 2), ("root", "north", 1, 2), ("shop-1", None, 0, 0)],
)
def test_counts(web: Web, who: str, agent_id: str | None, direct: int, everything: int) -> None:
    params = {} if agent_id is None else {"agent_id": agent_id}
    counts = web.client.get("/api/v1/tree/counts", params=params, headers=web.be(who))
    assert counts.json() == {"direct": direct, "all": everything}
    for scope, expected in (("direct", direct), ("all", everything)):
        some = params | {"scope": scope, "locked": "false"}
        counted = web.client.get("/api/v1/tree/count", params=some, headers=web.be(who))
        assert counted.json() == {"count": expected}
    foreign = web.client.get("/api/v1/tree/counts", params={"agent_id": "south"}, headers=web.be("north"))
    assert foreign.status_code == 404


def test_the_way_to_an_account_begins_where_the_scope_does(web: Web) -> None:
    for who, expected in (("root", ["north", "shop", "shop-1"]), ("shop", ["shop", "shop-1"])):
        assert web.client.get("/api/v1/tree/path/shop-1", headers=web.be(who)).json()["ids"] == expected
    assert web.client.get("/api/v1/tree/path/north", headers=web.be("shop")).status_code == 404
    children = web.client.get(f"{URL}/north/children", headers=web.be("north")).json()["items"]
    assert children == [
        {"id": "shop", "name": "shop", "locked": False, "direct_count": 1, "has_children": True}
    ]


def test_who_asks_sees_its_own_account_without_what_is_noted_above(web: Web) -> None:
    note = {"memo": "pays late"}
    assert web.client.patch(f"{URL}/shop", json=note, headers=web.be("north") | ANY).status_code == 200
    me = web.client.get("/api/v1/me", headers=web.be("shop")).json()
    assert (me["account"]["id"], me["account"]["memo"], me["account"]["agent_id"]) == ("shop", "", None)
    assert me["authorizations"] == ["account", "sub_payment"]
    assert web.client.get(f"{URL}/shop", headers=web.be("north")).json()["memo"] == "pays late"
    operator = web.client.get("/api/v1/me", headers=web.be("root")).json()
    assert operator["account"] is None
    assert len(operator["authorizations"]) == 8
    assert (
        web.client.patch(f"{URL}/shop", json={"memo": "me"}, headers=web.be("shop") | ANY).status_code == 403
    )
