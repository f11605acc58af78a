"""A process that comes and goes with this one, and is started again when it ends by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

log = structlog.get_logger()

BACK_OFF_SECONDS = 1.0
"""Until the first new start; twice as long for each further one."""
BACK_OFF_MAX_SECONDS = 60.0
SETTLED_SECONDS = 60.0
"""Who has lived so long starts anew at once when it ends, and with the shortest waiting after that."""
STOP_SECONDS = 3.0
"""Who does not end within this after SIGTERM is killed."""


class Child:
    """One process. It holds the end of a pipe as its standard input, which closes when this process is gone,
    however it went: the child takes that for its end."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name = name
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it in the background and keep it running."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """End it, and wait for that, but not long."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _keep(self) -> None:
        back_off = BACK_OFF_SECONDS
        while True:
            began = time.monotonic()
            status = await self._live()
            lived = time.monotonic() - began
            if lived >= SETTLED_SECONDS:
                back_off = BACK_OFF_SECONDS
            log.warning("child.ended", name=self._name, status=status, again_in_seconds=back_off)
            await asyncio.sleep(back_off)
            back_off = min(2 * back_off, BACK_OFF_MAX_SECONDS)

    async def _live(self) -> int | str:
        """From its start to its end: the exit status, or why there was no start."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                # Ctrl-C on a terminal is for this process, which ends the child when its calls are over.
                start_new_session=True,
            )
        except OSError as error:
            return str(error)
        log.info("child.started", name=self._name, pid=self._process.pid)
        return await self._process.wait()
