"""`sipguard stats series`: what the daemon counted, for people and for programs."""

from __future__ import annotations

from sipguard.policy import destination
from sipguard.store.series_step import Kept, Stepper
from tests.cli import calls
from tests.cli.conftest import Installation

FROM, TILL = "2023-11-14T22:00+00:00", "2023-11-15T00:00+00:00"


def counted(installed: Installation) -> None:
    stepper = Stepper(installed.database, destination.fronts())
    stepper.step(Kept(0, 0))
    stepper.close()


def test_a_series(installed: Installation) -> None:
    counted(installed)
    window = ("--from", FROM, "--till", TILL, "--zone", "UTC")
    told = installed.json("stats", "series", "account", "Customer-001", *window)
    assert [(one["at"], one["answered"], one["refused"]) for one in told] == [
        (1_699_999_200, 1, 1),
        (1_700_002_800, 0, 0),
    ]
    assert told[0]["charge_micros"] == {"BDT": calls.CHARGES["Customer-001"]}
    assert told[0]["cost_micros"] == {"BDT": calls.COST}
    assert (told[0]["asr"], told[0]["acd_seconds"], told[0]["pdd_ms"]) == (1.0, 61.0, 500.0)
    assert [one["balance_micros"] for one in told] == [497_300_000] * 2
    shown = installed.says("stats", "series", "agent", "BD-Wholesale-Agent", *window)
    assert "2023-11-14 22:00+00:00" in shown
    assert "100.0%" in shown
    assert "0.813333 BDT" in shown
    shown = installed.says("stats", "series", "destination", "880", "--step", "day", *window)
    assert "2.70" not in shown, "the top level's charge"
    assert "0.813333 BDT" in shown


def test_what_cannot_be_told(installed: Installation) -> None:
    assert installed.refuses("stats", "series", "account", "Nobody")[0] == 2
    counted(installed)
    code, said = installed.refuses("stats", "series", "all", "x")
    assert (code, said) == (2, "key: all has none")
    code, said = installed.refuses("stats", "series", "all", "--from", "soon")
    assert code == 2
    assert said.startswith("--from soon: expected a date or time")
