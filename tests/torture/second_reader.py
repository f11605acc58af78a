"""A second reader of SIP messages, for comparison: written from the grammar, as forgiving as peers are.

It shares nothing with the engine's. Where a message can be taken in two ways it takes the one that a careless
peer would: any of CR LF, CR and LF ends a line, and names are found in every spelling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMPACT = {b"i": b"call-id", b"l": b"content-length", b"f": b"from", b"t": b"to", b"v": b"via"}


@dataclass(frozen=True)
class Reading:
    """What two hops must agree on."""

    method: bytes
    request_uri: bytes
    call_ids: list[bytes]
    cseqs: list[tuple[int, bytes]]
    lengths: list[int]
    """Values of Content-Length."""
    body: bytes
    """All that follows the header."""


def read(message: bytes) -> Reading:
    """Raises ValueError where it is no request at all."""
    head, body = re.split(rb"\r\n\r\n|\n\r\n|\n\n|\r\r", message.lstrip(b"\r\n"), maxsplit=1)
    first, *lines = re.split(rb"\r\n|\r|\n", head)
    method, uri, version = first.split(b" ")
    if version.upper() != b"SIP/2.0":
        raise ValueError(version)
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b" " + line.strip(b" \t"))
            continue
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        fields.append((_COMPACT.get(name, name), value.strip(b" \t")))

    def values(wanted: bytes) -> list[bytes]:
        return [value.strip() for name, value in fields if name == wanted]

    sequences = [value.split() for value in values(b"cseq")]
    return Reading(
        method,
        uri,
        values(b"call-id"),
        [(int(number), name) for number, name in sequences],
        [int(value) for value in values(b"content-length")],
        body,
    )
