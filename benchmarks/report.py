"""From runs to what people read: medians with their spread, as JSON, as tables, and drawn."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ANSWERED, REFUSED, Run
from benchmarks.plot import Bar, Panel, svg
from benchmarks.targets import ROOT, TARGETS, Target

RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"

TITLES = {ANSWERED: "answered call", REFUSED: "refused call"}


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some runs."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        ordered = sorted(values)
        return cls(round(statistics.median(ordered), 2), ordered[0], ordered[-1])

    def __str__(self) -> str:
        return f"{self.median:.0f} ({self.least:.0f} to {self.greatest:.0f})"


@dataclass(frozen=True)
class Cell:
    """All repetitions of one target at one rate."""

    kind: str
    rate: int
    target: str
    repetitions: int
    cpu_us: Spread
    setup_p50_us: Spread
    setup_p99_us: Spread
    memory_mib: Spread
    lost: int
    calls: int
    foreign: Spread


def summarise(runs: Sequence[Run]) -> list[Cell]:
    """One cell per kind, rate and target, in the order in which they were first measured."""
    groups: dict[tuple[str, int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.kind, run.rate, run.target), []).append(run)
    return [
        Cell(
            kind=kind,
            rate=rate,
            target=target,
            repetitions=len(group),
            cpu_us=Spread.of(run.cpu_us for run in group),
            setup_p50_us=Spread.of(run.setup_us.get("p50", -1) for run in group),
            setup_p99_us=Spread.of(run.setup_us.get("p99", -1) for run in group),
            memory_mib=Spread.of(run.memory_mib for run in group),
            lost=sum(run.lost for run in group),
            calls=sum(run.calls for run in group),
            foreign=Spread.of(run.foreign for run in group),
        )
        for (kind, rate, target), group in groups.items()
    ]


def document(runs: Sequence[Run], targets: Sequence[Target], seconds: float) -> dict[str, Any]:
    """Everything about a bench, as JSON holds it."""
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": {target.name: version for target in targets if (version := target.version())},
        "seconds_per_run": seconds,
        "summary": [asdict(cell) for cell in summarise(runs)],
        "runs": [asdict(run) for run in runs],
    }


def save(bench: dict[str, Any], *, latest: bool) -> Path:
    """Write the JSON; `latest`: also as the one that is kept in the repository."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(bench, indent=1) + "\n"
    file = RESULTS / f"{bench['at'].replace(':', '').replace('+0000', 'Z')}.json"
    for target in (file, *((RESULTS / "latest.json",) if latest else ())):
        target.write_text(text)
    return file


def markdown(bench: dict[str, Any], cells: Sequence[Cell]) -> str:
    """The figures as tables."""
    machine, versions = bench["machine"], bench["versions"]
    repetitions = max(cell.repetitions for cell in cells)
    lines = [
        f"{bench['at'][:10]}, {machine['cpu']}, {machine['cores']} cores, {machine['system']}.",
        f"{'; '.join(versions.values())}. Median of {repetitions} (least to greatest), "
        f"{bench['seconds_per_run']:g} s each, all targets in turn within each repetition.",
        f"Other programs kept {_foreign(cells)} cores of this machine busy meanwhile.",
    ]
    for kind, title in TITLES.items():
        if not (of_kind := [cell for cell in cells if cell.kind == kind]):
            continue
        lines += ["", f"CPU microseconds per {title}:", "", *_table(of_kind, lambda cell: str(cell.cpu_us))]
        lines += [
            "",
            f"Microseconds from INVITE to {'180' if kind == ANSWERED else '403'}, p50 / p99:",
            "",
            *_table(of_kind, lambda cell: f"{cell.setup_p50_us.median:.0f} / {cell.setup_p99_us.median:.0f}"),
        ]
    lines += ["", "Memory at the highest rate (MiB, shared pages once) and calls lost over all runs:", ""]
    lines += ["| | memory | lost |", "|---|---|---|"]
    for target in dict.fromkeys(cell.target for cell in cells):
        own = [cell for cell in cells if cell.target == target]
        lost, calls = sum(cell.lost for cell in own), sum(cell.calls for cell in own)
        memory = max(cell.memory_mib.median for cell in own)
        lines.append(f"| {TARGETS[target].title} | {memory:.0f} | {lost} of {calls:,} |")
    return "\n".join(lines)


def publish(bench: dict[str, Any], cells: Sequence[Cell]) -> None:
    """Put the figures between the marks in docs/performance.md, and draw them."""
    PLOT.write_text(svg(_panels(cells), f"CPU per call, {bench['at'][:10]}"))
    text = DOCUMENT.read_text()
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"{DOCUMENT} has no line {BEGIN!r} followed by {END!r}")
    figures = f"{BEGIN}\n{markdown(bench, cells)}\n\n![CPU per call](performance.svg)\n{END}"
    DOCUMENT.write_text(marked.sub(lambda _: figures, text))


def _foreign(cells: Sequence[Cell]) -> str:
    """Median over the cells, and the worst run: how far the figures are to be trusted."""
    spread = Spread.of(cell.foreign.median for cell in cells)
    worst = max(cell.foreign.greatest for cell in cells)
    return f"{max(0.0, spread.median):.1f} (at worst {worst:.1f})"


def _table(cells: Sequence[Cell], shown: Callable[[Cell], str]) -> list[str]:
    rates = list(dict.fromkeys(cell.rate for cell in cells))
    head = " | ".join(f"{rate:,}" for rate in rates)
    rows = [f"| calls per second | {head} |", "|---" * (len(rates) + 1) + "|"]
    for target in dict.fromkeys(cell.target for cell in cells):
        by_rate = {cell.rate: shown(cell) for cell in cells if cell.target == target}
        values = " | ".join(by_rate.get(rate, "") for rate in rates)
        rows.append(f"| {TARGETS[target].title} | {values} |")
    return rows


def _panels(cells: Sequence[Cell]) -> list[Panel]:
    panels = []
    for kind, title in TITLES.items():
        bars = [_bar(cell) for cell in cells if cell.kind == kind]
        if bars:
            panels.append(Panel(f"CPU microseconds per {title}", bars))
    return panels


def _bar(cell: Cell) -> Bar:
    cpu = cell.cpu_us
    return Bar(f"{cell.rate:,}/s", TARGETS[cell.target].title, cpu.median, cpu.least, cpu.greatest)


def _machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{release}, kernel {platform.release().split('-')[0]}",
    }
