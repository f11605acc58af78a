"""Calls per second against a list of all admissions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipguard.policy import pace
from sipguard.policy.pace import WINDOW_NS, Pace
from tests.policy.world import routing_gateway

GAPS_NS = st.lists(st.one_of(st.integers(0, 10**6), st.integers(0, 2 * WINDOW_NS)), max_size=60)


@given(GAPS_NS, st.integers(1, 5))
def test_no_second_has_more_than_the_limit_and_none_is_refused_below_it(gaps: list[int], limit: int) -> None:
    gateway = routing_gateway(cps_limit=limit)
    key = pace.routing_gateway_key(gateway)
    counted, now = Pace(), 0
    admitted: list[int] = []
    for gap in gaps:
        now += gap
        within = sum(1 for at in admitted if now - at < WINDOW_NS)
        assert counted.used(key, now) == within
        assert within <= limit
        if within < limit:
            counted.take_route(gateway, now)
            admitted.append(now)
    spans = zip(admitted, admitted[limit:], strict=False)
    assert all(later - earlier >= WINDOW_NS for earlier, later in spans)
