"""Figures of the moment, told to many; and who hears which."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import pytest

from sipguard.control import ControlError
from sipguard.web.live import Live
from tests.web.conftest import Web


def told(event: bytes) -> dict[str, Any]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return dict(msgspec.json.decode(event.removeprefix(b"data: ")))


def test_however_many_listen_the_proxy_is_asked_once_for_all_of_them() -> None:
    asked: list[set[str | None]] = []

    async def ask(subjects: Collection[str | None]) -> Mapping[str | None, object]:
        asked.append(set(subjects))
        return {subject: {"of": subject, "number": len(asked)} for subject in subjects}

    async def hear(live: Live, subject: str | None, count: int) -> list[bytes]:
        heard: list[bytes] = []
        async for event in live.listen(subject):
            heard.append(event)
            if len(heard) == count:
                break
        return heard

    async def run() -> None:
        live = Live(ask, seconds=0.001)
        subjects = [None, "north", "south"]
        heard = await asyncio.gather(*(hear(live, subject, 5) for subject in subjects for _ in range(50)))
        for place, events in enumerate(heard):
            assert {told(event)["of"] for event in events} == {subjects[place // 50]}
            numbers = [told(event)["number"] for event in events]
            assert numbers == sorted(set(numbers)), "nothing is told twice"
        assert len({id(events[0]) for events in heard[:50]}) == 1, "what fifty hear was written once"
        assert set(subjects) in asked
        assert len(asked) < 50
        for _ in range(100):
            await asyncio.sleep(0)  # who listened has gone, and with the last one the questions
        before = len(asked)
        await asyncio.sleep(0.01)
        assert len(asked) == before

    asyncio.run(run())


@pytest.mark.parametrize("failure", [ControlError("nobody answers"), ValueError("a bug of ours")])
def test_a_proxy_that_is_away_is_told_and_asked_again(failure: Exception) -> None:
    answers: list[Exception | None] = [failure, None]

    async def ask(subjects: Collection[str | None]) -> Mapping[str | None, object]:
        if (answer := answers.pop(0)) is not None:
            raise answer
        return dict.fromkeys(subjects, 1)

    async def run() -> list[bytes]:
        events = Live(ask, seconds=0.001).listen("north")
        return [await anext(events) for _ in range(2)]

    first, second = asyncio.run(run())
    assert told(first)["unavailable"]
    assert second == b"data: 1\n\n"


def test_who_opens_another_subject_does_not_wait_for_the_next_second() -> None:
    async def ask(subjects: Collection[str | None]) -> Mapping[str | None, object]:
        return dict.fromkeys(subjects, 1)

    async def run() -> None:
        live = Live(ask, seconds=3600.0, prompt_seconds=0.001)
        first, second = live.listen(None), live.listen("north")
        await anext(first)
        async with asyncio.timeout(60):
            assert await anext(second) == b"data: 1\n\n"
        await first.aclose()  # type: ignore[attr-defined]
        await second.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_without_a_proxy_there_are_no_figures(web: Web) -> None:
    assert web.client.get("/api/v1/stats", headers=web.be("root")).status_code == 503
    foreign = web.client.get("/api/v1/stats", params={"account_id": "south"}, headers=web.be("north"))
    assert foreign.status_code == 404
    assert (
        web.client.get("/api/v1/live", params={"account_id": "south"}, headers=web.be("north")).status_code
        == 404
    )


def test_series_are_those_in_scope(web: Web) -> None:
    period = {"from_at": "1700000000", "till_at": "1700003600"}

    def status(who: str, **params: str) -> int:
        answer = web.client.get("/api/v1/series", params=period | params, headers=web.be(who))
        return int(answer.status_code)

    assert status("root", scope="all") == 200
    assert status("north", scope="all") == 404
    assert status("north", key="shop") == 200
    assert status("north", key="south") == 404
    assert status("north", scope="routing_gateway", key="anything") == 404
    assert status("north", key="shop", step="61") == 400
