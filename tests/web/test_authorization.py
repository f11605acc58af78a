"""The eight authorizations through the API: granted, inherited, reported; approvals of sub-agents."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from sipguard.manage.desk import Rules
from tests.web.conftest import Web

URL = "/api/v1/accounts"
ANY = {"If-Match": "*"}


def grant(web: Web, who: str | None, id: str, *authorizations: str, **form: Any) -> httpx2.Response:
    body = form or {"authorizations": list(authorizations)}
    return web.client.put(f"{URL}/{id}/authorizations", json=body, headers=web.be(who) | ANY)


def held(web: Web, who: str, id: str) -> dict[str, Any]:
    answer = web.client.get(f"{URL}/{id}/authorizations", headers=web.be(who))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_agent_grants_what_it_holds_and_nothing_else(web: Web) -> None:
    assert grant(web, "shop", "shop-1", "account", "sub_payment").status_code == 200
    refused = grant(web, "shop", "shop-1", "account", "phone")
    assert (refused.status_code, refused.json()["authorization"]) == (403, 2)
    assert held(web, "shop-1", "shop-1") == {
        "account_id": "shop-1",
        "granted": ["account", "sub_payment"],
        "inherited": ["account", "sub_payment"],
        "effective": ["account", "sub_payment"],
    }


@pytest.mark.bypass("E08")
def test_what_is_lost_above_is_lost_below_and_can_not_be_granted_on(web: Web) -> None:
    grant(web, "shop", "shop-1", "account", "sub_payment")
    assert grant(web, "root", "north", "sub_payment").status_code == 200
    assert held(web, "shop", "shop-1")["effective"] == ["sub_payment"]
    assert held(web, "shop", "shop-1")["granted"] == ["account", "sub_payment"]
    assert grant(web, "shop", "shop-1").status_code == 403
    assert grant(web, "root", "north", "account", "sub_payment").status_code == 200
    assert held(web, "shop-1", "shop-1")["effective"] == ["account", "sub_payment"]


def test_nobody_is_granted_more_than_the_agents_above_hold(web: Web) -> None:
    refused = grant(web, "root", "shop-1", "account", "gateway", "phone")
    assert refused.status_code == 409
    assert refused.json()["standing_in_the_way"] == ["phone", "gateway"]


@pytest.mark.parametrize(
    ("who", "id", "status"),
    [
        (None, "shop-1", 401),
        ("shop", "shop", 403),
        ("shop-1", "shop-1", 403),
        ("reader", "shop-1", 403),
        ("south", "shop-1", 404),
        ("shop", "north", 404),
        ("shop", "nowhere", 404),
    ],
)
def test_who_may_not_grant(web: Web, who: str | None, id: str, status: int) -> None:
    assert grant(web, who, id, "account").status_code == status


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"authorizations": ["everything"]},
        {"authorizations": ["account"], "template_id": "retail"},
        {"template_id": "platinum"},
        {"authorizations": [1]},
    ],
)
def test_what_is_no_grant(web: Web, form: dict[str, Any]) -> None:
    answer = web.client.put(f"{URL}/shop/authorizations", json=form, headers=web.be("north") | ANY)
    assert answer.status_code == 400, answer.text


@pytest.mark.bypass("E18")
def test_a_grant_needs_the_version_that_was_read(web: Web) -> None:
    north = web.be("north")
    tag = web.client.get(f"{URL}/shop/authorizations", headers=north).headers["etag"]
    url, body = f"{URL}/shop/authorizations", {"authorizations": ["phone"]}
    assert web.client.put(url, json=body, headers=north).status_code == 428
    assert web.client.put(url, json=body, headers=north | {"If-Match": tag}).status_code == 200
    assert web.client.put(url, json=body, headers=north | {"If-Match": tag}).status_code == 412


def test_templates_of_the_program_and_of_operators(web: Web) -> None:
    url = "/api/v1/authorization-templates"
    names = [one["id"] for one in web.client.get(url, headers=web.be("shop")).json()["items"]]
    assert names == ["retail", "wholesale", "calling_card", "sip_trunk_provider", "full_access"]
    silver = {"id": "silver", "authorizations": ["account", "sub_payment", "phone"]}
    assert web.client.post(url, json=silver, headers=web.be("north")).status_code == 403
    made = web.client.post(url, json=silver, headers=web.be("root"))
    assert made.json()["authorizations"] == ["account", "phone", "sub_payment"]
    assert web.client.post(url, json=silver, headers=web.be("root")).status_code == 409
    assert web.client.post(url, json=silver | {"id": "retail"}, headers=web.be("root")).status_code == 409
    assert (
        grant(web, "north", "shop", template_id="silver").json()["granted"] == made.json()["authorizations"]
    )
    less = {"authorizations": ["account"]}
    tagged = web.be("root") | {"If-Match": made.headers["etag"]}
    assert web.client.put(f"{url}/silver", json=less, headers=tagged).status_code == 200
    assert web.client.put(f"{url}/silver", json=less, headers=tagged).status_code == 412
    assert web.client.put(f"{url}/retail", json=less, headers=web.be("root") | ANY).status_code == 409
    assert web.client.delete(f"{url}/silver", headers=web.be("root")).status_code == 204
    assert web.client.get(f"{url}/silver", headers=web.be("root")).status_code == 404
    assert held(web, "north", "shop")["granted"] == ["account", "phone", "sub_payment"]


def test_the_report_says_who_holds_what_and_what_was_not_used(web: Web) -> None:
    web.client.post(URL, json={"id": "shop-2"}, headers=web.be("shop"))
    web.clock[0] += 40 * 86_400_000
    url = "/api/v1/authorizations"
    whole = web.client.get(url, headers=web.be("north")).json()["items"]
    assert [one["account_id"] for one in whole] == ["north", "shop"]
    shop = {one["authorization"]: one["used_ms"] for one in whole[1]["grants"]}
    assert shop == {"account": web.clock[0] - 40 * 86_400_000, "sub_payment": None}
    unused = web.client.get(url, params={"unused_days": 50}, headers=web.be("shop")).json()["items"]
    assert [use["authorization"] for use in unused[0]["grants"]] == ["sub_payment"]
    unused = web.client.get(url, params={"unused_days": 30}, headers=web.be("shop")).json()["items"]
    assert [use["authorization"] for use in unused[0]["grants"]] == ["account", "sub_payment"]


def test_what_exceeds_its_agent_is_found(web: Web) -> None:
    url = "/api/v1/authorizations/excesses"
    assert web.client.get(url, headers=web.be("root")).json()["items"] == []
    grant(web, "root", "north", "phone")
    for id, limit in (("north", 10), ("shop", 20)):
        web.client.patch(f"{URL}/{id}", json={"call_limit": limit}, headers=web.be("root") | ANY)
    found = web.client.get(url, headers=web.be("north")).json()["items"]
    assert found == [
        {
            "account_id": "shop",
            "agent_id": "north",
            "authorizations": ["account", "sub_payment"],
            "limits": ["call_limit"],
        }
    ]
    assert web.client.get(url, headers=web.be("shop")).json()["items"] == []


@pytest.fixture
def strict(web: Web) -> Web:
    web.client.app.state.desk.rules = Rules(sub_agents_need_approval=True)  # type: ignore[attr-defined]
    return web


def ask(web: Web, who: str, **asked: Any) -> httpx2.Response:
    return web.client.post("/api/v1/approvals", json={"reason": "it grows"} | asked, headers=web.be(who))


def decide(web: Web, who: str, number: int, verb: str) -> httpx2.Response:
    body = None if verb == "withdraw" else {"reason": "known to us"}
    return web.client.post(f"/api/v1/approvals/{number}/{verb}", json=body, headers=web.be(who))


def test_a_sub_agent_is_made_when_an_administrator_approves(strict: Web) -> None:
    web = strict
    form = {"id": "new", "agent_id": "shop-1"}
    refused = web.client.post(URL, json=form, headers=web.be("shop"))
    assert refused.status_code == 403
    assert "approve" in refused.json()["detail"]
    assert web.client.post(URL, json={"id": "shop-2"}, headers=web.be("shop")).status_code == 201
    asked = ask(web, "shop", create=form)
    assert asked.status_code == 201, asked.text
    number = asked.json()["number"]
    assert web.client.get(f"{URL}/new", headers=web.be("shop")).status_code == 404
    assert decide(web, "north", number, "approve").status_code == 403
    assert decide(web, "south", number, "withdraw").status_code == 404
    approved = decide(web, "root", number, "approve").json()
    assert (approved["state"], approved["decided_by"], approved["decision"]) == (
        "approved",
        "root",
        "known to us",
    )
    assert web.client.get(f"{URL}/new", headers=web.be("shop")).json()["agent_id"] == "shop-1"
    assert decide(web, "root", number, "approve").status_code == 409
    mine = web.client.get("/api/v1/approvals", headers=web.be("shop")).json()["items"]
    assert [(one["state"], one["decided_by"]) for one in mine] == [("approved", "operator")]
    assert web.client.get("/api/v1/approvals", headers=web.be("south")).json()["items"] == []


def test_grants_and_moves_that_make_a_sub_agent_are_asked_for_too(strict: Web) -> None:
    web = strict
    assert grant(web, "shop", "shop-1", "account").status_code == 403
    assert grant(web, "shop", "shop-1", "sub_payment").status_code == 200
    asked = ask(web, "shop", grant={"account_id": "shop-1", "authorizations": ["account"]})
    assert decide(web, "root", asked.json()["number"], "approve").status_code == 200
    assert held(web, "shop", "shop-1")["granted"] == ["account"]
    web.client.post(URL, json={"id": "shop-2"}, headers=web.be("shop"))
    body = {"agent_id": "shop-1"}
    assert web.client.post(f"{URL}/shop-2/move", json=body, headers=web.be("shop") | ANY).status_code == 403
    asked = ask(web, "shop", move={"account_id": "shop-2", "agent_id": "shop-1"})
    assert decide(web, "root", asked.json()["number"], "refuse").json()["state"] == "refused"
    assert web.client.get(f"{URL}/shop-2", headers=web.be("north")).json()["agent_id"] == "shop"
    asked = ask(web, "shop", move={"account_id": "shop-2", "agent_id": "shop-1"})
    assert decide(web, "shop", asked.json()["number"], "withdraw").json()["state"] == "withdrawn"


def test_an_approval_is_worth_what_the_asker_holds_when_it_is_given(strict: Web) -> None:
    web = strict
    number = ask(web, "shop", create={"id": "new", "agent_id": "shop-1"}).json()["number"]
    grant(web, "root", "shop")
    gone = decide(web, "root", number, "approve")
    assert gone.status_code == 409
    assert web.client.get(f"{URL}/new", headers=web.be("root")).status_code == 404
    assert web.client.get(f"/api/v1/approvals/{number}", headers=web.be("root")).json()["state"] == "pending"


@pytest.mark.parametrize(
    ("who", "asked", "status"),
    [
        ("shop", {}, 400),
        ("shop", {"create": {"id": "x"}, "move": {"account_id": "shop-1", "agent_id": None}}, 400),
        ("shop", {"create": {"id": "south", "agent_id": "shop-1"}}, 409),
        ("shop", {"create": {"id": "x", "agent_id": "stall"}}, 404),
        ("shop-1", {"create": {"id": "x"}}, 403),
        ("root", {"create": {"id": "x"}}, 403),
    ],
)
def test_what_cannot_be_is_not_asked_for(strict: Web, who: str, asked: dict[str, Any], status: int) -> None:
    assert ask(strict, who, **asked).status_code == status
    assert strict.client.get("/api/v1/approvals", headers=strict.be("root")).json()["items"] == []
