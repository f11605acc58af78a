"""The control socket, with a real one and a client in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sipguard.control import (
    REQUEST_BYTES_MAX,
    ControlError,
    Handler,
    NotRunningError,
    Server,
    ask,
    serve,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "control.sock"


def conversation(
    path: Path, handlers: Mapping[str, Handler], *requests: tuple[str, dict[str, object]]
) -> list[object]:
    """Serve, ask, and return the answers; a ControlError stands for itself."""

    async def talk() -> list[object]:
        async with AsyncExitStack() as stack:
            server = await serve(path, handlers)
            stack.push_async_callback(server.close)
            return [await asyncio.to_thread(_answer, path, command, args) for command, args in requests]

    return asyncio.run(talk())


def _answer(path: Path, command: str, args: dict[str, object]) -> object:
    try:
        return ask(path, command, timeout_seconds=5.0, **args)
    except ControlError as error:
        return error


def test_a_handler_gets_the_arguments_and_its_answer_comes_back(path: Path) -> None:
    async def later(args: dict[str, object]) -> object:
        await asyncio.sleep(0)
        return {"later": args}

    answers = conversation(
        path,
        {"echo": lambda args: args, "none": lambda _: None, "later": later},
        ("echo", {"call": 1 << 61, "text": "a\nb — é"}),
        ("none", {}),
        ("later", {"x": [1, 2]}),
    )
    assert answers == [{"call": 1 << 61, "text": "a\nb — é"}, None, {"later": {"x": [1, 2]}}]


def test_a_large_answer_comes_whole(path: Path) -> None:
    calls = [{"call": number, "account": "Customer-001"} for number in range(50_000)]
    assert conversation(path, {"calls": lambda _: calls}, ("calls", {})) == [calls]


def test_errors_are_told_in_words(path: Path) -> None:
    reports: list[str] = []

    def refuse(_: dict[str, object]) -> object:
        raise ControlError("there is no call 7")

    def fail(_: dict[str, object]) -> object:
        raise ZeroDivisionError("seven")

    async def talk() -> list[object]:
        handlers: dict[str, Handler] = {"refuse": refuse, "fail": fail, "odd": lambda _: object()}
        server = await serve(path, handlers, reports.append)
        try:
            return [
                await asyncio.to_thread(_answer, path, name, {}) for name in ("refuse", "fail", "odd", "what")
            ]
        finally:
            await server.close()

    refused, failed, odd, unknown = map(str, asyncio.run(talk()))
    assert refused == "there is no call 7"
    assert failed.startswith("fail failed inside the daemon")
    assert odd.startswith("odd failed inside the daemon")
    assert unknown == "unknown command what, known are fail, odd, refuse"
    # What the handler's author has to see is reported; what the user did wrong is not.
    assert [report.split(" failed: ")[0] for report in reports] == [
        "control command fail",
        "control command odd",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nonsense\n", "not a request"),
        (b'{"command": 1}\n', "not a request"),
        (b'{"command": "echo", "more": 1}\n', "not a request"),
        (b"\xff\xfe\n", "not a request"),
        (b"x" * (REQUEST_BYTES_MAX + 2) + b"\n", "a request is at most"),
    ],
)
def test_bad_requests_are_answered_and_harm_nobody_else(line: bytes, said: str, path: Path) -> None:
    async def talk() -> tuple[dict[str, str], object]:
        server = await serve(path, {"echo": lambda args: args})
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line)
            answer = json.loads(await reader.readline())
            writer.close()
            return answer, await asyncio.to_thread(_answer, path, "echo", {"a": 1})
        finally:
            await server.close()

    bad, good = asyncio.run(talk())
    assert said in bad["error"]
    assert good == {"a": 1}


def test_several_requests_on_one_connection(path: Path) -> None:
    async def talk() -> list[object]:
        server = await serve(path, {"echo": lambda args: args["n"]})
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            for number in range(3):
                writer.write(json.dumps({"command": "echo", "args": {"n": number}}).encode() + b"\n")
            answers = [json.loads(await reader.readline())["ok"] for _ in range(3)]
            writer.close()
            return answers
        finally:
            await server.close()

    assert asyncio.run(talk()) == [0, 1, 2]


def test_only_the_owner_may_connect(path: Path) -> None:
    async def mode() -> int:
        server = await serve(path, {})
        try:
            return stat.S_IMODE(os.stat(path).st_mode)
        finally:
            await server.close()

    before = os.umask(0)
    try:
        assert asyncio.run(mode()) == 0o600
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_closing_removes_the_socket_and_ends_open_connections(path: Path) -> None:
    async def talk() -> bytes:
        server = await serve(path, {})
        reader, writer = await asyncio.open_unix_connection(path)
        await asyncio.sleep(0)
        await server.close()
        await server.close()
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(talk()) == b""
    assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    killed = "import os, socket, sys; s = socket.socket(1); s.bind(sys.argv[1]); s.listen(); os._exit(9)"
    subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert path.is_socket()
    with pytest.raises(NotRunningError):
        ask(path, "echo")
    assert conversation(path, {"echo": lambda args: args}, ("echo", {"a": 1})) == [{"a": 1}]


def test_a_living_daemon_keeps_its_socket(path: Path) -> None:
    async def talk() -> object:
        server = await serve(path, {"who": lambda _: "first"})
        try:
            with pytest.raises(ControlError, match="another sipguard runs here: it answers at"):
                await serve(path, {"who": lambda _: "second"})
            return await asyncio.to_thread(_answer, path, "who", {})
        finally:
            await server.close()

    assert asyncio.run(talk()) == "first"


def test_closing_leaves_another_daemons_socket_alone(path: Path) -> None:
    async def talk() -> object:
        first = await serve(path, {})
        os.unlink(path)
        second: Server = await serve(path, {"who": lambda _: "second"})
        try:
            await first.close()
            return await asyncio.to_thread(_answer, path, "who", {})
        finally:
            await second.close()

    assert asyncio.run(talk()) == "second"


def test_a_file_in_the_place_of_the_socket_is_not_removed(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ControlError, match="something else than a socket"):
        asyncio.run(serve(path, {}))
    assert path.read_text() == "precious"


def test_a_socket_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match=r"no control socket at .*: File exists"):
        asyncio.run(serve(tmp_path / "file" / "control.sock", {}))


def test_asking_where_nobody_is(path: Path) -> None:
    with pytest.raises(NotRunningError, match="the daemon is not running: nobody answers at"):
        ask(path, "status")


def test_asking_a_daemon_that_does_not_answer(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match=r"gave no answer in 0\.05 s"):
            ask(path, "status", timeout_seconds=0.05)
