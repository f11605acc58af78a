"""Bulk creation through the API: dry run, batches that are whole or not there, mistakes by line, resuming."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import httpx2
import pytest

from sipguard.manage.desk import Rules
from tests.web.conftest import Web

URL = "/api/v1/account-imports"


def post(web: Web, who: str | None, *lines: str, **form: Any) -> httpx2.Response:
    return web.client.post(URL, json={"csv": "\n".join(lines)} | form, headers=web.be(who))


def finish(web: Web, who: str, answer: httpx2.Response) -> dict[str, Any]:
    """The job at its end."""
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 60
    while True:
        job: dict[str, Any] = web.client.get(answer.headers["location"], headers=web.be(who)).json()
        if job["state"] != "running":
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)


def ids(web: Web, who: str) -> list[str]:
    page = web.client.get("/api/v1/accounts", params={"scope": "all"}, headers=web.be(who)).json()
    return [row["id"] for row in page["items"]]


def test_a_file_with_its_agents_first_becomes_a_tree(web: Web) -> None:
    job = finish(
        web,
        "shop",
        post(
            web,
            "shop",
            "id,name,agent_id,call_limit,locked,rate_table_id",
            "x,The X,,5,,shop-sells",
            'y,"Y, of X",x,,true,',
            "z,,y,,,",
            batch_lines=2,
        ),
    )
    assert (job["state"], job["lines"], job["lines_done"], job["created"], job["failed"]) == (
        "done",
        3,
        3,
        3,
        0,
    )
    assert ids(web, "shop") == ["shop-1", "x", "y", "z"]
    path = web.client.get("/api/v1/tree/path/z", headers=web.be("north")).json()["ids"]
    assert path == ["north", "shop", "x", "y", "z"]
    y = web.client.get("/api/v1/accounts/y", headers=web.be("shop")).json()
    assert (y["name"], y["locked"], y["currency"], y["balance_micros"]) == ("Y, of X", True, "BDT", 0)
    seen = web.client.get("/api/v1/audit", params={"action": "account.import"}, headers=web.be("shop")).json()
    assert [one["id"] for one in seen["items"] if one["noun"] == "account"] == ["z", "y", "x"]


@pytest.mark.bypass("E04")
def test_a_batch_with_a_mistake_is_left_out_whole_and_every_mistake_is_told_by_line(web: Web) -> None:
    lines = (
        "id,agent_id,currency,call_limit,valid_from,valid_till,rate_table_id",
        "ok-1,,,,,,",
        "ok-2,,,,,,",
        "south,,,,,,",
        "good,,,,,,",
        "a b,,,x,,,",
        "stray,stall,USD,,,,",
        "lost,good,,,9,3,south-sells",
        "short",
        "last,ok-1,,,,,",
        "last,ok-1,,,,,",
    )
    job = finish(web, "shop", post(web, "shop", *lines, batch_lines=2))
    assert (job["created"], job["failed"]) == (2, 8)
    assert sorted((one["line"], one["field"]) for one in job["problems"]) == [
        (4, "id"),
        (6, "call_limit"),
        (6, "id"),
        (7, "agent_id"),
        (8, "agent_id"),
        (9, ""),
        (11, "id"),
    ]
    assert ids(web, "shop") == ["ok-1", "ok-2", "shop-1"]
    dry = finish(
        web, "shop", post(web, "shop", lines[0], "new,,,,,,", "sub,new,,,,,", "new,,,,,,", dry_run=True)
    )
    assert (dry["created"], dry["failed"]) == (2, 1)
    assert [(one["line"], one["field"]) for one in dry["problems"]] == [(4, "id")]
    assert ids(web, "shop") == ["ok-1", "ok-2", "shop-1"]


@pytest.mark.parametrize("csv", ["x", "id,colour\nx,red", "id,id\nx,y", "\n"])
def test_a_header_that_is_none_is_refused(web: Web, csv: str) -> None:
    assert post(web, "shop", csv).status_code == 400


def test_the_rules_are_those_of_single_accounts(web: Web) -> None:
    web.client.app.state.desk.rules = Rules(depth_limit=3, sub_agents_need_approval=True)  # type: ignore[attr-defined]
    job = finish(web, "shop", post(web, "shop", "id,agent_id", "deep,shop-1"))
    assert {one["field"] for one in job["problems"]} == {"agent_id"}
    assert len(job["problems"]) == 2
    assert post(web, "shop-1", "id", "x").status_code == 403
    assert post(web, "reader", "id", "x").status_code == 403
    assert post(web, None, "id", "x").status_code == 401
    top = finish(web, "root", post(web, "root", "id,currency", "top,", "euro,EUR"))
    assert [(one["line"], one["field"]) for one in top["problems"]] == [(2, "currency")]
    number = top["number"]
    assert web.client.get(f"{URL}/{number}", headers=web.be("north")).status_code == 404
    assert web.client.get(URL, headers=web.be("north")).json()["items"][0]["number"] == job["number"]


def test_a_job_that_was_interrupted_goes_on_where_it_stood(web: Web) -> None:
    lines = ("id", *(f"x{number}" for number in range(6)))
    job = finish(web, "shop", post(web, "shop", *lines, batch_lines=2))
    assert job["created"] == 6
    with sqlite3.connect(web.path) as file:
        # As a killed process leaves it: two batches committed, the third not begun.
        file.execute(
            "INSERT INTO account_import SELECT 100, actor, actor_role, login_key, account_key, via,"
            " content_hash, ?, 0, 2, 'running', 6, 4, 4, 0, '[]', 0, NULL FROM account_import",
            (b"id\nx0\nx1\nx2\nx3\ny4\ny5",),
        )
    resumed = web.client.post(f"{URL}/100/resume", headers=web.be("shop"))
    assert resumed.status_code == 202
    job = finish(web, "shop", httpx2.Response(202, headers={"location": f"{URL}/100"}))
    assert (job["lines_done"], job["created"], job["failed"]) == (6, 6, 0)
    assert "y5" in ids(web, "shop")
    assert web.client.post(f"{URL}/100/resume", headers=web.be("south")).status_code == 404
