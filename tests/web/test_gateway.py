"""Gateways through the API: rights field by field, what agents see, and where they may send us."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.web.conftest import Web

ROUTING = "/api/v1/routing-gateways"
MAPPING = "/api/v1/mapping-gateways"
ANY = {"If-Match": "*"}


def grant(web: Web, account: str, *numbers: int) -> None:
    with closing(sqlite3.connect(web.path)) as file, file:
        granted = sum(1 << (number - 1) for number in numbers)
        file.execute("UPDATE account SET granted = ? WHERE id = ?", (granted, account))


def routing(web: Web, who: str | None, **form: object) -> Any:
    return web.client.post(ROUTING, json={"id": "g1", "host": "198.51.100.7"} | form, headers=web.be(who))


def mapping(web: Web, who: str | None, **form: object) -> Any:
    told = {"id": "m1", "account_id": "shop", "sources": ["8.8.8.0/24"]} | form
    return web.client.post(MAPPING, json=told, headers=web.be(who))


@pytest.fixture
def reachable(web: Web) -> Web:
    """8.8.0.0/16 and the like are public; documentation addresses are not, which the tests use."""
    return web


def test_each_field_asks_for_its_own_authorization(web: Web) -> None:
    assert routing(web, "north", host="8.8.4.4").status_code == 201
    url = f"{ROUTING}/g1"
    for numbers, form, status in (
        ((4,), {"port": 5070}, 403),
        ((4,), {"capacity": 5}, 403),
        ((5,), {"port": 5070}, 200),
        ((5,), {"capacity": 5}, 403),
        ((5,), {"capacity": 5, "port": 5071}, 403),
        ((6,), {"capacity": 5}, 200),
        ((6,), {"capacity": 5, "port": 5071}, 403),
        ((6,), {"capacity": 6, "port": 5070}, 200),  # its port is what it was
        ((5, 6), {"capacity": 7, "port": 5072}, 200),
        ((5, 6), {"cost_table_id": "north-sells"}, 403),
        ((5, 6), {"takes_refer": True}, 403),
    ):
        grant(web, "north", *numbers)
        done = web.client.patch(url, json=form, headers=web.be("north") | ANY)
        assert done.status_code == status, (numbers, form, done.text)
    grant(web, "north", 5, 6)
    assert web.client.delete(url, headers=web.be("north") | ANY).json()["authorization"] == 4
    assert routing(web, "north", id="g2", host="8.8.4.4").json()["authorization"] == 4
    seen = web.client.get(url, headers=web.be("root")).json()
    assert (seen["owner_id"], seen["port"], seen["capacity"]) == ("north", 5072, 7)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "localhost", "a.localhost",
        "db.internal", "x.local",
    ],
)  # fmt: skip
def test_no_agent_sends_us_into_our_own_network(web: Web, host: str) -> None:
    refused = routing(web, "north", host=host)
    assert refused.status_code == 400, refused.text
    assert routing(web, "root", host=host).status_code == 201, "the operator may"
    mine = routing(web, "north", id="mine", host="8.8.4.4")
    assert mine.status_code == 201, mine.text
    moved = web.client.patch(f"{ROUTING}/mine", json={"host": host}, headers=web.be("north") | ANY)
    assert moved.status_code == 400


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        (None, {}, 401),
        ("shop", {"host": "8.8.4.4"}, 403),
        ("reader", {}, 403),
        ("north", {"host": "8.8.4.4", "owner_id": "south"}, 404),
        ("north", {"host": "8.8.4.4", "owner_id": "shop"}, 201),
        ("north", {"host": "8.8.4.4", "trusted": True}, 403),
        ("north", {"host": "8.8.4.4", "vendor_credit_micros": 5}, 403),
        ("root", {"cost_table_id": "north-sells"}, 400),
        ("root", {"port": 0}, 400),
        ("root", {"port": "5060"}, 400),
        ("root", {"host": "a b"}, 400),
        ("root", {"host": ""}, 400),
        ("root", {"transport": "sctp"}, 400),
        ("root", {"add_prefix": "+44"}, 400),
        ("root", {"failover_codes": [486]}, 400),
        ("root", {"failover_codes": [200]}, 400),
        ("root", {"routes": [{"prefix": "x"}]}, 400),
        ("root", {"routes": [{"prefix": "44", "mode": "perhaps"}]}, 400),
        ("root", {"routes": [{"prefix": "44", "weight": 0}]}, 400),
        ("root", {"routes": [{"prefix": "44"}, {"prefix": "44"}]}, 400),
        ("root", {"routes": [{"prefix": "44", "mode": "continue"}, {"prefix": ""}]}, 201),
    ],
)
def test_what_a_routing_gateway_is_made_of(
    web: Web, who: str | None, form: dict[str, object], status: int
) -> None:
    made = routing(web, who, **form)
    assert made.status_code == status, made.text


@pytest.mark.bypass("E38")
def test_agents_see_their_own_gateways_and_no_cost(web: Web) -> None:
    assert routing(web, "root", id="vendor").status_code == 201
    assert routing(web, "north", id="of-north", host="8.8.4.4").status_code == 201
    assert routing(web, "south", id="of-south", host="8.8.4.4").status_code == 201
    for who, ids in (
        ("north", ["of-north"]),
        ("south", ["of-south"]),
        ("shop", []),
        ("root", ["of-north", "of-south", "vendor"]),
    ):
        seen = web.client.get(ROUTING, headers=web.be(who)).json()["items"]
        assert [each["id"] for each in seen] == ids
    for who, id in (("north", "vendor"), ("north", "of-south"), ("shop", "of-north")):
        foreign = web.client.get(f"{ROUTING}/{id}", headers=web.be(who))
        none = web.client.get(f"{ROUTING}/nowhere", headers=web.be(who))
        assert foreign.status_code == none.status_code == 404
        assert foreign.text.replace(id, "nowhere") == none.text


def test_numbers_are_tried(web: Web) -> None:
    assert routing(web, "north", host="8.8.4.4", strip_digits=2, add_prefix="00").status_code == 201
    tried = web.client.post(
        f"{ROUTING}/g1/test-number", json={"number": "+442079460000"}, headers=web.be("north")
    )
    assert tried.json()["number"] == "002079460000"
    assert (
        web.client.post(
            f"{ROUTING}/g1/test-number", json={"number": "x"}, headers=web.be("north")
        ).status_code
        == 400
    )
    assert (
        web.client.post(
            f"{ROUTING}/g1/test-number", json={"number": "44"}, headers=web.be("south")
        ).status_code
        == 404
    )
    plan = {"country_code": "44", "national_prefix": "0", "international_prefixes": ["00"]}
    assert mapping(web, "north", **plan).status_code == 201
    for dialled, read in (("02079460000", "442079460000"), ("0033142685300", "33142685300"), ("abc", None)):
        tried = web.client.post(
            f"{MAPPING}/m1/test-number", json={"number": dialled}, headers=web.be("north")
        )
        assert tried.json()["number"] == read


def test_numbers_are_tried_step_by_step(web: Web) -> None:
    """As calls are judged by: the trunk's rules, its plan, every level's sections, the vendor's rules."""
    rules = {"called_rewrite": ["9*:*"], "caller_rewrite": ["8*:*"], "country_code": "44"}
    assert mapping(web, "north", **rules, national_prefix="0").status_code == 201
    sent = {"called_rewrite": ["44*:0*"], "caller_rewrite": ["44*:870*"], "add_prefix": "77"}
    plan = {"country_code": "44", "national_prefix": "0"}
    assert routing(web, "north", host="8.8.4.4", **sent, **plan).status_code == 201

    def tried(who: str, **form: object) -> Any:
        asked = {"number": "902079460000", "caller": "802079461111"} | form
        return web.client.post(f"{MAPPING}/m1/test-number", json=asked, headers=web.be(who))

    def steps(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(one["step"], one["number"], one["rule"]) for one in told]

    told = tried("north", routing_gateway_id="g1").json()
    assert (told["number"], told["refusal"]) == ("7702079460000", None)
    assert steps(told["called"]) == [
        ("received", "902079460000", None),
        ("rewritten", "02079460000", "9*:*"),
        ("judged", "442079460000", None),
        ("rewritten_for_gateway", "02079460000", "44*:0*"),
        ("sent", "7702079460000", None),
    ]
    assert steps(told["caller"]) == [
        ("received", "802079461111", None),
        ("rewritten", "02079461111", "8*:*"),
        ("judged", "442079461111", None),
        ("sent", "8702079461111", "44*:870*"),
    ]
    assert tried("shop", routing_gateway_id="g1").status_code == 404, "the gateway is its agent's"
    assert tried("south").status_code == 404
    # A section of the agent: the vendor's rule does not lead around it, and who is below sees that alone.
    blocks = {
        "calling": [{"action": "block", "prefix": "870"}],
        "called": [{"action": "block", "prefix": "33"}],
    }
    url = "/api/v1/accounts/north/sections"
    assert web.client.put(url, json=blocks, headers=web.be("root") | ANY).status_code == 200
    told = tried("north", routing_gateway_id="g1").json()
    assert (told["refusal"], told["refusal_level"], told["number"]) == ("section_blocked", "north", None)
    told = tried("shop", number="90033142685300").json()
    assert (told["refusal"], told["number"]) == ("bad_number", None)
    told = tried("shop", number="9+33142685300").json()
    assert told["refusal"] == "bad_number"
    for who, level in (("north", "north"), ("shop", "above")):
        told = tried(who, number="933142685300").json()
        assert (told["refusal"], told["refusal_level"]) == ("section_blocked", level)
        assert (told["refusal_rule"] is None) == (who == "shop")


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        (["00*:*", "*:9*"], 201),
        (["*:9*:"], 400),
        (["x:1"], 400),
        (["1:?"], 400),
        ("00*:*", 400),
        (["00*:*"] * 101, 400),
    ],
)
def test_rules_are_read_when_they_are_written(web: Web, rules: object, status: int) -> None:
    for make in (routing, mapping):
        for field in ("called_rewrite", "caller_rewrite"):
            network = "8.8.8.0/28" if field == "called_rewrite" else "8.8.8.128/28"
            told = {"id": field, field: rules} | ({"sources": [network]} if make is mapping else {})
            made = make(web, "root", **told)
            assert made.status_code == status, made.text
            if status == 400:
                assert made.json()["problems"][0]["field"].startswith(field)


def test_rules_are_information_and_a_plus_stands_alone(web: Web) -> None:
    assert routing(web, "north", host="8.8.4.4").status_code == 201
    assert mapping(web, "north").status_code == 201
    for url in (f"{ROUTING}/g1", f"{MAPPING}/m1"):
        for numbers, status in (((4, 6), 403), ((5,), 200)):
            grant(web, "north", *numbers)
            done = web.client.patch(url, json={"called_rewrite": ["44*:+44*"]}, headers=web.be("north") | ANY)
            assert done.status_code == status, done.text
        assert web.client.get(url, headers=web.be("root")).json()["called_rewrite"] == ["44*:+44*"]
    hidden = web.client.patch(f"{ROUTING}/g1", json={"add_prefix": "9"}, headers=web.be("root") | ANY)
    assert hidden.status_code == 400
    assert hidden.json()["problems"][0]["field"] == "called_rewrite"


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        ("north", {}, 201),
        ("north", {"account_id": "south"}, 404),
        ("shop", {}, 403),
        ("north", {"sources": []}, 400),
        ("north", {"sources": [], "username": "trunk"}, 201),
        ("north", {"sources": ["0.0.0.0/0"]}, 400),
        ("north", {"sources": ["8.8.0.0/16"]}, 400),
        ("north", {"sources": ["10.0.0.1"]}, 400),
        ("north", {"sources": ["127.0.0.1"]}, 400),
        ("root", {"sources": ["10.0.0.1"]}, 201),
        ("root", {"sources": ["::ffff:10.0.0.1"]}, 400),
        ("north", {"sources": ["9.9.9.9"]}, 409),
        ("north", {"sources": ["9.9.9.128/25"]}, 409),
        ("north", {"trusted": True}, 403),
        ("north", {"routing_gateway_ids": []}, 403),
        ("north", {"caller_prefixes": ["44"]}, 403),
        ("root", {"routing_gateway_ids": ["nowhere"]}, 400),
        ("root", {"national_prefix": "0"}, 400),
        ("root", {"country_code": "0"}, 400),
    ],
)
def test_what_a_mapping_gateway_is_made_of(web: Web, who: str, form: dict[str, object], status: int) -> None:
    taken = {"id": "theirs", "account_id": "south", "sources": ["9.9.9.0/24"]}
    assert mapping(web, "root", **taken).status_code == 201
    made = mapping(web, who, **form)
    assert made.status_code == status, made.text


def test_a_trunk_changes_and_goes(web: Web) -> None:
    made = mapping(web, "north", username="trunk")
    password = made.json()["credential"]["password"]
    assert len(password) == 20
    url = f"{MAPPING}/m1"
    assert password not in web.client.get(url, headers=web.be("north")).text
    changed = web.client.patch(
        url, json={"sources": ["8.8.4.0/24"], "capacity": 3}, headers=web.be("north") | ANY
    )
    assert (changed.json()["sources"], changed.json()["capacity"]) == (["8.8.4.0/24"], 3)
    assert web.client.patch(url, json={"capacity": 4}, headers=web.be("stall") | ANY).status_code == 404
    assert web.client.get(url, headers=web.be("shop-1")).status_code == 404
    assert web.client.get(url, headers=web.be("shop")).status_code == 200
    again = web.client.post(f"{url}/password", json={"username": "other"}, headers=web.be("north"))
    assert again.json()["username"] == "other"
    assert (
        web.client.delete(url, headers=web.be("north") | {"If-Match": made.headers["etag"]}).status_code
        == 412
    )
    assert web.client.delete(url, headers=web.be("north") | ANY).status_code == 204
    assert mapping(web, "north", username="other").status_code == 201, "source and username are free again"
