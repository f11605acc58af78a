"""A relay without a policy, to judge the engine by: all goes to one gateway, request URIs as they came.

It belongs to the tests alone: the product has no open relay. Run inside a network namespace of its own:
``python -m tests.torture.relay HOST PORT GATEWAY_PORT``; it prints ``ready`` when it listens.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time

from sipguard.sip import stream
from sipguard.sip.driver import Driver
from sipguard.sip.events import Answered, Ended, Engine, Event, Failed, Invite, Request, Target


class Relay:
    """Forwards what may be forwarded and passes on what comes back."""

    def __init__(self, host: str, port: int, gateway_port: int) -> None:
        self.engine = Engine(epoch=1, seed=secrets.token_bytes(32), now=time.monotonic_ns())
        self.engine.listen(host, port)
        self.engine.ask_requests(True)
        self._gateway = Target(host, gateway_port)

    def on_event(self, event: Event) -> None:
        """Order what needs an order; nothing is refused here."""
        match event:
            case Invite() | Request():
                self.engine.forward(event.call, self._gateway, None)
            case Failed():
                self.engine.finish(event.call)
            case Answered() | Ended():
                self.engine.release(event.call, time.monotonic_ns())


async def serve(host: str, port: int, gateway_port: int) -> None:
    """Until the process is ended."""
    relay = Relay(host, port, gateway_port)
    driver = Driver(relay.engine, asyncio.get_running_loop(), time.monotonic_ns, relay.on_event)
    driver.start()
    driver.streams.add(0, host)
    await driver.streams.accept(0, stream.bind(host, port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
