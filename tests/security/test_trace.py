"""`sipguard trace` on a real daemon: whose messages it shows, and whose not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.harness.loopback import eventually
from tests.security.peer import answer
from tests.security.stage import ACME, BOB, HIDES, LONDON, Stage

COMMAND_SECONDS = 10.0


class Control:
    """The control socket, one request after the other."""

    def __init__(self, stage: Stage) -> None:
        self._path = str(stage.daemon.directory / "sipguard.sock")

    def ask(self, command: str, **args: object) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(COMMAND_SECONDS)
            peer.connect(self._path)
            peer.sendall(json.dumps({"command": command, "args": args}).encode() + b"\n")
            with peer.makefile() as lines:
                found: dict[str, Any] = json.loads(lines.readline())
        return found


class Trace:
    """An open trace, and what it has shown."""

    def __init__(self, control: Control, session: int) -> None:
        self._control, self._session = control, session
        self.messages: list[list[Any]] = []
        self.dropped = 0

    def read(self) -> None:
        told = self._control.ask("trace.read", session=self._session)["ok"]
        self.messages += told["messages"]
        self.dropped += told["dropped"]

    def wait_for(self, call_id: str, count: int) -> list[list[Any]]:
        """The messages of a call, once there are so many."""

        def enough() -> bool:
            self.read()
            return len(self.of(call_id)) >= count

        eventually(f"{count} messages of {call_id}", enough, COMMAND_SECONDS)
        return self.of(call_id)

    def of(self, call_id: str) -> list[list[Any]]:
        return [message for message in self.messages if message[5] == call_id]


@contextmanager
def tracing(stage: Stage, **wanted: str) -> Iterator[Trace]:
    control = Control(stage)
    session = control.ask("trace.open", **wanted)["ok"]["session"]
    try:
        yield Trace(control, session)
    finally:
        assert "ok" in control.ask("trace.close", session=session)
    assert "there is no trace" in control.ask("trace.read", session=session)["error"]


def refused_call(stage: Stage, uri: str, source: int, **changes: str) -> str:
    request = stage.request(uri, source, **changes)
    stage.play(stage.peer(source), request.text, request.call_id)
    return request.call_id


# INVITE, 100, INVITE, 486, ACK, 486, ACK.
A_CALL = 7


@pytest.mark.parametrize(
    "wanted",
    [{"account": "acme"}, {"account": "A1"}, {"gateway": "acme-trunk"}, {"number": "4420794"}, {}],
)
def test_a_trace_has_the_whole_of_what_was_asked_for(stage: Stage, wanted: dict[str, str]) -> None:
    with tracing(stage, **wanted) as trace:
        other = refused_call(stage, "sip:+33123456789@sg", BOB, from_="<sip:bob@sg>;tag=a")
        mine = refused_call(stage, f"sip:{LONDON}@sg", ACME)
        found = trace.wait_for(mine, A_CALL)
        assert len(found) == A_CALL
        acme, sg, gateway = stage.peer(ACME).host, stage.daemon.host, stage.gateways[0].host
        ways = [(message[2][0], message[3][0]) for message in found]
        assert ways[:3] == [(acme, sg), (sg, acme), (sg, gateway)]
        assert {one for way in ways for one in way} == {acme, sg, gateway}
        assert [message[0] for message in found] == sorted(message[0] for message in found)
        assert bool(trace.of(other)) == (not wanted)
        assert trace.dropped == 0
        assert stage.daemon.status()["trace"]["sessions"] == 1


def test_a_refused_attempt_is_traced_too(stage: Stage) -> None:
    with tracing(stage, account="acme") as trace:
        refused = refused_call(stage, "sip:+5355550100@sg", ACME)
        assert len(trace.wait_for(refused, 3)) == 3


def test_a_trace_knows_a_call_by_the_call_id_that_its_gateway_does_not_see(stage: Stage) -> None:
    with tracing(stage, number="442579") as trace:
        call_id = refused_call(stage, "sip:+442579460000@sg", ACME)
        found = trace.wait_for(call_id, A_CALL)
        assert stage.peer(HIDES).host in {message[2][0] for message in found}


def test_a_call_that_is_up_is_traced_from_then_on(stage: Stage) -> None:
    dialog = stage.call(f"sip:{LONDON}@sg")
    with tracing(stage, account="acme") as trace:
        dialog.caller.send(dialog.ask("INFO").text)
        asked = dialog.gateway.receive("INFO", call_id=dialog.request.call_id)
        dialog.gateway.send(answer(asked, "200 OK"))
        dialog.caller.receive(200, call_id=dialog.request.call_id)
        assert len(trace.wait_for(dialog.request.call_id, 4)) == 4
    dialog.end()


@pytest.mark.parametrize("wanted", [{"account": "nobody"}, {"gateway": "none"}, {"number": 5}])
def test_what_does_not_exist_is_told(stage: Stage, wanted: dict[str, object]) -> None:
    assert "error" in Control(stage).ask("trace.open", **wanted)


def test_the_command_writes_a_file(stage: Stage) -> None:
    file = stage.daemon.directory / "trace.pcap"
    done = stage.daemon.command("trace", "--account", "acme", "--seconds", "0", "--pcap", str(file))
    assert done.stderr == "sipguard: 0 messages, 0 dropped\n"
    assert file.read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    done = stage.daemon.command("trace", "--account", "nobody", check=False)
    assert (done.returncode, done.stderr) == (1, "sipguard: there is no account 'nobody'\n")
