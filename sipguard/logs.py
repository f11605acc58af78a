"""How every process of sipguard writes its log: one line per event on standard error.

Whoever logs never fails by it. A disk that is full, or a reader that has gone, costs lines of the log, and
the next line that can be written tells how many (`lines_lost`).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO, cast

import structlog

from sipguard.config import Log


def configure_log(log: Log) -> None:
    """Take over structlog, for the rest of the process."""
    renderer: structlog.typing.Processor
    if log.format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr is not None and sys.stderr.isatty())
    out = Lines(_standard_error())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            out.tell_lost,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[log.level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, out)),
    )


def _standard_error() -> int | None:
    """Its descriptor; None where the process was started without, and 2 may be any other file."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError):
        return None


class Lines:
    """What structlog writes to, instead of a file that raises."""

    def __init__(self, descriptor: int | None) -> None:
        """`descriptor`: of an open file, which is not closed; None: nobody reads."""
        self._descriptor = descriptor
        self._lost = 0
        self._torn = False

    def write(self, line: str) -> int:
        """Write it, whole if that can be; never raises."""
        if self._descriptor is None:
            return len(line)
        data = line.encode(errors="backslashreplace")
        try:
            if self._torn:
                os.write(self._descriptor, b"\n")
                self._torn = False
            while data:
                done = os.write(self._descriptor, data)
                self._torn, data = done < len(data), data[done:]
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def tell_lost(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """A processor: how many lines before this one were lost."""
        if self._lost:
            event["lines_lost"] = self._lost
        return event
