"""Whatever an INVITE says, there is a verdict; what is permitted can be held, and is sent as judged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.call import Attempt
from sipguard.model.verdict import Permit
from sipguard.policy import credit
from sipguard.policy.decide import Moment, decide
from tests.policy.world import NOW, TRUNK, World, allow, block, mapping_gateway, route, routing_gateway

WORLD = World(
    sections=[block(1, 1, "447"), allow(2, 2, "44"), allow(3, 2, "1"), block(4, 3, "1900")],
    gateways=[
        routing_gateway(1, cost_table_key=20, vendor_credit_micros=0, strip_digits=1, add_prefix="0"),
        routing_gateway(2),
    ],
    routes=[route(1, 1), route(2, 2)],
    trunks=[mapping_gateway(sources=(f"{TRUNK}/32", "10.0.0.0/8", "2001:db8::/32"))],
)
DIRECTORY = WORLD.directory()

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200)
DIALLED = st.from_regex(r"\A(\+|00|0)?(44|1|53)[0-9\-.()]{0,16}(;ext=1)?\Z")
HOSTS = st.one_of(
    st.just(TRUNK), st.just("10.4.4.4"), st.just("::ffff:10.1.1.1"), st.ip_addresses().map(str), ANY_TEXT
)
ATTEMPTS = st.builds(
    Attempt,
    source_host=HOSTS,
    source_port=st.integers(0, 65535),
    request_user=st.one_of(ANY_TEXT, DIALLED, st.sampled_from(["112", "999", "%3112"])),
    from_user=st.one_of(ANY_TEXT, DIALLED),
    sip_call_id=ANY_TEXT,
)
MOMENTS = st.builds(Moment, st.integers(-(2**63), 2**63), st.integers(0, 2**63))


@given(ATTEMPTS, MOMENTS)
def test_every_attempt_gets_a_verdict(attempt: Attempt, now: Moment) -> None:
    verdict = decide(attempt, DIRECTORY, WORLD.funds, WORLD.counts, WORLD.pace, now)
    if not isinstance(verdict, Permit):
        assert verdict.observed.isascii()
        assert verdict.required


@given(ATTEMPTS)
def test_the_same_attempt_gets_the_same_verdict(attempt: Attempt) -> None:
    first, second = (decide(attempt, DIRECTORY, WORLD.funds, WORLD.counts, WORLD.pace, NOW) for _ in range(2))
    assert first == second


@given(DIALLED, DIALLED, st.text())
def test_what_is_permitted_is_allowed_held_and_sent(called: str, calling: str, call_id: str) -> None:
    attempt = Attempt(TRUNK, 5060, called, calling, call_id)
    verdict = decide(attempt, DIRECTORY, WORLD.funds, WORLD.counts, WORLD.pace, NOW)
    if not isinstance(verdict, Permit) or verdict.emergency:
        return
    assert verdict.called.startswith(("44", "1"))
    assert not verdict.called.startswith(("447", "1900"))
    sent = {"vendor-1": "0" + verdict.called[1:], "vendor-2": verdict.called}
    for candidate in verdict.candidates:
        assert candidate.number == sent[candidate.gateway.id]
        assert WORLD.funds.hold(1, credit.holds(verdict, candidate)) is None
        WORLD.funds.release(1)
