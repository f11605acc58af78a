"""Copies of all SIP messages for a Homer server, in the HEP version 3 that it listens for (also called EEP).

A message is a list of chunks: vendor, type, length, value. What the server does not take in time is counted
and left out: a collector that is down must not cost calls.
"""

from __future__ import annotations

import asyncio
import struct
from ipaddress import IPv6Address, ip_address
from typing import cast

from sipguard.sip.traced import Traced, masked

_SIP = 1
_FAMILY = {4: 2, 6: 10}
_PROTOCOL = {"udp": 17, "tcp": 6, "tls": 6}
BUFFER_BYTES = 4 * 1024 * 1024
"""What may wait for a slow server: a second or two of a full load."""
RECONNECT_SECONDS = 5.0


def packet(message: Traced, capture_id: int, password: str = "", node: str = "") -> bytes:
    """One HEP3 packet."""
    source, destination = ip_address(message.source[0]), ip_address(message.destination[0])
    version = source.version
    if version != destination.version:
        source, destination = (
            one if isinstance(one, IPv6Address) else IPv6Address(f"::ffff:{one}")
            for one in (source, destination)
        )
        version = 6
    seconds, micros = divmod(message.unix_us, 1_000_000)
    addresses = (3, 4) if version == 4 else (5, 6)
    chunks = [
        _chunk(1, bytes([_FAMILY[version]])),
        _chunk(2, bytes([_PROTOCOL[message.transport]])),
        _chunk(addresses[0], source.packed),
        _chunk(addresses[1], destination.packed),
        _chunk(7, struct.pack("!H", message.source[1])),
        _chunk(8, struct.pack("!H", message.destination[1])),
        _chunk(9, struct.pack("!I", seconds & 0xFFFFFFFF)),
        _chunk(10, struct.pack("!I", micros)),
        _chunk(11, bytes([_SIP])),
        _chunk(12, struct.pack("!I", capture_id)),
    ]
    if password:
        chunks.append(_chunk(14, password.encode()))
    if message.sip_call_id:
        chunks.append(_chunk(17, message.sip_call_id.encode()))
    if node:
        chunks.append(_chunk(19, node.encode()))
    chunks.append(_chunk(15, message.data))
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", min(6 + len(body), 0xFFFF)) + body


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack("!HHH", 0, kind, 6 + len(value)) + value


class Exporter:
    """Sends every message to one server. `run` it as a task; `close` it afterwards."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        transport: str = "udp",
        capture_id: int = 1,
        password: str = "",
        node: str = "",
        masks: bool = True,
    ) -> None:
        """`host`: an IP address. `transport`: "udp" or "tcp". `masks`: credentials are made unreadable."""
        self._address = (host, port)
        self._stream = transport == "tcp"
        self._capture_id, self._password, self._node = capture_id, password, node
        self._masks = masks
        self._transport: asyncio.Transport | asyncio.DatagramTransport | None = None
        self.sent = 0
        self.dropped = 0
        """Messages that the server could not be given."""

    async def run(self) -> None:
        """Keep a way to the server open until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            lost = loop.create_future()
            try:
                await self._open(loop, lost)
                await lost
            except OSError:
                pass  # it is down; what comes meanwhile is counted
            finally:
                self.close()
            await asyncio.sleep(RECONNECT_SECONDS)

    def close(self) -> None:
        """Send no more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def send(self, message: Traced) -> None:
        """Give one message to the server, or count it."""
        transport = self._transport
        if transport is None or (
            self._stream and cast(asyncio.Transport, transport).get_write_buffer_size() > BUFFER_BYTES
        ):
            self.dropped += 1
            return
        if self._masks:
            message = message._replace(data=masked(message.data))
        data = packet(message, self._capture_id, self._password, self._node)
        if len(data) > 0xFFFF:
            self.dropped += 1  # its length field ends there
            return
        if self._stream:
            cast(asyncio.Transport, transport).write(data)
        else:
            cast(asyncio.DatagramTransport, transport).sendto(data)
        self.sent += 1

    async def _open(self, loop: asyncio.AbstractEventLoop, lost: asyncio.Future[None]) -> None:
        if self._stream:
            self._transport, _ = await loop.create_connection(lambda: _Stream(lost), *self._address)
        else:
            self._transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=self._address
            )


class _Stream(asyncio.Protocol):
    def __init__(self, lost: asyncio.Future[None]) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        if not self._lost.done():
            self._lost.set_result(None)
