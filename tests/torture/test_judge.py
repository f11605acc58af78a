"""RFC 4475 and RFC 5118 over UDP, by the judge in judge/, against the engine behind a transparent relay.

The judge sends from 127.0.0.1:5060, where answers to most of the messages have to go; so it runs in a network
namespace of its own, which ends with the process that made it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MESSAGES = ROOT / "engine" / "tests" / "torture"
RELAY_PORT, GATEWAY_PORT = 15060, 15090

_NAMESPACE = ["unshare", "--net", "--map-root-user", "--kill-child"]


def judge(messages: Path, *options: str) -> str:
    """What the judge prints about one directory of messages."""
    relay = shlex.join(
        [sys.executable, "-m", "tests.torture.relay", "127.0.0.1", str(RELAY_PORT), str(GATEWAY_PORT)]
    )
    command = shlex.join(
        [
            sys.executable,
            str(HERE / "judge" / "torture_judge.py"),
            str(messages),
            f"127.0.0.1:{RELAY_PORT}",
            str(GATEWAY_PORT),
            "udp",
            *options,
        ]
    )
    script = f"ip link set lo up; coproc {relay}; read -r -u ${{COPROC[0]}}; {command}; kill $COPROC_PID"
    done = subprocess.run(
        [*_NAMESPACE, "bash", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")


def verdicts(output: str) -> tuple[str, list[str]]:
    """The judge's sum, and the lines of what failed."""
    found = re.search(r"^(\d+ of \d+) \(udp\)$", output, re.M)
    failures = [line for line in output.splitlines() if line.startswith("FAIL")]
    return (found[1] if found else output[-2000:]), failures


def test_rfc4475_over_udp() -> None:
    assert verdicts(judge(MESSAGES / "rfc4475")) == ("49 of 49", [])


def test_rfc5118_over_udp() -> None:
    # The RFC gives several messages one branch and Call-ID; uniq tells them apart as a sender would.
    assert verdicts(judge(MESSAGES / "rfc5118", "uniq")) == ("12 of 12", [])
