"""ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1): nobody overwrites what they have not read."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from sipguard.web.problem import ProblemError

_TAG = re.compile(r'"([0-9a-f]{1,64})"')


def put(response: Response, etag: str) -> None:
    """Say which version the answer is."""
    response.headers["ETag"] = f'"{etag}"'


def _expected(
    if_match: Annotated[
        str | None, Header(description='The ETag of what was read, or "*" for whatever it is now.')
    ] = None,
) -> str | None:
    if if_match is None:
        raise ProblemError(428, "say by If-Match which version is to be changed: the ETag of what was read")
    if if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise ProblemError(400, "If-Match is not one ETag in quotes")
    return found[1]


IfMatch = Annotated[str | None, Depends(_expected)]
"""The version that a change expects; None where the client said "*"."""
