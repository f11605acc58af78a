"""What the judge's own ends saw and did, as lines of JSON: the ledger that the books are held against.

One line is one thing seen, told apart by what it names:

    {"at": 17.3, "end": "near", "sent": true, "call_id": "..", "from_tag": "..", "method": "INVITE",
     "cseq": 1, "status": null}                         a SIP message; near: callers, far: gateways
    {"at": 17.3, "write": "k1", "account": "a", "micros": 5, "done": false}
                                                        a payment asked for; done: acknowledged
    {"at": 17.3, "down": true}                          the daemon was killed or stopped; false: ready again
    {"at": 17.3, "status": {..}, "calls": [..], "held": {..}}
                                                        what the daemon said of itself while nothing moved

`at` is Unix seconds on the clock of the judge. A line that is cut off at the end of the file is not read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = dict[str, Any]


@dataclass(slots=True)
class End:
    """One call as one side saw it. Times are those of the first such message, whoever sent it."""

    invited_at: float | None = None
    final_at: float | None = None
    """The first final answer to the first INVITE."""
    final: int = 0
    """Its status; 0 where there was none. A 2xx counts for more than what came before it."""
    answered_at: float | None = None
    """The first 2xx."""
    acked_at: float | None = None
    """The first ACK of the first INVITE."""
    bye_at: float | None = None
    bye_sent: bool = False
    """The first BYE came from this end itself."""

    heard_at: float | None = None
    """A BYE came from the other side, or the first answer to its own: from here on the proxy knew."""

    def see(self, line: Line) -> None:
        """Take in a message of this call."""
        at, status = line["at"], line["status"]
        if line["method"] == "INVITE" and line["cseq"] == 1:
            if status is None:
                self.invited_at = self.invited_at or at
            elif 200 <= status < 300:
                self.answered_at = self.answered_at or at
                self.final, self.final_at = status, self.answered_at
            elif status >= 300 and not self.final:
                self.final, self.final_at = status, at
        elif line["method"] == "ACK" and line["cseq"] == 1:
            self.acked_at = self.acked_at or at
        elif line["method"] == "BYE" and status is None and self.bye_at is None:
            self.bye_at, self.bye_sent = at, line["sent"]
        if line["method"] == "BYE" and not line["sent"] and self.heard_at is None:
            self.heard_at = at


@dataclass(slots=True)
class Write:
    """A payment that was asked for."""

    account: str
    micros: int
    done: bool = False
    """It was acknowledged."""


@dataclass(slots=True)
class Ledger:
    """A whole ledger, by what its lines are about."""

    near: dict[str, End] = field(default_factory=lambda: defaultdict(End))
    """As callers saw their calls, by Call-ID."""
    far: dict[str, End] = field(default_factory=lambda: defaultdict(End))
    """As gateways did."""
    writes: dict[str, Write] = field(default_factory=dict)
    """By key."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """When the daemon was down, or stood still; the last may have no end (infinity)."""
    snapshots: list[Line] = field(default_factory=list)

    def out(self, start: float, end: float) -> bool:
        """Whether the daemon was down at some moment from `start` to `end`."""
        return any(down <= end and up >= start for down, up in self.outages)

    def up_again(self, at: float) -> float:
        """The first moment from `at` on at which the daemon was up."""
        for down, up in self.outages:
            if down <= at <= up:
                return up
        return at


def read(path: Path) -> Ledger:
    """The ledger of a file. Raises ValueError that names the line that makes no sense."""
    ledger = Ledger()
    down: float | None = None
    for number, line in _lines(path):
        try:
            if "method" in line:
                (ledger.near if line["end"] == "near" else ledger.far)[line["call_id"]].see(line)
            elif "write" in line:
                write = ledger.writes.setdefault(line["write"], Write(line["account"], line["micros"]))
                write.done = write.done or line["done"]
            elif "down" in line:
                if line["down"]:
                    down = line["at"] if down is None else down
                elif down is not None:
                    ledger.outages.append((down, line["at"]))
                    down = None
            elif "status" in line:
                ledger.snapshots.append(line)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error!r}: {line}") from None
    if down is not None:
        ledger.outages.append((down, float("inf")))
    return ledger


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    with path.open() as file:
        for number, text in enumerate(_whole(file), start=1):
            try:
                yield number, json.loads(text)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None


def _whole(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.endswith("\n"))
