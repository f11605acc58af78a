"""Where fault runs play: a proxy, ends on a real network, somebody who posts payments, the ledger of it all.

Afterwards `verdict` reads the files (tests.faults.invariants). The daemon's own counts are asked only while
nothing moves, and noted in the ledger like everything else.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any

from tests.faults.invariants import violations
from tests.faults.invariants.ledger import Ledger, read
from tests.faults.manager import Manager
from tests.faults.network import Network, Recorder, Trouble
from tests.harness.daemon import Daemon
from tests.harness.ends import Chances
from tests.harness.judge import Books
from tests.harness.loopback import Loopback

DATA = Path(__file__).with_name("data.toml")
NUMBER = "8801711000001"
CALLER, GATEWAY = 10, 100

SETTLED = Chances(
    lost=0.0,
    repeated=0.0,
    cancelled=0.1,
    ack_lost=0.0,
    reinvited=0.1,
    forked=0.0,
    caller_vanishes=0.0,
    callee_hangs_up=0.3,
    talk_ms=3_000,
    ring_ms=400,
    patience_ms=600_000,
    ways={"busy": 1, "fail": 1, "answer": 6, "ring": 12},
)
"""Ends that keep to the rules, and repeat themselves through any outage: what goes wrong is the fault's."""


def new_seed() -> int:
    """For a run whose caller gave none; it is printed with what the run says."""
    return SystemRandom().getrandbits(32)


class Stage:
    """One site with everything around it."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        data: str | None = None,
        chances: Chances = SETTLED,
        trouble: Trouble | None = None,
        slice_seconds: int = 60,
        wrapper: Sequence[str] = (),
        site: Path | None = None,
    ) -> None:
        """`site`: where the database lies, if elsewhere. `wrapper`: a command that runs the daemon's."""
        self.seed = seed
        self.left: list[str] = []
        self.loopback = Loopback()
        self.daemon = Daemon(
            site or directory / "site", self.loopback.host(1), slice_seconds=slice_seconds, wrapper=wrapper
        )
        self.daemon.init(data or DATA.read_text(), self.loopback)
        self.recorder = Recorder(directory / "ledger.jsonl")
        self.network = Network(
            (self.daemon.host, self.daemon.port),
            [(self.loopback.host(CALLER), NUMBER)],
            [self.loopback.host(GATEWAY)],
            self.recorder,
            seed=seed,
            chances=chances,
            trouble=trouble,
        )
        self.manager = Manager(self.daemon.database, self.recorder, ("customer", "agent"))

    def start(self) -> float:
        """Start the daemon and wait until it is ready; how long that took, in seconds."""
        started = time.monotonic()
        self.daemon.start()
        took = time.monotonic() - started
        self.recorder.note(down=False)
        return took

    def kill(self) -> None:
        """kill -9."""
        self.recorder.note(down=True)
        self.daemon.kill()

    def settle(self, seconds: float = 60.0) -> None:
        """No more calls; wait until all are over, and note what the daemon says of itself then."""
        self.network.load(0)
        self.manager.stop()
        self.network.quiet(seconds)
        try:
            self.daemon.idle(max(20.0, seconds))
        except AssertionError as error:
            self.left.append(f"L-14: all ends are at rest, and the daemon is {error}")
        self.snapshot()

    def snapshot(self, tries: int = 50) -> bool:
        """Note what the daemon says of itself, if nothing moved between the questions; whether it could."""
        for _ in range(tries):
            told = {what: self.ask(what) for what in ("status", "calls", "held")}
            now = self.ask("status")
            same = ("live_calls", "attempts", "holds", "held_micros", "counts", "totals")
            # A call whose BYE waits for its record is counted, and no present call any more.
            still = not told["status"]["ending_calls"]
            if still and all(told["status"][name] == now[name] for name in same):
                self.recorder.note(**told)
                return True
        return False

    def ask(self, command: str) -> Any:
        """One question at the control socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(30.0)
            control.connect(str(self.daemon.directory / "sipguard.sock"))
            control.sendall(json.dumps({"command": command, "args": {}}).encode() + b"\n")
            with control.makefile() as answers:
                return json.loads(answers.readline())["ok"]

    def verdict(self, before: Books | None = None, *, steady: bool = True) -> list[str]:
        """Every breach of an invariant, by the files alone. `steady`: its wall clock did not jump."""
        self.recorder.flush()
        found = violations(self.daemon.database, self.recorder.path, before, steady=steady)
        return [*self.left, *found]

    def verdict_so_far(self, before: Books) -> list[str]:
        """As `verdict`, while calls are up: by the database alone."""
        return violations(self.daemon.database, None, before)

    def seen(self) -> Ledger:
        """The ledger so far."""
        self.recorder.flush()
        return read(self.recorder.path)

    def books(self) -> Books:
        """The database as it is now."""
        return Books(self.daemon.database)

    def close(self) -> None:
        self.manager.kill()
        self.network.close()
        self.daemon.close()
        self.recorder.close()
        self.loopback.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
