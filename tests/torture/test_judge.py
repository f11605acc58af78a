"""RFC 4475 and RFC 5118 over UDP and TCP, by the judge in judge/, with the engine behind a transparent relay.

The judge sends from 127.0.0.1:5060, where answers to most of the messages have to go; so it runs in a network
namespace of its own, which ends with the process that made it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MESSAGES = ROOT / "engine" / "tests" / "torture"
RELAY_PORT, GATEWAY_PORT = 15060, 15090

_NAMESPACE = ["unshare", "--net", "--map-root-user", "--kill-child"]


def judge(messages: Path, transport: str, *options: str) -> str:
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
            transport,
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


def verdicts(messages: Path, scratch: Path, transport: str, *options: str) -> tuple[int, list[str]]:
    """How many messages were judged, and the judge's lines about those that failed.

    The judge sends no ACK, so the engine repeats its refusals, and on a slow machine one of them can reach it
    where it waits for the answer to the next message. So what fails is judged once more by itself, with a
    relay that has seen nothing else.
    """
    failed = []
    lines = re.findall(r"(?m)^(ok  |FAIL) (\S+)", judge(messages, transport, *options))
    for result, name in lines:
        if result == "FAIL":
            alone = scratch / name
            alone.mkdir()
            shutil.copy(messages / name, alone)
            output = judge(alone, transport, *options)
            failed += [line for line in output.splitlines() if line.startswith("FAIL")]
    return len(lines), failed


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc4475(transport: str, tmp_path: Path) -> None:
    assert verdicts(MESSAGES / "rfc4475", tmp_path, transport) == (49, [])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_rfc5118(transport: str, tmp_path: Path) -> None:
    # The RFC gives several messages one branch and Call-ID; uniq tells them apart as a sender would.
    assert verdicts(MESSAGES / "rfc5118", tmp_path, transport, "uniq") == (12, [])
