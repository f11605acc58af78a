"""Real user agents, driven alike: each is a program of others in a process that cannot outlive its test."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import wave
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.harness.loopback import eventually
from tests.harness.process import die_with_parent

SECONDS = 15.0
"""In which a step of a call has to come about; it takes milliseconds where nothing is wrong."""


@dataclass(frozen=True)
class Line:
    """Where an agent registers and as whom."""

    host: str
    """Address of the agent."""
    proxy: str
    """Address of sipguard, with its port where that is not the transport's own."""
    transport: str
    """"udp", "tcp" or "tls"."""
    user: str
    password: str
    ca_file: Path | None = None

    @property
    def address(self) -> str:
        """The agent's address-of-record."""
        return f"sip:{self.user}@{self.proxy}"

    @property
    def route(self) -> str:
        """The proxy as a loose route."""
        return f"sip:{self.proxy};transport={self.transport};lr"

    def uri(self, number: str) -> str:
        """What is called to reach `number`."""
        return f"sip:{number}@{self.proxy};transport={self.transport}"


class Agent(ABC):
    """One phone. Every method returns once what it orders has come about, or raises TimeoutError."""

    algorithms = '["SHA-256", "MD5"]'
    """What sipguard may offer it (auth.algorithms)."""

    def __init__(self, line: Line, directory: Path) -> None:
        self.line, self.directory = line, directory
        directory.mkdir(parents=True, exist_ok=True)
        self._said: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = 0

    # what each make of agent has its own words for

    @abstractmethod
    def start(self) -> None:
        """Run, and register."""

    @abstractmethod
    def dial(self, number: str) -> None:
        """Begin a call."""

    @abstractmethod
    def answer(self) -> None:
        """Take the call that is ringing."""

    @abstractmethod
    def hold(self) -> None:
        """Put the peer on hold (re-INVITE)."""

    @abstractmethod
    def resume(self) -> None:
        """Take the peer back."""

    @abstractmethod
    def transfer(self, number: str) -> None:
        """Blind transfer of the peer (REFER)."""

    def transferred(self) -> None:
        """The peer has reached the other one, and the call with it is over."""
        self.idle()

    @abstractmethod
    def hangup(self) -> None:
        """End the call."""

    @abstractmethod
    def ringing(self) -> None:
        """A call has come in."""

    @abstractmethod
    def talking(self) -> None:
        """The call is up."""

    @abstractmethod
    def idle(self) -> None:
        """No call is left."""

    # shared

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def _spawn(self, command: list[str]) -> None:
        with (self.directory / "stderr").open("wb") as complaints:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**os.environ, "HOME": str(self.directory)},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, output: object) -> None:
        with (self.directory / "stdout").open("w") as copy:
            try:
                for line in output:  # type: ignore[attr-defined]
                    text = line.decode(errors="replace").strip()
                    copy.write(text + "\n")
                    copy.flush()
                    self._said.append(text)
            except ValueError:  # closed by stop()
                pass

    def _say(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()

    def _heard(self, what: str, matches: Callable[[str], bool]) -> str:
        """Wait for a line that was not waited for before; lines before it are forgotten."""
        found: list[str] = []

        def look() -> bool:
            for at in range(self._mark, len(self._said)):
                if matches(self._said[at]):
                    self._mark = at + 1
                    found.append(self._said[at])
                    return True
            return False

        try:
            eventually(f"{type(self).__name__} {self.line.user}: {what}", look, SECONDS)
        except TimeoutError as error:
            heard = "\n".join(self._said[-20:])
            raise TimeoutError(f"{error}; it said last:\n{heard}") from None
        return found[0]


class Pjsip(Agent):
    """PJSIP by its Python binding, in a process of its own (pjsip_process.py)."""

    def start(self) -> None:
        line = self.line
        program = str(Path(__file__).with_name("pjsip_process.py"))
        self._spawn([sys.executable, program, line.host, line.transport, str(line.ca_file or "")])
        self._event("ready")
        self._order(
            "register",
            uri=line.address,
            registrar=f"sip:{line.proxy};transport={line.transport}",
            user=line.user,
            password=line.password,
            route=line.route,
        )
        self._event("registered", status=200)

    def dial(self, number: str) -> None:
        self._order("call", uri=self.line.uri(number))

    def answer(self) -> None:
        self._order("answer")
        self.talking()

    def hold(self) -> None:
        self._order("hold")
        self._event("call", state="HELD")

    def resume(self) -> None:
        self._order("resume")
        self._event("call", state="MEDIA")

    def transfer(self, number: str) -> None:
        self._order("transfer", uri=self.line.uri(number))

    def transferred(self) -> None:
        self._event("call", state="TRANSFER", status=200)  # it leaves the next step to its user
        self.hangup()

    def hangup(self) -> None:
        self._order("hangup")
        self.idle()

    def ringing(self) -> None:
        self._event("call", state="INCOMING")

    def talking(self) -> None:
        self._event("call", state="CONFIRMED")

    def idle(self) -> None:
        self._event("call", state="DISCONNECTED")

    def _order(self, do: str, **values: object) -> None:
        self._say(json.dumps({"do": do, **values}))

    def _event(self, event: str, **values: object) -> None:
        wanted = {"event": event, **values}

        def matches(text: str) -> bool:
            if not text.startswith("{"):
                return False
            told = json.loads(text)
            if told["event"] == "error":
                raise AssertionError(f"PJSIP: {told['text']}")
            return all(told.get(key) == value for key, value in wanted.items())

        self._heard(str(wanted), matches)


# On a single address this version of baresip speaks UDP alone.
_BARESIP = """\
sip_listen 0.0.0.0:{port}
net_interface {host}
rtp_ports 10000-20000
audio_source aufile,{directory}/said.wav
audio_player aufile,{directory}/heard.wav
audio_alert aufile,{directory}/alert.wav
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:4444
{more}
"""


class Baresip(Agent):
    """baresip, driven by the JSON of its ctrl_tcp module."""

    # Version 1.0 gives up where it is offered SHA-256 beside MD5, against RFC 8760 section 2.4.
    algorithms = '["MD5"]'

    def start(self) -> None:
        line = self.line
        more = f"sip_cafile {line.ca_file}\nsip_verify_server yes" if line.ca_file else ""
        (self.directory / "config").write_text(
            _BARESIP.format(host=line.host, port=_free_port(), directory=self.directory, more=more)
        )
        with wave.open(str(self.directory / "said.wav"), "wb") as said:
            said.setparams((1, 2, 8000, 0, "NONE", ""))
            said.writeframes(bytes(16000 * 60))
        (self.directory / "accounts").write_text(
            f"<sip:{line.user}@{line.proxy};transport={line.transport}>;auth_user={line.user};"
            f"auth_pass={line.password};regint=600\n"
        )
        self._spawn(["baresip", "-f", str(self.directory), "-v"])
        self._control: socket.socket | None = None
        eventually("baresip's control socket", self._connect, SECONDS)
        threading.Thread(target=self._follow, daemon=True).start()
        self._heard("registered", lambda text: "200 OK" in text or '"REGISTER_OK"' in text)

    def dial(self, number: str) -> None:
        self._order("dial", f"sip:{number}@{self.line.proxy}")

    def answer(self) -> None:
        self._order("accept")
        self.talking()

    def hold(self) -> None:
        self._order("hold")

    def resume(self) -> None:
        self._order("resume")

    def transfer(self, number: str) -> None:
        self._order("transfer", f"sip:{number}@{self.line.proxy}")

    def hangup(self) -> None:
        self._order("hangup")
        self.idle()

    def ringing(self) -> None:
        self._event("CALL_INCOMING")

    def talking(self) -> None:
        self._event("CALL_ESTABLISHED")

    def idle(self) -> None:
        self._event("CALL_CLOSED")

    def stop(self) -> None:
        super().stop()
        if self._control is not None:
            self._control.close()

    def _connect(self) -> bool:
        try:
            self._control = socket.create_connection((self.line.host, 4444), 1)
        except OSError:
            return False
        return True

    def _follow(self) -> None:
        """Netstrings of JSON, each as a line of what was said."""
        assert self._control is not None
        buffer = b""
        self._control.settimeout(None)
        try:
            while data := self._control.recv(65536):
                buffer += data
                while match := re.match(rb"(\d+):", buffer):
                    start, length = match.end(), int(match.group(1))
                    if len(buffer) < start + length + 1:
                        break
                    self._said.append(buffer[start : start + length].decode(errors="replace"))
                    buffer = buffer[start + length + 1 :]
        except OSError:  # closed by stop()
            pass

    def _order(self, command: str, params: str = "") -> None:
        assert self._control is not None
        text = json.dumps({"command": command, "params": params}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))

    def _event(self, kind: str) -> None:
        self._heard(kind, lambda text: f'"{kind}"' in text)


def _free_port() -> int:
    """One that nobody listens on, with the next one free as well: baresip takes that for TLS."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


_LINPHONE = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
bind_address={host}
guess_hostname=1
contact=sip:{user}@{host}
use_ipv6=0
root_ca={ca}
verify_server_certs=1
# Its TLS library compares a certificate with host names alone, and ours is for an address.
verify_server_cn=0
register_only_when_network_is_up=0
ping_with_options=0
media_encryption=none

[sound]
playback_dev_id=
capture_dev_id=
use_file=1

[net]
mtu=1300
"""


class Linphone(Agent):
    """liblinphone by its command-line daemon, which numbers its calls from 1."""

    _calls = 0

    def start(self) -> None:
        line = self.line
        ports = {kind: 5060 if kind == line.transport else 0 for kind in ("udp", "tcp", "tls")}
        (self.directory / "linphonerc").write_text(
            _LINPHONE.format(host=line.host, user=line.user, ca=line.ca_file or "", **ports)
        )
        (self.directory / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self._spawn(
            ["linphone-daemon", "--config", "linphonerc", "--log", "linphone.log", "--disable-stats-events"]
        )
        self._say(
            f"register sip:{line.user}@{line.proxy} sip:{line.proxy};transport={line.transport} "
            f"{quote(line.password)} {line.user}"
        )
        self._state("register-status ALL", "State: LinphoneRegistrationOk")

    def dial(self, number: str) -> None:
        self._calls += 1
        self._say(f"call {self.line.uri(number)}")

    def answer(self) -> None:
        self._say(f"answer {self._calls}")
        self.talking()

    def hold(self) -> None:
        self._say(f"call-pause {self._calls}")
        self._event("Paused")

    def resume(self) -> None:
        self._say(f"call-resume {self._calls}")
        self.talking()

    def transfer(self, number: str) -> None:
        self._say(f"call-transfer {self._calls} {self.line.uri(number)}")

    def hangup(self) -> None:
        self._say(f"terminate {self._calls}")
        self.idle()

    def ringing(self) -> None:
        self._calls += 1
        self._event("IncomingReceived")

    def talking(self) -> None:
        self._event("StreamsRunning")

    def idle(self) -> None:
        self._event("Released")

    def _event(self, state: str) -> None:
        self._heard(state, lambda text: text == f"Event: LinphoneCall{state}")

    def _state(self, question: str, answer: str) -> None:
        """Ask until the answer is so: it tells what is, and nothing by itself."""

        def look() -> bool:
            self._mark = len(self._said)
            self._say(question)
            with_answer = self._mark
            try:
                eventually("an answer", lambda: len(self._said) > with_answer + 1, 1.0)
            except TimeoutError:
                return False
            return any(answer in text for text in self._said[with_answer:])

        try:
            eventually(f"linphone {self.line.user}: {answer}", look, SECONDS)
        except TimeoutError as error:
            heard = "\n".join(self._said[-20:])
            raise TimeoutError(f"{error}; it said last:\n{heard}") from None
