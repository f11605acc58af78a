"""Phone cards through the API."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sipguard.manage.card import pin_hash
from tests.web.conftest import Web

URL = "/api/v1/card-batches"


def make(web: Web, who: str | None, **form: object) -> Any:
    told = {"id": "spring", "account_id": "shop", "cards": 20, "face_value_micros": 5_000_000} | form
    return web.client.post(URL, json=told, headers=web.be(who))


def test_pins_are_told_once_and_kept_as_hashes(web: Web) -> None:
    made = make(web, "north")
    assert made.status_code == 201, made.text
    cards = made.json()["cards"]
    assert len({card["pin"] for card in cards}) == 20
    assert all(len(card["pin"]) == 14 and card["pin"].isdecimal() for card in cards)
    assert [card["serial"] for card in cards] == [f"spring-{at:02}" for at in range(1, 21)]
    with closing(sqlite3.connect(web.path)) as file:
        (key,) = file.execute("SELECT value FROM secret WHERE name = 'card_pin_key'").fetchone()
        kept = {row[0] for row in file.execute("SELECT pin_hash FROM card")}
        dump = "\n".join(file.iterdump())
    assert kept == {pin_hash(key, card["pin"]) for card in cards}
    assert not any(card["pin"] in dump for card in cards)
    listed = web.client.get(f"{URL}/spring/cards", headers=web.be("shop")).json()
    assert [card["serial"] for card in listed["items"]] == [card["serial"] for card in cards]


@pytest.mark.parametrize(
    ("who", "form", "status"),
    [
        (None, {}, 401),
        ("shop", {}, 403),
        ("north", {"account_id": "south"}, 404),
        ("north", {"cards": 0}, 400),
        ("north", {"cards": 10_001}, 400),
        ("north", {"pin_digits": 4}, 400),
        ("north", {"face_value_micros": 0}, 400),
        ("north", {"valid_till": 5}, 400),
        ("north", {"valid_days": 0}, 400),
    ],
)
def test_what_no_batch_is_made_of(web: Web, who: str | None, form: dict[str, object], status: int) -> None:
    assert make(web, who, **form).status_code == status


def test_cards_are_blocked_together_or_one_by_one(web: Web) -> None:
    assert make(web, "north").status_code == 201
    assert make(web, "north").status_code == 409
    north = web.be("north")
    some = {"blocked": True, "serials": ["spring-01", "spring-02"]}
    assert web.client.post(f"{URL}/spring/block", json=some, headers=north).json()["cards_blocked"] == 2
    foreign = {"blocked": True, "serials": ["spring-03", "other-01"]}
    assert web.client.post(f"{URL}/spring/block", json=foreign, headers=north).status_code == 400
    assert web.client.get(f"{URL}/spring", headers=north).json()["cards_blocked"] == 2, "all or none"
    assert web.client.post(f"{URL}/spring/block", json={"blocked": True}, headers=north).json()["blocked"]
    assert web.client.post(f"{URL}/spring/block", json=some, headers=web.be("south")).status_code == 404
    assert web.client.get(f"{URL}/spring", headers=web.be("south")).status_code == 404
    assert web.client.get(URL, headers=web.be("south")).json()["items"] == []
