"""The version of an object as a client holds it: a hash of what can be changed of it (RFC 9110, 8.8.3).

No column counts versions, so whatever wrote a row, another program too, has made another version. Money that
moves by itself (balances) is left out, else no agent could ever be changed while its customers call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sipguard.manage.errors import StaleError


def etag(values: Mapping[str, object]) -> str:
    """Without the quotes that HTTP puts around it."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def check(noun: str, id: str, expected: str | None, values: Mapping[str, object]) -> None:
    """Raises StaleError where `expected` is not the version of `values`; None expects nothing."""
    if expected is not None and expected != etag(values):
        raise StaleError(noun, id)
