"""The desk of a configuration: what the web process and the command line put together alike."""

from __future__ import annotations

from sipguard.config import Config
from sipguard.manage.desk import Desk, Rules
from sipguard.manage.proxy import Proxy
from sipguard.policy.owner import Reach
from sipguard.store.database import Database


def desk(config: Config, store: Database) -> Desk:
    """A desk over an open database, whose changes the proxy of this configuration hears of."""
    return Desk(
        store,
        Rules(
            depth_warning=config.manage.depth_warning,
            depth_limit=config.manage.depth_limit,
            sub_agents_need_approval=config.manage.sub_agents_need_approval,
            realm=config.auth.realm,
            session_idle_ms=config.web.session.idle_minutes * 60_000,
            session_ms=config.web.session.hours * 3_600_000,
            leading_zero_countries=frozenset(config.numbers.leading_zero),
            reach=Reach(config.manage.agent_networks, config.sip.own_addresses),
        ),
        proxy=Proxy(config.control.socket, config.database.redo.directory),
    )
