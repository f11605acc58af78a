"""Guessing is slowed down, nobody is kept out by it; second factors; what a session may do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import threading
import time

import httpx2
import pyotp
import pytest
from argon2.exceptions import VerificationError
from starlette.testclient import TestClient

from sipguard.manage import lockout, password
from sipguard.manage.desk import Desk
from sipguard.manage.session import SEEN_EVERY_MS
from sipguard.store import database
from sipguard.web import app
from tests.web.conftest import START_MS, Web

URL = "/api/v1/session"
SHOP = {"username": "shop", "password": "password of shop"}


def browser(web: Web, host: str) -> TestClient:
    """Another one, at another address."""
    made = TestClient(web.client.app, "http://sipguard.test", client=(host, 50_000))
    made.portal = web.client.portal  # the loop that the database belongs to
    return made


def guess(client: TestClient, username: str = "shop") -> int:
    answer = client.post(URL, json={"username": username, "password": "something else"})
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code


@pytest.mark.parametrize("username", ["shop", "nobody-at-all"])
def test_guesses_wait_longer_and_longer_whoever_is_guessed_at(web: Web, username: str) -> None:
    attacker = browser(web, "192.0.2.1")
    statuses = [guess(attacker, username) for _ in range(lockout.FREE + 1)]
    assert statuses == [401] * lockout.FREE + [429]
    for wait_seconds in (1, 2, 4, 8):
        refused = attacker.post(URL, json={"username": username, "password": "something else"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == str(wait_seconds)
        web.clock[0] += wait_seconds * 1000
        assert guess(attacker, username) == 401
    web.clock[0] += lockout.WINDOW_MS
    assert guess(attacker, username) == 401


def test_guesses_from_elsewhere_keep_nobody_out(web: Web) -> None:
    attacker, owner = browser(web, "192.0.2.1"), browser(web, "192.0.2.2")
    for _ in range(lockout.FREE + 3):
        guess(attacker)
    assert attacker.post(URL, json=SHOP).status_code == 429
    assert owner.post(URL, json=SHOP).status_code == 201


def test_guesses_from_the_same_address_do_not_hurt_a_known_browser(web: Web) -> None:
    owner, attacker, stranger = (browser(web, "192.0.2.2") for _ in range(3))
    assert owner.post(URL, json=SHOP).status_code == 201
    for number in range(lockout.FREE_PLACE + 20):
        guess(attacker, f"name-{number}")
    for _ in range(lockout.FREE + 3):
        guess(attacker)
    assert stranger.post(URL, json=SHOP).status_code == 429
    assert owner.post(URL, json=SHOP).status_code == 201
    # And the cookie of a browser is good for guesses at its own login only, and not for many.
    assert owner.post(URL, json=SHOP | {"username": "north"}).status_code == 429
    assert [guess(owner) for _ in range(lockout.FREE + 1)][-1] == 429


def test_many_names_from_one_address_wait_too(web: Web) -> None:
    attacker = browser(web, "192.0.2.1")
    statuses = [guess(attacker, f"name-{number}") for number in range(lockout.FREE_PLACE + 2)]
    assert statuses[: lockout.FREE_PLACE] == [401] * lockout.FREE_PLACE
    assert statuses[-1] == 429


def test_who_signs_in_begins_anew(web: Web) -> None:
    client = browser(web, "192.0.2.1")
    for _ in range(3):
        assert [guess(client) for _ in range(lockout.FREE - 1)] == [401] * (lockout.FREE - 1)
        assert client.post(URL, json=SHOP).status_code == 201
        web.clock[0] += 1000


def test_a_network_of_ipv6_is_one_place() -> None:
    assert lockout.place_of("2001:db8::1") == lockout.place_of("2001:db8::ffff:1")
    assert lockout.place_of("2001:db8:0:1::1") != lockout.place_of("2001:db8::1")
    assert lockout.place_of("::ffff:192.0.2.1") == lockout.place_of("192.0.2.1") == "192.0.2.1"


def test_a_flood_of_sign_ins_is_turned_away_instead_of_queued(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, come = password.AT_A_TIME + password.WAITING_MAX, 40
    turned_away = threading.Event()

    class Slow:
        """As slow as it takes until those beyond the queue have their answer."""

        def verify(self, _hash: str, _password: str) -> None:
            assert turned_away.wait(60)
            raise VerificationError

    monkeypatch.setattr(password, "_HASHER", Slow())
    statuses: list[int] = []

    async def flood() -> None:
        store = database.open(web.path)
        application = app.build(Desk(store, clock_ms=lambda: START_MS))

        async def one(number: int) -> None:
            transport = httpx2.ASGITransport(application, client=(f"192.0.2.{number}", 1))
            async with httpx2.AsyncClient(transport=transport, base_url="http://sipguard.test") as client:
                statuses.append((await client.post(URL, json=SHOP)).status_code)
            if len(statuses) == come - room:
                turned_away.set()

        try:
            await asyncio.gather(*(one(number) for number in range(come)))
        finally:
            turned_away.set()
            await store.close()

    asyncio.run(flood())
    assert statuses == [503] * (come - room) + [401] * room


@pytest.mark.bypass("E24")
def test_an_unknown_name_takes_as_long_as_a_wrong_password(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure that counts needs many tries: SIGN_IN_TRIES=2000 prints and holds it."""
    tries = int(os.environ.get("SIGN_IN_TRIES", "3"))
    monkeypatch.setattr(lockout, "FREE", 10**9)
    monkeypatch.setattr(lockout, "FREE_PLACE", 10**9)
    took: dict[str, list[float]] = {"shop": [], "nope": []}
    bodies = set()
    for _ in range(tries):
        for username, times in took.items():
            began = time.perf_counter()
            answer = web.client.post(URL, json={"username": username, "password": "something else"})
            times.append(time.perf_counter() - began)
            bodies.add((answer.status_code, answer.text))
    assert len(bodies) == 1
    known, unknown = (statistics.median(times) for times in took.values())
    difference = abs(known - unknown) / known
    print(f"{tries} tries each: medians {known * 1e3:.2f} and {unknown * 1e3:.2f} ms, {difference:.2%} apart")
    assert tries < 1000 or difference < 0.05


def sign_in(web: Web, client: TestClient | None = None, **more: str) -> dict[str, object]:
    answer = (client or web.client).post(URL, json=SHOP | more)
    assert answer.status_code == 201, answer.text
    told: dict[str, object] = answer.json()
    return told


def changed(
    client: TestClient, method: str, path: str, token: object, body: object = None
) -> httpx2.Response:
    return client.request(method, f"{URL}{path}", json=body, headers={"X-CSRF-Token": str(token)})  # type: ignore[return-value]


def test_a_second_factor_is_asked_for_once_confirmed_and_no_code_is_good_twice(web: Web) -> None:
    client = web.client
    token = sign_in(web)["csrf_token"]
    assert changed(client, "POST", "/totp", token, {"current_password": "wrong"}).status_code == 400
    proof = {"current_password": SHOP["password"]}
    secret = changed(client, "POST", "/totp", token, proof).json()["secret"]
    sign_in(web, browser(web, "192.0.2.9"))  # not in force yet
    code = lambda: pyotp.TOTP(secret).at(web.clock[0] // 1000)  # noqa: E731
    old_cookie = client.cookies["sipguard_session"]
    confirmed = changed(client, "PUT", "/totp", token, {"code": code()})
    assert confirmed.status_code == 200
    recovery = confirmed.json()["recovery_codes"]
    assert len(set(recovery)) == 10
    # What the session may do has changed: the old token is nobody's.
    other = browser(web, "192.0.2.3")
    assert other.get(URL, headers={"Cookie": f"sipguard_session={old_cookie}"}).status_code == 401
    assert client.get(URL).json()["totp"] is True

    asked = other.post(URL, json=SHOP)
    assert (asked.status_code, asked.json()["code_needed"]) == (401, True)
    replayed = other.post(URL, json=SHOP | {"code": code()})
    assert replayed.status_code == 401
    assert "code_needed" not in replayed.json()
    web.clock[0] += 30_000
    sign_in(web, other, code=code())
    assert other.post(URL, json=SHOP | {"code": code()}).status_code == 401
    sign_in(web, other, code=recovery[0].upper())
    assert other.post(URL, json=SHOP | {"code": recovery[0]}).status_code == 401
    wrong_password = other.post(URL, json={"username": "shop", "password": "nothing of it"})
    assert "code_needed" not in wrong_password.json()


def test_an_agent_takes_the_second_factor_of_its_customer_away(web: Web) -> None:
    with sqlite3.connect(web.path) as file:
        file.execute("UPDATE login SET totp_secret = ? WHERE username = 'shop'", [pyotp.random_base32()])
    assert web.client.post(URL, json=SHOP).json()["code_needed"] is True
    url = "/api/v1/logins/shop/totp"
    assert web.client.delete(url, headers=web.be("south")).status_code == 404
    assert web.client.delete(url, headers=web.be("north")).status_code == 200
    sign_in(web)


def test_another_password_ends_every_other_session(web: Web) -> None:
    other = browser(web, "192.0.2.3")
    sign_in(web, other)
    token = sign_in(web)["csrf_token"]
    form = {"current_password": SHOP["password"], "password": "an entirely new one"}
    assert (
        changed(web.client, "PUT", "/password", token, form | {"current_password": "no"}).status_code == 400
    )
    for poor in ("short", "shopshopshop", "Password1234", "aaaaaaaaaaaaab"):
        assert changed(web.client, "PUT", "/password", token, form | {"password": poor}).status_code == 400
    told = changed(web.client, "PUT", "/password", token, form)
    assert told.status_code == 200, told.text
    assert told.json()["csrf_token"] != token
    assert web.client.get(URL).status_code == 200
    assert other.get(URL).status_code == 401
    assert other.post(URL, json=SHOP).status_code == 401
    assert other.post(URL, json=SHOP | {"password": form["password"]}).status_code == 201


def test_whoever_must_change_the_password_does_nothing_before(web: Web) -> None:
    reset = web.client.put(
        "/api/v1/logins/shop/password", json={"password": "given by hand"}, headers=web.be("north")
    )
    assert reset.json()["must_change"] is True
    token = sign_in(web, password="given by hand")["csrf_token"]
    refused = web.client.get("/api/v1/accounts")
    assert refused.status_code == 403
    assert "change your password" in refused.json()["detail"]
    form = {"current_password": "given by hand", "password": "an entirely new one"}
    assert changed(web.client, "PUT", "/password", token, form).json()["must_change"] is False
    assert web.client.get("/api/v1/accounts").status_code == 200


def test_sessions_are_listed_and_ended_and_attempts_are_shown(web: Web) -> None:
    other = browser(web, "192.0.2.3")
    guess(other)
    web.clock[0] += 1000
    sign_in(web, other)
    web.clock[0] += SEEN_EVERY_MS
    token = sign_in(web)["csrf_token"]
    newest, older = web.client.get(f"{URL}/sessions").json()
    assert older["source"] == "192.0.2.3"
    assert changed(web.client, "DELETE", "/sessions/0000", token).status_code == 404
    assert changed(web.client, "DELETE", f"/sessions/{older['id']}", token).status_code == 204
    assert other.get(URL).status_code == 401
    told = [(one["source"], one["outcome"]) for one in web.client.get(f"{URL}/sign-ins").json()]
    assert told == [("testclient", "done"), ("192.0.2.3", "done"), ("192.0.2.3", "refused")]
    assert newest["seen_ms"] == web.clock[0]


def test_a_reader_changes_its_own_password_and_nothing_else(web: Web) -> None:
    reader = {"username": "reader", "password": "password of reader"}
    token = web.client.post(URL, json=reader).json()["csrf_token"]
    form = {"current_password": reader["password"], "password": "an entirely new one"}
    assert changed(web.client, "PUT", "/password", token, form).status_code == 200
    token = web.client.get(URL).json()["csrf_token"]
    refused = web.client.delete("/api/v1/logins/shop", headers={"X-CSRF-Token": token})
    assert refused.status_code == 403
