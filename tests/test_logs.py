"""A log that cannot be written costs its lines and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.disk import fill, small_disk

PROGRAM = """
import os, sys, structlog
from sipguard.config import Log
from sipguard.logs import configure_log
configure_log(Log(format="json"))
log = structlog.get_logger()
log.info("before")
sys.stdin.readline()
for number in range(100):
    log.warning("lost", number=number, text="x" * 100)
print("lives", flush=True)
sys.stdin.readline()
log.info("after")
log.info("last")
"""


def test_a_full_disk_takes_lines_and_ends_nobody(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    with small_disk(tmp_path / "disk") as disk:
        file = disk / "log"
        with file.open("wb") as sink:
            program = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                bufsize=1,
            )
        assert program.stdin is not None
        assert program.stdout is not None
        while b"before" not in file.read_bytes():
            assert program.poll() is None
        filler = fill(disk)
        program.stdin.write("\n")
        assert program.stdout.readline() == "lives\n"
        filler.unlink()
        program.stdin.write("\n")
        program.stdin.close()
        assert program.wait(30) == 0
        program.stdout.close()
        whole, torn = [], 0
        for line in file.read_text().splitlines():
            try:
                whole.append(json.loads(line))
            except ValueError:
                torn += 1
    *_, after, last = whole
    assert (after["event"], last["event"]) == ("after", "last")
    kept = sum(line["event"] == "lost" for line in whole)
    assert kept + after["lines_lost"] == 100
    assert torn <= 1
    assert "lines_lost" not in last


def test_a_reader_that_has_gone_ends_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM], input="\n\n", stdout=subprocess.PIPE, stderr=writer, text=True
    )
    os.close(writer)
    assert (program.returncode, program.stdout) == (0, "lives\n")
