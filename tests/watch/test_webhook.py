"""Webhooks: what receivers get, how they know it, and what they cannot do to us."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sipguard.config import Webhook
from sipguard.store import alert_delivery, database
from sipguard.watch.delivery import Deliverer
from sipguard.watch.webhook import Sent, send, signature

SECRET = "a secret of 16 or more"


class Receiver(HTTPServer):
    """Answers with a status for each message, and keeps what it got."""

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, headers, body))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    server = Receiver(*answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of standardwebhooks.com, which its libraries are tested with."""
    told = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_tell_that_it_is_us() -> None:
    with receiver() as server:
        assert send(server.url, SECRET, "id-1", 1_700_000_000, b'{"a": 1}') == Sent(204, "")
    ((path, headers, body),) = server.got
    assert (path, body) == ("/hook?x=1", b'{"a": 1}')
    mac = hmac.new(SECRET.encode(), b'id-1.1700000000.{"a": 1}', hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("id-1", "1700000000")
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"


def test_redirections_are_not_followed() -> None:
    with receiver(302) as server:
        sent = send(server.url, SECRET, "id", 0, b"{}")
    assert sent == Sent(302, "")
    assert not sent.arrived


def test_whoever_does_not_answer_has_so_long_in_all() -> None:
    """One that is silent, one that sends a byte at a time without an end."""
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    assert send(url, SECRET, "id", 0, b"{}", seconds=0.2) == Sent(None, "no answer within 0.2 s")

    stop = threading.Event()

    def drip() -> None:
        peer, _ = silent.accept()
        with peer:
            while not stop.wait(0.01):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    peer, _ = silent.accept()
    peer.close()
    thread = threading.Thread(target=drip)
    thread.start()
    sent = send(url, SECRET, "id", 0, b"{}", seconds=0.3)
    stop.set()
    thread.join()
    silent.close()
    assert sent.status is None
    assert sent.error


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://no-such-host.invalid/", "http://[::1]:1/"]
)
def test_where_nobody_is(url: str) -> None:
    sent = send(url, SECRET, "id", 0, b"{}")
    assert sent.status is None
    assert sent.error


class Site:
    """A database with messages, and a clock."""

    def __init__(self, path: Path, *answers: Sent) -> None:
        self.store = database.open(path)
        self.now_ms = 1_700_000_000_000
        self.answers = list(answers)
        self.sent: list[tuple[int, str, bytes]] = []
        config = Webhook(urls=("http://a/", "http://b/"), secret=SECRET)
        self.deliverer = Deliverer(
            self.store, config, lambda: self.now_ms, send=self.send, chance=random.Random(1)
        )

    def send(self, url: str, secret: str, message_id: str, at_s: int, body: bytes) -> Sent:
        self.sent.append((self.now_ms, message_id, body))
        return self.answers.pop(0) if self.answers else Sent(200, "")

    async def add(self, url: str, body: str) -> None:
        async with self.store.writing() as conn:
            await alert_delivery.add(conn, url, body, self.now_ms)

    async def next_ms(self) -> int | None:
        async with self.store.reading() as conn:
            return min((one.next_ms for one in await alert_delivery.due(conn, 2**53, 1000)), default=None)

    async def waiting(self) -> int:
        async with self.store.reading() as conn:
            return len(await alert_delivery.due(conn, 2**53, 1000))


def test_what_fails_is_tried_again_with_growing_pauses_and_given_up_after_a_day(path: Path) -> None:
    site = Site(path, *[Sent(500, "")] * 1000)

    async def run() -> None:
        await site.add("http://a/", "one")
        while due := await site.next_ms():
            site.now_ms = due
            await site.deliverer.turn()
        await site.store.close()

    asyncio.run(run())
    pauses = [later[0] - earlier[0] for earlier, later in zip(site.sent, site.sent[1:], strict=False)]
    assert [pause for pause in pauses[:4] if not 3_500 <= pause <= 55_000] == []
    assert pauses[:4] == sorted(pauses[:4])
    assert max(pauses) <= 3_600_000 * 1.25
    assert 20 < len(site.sent) < 60
    assert 86_400_000 < site.sent[-1][0] - site.sent[0][0] < 86_400_000 + 3 * 3_600_000
    assert len({message_id for _, message_id, _ in site.sent}) == 1, "a receiver knows that it is the same"


def test_what_waits_survives_a_restart_and_arrives_once(path: Path) -> None:
    site = Site(path, Sent(None, "refused"))

    async def first() -> None:
        await site.add("http://a/", "one")
        await site.add("http://b/", "two")
        assert await site.deliverer.turn() == 2
        assert await site.waiting() == 1
        await site.store.close()

    asyncio.run(first())
    assert [body for _, _, body in site.sent] == [b"one", b"two"]

    async def second() -> None:
        store = database.open(path)
        sent: list[bytes] = []

        def send(url: str, secret: str, message_id: str, at_s: int, body: bytes) -> Sent:
            sent.append(body)
            return Sent(200, "")

        config = Webhook(urls=("http://a/",), secret=SECRET)
        deliverer = Deliverer(store, config, lambda: site.now_ms + 60_000, send=send)
        assert await deliverer.turn() == 1
        assert await deliverer.turn() == 0
        assert sent == [b"one"]
        await store.close()

    asyncio.run(second())


@pytest.mark.parametrize("gone", [Sent(410, ""), None])
def test_whoever_wants_no_more_is_left_alone(path: Path, gone: Sent | None) -> None:
    """410, or a URL that is no longer configured."""
    site = Site(path, *([gone] if gone else []))

    async def run() -> None:
        await site.add("http://a/" if gone else "http://was/", "one")
        await site.deliverer.turn()
        assert await site.waiting() == 0
        await site.store.close()

    asyncio.run(run())
    assert len(site.sent) == (1 if gone else 0)
