"""sipp as caller or gateway: started, bounded, read back.

Every sipp keeps a ledger of what it saw on the wire (its short message log), which is what the tests hold
the database against.
"""

from __future__ import annotations

import csv
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.harness.loopback import SIP_PORT, eventually, tcp_listens, udp_bound
from tests.harness.process import PATIENCE_SECONDS, Child

SCENARIOS = Path(__file__).resolve().parents[2] / "sipp_scenarios"

# sipp gives up on a slow machine after some late wake-ups; two shared cores are slow by its measure.
_UNHURRIED = ("-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000")


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One line of the short message log."""

    at: float
    """Unix seconds."""
    sent: bool
    call_id: str
    cseq: int
    method: str
    """Of the transaction: that of the request, or of the CSeq of the response."""
    start_line: str

    @property
    def status(self) -> int | None:
        """Of a response; None for a request."""
        return int(self.start_line.split()[1]) if self.start_line.startswith("SIP/2.0 ") else None


@dataclass(frozen=True)
class SippResult:
    """What a sipp that has ended leaves."""

    name: str
    exit_code: int
    """0: every call went as its scenario says."""
    statistics: dict[str, str]
    """Last row of the statistics file; empty where sipp wrote none."""
    errors: str
    message_log: Path

    def count(self, name: str) -> int:
        """A cumulative counter such as ``"SuccessfulCall"`` or ``"IncomingCall"``."""
        return int(self.statistics.get(f"{name}(C)", 0))

    @cached_property
    def messages(self) -> list[WireMessage]:
        """The ledger of the wire, in order."""
        if not self.message_log.exists():
            return []
        with self.message_log.open(errors="replace") as log:
            return [_message(line.rstrip("\n").split("\t")) for line in log if line.count("\t") >= 6]

    def received(self, method: str) -> int:
        """How many requests of this method came in."""
        requests = (message for message in self.messages if not message.sent and message.status is None)
        return sum(message.method == method for message in requests)

    def statuses(self, method: str) -> list[int]:
        """Status of every response to `method` that came in, in order."""
        return [
            message.status
            for message in self.messages
            if not message.sent and message.status is not None and message.method == method
        ]

    def proved(self) -> None:
        """Raise AssertionError with sipp's own words unless every call went as its scenario says."""
        failed = self.count("FailedCall")
        story = f"sipp {self.name} ended with {self.exit_code}, {failed} calls failed:\n{self.errors[-4000:]}"
        assert self.exit_code in (0, 97, 99), story
        assert not failed, story


class Sipp:
    """One sipp process."""

    def __init__(
        self,
        scenario: str | Path,
        directory: Path,
        host: str,
        *,
        target: tuple[str, int] | None = None,
        number: str = "8801711000000",
        calls: int | None = 1,
        rate: float = 10.0,
        talk_ms: int = 200,
        bound_seconds: float = 20.0,
        port: int = SIP_PORT,
        tcp: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        """Start it and, for a gateway (no `target`), wait until it listens.

        `scenario` is a path below sipp_scenarios without its ending, or a file. `number` is called. `calls`
        None: until stopped. `talk_ms` is the length of the scenario's open pauses. After `bound_seconds`
        sipp ends itself as failed. `tcp`: one connection for all calls.
        """
        file = scenario if isinstance(scenario, Path) else SCENARIOS / f"{scenario}.xml"
        self.name = f"{file.parent.name}/{file.stem}"
        self.host, self.port, self._bound = host, port, bound_seconds
        stem = f"{file.parent.name}-{file.stem}-{host.rpartition('.')[2]}"
        directory.mkdir(parents=True, exist_ok=True)
        self._statistics, self._errors = directory / f"{stem}.csv", directory / f"{stem}.errors"
        self._messages = directory / f"{stem}.messages"
        for stale in (self._statistics, self._errors, self._messages):
            stale.unlink(missing_ok=True)
        command = [
            _program(),
            *("-sf", str(file), "-s", number, "-d", str(talk_ms), "-r", f"{rate:g}"),
            *("-i", host, "-p", str(port), "-mi", host, "-ci", host, "-bind_local", "-nostdin"),
            *("-timeout", f"{bound_seconds:g}s", "-timeout_error", "-skip_rlimit", *_UNHURRIED),
            *("-trace_stat", "-stf", str(self._statistics), "-fd", "1"),
            *("-trace_err", "-error_file", str(self._errors)),
            *("-trace_shortmsg", "-shortmessage_file", str(self._messages)),
            *(() if calls is None else ("-m", str(calls))),
            *(("-t", "t1") if tcp else ()),
            *options,
            *(() if target is None else (f"{target[0]}:{target[1]}",)),
        ]
        self._child = Child(command, directory / f"{stem}.screen", directory)
        if target is None:
            eventually(
                f"sipp {self.name} on {host}",
                lambda: (tcp_listens if tcp else udp_bound)(host, port) or not self._child.running,
                PATIENCE_SECONDS,
            )

    def wait(self) -> SippResult:
        """Let it play its calls to their end."""
        try:
            # sipp ends itself at its own bound; the margin is for its good-byes.
            return self._result(self._child.wait(self._bound + PATIENCE_SECONDS))
        finally:
            self.close()

    def stop(self) -> SippResult:
        """Take no more calls, let those that run end, and report. Where they do not: killed, not proved."""
        self._child.signal(signal.SIGUSR1)
        try:
            self._child.wait(PATIENCE_SECONDS)
        except TimeoutError:
            self.close()
        return self._result(self._child.wait(PATIENCE_SECONDS))

    def close(self) -> None:
        """End it now, whatever it does."""
        self._child.kill()

    def __enter__(self) -> Sipp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _result(self, exit_code: int) -> SippResult:
        rows: list[dict[str, str]] = []
        if self._statistics.exists():
            with self._statistics.open() as file:
                rows = list(csv.DictReader(file, delimiter=";"))
        errors = self._errors.read_text(errors="replace") if self._errors.exists() else ""
        return SippResult(self.name, exit_code, rows[-1] if rows else {}, errors, self._messages)


def _program() -> str:
    program = shutil.which("sipp")
    if program is None:
        raise RuntimeError("sipp is not installed: apt-get install sip-tester")
    return program


def _message(fields: Sequence[str]) -> WireMessage:
    # Date, time, epoch, direction, Call-ID, CSeq, start line.
    number, _, method = fields[5].removeprefix("CSeq:").strip().partition(" ")
    return WireMessage(float(fields[2]), fields[3] == "S", fields[4], int(number), method.strip(), fields[6])
