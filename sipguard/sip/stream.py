"""TCP sockets around the engine: it frames, decides and limits; here bytes go in and its orders are done.

Nothing is awaited between the arrival of bytes and the turn in which they are used: data wakes the driver,
and everything that arrived in one round of the loop shares one turn.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import cast

from sipguard.sip.events import Engine, StreamClose, StreamConnect, StreamOrder, StreamSend

UNSENT_BYTES = 1 << 20
"""What may wait for a peer that does not read, about a thousand messages; beyond it the connection is cut."""

CLOSE_SECONDS = 5.0
"""How long a connection that is being closed may take to send what it has."""

BACKLOG = 512
"""Connections that wait to be accepted: a second of a storm of reconnecting phones."""


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket for `Streams.accept`. Raises OSError where the address cannot be had."""
    ipv6 = ":" in host
    bound = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # The connections of the run before this one may still be in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Streams:
    """The TCP listeners and connections of one engine."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        """`clock`: monotonic nanoseconds. `wake`: have the engine polled and flushed soon."""
        self.engine = engine
        self.clock = clock
        self.wake = wake
        self.transports: dict[int, asyncio.Transport] = {}
        self._loop = loop
        self._servers: list[asyncio.Server] = []
        self._hosts: dict[int, str] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}

    def add(self, listener: int, host: str) -> None:
        """The address of a listener: connections that the engine orders for it are opened from there."""
        if not ipaddress.ip_address(host).is_unspecified:
            self._hosts[listener] = host

    async def accept(self, listener: int, bound: socket.socket) -> None:
        """Accept connections for a listener of the engine, on a socket of `bind`, which is taken over."""
        server = await self._loop.create_server(
            lambda: _Connection(self, listener, 0), sock=bound, backlog=BACKLOG
        )
        self._servers.append(server)

    def carry_out(self, orders: Iterable[StreamOrder]) -> None:
        """Do what the engine has ordered."""
        for order in orders:
            match order:
                case StreamSend():
                    self._send(order.stream, order.data)
                case StreamConnect():
                    self._opening[order.stream] = self._loop.create_task(self._connect(order))
                case StreamClose():
                    self._close(order.stream)

    async def close(self) -> None:
        """Accept no more, send what waits, close everything."""
        for server in self._servers:
            server.close()
        for task in self._opening.values():
            task.cancel()
        left = list(self.transports)
        for stream in left:
            self._close(stream)
        deadline = self._loop.time() + CLOSE_SECONDS
        # Once, at a stop; usually everything is gone after a round of the loop or two.
        while self.transports and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def _connect(self, order: StreamConnect) -> None:
        host = self._hosts.get(order.listener)
        try:
            await self._loop.create_connection(
                lambda: _Connection(self, order.listener, order.stream),
                order.host,
                order.port,
                local_addr=None if host is None else (host, 0),
            )
        except OSError:
            self.engine.stream_closed(order.stream, self.clock())
            self.wake()
        finally:
            self._opening.pop(order.stream, None)

    def _send(self, stream: int, data: bytes) -> None:
        transport = self.transports.get(stream)
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > UNSENT_BYTES:
            transport.abort()

    def _close(self, stream: int) -> None:
        transport = self.transports.get(stream)
        if transport is not None:
            transport.close()
            self._loop.call_later(CLOSE_SECONDS, transport.abort)
        elif task := self._opening.get(stream):
            task.cancel()


class _Connection(asyncio.Protocol):
    """One connection. `stream` 0: a peer has opened it."""

    __slots__ = ("_listener", "_stream", "_streams")

    def __init__(self, streams: Streams, listener: int, stream: int) -> None:
        self._streams, self._listener, self._stream = streams, listener, stream

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, made)  # uvloop's is one in all but its base class
        streams = self._streams
        if self._stream:
            streams.engine.stream_connected(self._stream, streams.clock())
        else:
            # A peer that has reset the connection already has no name.
            name = transport.get_extra_info("peername")
            if name:
                host, port = name[:2]
                self._stream = streams.engine.stream_accepted(self._listener, host, port, streams.clock())
            if not self._stream:
                transport.abort()
                return
        streams.transports[self._stream] = transport
        streams.wake()

    def data_received(self, data: bytes) -> None:
        streams = self._streams
        streams.engine.stream_received(self._stream, data, streams.clock())
        streams.wake()

    def eof_received(self) -> bool:
        streams = self._streams
        streams.wake()
        return streams.engine.stream_finished(self._stream, streams.clock())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        streams = self._streams
        if self._stream:
            streams.transports.pop(self._stream, None)
            streams.engine.stream_closed(self._stream, streams.clock())
            streams.wake()
