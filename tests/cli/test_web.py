"""The web process gives way to the calls where it may, and starts where it may not."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from sipguard.cli.web import NICENESS

SETPRIORITY = {"x86_64": 141, "aarch64": 140}
"""Numbers of the system call (asm/unistd.h)."""

FORBIDDEN = """
import ctypes, struct, sys
# A seccomp filter as systemd makes one of SystemCallFilter=~@resources: setpriority fails with EPERM.
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, int(sys.argv[1])), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
assert prctl(22, 2, program, 0, 0) == 0, "PR_SET_SECCOMP"
"""
GIVE_WAY = "import os; from sipguard.cli import web; web.yield_to_calls(); print(os.getpriority(0, 0))"


def niceness(program: str, *args: str) -> int:
    """Of a process of its own that has given way."""
    command = [sys.executable, "-c", program, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_it_gives_way() -> None:
    before = niceness("import os; print(os.getpriority(0, 0))")
    assert niceness(GIVE_WAY) == min(19, before + NICENESS)


@pytest.mark.skipif(platform.machine() not in SETPRIORITY, reason="the number of the call is not known")
def test_it_starts_where_a_service_forbids_it() -> None:
    before = niceness("import os; print(os.getpriority(0, 0))")
    assert niceness(FORBIDDEN + GIVE_WAY, str(SETPRIORITY[platform.machine()])) == before
