"""The pages explain every reason for which a call is refused, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from sipguard.model.verdict import Reason

LIBRARY = Path(__file__).resolve().parents[2] / "sipguard" / "web" / "ui" / "lib" / "reasons.js"


def test_every_reason_is_explained() -> None:
    explained = re.findall(r"^  ([a-z_]+): \[t\(\"[A-Z][^\"]{20,}\"\)", LIBRARY.read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(reason.value for reason in Reason)
