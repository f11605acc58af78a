"""A name is asked for again in time, kept where the DNS fails, and given up where it says so."""

from __future__ import annotations

import asyncio

import pytest

from sipguard.sip.locate import Answer, LookupFailedError, Place
from sipguard.sip.names import Names, Remembered, Resolution

GATEWAY = Place("gw.test", 5060, "udp")
S = 1_000_000_000


class Dns:
    """Answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.addresses = ["192.0.2.1"]
        self.ttl = 100
        self.fails = False
        self.asked = 0

    async def __call__(self, name: str, kind: str) -> Answer:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise LookupFailedError(f"{kind} of {name}: no name server answers")
        return Answer(self.addresses, self.ttl)


class Bench:
    """Names under a clock that is set by hand."""

    def __init__(self, stale_seconds: int = 1000) -> None:
        self.dns, self.now_ns = Dns(), 5 * S
        self.changes: list[Place] = []
        self.resolution = Resolution(self.dns, families=("A",), stale_seconds=stale_seconds)
        self.names = Names(self.resolution, lambda: self.now_ns, self.changes.append)

    async def at(self, second: int) -> list[str]:
        """Ask what is due then; the addresses that are known afterwards."""
        self.now_ns = second * S
        self.names.ask_due()
        await self.names.settled(10)
        found = self.names.known(GATEWAY).found
        tiers = found.priorities if found else ()
        return [each.address for tier in tiers for server in tier for each in server.locations]


@pytest.mark.item("F-10")
def test_asked_again_before_the_ttl_ends() -> None:
    async def story() -> None:
        bench = Bench()
        bench.names.watch([GATEWAY])
        assert bench.names.known(GATEWAY).why == "not resolved yet"
        assert await bench.at(0) == ["192.0.2.1"]
        bench.dns.addresses = ["192.0.2.2"]
        assert await bench.at(79) == ["192.0.2.1"]
        assert bench.dns.asked == 1
        assert await bench.at(80) == ["192.0.2.2"], "a fifth of 100 s before the end"
        assert bench.changes == [GATEWAY, GATEWAY]

    asyncio.run(story())


@pytest.mark.parametrize(("ttl", "again"), [(0, 4), (1, 4), (86_400 * 7, 3570)])
def test_very_short_and_very_long_ttls(ttl: int, again: int) -> None:
    async def story() -> None:
        bench = Bench()
        bench.dns.ttl = ttl
        bench.names.watch([GATEWAY])
        await bench.at(0)
        await bench.at(again - 1)
        assert bench.dns.asked == 1
        await bench.at(again)
        assert bench.dns.asked == 2

    asyncio.run(story())


def test_where_the_dns_fails_what_was_known_is_used_on_for_a_while() -> None:
    async def story() -> None:
        bench = Bench(stale_seconds=1000)
        bench.names.watch([GATEWAY])
        await bench.at(0)
        bench.dns.fails = True
        assert await bench.at(80) == ["192.0.2.1"]
        asked = [bench.dns.asked]
        for second in (81, 82, 85, 86):
            await bench.at(second)
            asked.append(bench.dns.asked)
        assert asked == [2, 2, 3, 3, 4], "after 2 s, then 4 s"
        assert await bench.at(1100) == ["192.0.2.1"]
        assert await bench.at(1200) == [], "1000 s after the TTL"
        assert bench.names.known(GATEWAY).why == "A of gw.test: no name server answers"
        bench.dns.fails = False
        assert await bench.at(1300) == ["192.0.2.1"]
        assert bench.names.known(GATEWAY).why == ""
        assert len(bench.changes) == 3, "known, gone, back"

    asyncio.run(story())


def test_where_the_dns_says_that_there_is_nothing_that_is_believed() -> None:
    async def story() -> None:
        bench = Bench()
        bench.names.watch([GATEWAY])
        await bench.at(0)
        bench.dns.addresses = []
        assert await bench.at(80) == []
        assert bench.names.known(GATEWAY).why == "gw.test has no address"

    asyncio.run(story())


def test_what_is_known_of_a_place_survives_a_change_of_the_list() -> None:
    async def story() -> None:
        bench = Bench()
        bench.names.watch([GATEWAY])
        await bench.at(0)
        bench.names.watch([Place("other.test", 5060), GATEWAY])
        assert await bench.at(1) == ["192.0.2.1"]
        assert bench.dns.asked == 2, "only the new one"
        bench.names.watch([])
        with pytest.raises(KeyError):
            bench.names.known(GATEWAY)

    asyncio.run(story())


def test_it_asks_by_itself_and_whenever_the_list_changes() -> None:
    async def story() -> None:
        bench = Bench()
        known = asyncio.Event()
        names = Names(bench.resolution, lambda: bench.now_ns, lambda _: known.set())
        running = asyncio.get_running_loop().create_task(names.run())
        names.watch([GATEWAY])
        await asyncio.wait_for(known.wait(), 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        names.stop()

    asyncio.run(story())


def test_a_name_inside_calls_is_asked_for_once_and_remembered() -> None:
    async def story() -> None:
        bench = Bench()
        remembered = Remembered(bench.resolution, lambda: bench.now_ns)
        assert remembered.find(GATEWAY) is None
        first, second = await asyncio.gather(remembered.ask(GATEWAY), remembered.ask(GATEWAY))
        assert first is second
        assert bench.dns.asked == 1
        assert remembered.find(GATEWAY) is first
        bench.now_ns += 100 * S
        assert remembered.find(GATEWAY) is None
        bench.dns.fails = True
        with pytest.raises(LookupFailedError):
            await remembered.ask(GATEWAY)
        bench.dns.fails = False
        assert (await remembered.ask(GATEWAY)).priorities

    asyncio.run(story())
