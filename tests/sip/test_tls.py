"""TLS on real connections: who is believed, what is refused, and certificates that change under way."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from sipguard.config import Domain, Listener, Sip, Tls
from sipguard.model import certificate
from sipguard.model.gateway import RoutingGateway
from sipguard.sip import stream
from sipguard.sip.driver import Driver
from sipguard.sip.events import Engine, Event, Failed, Invite, Target
from sipguard.sip.session import Session
from sipguard.sip.tls import Contexts, TlsError
from tests.harness.authority import Authority, Pair, replace
from tests.policy.world import routing_gateway
from tests.sip.test_stream import HOST, PATIENCE_SECONDS, Peer, request, run, status

KEY = 7
"""Of the routing gateway."""


def gateway(**told: Any) -> RoutingGateway:
    return routing_gateway(KEY, host=HOST, transport="tls", **told)


@dataclass
class Proxy:
    """An engine with one listener for TLS, which forwards every call to `target`."""

    engine: Engine
    driver: Driver
    port: int
    contexts: Contexts
    target: Target | None = None
    invited: list[Invite] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    ahead_ns: int = 0

    def handle(self, event: Event) -> None:
        match event:
            case Invite():
                self.invited.append(event)
                if self.target is None:
                    self.engine.reject(event.call, 480, "Temporarily Unavailable")
                else:
                    self.engine.forward(event.call, self.target, "880")
            case Failed():
                self.causes.append(event.cause)
                self.engine.finish(event.call)
            case _:
                raise AssertionError(event)

    def clock(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    async def connect(self, context: ssl.SSLContext, name: str = "sg.example") -> Peer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return Peer(*await asyncio.open_connection(HOST, self.port, ssl=context, server_hostname=name))


@asynccontextmanager
async def proxy(
    pair: Pair, tls: Tls, found: RoutingGateway | None = None, ask: str = "none"
) -> AsyncIterator[Proxy]:
    loop = asyncio.get_running_loop()
    bound = stream.bind(HOST, 0)
    port = bound.getsockname()[1]
    listener = Listener(
        host=HOST,
        port=port,
        transports=("tls",),
        certificate=pair.certificate,
        key=pair.key,
        client_certificate=ask,  # type: ignore[arg-type]
    )
    contexts = Contexts(Sip(listen=(listener,), tls=tls))
    engine = Engine(epoch=1, seed=bytes(32), now=time.monotonic_ns())
    engine.listen(HOST, port, None, None, False, True)
    engine.limit_streams(2048, 64, 10, 300, 256, 5)
    worlds: list[Proxy] = []
    driver = Driver(engine, loop, lambda: worlds[0].clock(), lambda event: worlds[0].handle(event))
    worlds.append(Proxy(engine, driver, port, contexts))
    driver.streams.add(0, HOST)
    driver.streams.secure(contexts, lambda key: found if key == KEY else None)
    driver.start()
    await driver.streams.accept(0, bound, tls=True)
    try:
        yield worlds[0]
    finally:
        driver.stop()
        await driver.close()
        assert not driver.streams.connections


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority: Authority) -> Pair:
    """The proxy's own."""
    return authority.issue("DNS:sg.example", f"IP:{HOST}")


def trusting(authority: Authority, shown: Pair | None = None) -> ssl.SSLContext:
    """A peer that trusts the authority, and may show a certificate."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def serving(shown: Pair, asks: Authority | None) -> ssl.SSLContext:
    """A gateway that shows a certificate, and may ask for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks.ca)
    return context


@pytest.mark.item("T-09")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_over_tls(authority: Authority, pair: Pair, version: ssl.TLSVersion) -> None:
    async def test() -> None:
        async with proxy(pair, Tls()) as world:
            context = trusting(authority)
            context.minimum_version = context.maximum_version = version
            peer = await world.connect(context)
            peer.write(request("OPTIONS", "one").replace("/TCP", "/TLS") + "\n\n")
            assert status(await peer.message()) == 200
            assert await peer.reader.readexactly(2) == b"\r\n", "RFC 5626 3.5.1"
            peer.writer.close()

    run(test)


@pytest.mark.parametrize("oldest", ["1.2", "1.3"])
def test_older_versions_are_refused(authority: Authority, pair: Pair, oldest: str) -> None:
    async def test() -> None:
        async with proxy(pair, Tls(minimum_version=oldest)) as world:  # type: ignore[arg-type]
            context = trusting(authority)
            context.set_ciphers("ALL:@SECLEVEL=0")
            older = ssl.TLSVersion.TLSv1_1 if oldest == "1.2" else ssl.TLSVersion.TLSv1_2
            with pytest.warns(DeprecationWarning, match="TLSv1") if oldest == "1.2" else nullcontext():
                context.minimum_version = ssl.TLSVersion.TLSv1 if oldest == "1.2" else older
                context.maximum_version = older
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await world.connect(context)

    run(test)


def test_what_is_no_tls_is_cut_and_silence_has_its_time(pair: Pair) -> None:
    async def test() -> None:
        async with proxy(pair, Tls()) as world:
            reader, writer = await asyncio.open_connection(HOST, world.port)
            writer.write(request("OPTIONS", "one").replace("\n", "\r\n").encode())
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert b"SIP/2.0" not in await _all(reader)
            writer.close()
            silent = Peer(*await asyncio.open_connection(HOST, world.port))
            while world.engine.stats().streams != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            world.ahead_ns = 6_000_000_000
            world.driver.turn()
            assert await silent.ended(), "the 5 s of a handshake"
            silent.writer.close()
            assert world.engine.stats().streams == 0

    run(test)


async def _all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


CHECKS = [
    # The names in its certificate, what is configured of it, and whether it is reached.
    pytest.param(("IP:127.0.0.1",), {}, True, id="the address that is dialled"),
    pytest.param(("DNS:gw.example",), {"tls_name": "gw.example"}, True, id="a domain"),
    pytest.param(("URI:sip:gw.example", "DNS:other"), {"tls_name": "gw.example"}, True, id="a SIP domain"),
    pytest.param(("DNS:*.example",), {"tls_name": "*.example"}, True, id="a pattern by its own name"),
    pytest.param(
        ("DNS:*.example",), {"tls_name": "gw.example"}, False, id="no pattern matches (RFC 5922 7.2)"
    ),
    pytest.param(("DNS:gw.example",), {}, False, id="another name"),
    pytest.param(("URI:sip:sg@gw.example",), {"tls_name": "gw.example"}, False, id="a user"),
    pytest.param((), {"tls_name": "common.example"}, True, id="a common name alone"),
    pytest.param(("DNS:gw.example",), {"tls_verify": False}, True, id="not verified"),
]


@pytest.mark.item("T-09")
@pytest.mark.parametrize(("names", "told", "reached"), CHECKS)
def test_a_gateway_is_who_it_has_to_be(
    authority: Authority, pair: Pair, names: tuple[str, ...], told: dict[str, object], reached: bool
) -> None:
    shown = authority.issue(*names, common_name="common.example")
    causes, seen, logs = _called(authority, pair, shown, gateway(**told), authority)
    assert causes == ([] if reached else ["transport"])
    assert seen.startswith("INVITE sip:880@") if reached else not seen
    warned = [line["event"] for line in logs if line["log_level"] == "warning"]
    if not reached:
        assert warned == ["tls.gateway_refused"]
    else:
        assert warned == ([] if told.get("tls_verify", True) else ["tls.unverified"])


@pytest.mark.item("T-09")
def test_a_gateway_of_a_stranger_is_refused(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    shown = Authority(tmp_path / "stranger").issue(f"IP:{HOST}")
    causes, seen, logs = _called(authority, pair, shown, gateway(), authority)
    assert (causes, seen) == (["transport"], "")
    assert "issuer" in str(logs[-1]["error"])


@pytest.mark.item("T-09")
def test_one_certificate_can_be_trusted_by_itself(pair: Pair, authority: Authority, tmp_path: Path) -> None:
    shown = Authority(tmp_path / "stranger").issue("DNS:some.where")
    der = ssl.PEM_cert_to_DER_cert(shown.certificate.read_text())
    found = gateway(tls_name=certificate.fingerprint(der))
    causes, seen, _ = _called(authority, pair, shown, found, None, ca=shown.certificate)
    assert causes == []
    assert seen.startswith("INVITE ")


def _called(
    authority: Authority,
    pair: Pair,
    shown: Pair,
    found: RoutingGateway,
    asks: Authority | None,
    ca: Path | None = None,
) -> tuple[list[str], str, list[structlog.typing.EventDict]]:
    """Have one call forwarded to a gateway that shows `shown`, and may ask for our certificate.

    Returns why it failed, the INVITE that arrived, and the log.
    """
    causes: list[str] = []
    seen: list[str] = []

    async def test() -> None:
        arrived: asyncio.Queue[Peer] = asyncio.Queue()
        names: list[str | None] = []

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.put_nowait(Peer(reader, writer))

        context = serving(shown, asks)
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        async with proxy(pair, Tls(ca=ca or authority.ca), found) as world:
            server = await asyncio.start_server(greet, HOST, 0, ssl=context)
            port = server.sockets[0].getsockname()[1]
            world.target = Target(HOST, port, transport="tls", gateway=KEY)
            caller = await world.connect(trusting(authority))
            caller.write(request("INVITE", "one").replace("/TCP", "/TLS"))
            assert status(await caller.message()) == 100
            waits = asyncio.ensure_future(arrived.get())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (world.causes or waits.done()):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            if world.causes:
                assert status(await caller.message()) == 500
                waits.cancel()
            else:
                far = waits.result()
                seen.append(await far.message())
                far.writer.close()
            causes.extend(world.causes)
            caller.writer.close()
            server.close()
            domain = found.tls_name if found.tls_name and found.tls_name.endswith(".example") else None
            expected = None if domain is None or "*" in domain else domain
            assert names == [expected], "SNI"

    with capture_logs() as logs:
        run(test)
    return causes, "".join(seen), logs


@pytest.mark.item("T-09")
def test_a_caller_can_prove_a_name(authority: Authority, pair: Pair) -> None:
    shown = authority.issue("DNS:pbx.example")
    der = ssl.PEM_cert_to_DER_cert(shown.certificate.read_text())

    async def test() -> None:
        async with proxy(pair, Tls(ca=authority.ca), ask="optional") as world:
            for branch, mine in (("one", shown), ("two", None)):
                peer = await world.connect(trusting(authority, mine))
                peer.write(request("INVITE", branch).replace("/TCP", "/TLS"))
                assert status(await peer.message()) == 480
                peer.writer.close()
            names = [event.certificate for event in world.invited]
            assert names == [["pbx.example", certificate.fingerprint(der)], None]

    run(test)


@pytest.mark.item("T-09")
@pytest.mark.parametrize(
    ("ask", "issued"), [("required", None), ("required", "stranger"), ("optional", "stranger")]
)
def test_a_caller_that_proves_nothing_is_refused(
    authority: Authority, pair: Pair, tmp_path: Path, ask: str, issued: str | None
) -> None:
    mine = Authority(tmp_path / "stranger").issue("DNS:pbx.example") if issued else None

    async def test() -> None:
        async with proxy(pair, Tls(ca=authority.ca), ask=ask) as world:
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await _asked(world, trusting(authority, mine))

    run(test)


async def _asked(world: Proxy, context: ssl.SSLContext) -> str:
    # With TLS 1.3 a client hears of its refusal with the first answer.
    peer = await world.connect(context)
    peer.write(request("OPTIONS", "one").replace("/TCP", "/TLS"))
    return await peer.message()


def test_certificates_change_under_way_and_bad_ones_change_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue("DNS:sg.example", "DNS:first")

    async def test() -> None:
        async with proxy(pair, Tls()) as world:
            first = await world.connect(trusting(authority))
            assert not world.contexts.changed()
            replace(pair, authority.issue("DNS:sg.example", "DNS:second"))
            assert world.contexts.changed()
            assert world.contexts.reload()
            assert await _name(world, authority) == "second"
            first.write(request("OPTIONS", "one").replace("/TCP", "/TLS"))
            assert status(await first.message()) == 200, "who is connected stays so"
            first.writer.close()
            good = pair.certificate.read_bytes()
            for bad, why in (
                (authority.issue("DNS:sg.example").certificate.read_bytes(), "KEY_VALUES_MISMATCH"),
                (b"no PEM", "NO_START_LINE|PEM"),
                (None, "cannot be read"),
            ):
                if bad is None:
                    pair.certificate.unlink()
                else:
                    pair.certificate.write_bytes(bad)
                with capture_logs() as logs:
                    assert not world.contexts.reload()
                _said(logs, str(pair.certificate), why)
                assert await _name(world, authority) == "second"
            pair.certificate.write_bytes(good)
            replace(pair, authority.issue("DNS:sg.example", days=-1))
            with capture_logs() as logs:
                assert not world.contexts.reload()
            _said(logs, str(pair.certificate), "expired")
            assert await _name(world, authority) == "second"

    run(test)


def _said(logs: list[structlog.typing.EventDict], file: str, why: str) -> None:
    (line,) = logs
    assert line["event"] == "tls.not_reloaded"
    assert file in line["error"]
    assert any(word in line["error"] for word in why.split("|")), line["error"]


async def _name(world: Proxy, authority: Authority) -> str:
    peer = await world.connect(trusting(authority))
    shown = peer.writer.get_extra_info("peercert")
    peer.writer.close()
    return str(shown["subjectAltName"][-1][1])


def test_a_start_with_what_cannot_be_used_says_so(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("DNS:sg.example")
    locked = tmp_path / "locked.key"
    _encrypt(pair.key, locked)
    for certificate_file, key, ca, why in (
        (pair.certificate, authority.issue().key, None, "KEY_VALUES_MISMATCH"),
        (pair.certificate, locked, None, "encrypted"),
        (tmp_path / "missing.pem", pair.key, None, "missing.pem cannot be read: No such file"),
        (pair.certificate, pair.key, tmp_path / "missing.pem", "sip.tls.ca"),
    ):
        listener = Listener(
            host=HOST,
            transports=("tls",),
            certificate=certificate_file,
            key=key,
            client_certificate="optional",
        )
        with pytest.raises(TlsError, match=why):
            Contexts(Sip(listen=(listener,), tls=Tls(ca=ca)))


def _encrypt(key: Path, to: Path) -> None:
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(to)],
        check=True,
        capture_output=True,
    )


def _shown_for(contexts: Contexts, authority: Authority, name: str | None) -> set[object]:
    """Names in the certificate that a peer is shown that asks for `name`."""
    ours = Session(contexts.server(0), server_side=True)
    peer = trusting(authority)
    peer.check_hostname = False  # what is shown is looked at, whomever it is for
    theirs = Session(peer, server_side=False, server_name=name)
    data = b""
    while not theirs.established:
        theirs.receive(data)
        ours.receive(theirs.outgoing())
        data = ours.outgoing()
    shown = theirs.certificate()
    assert shown is not None
    return {value for _, value in shown[0]["subjectAltName"]}  # type: ignore[attr-defined]


def test_each_domain_is_shown_its_own_certificate(authority: Authority, pair: Pair) -> None:
    """SNI (RFC 6066 section 3) in any case; a wildcard is one label; who asks for nothing gets the first."""
    net, wild = authority.issue("DNS:sip.example.net"), authority.issue("DNS:*.example.org")
    listener = Listener(
        host=HOST,
        transports=("tls",),
        certificate=pair.certificate,
        key=pair.key,
        domains=(
            Domain(names=("sip.example.net",), certificate=net.certificate, key=net.key),
            Domain(names=("*.example.org",), certificate=wild.certificate, key=wild.key),
        ),
    )
    contexts = Contexts(Sip(listen=(listener,), tls=Tls(ca=authority.ca)))
    first = _shown_for(contexts, authority, None)
    assert not first & {"sip.example.net", "*.example.org"}
    for name, shown in (
        ("sip.example.net", {"sip.example.net"}),
        ("SIP.Example.NET", {"sip.example.net"}),
        ("a.example.org", {"*.example.org"}),
        ("a.b.example.org", first),
        ("example.org", first),
        ("sg.example", first),
    ):
        assert _shown_for(contexts, authority, name) == shown, name
    # All of them change together, or none.
    renewed = authority.issue("DNS:sip.example.net", "DNS:new.example.net")
    replace(net, renewed)
    assert contexts.changed()
    assert contexts.reload()
    assert _shown_for(contexts, authority, "sip.example.net") == {"sip.example.net", "new.example.net"}
    net.certificate.write_text("no certificate")
    with capture_logs() as logs:
        assert not contexts.reload()
    assert "domains[0]" in logs[0]["error"]
    assert _shown_for(contexts, authority, "sip.example.net") == {"sip.example.net", "new.example.net"}
