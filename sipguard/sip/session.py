"""One TLS session over bytes, without a socket: what came from the peer goes in, what it is to get comes out.

asyncio's own TLS would hide a connection until its handshake is over; here the engine counts and times it
from the first byte on, and each connection is made with the certificate of that moment.
"""

from __future__ import annotations

import contextlib
import ssl

READ_BYTES = 65_536
"""More than the largest TLS record, which holds 16 KiB."""


class Session:
    """Either end. All methods but `receive` are safe in any state."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ended", "established")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_name: str | None = None) -> None:
        """`server_name`: sent as SNI by a client; None: none is."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self.established = False
        """The handshake is over; the peer's certificate was verified, if the context asks for one."""
        self.ended = False
        """The peer has said that nothing more will come."""

    def receive(self, data: bytes) -> bytes:
        """Bytes of the peer, or none for a client to begin; returns what they say once they are decrypted.

        Raises ssl.SSLError where the session cannot go on. `outgoing` may hold an alert for the peer then.
        """
        self._incoming.write(data)
        plain = bytearray()
        try:
            if not self.established:
                self._object.do_handshake()
                self.established = True
            while piece := self._object.read(READ_BYTES):
                plain += piece
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return bytes(plain)

    def send(self, data: bytes) -> None:
        """Have `data` encrypted into `outgoing`. Only once established."""
        self._object.write(data)

    def close(self) -> None:
        """Tell the peer that nothing more will come."""
        if self.established:
            # It wants to hear the peer's goodbye, which nobody waits for.
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        return self._outgoing.read()

    def certificate(self) -> tuple[dict[str, object], bytes] | None:
        """The peer's certificate, read and as it was on the wire; None where none was shown or verified."""
        read = self._object.getpeercert()
        whole = self._object.getpeercert(binary_form=True)
        return (dict(read), whole) if read and whole else None
