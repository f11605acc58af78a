"""Gateways that were added, changed or removed since they were last looked at, whoever has done it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import msgspec

from sipguard.model.alert import Kind, Reading, Subject
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.policy.directory import Directory

_INNER = frozenset({"key", "account_key", "clearing_ledger", "cost_table_key", "routing_gateway_keys"})
"""Row keys: they say where the gateway belongs, and nothing to people; a change is told by the name alone."""

Contents = Mapping[tuple[str, str], str]


def contents(directory: Directory) -> dict[tuple[str, str], str]:
    """Every gateway of a directory as JSON, by kind and id. For a thread: there may be thousands."""
    found = {("routing_gateway", one.id): _content(one) for one in directory.routing_gateways.values()}
    # Phones are mapping gateways, too, by negative keys (policy.phone).
    trunks = (one for key, one in directory.mapping_gateways.items() if key > 0)
    found.update({("mapping_gateway", one.id): _content(one) for one in trunks})
    return found


def differences(before: Contents, now: Contents, owners: Mapping[str, int]) -> Iterator[Reading]:
    """What has changed, gateway by gateway. `owners`: account keys of mapping gateways, by id."""
    for place in sorted(before.keys() | now.keys()):
        was, is_ = before.get(place), now.get(place)
        if was == is_:
            continue
        kind, id = place
        if was is None:
            text = "added"
        elif is_ is None:
            text = "removed"
        else:
            text = "changed: " + ", ".join(_changed(msgspec.json.decode(was), msgspec.json.decode(is_)))
        yield Reading(
            Kind.GATEWAY_CHANGED,
            Subject(kind, id),
            1,
            1,
            0,
            text,
            account_key=owners.get(id) if kind == "mapping_gateway" else None,
        )


def _content(gateway: MappingGateway | RoutingGateway) -> str:
    plain = {field.name: _plain(getattr(gateway, field.name)) for field in fields(gateway)}
    return msgspec.json.encode(plain, order="deterministic").decode()


def _plain(value: object) -> Any:
    """Sets in an order, so that equal gateways are equal text."""
    if isinstance(value, frozenset):
        return sorted(value)
    return msgspec.to_builtins(value)


def _changed(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            inner = name in _INNER
            yield name if inner else f"{name} from {_shown(was.get(name))} to {_shown(now.get(name))}"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
