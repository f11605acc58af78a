"""The web process: uvicorn over the application, until it is told to stop."""

from __future__ import annotations

import logging
import resource
import socket

import structlog
import uvicorn

from sipguard.config import Config
from sipguard.logs import configure_log
from sipguard.manage import opening
from sipguard.store import database
from sipguard.web import app
from sipguard.web.connection import CONNECTIONS, Connection

log = structlog.get_logger()

BACKLOG = 2_048
STOP_SECONDS = 1
"""What is still being answered gets so long at a stop."""


FILES_KEPT = 200
"""For the database, the control socket, the log."""


class CannotServeError(Exception):
    """The address is not to be had; the message says why."""


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises CannotServeError, and StoreError where the database is not usable.
    """
    configure_log(config.log)
    web = config.web
    Connection.connections_max = min(CONNECTIONS, _files() - FILES_KEPT)
    listener = _listen(web.host, web.port)
    store = database.open(config.database.path)
    try:
        limits = app.Limits(
            source_per_second=web.source_requests_per_second, actor_per_second=web.login_requests_per_second
        )
        options = uvicorn.Config(
            app.build(opening.desk(config, store), limits),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(web.trusted_proxies),
            forwarded_allow_ips=list(web.trusted_proxies),
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        _forward("uvicorn.error")
        shown = f"[{web.host}]" if ":" in web.host else web.host
        log.info("web.ready", url=f"http://{shown}:{web.port}/")
        await uvicorn.Server(options).serve(sockets=[listener])
    finally:
        await store.close()
        listener.close()


def _files() -> int:
    """How many files this process may have open: as many as it is allowed to ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotServeError(f"cannot serve on {host}:{port}: {reason}") from error


def _forward(name: str) -> None:
    """Have what a library logs written as our own."""

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.log(record.levelno, "web.server", message=record.getMessage())

    logger = logging.getLogger(name)
    logger.handlers = [Forward(logging.WARNING)]
    logger.propagate = False
