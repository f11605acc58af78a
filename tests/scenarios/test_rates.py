"""Real calls by rates with every option: grace, minimum, tiers, hours, rounding, tax. Each is judged by the
rater that shares no code with sipguard (Books.violations, at the end of the stage).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback, eventually
from tests.scenarios.conftest import Stage

pytestmark = pytest.mark.scenario

TAXED, USUAL = 10, 100
MOBILE, DHAKA = "8801711000001", "8802711000001"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A daemon of its own for each test: these empty their accounts. Slices of two seconds."""
    loopback = Loopback()
    data = Path(__file__).with_name("rates.toml").read_text()
    with Daemon(tmp_path / "site", loopback.host(1), slice_seconds=2) as daemon, ExitStack() as cleanup:
        daemon.init(data, loopback)
        daemon.start()
        yield Stage(daemon, loopback, tmp_path, cleanup)
        daemon.idle()
        assert Books(daemon.database).violations() == []
        assert daemon.json("ledger", "verify")["ok"]
    loopback.close()


def test_the_cut_comes_where_tiers_and_tax_have_used_the_money_up(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    cdr = stage.cdr(stage.call("call/ended_by_callee", TAXED, MOBILE))
    assert (cdr["reason"], cdr["duration_ms"]) == ("not_enough_money", 4000)
    level = cdr["levels"][0]
    assert (level["billed_seconds"], level["charge_micros"], level["tax_micros"]) == (4, 64_500, 4_500)
    assert stage.books().balance_micros("taxed") == 85_900 - 64_500
    assert stage.books().balance_micros("agent") == 100_000_000 - 40_000, (
        "the agent pays its own price, untaxed"
    )


def test_a_call_within_the_grace_is_free_and_one_at_the_minimum_is_not(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    short = stage.cdr(stage.call("call/completed", TAXED, MOBILE, talk_ms=200))
    assert [level["charge_micros"] for level in short["levels"]] == [0, 10_000]
    least = stage.cdr(stage.call("call/completed", TAXED, DHAKA, talk_ms=200))
    assert [level["charge_micros"] for level in least["levels"]] == [53_800, 10_000]  # 0.05375, up to 0.0001
    assert least["levels"][0]["tax_micros"] == 3_800


def test_a_new_price_list_is_taken_in_and_a_call_that_is_up_keeps_its_price(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    prices = stage.daemon.directory / "prices.csv"
    prices.write_text("prefix,rate,minimum_charge\n8802,0.06,0.01\n")
    before = stage.daemon.status()["revision"]
    caller = stage.caller("call/completed", TAXED, DHAKA, talk_ms=8_000)
    eventually("a live call", lambda: bool(stage.books().live()), 5.0)
    told = stage.daemon.json("rate", "import", "options", str(prices))
    # The row for 8802 had a date, so that the one without is another row.
    assert {kind: count for kind, count in told["counts"].items() if count} == {"new": 1, "gone": 4}
    eventually("the new prices", lambda: stage.daemon.status()["revision"] > before, 5.0)
    assert stage.books().live(), "the call is still up"
    result = caller.wait()
    result.proved()
    assert stage.cdr(result)["levels"][0]["charge_micros"] == 53_800, "the price that it began with"
    again = stage.cdr(stage.call("call/completed", TAXED, DHAKA, talk_ms=200))
    assert again["levels"][0]["charge_micros"] == 10_800
