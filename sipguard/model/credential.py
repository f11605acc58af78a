"""Credentials: a user and what proves that somebody knows its password (RFC 7616). No password is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
"""What phones and trunks may be asked for, the strongest first (RFC 8760 section 2)."""

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}


@dataclass(frozen=True, slots=True)
class Credential:
    """A user of one realm. Either a phone or a mapping gateway has it."""

    username: str
    """Unique, as it stands in the Authorization header; case matters."""
    realm: str
    """What the hashes are made for: under another realm the password has to be set again."""
    ha1_md5: str
    """HA1 of RFC 7616 section 3.4.2 in hexadecimal digits, one for each algorithm."""
    ha1_sha256: str
    ha1_sha512_256: str
    phone_key: int | None = None
    mapping_gateway_key: int | None = None


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """Hash of a password (RFC 7616 section 3.4.2) in lower-case hexadecimal digits.

    `algorithm`: one of `ALGORITHMS`; KeyError for another.
    """
    text = f"{username}:{realm}:{password}".encode()
    return hashlib.new(_HASHES[algorithm], text, usedforsecurity=False).hexdigest()


def hashed(
    username: str,
    realm: str,
    password: str,
    *,
    phone_key: int | None = None,
    mapping_gateway_key: int | None = None,
) -> Credential:
    """The credential that a password makes."""
    return Credential(
        username,
        realm,
        ha1("MD5", username, realm, password),
        ha1("SHA-256", username, realm, password),
        ha1("SHA-512-256", username, realm, password),
        phone_key,
        mapping_gateway_key,
    )
