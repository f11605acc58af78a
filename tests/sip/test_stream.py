"""Real connections to a real engine: what the sockets add to engine/tests/stream.rs, which has no sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvloop

from sipguard.sip import stream
from sipguard.sip.driver import Driver
from sipguard.sip.events import Engine, Event, Failed, Invite, Target

HOST = "127.0.0.1"
PATIENCE_SECONDS = 10.0


@dataclass
class Proxy:
    """An engine that forwards every call to `target`, and tells a failure to the caller."""

    engine: Engine
    driver: Driver
    port: int
    target: Target | None = None
    causes: list[str] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    ahead_ns: int = 0
    """How far the engine's clock is ahead of ours."""

    def clock(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    def handle(self, event: Event) -> None:
        match event:
            case Invite():
                assert self.target is not None
                self.engine.forward(event.call, self.target, "880")
            case Failed():
                self.causes.append(event.cause)
                self.engine.finish(event.call)
            case _:
                raise AssertionError(event)

    def pass_time(self, seconds: int) -> None:
        self.ahead_ns += seconds * 1_000_000_000
        self.driver.turn()

    async def streams(self, count: int) -> None:
        """Wait until the engine knows so many connections."""
        while self.engine.stats().streams != count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def connect(self) -> Peer:
        return self.peer(*await asyncio.open_connection(HOST, self.port))

    def peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Peer:
        """The other end of a connection, closed with the proxy."""
        peer = Peer(reader, writer)
        self.peers.append(peer)
        return peer


class Peer:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode())

    async def flood(self, text: str) -> None:
        """Write for as long as the proxy takes it."""
        while True:
            self.write(text)
            await self.writer.drain()

    async def message(self) -> str:
        """The next message without a body. Raises IncompleteReadError at the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def ended(self) -> bool:
        """Whether the proxy closes the connection without another word."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def proxy(per_source: int = 64) -> AsyncIterator[Proxy]:
    loop = asyncio.get_running_loop()
    bound = stream.bind(HOST, 0)
    port = bound.getsockname()[1]
    engine = Engine(epoch=1, seed=bytes(32), now=time.monotonic_ns())
    engine.listen(HOST, port)
    engine.limit_streams(2048, per_source, 10, 300)
    handlers: list[Callable[[Event], None]] = []
    clocks: list[Callable[[], int]] = []
    driver = Driver(engine, loop, lambda: clocks[0](), lambda event: handlers[0](event))
    world = Proxy(engine, driver, port)
    handlers.append(world.handle)
    clocks.append(world.clock)
    driver.streams.add(0, HOST)
    driver.start()
    await driver.streams.accept(0, bound)
    try:
        yield world
    finally:
        driver.stop()
        await driver.close()
        assert not driver.streams.connections
        for peer in world.peers:
            peer.writer.close()
            with suppress(ConnectionError):
                await peer.writer.wait_closed()


def run(test: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_bounded(test))


async def _bounded(test: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(3 * PATIENCE_SECONDS):
        await test()


def request(method: str, branch: str, extra: str = "") -> str:
    return (
        f"{method} sip:8801711000000@{HOST} SIP/2.0\n"
        f"Via: SIP/2.0/TCP {HOST}:5060;branch=z9hG4bK{branch};rport\n"
        f"Max-Forwards: 70\nFrom: <sip:a@b>;tag=c{branch}\nTo: <sip:d@e>\nCall-ID: {branch}\n"
        f"CSeq: 1 {method}\nContact: <sip:a@{HOST}>\n{extra}Content-Length: 0\n\n"
    )


def status(message: str) -> int:
    return int(message.split()[1])


@pytest.mark.item("T-07")
def test_a_message_in_single_bytes_and_several_at_once() -> None:
    async def test() -> None:
        async with proxy() as world:
            peer = await world.connect()
            for byte in request("OPTIONS", "one"):
                peer.write(byte)
                await peer.writer.drain()
                await asyncio.sleep(0)
            assert status(await peer.message()) == 200
            peer.write("\n\n" + request("OPTIONS", "two") + request("OPTIONS", "three"))
            assert (await peer.reader.readexactly(2)) == b"\r\n", "RFC 5626 3.5.1"
            answers = [await peer.message(), await peer.message()]
            assert [status(answer) for answer in answers] == [200, 200]
            assert ["Call-ID: two" in answers[0], "Call-ID: three" in answers[1]] == [True, True]

    run(test)


@pytest.mark.item("M-10")
def test_a_framing_error_is_answered_and_closes() -> None:
    async def test() -> None:
        async with proxy() as world:
            peer = await world.connect()
            peer.write(request("OPTIONS", "one").replace("Length: 0", "Length: +0"))
            assert status(await peer.message()) == 400
            assert await peer.ended()

    run(test)


@pytest.mark.item("T-08")
def test_a_source_has_its_share_of_connections() -> None:
    async def test() -> None:
        async with proxy(per_source=2) as world:
            first, second = await world.connect(), await world.connect()
            for peer in (first, second):
                peer.write(request("OPTIONS", "one"))
                assert status(await peer.message()) == 200
            assert await (await world.connect()).ended()
            first.writer.close()
            await world.streams(1)
            peer = await world.connect()
            peer.write(request("OPTIONS", "two"))
            assert status(await peer.message()) == 200

    run(test)


@pytest.mark.item("T-08")
def test_a_connection_that_says_nothing_is_closed() -> None:
    async def test() -> None:
        async with proxy() as world:
            peer = await world.connect()
            await world.streams(1)
            world.pass_time(11)
            assert await peer.ended()
            assert world.engine.stats().streams == 0

    run(test)


def test_a_peer_that_does_not_read_is_cut() -> None:
    async def test() -> None:
        async with proxy() as world:
            peer = await world.connect()
            many = "".join(request("OPTIONS", f"n{number}") for number in range(500))
            with pytest.raises(ConnectionError):
                await peer.flood(many)

    run(test)


def test_a_call_to_a_gateway_over_tcp_and_what_a_closed_port_is() -> None:
    async def test() -> None:
        arrived: asyncio.Queue[Peer] = asyncio.Queue()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.put_nowait(world.peer(reader, writer))

        async with proxy() as world:
            gateway = await asyncio.start_server(greet, HOST, 0)
            gateway_port = gateway.sockets[0].getsockname()[1]
            world.target = Target(HOST, gateway_port, transport="tcp")
            caller = await world.connect()
            caller.write(request("INVITE", "one"))
            assert status(await caller.message()) == 100
            far = await arrived.get()
            invite = await far.message()
            assert invite.startswith(f"INVITE sip:880@{HOST}:{gateway_port} SIP/2.0\r\nVia: SIP/2.0/TCP ")
            assert far.writer.get_extra_info("peername")[0] == HOST
            copied = [
                line
                for line in invite.splitlines()
                if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
            ]
            far.write("\n".join(["SIP/2.0 486 Busy Here", *copied, "Content-Length: 0"]) + "\n\n")
            assert (await far.message()).startswith("ACK ")
            assert status(await caller.message()) == 486

            far.writer.close()
            gateway.close()
            await gateway.wait_closed()
            caller.write(request("INVITE", "two"))
            assert status(await caller.message()) == 100
            assert status(await caller.message()) == 500, "a lone 503 (16.7 step 6)"
            assert world.causes == ["response", "transport"]

    run(test)


@pytest.mark.item("T-06")
def test_a_gateway_that_is_silent_over_tcp_is_given_up_though_no_datagram_ever_comes() -> None:
    async def test() -> None:
        async with proxy() as world:
            arrived: asyncio.Queue[Peer] = asyncio.Queue()
            gateway = await asyncio.start_server(
                lambda reader, writer: arrived.put_nowait(world.peer(reader, writer)), HOST, 0
            )
            port = gateway.sockets[0].getsockname()[1]
            world.target = Target(HOST, port, transport="tcp", answer_timeout_ms=100)
            caller = await world.connect()
            caller.write(request("INVITE", "one"))
            assert status(await caller.message()) == 100
            await (await arrived.get()).message()
            assert status(await caller.message()) == 408
            assert world.causes == ["timeout"]
            gateway.close()

    run(test)


@pytest.mark.item("T-02")
def test_a_large_invite_goes_over_udp_where_tcp_is_refused() -> None:
    class Gateway(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.received: asyncio.Queue[bytes] = asyncio.Queue()

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.received.put_nowait(data)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        endpoint, gateway = await loop.create_datagram_endpoint(Gateway, local_addr=(HOST, 0))
        async with proxy() as world:
            world.engine.switch_to_tcp_above(1300)
            world.target = Target(HOST, endpoint.get_extra_info("sockname")[1])
            caller = await world.connect()
            caller.write(request("INVITE", "one", f"X-Long: {'x' * 1300}\n"))
            assert status(await caller.message()) == 100
            invite = await gateway.received.get()
            assert b"\r\nVia: SIP/2.0/UDP " in invite
            assert world.causes == []
        endpoint.close()

    run(test)
