"""The navigation tree: one level at a time, within the scope of the login."""

from __future__ import annotations

from tests.web.conftest import Web


def level(web: Web, who: str, **params: str) -> list[tuple[str, int]]:
    page = web.client.get("/api/v1/tree", params=params, headers=web.be(who)).json()
    return [(node["id"], node["direct_count"]) for node in page["items"]]


def test_a_level_shows_who_has_something_below(web: Web) -> None:
    assert level(web, "root") == [("north", 1), ("south", 1)]
    assert level(web, "root", agent_id="north") == [("shop", 1)]
    assert level(web, "north") == [("shop", 1)]
    assert level(web, "north", agent_id="shop") == [("shop-1", 0)]


def test_a_foreign_agent_has_no_level(web: Web) -> None:
    answer = web.client.get("/api/v1/tree", params={"agent_id": "south"}, headers=web.be("north"))
    assert answer.status_code == 404


def test_who_is_signed_in_learns_what_it_may_do(web: Web) -> None:
    form = {"username": "shop", "password": "password of shop"}
    told = web.client.post("/api/v1/session", json=form).json()
    assert told["account_id"] == "shop"
    assert told["authorizations"] == ["account", "sub_payment"]
