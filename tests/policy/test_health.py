"""Gateways go out of service and come back, by the rules and the clock that they are told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.verdict import Reason
from sipguard.policy.health import Cause, Health, Outage, Rules
from tests.policy.world import NOW, World, gateway_ids, route, routing_gateway

S = 1_000_000_000
RULES = Rules(down_after=3, up_after=2, call_failures=4, rest_seconds=30, retry_after_max_seconds=120)
KEY = 7


class Watched(Health):
    """Health that remembers what it said of its gateway."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.said: list[Cause | None] = []
        super().__init__(rules, lambda _, outage: self.said.append(outage and outage.cause))

    def is_out(self, second: float) -> bool:
        outage = self.out.get(KEY)
        return outage is not None and outage.holds(int(second * S))


def test_probes_take_out_and_bring_back_with_hysteresis() -> None:
    health = Watched()
    answers = [*"--+---+-++", *"--+"]
    states = []
    for second, answer in enumerate(answers):
        health.probed(KEY, "" if answer == "+" else "answer to OPTIONS: 503", second * S)
        states.append(health.is_out(second))
    assert states == [False] * 5 + [True] * 4 + [False] * 4
    assert health.said == [Cause.PROBES, None]


def test_calls_that_fail_in_a_row_take_out_for_a_while() -> None:
    health = Watched()
    for _ in range(3):
        health.call_failed(KEY, "timeout", 0, probed=False)
    health.call_heard(KEY)
    for second in range(4):
        assert not health.is_out(second)
        health.call_failed(KEY, "timeout", second * S, probed=False)
    assert health.is_out(32.9)
    assert health.out[KEY].why == "4 calls in a row failed, the last one by timeout"
    assert not health.is_out(33)
    health.call_failed(KEY, "timeout", 40 * S, probed=False)
    assert health.is_out(69), "one more is enough after a rest"
    health.expire(KEY, 70 * S)
    health.call_heard(KEY)
    health.call_failed(KEY, "timeout", 71 * S, probed=False)
    assert not health.is_out(71)
    assert health.said == [Cause.CALLS, None]


def test_a_probed_gateway_is_brought_back_by_probes_and_not_by_time() -> None:
    health = Watched()
    for _ in range(4):
        health.call_failed(KEY, "timeout", 0, probed=True)
    assert health.is_out(1e6)
    for second in (1, 2):
        assert health.is_out(second)
        health.probed(KEY, "", second * S)
    assert not health.is_out(2)


def test_a_gateway_that_is_probed_no_longer_is_back() -> None:
    health = Watched()
    for second in range(3):
        health.probed(KEY, "answer to OPTIONS: none in time", second * S)
    health.not_probed(KEY, 3 * S)
    assert health.said == [Cause.PROBES, None]


def test_retry_after_is_obeyed_up_to_a_limit() -> None:
    health = Watched()
    assert health.retry_after(KEY, 60, 0) == 60
    assert (health.is_out(59.9), health.is_out(60)) == (True, False)
    assert health.retry_after(KEY, 86_400, 100 * S) == 120
    assert (health.is_out(219.9), health.is_out(220)) == (True, False)
    assert Watched().retry_after(KEY, 0, 0) == 0
    assert Watched(RULES._replace(retry_after_max_seconds=0)).retry_after(KEY, 60, 0) == 0


def test_calls_may_tell_nothing() -> None:
    health = Watched(RULES._replace(call_failures=0))
    for _ in range(100):
        health.call_failed(KEY, "timeout", 0, probed=False)
    assert not health.out


def test_a_gateway_is_back_when_no_cause_is_left() -> None:
    health = Watched()
    health.resolved(KEY, "gw.test has no address", 0)
    health.retry_after(KEY, 60, 1 * S)
    assert health.out[KEY].cause is Cause.UNRESOLVED, "the one without an end"
    health.resolved(KEY, "", 2 * S)
    assert health.out[KEY].cause is Cause.RETRY_AFTER
    health.expire(KEY, 60 * S)
    assert health.is_out(60)
    health.expire(KEY, 61 * S)
    assert not health.out
    assert health.said == [Cause.UNRESOLVED, Cause.RETRY_AFTER, None]


def test_an_outage_began_when_it_began() -> None:
    health = Watched()
    for second in range(10):
        health.probed(KEY, "answer to OPTIONS: 503", second * S)
    assert health.out[KEY].since_ns == 2 * S


def test_only_what_belongs_to_a_gateway_that_is_gone_is_forgotten() -> None:
    health = Watched()
    for key in (KEY, 8):
        health.resolved(key, "gone", 0)
        health.probed(key, "answer to OPTIONS: 503", 0)
        health.call_failed(key, "timeout", 0, probed=False)
    health.keep({8, 9})
    assert set(health.out) == {8}
    for second in (1, 2):
        health.probed(8, "answer to OPTIONS: 503", second * S)
        health.probed(KEY, "answer to OPTIONS: 503", second * S)
    health.resolved(8, "", 3 * S)
    assert health.out[8].cause is Cause.PROBES
    assert KEY not in health.out


KINDS = ("+", "-", "call", "heard", "busy", "gone", "there", "time")
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 40)))


@given(EVENTS)
def test_whatever_happens_it_comes_back(events: list[tuple[str, int]]) -> None:
    """No sequence of events leaves a gateway out for good once everything about it is well again."""
    health, second = Watched(), 0
    for event, later in events:
        second += later
        now = second * S
        match event:
            case "+" | "-":
                health.probed(KEY, "" if event == "+" else "answer to OPTIONS: 503", now)
            case "call":
                health.call_failed(KEY, "timeout", now, probed=later % 2 == 0)
            case "heard":
                health.call_heard(KEY)
            case "busy":
                health.retry_after(KEY, later, now)
            case "gone" | "there":
                health.resolved(KEY, "" if event == "there" else "no address", now)
            case "time":
                health.expire(KEY, now)
        assert all(was is not is_ for was, is_ in zip(health.said, health.said[1:], strict=False))
    health.resolved(KEY, "", second * S)
    for _ in range(RULES.up_after):
        health.probed(KEY, "", second * S)
    health.expire(KEY, (second + RULES.retry_after_max_seconds) * S)
    assert not health.out


# What the decision makes of it.

DOWN = Outage(Cause.PROBES, "answer to OPTIONS: none in time", 0, None)


def two_gateways() -> World:
    return World(
        gateways=[routing_gateway(1), routing_gateway(2)],
        routes=[route(1, 1), replace(route(2, 2), priority=2)],
    )


def test_a_gateway_that_is_out_is_no_candidate() -> None:
    world = two_gateways()
    world.out = {1: DOWN}
    assert gateway_ids(world.permit()) == ["vendor-2"]


def test_an_outage_that_is_over_keeps_nobody_out() -> None:
    world = two_gateways()
    world.out = {1: DOWN._replace(until_ns=NOW.monotonic_ns), 2: DOWN._replace(until_ns=NOW.monotonic_ns + 1)}
    assert gateway_ids(world.permit()) == ["vendor-1"]


def test_where_all_are_out_the_refusal_says_why() -> None:
    world = World(out={1: DOWN})
    refusal = world.refusal()
    assert refusal.reason is Reason.GATEWAYS_DOWN
    assert refusal.observed == "vendor-1 out of service: answer to OPTIONS: none in time"


def test_a_full_gateway_is_named_before_one_that_is_out() -> None:
    world = two_gateways()
    world.gateways[1] = routing_gateway(2, capacity=0)
    world.out = {1: DOWN}
    assert world.refusal().reason is Reason.GATEWAYS_FULL


def test_emergency_calls_try_what_is_out_last() -> None:
    world = two_gateways()
    world.settings = replace(world.settings, emergency_gateway_ids=("vendor-1", "vendor-2"))
    world.out = {1: DOWN}
    assert gateway_ids(world.permit("112")) == ["vendor-2", "vendor-1"]
    world.out = {1: DOWN, 2: DOWN}
    assert gateway_ids(world.permit("112")) == ["vendor-1", "vendor-2"]
