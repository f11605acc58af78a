"""Signing in, staying signed in, and what a cookie alone is not good for."""

from __future__ import annotations

import pytest

from sipguard.manage.desk import Rules
from sipguard.manage.session import SEEN_EVERY_MS
from tests.web.conftest import Web

IDLE_MS, SESSION_MS = Rules().session_idle_ms, Rules().session_ms
ROOT = {"username": "root", "password": "password of root"}


def test_who_signs_in_is_known_by_the_cookie(web: Web) -> None:
    signed = web.client.post("/api/v1/session", json=ROOT)
    assert signed.status_code == 201
    assert signed.json()["role"] == "administrator"
    cookie = signed.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert web.client.get("/api/v1/session").json() == signed.json()


@pytest.mark.bypass("E24")
@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "root", "password": "something else"},
        {"username": "nobody", "password": "password of root"},
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_told_alike(web: Web, wrong: dict[str, str]) -> None:
    refused = web.client.post("/api/v1/session", json=wrong)
    assert refused.status_code == 401
    assert refused.json()["detail"] == "the username or the password is wrong"
    assert "set-cookie" not in refused.headers


@pytest.mark.bypass("E21")
def test_a_change_by_cookie_needs_the_token_of_the_session_and_our_own_page(web: Web) -> None:
    token = web.client.post("/api/v1/session", json=ROOT).json()["csrf_token"]
    form = {"id": "acme", "currency": "BDT"}
    url = "/api/v1/accounts"
    assert web.client.post(url, json=form).status_code == 403
    assert web.client.post(url, json=form, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    foreign = {"X-CSRF-Token": token, "Origin": "http://elsewhere.test"}
    assert web.client.post(url, json=form, headers=foreign).status_code == 403
    ours = {"X-CSRF-Token": token, "Origin": "http://sipguard.test"}
    assert web.client.post(url, json=form, headers=ours).status_code == 201


def test_a_session_ends_when_it_is_not_used_and_after_its_time(web: Web) -> None:
    web.client.post("/api/v1/session", json=ROOT)
    for _ in range(SESSION_MS // (IDLE_MS - SEEN_EVERY_MS)):
        web.clock[0] += IDLE_MS - SEEN_EVERY_MS
        assert web.client.get("/api/v1/session").status_code == 200
    web.clock[0] += IDLE_MS - SEEN_EVERY_MS
    assert web.client.get("/api/v1/session").status_code == 401

    web.client.post("/api/v1/session", json=ROOT)
    web.clock[0] += IDLE_MS
    assert web.client.get("/api/v1/session").status_code == 401


def test_signing_out_ends_the_session_for_everybody_who_has_its_token(web: Web) -> None:
    token = web.client.post("/api/v1/session", json=ROOT).json()["csrf_token"]
    cookie = web.client.cookies["sipguard_session"]
    assert web.client.delete("/api/v1/session", headers={"X-CSRF-Token": token}).status_code == 204
    kept = {"Cookie": f"sipguard_session={cookie}"}
    assert web.client.get("/api/v1/session", headers=kept).status_code == 401
