"""Ends of calls that are reached by a name: the real engine, a name server that is told when to answer."""

from __future__ import annotations

import asyncio

import pytest

from sipguard.calls.naming import Naming
from sipguard.sip.locate import Answer, LookupFailedError
from sipguard.sip.names import Remembered, Resolution
from tests.calls.desk import CALLER, Desk, Sent
from tests.policy.world import World, routing_gateway

GATEWAY, ELSEWHERE = ("198.51.100.1", 5060), ("198.51.100.9", 5070)
CONTACT = "Contact: <sip:gw@GW.example.net:5070>"


class Dns:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.fails = False
        self.asked: list[str] = []

    async def __call__(self, name: str, kind: str) -> Answer:
        self.asked.append(name)
        await self.may_answer.wait()
        if self.fails:
            raise LookupFailedError(f"{kind} of {name}: no name server answers")
        return Answer([ELSEWHERE[0]], 60)


class Named(Desk):
    """A desk whose gateway names itself."""

    def __init__(self) -> None:
        super().__init__(World(gateways=[routing_gateway(1, host=GATEWAY[0])]))
        self.dns = Dns()
        remembered = Remembered(Resolution(self.dns, families=("A",)), lambda: self.now_ns)
        naming = Naming(self.engine, self, self.exchange.alarms, remembered)
        self.exchange.naming = naming
        self.engine.resolve_names(True)

    async def settle(self) -> None:
        """Let tasks run that can."""
        for _ in range(10):
            await asyncio.sleep(0)
        self.turn()

    def answered(self, *lines: str) -> None:
        self.invite()
        self.answer(self.invited(), "200 OK", *(lines or (CONTACT,)))

    def to_caller(self) -> list[str]:
        return [one.line for one in self.sent("SIP/2.0 ") if one.to == CALLER]

    def bye(self) -> Sent:
        """Towards the gateway."""
        (call,) = self.exchange.current
        self.exchange.hangup(call.id, "SIP;cause=200")
        self.turn()
        (bye,) = [one for one in self.sent("BYE") if one.to != CALLER]
        return bye


@pytest.mark.item("F-10")
def test_the_answer_waits_for_the_name_and_what_follows_goes_where_it_leads() -> None:
    async def story() -> None:
        desk = Named()
        desk.answered()
        await desk.settle()
        assert desk.to_caller() == []
        desk.dns.may_answer.set()
        await desk.settle()
        assert desk.to_caller() == ["SIP/2.0 200 OK"]
        assert desk.dns.asked == ["gw.example.net"]
        bye = desk.bye()
        assert (bye.to, bye.line) == (ELSEWHERE, "BYE sip:gw@GW.example.net:5070 SIP/2.0")
        # A name that is remembered delays nobody.
        desk.exchange.over(next(iter(desk.exchange.current)))
        desk.answered()
        assert desk.to_caller() == ["SIP/2.0 200 OK"]
        assert desk.dns.asked == ["gw.example.net"]

    asyncio.run(story())


def test_nobody_waits_long_for_a_slow_name_server() -> None:
    async def story() -> None:
        desk = Named()
        desk.answered()
        await desk.settle()
        desk.wait(0.6)
        assert desk.to_caller() == ["SIP/2.0 200 OK"]
        desk.dns.may_answer.set()
        await desk.settle()
        assert desk.to_caller() == []
        assert desk.bye().to == ELSEWHERE, "late, and still of use"

    asyncio.run(story())


def test_where_the_name_server_fails_requests_go_where_the_end_was_heard_from() -> None:
    async def story() -> None:
        desk = Named()
        desk.dns.fails = True
        desk.dns.may_answer.set()
        desk.answered()
        await desk.settle()
        assert desk.to_caller() == ["SIP/2.0 200 OK"]
        assert desk.bye().to == GATEWAY

    asyncio.run(story())


def test_an_end_that_gives_its_address_asks_nobody_and_waits_for_nobody() -> None:
    async def story() -> None:
        desk = Named()
        desk.answered("Contact: <sip:gw@198.51.100.1>")
        assert desk.to_caller() == ["SIP/2.0 200 OK"]
        assert desk.dns.asked == []

    asyncio.run(story())
