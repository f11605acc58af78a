"""Call records and present calls through the API: whose, and how much of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sipguard.control import ControlError
from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.store import database
from sipguard.store.batch import BatchWriter, CallClosed
from tests.web.conftest import Web


def record(call: int, account_id: str, chain: tuple[str, ...], **more: Any) -> Cdr:
    values: dict[str, Any] = {
        "call": call,
        "sip_call_id": f"{call}@test",
        "outcome": Outcome.ANSWERED,
        "source": "192.0.2.1:5060",
        "account_id": account_id,
        "mapping_gateway_id": "trunk",
        "routing_gateway_id": "vendor",
        "called_received": "+8801711000001",
        "called": "8801711000001",
        "called_sent": "998801711000001",
        "calling_received": "100",
        "calling": None,
        "invited_ms": 1_000,
        "ringing_ms": 2_000,
        "answered_ms": 3_000,
        "ended_ms": 63_000,
        "duration_ms": 60_000,
        "status": 200,
        "reason": None,
        "q850": 16,
        "ended_by": "caller",
        "refusal_level": None,
        "refusal_rule": None,
        "refusal_observed": None,
        "refusal_required": None,
        "cost_micros": 11,
        "revision": 1,
        "user_agent": "pbx",
        "tries": (GatewayTry("vendor", "998801711000001", 200, "response"),),
        "levels": tuple(
            LevelCharge(position, id, 1, 2, None, 100, 60, 1_000 - position, 5, 0, 0, "880")
            for position, id in enumerate(chain)
        ),
        "callee_user_agent": "vendor's switch",
        "currency": "BDT",
    }
    return Cdr(**(values | more))


RECORDS = (
    record(1, "shop-1", ("shop-1", "shop", "north")),
    record(2, "stall", ("stall", "south")),
    record(
        3,
        "shop-1",
        (),
        outcome=Outcome.REFUSED,
        status=403,
        reason="section_blocked",
        refusal_level="north",
        refusal_rule="7",
        refusal_observed="8809",
        refusal_required="no 8809",
    ),
)


@pytest.fixture
def recorded(web: Web) -> Web:
    """With the records of calls."""
    with closing(sqlite3.connect(web.path, isolation_level=None)) as connection:
        database.configure(connection)
        written = BatchWriter(connection, "proxy").write([CallClosed(one, None) for one in RECORDS])
    assert not written.rejected
    return web


def listed(web: Web, who: str, **params: str) -> list[dict[str, Any]]:
    answer = web.client.get("/api/v1/cdrs", params=params, headers=web.be(who))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_records_are_those_of_the_subtree(recorded: Web) -> None:
    assert [row["call"] for row in listed(recorded, "root")] == ["3", "2", "1"]
    assert [row["call"] for row in listed(recorded, "north")] == ["3", "1"]
    assert [row["call"] for row in listed(recorded, "south")] == ["2"]
    assert [row["call"] for row in listed(recorded, "root", account_id="south")] == ["2"]
    assert [row["call"] for row in listed(recorded, "north", outcome="refused")] == ["3"]


def test_pages_of_records_follow_each_other(recorded: Web) -> None:
    seen, cursor = [], None
    while True:
        params = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = recorded.client.get("/api/v1/cdrs", params=params, headers=recorded.be("root")).json()
        seen += [row["call"] for row in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["3", "2", "1"]


@pytest.mark.bypass("E38")
def test_nothing_of_those_above_or_of_the_vendor_is_told(recorded: Web) -> None:
    own = recorded.client.get("/api/v1/cdrs/1", headers=recorded.be("shop"))
    assert own.status_code == 200
    row = own.json()
    assert [level["account_id"] for level in row["levels"]] == ["shop-1", "shop"]
    assert (row["cost_micros"], row["routing_gateway_id"], row["tries"]) == (None, None, [])
    for secret in ("vendor", "99880", "north"):
        assert secret not in own.text
    refused = recorded.client.get("/api/v1/cdrs/3", headers=recorded.be("shop")).json()
    assert (refused["reason"], refused["refusal_level"], refused["refusal_rule"]) == (
        "section_blocked",
        "above",
        None,
    )
    assert recorded.client.get("/api/v1/cdrs/3", headers=recorded.be("north")).json()["refusal_rule"] == "7"
    everything = recorded.client.get("/api/v1/cdrs/1", headers=recorded.be("root")).json()
    assert everything["cost_micros"] == 11
    assert len(everything["levels"]) == 3


@pytest.mark.bypass("E01")
def test_a_foreign_record_and_none_are_answered_alike(recorded: Web) -> None:
    foreign = recorded.client.get("/api/v1/cdrs/2", headers=recorded.be("north"))
    none = recorded.client.get("/api/v1/cdrs/4", headers=recorded.be("north"))
    assert foreign.status_code == none.status_code == 404
    assert foreign.text.replace("2", "4") == none.text.replace("2", "4")


class Answering:
    """Stands where the proxy is asked, with calls of two trees."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.calls = [
            {
                "call": number,
                "sip_call_id": f"{number}@test",
                "account_id": account_id,
                "called": "8801",
                "calling": None,
                "mapping_gateway_id": "trunk",
                "routing_gateway_id": "vendor",
                "invited_ms": 1,
                "answered_ms": None,
                "granted_seconds": 60,
            }
            for number, account_id in ((1, "shop-1"), (2, "stall"), (3, "shop-1"))
        ]

    def wake(self) -> None: ...

    async def ask(self, command: str, **args: Any) -> object:
        if command == "hangup":
            self.ended.append(args["call"])
            return {"ended": 1}
        below = {"north": ("shop-1",), "south": ("stall",)}
        found = [
            one
            for one in self.calls
            if one["account_id"] in below.get(args.get("account", ""), (one["account_id"],))
        ]
        if "call" in args:
            found = [one for one in found if one["call"] == args["call"]]
            if not found:
                raise ControlError(f"there is no call {args['call']}")
        return [one for one in found if one["call"] > args.get("after", 0)][: args.get("limit")]


@pytest.fixture
def proxied(web: Web) -> tuple[Web, Answering]:
    """With a proxy that has calls."""
    proxy = Answering()
    web.client.app.state.desk.proxy = proxy  # type: ignore[attr-defined]  # it is our own application
    return web, proxy


def test_present_calls_are_those_of_the_subtree(proxied: tuple[Web, Answering]) -> None:
    web, _ = proxied

    def calls(who: str, **params: str) -> list[tuple[str, str | None]]:
        page = web.client.get("/api/v1/calls", params=params, headers=web.be(who)).json()
        return [(row["call"], row["routing_gateway_id"]) for row in page["items"]]

    assert calls("root") == [("1", "vendor"), ("2", "vendor"), ("3", "vendor")]
    assert calls("north") == [("1", None), ("3", None)]
    assert (
        web.client.get("/api/v1/calls", params={"account_id": "south"}, headers=web.be("north")).status_code
        == 404
    )


@pytest.mark.parametrize(
    ("who", "number", "status"),
    [
        ("root", 1, 204),
        ("helper", 1, 204),
        ("north", 1, 204),
        ("reader", 1, 403),
        ("north", 2, 404),
        ("north", 9, 404),
        ("stall", 2, 403),
    ],
)
def test_who_may_end_which_call(proxied: tuple[Web, Answering], who: str, number: int, status: int) -> None:
    web, proxy = proxied
    answer = web.client.delete(f"/api/v1/calls/{number}", headers=web.be(who))
    assert answer.status_code == status, answer.text
    assert proxy.ended == ([number] if status == 204 else [])


def test_without_a_proxy_present_calls_are_not_known(web: Web) -> None:
    assert web.client.get("/api/v1/calls", headers=web.be("root")).status_code == 503
