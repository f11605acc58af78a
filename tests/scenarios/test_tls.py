"""TLS at a real daemon: a call through it, a trunk known by its certificate, certificates that change."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.authority import Authority, Pair, replace
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import SIP_PORT, Loopback, eventually
from tests.harness.sipp import Sipp
from tests.harness.tunnel import Tunnels

pytestmark = pytest.mark.scenario

TLS_PORT, TUNNEL_PORT = 5061, 5070
NUMBER = "8801711000000"
PATIENCE_SECONDS = 10.0

DATA = """
currency = "BDT"

[[rate_table]]
id = "sells"
rates = [{ prefix = "880", rate = "1.20", initial = 60, next = 60 }]

[[account]]
id = "customer"
rate_table = "sells"
credit_limit = "100"

# At whatever address: its certificate tells.
[[mapping_gateway]]
id = "roaming"
account = "customer"
certificates = ["pbx.example"]

[[routing_gateway]]
id = "secure"
host = "@NET@.100"
transport = "tls"
tls_name = "gw.example"
routes = [{ prefix = "8801" }]

[[routing_gateway]]
id = "plain"
host = "@NET@.101"
routes = [{ prefix = "8802" }]
"""


@dataclass(frozen=True)
class Site:
    """A daemon with one port for TLS, at which it asks for certificates."""

    daemon: Daemon
    loopback: Loopback
    authority: Authority
    pair: Pair
    """The daemon's own."""
    pbx: Pair
    """The customer's."""

    def context(self, *, proves: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        if proves:
            context.load_cert_chain(self.pbx.certificate, self.pbx.key)
        return context

    def connect(self, *, proves: bool = True) -> ssl.SSLSocket:
        plain = socket.create_connection(
            (self.daemon.host, TLS_PORT), PATIENCE_SECONDS, source_address=(self.loopback.host(10), 0)
        )
        return self.context(proves=proves).wrap_socket(plain, server_hostname="sg.example")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    loopback = Loopback()
    directory = tmp_path_factory.mktemp("tls-site")
    authority = Authority(directory / "authority")
    pair = authority.issue("DNS:sg.example", f"IP:{loopback.host(1)}")
    pbx = authority.issue("DNS:pbx.example")
    listener = (
        f'{{ host = "{loopback.host(1)}", port = {TLS_PORT}, transports = ["tls"],'
        f' certificate = "{pair.certificate}", key = "{pair.key}", client_certificate = "optional" }}'
    )
    tables = f'[sip.tls]\nca = "{authority.ca}"\nreload_seconds = 0\n'
    with Daemon(directory / "daemon", loopback.host(1), listeners=[listener], more=tables) as daemon:
        daemon.init(DATA, loopback)
        daemon.start()
        yield Site(daemon, loopback, authority, pair, pbx)
        assert daemon.stop() == 0
    loopback.close()


@pytest.mark.item("T-09", "F-06")
def test_a_call_over_tls_by_a_trunk_that_is_known_by_its_certificate(site: Site, tmp_path: Path) -> None:
    shown = site.authority.issue("URI:sip:gw.example")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(shown.certificate, shown.key)
    gateway_host, daemon_host = site.loopback.host(100), site.daemon.host
    with Tunnels() as tunnels:
        tunnels.into_tls(daemon_host, TUNNEL_PORT, (daemon_host, TLS_PORT), site.context())
        tunnels.out_of_tls(gateway_host, TLS_PORT, (gateway_host, SIP_PORT), serving)
        with Sipp("gateway/answers", tmp_path, gateway_host, calls=None, tcp=True) as gateway:
            caller = Sipp(
                "call/completed",
                tmp_path,
                site.loopback.host(10),
                target=(daemon_host, TUNNEL_PORT),
                number=NUMBER,
                tcp=True,
            )
            result = caller.wait()
            result.proved()
            gateway.stop().proved()
    (call_id,) = {message.call_id for message in result.messages}
    eventually("its record", lambda: bool(_books(site).cdrs(call_id)), PATIENCE_SECONDS)
    (cdr,) = _books(site).cdrs(call_id)
    assert (cdr["outcome"], cdr["called_sent"], cdr["account_id"]) == ("answered", NUMBER, "customer")
    site.daemon.idle()
    assert _books(site).violations() == []


@pytest.mark.item("T-09")
def test_the_address_of_such_a_trunk_is_no_proof(site: Site) -> None:
    with site.connect(proves=False) as connection:
        assert _asked(connection, _invite(site, "sip", "unproved")).startswith("SIP/2.0 403 ")


@pytest.mark.item("F-06", "V-05")
def test_sips_ends_at_a_gateway_without_tls(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(_invite(site, "sips", "sips", "8802711000000"))
        seen = ""
        while "SIP/2.0 480 " not in seen:
            seen += _read(connection)
    assert "Warning: 380 " in seen
    with socket.create_connection((site.daemon.host, SIP_PORT), PATIENCE_SECONDS) as plain:
        assert _asked(plain, _invite(site, "sips", "plain")).startswith("SIP/2.0 480 ")


def test_a_hangup_signal_takes_new_certificates_and_keeps_the_old_where_they_are_bad(site: Site) -> None:
    before = _serial(site)
    replace(site.pair, site.authority.issue("DNS:sg.example", f"IP:{site.daemon.host}"))
    site.daemon.signal(signal.SIGHUP)
    eventually("the new certificate", lambda: _serial(site) != before, PATIENCE_SECONDS)
    after = _serial(site)
    good = site.pair.key.read_bytes()
    site.pair.key.write_bytes(site.pbx.key.read_bytes())
    site.daemon.signal(signal.SIGHUP)
    eventually("a complaint", lambda: "tls.not_reloaded" in site.daemon.output(), PATIENCE_SECONDS)
    assert str(site.pair.key) in site.daemon.output()
    assert _serial(site) == after
    site.pair.key.write_bytes(good)
    site.daemon.signal(signal.SIGHUP)
    eventually("peace", lambda: site.daemon.output().count("tls.reloaded") == 2, PATIENCE_SECONDS)


def _serial(site: Site) -> object:
    with site.connect() as connection:
        shown = connection.getpeercert()
    assert shown is not None
    return shown["serialNumber"]


def _books(site: Site) -> Books:
    return Books(site.daemon.database)


def _asked(connection: socket.socket, request: bytes) -> str:
    connection.sendall(request)
    return _read(connection)


def _read(connection: socket.socket) -> str:
    data = connection.recv(65_536).decode()
    assert data, "the connection ended"
    return data


def _invite(site: Site, scheme: str, branch: str, number: str = NUMBER) -> bytes:
    host = site.loopback.host(10)
    lines = (
        f"INVITE {scheme}:{number}@{site.daemon.host} SIP/2.0",
        f"Via: SIP/2.0/TLS {host}:5061;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        f"From: <sip:8801700000001@{host}>;tag={branch}",
        f"To: <sip:{number}@{site.daemon.host}>",
        f"Call-ID: {branch}@{host}",
        "CSeq: 1 INVITE",
        f"Contact: <{scheme}:a@{host}:5061>",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()
