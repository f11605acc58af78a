"""TCP sockets around the engine, with TLS or without: it frames, decides and limits; here bytes go in and its
orders are done.

Nothing is awaited between the arrival of bytes and the turn in which they are used: data wakes the driver,
and everything that arrived in one round of the loop shares one turn.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import cast

import structlog

from sipguard.model import certificate
from sipguard.model.gateway import RoutingGateway
from sipguard.sip.events import Engine, StreamClose, StreamConnect, StreamOrder, StreamSend
from sipguard.sip.session import Session
from sipguard.sip.tls import Contexts

log = structlog.get_logger()

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
    """The listeners for connections, and the connections, of one engine."""

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
        self.connections: dict[int, Connection] = {}
        self._loop = loop
        self._servers: list[asyncio.Server] = []
        self._hosts: dict[int, str] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._contexts: Contexts | None = None
        self._gateway: Callable[[int], RoutingGateway | None] = lambda _: None

    def add(self, listener: int, host: str) -> None:
        """The address of a listener: connections that the engine orders for it are opened from there."""
        if not ipaddress.ip_address(host).is_unspecified:
            self._hosts[listener] = host

    def secure(self, contexts: Contexts, gateway: Callable[[int], RoutingGateway | None]) -> None:
        """Have TLS. `gateway`: by its key, None where it is not configured any more."""
        self._contexts, self._gateway = contexts, gateway

    async def accept(self, listener: int, bound: socket.socket, *, tls: bool = False) -> None:
        """Accept connections for a listener of the engine, on a socket of `bind`, which is taken over."""
        server = await self._loop.create_server(
            lambda: _Accepted(self, listener, tls=tls), sock=bound, backlog=BACKLOG
        )
        self._servers.append(server)

    def carry_out(self, orders: Iterable[StreamOrder]) -> None:
        """Do what the engine has ordered."""
        for order in orders:
            match order:
                case StreamSend():
                    if connection := self.connections.get(order.stream):
                        connection.send(order.data)
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
        left = list(self.connections)
        for stream in left:
            self._close(stream)
        deadline = self._loop.time() + CLOSE_SECONDS
        # Once, at a stop; usually everything is gone after a round of the loop or two.
        while self.connections and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def server_session(self, listener: int) -> Session:
        """For a connection that a peer has opened just now."""
        assert self._contexts is not None, "a listener for TLS without certificates"
        return Session(self._contexts.server(listener), server_side=True)

    async def _connect(self, order: StreamConnect) -> None:
        host = self._hosts.get(order.listener)
        try:
            # Made before the connection: what is missing in the configuration needs no SYN.
            opened = _Opened(self, order.stream, self._proof(order))
            await self._loop.create_connection(
                lambda: opened,
                order.host,
                order.port,
                local_addr=None if host is None else (host, 0),
            )
        except OSError:  # ssl.SSLError is one
            self.engine.stream_closed(order.stream, self.clock())
            self.wake()
        finally:
            self._opening.pop(order.stream, None)

    def _proof(self, order: StreamConnect) -> _Proof | None:
        """What the other end has to show; None: nothing, over TCP. Raises OSError where there is no TLS."""
        if not order.tls:
            return None
        if self._contexts is None:
            raise OSError("no TLS")
        gateway = self._gateway(order.gateway)
        # Inside a dialog the peer may be one that has called us, and is known by its address alone.
        name = order.host if gateway is None else gateway.tls_name or gateway.host
        verify = gateway is None or gateway.tls_verify
        where = f"{order.host} port {order.port}"
        if not verify:
            log.warning(
                "tls.unverified",
                gateway=gateway and gateway.id,
                peer=where,
                risk="anybody may be at the other end",
            )
        context = self._contexts.client(order.listener, verify=verify)
        session = Session(context, server_side=False, server_name=_server_name(name))
        return _Proof(session, name if verify else None, where)

    def _close(self, stream: int) -> None:
        if connection := self.connections.get(stream):
            connection.close()
            self._loop.call_later(CLOSE_SECONDS, connection.abort)
        elif task := self._opening.get(stream):
            task.cancel()


class _WrongPeerError(Exception):
    """The certificate is good, and for somebody else."""


class Connection(asyncio.Protocol):
    """One connection. `stream` 0: the engine does not know it."""

    __slots__ = ("_over", "_session", "_streams", "_transport", "stream")
    _transport: asyncio.Transport

    def __init__(self, streams: Streams, stream: int, session: Session | None) -> None:
        self._streams, self.stream, self._session = streams, stream, session
        self._over = False
        """TLS has failed: nothing that still comes is read."""

    def send(self, data: bytes) -> None:
        """Write; a peer that does not read is cut off."""
        transport, session = self._transport, self._session
        if transport.is_closing():
            return
        if session is not None:
            session.send(data)
            data = session.outgoing()
        transport.write(data)
        if transport.get_write_buffer_size() > UNSENT_BYTES:
            transport.abort()

    def close(self) -> None:
        """Close once what was written is sent."""
        if self._session is not None and not self._transport.is_closing():
            self._session.close()
            self._transport.write(self._session.outgoing())
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        streams, session = self._streams, self._session
        if self._over:
            return
        if session is not None:
            data = self._decrypted(session, data)
        if data:
            streams.engine.stream_received(self.stream, data, streams.clock())
        streams.wake()
        if session is not None and session.ended and not self.eof_received():
            self.close()

    def eof_received(self) -> bool:
        streams = self._streams
        streams.wake()
        return streams.engine.stream_finished(self.stream, streams.clock())

    def connection_lost(self, exc: Exception | None) -> None:
        streams = self._streams
        if self._session is not None and not self._session.established and not self._over:
            self.refused(f"the connection ended: {exc or 'the peer closed it'}")
        if self.stream:
            streams.connections.pop(self.stream, None)
            streams.engine.stream_closed(self.stream, streams.clock())
            streams.wake()

    def established(self, session: Session) -> None:
        """The TLS handshake is over. Raises _WrongPeerError where the peer is not who it has to be."""

    def refused(self, why: str) -> None:
        """The TLS handshake has failed."""

    def begin(self, transport: asyncio.Transport) -> None:
        """The connection is there, and known to the engine by its `stream`."""
        self._transport = transport
        self._streams.connections[self.stream] = self
        self._streams.wake()

    def _decrypted(self, session: Session, data: bytes) -> bytes:
        was_established = session.established
        try:
            plain = session.receive(data)
            if session.established and not was_established:
                self.established(session)
        except (ssl.SSLError, _WrongPeerError) as error:
            if not was_established:
                self.refused(_reason(error))
            plain, self._over = b"", True
            # The alert that tells the peer why.
            self._transport.write(session.outgoing())
            self._transport.close()
        else:
            if answer := session.outgoing():
                self._transport.write(answer)
        return plain


class _Accepted(Connection):
    """A connection that a peer has opened."""

    __slots__ = ("_listener", "_tls")

    def __init__(self, streams: Streams, listener: int, *, tls: bool) -> None:
        super().__init__(streams, 0, None)
        self._listener, self._tls = listener, tls

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, made)  # uvloop's is one in all but its base class
        streams = self._streams
        # A peer that has reset the connection already has no name.
        name = transport.get_extra_info("peername")
        if name:
            host, port = name[:2]
            self.stream = streams.engine.stream_accepted(self._listener, host, port, streams.clock())
        if not self.stream:
            transport.abort()
            return
        if self._tls:
            self._session = streams.server_session(self._listener)
        self.begin(transport)

    def established(self, session: Session) -> None:
        streams = self._streams
        shown = session.certificate()
        names = _names(shown) if shown else None
        streams.engine.stream_secured(self.stream, streams.clock(), names)

    def refused(self, why: str) -> None:
        # The whole internet may knock; an operator who looks for one peer turns this on.
        peer = self._transport.get_extra_info("peername")
        log.debug("tls.peer_refused", peer=peer and f"{peer[0]} port {peer[1]}", error=why)


class _Proof:
    """TLS towards a peer: the session, the name that its certificate must bear (None: any), and who it is."""

    __slots__ = ("name", "session", "where")

    def __init__(self, session: Session, name: str | None, where: str) -> None:
        self.session, self.name, self.where = session, name, where


class _Opened(Connection):
    """A connection that the engine has ordered."""

    __slots__ = ("_proof",)

    def __init__(self, streams: Streams, stream: int, proof: _Proof | None) -> None:
        super().__init__(streams, stream, proof.session if proof else None)
        self._proof = proof

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        self.begin(cast(asyncio.Transport, made))
        if self._session is None:
            self._streams.engine.stream_connected(self.stream, self._streams.clock())
        else:
            self._decrypted(self._session, b"")

    def established(self, session: Session) -> None:
        proof = self._proof
        if proof is not None and proof.name is not None:
            shown = session.certificate()
            names = _names(shown) if shown else []
            if certificate.normal(proof.name) not in names:
                raise _WrongPeerError(
                    f"its certificate is for {', '.join(names) or 'nobody'}, not for {proof.name}"
                )
        self._streams.engine.stream_connected(self.stream, self._streams.clock())

    def refused(self, why: str) -> None:
        if self._proof is not None:
            log.warning("tls.gateway_refused", peer=self._proof.where, name=self._proof.name, error=why)


def _names(shown: tuple[dict[str, object], bytes]) -> list[str]:
    read, whole = shown
    return [*certificate.identities(read), certificate.fingerprint(whole)]


def _server_name(name: str) -> str | None:
    """SNI is for domains (RFC 6066 section 3), not for addresses, patterns and fingerprints."""
    is_domain = ":" not in name and "*" not in name and not name.rpartition(".")[2].isdigit()
    return name if is_domain else None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (isinstance(error, ssl.SSLError) and error.reason) or str(error)
