"""Gateways by several ways, in and out of service, with the real engine under a clock that is set by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipguard.model.gateway import RoutingGateway
from sipguard.policy.health import Rules
from sipguard.sip.locate import Found, Location, Place, Server
from sipguard.sip.names import Known
from tests.calls.desk import Desk
from tests.policy.world import World, route, routing_gateway

FIRST, SECOND = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
NAMED = Place("gw.example.net")


def vendor(key: int, host: str, **changes: Any) -> RoutingGateway:
    return routing_gateway(key, host=host, **changes)


def world(*gateways: RoutingGateway) -> World:
    """The gateways are tried in this order."""
    routes = [replace(route(one.key, one.key), priority=one.key) for one in gateways]
    made = World(gateways=list(gateways), routes=routes)
    made.settings = replace(made.settings, emergency_gateway_ids=(gateways[0].id,))
    return made


def two(**changes: Any) -> World:
    return world(vendor(1, FIRST[0], **changes), vendor(2, SECOND[0]))


class Names:
    """What is known of names, as the test tells it (the part of sip.names.Names that is used here)."""

    def __init__(self, *addresses: str) -> None:
        self.tell(*addresses)

    def tell(self, *addresses: str, error: str = "") -> None:
        locations = tuple(Location("udp", address, 5060) for address in addresses)
        tiers = ((Server(0, locations),),) if locations else ()
        self.now = Known(found=Found(tiers, 60, error), error=error) if not error else Known(error=error)

    def watch(self, places: object) -> None:
        pass

    def known(self, place: Place) -> Known:
        assert place == NAMED
        return self.now


def named_desk(names: Names, rules: Rules | None = None, **changes: Any) -> Desk:
    desk = Desk(world(vendor(2, SECOND[0])), rules)
    desk.gateways.names = names  # type: ignore[assignment]
    desk.configure(world(vendor(1, "gw.example.net", port=None, transport=None, **changes)))
    return desk


def states(desk: Desk) -> dict[object, object]:
    return {one["id"]: one["state"] for one in desk.gateways.report()}


# Several ways to one gateway (RFC 3263 section 4.3).


@pytest.mark.item("F-10", "T-06")
def test_the_next_address_is_tried_after_503_and_after_silence_with_a_new_branch() -> None:
    desk = named_desk(Names("198.51.100.1", "198.51.100.2", "198.51.100.3"))
    desk.invite()
    tried = [desk.invited()]
    desk.answer(tried[0], "503 Service Unavailable")
    tried.append(desk.invited())
    desk.wait(4.1)
    tried.append(desk.invited())
    assert [one.to[0] for one in tried] == ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    assert len({one.header("Via") for one in tried}) == 3
    assert {one.line.split("@")[1] for one in tried} == {"gw.example.net SIP/2.0"}, "the name as configured"
    desk.answer(tried[2], "486 Busy Here")
    assert desk.replied() == "486 Busy Here"
    (cdr,) = desk.ledger.cdrs
    assert [(one.gateway_id, one.status, one.cause) for one in cdr.tries] == [
        ("vendor-1", 503, "response"),
        ("vendor-1", 408, "timeout"),
        ("vendor-1", 486, "response"),
    ]
    assert desk.idle()


@pytest.mark.item("T-06")
def test_any_other_answer_is_the_gateways_and_not_the_addresss() -> None:
    desk = named_desk(Names("198.51.100.1", "198.51.100.2"))
    desk.invite()
    desk.answer(desk.invited(), "500 Server Internal Error")
    assert desk.replied() == "500 Server Internal Error"


def test_an_address_that_failed_comes_last_for_a_while() -> None:
    desk = named_desk(Names("198.51.100.1", "198.51.100.2"), Rules(rest_seconds=30))
    firsts = []
    for wait in (0, 1, 28, 2):
        desk.wait(wait)
        desk.invite()
        invite = desk.invited()
        firsts.append(invite.to[0])
        desk.answer(invite, "503 Service Unavailable" if len(firsts) == 1 else "486 Busy Here")
        if len(firsts) == 1:
            desk.answer(desk.invited(), "486 Busy Here")
    assert firsts == ["198.51.100.1", "198.51.100.2", "198.51.100.2", "198.51.100.1"]


# Names.


def test_a_gateway_whose_name_leads_nowhere_is_out_of_service_and_says_why() -> None:
    names = Names()
    names.tell(error="A of gw.example.net: no name server answers")
    desk = named_desk(names)
    desk.invite()
    assert desk.replied() == "480 Temporarily Unavailable"
    (cdr,) = desk.ledger.cdrs
    assert cdr.refusal_observed == "vendor-1 out of service: A of gw.example.net: no name server answers"
    names.tell("198.51.100.1")
    desk.gateways.located(NAMED)
    desk.invite()
    assert desk.invited().to == FIRST


def test_a_call_that_is_up_stays_where_it_is_when_the_name_leads_elsewhere() -> None:
    names = Names("198.51.100.1")
    desk = named_desk(names)
    desk.invite()
    invite = desk.invited()
    names.tell("198.51.100.2")
    desk.gateways.located(NAMED)
    desk.answer(invite, "200 OK", "Contact: <sip:gw@198.51.100.1>")
    assert desk.replied() == "200 OK"
    (call,) = desk.exchange.current
    desk.exchange.hangup(call.id, "SIP;cause=200")
    desk.turn()
    assert FIRST in [bye.to for bye in desk.sent("BYE")]
    desk.invite()
    assert desk.invited().to == SECOND


def test_a_gateway_that_is_taken_out_of_the_configuration_during_a_call() -> None:
    desk = Desk(two())
    desk.invite()
    invite = desk.invited()
    desk.configure(world(vendor(2, SECOND[0])))
    desk.answer(invite, "503 Service Unavailable", "Retry-After: 60")
    assert desk.invited().to == SECOND
    assert states(desk) == {"vendor-2": "in service"}


# Calls that fail.


@pytest.mark.item("T-06")
def test_a_gateway_whose_calls_fail_rests_and_is_tried_again() -> None:
    desk = Desk(two(), Rules(call_failures=3, rest_seconds=20))
    for _ in range(3):
        desk.invite()
        assert desk.invited().to == FIRST
        desk.wait(4.1)
        desk.answer(desk.invited(), "486 Busy Here")
    assert states(desk)["vendor-1"] == "out of service"
    desk.invite()
    assert desk.invited().to == SECOND, "nobody waits for it now"
    desk.wait(20)
    assert states(desk)["vendor-1"] == "in service"
    desk.sent()
    desk.invite()
    assert desk.invited().to == FIRST


def test_what_a_gateway_says_of_callees_tells_nothing_of_the_gateway() -> None:
    desk = Desk(two(), Rules(call_failures=1))
    for status in ("404 Not Found", "486 Busy Here", "408 Request Timeout", "500 Server Internal Error"):
        desk.invite()
        desk.answer(desk.invited(), status)
    assert states(desk)["vendor-1"] == "in service"


# Retry-After.


@pytest.mark.item("O-06")
def test_a_gateway_that_asks_for_rest_gets_no_calls_until_then() -> None:
    desk = Desk(two(), Rules(retry_after_max_seconds=300))
    desk.invite()
    desk.answer(desk.invited(), "503 Service Unavailable", "Retry-After: 60 (maintenance)")
    desk.answer(desk.invited(), "486 Busy Here")
    for wait, expected in ((59, SECOND), (1, FIRST)):
        desk.wait(wait)
        desk.sent()
        desk.invite()
        assert desk.invited().to == expected
    report = {one["id"]: one for one in desk.gateways.report()}["vendor-1"]
    assert report["why"] is None


def test_one_address_that_asks_for_rest_does_not_take_the_gateway_out() -> None:
    desk = named_desk(Names("198.51.100.1", "198.51.100.2"))
    desk.invite()
    desk.answer(desk.invited(), "503 Service Unavailable", "Retry-After: 60")
    desk.answer(desk.invited(), "486 Busy Here")
    desk.invite()
    assert desk.invited().to[0] == "198.51.100.2"
    assert states(desk) == {"vendor-1": "in service"}


# Probes.


def options(desk: Desk, seconds: float) -> list[tuple[str, int]]:
    """Whom OPTIONS went to in that time."""
    desk.sent()
    desk.wait(seconds)
    return [one.to for one in desk.sent("OPTIONS")]


def test_a_gateway_is_probed_once_in_its_interval() -> None:
    desk = Desk(two(probe_seconds=10))
    for _ in range(10):
        (to,) = options(desk, 10.4)[:1]
        assert to == FIRST, "the second has no probe_seconds"
    desk = Desk(two(probe_seconds=10))
    assert 90 <= len(options(desk, 1000)) <= 112, "10 % of jitter"


ANSWERS = [
    ("200 OK", True),
    ("404 Not Found", True),
    ("503 Service Unavailable", False),
    ("408 Timeout", False),
    ("", False),
]


@pytest.mark.parametrize(("answer", "alive"), ANSWERS)
def test_which_answers_say_that_a_gateway_is_there(answer: str, alive: bool) -> None:
    desk = Desk(two(probe_seconds=10), Rules(down_after=3))
    for _ in range(40):
        desk.wait(1)
        for probe in desk.sent("OPTIONS"):
            if answer:
                desk.answer(probe, answer)
    assert states(desk)["vendor-1"] == ("in service" if alive else "out of service")


def test_probes_take_a_gateway_out_and_bring_it_back() -> None:
    desk = Desk(two(probe_seconds=10), Rules(down_after=3, up_after=2))
    seen = []
    for second in range(120):
        desk.wait(1)
        for probe in desk.sent("OPTIONS"):
            if second >= 60:
                desk.answer(probe, "200 OK")
        state = states(desk)["vendor-1"]
        if not seen or seen[-1] != state:
            seen.append(state)
    assert seen == ["in service", "out of service", "in service"]


def test_the_answers_that_tell_are_a_matter_of_the_gateway() -> None:
    desk = Desk(two(probe_seconds=10, probe_down_codes=frozenset({404})), Rules(down_after=1))
    desk.wait(3)
    (probe,) = desk.sent("OPTIONS")
    desk.answer(probe, "404 Not Found")
    assert states(desk)["vendor-1"] == "out of service"
    report = {one["id"]: one for one in desk.gateways.report()}["vendor-1"]
    assert (report["why"], report["last_probe"]) == ("answer to OPTIONS: 404", "404")


def test_a_probe_tries_every_address_before_it_fails() -> None:
    desk = named_desk(Names("198.51.100.1", "198.51.100.2"), Rules(down_after=1), probe_seconds=20)
    desk.wait(8)
    first, second = desk.sent("OPTIONS")
    assert {first.to[0], second.to[0]} == {"198.51.100.1", "198.51.100.2"}
    desk.answer(second, "200 OK")
    assert states(desk) == {"vendor-1": "in service"}


def test_state_is_kept_over_a_change_of_the_configuration() -> None:
    desk = Desk(two(probe_seconds=10), Rules(down_after=2))
    desk.wait(30)
    assert states(desk)["vendor-1"] == "out of service"
    desk.configure(world(vendor(1, FIRST[0], probe_seconds=10, capacity=5), vendor(3, "198.51.100.3")))
    assert states(desk) == {"vendor-1": "out of service", "vendor-3": "in service"}
    desk.configure(two(probe_seconds=None))
    assert states(desk)["vendor-1"] == "in service", "nothing would bring it back"
    assert options(desk, 100) == []
    desk.configure(two(probe_seconds=5))
    assert len(options(desk, 60)) >= 8


def test_a_gateway_that_asked_for_rest_is_not_probed_meanwhile() -> None:
    desk = Desk(two(probe_seconds=5))
    desk.invite()
    desk.answer(desk.invited(), "503 Service Unavailable", "Retry-After: 60")
    assert options(desk, 55) == []
    assert len(options(desk, 20)) >= 2


def test_a_gateway_that_cannot_be_dialled_changes_nothing() -> None:
    desk = Desk(two())
    with pytest.raises(ValueError, match="routing gateway 'vendor-2': not udp, tcp or tls"):
        desk.gateways.configure([vendor(1, FIRST[0]), vendor(2, SECOND[0], transport="sctp")])
    desk.invite()
    assert desk.invited().to == FIRST


def test_an_emergency_call_goes_to_a_gateway_that_is_out_where_there_is_no_other() -> None:
    desk = Desk(world(vendor(1, FIRST[0])), Rules(call_failures=1))
    desk.invite()
    desk.invited()
    desk.wait(4.1)
    desk.sent()
    desk.invite("112")
    assert desk.invited().to == FIRST


# After ringing with media.


@pytest.mark.parametrize(("allowed", "expected"), [(False, []), (True, [SECOND])])
def test_failover_after_early_media_is_a_matter_of_the_gateway(
    allowed: bool, expected: list[tuple[str, int]]
) -> None:
    desk = Desk(two(fails_over_after_media=allowed))
    desk.invite()
    invite = desk.invited()
    desk.answer(invite, "183 Session Progress", "Contact: <sip:gw@198.51.100.1>", body="v=0\r\n")
    desk.answer(invite, "503 Service Unavailable")
    assert [one.to for one in desk.sent("INVITE")] == expected
