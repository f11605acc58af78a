"""The TLS contexts of the listeners and of our own connections, made anew when their files change.

A context is never changed: one that is good takes the place of the old one whole, and connections that are up
keep theirs. What cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from sipguard.config import Listener, Sip, Tls
from sipguard.sip.session import Session

log = structlog.get_logger()


class TlsError(Exception):
    """Certificates that cannot be used; the message names the key of the configuration and the file."""


@dataclass(frozen=True, slots=True)
class _Contexts:
    servers: dict[int, ssl.SSLContext]
    """By index of the listener."""
    verifying: dict[int, ssl.SSLContext]
    """For our own connections, by index of the listener that they leave from."""
    trusting: dict[int, ssl.SSLContext]
    """The same for gateways whose certificates are not looked at."""


class Contexts:
    """What is in force. All certificates of one configuration are taken together or not at all."""

    def __init__(self, sip: Sip) -> None:
        """Raises TlsError where something cannot be used."""
        self._sip = sip
        self._stamp = self._read_stamp()
        self._present = self._made()

    def server(self, listener: int) -> ssl.SSLContext:
        """For a connection that a peer has opened."""
        return self._present.servers[listener]

    def client(self, listener: int, *, verify: bool) -> ssl.SSLContext:
        """For a connection of our own; the name in the certificate is its user's to check."""
        return (self._present.verifying if verify else self._present.trusting)[listener]

    def changed(self) -> bool:
        """Whether some file is not what it was at the last `reload`."""
        return self._read_stamp() != self._stamp

    def reload(self) -> bool:
        """Read all files again. False, and all as it was, where one cannot be used; the log says which."""
        self._stamp = self._read_stamp()
        try:
            made = self._made()
            for key, certificate, private in self._shown():
                _prove(key, certificate, private)
        except TlsError as error:
            log.error("tls.not_reloaded", error=str(error), effect="the certificates before remain in use")
            return False
        self._present = made
        log.info("tls.reloaded", files=[str(path) for path in self._files()])
        return True

    async def follow(self) -> None:
        """Reload whenever a file has changed, until cancelled. Never, where the configuration says so."""
        seconds = self._sip.tls.reload_seconds
        while seconds:
            await asyncio.sleep(seconds)
            if self.changed():
                self.reload()

    def warn(self) -> None:
        """Tell the log of certificates that peers will not accept.

        They are used all the same: at a start nothing better is there, and other transports work.
        """
        for key, certificate, private in self._shown():
            try:
                _prove(key, certificate, private)
            except TlsError as error:
                log.error(
                    "tls.certificate_unfit", error=str(error), effect="who verifies it will not connect"
                )

    def _listeners(self) -> Iterator[tuple[int, Listener]]:
        for index, listener in enumerate(self._sip.listen):
            if "tls" in listener.transports:
                yield index, listener

    def _shown(self) -> Iterator[tuple[str, Path | None, Path | None]]:
        """What peers may be shown: key of the configuration, certificate, private key."""
        for index, listener in self._listeners():
            yield f"sip.listen[{index}]", listener.certificate, listener.key
            for number, domain in enumerate(listener.domains):
                yield f"sip.listen[{index}].domains[{number}]", domain.certificate, domain.key

    def _files(self) -> Iterator[Path]:
        tls = self._sip.tls
        named = [tls.ca, tls.certificate, tls.key]
        for listener in self._sip.listen:
            named += [listener.certificate, listener.key]
            for domain in listener.domains:
                named += [domain.certificate, domain.key]
        yield from dict.fromkeys(path for path in named if path is not None)

    def _read_stamp(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files()]

    def _made(self) -> _Contexts:
        tls = self._sip.tls
        servers = {
            index: _server(tls, listener, f"sip.listen[{index}]") for index, listener in self._listeners()
        }
        everyone = range(len(self._sip.listen))
        verifying = {index: _client(self._sip, index, verify=True) for index in everyone}
        trusting = {index: _client(self._sip, index, verify=False) for index in everyone}
        return _Contexts(servers, verifying, trusting)


def _server(tls: Tls, listener: Listener, key: str) -> ssl.SSLContext:
    context = _serving(tls, listener, key, listener.certificate, listener.key)
    by_name: dict[str, ssl.SSLContext] = {}
    for number, domain in enumerate(listener.domains):
        where = f"{key}.domains[{number}]"
        other = _serving(tls, listener, where, domain.certificate, domain.key)
        by_name.update((name.lower(), other) for name in domain.names)

    def choose(session: ssl.SSLObject, asked: str | None, _: ssl.SSLContext) -> None:
        # Who asks for a name that is none of ours is shown the listener's own: it may verify or leave.
        name = (asked or "").lower().rstrip(".")
        found = by_name.get(name) or by_name.get(f"*.{name.partition('.')[2]}")
        if found is not None:
            session.context = found

    if by_name:
        context.sni_callback = choose
    return context


def _serving(
    tls: Tls, listener: Listener, key: str, certificate: Path | None, private: Path | None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _limit(context, tls)
    # A peer could have us compute without end.
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_pair(context, key, certificate, private)
    if listener.client_certificate != "none":
        context.verify_mode = (
            ssl.CERT_REQUIRED if listener.client_certificate == "required" else ssl.CERT_OPTIONAL
        )
        _load_ca(context, tls.ca, ssl.Purpose.CLIENT_AUTH)
    return context


def _client(sip: Sip, index: int, *, verify: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _limit(context, sip.tls)
    # RFC 5922 has rules of its own for names, see sipguard/model/certificate.py.
    context.check_hostname = False
    if verify:
        _load_ca(context, sip.tls.ca, ssl.Purpose.SERVER_AUTH)
    else:
        context.verify_mode = ssl.CERT_NONE
    listener = sip.listen[index]
    if sip.tls.certificate is not None and sip.tls.key is not None:
        _load_pair(context, "sip.tls", sip.tls.certificate, sip.tls.key)
    elif listener.certificate is not None and listener.key is not None:
        _load_pair(context, f"sip.listen[{index}]", listener.certificate, listener.key)
    return context


def _limit(context: ssl.SSLContext, tls: Tls) -> None:
    newest = tls.minimum_version == "1.3"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2


def _load_pair(context: ssl.SSLContext, key: str, certificate: Path | None, private: Path | None) -> None:
    if certificate is None or private is None:
        raise TlsError(f"{key}: certificate and key are missing")
    for name, path in (("certificate", certificate), ("key", private)):
        try:
            path.read_bytes()
        except OSError as error:
            raise TlsError(f"{key}.{name}: {path} cannot be read: {error.strerror}") from error
    try:
        context.load_cert_chain(certificate, private, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(f"{key}: {certificate} with {private} is not usable: {_reason(error)}") from error


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and stand still until somebody answers.
    raise ValueError("the key is encrypted; a daemon needs one without a passphrase")


def _load_ca(context: ssl.SSLContext, ca: Path | None, purpose: ssl.Purpose) -> None:
    # A peer may be trusted by its very certificate, without that of the authority above.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ca is None:
        context.load_default_certs(purpose)
        return
    try:
        if ca.is_dir():
            context.load_verify_locations(capath=ca)
        else:
            context.load_verify_locations(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(f"sip.tls.ca: {ca} is not usable: {_reason(error)}") from error


def _prove(key: str, certificate: Path | None, private: Path | None) -> None:
    """Shake hands with ourselves, as a peer that trusts this certificate and nothing else.

    Raises TlsError where even that peer would refuse: it is not valid yet or no more, or not for servers.
    """
    peer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    peer.check_hostname = False
    peer.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        peer.load_verify_locations(certificate)
        _load_pair(asks, key, certificate, private)
        ours, theirs = Session(asks, server_side=True), Session(peer, server_side=False)
        data = b""
        while not theirs.established:
            theirs.receive(data)
            ours.receive(theirs.outgoing())
            data = ours.outgoing()
    except ssl.SSLError as error:
        raise TlsError(f"{key}.certificate: {certificate}: {_reason(error)}") from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        read = path.stat()
    except OSError:
        return None
    return read.st_mtime_ns, read.st_size, read.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
