"""The client's side of digest authentication, written from RFC 7616 and sharing no code with sipguard."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@dataclass(frozen=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value."""

    realm: str
    nonce: str
    algorithm: str
    qop: str
    stale: bool

    @classmethod
    def read(cls, value: str) -> Challenge:
        """Raises ValueError where it is no Digest challenge with realm and nonce."""
        scheme, _, rest = value.partition(" ")
        found = dict(re.findall(r'(\w+)=(?:"(?=[^"]*")|)([^",]*)', rest))
        if scheme.lower() != "digest" or not {"realm", "nonce"} <= found.keys():
            raise ValueError(value)
        return cls(
            found["realm"],
            found["nonce"],
            found.get("algorithm", "MD5"),
            found.get("qop", ""),
            found.get("stale", "").lower() == "true",
        )


def answer(
    challenge: Challenge,
    method: str,
    uri: str,
    user: str,
    password: str,
    nc: int = 1,
    cnonce: str = "0a4f113b",
) -> str:
    """Value of the Authorization or Proxy-Authorization header that answers a challenge."""

    def hashed(*parts: str) -> str:
        return hashlib.new(_HASHES[challenge.algorithm], ":".join(parts).encode()).hexdigest()

    count = f"{nc:08x}"
    response = hashed(
        hashed(user, challenge.realm, password),
        challenge.nonce,
        count,
        cnonce,
        "auth",
        hashed(method, uri),
    )
    return (
        f'Digest username="{user}", realm="{challenge.realm}", nonce="{challenge.nonce}", uri="{uri}",'
        f' response="{response}", algorithm={challenge.algorithm}, qop=auth, nc={count}, cnonce="{cnonce}"'
    )
