"""RFC 3263 against a real name server on loopback, asked by the library that the daemon uses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipguard.sip.locate import Found, Location, LookupFailedError, Place, Server, locate, order
from sipguard.sip.lookup import DnsLookup
from tests.harness.names import NEGATIVE_TTL, NameServer


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def found(names: NameServer, place: Place, **usable: tuple[str, ...]) -> Found:
    lookup = DnsLookup([(names.host, names.port)], timeout_seconds=3)
    return asyncio.run(locate(place, lookup, **usable))


def places(answer: Found) -> Sequence[Sequence[tuple[str, str, int]]]:
    """Locations of each priority."""
    return [[each for server in tier for each in server.locations] for tier in answer.priorities]


@pytest.mark.item("T-06", "F-10")
def test_naptr_chooses_the_transport_and_srv_the_hosts(names: NameServer) -> None:
    names.set(
        "gw.test",
        "NAPTR",
        '50 50 "s" "SIPS+D2T" "" _sips._tcp.gw.test.',
        '90 60 "s" "SIP+D2U" "" _sip._udp.gw.test.',
        '90 50 "s" "sip+d2t" "" _sip._tcp.gw.test.',
        '10 50 "u" "E2U+sip" "!^.*$!sip:info@gw.test!" .',
    )
    names.set("_sip._tcp.gw.test", "SRV", "1 0 5070 b.gw.test.", "0 7 5062 a.gw.test.", ttl=40)
    names.set("a.gw.test", "A", "192.0.2.1", "192.0.2.2")
    names.set("b.gw.test", "A", "192.0.2.3")
    names.set("b.gw.test", "AAAA", "2001:db8::3", ttl=30)
    answer = found(names, Place("gw.test"))
    # A name server may give the addresses of one host in any order.
    assert [sorted(places(answer)[0]), *places(answer)[1:]] == [
        [("tcp", "192.0.2.1", 5062), ("tcp", "192.0.2.2", 5062)],
        [("tcp", "2001:db8::3", 5070), ("tcp", "192.0.2.3", 5070)],
    ]
    assert [server.weight for tier in answer.priorities for server in tier] == [7, 0]
    assert answer.ttl == min(30, NEGATIVE_TTL), "the least of all that was asked: a.gw.test has no AAAA"


@pytest.mark.item("T-06")
def test_naptr_may_ask_for_tls_where_we_speak_it(names: NameServer) -> None:
    names.set("gw.test", "NAPTR", '50 50 "s" "SIPS+D2T" "" _sips._tcp.gw.test.')
    names.set("_sips._tcp.gw.test", "SRV", "0 0 5061 a.gw.test.")
    names.set("a.gw.test", "A", "192.0.2.1")
    answer = found(names, Place("gw.test"), transports=("udp", "tcp", "tls"))
    assert places(answer) == [[("tls", "192.0.2.1", 5061)]]
    assert found(names, Place("gw.test")).why == "gw.test has no address"


@pytest.mark.item("T-06")
@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("plain.test"), ("udp", "192.0.2.9", 5060)),
        (Place("plain.test", None, "tcp"), ("tcp", "192.0.2.9", 5060)),
        (Place("plain.test", None, "tls"), ("tls", "192.0.2.9", 5061)),
        (Place("srv.test", 5099), ("udp", "192.0.2.8", 5099)),
        (Place("srv.test", 5099, "tcp"), ("tcp", "192.0.2.8", 5099)),
        (Place("srv.test"), ("udp", "192.0.2.1", 5066)),
        (Place("srv.test", None, "tcp"), ("tcp", "192.0.2.1", 5067)),
        (Place("tcp-only.test"), ("tcp", "192.0.2.1", 5068)),
        (Place("alias.test"), ("udp", "192.0.2.9", 5060)),
        (Place("192.0.2.7"), ("udp", "192.0.2.7", 5060)),
        (Place("2001:db8::7", None, "tls"), ("tls", "2001:db8::7", 5061)),
    ],
)
def test_transport_and_port_as_given_or_by_srv(
    names: NameServer, place: Place, expected: tuple[str, str, int]
) -> None:
    names.set("plain.test", "A", "192.0.2.9")
    names.set("alias.test", "CNAME", "plain.test.")
    names.set("srv.test", "A", "192.0.2.8")
    names.set("_sip._udp.srv.test", "SRV", "0 0 5066 host.test.")
    names.set("_sip._tcp.srv.test", "SRV", "0 0 5067 host.test.")
    names.set("_sip._tcp.tcp-only.test", "SRV", "0 0 5068 host.test.")
    names.set("host.test", "A", "192.0.2.1")
    assert places(found(names, place, transports=("udp", "tcp", "tls"))) == [[expected]]


def test_an_address_asks_nobody(names: NameServer) -> None:
    found(names, Place("192.0.2.7"))
    assert not names.asked


def test_a_service_that_is_decidedly_not_there(names: NameServer) -> None:
    names.set("_sip._udp.gw.test", "SRV", "0 0 0 .")
    names.set("gw.test", "A", "192.0.2.1")
    answer = found(names, Place("gw.test", None, "udp"))
    assert (answer.priorities, answer.why) == ((), "_sip._udp.gw.test says that there is no such service")


def test_what_does_not_exist_is_believed_as_long_as_its_zone_says(names: NameServer) -> None:
    answer = found(names, Place("nowhere.test"))
    assert answer == Found((), NEGATIVE_TTL, "nowhere.test has no address")


def test_families_that_we_do_not_speak_are_not_asked_for(names: NameServer) -> None:
    names.set("gw.test", "A", "192.0.2.1")
    names.set("gw.test", "AAAA", "2001:db8::1")
    answer = found(names, Place("gw.test", 5060), families=("A",))
    assert places(answer) == [[("udp", "192.0.2.1", 5060)]]
    assert ("gw.test", "AAAA") not in names.asked


def test_a_truncated_answer_is_asked_for_again_over_tcp(names: NameServer) -> None:
    names.set("gw.test", "A", "192.0.2.1")
    names.truncates = True
    assert places(found(names, Place("gw.test", 5060))) == [[("udp", "192.0.2.1", 5060)]]
    assert names.asked["gw.test", "A"] == 2


def test_a_name_server_that_cannot_say_is_a_failure_and_no_answer(names: NameServer) -> None:
    names.broken = True
    with pytest.raises(LookupFailedError, match=r"SRV of _sip\._udp\.gw\.test: no name server can say"):
        found(names, Place("gw.test"))


def test_a_name_server_that_is_silent_is_a_failure() -> None:
    with NameServer() as names:
        names.mute = True
        lookup = DnsLookup([(names.host, names.port)], timeout_seconds=0.3)
        with pytest.raises(LookupFailedError, match=r"A of gw\.test: no name server answers"):
            asyncio.run(locate(Place("gw.test", 5060), lookup, families=("A",)))


def test_the_second_name_server_is_asked_where_the_first_cannot_say(names: NameServer) -> None:
    names.set("gw.test", "A", "192.0.2.1")
    with NameServer() as other:
        other.broken = True
        lookup = DnsLookup([(other.host, other.port), (names.host, names.port)], timeout_seconds=3)
        answer = asyncio.run(locate(Place("gw.test", 5060), lookup))
    assert places(answer) == [[("udp", "192.0.2.1", 5060)]]


def test_hosts_without_an_address_are_left_out(names: NameServer) -> None:
    names.set("_sip._udp.gw.test", "SRV", "0 1 5060 gone.test.", "1 1 5060 there.test.")
    names.set("there.test", "A", "192.0.2.1")
    assert places(found(names, Place("gw.test"))) == [[("udp", "192.0.2.1", 5060)]]


# RFC 2782: the order among equal priorities is drawn by weight.


def server(weight: int, host: int) -> Server:
    return Server(weight, (Location("udp", f"192.0.2.{host}", 5060),))


WEIGHTS = st.lists(st.integers(0, 65535), min_size=1, max_size=8)


@given(st.lists(WEIGHTS, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_every_server_is_tried_once_and_priorities_are_kept(
    tiers: list[list[int]], chance: random.Random
) -> None:
    numbers = iter(range(1, 100))
    priorities = [[server(weight, next(numbers)) for weight in tier] for tier in tiers]
    drawn = order(priorities, lambda n: chance.randint(0, n))
    at = 0
    for tier in priorities:
        expected = {location for each in tier for location in each.locations}
        assert set(drawn[at : at + len(tier)]) == expected
        at += len(tier)
    assert at == len(drawn)


@given(WEIGHTS, st.integers(0, 2**32))
def test_the_first_is_drawn_in_proportion_to_its_weight(weights: list[int], point: int) -> None:
    """Every point of 0 to the sum leads to one server, and to each as many as it has weight: RFC 2782's
    running sums, with one point more for the first of those without weight."""
    servers = [server(weight, position + 1) for position, weight in enumerate(weights)]
    total = sum(weights)
    chosen = order([servers], lambda n: point % (n + 1))[0]
    bounds, reached = [], 0
    for each in sorted(servers, key=lambda each: each.weight > 0):
        reached += each.weight
        bounds.append((reached, each))
    expected = next(each for bound, each in bounds if point % (total + 1) <= bound)
    assert chosen == expected.locations[0]


def test_shares_come_out_as_the_weights_say() -> None:
    chance = random.Random(3263)
    servers = [server(weight, weight + 1) for weight in (0, 10, 30, 60)]
    firsts = [order([servers], lambda n: chance.randint(0, n))[0] for _ in range(20_000)]
    shares = [firsts.count(each.locations[0]) / 20_000 for each in servers]
    # Four standard deviations of the least likely share are 0.008.
    assert shares == pytest.approx([1 / 101, 10 / 101, 30 / 101, 60 / 101], abs=0.015)
