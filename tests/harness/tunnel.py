"""TLS around programs that speak only TCP, such as Debian's sipp: a tunnel at each end of sipguard.

Messages pass as they are, but for the words that say what carried them and where the sender listens; their
lengths stay.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

PLAIN_PORT, TLS_PORT = b":5060", b":5061"
START_SECONDS = 10.0


class Tunnels:
    """Any number of them, on one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="tunnels", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def into_tls(self, host: str, port: int, target: tuple[str, int], context: ssl.SSLContext) -> None:
        """Accept TCP; connect to `target` by TLS from the address of whoever has come."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            source = writer.get_extra_info("peername")[0]
            far = await asyncio.open_connection(
                *target, ssl=context, server_hostname=target[0], local_addr=(source, 0)
            )
            await _both((reader, writer), far)

        self._servers.append(self._do(asyncio.start_server(relay, host, port)))

    def out_of_tls(self, host: str, port: int, target: tuple[str, int], context: ssl.SSLContext) -> None:
        """Accept TLS; connect to `target` by TCP."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                near = await asyncio.open_connection(*target)
            except OSError:
                writer.close()
                return
            await _both(near, (reader, writer))

        self._servers.append(self._do(asyncio.start_server(relay, host, port, ssl=context)))

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both(plain: Ends, secure: Ends) -> None:
    await asyncio.gather(
        _copy(plain[0], secure[1], _as_tls),
        _copy(secure[0], plain[1], lambda data: data),
        return_exceptions=True,
    )


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, edit: Callable[[bytes], bytes]
) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(edit(data))
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


def _as_tls(data: bytes) -> bytes:
    lines = []
    for line in data.split(b"\r\n"):
        if line.startswith(b"Via: SIP/2.0/TCP"):
            line = line.replace(b"SIP/2.0/TCP", b"SIP/2.0/TLS", 1)
        elif line.startswith(b"Contact:"):
            line = line.replace(PLAIN_PORT, TLS_PORT)
        lines.append(line)
    return b"\r\n".join(lines)
