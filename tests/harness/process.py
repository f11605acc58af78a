"""A child process that cannot outlive its test, and is only ever ended by its own id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

# A child may stop for good reasons within this time; after it, it is killed.
PATIENCE_SECONDS = 5.0


_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends the child when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A program in a session of its own; output goes to one file."""

    def __init__(self, command: Sequence[str], output: Path, directory: Path) -> None:
        self.output = output
        with output.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        """Its id, which is also that of its session."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit code, the negative signal where a signal ended it. Raises TimeoutError."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"process {self.pid} ({self.output.stem}) runs on after {seconds:g} s"
            ) from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; nothing where it has ended."""
        if self.running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole session, as power loss would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_SECONDS)

    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace")
