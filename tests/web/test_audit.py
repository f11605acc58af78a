"""The audit log through the API: in scope, and without the names of those above."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import Web

URL = "/api/v1/audit"
ANY = {"If-Match": "*"}


def entries(web: Web, who: str, **params: Any) -> list[tuple[str, str, str]]:
    answer = web.client.get(URL, params=params, headers=web.be(who))
    assert answer.status_code == 200, answer.text
    return [(one["actor"], one["action"], one["id"]) for one in answer.json()["items"]]


def change(web: Web, who: str, id: str, **form: Any) -> None:
    web.client.patch(f"/api/v1/accounts/{id}", json=form, headers=web.be(who) | ANY)


def test_everybody_reads_of_its_own_and_below_and_no_names_of_those_above(web: Web) -> None:
    change(web, "root", "shop", memo="pays late")
    change(web, "north", "shop", call_limit=5)
    change(web, "shop", "shop-1", call_limit=4)
    change(web, "south", "stall", call_limit=3)
    assert entries(web, "root") == [
        ("south", "account.modify", "stall"),
        ("shop", "account.modify", "shop-1"),
        ("north", "account.modify", "shop"),
        ("root", "account.modify", "shop"),
    ]
    assert entries(web, "north") == [
        ("shop", "account.modify", "shop-1"),
        ("north", "account.modify", "shop"),
        ("operator", "account.modify", "shop"),
    ]
    assert entries(web, "shop") == [
        ("shop", "account.modify", "shop-1"),
        ("agent above", "account.modify", "shop"),
        ("operator", "account.modify", "shop"),
    ]
    shown = web.client.get(URL, headers=web.be("shop")).json()["items"]
    assert [bool(one["detail"]) for one in shown] == [True, False, False]
    assert "pays late" not in web.client.get(URL, headers=web.be("shop")).text


def test_filters_find_nothing_that_is_not_shown(web: Web) -> None:
    change(web, "north", "shop", call_limit=5)
    web.clock[0] += 1_000
    change(web, "shop", "shop-1", call_limit=4)
    change(web, "shop", "stall", call_limit=4)
    assert entries(web, "shop", by="north") == []
    assert len(entries(web, "shop", by="shop")) == 2
    assert entries(web, "north", by="north") == [("north", "account.modify", "shop")]
    assert entries(web, "shop", outcome="refused") == [("shop", "account.modify", "stall")]
    assert entries(web, "root", until_ms=web.clock[0]) == [("north", "account.modify", "shop")]
    assert entries(web, "root", since_ms=web.clock[0], outcome="done") == [
        ("shop", "account.modify", "shop-1")
    ]
    assert entries(web, "north", account_id="shop", scope="own", outcome="done") == [
        ("north", "account.modify", "shop")
    ]
    assert entries(web, "root", authorization=2) == []
    assert web.client.get(URL, params={"account_id": "south"}, headers=web.be("north")).status_code == 404
    assert web.client.get(URL).status_code == 401


def test_pages_go_back_in_time(web: Web) -> None:
    for limit in range(5):
        change(web, "north", "shop", call_limit=limit)
    whole = web.client.get(URL, headers=web.be("north")).json()["items"]
    first = web.client.get(URL, params={"limit": 3}, headers=web.be("north")).json()
    rest = web.client.get(URL, params={"cursor": first["next_cursor"]}, headers=web.be("north")).json()
    assert first["items"] + rest["items"] == whole
    assert [one["detail"]["after"]["call_limit"] for one in whole] == [4, 3, 2, 1, 0]
