"""Who may run on a database and apply its redo log: one process at a time. Who writes much, and says so.

The locks are the kernel's, on empty files beside the database, and go with the process however it ends.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sipguard.store.database import StoreError


class HeldError(StoreError):
    """Another process holds the database: a daemon, or a command that is about to be done."""


@contextmanager
def alone(path: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the database at `path`: balances and counts in memory are true for one daemon only.

    `wait_seconds`: for a command that is about to be done with it. Raises HeldError where somebody else has
    it, StoreError where the file cannot be opened.
    """
    try:
        file = path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        raise StoreError(f"{error.filename}: {error.strerror}") from error
    deadline = time.monotonic() + wait_seconds
    with file:
        while not _try(file):
            if time.monotonic() >= deadline:
                raise HeldError(f"{path}: another sipguard runs on this database")
            time.sleep(0.02)
        yield


@contextmanager
def long_write(path: Path) -> Iterator[None]:
    """Say that the write lock of the database is about to be held for long, by somebody who lets go of it: so
    that the daemon, which cannot write meanwhile, knows it from a database that is stuck."""
    with _long_write(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_long_write(path: Path) -> bool:
    """Whether somebody writes who has said so."""
    try:
        with _long_write(path).open() as file:
            return not _try(file)
    except OSError:
        return False


def _long_write(path: Path) -> Path:
    return path.with_name(f"{path.name}.writing")


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
