"""Callers and gateways on real UDP sockets, one thread for all of them: they keep the ledger of the wire.

What the network does to messages (loss, copies, delays) it does here, at the ends, to both directions: the
proxy tells callers apart by source address, so that nothing can stand between.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.harness.ends import MS, Address, Caller, Chances, End, Gateway, headers
from tests.harness.loopback import SIP_PORT

_LONGEST_WAIT = 0.02
"""Seconds: how late what another thread asks for may be done."""

_BUFFER = 1 << 22


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to each message, in either direction."""

    lost: float = 0.0
    repeated: float = 0.0
    delayed_ms: int = 0
    """Up to this long, each message for itself: they overtake each other."""


class Recorder:
    """The ledger as it is written (tests.faults.invariants.ledger); for any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")
        self._lock = threading.Lock()

    def note(self, **line: Any) -> None:
        """Add a line, stamped with now unless it says when."""
        text = json.dumps({"at": time.time(), **line}, separators=(",", ":")) + "\n"
        with self._lock:
            self._file.write(text)

    def flush(self) -> None:
        """Have readers see every line so far."""
        with self._lock:
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class Network:
    """A World (tests.harness.ends) of real time. Its ends live on its thread and on no other."""

    def __init__(
        self,
        proxy: Address,
        callers: Sequence[tuple[str, str]],
        gateways: Sequence[str],
        recorder: Recorder,
        *,
        seed: int,
        chances: Chances,
        trouble: Trouble | None = None,
    ) -> None:
        """`callers` are host and number that is called, `gateways` hosts."""
        self.random, self.chances, self.proxy = Random(seed), chances, proxy
        self._trouble, self._recorder = trouble or Trouble(), recorder
        self.callers = [Caller(self, (host, SIP_PORT), number) for host, number in callers]
        self.gateways = [Gateway(self, (host, SIP_PORT)) for host in gateways]
        self._sockets: dict[Address, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        for end in (*self.callers, *self.gateways):
            self._open(end)
        self._queue: list[tuple[int, int, Callable[[], None], Callable[[], bool] | None]] = []
        self._order = count()
        self._asked: deque[Callable[[], None]] = deque()
        self._calls = count()
        self._rate = 0.0
        self._due_ns = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="ends", daemon=True)
        self._thread.start()

    # For other threads

    def load(self, per_second: float) -> None:
        """Place calls at this rate from now on; 0 ends it."""
        self._asked.append(lambda: self._load(per_second))

    def call(self, times: int = 1) -> None:
        """Place some calls at once."""
        self._asked.append(lambda: [self._call() for _ in range(times)])

    def quiet(self, seconds: float) -> bool:
        """Wait until no end has anything left to do or to repeat, at most so long; whether it is so."""
        deadline = time.monotonic() + seconds
        while self._asked or any(moot is None or not moot() for *_, moot in tuple(self._queue)):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LONGEST_WAIT)
        return True

    @property
    def placed(self) -> int:
        """Calls so far."""
        return sum(len(caller.attempts) for caller in self.callers)

    def close(self) -> None:
        self._stopped = True
        self._thread.join()
        for one in self._sockets.values():
            one.close()
        self._selector.close()

    # For the ends

    def after(self, delay: int, what: Callable[[], None], moot: Callable[[], bool] | None = None) -> None:
        heapq.heappush(self._queue, (time.monotonic_ns() + delay, next(self._order), what, moot))

    def send(self, source: Address, target: Address, message: bytes) -> None:
        self._carry(lambda: self._send(source, target, message))

    # On the thread

    def _open(self, end: End) -> None:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        one.bind(end.at)
        one.setblocking(False)
        self._sockets[end.at] = one
        self._selector.register(one, selectors.EVENT_READ, end)

    def _run(self) -> None:
        while not self._stopped:
            wait = _LONGEST_WAIT
            if self._queue:
                wait = min(wait, max(0.0, (self._queue[0][0] - time.monotonic_ns()) / 1e9))
            for key, _ in self._selector.select(wait):
                self._read(key.fileobj, key.data)  # type: ignore[arg-type]
            while self._asked:
                self._asked.popleft()()
            while self._queue and self._queue[0][0] <= time.monotonic_ns():
                heapq.heappop(self._queue)[2]()

    def _read(self, one: socket.socket, end: End) -> None:
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                message = one.recv(65_536)
                self._carry(lambda message=message: self._arrive(end, message))

    def _arrive(self, end: End, message: bytes) -> None:
        self._note(end.at, False, message)
        end.receive(message)

    def _send(self, source: Address, target: Address, message: bytes) -> None:
        self._note(source, True, message)
        with suppress(OSError):  # nobody listens there while the proxy is down
            self._sockets[source].sendto(message, target)

    def _carry(self, what: Callable[[], None]) -> None:
        trouble = self._trouble
        copies = int(not trouble.lost or self.random.random() >= trouble.lost)
        copies += bool(trouble.repeated) and self.random.random() < trouble.repeated
        for _ in range(copies):
            if trouble.delayed_ms:
                self.after(self.random.randrange(trouble.delayed_ms * MS), what)
            else:
                what()

    def _load(self, per_second: float) -> None:
        idle = not self._rate
        self._rate = per_second
        if idle and per_second:
            self._due_ns = time.monotonic_ns()
            self._next()

    def _next(self) -> None:
        """By the clock, and not by when the call before was placed: that many a second are meant. What is
        late is made up for at twice the rate at most, for a slow machine has to read and send, too."""
        if self._rate:
            self._call()
            step, now = int(1e9 / self._rate), time.monotonic_ns()
            self._due_ns = max(self._due_ns + step, now + step // 2)
            self.after(self._due_ns - now, self._next)

    def _call(self) -> None:
        number = next(self._calls)
        self.callers[number % len(self.callers)].call(number)

    def _note(self, at: Address, sent: bool, message: bytes) -> None:
        start = message.split(b"\r\n", 1)[0].decode()
        found = headers(message)
        cseq, _, method = found["cseq"][0].partition(" ")
        self._recorder.note(
            end="near" if any(at == caller.at for caller in self.callers) else "far",
            sent=sent,
            call_id=found["call-id"][0],
            from_tag=found["from"][0].partition(";tag=")[2],
            method=method,
            cseq=int(cseq),
            status=int(start.split()[1]) if start.startswith("SIP/2.0 ") else None,
        )
