"""What refusals answer, against the table of design section 6."""

from __future__ import annotations

import pytest

from sipguard.calls.reasons import ANSWERS, answer
from sipguard.model.verdict import Reason

# reason: (SIP status, Q.850 cause), as the design has it.
DESIGN = {
    Reason.STORE_DOWN: (503, 41),
    Reason.OVERLOADED: (503, 42),
    Reason.UNKNOWN_SOURCE: (403, 21),
    Reason.TECH_PREFIX_MISSING: (403, 21),
    Reason.CREDENTIALS_REFUSED: (403, 21),
    Reason.GATEWAY_LOCKED: (403, 21),
    Reason.ACCOUNT_LOCKED: (403, 21),
    Reason.ACCOUNT_EXPIRED: (403, 21),
    Reason.CALLER_REFUSED: (403, 21),
    Reason.BAD_NUMBER: (484, 28),
    Reason.SECTION_BLOCKED: (403, 21),
    Reason.NO_RATE: (404, 3),
    Reason.RATE_CAP: (403, 21),
    Reason.CONCURRENT_LIMIT: (480, 34),
    Reason.CALLS_PER_SECOND: (480, 42),
    Reason.NOT_ENOUGH_MONEY: (402, 21),
    Reason.PHONE_LOCKED: (480, 21),
    Reason.NO_ROUTE: (404, 3),
    Reason.MARGIN: (403, 21),
    Reason.GATEWAYS_DOWN: (480, 38),
    Reason.GATEWAYS_FULL: (480, 34),
    Reason.NOT_REGISTERED: (480, 20),
}


def test_every_reason_has_an_answer() -> None:
    assert set(ANSWERS) == set(Reason) == set(DESIGN)


@pytest.mark.item("V-11", "R-06", "R-07")
@pytest.mark.parametrize("reason", Reason)
def test_status_and_cause(reason: Reason) -> None:
    assert (answer(reason).status, answer(reason).q850) == DESIGN[reason]


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.STORE_DOWN, Reason.OVERLOADED}))
def test_policy_never_takes_a_trunk_out_of_service(reason: Reason) -> None:
    assert answer(reason).status != 503
    assert answer(reason).retry_after is None


def test_only_overload_asks_to_come_back_later() -> None:
    assert (answer(Reason.OVERLOADED).retry_after or 0) > 0
    assert answer(Reason.STORE_DOWN).retry_after is None


@pytest.mark.parametrize("reason", Reason)
def test_the_reason_header_is_as_rfc_3326_writes_it(reason: Reason) -> None:
    protocol, cause, text = answer(reason).reason.split(";")
    assert (protocol, cause) == ("Q.850", f"cause={answer(reason).q850}")
    assert text.startswith('text="')
    assert text.endswith('"')


@pytest.mark.item("V-11")
def test_answers_tell_refusals_of_one_status_apart_by_nothing_but_the_cause() -> None:
    """E38: a caller that is refused learns no level, limit or margin."""
    seen: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for each in ANSWERS.values():
        seen.setdefault((each.status, each.q850), set()).add((each.phrase, each.reason))
    assert all(len(wordings) == 1 for wordings in seen.values())
