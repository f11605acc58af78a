"""Requests that are sent again: done once, answered alike, and nobody else's."""

from __future__ import annotations

import asyncio
import sqlite3

import httpx2
import pytest
from fastapi import APIRouter

from sipguard.manage import account
from sipguard.manage.account import AccountInfo
from sipguard.manage.account_form import NewAccount
from sipguard.manage.desk import Desk
from sipguard.manage.idempotency import KEPT_MS
from sipguard.store import database
from sipguard.web import app
from sipguard.web.body import StrictRoute
from sipguard.web.once import OnceRequired
from sipguard.web.problem import responses
from tests.web.conftest import Web

URL = "/api/v1/once"
router = APIRouter(prefix="/once", route_class=StrictRoute)


@router.post("", status_code=201, responses=responses(409, 422))
async def create(once: OnceRequired, form: NewAccount) -> AccountInfo:
    return await once.run(
        "account.create", lambda act: account.create(act, form), location=lambda made: f"{URL}/{made.id}"
    )


@pytest.fixture(autouse=True)
def with_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autouse, and so before `web`, which builds the application."""
    monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, router))


def ids(web: Web) -> list[str]:
    with sqlite3.connect(web.path) as file:
        return [id for (id,) in file.execute("SELECT id FROM account WHERE id LIKE 'new%' ORDER BY id")]


def test_a_request_that_is_sent_again_is_done_once_and_answered_alike(web: Web) -> None:
    headers = web.be("north") | {"Idempotency-Key": "k1"}
    first = web.client.post(URL, json={"id": "new", "name": "a"}, headers=headers)
    again = web.client.post(URL, content=b'{"name": "a",  "id":"new"}', headers=headers | _JSON)
    quoted = web.client.post(
        URL, json={"id": "new", "name": "a"}, headers=headers | {"Idempotency-Key": '"k1"'}
    )
    assert first.status_code == again.status_code == quoted.status_code == 201, again.text
    assert first.json() == again.json() == quoted.json()
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == again.headers[name]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert ids(web) == ["new"]


def test_another_request_with_the_same_key_is_refused(web: Web) -> None:
    headers = web.be("north") | {"Idempotency-Key": "k1"}
    assert web.client.post(URL, json={"id": "new-1"}, headers=headers).status_code == 201
    other = web.client.post(URL, json={"id": "new-2"}, headers=headers)
    assert other.status_code == 422
    assert other.headers["content-type"] == "application/problem+json"
    assert ids(web) == ["new-1"]


def test_a_key_is_bound_to_the_login(web: Web) -> None:
    key = {"Idempotency-Key": "k1"}
    assert web.client.post(URL, json={"id": "new-1"}, headers=web.be("north") | key).status_code == 201
    assert web.client.post(URL, json={"id": "new-2"}, headers=web.be("south") | key).status_code == 201
    assert ids(web) == ["new-1", "new-2"]


def test_a_refusal_is_not_kept(web: Web) -> None:
    headers = web.be("shop-1") | {"Idempotency-Key": "k1"}
    assert web.client.post(URL, json={"id": "new"}, headers=headers).status_code == 403
    with sqlite3.connect(web.path) as file:
        file.execute("UPDATE account SET granted = 1 WHERE id = 'shop-1'")
    assert web.client.post(URL, json={"id": "new"}, headers=headers).status_code == 201


def test_an_answer_is_forgotten_after_its_time(web: Web) -> None:
    headers = web.be("north") | {"Idempotency-Key": "k1"}
    assert web.client.post(URL, json={"id": "new-1"}, headers=headers).status_code == 201
    web.clock[0] += KEPT_MS - 1
    assert web.client.post(URL, json={"id": "new-2"}, headers=headers).status_code == 422
    web.clock[0] += 1
    assert web.client.post(URL, json={"id": "new-2"}, headers=headers).status_code == 201


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256, '""'])
def test_money_needs_a_key_that_is_one(web: Web, key: str | None) -> None:
    headers = web.be("north") | ({} if key is None else {"Idempotency-Key": key})
    refused = web.client.post(URL, json={"id": "new"}, headers=headers)
    assert refused.status_code == 400, refused.text
    assert ids(web) == []


def test_of_requests_that_come_at_once_one_is_done(web: Web) -> None:
    async def all_at_once() -> list[httpx2.Response]:
        store = database.open(web.path)
        transport = httpx2.ASGITransport(app.build(Desk(store)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://sipguard.test") as client:
            headers = web.be("north") | {"Idempotency-Key": "k1"}
            try:
                return await asyncio.gather(
                    *(client.post(URL, json={"id": "new"}, headers=headers) for _ in range(10))
                )
            finally:
                await store.close()

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert ids(web) == ["new"]


_JSON = {"Content-Type": "application/json"}
