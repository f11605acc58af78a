"""sipguard itself: a directory with a configuration and a database, and the process that runs on it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from sipguard.cli import main
from tests.harness.loopback import SIP_PORT, Loopback, eventually
from tests.harness.process import Child

START_SECONDS = 30.0
COMMAND_SECONDS = 30.0

_CONFIG = """\
[sip]
listen = [{{ host = "{host}", port = {port} }}{listeners}]

[database]
path = "sipguard.db"

[control]
socket = "sipguard.sock"

[calls]
slice_seconds = {slice_seconds}
drain_seconds = 0

[log]
format = "json"
"""

# A second process beside each of the many that the tests start would cost more than all of them.
_NO_WEB = """
[web]
enabled = false
"""


class Daemon:
    """One installation. It outlives its process: `kill` and `start` again are a crash and a recovery."""

    def __init__(
        self,
        directory: Path,
        host: str,
        *,
        port: int = SIP_PORT,
        slice_seconds: int = 60,
        more: str = "",
        wrapper: Sequence[str] = (),
        listeners: Sequence[str] = (),
    ) -> None:
        """`more`: further tables of the configuration file. `wrapper`: a command that runs the daemon's.

        `listeners`: beside that of `host` and `port`, as inline tables.
        """
        self.wrapper = wrapper
        self.host, self.port = host, port
        self.directory = directory
        self.config = directory / "sipguard.toml"
        self.database = directory / "sipguard.db"
        self._child: Child | None = None
        self._starts = 0
        directory.mkdir(parents=True, exist_ok=True)
        others = "".join(f", {listener}" for listener in listeners)
        if "[web]" not in more:
            more += _NO_WEB
        self.config.write_text(
            _CONFIG.format(host=host, port=port, slice_seconds=slice_seconds, listeners=others) + more
        )

    def init(self, data: str, loopback: Loopback | None = None) -> None:
        """Make the database with a TOML data set; ``@NET@`` in it becomes the prefix of `loopback`."""
        file = self.directory / "data.toml"
        file.write_text(loopback.fill(data) if loopback else data)
        # The command itself, without a new Python: that alone would take longer than the rest.
        with redirect_stdout(StringIO()):
            main(["--config", str(self.config), "init", "--data", str(file)], standalone_mode=False)

    def start(self) -> None:
        """Run and wait until it listens. Raises RuntimeError with its output where it does not."""
        self.spawn()
        self.await_ready()

    def spawn(self) -> None:
        """Run, without waiting for anything."""
        self._starts += 1
        output = self.directory / f"daemon-{self._starts}.out"
        self._child = Child([*self.wrapper, *self._line("run")], output, self.directory)

    def await_ready(self) -> None:
        """Wait until what was spawned listens. Raises RuntimeError with its output where it does not."""
        child = self._running()
        try:
            eventually(
                "sipguard run: ready",
                lambda: "daemon.ready" in child.text() or not child.running,
                START_SECONDS,
            )
        except TimeoutError as error:
            child.kill()
            raise RuntimeError(f"{error}\n{child.text()}") from None
        if not child.running:
            raise RuntimeError(f"sipguard run ended with {child.wait(0)}\n{child.text()}")

    @property
    def pid(self) -> int:
        """The id of the running process."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """It was started and has not ended."""
        return self._child is not None and self._child.running

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._running().signal(number)

    def output(self) -> str:
        """What the present run has written so far."""
        return self._running().text()

    def kill(self) -> None:
        """kill -9."""
        self._running().kill()
        self._child = None

    def stop(self) -> int:
        """SIGTERM and the exit code. Live calls are left for the next start."""
        child = self._running()
        child.signal(signal.SIGTERM)
        try:
            return child.wait(10.0)
        finally:
            child.kill()
            self._child = None

    def close(self) -> None:
        """End the process if there is one."""
        if self._child is not None:
            self.kill()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(
        self, *arguments: str, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run one sipguard command with `stdin` as its standard input.

        Raises RuntimeError with its output where it fails and `check` is on."""
        done = subprocess.run(
            self._line(*arguments),
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"sipguard {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def json(self, *arguments: str) -> Any:
        """What a sipguard command prints with ``--json``."""
        return json.loads(self.command(*arguments, "--json").stdout)

    def status(self) -> dict[str, Any]:
        """The running daemon's own counts, asked as `sipguard status` does but without a new Python."""
        status: dict[str, Any] = self.ask("status")
        return status

    def ask(self, command: str) -> Any:
        """The running daemon's answer to a command of its control socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(COMMAND_SECONDS)
            control.connect(str(self.directory / "sipguard.sock"))
            control.sendall(json.dumps({"command": command, "args": {}}).encode() + b"\n")
            with control.makefile() as answers:
                return json.loads(answers.readline())["ok"]

    def idle(self, seconds: float = 10.0) -> dict[str, Any]:
        """Wait until no call, hold or record is under way; the status then. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            busy = {key: status[key] for key in ("live_calls", "attempts", "holds", "held_micros", "backlog")}
            counts = {key: count for key, count in status["counts"].items() if count}
            if not any(busy.values()) and not counts:
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"not idle after {seconds:g} s: {busy} {counts}")
            time.sleep(0.02)

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("sipguard is not running")
        return self._child

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sipguard", "--config", str(self.config), *arguments]
