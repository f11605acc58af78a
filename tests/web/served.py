"""An application behind a real socket of this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from sipguard.web.connection import Connection

START_SECONDS = 60.0
END_SECONDS = 20.0


@contextmanager
def served(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Host and port at which `app` is served as the web process serves it, by a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = uvicorn.Config(
            app, http=Connection, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = True
        thread.join(END_SECONDS)
        assert not thread.is_alive()
