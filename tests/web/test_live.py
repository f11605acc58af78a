"""Figures of the moment, told to many; and who hears which."""

from __future__ import annotations

import asyncio

import msgspec

from sipguard.control import ControlError
from sipguard.web.live import Live
from tests.web.conftest import Web


def test_however_many_listen_the_proxy_is_asked_once_at_a_time() -> None:
    asked: list[str | None] = []

    async def ask(account_id: str | None) -> object:
        asked.append(account_id)
        return {"number": len(asked)}

    async def hear(live: Live, count: int) -> list[int]:
        heard: list[int] = []
        async for told in live.listen(None):
            heard.append(msgspec.json.decode(told)["number"])
            if len(heard) == count:
                break
        return heard

    async def run() -> None:
        live = Live(ask, seconds=0.001)
        heard = await asyncio.gather(*(hear(live, 5) for _ in range(50)))
        assert all(one == sorted(set(one)) for one in heard)
        assert len(asked) < 50
        for _ in range(100):
            await asyncio.sleep(0)  # who listened has gone, and with the last one the questions
        before = len(asked)
        await asyncio.sleep(0.01)
        assert len(asked) == before

    asyncio.run(run())


def test_a_proxy_that_is_away_is_told_and_asked_again() -> None:
    answers = [ControlError("nobody answers"), {"number": 1}]

    async def ask(_account_id: str | None) -> object:
        answer = answers.pop(0)
        if isinstance(answer, ControlError):
            raise answer
        return answer

    async def run() -> list[object]:
        told = Live(ask, seconds=0.001).listen("north")
        return [msgspec.json.decode(await anext(told)) for _ in range(2)]

    assert asyncio.run(run()) == [{"unavailable": "nobody answers"}, {"number": 1}]


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
