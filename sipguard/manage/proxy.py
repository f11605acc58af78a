"""The running proxy, as management meets it: at its control socket, if it is there at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sipguard.control import ControlError, NotRunningError, ask

WAKE_SECONDS = 2.0
"""How long the proxy may take to hear of a change. It polls as well, so nothing is lost that takes longer."""


class Proxy:
    """The proxy behind one control socket; shared by all requests of a process."""

    def __init__(self, socket: Path, redo: Path | None = None) -> None:
        """`redo`: directory of the log, None: that of the database."""
        self.socket = socket
        self.redo = redo
        self._waking: asyncio.Task[None] | None = None
        self._again = False

    async def ask(self, command: str, *, timeout_seconds: float = 10.0, **args: object) -> object:
        """The proxy's answer. Raises NotRunningError, ControlError."""
        return await asyncio.to_thread(
            lambda: ask(self.socket, command, timeout_seconds=timeout_seconds, **args)
        )

    async def live_calls(self, account_id: str) -> bool | None:
        """Whether the account has calls now; None where no proxy runs. Raises ControlError.

        An account that the proxy does not know (it was made a moment ago) has none.
        """
        try:
            return bool(await self.ask("calls", account=account_id, limit=1))
        except NotRunningError:
            return None
        except ControlError as error:
            if "there is no account" in str(error):
                return False
            raise

    def wake(self) -> None:
        """Have the proxy take in what was just committed. Returns at once; many in a row become few."""
        if self._waking is not None and not self._waking.done():
            self._again = True  # what it reads now may have begun before this commit
            return
        self._waking = asyncio.create_task(self._wake())

    async def settled(self) -> None:
        """Wait until the proxy has heard of everything, or cannot."""
        if self._waking is not None:
            await self._waking

    async def _wake(self) -> None:
        while True:
            self._again = False
            try:
                await self.ask("refresh", timeout_seconds=WAKE_SECONDS)
            except ControlError:
                return  # it is not there, or slow: it polls
            if not self._again:
                return
