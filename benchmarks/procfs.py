"""What /proc says of a group of processes: CPU time to the nanosecond, memory, datagrams lost."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Cpu(NamedTuple):
    """CPU time of all threads of some processes."""

    total_ns: int
    user_ticks: int
    system_ticks: int


def session(leader: int) -> list[int]:
    """Ids of the processes in the session that `leader` leads."""
    return sorted(
        int(entry.name)
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and (fields := _stat(entry / "stat")) and int(fields[3]) == leader
    )


def cpu(pids: Iterable[int]) -> Cpu:
    """Time used so far. Threads that have ended are not counted: sum over long-lived ones only."""
    total = user = system = 0
    for pid in pids:
        for thread in _threads(pid):
            try:
                ran = int((thread / "schedstat").read_text().split()[0])
            except OSError:
                continue
            if fields := _stat(thread / "stat"):
                total, user, system = total + ran, user + int(fields[11]), system + int(fields[12])
    return Cpu(total, user, system)


def thread_ns(thread: int) -> int:
    """CPU time of one thread so far, named by its id; that of a process is the one of its main thread."""
    return int((_PROC / str(thread) / "task" / str(thread) / "schedstat").read_text().split()[0])


def proportional_kib(pids: Iterable[int]) -> int:
    """Proportional set size: memory shared by processes of the group is counted once."""
    total = 0
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def machine_busy_seconds() -> float:
    """CPU time that the whole machine has spent, by all processors."""
    user, nice, system, _, _, irq, softirq = (
        int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def udp_drops(ports: Iterable[int]) -> int:
    """Datagrams that were lost because a socket on one of these ports was full."""
    wanted = set(ports)
    rows = [line.split() for line in (_PROC / "net" / "udp").read_text().splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].partition(":")[2], 16) in wanted)


def _threads(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


def _stat(file: Path) -> list[str] | None:
    """Fields of a stat file from the state on; None where the process is gone or a zombie."""
    try:
        fields = file.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields
