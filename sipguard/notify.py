"""What the service manager is told: ready, stopping, alive (sd_notify(3), sd_watchdog_enabled(3)).

Datagrams to the socket that NOTIFY_SOCKET names; without it nothing is told. The variables are taken out of
the environment, so that processes which the daemon starts do not speak for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """One per process."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address, watchdog, pid = (environment.pop(name, "") for name in _VARIABLES)
        self._socket: socket.socket | None = None
        self.watched = bool(watchdog.isdecimal() and int(watchdog) and pid in ("", str(os.getpid())))
        """The manager restarts a process that it does not hear to be alive."""
        if address[:1] in ("/", "@"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            try:
                self._socket.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            except OSError:
                self.close()

    def ready(self, status: str) -> None:
        """Calls are taken. `status`: a line for people."""
        self._tell(f"READY=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        """No new calls are taken any more."""
        self._tell(f"STOPPING=1\nSTATUS={status}")

    def alive(self) -> None:
        """Still there; to be told at least twice within the time of the watchdog."""
        if self.watched:
            self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Tell nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, text: str) -> None:
        if self._socket is not None:
            # A manager that does not read is no reason to stand still, nor to end.
            with suppress(OSError):
                self._socket.send(text.encode())
