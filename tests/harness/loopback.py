"""Addresses for one test run: a /24 of 127.0.0.0/8, so that runs side by side never meet.

Every party gets an address of its own and SIP's port 5060, as on a real network: sipguard tells callers
apart by source address.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

SIP_PORT = 5060

# 127.64.0.0/10 in /24s. Benchmarks use 127.32.0.0/11, people 127.0.0.0/24.
_FIRST_OCTET, _OCTETS = 64, 64
_LOCK_PORT = 9


class Loopback:
    """One /24, held by a bound socket for as long as this object lives."""

    def __init__(self) -> None:
        self._lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        networks = _OCTETS * 256
        for attempt in range(networks):
            high, low = divmod((os.getpid() + attempt) % networks, 256)
            self._prefix = f"127.{_FIRST_OCTET + high}.{low}."
            try:
                self._lock.bind((self.host(254), _LOCK_PORT))
            except OSError:
                continue
            return
        raise RuntimeError("every /24 of 127.64.0.0/10 is taken")

    def host(self, number: int) -> str:
        """Address `number`, 1 to 254."""
        return f"{self._prefix}{number}"

    def fill(self, text: str) -> str:
        """`text` with every ``@NET@`` made the first three octets."""
        return text.replace("@NET@", self._prefix.rstrip("."))

    def close(self) -> None:
        """Let others have the addresses."""
        self._lock.close()


def udp_bound(host: str, port: int) -> bool:
    """Whether some socket of this machine is bound to exactly this IPv4 address and port."""
    # /proc/net/udp writes the address as the hexadecimal of its bytes in host order.
    wanted = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    with open("/proc/net/udp") as table:
        next(table)
        return any(line.split()[1] == wanted for line in table)


def tcp_listens(host: str, port: int) -> bool:
    """Whether some socket of this machine accepts connections at exactly this IPv4 address and port."""
    wanted = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    with open("/proc/net/tcp") as table:
        next(table)
        return any(row[1] == wanted and row[3] == "0A" for row in map(str.split, table))


def eventually(what: str, condition: Callable[[], bool], seconds: float, *, every: float = 0.02) -> None:
    """Wait until `condition` holds. Raises TimeoutError that says `what` did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)
