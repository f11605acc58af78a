"""How the command line and the web process talk to the running daemon: JSON lines over a Unix socket.

A request is one line ``{"command": "status", "args": {...}}``; its answer is one line, ``{"ok": ...}``
with what the handler returned or ``{"error": "..."}``. Whoever may open the socket may do everything: it
has mode 0600.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

# Requests are a command and a few names; an answer may list every live call of a large node.
REQUEST_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 64 * 1024 * 1024

Handler = Callable[[dict[str, object]], object]
"""Gets the arguments of the request, returns what JSON can hold, or an awaitable of it. May raise
ControlError with a message for the person who asked; everything else that it raises is a bug of ours."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a handler returns that lends something for as long as whoever asked stays connected."""

    answer: object
    """What JSON can hold."""
    end: Callable[[], Awaitable[None]]
    """Awaited once, when the connection has gone, however it went: closed, broken, its process killed."""


class ControlError(Exception):
    """The daemon could not do what was asked; the message says why."""


class NotRunningError(ControlError):
    """Nobody answers at the control socket."""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    command: str
    args: dict[str, object] = {}


class Server:
    """A control socket that answers. `close` it before the program ends."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler], report: Callable[[str], object]) -> None:
        self._path = path
        self._handlers = handlers
        self._report = report
        self._inode: int | None = None
        self._server: asyncio.Server | None = None
        self._peers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def close(self) -> None:
        """Stop answering and remove the socket, unless another daemon has put its own in its place."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for peer, writer in list(self._peers.items()):
            if peer is not asyncio.current_task():
                peer.cancel()
                await asyncio.gather(peer, return_exceptions=True)
                writer.close()
        try:
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except FileNotFoundError:
            pass

    async def _open(self) -> None:
        listener = _listening(self._path)
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._welcome, sock=listener, limit=REQUEST_BYTES_MAX)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted while we were closing
            writer.close()
            return
        peer = asyncio.create_task(self._attend(reader, writer))
        self._peers[peer] = writer
        peer.add_done_callback(self._peers.pop)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        leases: list[Lease] = []
        try:
            while line := await reader.readline():
                writer.write(await self._answer(line, leases) + b"\n")
                await writer.drain()
        except ValueError:
            writer.write(_error(f"a request is at most {REQUEST_BYTES_MAX} bytes") + b"\n")
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()
            if self._server is not None:  # else the daemon ends, and what it lent with it
                for lease in leases:
                    await lease.end()

    async def _answer(self, line: bytes, leases: list[Lease]) -> bytes:
        try:
            request = msgspec.json.decode(line, type=_Request)
        except msgspec.DecodeError as error:
            return _error(f"not a request: {error}")
        handler = self._handlers.get(request.command)
        if handler is None:
            return _error(f"unknown command {request.command}, known are {', '.join(sorted(self._handlers))}")
        try:
            result = handler(request.args)
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, Lease):
                leases.append(result)
                result = result.answer
            return msgspec.json.encode({"ok": result})
        except ControlError as error:
            return _error(str(error))
        except Exception as error:  # a bug in one command must not take the calls down with it
            self._report(f"control command {request.command} failed: {error!r}")
            return _error(f"{request.command} failed inside the daemon, its log has more: {error!r}")


async def serve(
    path: Path, handlers: Mapping[str, Handler], report: Callable[[str], object] = lambda _: None
) -> Server:
    """Answer requests at `path` with `handlers`; `report` is told of the handlers' own failures.

    A socket that a dead process left behind is replaced. Raises ControlError where a living one answers
    there, or where the socket cannot be made.
    """
    server = Server(path, handlers, report)
    await server._open()
    return server


def ask(path: Path, command: str, *, timeout_seconds: float = 10.0, **args: object) -> object:
    """Ask the daemon at `path` and return its answer.

    Raises NotRunningError where nobody answers there, ControlError where the daemon says no, or not in time.
    """
    request = msgspec.json.encode({"command": command, "args": args}) + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout_seconds)
        try:
            peer.connect(os.fspath(path))
            peer.sendall(request)
            with peer.makefile("rb") as lines:
                line = lines.readline(ANSWER_BYTES_MAX)
        except TimeoutError:
            raise ControlError(f"the daemon at {path} gave no answer in {timeout_seconds:g} s") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError(f"the daemon is not running: nobody answers at {path}") from None
        except PermissionError:
            raise ControlError(f"only the daemon's own user may use {path}") from None
        except OSError as error:
            raise ControlError(f"{path}: {error.strerror or error}") from None
    return _read(path, line)


@asynccontextmanager
async def asking(
    path: Path, command: str, *, timeout_seconds: float = 10.0, **args: object
) -> AsyncIterator[object]:
    """Ask the daemon at `path` without blocking the loop; connected, with the answer, until the block ends.

    A lease (see Lease) lasts as long. Raises as `ask`.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_BYTES_MAX)
    except TimeoutError:
        raise ControlError(f"the daemon at {path} gave no answer in {timeout_seconds:g} s") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunningError(f"the daemon is not running: nobody answers at {path}") from None
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror or error}") from None
    try:
        try:
            async with asyncio.timeout(timeout_seconds):
                writer.write(msgspec.json.encode({"command": command, "args": args}) + b"\n")
                line = await reader.readline()
        except TimeoutError:
            raise ControlError(f"the daemon at {path} gave no answer in {timeout_seconds:g} s") from None
        except (OSError, ValueError) as error:
            raise ControlError(f"{path}: {error}") from None
        yield _read(path, line)
    finally:
        writer.close()


def _read(path: Path, line: bytes) -> object:
    """What an answer says. Raises NotRunningError, ControlError."""
    if not line.endswith(b"\n"):
        raise NotRunningError(f"the daemon at {path} went away before it answered")
    answer = msgspec.json.decode(line, type=dict[str, object])
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer["ok"]


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        # Bound with the mask set, so that there is no moment at which others may connect. The mask is the
        # whole process's, which is why this is not done in a thread.
        mask = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(mask)
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ControlError(f"no control socket at {path}: {error.strerror or error}") from error
    except ControlError:
        listener.close()
        raise
    return listener


def _clear(path: Path) -> None:
    """Remove the socket of a process that is gone. Raises ControlError on anything else in the place."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"no control socket at {path}: something else than a socket lies there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError:
            pass  # a full backlog: somebody lives there
    raise ControlError(f"another sipguard runs here: it answers at {path}")


def _error(message: str) -> bytes:
    return msgspec.json.encode({"error": message})
