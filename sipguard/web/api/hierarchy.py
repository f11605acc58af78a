"""The routes of accounts and agents, in the order of the reference."""

from __future__ import annotations

from fastapi import APIRouter

from sipguard.web.api import (
    account,
    account_import,
    approval,
    audit,
    authorization,
    authorization_template,
    me,
    section,
    tree,
)

ROUTERS: tuple[APIRouter, ...] = (
    me.router,
    account.router,
    account_import.router,
    tree.router,
    authorization.router,
    authorization_template.router,
    approval.router,
    section.router,
    audit.router,
)
