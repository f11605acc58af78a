"""Phones and number ranges through the API."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sipguard.model.configuration import REALM
from sipguard.model.credential import hashed
from tests.web.conftest import Web

URL = "/api/v1/phones"
RANGES = "/api/v1/number-ranges"


def give(web: Web, who: str, id: str, account: str, first: str, last: str) -> Any:
    form = {"id": id, "account_id": account, "first": first, "last": last}
    return web.client.post(RANGES, json=form, headers=web.be(who))


def make(web: Web, who: str | None, **form: object) -> Any:
    return web.client.post(URL, json={"id": "p1", "account_id": "shop-1"} | form, headers=web.be(who))


def test_a_made_up_password_is_told_once_and_never_again(web: Web) -> None:
    made = make(web, "north")
    assert made.status_code == 201, made.text
    told = made.json()["credential"]
    assert told["username"] == "p1"
    with closing(sqlite3.connect(web.path)) as file:
        (kept,) = file.execute("SELECT ha1_md5 FROM credential WHERE username = 'p1'").fetchone()
        everything = " ".join(map(str, file.execute("SELECT detail FROM audit").fetchall()))
    assert kept == hashed("p1", REALM, told["password"]).ha1_md5
    assert told["password"] not in everything
    seen = web.client.get(f"{URL}/p1", headers=web.be("north"))
    assert "password" not in seen.json()
    assert kept not in seen.text
    changed = web.client.post(
        f"{URL}/p1/password", json={"password": "chosen by me"}, headers=web.be("north")
    )
    assert changed.json() == {"id": "p1", "username": "p1", "password": None}
    with closing(sqlite3.connect(web.path)) as file:
        (now,) = file.execute("SELECT ha1_md5 FROM credential WHERE username = 'p1'").fetchone()
    assert now == hashed("p1", REALM, "chosen by me").ha1_md5


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        (None, {}, 401),
        ("shop", {}, 403),
        ("reader", {}, 403),
        ("north", {"account_id": "south"}, 404),
        ("north", {"account_id": "nowhere"}, 404),
        ("north", {"password": "short"}, 400),
        ("north", {"numbers": ["0441"]}, 400),
        ("north", {"numbers": ["441"]}, 400),  # no range
        ("root", {"numbers": ["441", "441"]}, 400),
        ("north", {"sources": ["192.0.2.1/24"]}, 400),
        ("north", {"contact_limit": 0}, 400),
        ("north", {"caller_check": "maybe"}, 400),
        ("north", {"username": 'a"b'}, 400),
        ("north", {"colour": 1}, 400),
    ],
)
def test_what_no_phone_is_made_of(web: Web, who: str | None, form: dict[str, object], status: int) -> None:
    assert make(web, who, **form).status_code == status
    assert web.client.get(URL, headers=web.be("root")).json()["items"] == []


def test_numbers_come_from_every_range_of_the_chain(web: Web) -> None:
    assert give(web, "root", "n", "north", "4420000", "4420999").status_code == 201
    assert make(web, "north", numbers=["4420500"]).status_code == 201, "inherited"
    assert give(web, "north", "s", "shop", "4420100", "4420199").status_code == 201
    assert make(web, "north", id="p2", numbers=["4420200"]).status_code == 400, "narrowed"
    assert make(web, "north", id="p2", numbers=["4420150", "4420151"]).status_code == 201
    assert make(web, "north", id="p3", numbers=["44201500"]).status_code == 400, "longer"
    assert make(web, "north", id="p3", numbers=["4420150"]).status_code == 409, "taken"
    assert make(web, "south", id="p4", account_id="stall", numbers=["4420160"]).status_code == 400
    for who, status in (("north", 409), ("shop", 403), ("south", 404)):
        assert web.client.delete(f"{RANGES}/s", headers=web.be(who)).status_code == status, who
    kept = {"numbers": ["4420500"], "lock": "all"}
    assert (
        web.client.patch(f"{URL}/p1", json=kept, headers=web.be("north") | {"If-Match": "*"}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("who", "account", "first", "last", "status"),
    [
        ("north", "north", "4420", "4421", 403),
        ("north", "shop", "4430", "4431", 400),
        ("north", "shop", "4429", "4430", 400),
        ("north", "shop", "4421", "4420", 400),
        ("north", "shop", "442", "4429", 400),
        ("north", "south", "4420", "4421", 404),
        ("shop", "shop-1", "4420", "4421", 403),
        ("north", "shop", "4420", "4429", 201),
    ],
)
def test_ranges_are_handed_down(web: Web, who: str, account: str, first: str, last: str, status: int) -> None:
    assert give(web, "root", "n", "north", "4420", "4429").status_code == 201
    assert give(web, who, "x", account, first, last).status_code == status


def test_a_phone_is_seen_changed_and_removed_in_scope_alone(web: Web) -> None:
    assert make(web, "north", call_limit=2).status_code == 201
    for who in ("south", "stall"):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/registrations")):
            headers = web.be(who) | {"If-Match": "*"}
            assert web.client.request(method, f"{URL}/p1{path}", headers=headers).status_code in (403, 404)
        assert web.client.get(URL, headers=web.be(who)).json()["items"] == []
        assert web.client.get(f"{URL}/p1", headers=web.be(who)).status_code == 404
    found = web.client.get(f"{URL}/p1", headers=web.be("shop-1"))
    assert (found.json()["account_id"], found.json()["call_limit"]) == ("shop-1", 2)
    tag = {"If-Match": found.headers["etag"]}
    form = {"lock": "incoming", "sources": ["192.0.2.0/24"]}
    changed = web.client.patch(f"{URL}/p1", json=form, headers=web.be("north") | tag)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["lock"], changed.json()["sources"], changed.json()["call_limit"]) == (
        "incoming",
        ["192.0.2.0/24"],
        2,
    )
    assert web.client.delete(f"{URL}/p1", headers=web.be("north") | tag).status_code == 412
    assert web.client.delete(f"{URL}/p1", headers=web.be("north") | {"If-Match": "*"}).status_code == 204
    assert web.client.get(f"{URL}/p1", headers=web.be("north")).status_code == 404
    assert make(web, "north").status_code == 201, "its id, username and numbers are free again"
