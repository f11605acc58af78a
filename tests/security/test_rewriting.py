"""Rewriting by a daemon: as received, as judged, as sent, in the message and in the record."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.stage import GW1, LONDON, REWRITES, REWRITTEN, Stage

CALLER = "<sip:702079461111@x>;tag=a"


def invite(stage: Stage, uri: str, **more: Any) -> tuple[Any, dict[str, Any]]:
    request = stage.request(uri, REWRITTEN, from_=CALLER, **more)
    outcome = stage.play(stage.peer(REWRITTEN), request.text, request.call_id)
    return outcome, stage.cdr(request.call_id)


@pytest.mark.parametrize("dialled", [f"9{LONDON}", "902079460000", "9-0207-946-0000", f"+{LONDON}"])
def test_a_customers_rule_is_applied_before_the_judgement(stage: Stage, dialled: str) -> None:
    outcome, cdr = invite(stage, f"sip:{dialled}@sg")
    (sent,) = outcome.forwarded
    assert sent.first_line == f"INVITE sip:{LONDON}@{stage.peer(GW1).host}:5060 SIP/2.0"
    assert sent.get("From") == "<sip:+442079461111@x>;tag=a"
    assert (cdr["called_received"], cdr["called"], cdr["called_sent"]) == (dialled, LONDON, LONDON)
    told = (cdr["calling_received"], cdr["calling"], cdr["calling_sent"])
    assert told == ("702079461111", "442079461111", "+442079461111")


@pytest.mark.parametrize(
    "dialled", ["9005355550100", "907911123456", "9005355550100;isub=1", "%39447911123456"]
)
def test_no_customers_rule_leads_around_a_section(stage: Stage, dialled: str) -> None:
    outcome, cdr = invite(stage, f"sip:{dialled}@sg")
    assert (outcome.status, outcome.forwarded, cdr["reason"]) == (403, (), "section_blocked")


def test_a_vendors_rule_is_applied_to_what_was_judged(stage: Stage) -> None:
    outcome, cdr = invite(stage, "sip:80000@sg")
    (sent,) = outcome.forwarded
    assert sent.first_line == f"INVITE sip:02879460000@{stage.peer(REWRITES).host}:5060 SIP/2.0"
    assert sent.get("From") == "<sip:02079461111@x>;tag=a"
    assert (cdr["called_received"], cdr["called"], cdr["called_sent"]) == (
        "80000",
        "442879460000",
        "02879460000",
    )
    assert cdr["calling_sent"] == "02079461111"


def test_no_vendors_rule_leads_around_a_section(stage: Stage) -> None:
    """The judged number is allowed, what the rule makes of it (53...) no level allows."""
    outcome, cdr = invite(stage, "sip:89000@sg")
    assert (outcome.status, outcome.forwarded) == (404, ())
    assert (cdr["called"], cdr["called_sent"], cdr["reason"]) == ("442879469000", None, "no_route")
    assert cdr["refusal_observed"] == "rewrites rewrites to a number that sections block"
