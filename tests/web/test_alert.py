"""Alerts through the API: whose they are, and who says that they were seen."""

from __future__ import annotations

import sqlite3

from tests.web.conftest import Web

ROW = """
INSERT INTO alert
    (kind, severity, scope, subject, account_key, text, value, threshold, raised_ms, note)
VALUES
    ('balance_low', 'warning', 'account', ?, (SELECT key FROM account WHERE id = ?), 'little', 1, 2, 3, '')
"""


def raise_alerts(web: Web, *account_ids: str) -> None:
    with sqlite3.connect(web.path) as file:
        file.executemany(ROW, [(one, one) for one in account_ids])


def subjects(web: Web, who: str, **params: str) -> list[str]:
    page = web.client.get("/api/v1/alerts", params=params, headers=web.be(who)).json()
    return [row["subject"] for row in page["items"]]


def test_alerts_are_those_of_the_subtree_the_newest_first(web: Web) -> None:
    raise_alerts(web, "north", "south", "shop-1")
    assert subjects(web, "root") == ["shop-1", "south", "north"]
    assert subjects(web, "north") == ["shop-1", "north"]
    assert subjects(web, "stall") == []


def test_who_has_seen_it_is_kept_and_not_told_to_those_below(web: Web) -> None:
    raise_alerts(web, "shop")
    url = "/api/v1/alerts/1/acknowledgement"
    assert web.client.post(url, json={}, headers=web.be("south")).status_code == 404
    assert web.client.post(url, json={}, headers=web.be("reader")).status_code == 403
    seen = web.client.post(url, json={"note": "called them"}, headers=web.be("helper"))
    assert (seen.status_code, seen.json()["acknowledged_by"]) == (200, "helper")
    assert web.client.post(url, json={}, headers=web.be("root")).status_code == 409
    (row,) = web.client.get("/api/v1/alerts", headers=web.be("shop")).json()["items"]
    assert row["acknowledged_by"] == "operator"


def test_thresholds_of_an_account(web: Web) -> None:
    url = "/api/v1/accounts/shop/thresholds"
    assert web.client.put(f"{url}/balance_low", json={"value": 5}, headers=web.be("south")).status_code == 404
    assert (
        web.client.put(f"{url}/gateway_down", json={"value": 5}, headers=web.be("north")).status_code == 400
    )
    assert web.client.put(f"{url}/nothing", json={"value": 5}, headers=web.be("north")).status_code == 400
    own = {"kind": "balance_low", "subtree": True, "value": 5_000_000}
    form = {"value": 5_000_000, "subtree": True}
    assert web.client.put(f"{url}/balance_low", json=form, headers=web.be("north")).json() == own
    assert web.client.get(url, headers=web.be("shop")).json() == [own]
    gone = web.client.delete(f"{url}/balance_low", params={"subtree": "true"}, headers=web.be("north"))
    assert gone.status_code == 204
    assert web.client.get(url, headers=web.be("shop")).json() == []
