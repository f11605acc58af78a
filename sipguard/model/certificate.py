"""Whom a certificate is for: the names of RFC 5922, and the fingerprint.

A certificate comes here only after its chain was verified; what it says of itself is worth nothing before.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

FINGERPRINT = "sha256:"
"""In front of the SHA-256 of the whole certificate, in hexadecimal digits."""


def identities(certificate: Mapping[str, Any]) -> list[str]:
    """The SIP domains and addresses that a certificate is for, in lower case (RFC 5922 section 7.1).

    `certificate`: as `ssl.SSLObject.getpeercert` has it. Where a `sip:` URI is among its alternative names,
    the DNS names beside it are for other uses; the common name counts only where there are no others.
    """
    names: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    domains = [domain for kind, value in names if kind == "URI" and (domain := _domain(value))]
    if not domains:
        domains = [value.lower() for kind, value in names if kind == "DNS"]
    addresses = [str(ipaddress.ip_address(value)) for kind, value in names if kind == "IP Address"]
    if names:
        return domains + addresses
    subject = (field for relative in certificate.get("subject", ()) for field in relative)
    return [value.lower() for name, value in subject if name == "commonName"]


def fingerprint(der: bytes) -> str:
    """Of a certificate as it is on the wire: ``sha256:`` and 64 digits."""
    return FINGERPRINT + hashlib.sha256(der).hexdigest()


def normal(name: str) -> str:
    """A name as `identities` and `fingerprint` write it.

    Takes a domain, with or without ``sip:``, an IP address, and a fingerprint with or without colons. Raises
    ValueError on what is none of them.
    """
    name = name.strip().lower()
    if name.startswith(FINGERPRINT):
        digits = name.removeprefix(FINGERPRINT).replace(":", "")
        if len(bytes.fromhex(digits)) != hashlib.sha256().digest_size:
            raise ValueError("a SHA-256 fingerprint has 64 digits")
        return FINGERPRINT + digits
    name = name.removeprefix("sip:").removesuffix(".")
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or not all(_is_label(label) for label in labels):
        raise ValueError("not a domain, an address or a fingerprint")
    return name


def _is_label(label: str) -> bool:
    inner = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= 63 and inner.isascii() and inner.isalnum() and label[0] != "-" != label[-1]


def _domain(uri: str) -> str | None:
    """The domain of a `sip:` URI; None for other schemes, and for a URI that names a user."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or "@" in rest:
        return None
    host = rest.partition(";")[0].partition("?")[0].lower()
    return host if host.startswith("[") else host.partition(":")[0] or None
