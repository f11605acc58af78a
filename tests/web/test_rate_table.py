"""Rate tables through the API: an agent keeps what it sells by, and sees what it pays."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.web.conftest import Web

URL = "/api/v1/rate-tables"
LIST = "prefix,rate,destination\n44,0.5,UK\n4420,0.4,London\n1,0.1,NANP\n"


def test_a_price_list_is_tried_taken_and_given_back(web: Web) -> None:
    north = web.be("north")
    made = web.client.post(URL, json={"id": "new"}, headers=north)
    assert made.status_code == 201, made.text
    assert (made.json()["owner_id"], made.json()["currency"], made.json()["rows"]) == ("north", "BDT", 0)
    tried = web.client.post(f"{URL}/new/import", json={"csv": LIST, "dry_run": True}, headers=north)
    assert tried.status_code == 200, tried.text
    assert (tried.json()["imported"], tried.json()["counts"]["new"]) == (False, 3)
    assert web.client.get(f"{URL}/new", headers=north).json()["rows"] == 0
    assert web.client.post(f"{URL}/new/import", json={"csv": LIST}, headers=north).json()["imported"]
    rows = web.client.get(f"{URL}/new/rates", params={"prefix": "44", "limit": 1}, headers=north).json()
    assert [(row["prefix"], row["rate_micros"]) for row in rows["items"]] == [("44", 500_000)]
    more = {"prefix": "44", "cursor": rows["next_cursor"]}
    rest = web.client.get(f"{URL}/new/rates", params=more, headers=north).json()["items"]
    assert [row["prefix"] for row in rest] == ["4420"]
    text = web.client.get(f"{URL}/new/rates.csv", headers=north).text
    again = web.client.post(f"{URL}/new/import", json={"csv": text, "dry_run": True}, headers=north).json()
    assert again["counts"]["unchanged"] == 3
    wrong = web.client.post(f"{URL}/new/import", json={"csv": "prefix,rate\n44,x\n1,y\n"}, headers=north)
    assert wrong.status_code == 400
    assert [each["message"][:6] for each in wrong.json()["problems"]] == ["line 2", "line 3"]
    assert web.client.delete(f"{URL}/new", headers=north).status_code == 409


@pytest.mark.parametrize(
    ("who", "method", "path", "status"),
    [
        (None, "GET", "", 401),
        ("south", "GET", "/north-sells", 404),
        ("south", "GET", "/north-sells/rates", 404),
        ("south", "GET", "/north-sells/rates.csv", 404),
        ("south", "DELETE", "/north-sells", 404),
        ("shop", "GET", "/north-sells", 404),  # the table that it buys by
        ("shop", "DELETE", "/north-sells", 404),
        ("north", "GET", "/shop-sells", 200),
        ("shop-1", "DELETE", "/shop-sells", 403),
        ("reader", "DELETE", "/shop-sells", 403),
        ("shop", "DELETE", "/shop-sells", 204),
    ],
)
def test_whose_tables_they_are(web: Web, who: str | None, method: str, path: str, status: int) -> None:
    answer = web.client.request(method, f"{URL}{path}", headers=web.be(who))
    assert answer.status_code == status, answer.text


@pytest.mark.bypass("E38")
def test_an_agent_sees_what_it_pays_and_nothing_above(web: Web) -> None:
    lists = {"csv": LIST}
    assert (
        web.client.post(f"{URL}/north-sells/import", json=lists, headers=web.be("north")).status_code == 200
    )
    with closing(sqlite3.connect(web.path)) as file, file:
        file.execute(
            "UPDATE account SET rate_table_key = (SELECT key FROM rate_table WHERE id = 'north-sells')"
            " WHERE id = 'shop'"
        )
    for who, status in (("shop", 200), ("north", 200), ("shop-1", 404), ("south", 404)):
        price = web.client.get(
            "/api/v1/accounts/shop/price", params={"number": "442079460000"}, headers=web.be(who)
        )
        assert price.status_code == status
        if status == 200:
            assert price.json()["rate"]["rate_micros"] == 400_000
    none = web.client.get("/api/v1/accounts/shop-1/price", params={"number": "44"}, headers=web.be("shop"))
    assert none.json() == {"rate": None}
    assert web.client.post(f"{URL}/north-sells/import", json=lists, headers=web.be("shop")).status_code == 404
