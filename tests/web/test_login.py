"""Logins and API keys: who manages whose, and what a key is good for."""

from __future__ import annotations

import sqlite3

import pytest

from tests.web.conftest import START_MS, Web

URL = "/api/v1/logins"
NEW = {"username": "anna", "account_id": "shop-1", "password": "good enough for all"}


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("root", ["helper", "north", "reader", "root", "shop", "shop-1", "south", "stall"]),
        ("reader", ["helper", "north", "reader", "root", "shop", "shop-1", "south", "stall"]),
        ("north", ["north", "shop", "shop-1"]),
        ("shop-1", ["shop-1"]),
    ],
)
def test_logins_of_the_scope_are_listed(web: Web, who: str, seen: list[str]) -> None:
    listed = web.client.get(URL, headers=web.be(who)).json()["items"]
    assert [one["username"] for one in listed] == seen
    assert not any("hash" in name or "secret" in name for one in listed for name in one)


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        ("north", NEW, 201),
        ("shop", NEW, 201),
        ("root", NEW | {"role": "support", "account_id": None}, 201),
        ("shop-1", NEW, 403),
        ("reader", NEW, 403),
        ("helper", NEW, 403),
        (None, NEW, 401),
        ("south", NEW, 404),
        ("north", NEW | {"account_id": "nowhere"}, 404),
        ("shop", NEW | {"account_id": "north"}, 404),
        ("north", NEW | {"role": "viewer", "account_id": None}, 403),
        ("north", NEW | {"role": "administrator", "account_id": None}, 403),
        ("north", NEW | {"role": "administrator"}, 400),
        ("root", NEW | {"account_id": None}, 400),
        ("root", NEW | {"username": "NORTH"}, 409),
        ("north", NEW | {"username": "a b"}, 400),
        ("north", NEW | {"password": "short"}, 400),
        ("north", NEW | {"password": "anna-anna-anna"}, 400),
    ],
)
def test_who_makes_which_login(web: Web, who: str | None, form: dict[str, object], status: int) -> None:
    made = web.client.post(URL, json=form, headers=web.be(who))
    assert made.status_code == status, made.text
    with sqlite3.connect(web.path) as file:
        (count,) = file.execute("SELECT count(*) FROM login").fetchone()
        (details,) = file.execute("SELECT group_concat(detail) FROM audit").fetchone()
    assert count == (9 if status == 201 else 8)
    assert str(form["password"]) not in (details or "")


def test_a_locked_login_is_nobody_at_once(web: Web) -> None:
    shop = {"username": "shop", "password": "password of shop"}
    assert web.client.post("/api/v1/session", json=shop).status_code == 201
    tag = web.client.get(f"{URL}/shop", headers=web.be("north")).headers["etag"]
    lock = web.client.patch(f"{URL}/shop", json={"locked": True}, headers=web.be("north") | {"If-Match": tag})
    assert lock.json()["locked"] is True
    assert web.client.get("/api/v1/session").status_code == 401
    assert web.client.get(URL, headers=web.be("shop")).status_code == 401
    assert web.client.post("/api/v1/session", json=shop).status_code == 401
    stale = web.client.patch(
        f"{URL}/shop", json={"locked": False}, headers=web.be("north") | {"If-Match": tag}
    )
    assert stale.status_code == 412


def test_nobody_takes_itself_or_the_last_administrator_away(web: Web) -> None:
    any_version = {"If-Match": "*"}
    for who in ("root", "north"):
        assert web.client.delete(f"{URL}/{who}", headers=web.be(who)).status_code == 409
        lock = web.client.patch(f"{URL}/{who}", json={"locked": True}, headers=web.be(who) | any_version)
        assert lock.status_code == 409
    form = NEW | {"username": "deputy", "role": "administrator", "account_id": None, "must_change": False}
    assert web.client.post(URL, json=form, headers=web.be("root")).status_code == 201
    key = web.client.post(f"{URL}/deputy/keys", json={"name": "k"}, headers=web.be("root")).json()["text"]
    deputy = {"Authorization": f"Bearer {key}"}
    assert web.client.delete(f"{URL}/root", headers=deputy).status_code == 204
    assert web.client.get(URL, headers=web.be("root")).status_code == 401, "its keys went with it"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/keys"), ("DELETE", "/keys/1")]
)
def test_foreign_logins_and_staff_are_not_there(web: Web, method: str, path: str) -> None:
    told = []
    for username in ("south", "root", "nobody-at-all"):
        answer = web.client.request(method, f"{URL}/{username}{path}", headers=web.be("north"))
        assert answer.status_code == 404
        told.append(answer.text.replace(username, "X"))
    assert len(set(told)) == 1


def key(web: Web, who: str, **form: object) -> dict[str, str]:
    """A key that somebody above made for `who`, as a header."""
    made = web.client.post(f"{URL}/{who}/keys", json={"name": "k"} | form, headers=web.be("root"))
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['text']}"}


@pytest.mark.bypass("E34")
def test_a_key_that_may_only_read_changes_nothing(web: Web) -> None:
    only_reads = key(web, "north", read_only=True)
    assert web.client.get("/api/v1/accounts", headers=only_reads).status_code == 200
    assert web.client.post("/api/v1/accounts", json={"id": "new"}, headers=only_reads).status_code == 403
    assert web.client.delete(f"{URL}/shop", headers=only_reads).status_code == 403


@pytest.mark.bypass("E34")
def test_a_key_is_for_the_nouns_that_it_was_made_for(web: Web) -> None:
    for_accounts = key(web, "north", nouns=["accounts"])
    assert web.client.get("/api/v1/accounts", headers=for_accounts).status_code == 200
    assert web.client.get(URL, headers=for_accounts).status_code == 403
    for_logins = key(web, "north", nouns=["logins"])
    assert web.client.get(URL, headers=for_logins).status_code == 200
    made = web.client.post(f"{URL}/shop/keys", json={"name": "more"}, headers=for_logins)
    assert made.status_code == 403, "a key makes none that may do more"


def test_a_key_ends_and_tells_when_it_was_used(web: Web) -> None:
    ends = key(web, "north", expires_ms=START_MS + 60_000)
    web.clock[0] += 59_999
    assert web.client.get(URL, headers=ends).status_code == 200
    (newest, *_) = web.client.get(f"{URL}/north/keys", headers=web.be("north")).json()
    assert newest["seen_ms"] == START_MS + 59_999
    assert "text" not in newest
    assert "secret_hash" not in newest
    web.clock[0] += 1
    assert web.client.get(URL, headers=ends).status_code == 401
    past = {"name": "k", "expires_ms": START_MS}
    assert web.client.post(f"{URL}/north/keys", json=past, headers=web.be("root")).status_code == 400


def test_a_key_makes_no_key_of_its_own_login_and_a_person_does(web: Web) -> None:
    assert (
        web.client.post(f"{URL}/shop-1/keys", json={"name": "k"}, headers=web.be("shop-1")).status_code == 403
    )
    token = web.client.post(
        "/api/v1/session", json={"username": "shop-1", "password": "password of shop-1"}
    ).json()["csrf_token"]
    signed = {"X-CSRF-Token": token}
    made = web.client.post(f"{URL}/shop-1/keys", json={"name": "k"}, headers=signed)
    assert made.status_code == 201
    mine = {"Authorization": f"Bearer {made.json()['text']}", "Cookie": ""}
    assert web.client.get(f"{URL}/shop-1", headers=mine).status_code == 200
    gone = web.client.delete(f"{URL}/shop-1/keys/{made.json()['id']}", headers=signed)
    assert gone.status_code == 204
    assert web.client.get(f"{URL}/shop-1", headers=mine).status_code == 401


@pytest.mark.bypass("E24")
@pytest.mark.parametrize("text", ["", "sg", "sg_", "sg_x_y", "sg_{id}_wrong", "xx_{id}_{secret}", "sg_{id}"])
def test_what_is_no_key_is_answered_alike(web: Web, text: str) -> None:
    _, id, secret = web.keys["north"].split("_", 2)
    header = {"Authorization": f"Bearer {text.format(id=id, secret=secret)}"}
    refused = web.client.get(URL, headers=header)
    assert refused.status_code == 401
    assert refused.json()["detail"] == "this key is nobody's, or not any more"
    assert "WWW-Authenticate" in refused.headers
