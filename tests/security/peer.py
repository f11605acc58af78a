"""One party with a raw UDP socket: what it sends is what a test wrote, what it receives is kept.

Nothing of sipguard's parser is used here: an attack must not be read by what it attacks.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.harness.loopback import SIP_PORT

WAIT_SECONDS = 5.0
"""Longer than any answer takes on a busy machine; nothing waits that long unless a test is failing."""

_serial = itertools.count(1)


def serial() -> int:
    """A number that no message of this run has had."""
    return next(_serial)


@dataclass(frozen=True, slots=True)
class Message:
    """A datagram, cut at its line ends."""

    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "surrogateescape")

    @property
    def first_line(self) -> str:
        return self.text.partition("\r\n")[0]

    @property
    def status(self) -> int | None:
        """None: a request."""
        words = self.first_line.split(" ")
        return int(words[1]) if words[0] == "SIP/2.0" else None

    @property
    def method(self) -> str:
        """Of a response, the method that it answers."""
        return self.get("CSeq").split()[-1]

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines)
        return [(name.strip(), value.strip()) for name, _, value in pairs]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def all(self, name: str) -> list[str]:
        """Values of every header field of that name, in order."""
        return [value for found, value in self.headers if found.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The first of them; empty where there is none."""
        return next(iter(self.all(name)), "")

    @property
    def request_uri(self) -> str:
        return self.first_line.split(" ")[1]

    @property
    def request_user(self) -> str:
        return self.request_uri.partition(":")[2].partition("@")[0]


class Peer:
    """A socket of its own on an address of its own."""

    def __init__(
        self,
        host: str,
        target: tuple[str, int],
        port: int = SIP_PORT,
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        """`settle` asks policy something, in the queue behind what it was woken for before."""
        self._settle = settle
        self.host, self.port = host, port
        self.log: list[Message] = []
        """Everything that ever came, in order."""
        self._target = target
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: str | bytes) -> None:
        """To sipguard, as it stands."""
        data = message if isinstance(message, bytes) else message.encode("utf-8", "surrogateescape")
        self._socket.sendto(data, self._target)

    def pending(self) -> list[Message]:
        """What has come by now."""
        found = []
        while True:
            try:
                message = Message(self._socket.recv(65_535))
            except BlockingIOError:
                self.log += found
                return found
            found.append(message)

    def receive(self, *wanted: int | str, call_id: str | None = None) -> Message:
        """Wait for a response with one of these statuses, or a request with one of these methods; what comes
        before it is passed over. Raises TimeoutError."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            for message in self._arriving(deadline):
                found = message.first_line.split(" ")[0] if message.status is None else message.status
                if found in wanted and (call_id is None or message.get("Call-ID") == call_id):
                    return message
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{self.host}: none of {wanted} came; last: {self.log[-3:]}")

    def barrier(self) -> None:
        """Return when sipguard has worked off everything that was sent to it before, and sent its answers.

        The wire has a thread of its own and answers before policy is asked. So it is asked first, and policy
        then, for two rounds of its loop: it may have been in the middle of one.
        """
        for _ in range(2):
            call_id = f"barrier-{serial()}"
            self.send(
                f"OPTIONS sip:{self._target[0]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{call_id}\r\n"
                f"From: <sip:barrier@{self.host}>;tag=b\r\nTo: <sip:{self._target[0]}>\r\n"
                f"Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            self.receive(200, call_id=call_id)
            self._settle()

    def _arriving(self, deadline: float) -> Iterator[Message]:
        """What comes next. One at a time, so that what is behind the message that was wanted is not lost."""
        if select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            message = Message(self._socket.recv(65_535))
            self.log.append(message)
            yield message


def answer(
    request: Message, status: str, *, tag: str = "gw", extra: str = "", contact: str = "", body: str = ""
) -> str:
    """A response as a gateway makes it; `extra`: whole header lines."""
    copied = [f"Via: {value}" for value in request.all("Via")]
    copied += [f"Record-Route: {value}" for value in request.all("Record-Route")]
    to = request.get("To")
    copied += [f"From: {request.get('From')}", f"To: {to}" if ";tag=" in to else f"To: {to};tag={tag}"]
    copied += [f"{name}: {request.get(name)}" for name in ("Call-ID", "CSeq")]
    if contact:
        copied.append(f"Contact: {contact}")
    lines = "\r\n".join(copied)
    return f"SIP/2.0 {status}\r\n{lines}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
