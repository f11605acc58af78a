"""Number sections and destination sets through the API, down to the rows that calls are judged by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.web.conftest import Web

URL = "/api/v1/accounts"
SETS = "/api/v1/destination-sets"
ANY = {"If-Match": "*"}


def put(web: Web, who: str | None, id: str, **form: Any) -> httpx2.Response:
    return web.client.put(f"{URL}/{id}/sections", json=form, headers=web.be(who) | ANY)


def make_set(web: Web, who: str, id: str, *prefixes: str) -> httpx2.Response:
    return web.client.post(SETS, json={"id": id, "prefixes": list(prefixes)}, headers=web.be(who))


def judged(web: Web, id: str) -> list[tuple[str, str, str]]:
    """The rows that policy reads."""
    query = (
        "SELECT direction, action, prefix FROM section JOIN account ON account.key = account_key"
        " WHERE id = ? ORDER BY direction, action, prefix"
    )
    with closing(sqlite3.connect(web.path)) as file:
        return file.execute(query, (id,)).fetchall()


def allow(prefix: str | None = None, set_id: str | None = None) -> dict[str, str]:
    return {"action": "allow"} | ({"prefix": prefix or ""} if set_id is None else {"set_id": set_id})


def test_rules_are_replaced_as_a_whole_or_by_direction(web: Web) -> None:
    first = put(web, "north", "shop", called=[allow("880"), {"action": "block", "prefix": "88019"}])
    assert first.status_code == 200, first.text
    assert judged(web, "shop") == [("called", "allow", "880"), ("called", "block", "88019")]
    patch = {"calling": [{"action": "block", "prefix": ""}]}
    patched = web.client.patch(f"{URL}/shop/sections", json=patch, headers=web.be("north") | ANY)
    assert [len(patched.json()[name]) for name in ("called", "calling")] == [2, 1]
    assert put(web, "north", "shop").json() == {"called": [], "calling": []}
    assert judged(web, "shop") == []


def test_a_set_stands_for_its_prefixes_in_every_account_that_names_it(web: Web) -> None:
    assert make_set(web, "root", "gulf", "966", "971").status_code == 201
    assert (
        put(web, "north", "shop", called=[allow("880"), allow("971"), allow(set_id="gulf")]).status_code
        == 200
    )
    assert put(web, "root", "stall", called=[{"action": "block", "set_id": "gulf"}]).status_code == 200
    assert [row[2] for row in judged(web, "shop")] == ["880", "966", "971"]
    form = {"prefixes": ["966", "974"]}
    assert web.client.put(f"{SETS}/gulf", json=form, headers=web.be("root") | ANY).status_code == 200
    assert [row[2] for row in judged(web, "shop")] == ["880", "966", "971", "974"]
    assert judged(web, "stall") == [("called", "block", "966"), ("called", "block", "974")]
    told = web.client.get(f"{URL}/shop/sections", headers=web.be("shop")).json()["called"]
    assert told == [
        {"action": "allow", "prefix": "880", "set_id": None},
        {"action": "allow", "prefix": "971", "set_id": None},
        {"action": "allow", "prefix": None, "set_id": "gulf"},
    ]
    refused = web.client.delete(f"{SETS}/gulf", headers=web.be("root"))
    assert refused.json()["standing_in_the_way"] == ["account shop", "account stall"]


def test_agents_have_sets_of_their_own_beside_the_operators(web: Web) -> None:
    make_set(web, "root", "gulf", "966")
    make_set(web, "north", "gulf", "971")
    make_set(web, "south", "secret", "1")
    assert make_set(web, "north", "gulf", "1").status_code == 409
    put(web, "north", "shop", called=[allow(set_id="gulf")])
    put(web, "south", "stall", called=[allow(set_id="gulf")])
    assert judged(web, "shop") == [("called", "allow", "971")]
    assert judged(web, "stall") == [("called", "allow", "966")]
    seen = web.client.get(SETS, headers=web.be("north")).json()["items"]
    assert [(one["id"], one["own"]) for one in seen] == [("gulf", True), ("gulf", False)]
    page = web.client.get(SETS, params={"limit": 1}, headers=web.be("north")).json()
    rest = web.client.get(SETS, params={"cursor": page["next_cursor"]}, headers=web.be("north")).json()
    assert page["items"] + rest["items"] == seen
    for id in ("secret", "nowhere"):
        assert web.client.get(f"{SETS}/{id}", headers=web.be("north")).status_code == 404
        assert put(web, "north", "shop", called=[allow(set_id=id)]).status_code == 400
    form = {"prefixes": ["1"]}
    assert web.client.put(f"{SETS}/gulf", json=form, headers=web.be("shop") | ANY).status_code == 404
    assert make_set(web, "shop-1", "mine", "1").status_code == 403


def test_a_moved_account_keeps_the_prefixes_and_loses_the_set_of_its_old_agent(web: Web) -> None:
    make_set(web, "north", "gulf", "971")
    put(web, "north", "shop-1", called=[allow(set_id="gulf")])
    body = {"agent_id": "stall"}
    assert web.client.post(f"{URL}/shop-1/move", json=body, headers=web.be("root") | ANY).status_code == 200
    form = {"prefixes": ["1"]}
    assert web.client.put(f"{SETS}/gulf", json=form, headers=web.be("north") | ANY).status_code == 200
    assert judged(web, "shop-1") == [("called", "allow", "971")]
    told = web.client.get(f"{URL}/shop-1/sections", headers=web.be("south")).json()["called"]
    assert told == [{"action": "allow", "prefix": "971", "set_id": None}]


@pytest.mark.parametrize(
    ("who", "id", "form", "status"),
    [
        (None, "shop", {}, 401),
        ("shop", "shop", {}, 403),
        ("shop-1", "shop-1", {}, 403),
        ("south", "shop", {}, 404),
        ("north", "shop", {"called": [{"action": "allow"}]}, 400),
        ("north", "shop", {"called": [{"action": "permit", "prefix": "1"}]}, 400),
        ("north", "shop", {"called": [{"action": "allow", "prefix": "+1"}]}, 400),
        ("north", "shop", {"called": [{"action": "allow", "prefix": "1", "set_id": "x"}]}, 400),
        ("north", "shop", {"called": [allow("1"), allow("1")]}, 400),
        ("north", "shop", {"emergency": []}, 400),
    ],
)
def test_what_is_refused(web: Web, who: str | None, id: str, form: dict[str, Any], status: int) -> None:
    assert put(web, who, id, **form).status_code == status
    assert judged(web, "shop") == []


@pytest.mark.bypass("E18")
def test_rules_are_changed_only_by_who_has_read_them(web: Web) -> None:
    north, url = web.be("north"), f"{URL}/shop/sections"
    tag = web.client.get(url, headers=north).headers["etag"]
    form = {"called": [allow("880")]}
    assert web.client.put(url, json=form, headers=north).status_code == 428
    assert web.client.put(url, json=form, headers=north | {"If-Match": tag}).status_code == 200
    assert web.client.put(url, json=form, headers=north | {"If-Match": tag}).status_code == 412
