"""A phone on PJSIP in a process of its own: commands as JSON lines on stdin, what happens as such on stdout.

PJSIP keeps global state and threads, so one phone is one process. Run by agent.py, not by hand.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from typing import Any

import pjsua2 as pj

INVALID_OPERATION = 70013
PATIENCE_SECONDS = 5.0


def tell(event: str, **values: object) -> None:
    """One line for whoever drives us."""
    print(json.dumps({"event": event, **values}), flush=True)


class PhoneCall(pj.Call):  # type: ignore[misc]
    """A call; tells each change of its state and of its media."""

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802  (PJSIP's name)
        info = self.getInfo()
        tell("call", state=info.stateText, status=info.lastStatusCode)

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        info = self.getInfo()  # owns what `media` shows
        holds = (pj.PJSUA_CALL_MEDIA_LOCAL_HOLD, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
        held = any(one.status in holds for one in info.media)
        tell("call", state="HELD" if held else "MEDIA")

    def onCallTransferStatus(self, prm: pj.OnCallTransferStatusParam) -> None:  # noqa: N802
        tell("call", state="TRANSFER", status=prm.statusCode)


class PhoneAccount(pj.Account):  # type: ignore[misc]
    """The registration, and the calls that come in by it."""

    call: PhoneCall | None = None

    def onRegState(self, prm: pj.OnRegStateParam) -> None:  # noqa: N802
        tell("registered", status=prm.code, expires=prm.expiration)

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        self.call = PhoneCall(self, prm.callId)
        info = self.call.getInfo()
        ringing = pj.CallOpParam()
        ringing.statusCode = 180
        self.call.answer(ringing)
        tell("call", state="INCOMING", peer=info.remoteUri)


class Phone:
    """What the commands do."""

    def __init__(self, host: str, transport: str, ca_file: str) -> None:
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = "pjsip.log"
        self.endpoint.libInit(config)
        self.endpoint.audDevManager().setNullDev()
        wire = pj.TransportConfig()
        wire.boundAddress = host
        wire.publicAddress = host
        wire.port = 5060
        if ca_file:
            wire.tlsConfig.CaListFile = ca_file
            wire.tlsConfig.verifyServer = True
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
        self.transport = self.endpoint.transportCreate(kind[transport], wire)
        self.endpoint.libStart()
        self.account = PhoneAccount()
        tell("ready")

    def register(self, uri: str, registrar: str, user: str, password: str, route: str) -> None:
        config = pj.AccountConfig()
        config.idUri = uri
        config.regConfig.registrarUri = registrar
        config.sipConfig.transportId = self.transport
        config.sipConfig.proxies.append(route)
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        config.natConfig.sipOutboundUse = 0
        config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        self.account.create(config)

    def call(self, uri: str) -> None:
        self.account.call = PhoneCall(self.account)
        self.account.call.makeCall(uri, pj.CallOpParam(True))

    def answer(self) -> None:
        accepted = pj.CallOpParam(True)
        accepted.statusCode = 200
        self._call().answer(accepted)

    def hold(self) -> None:
        self._call().setHold(pj.CallOpParam(True))

    def resume(self) -> None:
        again = pj.CallOpParam(True)
        again.opt.flag = pj.PJSUA_CALL_UNHOLD
        self._call().reinvite(again)

    def transfer(self, uri: str) -> None:
        self._call().xfer(uri, pj.CallOpParam(True))

    def hangup(self) -> None:
        self._call().hangup(pj.CallOpParam(True))

    def _call(self) -> PhoneCall:
        assert self.account.call is not None, "no call"
        return self.account.call


def main() -> None:
    """Until stdin ends."""
    host, transport, ca_file = sys.argv[1:]
    phone = Phone(host, transport, ca_file)
    buffer = b""
    waiting: list[dict[str, Any]] = []
    deadline = 0.0
    while True:
        phone.endpoint.libHandleEvents(20)
        readable, _, _ = select.select([0], [], [], 0)
        if readable:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, buffer = (buffer + data).split(b"\n")
            waiting += [json.loads(line) for line in lines]
            deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting:
            command = dict(waiting[0])
            try:
                getattr(phone, command.pop("do"))(**command)
            except pj.Error as error:
                # One offer at a time (RFC 3261 section 14.1): another has to be over before.
                if error.status == INVALID_OPERATION and time.monotonic() < deadline:
                    break
                tell("error", text=error.info())
            del waiting[0]
    phone.account.shutdown()
    phone.endpoint.libDestroy()


if __name__ == "__main__":
    main()
