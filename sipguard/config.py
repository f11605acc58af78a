"""The configuration file: TOML in, frozen values out, or a `ConfigError` that says what to change.

Every key, its range and its default live here, once; config/sipguard.toml shows them all with comments.
A relative path in the file is relative to the directory that the file lies in, so that a command means
the same database wherever it is called from.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct

# sun_path of sockaddr_un holds 108 bytes, the last of which is the terminating zero (unix(7)).
SOCKET_PATH_BYTES = 107

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]


class ConfigError(Exception):
    """The file cannot be used as it stands. The message names the file, the key, what was found and
    what was expected."""

    def __init__(self, file: Path, key: str | None, message: str) -> None:
        super().__init__(f"{file}: {key}: {message}" if key else f"{file}: {message}")
        self.file = file
        self.key = key
        """Dotted, as in ``sip.listen[0].port``; None where the matter is the file as a whole."""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


Transport = Annotated[Literal["udp", "tcp", "tls"], Meta(description='"udp", "tcp" or "tls"')]
CertificateFile = Annotated[
    Path | None, Meta(description="the path of a PEM file: the certificate, then its chain")
]
KeyFile = Annotated[Path | None, Meta(description="the path of a PEM file with a private key, not encrypted")]


class Domain(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate of its own for peers that ask for certain names (SNI, RFC 6066 section 3)."""

    names: Annotated[
        tuple[Annotated[str, Meta(description='a host name, or "*." and one')], ...],
        Meta(min_length=1, description="an array of host names"),
    ]
    certificate: Annotated[Path, Meta(description="the path of a PEM file: the certificate, then its chain")]
    key: Annotated[Path, Meta(description="the path of a PEM file with a private key, not encrypted")]

    def __post_init__(self) -> None:
        for index, name in enumerate(self.names):
            if not _HOST_NAME.fullmatch(name.removeprefix("*.")):
                raise _UnfitError(f"names[{index}]", name, 'a host name, or "*." and one')


class Listener(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One address and port to receive SIP on, and how the outside reaches it."""

    host: Annotated[str, Meta(description="an IP address of this machine, IPv6 without brackets")]
    port: Port = 5060
    transports: Annotated[
        tuple[Transport, ...],
        Meta(min_length=1, description='an array of "udp" and "tcp", or of "udp" and "tls"'),
    ] = ("udp", "tcp")
    """UDP and TCP on one port unless told otherwise (RFC 3261 section 18.2.1)."""
    certificate: CertificateFile = None
    """Shown to peers that connect by TLS."""
    key: KeyFile = None
    domains: Annotated[tuple[Domain, ...], Meta(description="an array of domain tables")] = ()
    """Certificates that are shown instead to peers that ask for these names; each name once."""
    client_certificate: Annotated[
        Literal["none", "optional", "required"], Meta(description='"none", "optional" or "required"')
    ] = "none"
    """Whether peers that connect by TLS are asked for theirs."""
    advertise_host: Annotated[str | None, Meta(description="an IP address or host name")] = None
    """Written into Via and Record-Route; None: `host`."""
    advertise_port: Annotated[Port | None, Meta(description="a port from 1 to 65535")] = None
    """None: `port`."""

    def __post_init__(self) -> None:
        self._check_tls()
        address = _address(self.host)
        if address is None:
            raise _UnfitError("host", self.host, "an IP address of this machine, IPv6 without brackets")
        advertised = self.advertise_host
        if advertised is None:
            if address.is_unspecified:
                raise _UnfitError(
                    "advertise_host",
                    UNSET,
                    f"the address that peers reach, because host {self.host} means every address",
                )
            return
        reachable = _address(advertised)
        if reachable is None and not _HOST_NAME.fullmatch(advertised):
            raise _UnfitError("advertise_host", advertised, "an IP address or host name")
        if reachable is not None and reachable.is_unspecified:
            raise _UnfitError("advertise_host", advertised, "an address that peers can send to")

    def _check_tls(self) -> None:
        tls = "tls" in self.transports
        if tls and "tcp" in self.transports:
            raise _UnfitError("transports", list(self.transports), "TLS on a port of its own, without TCP")
        for name in ("certificate", "key"):
            if tls and getattr(self, name) is None:
                raise _UnfitError(name, UNSET, "a PEM file, because transports has TLS")
        names = [name.lower() for domain in self.domains for name in domain.names]
        for name in names:
            if names.count(name) > 1:
                raise _UnfitError("domains", name, "each name once")


class Tcp(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What peers may have of connections, and when a request is too large for UDP."""

    connections: Annotated[int, Meta(ge=1, le=1_000_000, description="a count from 1 to 1000000")] = 2048
    """Connections that peers have opened, in all."""
    connections_per_source: Annotated[
        int, Meta(ge=1, le=1_000_000, description="a count from 1 to 1000000")
    ] = 64
    """Connections with one address."""
    message_seconds: Annotated[int, Meta(ge=1, le=3600, description="whole seconds from 1 to 3600")] = 10
    """A connection without a whole message by then is closed."""
    idle_seconds: Annotated[int, Meta(ge=32, le=86400, description="whole seconds from 32 to 86400")] = 300
    """An unused connection is closed after so long; at least 64*T1 (RFC 3261 section 18)."""
    above_bytes: Annotated[int, Meta(ge=0, le=65535, description="bytes from 0 to 65535")] = 1300
    """Requests that would go over UDP and are longer go over TCP (18.1.1); 0: never."""


class SessionTimer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Session timers that calls are asked to keep (RFC 4028)."""

    expires_seconds: Annotated[int, Meta(ge=0, le=86400, description="whole seconds from 0 to 86400")] = 0
    """Longest interval, asked for where nobody asks; 0: requests pass as they came."""
    min_se_seconds: Annotated[int, Meta(ge=90, le=86400, description="whole seconds from 90 to 86400")] = 90
    """Shortest interval; below, 422."""

    def __post_init__(self) -> None:
        if 0 < self.expires_seconds < self.min_se_seconds:
            least = f"0, or at least min_se_seconds ({self.min_se_seconds})"
            raise _UnfitError("expires_seconds", self.expires_seconds, least)


class Tls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom we believe over TLS, and what peers may ask of it."""

    minimum_version: Annotated[Literal["1.2", "1.3"], Meta(description='"1.2" or "1.3"')] = "1.2"
    ca: Annotated[
        Path | None, Meta(description="the path of a PEM file, or of a directory that c_rehash has made")
    ] = None
    """Authorities that certificates of peers are verified by; None: those of the system."""
    certificate: CertificateFile = None
    """Shown to gateways that ask for one; None: that of the listener that the connection is opened from."""
    key: KeyFile = None
    handshakes: Annotated[int, Meta(ge=1, le=100_000, description="a count from 1 to 100000")] = 256
    """Peers that may be in their handshake at once; further ones are cut off."""
    handshake_seconds: Annotated[int, Meta(ge=1, le=60, description="whole seconds from 1 to 60")] = 5
    reload_seconds: Annotated[int, Meta(ge=0, le=86400, description="whole seconds from 0 to 86400")] = 60
    """How often the files are looked at for changes; 0: only on SIGHUP."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            name = "key" if self.key is None else "certificate"
            raise _UnfitError(name, UNSET, "both certificate and key, or neither")


class Overload(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When new calls are refused because there are more than can be decided."""

    delay_ms: Annotated[int, Meta(ge=0, le=10_000, description="milliseconds from 0 to 10000")] = 100
    """New requests are answered 503 while others wait longer than this for their decision; 0: never."""


class Sip(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sockets and the name we give ourselves."""

    listen: Annotated[
        tuple[Listener, ...], Meta(min_length=1, description="at least one [[sip.listen]] table")
    ]
    server_name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._~%!*'+`/-]{1,64}\Z",
            description="1 to 64 characters that a Server header may hold, without spaces",
        ),
    ] = "sipguard"
    """Server header of the responses that sipguard makes itself (RFC 3261 section 20.35)."""
    gather_us: Annotated[int, Meta(ge=0, le=10_000, description="microseconds from 0 to 10000")] = 500
    """How long a datagram under load may wait for others, to be read with one system call; 0: not at all."""
    overload: Annotated[Overload, Meta(description="a [sip.overload] table")] = Overload()
    tcp: Annotated[Tcp, Meta(description="a [sip.tcp] table")] = Tcp()
    session_timer: Annotated[SessionTimer, Meta(description="a [sip.session_timer] table")] = SessionTimer()
    tls: Annotated[Tls, Meta(description="a [sip.tls] table")] = Tls()

    @property
    def own_addresses(self) -> frozenset[str]:
        """What we listen on and are called."""
        named = (text for one in self.listen for text in (one.host, one.advertise_host))
        return frozenset(text for text in named if text is not None)

    def __post_init__(self) -> None:
        seen: dict[tuple[object, int], int] = {}
        for index, listener in enumerate(self.listen):
            first = seen.setdefault((_address(listener.host), listener.port), index)
            if first != index:
                where = f"{listener.host} port {listener.port}"
                raise _UnfitError(f"listen[{index}]", where, f"an address other than that of listen[{first}]")


class Redo(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The redo log: where records are durable before the database has them."""

    directory: Annotated[Path | None, Meta(description="the path of a directory")] = None
    """Where its files lie; None: beside the database."""
    limit_records: Annotated[int, Meta(ge=1, le=10_000_000, description="a count from 1 to 10000000")] = (
        50_000
    )
    """Records that the database may lack; beyond these limits no new calls are taken."""
    limit_mb: Annotated[int, Meta(ge=1, le=1_000_000, description="megabytes from 1 to 1000000")] = 256
    """Their size in the log."""
    limit_seconds: Annotated[float, Meta(ge=0.5, le=3600, description="seconds from 0.5 to 3600")] = 3.0
    """Age of the oldest."""


class Database(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The SQLite database that holds everything durable."""

    path: Annotated[Path, Meta(description="the path of the database file")]
    commit_window_ms: Annotated[float, Meta(ge=0, le=1000, description="milliseconds from 0 to 1000")] = 10.0
    """Groups of records are made durable no oftener than this."""
    redo: Annotated[Redo, Meta(description="a [database.redo] table")] = Redo()


class Control(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the command line reaches the running daemon."""

    socket: Annotated[Path, Meta(description="the path of a Unix socket")]

    def __post_init__(self) -> None:
        length = len(bytes(self.socket))
        if length > SOCKET_PATH_BYTES:
            raise _UnfitError(
                "socket",
                str(self.socket),
                f"a path of at most {SOCKET_PATH_BYTES} bytes (this one has {length})",
            )


class Ping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How calls are found whose ends have gone without a BYE: OPTIONS inside the dialog, to both ends."""

    interval_seconds: Annotated[int, Meta(ge=0, le=86400, description="whole seconds from 0 to 86400")] = 120
    """From one time to the next, give or take a quarter; 0: never."""
    per_second: Annotated[int, Meta(ge=1, le=10_000, description="calls from 1 to 10000")] = 200
    """Calls that are asked at most; with more, the interval stretches."""
    restored_seconds: Annotated[int, Meta(ge=1, le=3600, description="whole seconds from 1 to 3600")] = 30
    """Within which the calls of an earlier run are asked for the first time."""
    charge_until: Annotated[Literal["proved", "found"], Meta(description='"proved" or "found"')] = "proved"
    """What a lost call costs: until both ends were last there, or until it was found."""


class Cdr(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long call records are kept."""

    keep_days: Annotated[int, Meta(ge=0, le=36_500, description="whole days from 0 to 36500")] = 0
    """Days (UTC) before today whose records are kept; 0: all, for ever. Money is never forgotten."""


HostName = Annotated[str, Meta(min_length=1, max_length=253, description="a host name")]


class Stats(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the proxy tells of itself over HTTP: /metrics, /stats, /calls, /healthz, /readyz."""

    host: Annotated[str, Meta(description="an IP address of this machine, IPv6 without brackets")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="a port from 1 to 65535, or 0")] = 0
    """0: nothing is served."""
    token: Annotated[str, Meta(max_length=1024, description="at most 1024 characters")] = ""
    """Asked for as a bearer token (RFC 6750), but not by /healthz and /readyz; empty: none is."""
    names: Annotated[tuple[HostName, ...], Meta(description="an array of host names")] = ()
    """Names that requests may be for, beside addresses and localhost."""
    gateways: Annotated[int, Meta(ge=0, le=10_000, description="a count from 0 to 10000")] = 500
    """Gateways that have series of their own in /metrics; the rest is told as one."""

    def __post_init__(self) -> None:
        address = _address(self.host)
        if address is None:
            raise _UnfitError("host", self.host, "an IP address of this machine, IPv6 without brackets")
        if self.port and not address.is_loopback and not self.token:
            raise _UnfitError("token", self.token, f"a token, because others reach {self.host}, too")


FigureFront = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,6}\Z", description="1 to 7 digits, in quotes")]


class Series(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures over time that sipguard keeps itself: by the minute and by the hour."""

    minute_hours: Annotated[int, Meta(ge=1, le=744, description="whole hours from 1 to 744")] = 48
    """For how long there are figures by the minute."""
    hour_days: Annotated[int, Meta(ge=1, le=3660, description="whole days from 1 to 3660")] = 400
    """For how long there are figures by the hour."""
    destinations: Annotated[
        tuple[FigureFront, ...], Meta(max_length=1000, description="an array of fronts of numbers")
    ] = ()
    """Fronts of called numbers that have figures of their own, beside each country code."""


AlertKind = Annotated[
    Literal[
        "call_spike",
        "balance_falling",
        "balance_low",
        "sub_account_growth",
        "gateway_changed",
        "capacity",
        "gateway_down",
        "asr_collapse",
        "audit_difference",
        "disk_filling",
        "test",
    ],
    Meta(description="a kind of alert"),
]
Decimal = Annotated[
    str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?\Z", description='an amount such as "10.00"')
]
Percent = Annotated[int, Meta(ge=0, le=100, description="a percentage from 0 to 100")]


WebhookUrl = Annotated[str, Meta(max_length=2000, description="a URL such as https://example.net/alerts")]


class Webhook(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told of alerts over HTTP, signed as standardwebhooks.com describes."""

    urls: Annotated[tuple[WebhookUrl, ...], Meta(max_length=20, description="an array of URLs")] = ()
    """Each is told of everything."""
    secret: Annotated[str, Meta(max_length=256, description="16 to 256 characters")] = ""
    """Signs what is sent; "whsec_" and base64, or any text."""
    kinds: Annotated[tuple[AlertKind, ...], Meta(description="an array of kinds of alerts")] = ()
    """Only of these; empty: of all."""

    def __post_init__(self) -> None:
        for index, url in enumerate(self.urls):
            if not _fits_webhook(url):
                expected = "a URL with http or https and a host, without a user"
                raise _UnfitError(f"urls[{index}]", url, expected)
        if self.urls and len(self.secret) < 16:
            raise _UnfitError("secret", self.secret, "16 to 256 characters, because urls are given")


def _fits_webhook(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            re.fullmatch(r"https?://[!-~]+", url) is not None
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
        )
    except ValueError:
        return False


class Alerts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What operators are warned of, and from where on. 0: not at all."""

    every_seconds: Annotated[int, Meta(ge=1, le=3600, description="whole seconds from 1 to 3600")] = 15
    """From one round to the next."""
    call_spike: Annotated[int, Meta(ge=0, le=10_000_000, description="a count from 0 to 10000000")] = 100
    """Attempts in a minute, of an account and those below it, from where on a spike is one."""
    call_spike_percent: Annotated[
        int, Meta(ge=101, le=100_000, description="a percentage from 101 to 100000")
    ] = 300
    """Of the mean of the last hour that these have to be, too."""
    balance_falling: Percent = 50
    """Percentage of what an account had that it has spent within ten minutes."""
    balance_falling_least: Decimal = "10.00"
    """What has to be spent for that."""
    balance_low: Decimal = "1.00"
    """What an account has left for calls, credit included."""
    sub_account_growth: Annotated[
        int, Meta(ge=0, le=10_000_000, description="a count from 0 to 10000000")
    ] = 50
    """Accounts that came below an agent within a day."""
    capacity: Percent = 90
    """Percentage of its concurrent calls that a gateway or an account has."""
    asr_collapse: Percent = 50
    """Percentage of the ASR of the last day that that of a quarter of an hour is."""
    asr_collapse_calls: Annotated[int, Meta(ge=1, le=1_000_000, description="a count from 1 to 1000000")] = 50
    """Calls to gateways within that quarter for it to say anything."""
    disk_filling: Percent = 90
    """Percentage of a disk that is used."""
    webhook: Annotated[Webhook, Meta(description="an [alerts.webhook] table")] = Webhook()


class Calls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How calls are held, cut and drained."""

    slice_seconds: Annotated[int, Meta(ge=1, le=86400, description="whole seconds from 1 to 86400")] = 60
    """Call length that is held before the INVITE leaves, and by which holds are renewed."""
    free_levels: Annotated[bool, Meta(description="true or false")] = False
    """A level without a rate table passes unpriced; false: its calls are refused."""
    drain_seconds: Annotated[float, Meta(ge=0, le=86400, description="seconds from 0 to 86400")] = 10.0
    """How long a stopping daemon waits for its live calls; those left are known again at the next start."""
    record_attempts_at_start: Annotated[bool, Meta(description="true or false")] = True
    """Attempts that a kill interrupts in set-up get a record at the next start."""
    warning_seconds: Annotated[int, Meta(ge=0, le=3600, description="whole seconds from 0 to 3600")] = 10
    """How long before its money ends a call is told of, at most half a slice; 0: not at all."""
    lock_ends_calls: Annotated[bool, Meta(description="true or false")] = False
    """Locking an account, or the end of its time, ends its calls; false: they finish."""
    ping: Annotated[Ping, Meta(description="a [calls.ping] table")] = Ping()


NameServer = Annotated[str, Meta(description='an IP address, with a port behind ":" if it is not 53')]


class Dns(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who resolves the names of gateways (RFC 3263)."""

    nameservers: Annotated[tuple[NameServer, ...], Meta(description="an array of name servers")] = ()
    """Asked in this order; empty: those of /etc/resolv.conf."""
    timeout_seconds: Annotated[float, Meta(ge=0.1, le=60, description="seconds from 0.1 to 60")] = 5.0
    """For one question, all name servers together."""
    stale_seconds: Annotated[int, Meta(ge=0, le=604_800, description="whole seconds from 0 to 604800")] = (
        86_400
    )
    """How long what was known is used on where no name server answers (RFC 8767)."""

    def __post_init__(self) -> None:
        for index, text in enumerate(self.nameservers):
            if name_server(text) is None:
                raise _UnfitError(
                    f"nameservers[{index}]",
                    text,
                    'an IP address such as "192.0.2.53" or "[2001:db8::53]:5353"',
                )


def name_server(text: str) -> tuple[str, int] | None:
    """Address and port of a name server as it is configured; None where it is none."""
    if _address(text) is not None:
        return text, 53
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0
    return (host, number) if colon and _address(host) is not None and 0 < number < 65536 else None


class GatewayHealth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a routing gateway is out of service, and when it is back."""

    down_after: Annotated[int, Meta(ge=1, le=100, description="a count from 1 to 100")] = 3
    """OPTIONS without a fit answer in a row."""
    up_after: Annotated[int, Meta(ge=1, le=100, description="a count from 1 to 100")] = 2
    """OPTIONS with one in a row."""
    jitter_percent: Annotated[int, Meta(ge=0, le=50, description="a percentage from 0 to 50")] = 10
    """By which the interval between two OPTIONS varies."""
    call_failures: Annotated[int, Meta(ge=0, le=1000, description="a count from 0 to 1000")] = 5
    """INVITEs in a row that had no answer or could not be delivered; 0: calls tell nothing."""
    rest_seconds: Annotated[int, Meta(ge=1, le=86_400, description="whole seconds from 1 to 86400")] = 30
    """For how long a gateway without OPTIONS is then out."""
    retry_after_max_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="whole seconds from 0 to 86400")
    ] = 300
    """The longest Retry-After of a 503 that is obeyed; 0: none is."""


EmergencyNumber = Annotated[
    str, Meta(pattern=r"^\+?[0-9*#]{2,32}\Z", description="2 to 32 digits, * or #, as dialled")
]
GatewayId = Annotated[str, Meta(min_length=1, max_length=64, description="the id of a routing gateway")]


class Emergency(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Calls that pass before every other check."""

    numbers: Annotated[tuple[EmergencyNumber, ...], Meta(description="an array of numbers as dialled")] = ()
    """Matched on the number as received, before any rewrite."""
    gateways: Annotated[tuple[GatewayId, ...], Meta(description="an array of routing gateway ids")] = ()
    """Routing gateways that take them, in the order in which they are tried."""

    def __post_init__(self) -> None:
        if self.numbers and not self.gateways:
            raise _UnfitError(
                "gateways", list(self.gateways), "at least one gateway id, because numbers are given"
            )


Algorithm = Annotated[
    Literal["SHA-512-256", "SHA-256", "MD5"], Meta(description='"SHA-512-256", "SHA-256" or "MD5"')
]


class Auth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How phones and trunks prove who they are by a password (RFC 7616, RFC 8760)."""

    realm: Annotated[
        str,
        Meta(
            pattern=r"^[ !#-\[\]-~]{1,128}\Z",
            description="1 to 128 printable ASCII characters without quotes and backslashes",
        ),
    ] = "sipguard"
    """What the password is for. It is part of the stored hashes: another realm needs them set again."""
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Meta(min_length=1, description='an array of "SHA-512-256", "SHA-256", "MD5"'),
    ] = ("SHA-256", "MD5")
    """Offered in this order."""
    nonce_seconds: Annotated[int, Meta(ge=10, le=86400, description="whole seconds from 10 to 86400")] = 300
    """How long a challenge may be answered, and its nonce be used again."""


class Registrar(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how long phones may register, and how they are kept reachable (RFC 3261 section 10)."""

    min_seconds: Annotated[int, Meta(ge=10, le=3600, description="whole seconds from 10 to 3600")] = 60
    """Shorter registrations get 423 with Min-Expires."""
    max_seconds: Annotated[int, Meta(ge=60, le=86400, description="whole seconds from 60 to 86400")] = 3600
    """Longer ones are shortened to it, and those without a time last as long."""
    keep_alive_seconds: Annotated[int, Meta(ge=0, le=3600, description="whole seconds from 0 to 3600")] = 25
    """How often phones over UDP are sent an empty datagram, so that NATs keep the way open; 0: never."""

    def __post_init__(self) -> None:
        if self.max_seconds < self.min_seconds:
            raise _UnfitError("max_seconds", self.max_seconds, f"at least min_seconds, {self.min_seconds}")


CountryCode = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,2}\Z", description="a country code in quotes")]

LEADING_ZERO = (
    *("39", "378", "225", "229", "241", "242"),  # Italy, San Marino, Ivory Coast, Benin, Gabon, Congo
    *("800", "808", "870", "878", "881", "882", "883", "888", "979"),  # no country, so no national prefix
)


class Numbers(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How numbers are read, beside what each mapping gateway says."""

    leading_zero: Annotated[tuple[CountryCode, ...], Meta(description="an array of country codes")] = (
        LEADING_ZERO
    )
    """Country codes whose national numbers may begin with 0. Behind any other, a number with a 0 is refused:
    switches take such a 0 for the national prefix and call another number than was judged."""


class Hep(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Copies of all SIP messages for a Homer server (HEP version 3)."""

    host: Annotated[str | None, Meta(description="an IP address or host name")] = None
    """Of the server; None: nothing is exported."""
    port: Port = 9060
    transport: Annotated[Literal["udp", "tcp"], Meta(description='"udp" or "tcp"')] = "udp"
    capture_id: Annotated[int, Meta(ge=0, le=2**32 - 1, description="a number from 0 to 4294967295")] = 1
    """By which the server tells its sources apart."""
    password: Annotated[str, Meta(max_length=255, description="at most 255 characters")] = ""
    """If the server wants one."""
    node: Annotated[str, Meta(max_length=255, description="at most 255 characters")] = "sipguard"
    """Name of this source."""
    mask_credentials: Annotated[bool, Meta(description="true or false")] = True
    """Digest responses and other credentials are made unreadable."""

    def __post_init__(self) -> None:
        if self.host is not None and _address(self.host) is None and not _HOST_NAME.fullmatch(self.host):
            raise _UnfitError("host", self.host, "an IP address or host name")


class Trace(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where SIP messages are copied to, beside what `sipguard trace` asks for."""

    hep: Annotated[Hep, Meta(description="a [trace.hep] table")] = Hep()


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description='"debug", "info", "warning" or "error"'),
    ] = "info"
    format: Annotated[Literal["console", "json"], Meta(description='"console" or "json"')] = "console"


class WebSession(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how long somebody who signed in is known."""

    idle_minutes: Annotated[int, Meta(ge=1, le=10_080, description="whole minutes from 1 to 10080")] = 30
    """A session that nobody uses is over after so long."""
    hours: Annotated[int, Meta(ge=1, le=720, description="whole hours from 1 to 720")] = 12
    """A session is over after so long, used or not."""


class Web(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The API and the pages, served by a process of their own."""

    enabled: Annotated[bool, Meta(description="true or false")] = True
    """Whether `sipguard run` starts it, too."""
    host: Annotated[str, Meta(description="an IP address of this machine, IPv6 without brackets")] = (
        "127.0.0.1"
    )
    port: Port = 8060
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(description="an IP address, or a network as in 192.0.2.0/24")], ...],
        Meta(description="an array of IP addresses and networks"),
    ] = ()
    """Who is believed when it says for whom it asks (X-Forwarded-For) and how it was asked (-Proto)."""
    source_requests_per_second: Annotated[
        int, Meta(ge=1, le=100_000, description="a count from 1 to 100000")
    ] = 1_000
    """From one address, in the long run; beyond, 429."""
    login_requests_per_second: Annotated[
        int, Meta(ge=1, le=100_000, description="a count from 1 to 100000")
    ] = 500
    """By one login, likewise."""
    session: Annotated[WebSession, Meta(description="a [web.session] table")] = WebSession()

    def __post_init__(self) -> None:
        if _address(self.host) is None:
            raise _UnfitError("host", self.host, "an IP address of this machine, IPv6 without brackets")
        for index, text in enumerate(self.trusted_proxies):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                expected = "an IP address, or a network as in 192.0.2.0/24"
                raise _UnfitError(f"trusted_proxies[{index}]", text, expected) from None


Depth = Annotated[int, Meta(ge=1, le=1_000, description="levels from 1 to 1000")]


class Manage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What accounts and agents may be made of."""

    depth_warning: Depth = 3
    """Trees of more levels are warned of."""
    depth_limit: Annotated[Depth | None, Meta(description="levels from 1 to 1000")] = None
    """Trees of more levels are refused; None: they never are."""
    sub_agents_need_approval: Annotated[bool, Meta(description="true or false")] = False
    """Whether agents ask an administrator before an account below them becomes an agent."""
    agent_networks: Annotated[
        tuple[str, ...], Meta(description='a list of networks such as "10.0.0.0/8"')
    ] = ()
    """Private networks in which gateways of agents may be."""

    def __post_init__(self) -> None:
        for text in self.agent_networks:
            if not _is_network(text):
                raise _UnfitError("agent_networks", text, 'networks such as "10.0.0.0/8"')
        if self.depth_limit is not None and self.depth_limit < self.depth_warning:
            raise _UnfitError(
                "depth_limit", self.depth_limit, f"at least depth_warning, {self.depth_warning}"
            )


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    sip: Annotated[Sip, Meta(description="a [sip] table")]
    database: Annotated[Database, Meta(description="a [database] table")]
    control: Annotated[Control, Meta(description="a [control] table")]
    calls: Annotated[Calls, Meta(description="a [calls] table")] = Calls()
    cdr: Annotated[Cdr, Meta(description="a [cdr] table")] = Cdr()
    stats: Annotated[Stats, Meta(description="a [stats] table")] = Stats()
    series: Annotated[Series, Meta(description="a [series] table")] = Series()
    alerts: Annotated[Alerts, Meta(description="an [alerts] table")] = Alerts()
    emergency: Annotated[Emergency, Meta(description="an [emergency] table")] = Emergency()
    dns: Annotated[Dns, Meta(description="a [dns] table")] = Dns()
    gateways: Annotated[GatewayHealth, Meta(description="a [gateways] table")] = GatewayHealth()
    numbers: Annotated[Numbers, Meta(description="a [numbers] table")] = Numbers()
    auth: Annotated[Auth, Meta(description="an [auth] table")] = Auth()
    registrar: Annotated[Registrar, Meta(description="a [registrar] table")] = Registrar()
    trace: Annotated[Trace, Meta(description="a [trace] table")] = Trace()
    log: Annotated[Log, Meta(description="a [log] table")] = Log()
    web: Annotated[Web, Meta(description="a [web] table")] = Web()
    manage: Annotated[Manage, Meta(description="a [manage] table")] = Manage()


def load(path: Path) -> Config:
    """Read and check the file at `path`. Raises ConfigError on whatever stands in the way."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(path, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, None, f"line {line} is not UTF-8, as TOML has to be") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, None, f"not valid TOML: {error}") from error
    return _convert(document, path)


def effective(config: Config) -> dict[str, object]:
    """Every key with the value in force, defaults included, as nested plain values in file order."""
    plain = msgspec.to_builtins(config, enc_hook=str)
    if not isinstance(plain, dict):
        raise TypeError("a struct reads as a dictionary")
    return plain


def keys(struct: type[Struct] = Config, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key that the file may hold, with what is expected of it: ``("sip.listen[].port", "a port ...")``.

    Tables come before their keys.
    """
    for name, hint in typing.get_type_hints(struct, include_extras=True).items():
        kind, meta = typing.get_args(hint)[:2]
        yield f"{prefix}{name}", meta.description
        if typing.get_origin(kind) is tuple:
            # An array is followed by its element.
            (kind, _) = typing.get_args(kind)
            name = f"{name}[]"
            element = (
                typing.get_args(kind)[1].description if typing.get_origin(kind) is Annotated else "a table"
            )
            yield f"{prefix}{name}", element
        if isinstance(kind, type) and issubclass(kind, Struct):
            yield from keys(kind, f"{prefix}{name}.")


class _UnfitError(ValueError):
    """A value that its type alone cannot refuse. `key` is relative to the table that is checked."""

    def __init__(self, key: str, found: object, expected: str) -> None:
        self.complaint = f"{'missing' if found is UNSET else f'found {_shown(found)}'}, expected {expected}"
        super().__init__(f"{key}: {self.complaint}")
        self.key = key


def _convert(document: dict[str, object], file: Path) -> Config:
    directory = file.resolve().parent

    def decode(kind: type, value: object) -> object:
        if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("not a path")
        # Only the file's own directory may be a symbolic link; ".." in the value is then what it says.
        return Path(os.path.normpath(directory / value))

    try:
        return msgspec.convert(document, Config, dec_hook=decode)
    except msgspec.ValidationError as error:
        key, message = _explained(error, document)
        raise ConfigError(file, key, message) from None


def _explained(error: msgspec.ValidationError, document: Mapping[str, object]) -> tuple[str, str]:
    """The key and what is wrong with it, out of an error that msgspec raised on `document`."""
    text, _, at = str(error).partition(" - at `$")
    table = at.rstrip("`").removeprefix(".")
    if isinstance(error.__cause__, _UnfitError):
        unfit = error.__cause__
        return _joined(table, unfit.key), unfit.complaint
    expected = dict(keys())
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL):
        name = unknown[1] if _BARE_KEY.fullmatch(unknown[1]) else _shown(unknown[1])
        return _joined(table, name), _unknown(unknown[1], table, expected)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", text):
        key = _joined(table, missing[1])
        return key, f"missing, expected {expected[_generic(key)]}"
    return table, f"found {_shown(_value(document, table))}, expected {expected[_generic(table)]}"


def _unknown(name: str, table: str, expected: Mapping[str, str]) -> str:
    prefix = _joined(_generic(table), "")
    known = [key.removeprefix(prefix) for key in expected if key.startswith(prefix)]
    siblings = [key for key in known if "." not in key and "[" not in key]
    if elsewhere := [key for key in expected if key.endswith(f".{name}")]:
        return f"unknown key here, did you mean {elsewhere[0]}?"
    if near := difflib.get_close_matches(name, siblings, n=1):
        return f"unknown key, did you mean {near[0]}?"
    return f"unknown key, expected one of {', '.join(siblings)}"


def _joined(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


def _generic(key: str) -> str:
    """``sip.listen[0].port`` as `keys` lists it: ``sip.listen[].port``."""
    return re.sub(r"\[[^\]]*\]", "[]", key)


def _value(document: object, key: str) -> object:
    """The value at a key that msgspec has complained about, so it is there."""
    value = document
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        if isinstance(value, dict):
            value = value.get(name, UNSET)
        elif isinstance(value, list) and index:
            value = value[int(index)]
    return value


def _shown(value: object) -> str:
    """A value the way that TOML writes it, short."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value if len(value) <= 60 else f"{value[:60]}...", ensure_ascii=False)
        case dict():
            return "a table"
        case list():
            return "an array" if value else "an empty array"
        case _:
            return str(value)
