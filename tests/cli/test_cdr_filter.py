"""What `cdr list` and `cdr export` choose by, and what they say of a value that cannot be used."""

from __future__ import annotations

import pytest

from tests.cli.calls import ANSWERED, HOSTILE, REFUSED
from tests.cli.conftest import Installation

# The calls of tests/cli/calls.py: one at 2023-11-14T22:13:20 UTC, ended 63 s later; the others 100 s later.
CHOSEN = {
    "--called 880171": [ANSWERED],
    "--called +880171": [ANSWERED],
    "--called 1415": [REFUSED],
    "--called [red]1": [HOSTILE],
    "--called 9": [],
    "--calling 88017": [HOSTILE, REFUSED, ANSWERED],
    "--gateway Customer-001-trunk": [REFUSED, ANSWERED],
    "--gateway Vendor-B": [ANSWERED],
    "--gateway Vendor-A": [ANSWERED],
    "--outcome answered": [ANSWERED],
    "--outcome refused": [HOSTILE, REFUSED],
    "--status 200": [ANSWERED],
    "--status 4xx": [HOSTILE, REFUSED],
    "--reason section_blocked": [REFUSED],
    "--reason no_such_reason": [],
    "--call-id 7": [HOSTILE],
    "--call-id a84b4c76e66710@192.0.2.1": [REFUSED, ANSWERED],
    "--from 2023-11-14T22:14 --zone UTC": [HOSTILE, REFUSED],
    "--till 2023-11-15T04:14:00 --zone Asia/Dhaka": [ANSWERED],
    "--from 2023-11-14T22:14:20Z --by end": [HOSTILE, REFUSED, ANSWERED],
    "--from 2023-11-14T22:14:24Z --by end": [HOSTILE, REFUSED],
    "--from 2023-11-14 --till 2023-11-15 --zone UTC": [HOSTILE, REFUSED, ANSWERED],
    "--from yesterday": [],
    "--till 24h": [HOSTILE, REFUSED, ANSWERED],
    "--account BD-Wholesale-Agent --status 2xx": [ANSWERED],
}


@pytest.mark.parametrize("options", CHOSEN)
def test_chosen(installed: Installation, options: str) -> None:
    assert [record["call"] for record in installed.json("cdr", "list", *options.split())] == CHOSEN[options]


WHEN = (
    "expected a date or time such as 2026-12-31 or 2026-12-31T18:00+06:00, today, yesterday,"
    " or a time ago such as 90m, 24h or 7d"
)
REFUSED_VALUES = {
    "--status 99": "--status 99: expected a final SIP status such as 486, or a class such as 4xx",
    "--status 1xx": "--status 1xx: expected a final SIP status such as 486, or a class such as 4xx",
    "--outcome lost": "--outcome lost: expected one of answered, refused, failed, cancelled",
    "--called +": "--called +: expected the front of a number, such as 8801 or +8801",
    "--from soon": f"--from soon: {WHEN}",
    "--till 2026-13-01": f"--till 2026-13-01: {WHEN}",
    "--from 999999d": f"--from 999999d: {WHEN}",
    "--from 2026-01-02 --till 2026-01-02": (
        "--till 2026-01-02: not after --from 2026-01-02, so no call can lie between"
    ),
    "--zone Mars/Base": "--zone Mars/Base: no time zone 'Mars/Base' in the zone database of this machine",
    "--account Customer-00": "there is no account Customer-00, did you mean Customer-002?",
    "--gateway Vendor-X": "there is no gateway Vendor-X, did you mean Vendor-B?",
    "--reason=": "--reason: found nothing, expected a value",
}


@pytest.mark.parametrize("options", REFUSED_VALUES)
@pytest.mark.parametrize("command", ["list", "export"])
def test_a_value_that_cannot_be_used(installed: Installation, command: str, options: str) -> None:
    result = installed.run("cdr", command, *options.split())
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"sipguard: {REFUSED_VALUES[options]}"


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1000000"])
def test_a_limit_that_is_none(installed: Installation, limit: str) -> None:
    result = installed.run("cdr", "list", "--limit", limit)
    assert result.exit_code == 2
    assert "Invalid value for '--limit': " in result.stderr
    assert limit in result.stderr
