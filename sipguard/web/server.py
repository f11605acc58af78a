"""The web process: uvicorn over the application, until it is told to stop."""

from __future__ import annotations

import uvicorn

from sipguard.config import Config
from sipguard.manage import opening
from sipguard.store import database
from sipguard.web import app


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises StoreError where the database is not usable."""
    store = database.open(config.database.path)
    try:
        options = uvicorn.Config(
            app.build(opening.desk(config, store)),
            host=config.web.host,
            port=config.web.port,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            limit_concurrency=1_000,
            h11_max_incomplete_event_size=16_384,
        )
        await uvicorn.Server(options).serve()
    finally:
        await store.close()
