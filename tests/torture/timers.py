"""How far timers A and G are off under load, on real sockets and a real clock (checklist X-17).

``python -m tests.torture.timers [CALLS_PER_SECOND] [SECONDS]`` sends INVITEs through the relay to a gateway
that says nothing. What is measured is the gap between two copies of one message, as the kernel stamped them
on arrival, against the gap that RFC 3261 section 17 gives. It prints and asserts nothing: the machine is
measured as well.
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from itertools import pairwise

from tests.harness.loopback import Loopback

T1_MS, T2_MS = 500, 4000
_SO_TIMESTAMPNS = 35  # socket(7), Linux
_RECEIVE_BUFFER = 1 << 26


class Ear(threading.Thread):
    """Notes when each message of a kind came, by Call-ID."""

    def __init__(self, host: str, start: bytes) -> None:
        super().__init__(daemon=True)
        self.heard: defaultdict[bytes, list[float]] = defaultdict(list)
        self._start_line = start
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.socket.bind((host, 0))

    def run(self) -> None:
        """For as long as the process lives."""
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 64)
            call_id = re.search(rb"(?m)^Call-ID: (.*)\r$", data)
            if data.startswith(self._start_line) and call_id:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                self.heard[call_id[1]].append(seconds * 1e3 + nanoseconds / 1e6)

    def errors_ms(self) -> list[float]:
        """How far each gap is from T1, doubled up to T2."""
        found = []
        for times in self.heard.values():
            expected = T1_MS
            for before, after in pairwise(times):
                found.append(after - before - expected)
                expected = min(2 * expected, T2_MS)
        return found


def report(timer: str, errors: list[float]) -> str:
    """One line of figures."""
    if not errors:
        return f"timer {timer}: nothing was repeated"
    sizes = sorted(map(abs, errors))
    within = sum(size <= 50 for size in sizes) / len(sizes)
    rank = {share: sizes[min(len(sizes) - 1, int(share * len(sizes)))] for share in (0.5, 0.99, 0.999)}
    return (
        f"timer {timer}: {len(sizes)} gaps, {within:.2%} within 50 ms; "
        f"off by {rank[0.5]:.1f} ms at the median, {rank[0.99]:.1f} at 99 %, "
        f"{rank[0.999]:.1f} at 99.9 %, {sizes[-1]:.1f} at most"
    )


def main(rate: int, seconds: int) -> None:
    """Send, wait until the last call was given up, print."""
    loopback = Loopback()
    host, port = loopback.host(1), 5060
    gateway, caller = Ear(host, b"INVITE"), Ear(loopback.host(10), b"SIP/2.0 408")
    gateway.start()
    caller.start()
    command = [
        sys.executable,
        "-m",
        "tests.torture.relay",
        host,
        str(port),
        str(gateway.socket.getsockname()[1]),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as relay:
        assert relay.stdout is not None
        relay.stdout.readline()
        here, source = caller.socket.getsockname()
        begun = time.monotonic()
        for number in range(rate * seconds):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            request = (
                f"INVITE sip:{number}@{host} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {here}:{source};branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:a@{here}>;tag=1\r\nTo: <sip:{number}@{host}>\r\nCall-ID: {number}\r\n"
                f"CSeq: 1 INVITE\r\nContact: <sip:a@{here}:{source}>\r\nContent-Length: 0\r\n\r\n"
            )
            caller.socket.sendto(request.encode(), (host, port))
        time.sleep(13.0)  # 4 s until a silent gateway is given up, then 7.5 s of repeated refusals
        relay.terminate()
    print(f"{rate} calls per second for {seconds} s")
    print(report("A", gateway.errors_ms()))
    print(report("G", caller.errors_ms()))


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [200, 10][len(sys.argv) - 1 :]
    main(*arguments)
