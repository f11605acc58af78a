"""Payments through the API: who moves whose money, what is refused, and that nothing is made or lost."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.web.conftest import Web

URL = "/api/v1/payments"
REQUESTS = "/api/v1/payment-requests"
KEYS = itertools.count()


def pay(web: Web, who: str | None, form: dict[str, object], key: str | None = None, url: str = URL) -> Any:
    told = {"reason": "as agreed"} | form
    headers = web.be(who) | {"Idempotency-Key": key or f"key-{next(KEYS)}"}
    return web.client.post(url, json=told, headers=headers)


def balances(web: Web) -> dict[str, int]:
    """Of every account and of the cash, after a look at whether postings and balances agree."""
    with closing(sqlite3.connect(web.path)) as file:
        assert file.execute(
            "SELECT count(*) FROM ledger_account l WHERE balance_micros <>"
            " (SELECT coalesce(sum(amount_micros), 0) FROM posting WHERE ledger = l.key)"
        ).fetchone() == (0,)
        assert file.execute("SELECT sum(balance_micros) FROM ledger_account").fetchone() == (0,)
        rows = file.execute(
            "SELECT coalesce(a.id, l.kind), l.balance_micros FROM ledger_account l"
            " LEFT JOIN account a ON a.key = l.account_key WHERE l.kind IN ('balance', 'cash')"
        ).fetchall()
    return {id: micros for id, micros in rows if micros}


@pytest.fixture
def funded(web: Web) -> Web:
    """north has 100, shop 50, shop-1 10; south 70."""
    for account, amount in (("north", 160), ("south", 70)):
        assert pay(web, "root", {"account_id": account, "amount_micros": amount}).status_code == 201
    assert pay(web, "north", {"account_id": "shop", "amount_micros": 60}).status_code == 201
    assert pay(web, "shop", {"account_id": "shop-1", "amount_micros": 10}).status_code == 201
    assert balances(web) == {"cash": -230, "north": 100, "shop": 50, "shop-1": 10, "south": 70}
    return web


def test_an_administrators_money_comes_from_outside_and_goes_there(web: Web) -> None:
    paid = pay(web, "root", {"account_id": "shop-1", "amount_micros": 25})
    assert paid.status_code == 201, paid.text
    told = paid.json()
    assert (told["kind"], told["from_account_id"], told["to_account_id"]) == ("top_up", None, "shop-1")
    assert paid.headers["location"] == f"{URL}/{told['id']}"
    assert balances(web) == {"cash": -25, "shop-1": 25}
    taken = pay(web, "root", {"kind": "deduction", "account_id": "shop-1", "amount_micros": 5})
    assert taken.status_code == 201
    assert balances(web) == {"cash": -20, "shop-1": 20}


def test_an_agents_payments_leave_its_own_balance(funded: Web) -> None:
    assert pay(funded, "north", {"account_id": "shop-1", "amount_micros": 100}).status_code == 201
    assert balances(funded) == {"cash": -230, "shop": 50, "shop-1": 110, "south": 70}
    short = pay(funded, "north", {"account_id": "shop-1", "amount_micros": 1})
    assert short.status_code == 409
    assert short.json()["detail"] == "not enough money: 0.00 can be moved, 0.000001 is needed"
    taken = pay(funded, "north", {"kind": "deduction", "account_id": "shop-1", "amount_micros": 110})
    assert taken.status_code == 201
    moved = {"kind": "transfer", "account_id": "shop", "to_account_id": "shop-1", "amount_micros": 50}
    assert pay(funded, "north", moved).status_code == 201
    assert balances(funded) == {"cash": -230, "north": 110, "shop-1": 50, "south": 70}


TOP_UP = {"account_id": "shop-1", "amount_micros": 1}
REFUSED = [
    # who, what, status
    (None, TOP_UP, 401),
    ("shop-1", {"account_id": "shop-1", "amount_micros": 1}, 403),
    ("reader", TOP_UP, 403),
    ("helper", TOP_UP, 403),
    ("shop", {"account_id": "shop", "amount_micros": 1}, 403),
    ("shop", {"account_id": "north", "amount_micros": 1}, 404),
    ("shop", {"account_id": "nowhere", "amount_micros": 1}, 404),
    ("north", {"account_id": "stall", "amount_micros": 1}, 404),
    ("north", {"kind": "deduction", "account_id": "south", "amount_micros": 1}, 404),
    ("north", {"kind": "transfer", "account_id": "south", "to_account_id": "shop", "amount_micros": 1}, 404),
    ("north", {"kind": "transfer", "account_id": "shop", "to_account_id": "south", "amount_micros": 1}, 404),
    ("north", {"kind": "transfer", "account_id": "shop", "to_account_id": "shop", "amount_micros": 1}, 400),
    ("north", {"kind": "transfer", "account_id": "shop", "amount_micros": 1}, 400),
    ("north", {"account_id": "shop", "to_account_id": "shop-1", "amount_micros": 1}, 400),
    ("north", {"kind": "reversal", "account_id": "shop", "amount_micros": 1}, 400),
    ("north", {"kind": "gift", "account_id": "shop", "amount_micros": 1}, 400),
    ("north", {"account_id": "shop", "amount_micros": 101}, 409),
    ("north", {"kind": "deduction", "account_id": "shop", "amount_micros": 51}, 409),
    ("root", {"kind": "deduction", "account_id": "shop", "amount_micros": 51}, 409),
    ("root", {"account_id": "shop", "amount_micros": 1, "reason": ""}, 400),
    ("root", {"account_id": "shop", "amount_micros": 1, "from": "cash"}, 400),
    *[
        ("root", {"account_id": "shop", "amount_micros": amount}, 400)
        for amount in (-1, 0, 0.001, 1.0, "1e3", "1", 2**63, 2**63 - 1, 2**62, 10**400, True, [1], None, {})
    ],
]


@pytest.mark.bypass("E11")
@pytest.mark.parametrize(("who", "form", "status"), REFUSED)
def test_what_cannot_be_paid_is_refused_and_nothing_moves(
    funded: Web, who: str | None, form: dict[str, object], status: int
) -> None:
    before = balances(funded)
    refused = pay(funded, who, form)
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert balances(funded) == before


@pytest.mark.bypass("E11")
@pytest.mark.parametrize(
    "amount", ["1e400", "NaN", "Infinity", "1e3", "1E2", "0x1", "01", '1, "amount_micros": 2']
)
def test_what_json_cannot_mean_moves_nothing(funded: Web, amount: str) -> None:
    before = balances(funded)
    body = f'{{"account_id": "shop", "reason": "r", "amount_micros": {amount}}}'
    headers = funded.be("root") | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert funded.client.post(URL, content=body, headers=headers).status_code == 400
    assert balances(funded) == before


def test_no_sum_leaves_64_bits(funded: Web) -> None:
    assert pay(funded, "root", {"account_id": "south", "amount_micros": 2**62 - 300}).status_code == 201
    assert pay(funded, "root", {"account_id": "south", "amount_micros": 2**62 - 300}).status_code == 400
    assert pay(funded, "root", {"account_id": "shop", "amount_micros": 2**62 - 300}).status_code == 400


@pytest.mark.bypass("E14")
def test_a_repeated_request_moves_nothing_and_answers_the_same(funded: Web) -> None:
    first = pay(funded, "north", {"account_id": "shop", "amount_micros": 100}, "once")
    after = balances(funded)
    again = pay(funded, "north", {"account_id": "shop", "amount_micros": 100}, "once")
    assert (again.status_code, again.json()) == (201, first.json())
    other = pay(funded, "north", {"account_id": "shop", "amount_micros": 99}, "once")
    assert other.status_code == 422
    assert balances(funded) == after
    # Answers are forgotten some day, the journal is not.
    funded.clock[0] += 49 * 3_600_000
    later = pay(funded, "north", {"account_id": "shop", "amount_micros": 100}, "once")
    assert (later.status_code, later.json()) == (201, first.json())
    assert pay(funded, "north", {"account_id": "shop", "amount_micros": 9}, "once").status_code == 422
    assert balances(funded) == after
    of_another = pay(funded, "south", {"account_id": "stall", "amount_micros": 1}, "once")
    assert of_another.status_code == 201
    assert of_another.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256, "\x7f"])
def test_a_payment_needs_a_key_of_its_own(funded: Web, key: str | None) -> None:
    headers = funded.be("root") | ({} if key is None else {"Idempotency-Key": key})
    form = {"account_id": "shop", "amount_micros": 1, "reason": "r"}
    assert funded.client.post(URL, json=form, headers=headers).status_code == 400


def test_credit_that_an_agent_granted_does_not_come_back_to_it_as_money(funded: Web) -> None:
    with closing(sqlite3.connect(funded.path)) as file, file:
        file.execute("UPDATE account SET credit_limit_micros = 1000 WHERE id IN ('shop', 'shop-1')")
    assert (
        pay(funded, "north", {"kind": "deduction", "account_id": "shop", "amount_micros": 51}).status_code
        == 409
    )
    assert pay(funded, "shop", {"account_id": "shop-1", "amount_micros": 51}).status_code == 409
    moved = {"kind": "transfer", "account_id": "shop-1", "to_account_id": "shop", "amount_micros": 11}
    assert pay(funded, "north", moved).status_code == 409
    assert pay(funded, "north", moved | {"amount_micros": 10}).status_code == 201


def test_what_the_operator_granted_counts_to_its_last_micro_unit(funded: Web) -> None:
    with closing(sqlite3.connect(funded.path)) as file, file:
        file.execute("UPDATE account SET credit_limit_micros = 20 WHERE id = 'north'")
    assert pay(funded, "north", {"account_id": "shop", "amount_micros": 121}).status_code == 409
    assert pay(funded, "north", {"account_id": "shop", "amount_micros": 120}).status_code == 201
    assert balances(funded)["north"] == -20
    assert (
        pay(funded, "root", {"kind": "deduction", "account_id": "north", "amount_micros": 1}).status_code
        == 409
    )


def test_a_reversal_is_a_new_posting_that_names_the_old_one_once(funded: Web) -> None:
    paid = pay(funded, "north", {"account_id": "shop", "amount_micros": 30}).json()
    url = f"{URL}/{paid['id']}/reversal"
    back = pay(funded, "north", {}, "back", url)
    assert back.status_code == 201, back.text
    assert (back.json()["kind"], back.json()["reverses"]) == ("reversal", paid["id"])
    assert (back.json()["from_account_id"], back.json()["to_account_id"]) == ("shop", "north")
    assert (
        funded.client.get(f"{URL}/{paid['id']}", headers=funded.be("north")).json()["reversed_by"]
        == back.json()["id"]
    )
    assert balances(funded) == {"cash": -230, "north": 100, "shop": 50, "shop-1": 10, "south": 70}
    assert pay(funded, "north", {}, "back", url).json() == back.json()
    assert pay(funded, "north", {}, None, url).status_code == 409
    assert pay(funded, "north", {}, None, f"{URL}/{back.json()['id']}/reversal").status_code == 409


def test_a_reversal_needs_both_sides_and_the_money(funded: Web) -> None:
    to_north = funded.client.get(
        URL, params={"account_id": "north", "kind": "top_up"}, headers=funded.be("north")
    )
    by_root = next(each for each in to_north.json()["items"] if each["from_account_id"] is None)
    assert pay(funded, "north", {}, None, f"{URL}/{by_root['id']}/reversal").status_code == 403
    assert pay(funded, "south", {}, None, f"{URL}/{by_root['id']}/reversal").status_code == 404
    assert pay(funded, "root", {}, None, f"{URL}/{by_root['id']}/reversal").status_code == 409  # 60 are spent
    assert balances(funded)["north"] == 100


def test_history_names_only_what_its_reader_sees(funded: Web) -> None:
    def of(who: str) -> list[tuple[object, ...]]:
        items = funded.client.get(URL, headers=funded.be(who)).json()["items"]
        return [(e["from_account_id"], e["to_account_id"], e["amount_micros"], e["actor"]) for e in items]

    assert of("shop") == [("shop", "shop-1", 10, "shop"), (None, "shop", 60, None)]
    assert of("shop-1") == [(None, "shop-1", 10, None)]
    assert of("south") == [(None, "south", 70, None)]
    assert len(of("root")) == len(of("reader")) == 4
    assert (
        funded.client.get(URL, params={"account_id": "north"}, headers=funded.be("shop")).status_code == 404
    )
    one = funded.client.get(URL, params={"limit": 1}, headers=funded.be("shop")).json()
    rest = {"limit": 1, "cursor": one["next_cursor"]}
    assert [
        e["amount_micros"]
        for e in funded.client.get(URL, params=rest, headers=funded.be("shop")).json()["items"]
    ] == [60]


def test_a_statement_goes_from_the_opening_to_the_closing_balance(funded: Web) -> None:
    url = "/api/v1/accounts/shop/statement"
    whole = funded.client.get(url, headers=funded.be("shop")).json()
    assert (whole["opening_micros"], whole["closing_micros"]) == (0, 50)
    lines = [
        (e["amount_micros"], e["balance_micros"], e["counterparty"], e["counterparty_id"])
        for e in whole["items"]
    ]
    assert lines == [(60, 60, "agent", None), (-10, 50, "account", "shop-1")]
    first = funded.client.get(url, params={"limit": 1}, headers=funded.be("north")).json()
    assert first["items"][0]["counterparty_id"] == "north"
    second = funded.client.get(
        url, params={"limit": 1, "cursor": first["next_cursor"]}, headers=funded.be("north")
    ).json()
    assert [e["balance_micros"] for e in second["items"]] == [50]
    assert second["next_cursor"] is None
    later = {"from_ms": funded.clock[0] + 1, "till_ms": funded.clock[0] + 2}
    after = funded.client.get(url, params=later, headers=funded.be("shop")).json()
    assert (after["opening_micros"], after["closing_micros"], after["items"]) == (50, 50, [])
    for who in ("shop-1", "south"):
        assert funded.client.get(url, headers=funded.be(who)).status_code == 404
    text = funded.client.get(f"{url}.csv", headers=funded.be("shop")).text.splitlines()
    assert text[0] == "at_ms,kind,id,counterparty,counterparty_id,reason,amount,balance,currency"
    assert text[1].endswith(",opening,,,,,,0.00,BDT")
    assert text[2].endswith(",agent,,as agreed,0.00006,0.00006,BDT")
    assert text[4].endswith(",closing,,,,,,0.00005,BDT")


def test_an_account_asks_and_who_pays_decides(funded: Web) -> None:
    form = {"amount_micros": 40}
    assert pay(funded, "shop", form, url=REQUESTS).json()["authorization"] == 7
    assert pay(funded, "root", form, url=REQUESTS).status_code == 400
    with closing(sqlite3.connect(funded.path)) as file, file:
        file.execute("UPDATE account SET granted = 192 WHERE id = 'shop'")
    before = balances(funded)
    asked = pay(funded, "shop", form, "ask", REQUESTS)
    assert asked.status_code == 201, asked.text
    assert pay(funded, "shop", form, "ask", REQUESTS).json() == asked.json()
    assert balances(funded) == before, "asking moves nothing"
    url = f"{REQUESTS}/{asked.json()['id']}"
    for who, status in (("shop", 403), ("shop-1", 403), ("south", 404), ("reader", 403)):
        assert (
            funded.client.post(
                f"{url}/approval", json={"reason": "r"}, headers=funded.be(who) | {"Idempotency-Key": "y"}
            ).status_code
            == status
        )
    done = funded.client.post(
        f"{url}/approval",
        json={"reason": "paid in cash"},
        headers=funded.be("north") | {"Idempotency-Key": "yes"},
    )
    assert done.status_code == 200, done.text
    assert done.json()["state"] == "approved"
    assert balances(funded) == before | {"north": 60, "shop": 90}
    again = funded.client.post(
        f"{url}/approval", json={"reason": "r"}, headers=funded.be("root") | {"Idempotency-Key": "y"}
    )
    assert again.status_code == 409
    assert balances(funded) == before | {"north": 60, "shop": 90}
    seen = funded.client.get(url, headers=funded.be("shop")).json()
    assert (seen["decided_by"], seen["decision"]) == (None, "paid in cash")
    other = pay(funded, "shop", form, url=REQUESTS).json()["id"]
    assert (
        funded.client.post(
            f"{REQUESTS}/{other}/refusal", json={"reason": "no"}, headers=funded.be("root")
        ).json()["state"]
        == "refused"
    )
    third = pay(funded, "shop", form, url=REQUESTS).json()["id"]
    assert (
        funded.client.post(
            f"{REQUESTS}/{third}/withdrawal", json={"reason": "no"}, headers=funded.be("north")
        ).status_code
        == 403
    )
    assert (
        funded.client.post(
            f"{REQUESTS}/{third}/withdrawal", json={"reason": "no"}, headers=funded.be("shop")
        ).json()["state"]
        == "withdrawn"
    )
    pending = funded.client.get(REQUESTS, params={"state": "pending"}, headers=funded.be("root")).json()
    assert pending["items"] == []


def test_a_credit_limit_is_money_for_calls_and_needs_authorization_8(web: Web) -> None:
    with closing(sqlite3.connect(web.path)) as file, file:
        file.execute("UPDATE account SET granted = 1 WHERE id = 'shop'")
    any_version = web.be("shop") | {"If-Match": "*"}
    accounts = "/api/v1/accounts"
    refused = web.client.patch(f"{accounts}/shop-1", json={"credit_limit_micros": 1}, headers=any_version)
    assert (refused.status_code, refused.json()["authorization"]) == (403, 8)
    unchanged = {"credit_limit_micros": 0, "call_limit": 3}
    assert web.client.patch(f"{accounts}/shop-1", json=unchanged, headers=any_version).status_code == 200
    made = web.client.post(accounts, json={"id": "n", "credit_limit_micros": 1}, headers=web.be("shop"))
    assert made.status_code == 403
    root = web.be("root") | {"If-Match": "*"}
    assert (
        web.client.patch(f"{accounts}/shop-1", json={"credit_limit_micros": 1}, headers=root).status_code
        == 200
    )
