"""Counters of what call records told since the start, in the terms of Prometheus. Filled by the series.

Every label has a bounded number of values: reasons and statuses are the program's and the RFC's, gateways are
those that are configured, up to a limit, and the rest of them is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sipguard.model.verdict import Reason
from sipguard.store.series_step import Bounds, Counted

OTHERS = "others"
"""Stands for the gateways beyond the limit, and for reasons beyond those that there can be."""

REASONS_MAX = 40
CURRENCIES_MAX = 40

BOUNDS = Bounds(
    # A wrong number, a short word, the increments of price lists, an ordinary call, a long one.
    duration_ms=tuple(1000 * seconds for seconds in (1, 6, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)),
    # E.721: 3 s are the mean for local, 8 s for international calls.
    pdd_ms=(100, 250, 500, 1000, 2000, 3000, 5000, 8000, 11_000, 20_000),
)


class GatewayCounts(NamedTuple):
    """Of one gateway since the start."""

    answered: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    duration_ms: int = 0


class Meter:
    """One per proxy; to be used on the loop."""

    def __init__(self, gateways_max: int = 500) -> None:
        self.outcomes: Counter[str] = Counter(answered=0, refused=0, failed=0, cancelled=0)
        self.refusals: Counter[str] = Counter({reason.value: 0 for reason in Reason})
        self.cuts: Counter[str] = Counter()
        """Answered calls that ended for a reason of sipguard's own."""
        self.statuses: Counter[int] = Counter()
        """Final SIP statuses that callers got."""
        self.durations = [0] * (len(BOUNDS.duration_ms) + 1)
        self.duration_ms = 0
        self.pdds = [0] * (len(BOUNDS.pdd_ms) + 1)
        self.pdd_ms = 0
        self.charges: Counter[str] = Counter()
        self.costs: Counter[str] = Counter()
        self.gateways: dict[tuple[str, str], GatewayCounts] = {}
        """By kind and id."""
        self._gateways_max = gateways_max
        self._known: frozenset[tuple[str, str]] = frozenset()

    def configure(self, gateways: Iterable[tuple[str, str]]) -> None:
        """These have counters of their own, by kind and id; what another one had goes to the others."""
        self._known = frozenset(sorted(gateways)[: self._gateways_max])
        for kind, id in [key for key in self.gateways if key not in self._known and key[1] != OTHERS]:
            self._add(kind, OTHERS, self.gateways.pop((kind, id)))

    def take(self, counted: Counted) -> None:
        """Add what a step has counted."""
        for outcome, status, reason, calls in counted.outcomes:
            self.outcomes[outcome] += calls
            if 200 <= status <= 699:
                self.statuses[status] += calls
            if reason is not None and outcome in ("answered", "refused"):
                _bounded(self.refusals if outcome == "refused" else self.cuts, reason, calls, REASONS_MAX)
        for place, calls in enumerate(counted.durations):
            self.durations[place] += calls
        for place, calls in enumerate(counted.pdds):
            self.pdds[place] += calls
        self.duration_ms += counted.duration_ms
        self.pdd_ms += counted.pdd_ms
        for currency, charged, cost in counted.money:
            _bounded(self.charges, currency, charged, CURRENCIES_MAX)
            _bounded(self.costs, currency, cost, CURRENCIES_MAX)
        for scope, id, *counts in counted.gateways:
            self._add(scope, id if (scope, id) in self._known else OTHERS, GatewayCounts(*counts))

    def _add(self, kind: str, id: str, more: GatewayCounts) -> None:
        before = self.gateways.get((kind, id), GatewayCounts())
        self.gateways[kind, id] = GatewayCounts(*(a + b for a, b in zip(before, more, strict=True)))


def _bounded(counter: Counter[str], key: str, more: int, limit: int) -> None:
    if key not in counter and len(counter) >= limit:
        key = OTHERS
    counter[key] += more
