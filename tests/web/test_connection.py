"""HTTP as attackers speak it: what is not clearly one request is refused, and nobody waits for the slow."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator

import pytest

from sipguard.web import connection
from sipguard.web.connection import Connection
from tests.web.conftest import Web
from tests.web.served import served

GET = b"GET /api/v1/session HTTP/1.1\r\nHost: sipguard.test\r\n"
POST = b"POST /api/v1/session HTTP/1.1\r\nHost: sipguard.test\r\nContent-Type: application/json\r\n"


@pytest.fixture
def address(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The application behind real sockets, which wait a quarter of a second for the slow."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.25)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.25)
    with served(web.client.app) as reached:
        yield reached


def tell(address: tuple[str, int], *parts: bytes) -> bytes:
    """What is answered until the connection is closed, or nothing more comes."""
    with socket.create_connection(address, timeout=20) as peer:
        for part in parts:
            peer.sendall(part)
        return rest(peer)


def rest(peer: socket.socket) -> bytes:
    answer = b""
    while part := peer.recv(65_536):
        answer += part
    return answer


@pytest.mark.bypass("E31")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
        (POST + b"Content-Length: +2\r\n\r\n{}", 400),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (POST.replace(b"1.1", b"1.0", 1) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (GET + b"X-A: a\r\n b\r\n\r\n", 400),
        (GET + b"X-A : a\r\n\r\n", 400),
        (GET + b"X-A: a\0b\r\n\r\n", 400),
        (GET + b"Host: other.test\r\n\r\n", 400),
        (b"GET /api/v1/session HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/v1/session HTTP/1.1\nHost: a\n\n", 400),
        (b"INVITE sip:1@sg SIP/2.0\r\n\r\n", 400),
        (GET + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (GET + b"X-A: a\r\n" * 101 + b"\r\n", 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ],
)
def test_what_is_not_clearly_one_request_is_refused(
    address: tuple[str, int], request_: bytes, status: int
) -> None:
    head, _, body = tell(address, request_).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert head.count(b"HTTP/1.1") == 1, "nothing behind it was taken for a second request"


def test_a_chunked_body_has_the_same_limit(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BODY_SECONDS", 60.0)
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with socket.create_connection(address, timeout=20) as peer:
        peer.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                peer.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            head = peer.recv(65_536)
        except ConnectionResetError:
            return  # it was closed while we sent on, with the answer lost on the way (RFC 9112 section 9.6)
    assert head.split()[1] == b"413"


@pytest.mark.bypass("E31")
@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"", b""),
        (b"GET /api/v1/session HT", b"408"),
        (GET + b"X-Slow: ", b"408"),
        (POST + b"Content-Length: 100\r\n\r\n{", b"408"),
    ],
)
def test_the_slow_are_not_waited_for(address: tuple[str, int], begun: bytes, status: bytes) -> None:
    answer = tell(address, begun)
    assert (answer.split()[1] if answer else b"") == status


@pytest.mark.bypass("E31")
def test_a_request_that_drips_in_gets_no_more_time(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as peer:
        try:
            for byte in GET + b"X-Slow: " + b"a" * 2_000:
                peer.sendall(bytes([byte]))
                time.sleep(0.005)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert b"408" in peer.recv(65_536)


@pytest.mark.bypass("E31")
def test_idle_connections_keep_nobody_out(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 60.0)
    monkeypatch.setattr(Connection, "connections_max", 50)
    idle = [socket.create_connection(address, timeout=20) for _ in range(200)]
    try:
        assert b"401" in tell(address, GET + b"Connection: close\r\n\r\n").partition(b"\r\n")[0]
    finally:
        for one in idle:
            one.close()


def test_requests_behind_each_other_on_one_connection_are_answered_in_order(address: tuple[str, int]) -> None:
    answer = tell(address, GET + b"\r\n", GET.replace(b"session", b"nothing") + b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"401", b"404"]
