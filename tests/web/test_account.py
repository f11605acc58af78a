"""Accounts through the API: who sees what, who may change what, and what is refused."""

from __future__ import annotations

import pytest

from tests.web.conftest import Web

URL = "/api/v1/accounts"


@pytest.mark.parametrize(
    ("who", "direct", "everything"),
    [
        ("root", ["north", "south"], ["north", "shop", "shop-1", "south", "stall"]),
        ("reader", ["north", "south"], ["north", "shop", "shop-1", "south", "stall"]),
        ("north", ["shop"], ["shop", "shop-1"]),
        ("shop", ["shop-1"], ["shop-1"]),
        ("shop-1", [], []),
    ],
)
def test_direct_and_all_show_the_subtree_alone(
    web: Web, who: str, direct: list[str], everything: list[str]
) -> None:
    for scope, expected in (("direct", direct), ("all", everything)):
        page = web.client.get(URL, params={"scope": scope}, headers=web.be(who)).json()
        assert [row["id"] for row in page["items"]] == expected
        assert page["next_cursor"] is None


@pytest.mark.bypass("E01")
def test_a_foreign_account_and_none_are_answered_alike(web: Web) -> None:
    foreign = web.client.get(f"{URL}/south", headers=web.be("north"))
    none = web.client.get(f"{URL}/nowhere", headers=web.be("north"))
    assert foreign.status_code == none.status_code == 404
    assert foreign.text.replace("south", "nowhere") == none.text
    assert web.client.get(f"{URL}/north", headers=web.be("shop")).status_code == 404
    assert web.client.get(f"{URL}/shop", headers=web.be("shop")).json()["agent_id"] is None


def test_pages_follow_each_other_without_loss(web: Web) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        params = {"scope": "all", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = web.client.get(URL, params=params, headers=web.be("root")).json()
        seen += [row["id"] for row in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["north", "shop", "shop-1", "south", "stall"]


def test_an_agent_makes_an_account_below_itself(web: Web) -> None:
    made = web.client.post(URL, json={"id": "shop-2", "rate_table_id": "shop-sells"}, headers=web.be("shop"))
    assert made.status_code == 201, made.text
    assert made.json()["agent_id"] == "shop"
    assert made.json()["currency"] == "BDT"
    assert made.json()["category"] == "account"
    assert web.client.get(f"{URL}/shop", headers=web.be("north")).json()["category"] == "agent"


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        (None, {"id": "new"}, 401),
        ("shop-1", {"id": "new"}, 403),
        ("reader", {"id": "new"}, 403),
        ("north", {"id": "new", "agent_id": "south"}, 404),
        ("north", {"id": "south"}, 409),
        ("north", {"id": "new", "rate_table_id": "south-sells"}, 400),
        ("north", {"id": "new", "currency": "USD"}, 400),
        ("root", {"id": "new"}, 400),
        ("north", {"id": "a/b"}, 400),
        ("north", {"id": "new", "colour": "red"}, 400),
        ("north", {"id": "new", "call_limit": "5"}, 400),
        ("north", {"id": "new", "call_limit": True}, 400),
        ("north", {"id": "new", "call_limit": 1.0}, 400),
        ("north", {"id": "new", "credit_limit_micros": 2**63}, 400),
        ("north", {"id": "new", "valid_from": 20, "valid_till": 10}, 400),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_written(
    web: Web, who: str | None, form: dict[str, object], status: int
) -> None:
    refused = web.client.post(URL, json=form, headers=web.be(who))
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    left = web.client.get(URL, params={"scope": "all"}, headers=web.be("root")).json()["items"]
    assert len(left) == 5


@pytest.mark.bypass("E11")
@pytest.mark.parametrize(
    "body", ['{"id": "x", "id": "y"}', '{"id": "x", "call_limit": NaN}', "{", "[1]", '"x"', ""]
)
def test_a_body_that_is_no_good_json_is_refused(web: Web, body: str) -> None:
    headers = web.be("root") | {"Content-Type": "application/json"}
    assert web.client.post(URL, content=body, headers=headers).status_code == 400
    plain = web.be("root") | {"Content-Type": "text/plain"}
    assert web.client.post(URL, content='{"id": "x", "currency": "BDT"}', headers=plain).status_code == 415


@pytest.mark.bypass("E18")
def test_a_change_needs_the_version_that_was_read(web: Web) -> None:
    north = web.be("north")
    tag = web.client.get(f"{URL}/shop", headers=north).headers["etag"]
    form = {"call_limit": 5}
    assert web.client.patch(f"{URL}/shop", json=form, headers=north).status_code == 428
    changed = web.client.patch(f"{URL}/shop", json=form, headers=north | {"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["call_limit"] == 5
    stale = web.client.patch(f"{URL}/shop", json={"call_limit": 6}, headers=north | {"If-Match": tag})
    assert stale.status_code == 412
    newest = north | {"If-Match": changed.headers["etag"]}
    assert web.client.patch(f"{URL}/shop", json={"call_limit": 6}, headers=newest).status_code == 200


@pytest.mark.bypass("E08")
def test_what_a_parent_loses_its_sub_agents_lose_at_once(web: Web) -> None:
    import sqlite3

    assert web.client.post(URL, json={"id": "one"}, headers=web.be("shop")).status_code == 201
    with sqlite3.connect(web.path) as file:
        file.execute("UPDATE account SET granted = 0 WHERE id = 'north'")
    refused = web.client.post(URL, json={"id": "two"}, headers=web.be("shop"))
    assert refused.status_code == 403
    assert refused.json()["authorization"] == 1


def test_what_was_done_and_what_was_refused_is_in_the_audit_log(web: Web) -> None:
    import sqlite3

    web.client.post(URL, json={"id": "one"}, headers=web.be("shop"))
    web.client.post(URL, json={"id": "two"}, headers=web.be("shop-1"))
    web.client.patch(f"{URL}/south", json={"locked": True}, headers=web.be("north") | {"If-Match": "*"})
    with sqlite3.connect(web.path) as file:
        rows = file.execute("SELECT actor, action, noun, id, authorization, outcome FROM audit").fetchall()
        fed = file.execute("SELECT noun, action, id FROM change WHERE first IS NULL").fetchall()
    assert rows == [
        ("shop", "account.create", "account", "one", 1, "done"),
        ("shop-1", "account.create", "account", "", 1, "refused"),
        ("north", "account.modify", "account", "south", 1, "refused"),
    ]
    assert fed == [("account", "create", "one")]
