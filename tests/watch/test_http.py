"""The listener: what it answers, and what clients cannot do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http.client import HTTPResponse
from io import BytesIO
from typing import Any

import pytest
import uvloop

from sipguard.sip import stream
from sipguard.watch.http import Limits, Request, Response, Server

HOST = "127.0.0.1"
SECONDS = 20.0
"""Until a test that hangs has failed."""


async def echo(request: Request) -> Response:
    if request.path == "/boom":
        raise RuntimeError("a bug of ours")
    if request.path == "/large":
        return Response(200, b"x" * 5_000_000, "text/plain")
    return Response(200, f"{request.path} {dict(request.query)}".encode(), "text/plain")


class Client:
    """One connection, bytes in and bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, target: str, *headers: str, method: str = "GET") -> bytes:
        await self.send(
            "\r\n".join([f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()
        )
        return await self.answer(body=method != "HEAD")

    async def answer(self, body: bool = True) -> bytes:
        """One response: head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        return head + (await self.reader.readexactly(length) if body else b"")

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        try:
            return await self.reader.read(-1)
        except ConnectionError:
            return b""


def served(
    test: Callable[[Callable[[], Awaitable[Client]], Server], Awaitable[None]], **options: Any
) -> None:
    async def run() -> None:
        listener = stream.bind(HOST, 0)
        port = listener.getsockname()[1]
        server = Server(echo, **options)
        await server.start(listener)

        clients: list[Client] = []

        async def connect() -> Client:
            clients.append(Client(*await asyncio.open_connection(HOST, port)))
            return clients[-1]

        try:
            async with asyncio.timeout(SECONDS):
                await test(connect, server)
        finally:
            for client in clients:
                client.writer.transport.abort()
            await server.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the daemon
        runner.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (there is no event to wait for)
        await asyncio.sleep(0.02)


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def test_requests_are_answered_one_after_the_other_on_one_connection() -> None:
    async def test(connect: Any, _: Server) -> None:
        client = await connect()
        assert (await client.ask("/a?b=1&c=%20x")).endswith(b"\r\n\r\n/a {'b': '1', 'c': ' x'}")
        # Two at once, in pieces, and an answer without a body between.
        await client.send(b"GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /2 HTTP/1.1\r\nHo")
        assert b"/1 {}" in await client.answer()
        await client.send(b"st: [::1]:80\r\n\r\n")
        head = await client.answer(body=False)
        assert b"Content-Length: 5\r\n" in head
        assert b"/3 {}" in await client.ask("/3")
        # What h11 says is what the standard library reads.
        raw = await client.ask("/4", "Connection: close")

        class Socket:
            def makefile(self, *_: object) -> BytesIO:
                return BytesIO(raw)

        response = HTTPResponse(Socket())  # type: ignore[arg-type]
        response.begin()
        assert (response.status, response.read()) == (200, b"/4 {}")
        assert response.headers["Cache-Control"] == "no-store"
        assert await client.rest() == b""

    served(test)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET /a HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 421),
        (b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 413),
        (b"GET /a HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET http://other/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (
            b"GET /a?" + b"&".join(b"x%d=1" % n for n in range(50)) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            400,
        ),
        (b"GET /boom HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 500),
    ],
)
def test_what_is_not_served(sent: bytes, code: int) -> None:
    async def test(connect: Any, _: Server) -> None:
        client = await connect()
        await client.send(sent)
        answer = await client.answer()
        assert status(answer) == code
        assert b"application/problem+json" in answer
        # The listener serves others on.
        assert status(await (await connect()).ask("/a")) == 200

    served(test)


def test_names_of_ours_are_served() -> None:
    async def test(connect: Any, _: Server) -> None:
        client = await connect()
        await client.send(b"GET /a HTTP/1.1\r\nHost: sipguard:9470\r\n\r\n")
        assert status(await client.answer()) == 200

    served(test, names=frozenset({"sipguard"}))


def test_a_token_is_asked_for() -> None:
    async def test(connect: Any, _: Server) -> None:
        for headers, code in [
            ((), 401),
            (("Authorization: Bearer wrong",), 401),
            (("Authorization: Basic secret",), 401),
        ]:
            answer = await (await connect()).ask("/a", *headers)
            assert status(answer) == code
            assert b"WWW-Authenticate: Bearer" in answer
        client = await connect()
        assert status(await client.ask("/a", "authorization: bearer secret")) == 200
        assert status(await client.ask("/open?x=1")) == 200

    served(test, token="secret", open_paths=frozenset({"/open"}))


def test_who_is_slow_or_silent_is_cut_off() -> None:
    """A head a byte at a time, and none at all; each connection ends though its client does not."""

    async def test(connect: Any, _: Server) -> None:
        silent, slow = await connect(), await connect()

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000:
                await slow.send(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        assert await silent.rest() == b""
        assert await slow.rest() == b""
        with pytest.raises((ConnectionError, RuntimeError)):  # the latter is uvloop's word for it
            await dripping
        assert status(await (await connect()).ask("/a")) == 200

    served(test, limits=Limits(head_seconds=0.3, idle_seconds=0.6))


def test_who_does_not_take_its_answer_is_cut_off() -> None:
    async def test(connect: Any, server: Server) -> None:
        client = await connect()
        client.writer.transport.pause_reading()
        await client.send(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        await until(lambda: not server._clients)

    served(test, limits=Limits(write_seconds=0.3))


def test_more_connections_than_there_may_be() -> None:
    async def test(connect: Any, server: Server) -> None:
        held = [await connect() for _ in range(3)]
        for client in held:
            assert status(await client.ask("/a")) == 200
        assert await (await connect()).rest() == b""
        assert server.refused == 1
        held[0].writer.close()
        await until(lambda: len(server._clients) < 3)
        assert status(await (await connect()).ask("/a")) == 200

    served(test, limits=Limits(connections=3))


def test_more_requests_than_there_may_be_in_a_second() -> None:
    async def test(connect: Any, server: Server) -> None:
        answers = [status(await (await connect()).ask("/a")) for _ in range(12)]
        assert answers.count(503) == server.refused > 0
        assert set(answers) == {200, 503}

    served(test, limits=Limits(requests_per_second=4))
