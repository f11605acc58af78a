"""In which order the steps of an application are done: each after those that it needs."""

from __future__ import annotations

from collections.abc import Iterable

from sipguard.manage import network_step as steps
from sipguard.manage.network import (
    ACCOUNT,
    DESTINATION_SET,
    GRANT,
    MAPPING_GATEWAY,
    NUMBER_RANGE,
    PHONE,
    RATE_TABLE,
    ROUTING_GATEWAY,
    SECTION,
    TEMPLATE,
    THRESHOLD,
    Noun,
)
from sipguard.manage.network_diff import Difference, Differences, Verb
from sipguard.manage.network_read import Fields
from sipguard.manage.network_step import Do, Step

_WORDS = {Verb.ADDED: "create", Verb.CHANGED: "modify", Verb.GONE: "delete"}


def ordered(what: Differences, *, remove: bool) -> tuple[list[Step], list[Step], list[Step]]:
    """Three parts, between which price lists are taken over: the operator's rate tables; accounts and the
    rate tables of agents; all the rest. `remove`: with what no file has any more."""
    order = _Order(what)
    return order.first(), order.second(), [*order.freed(remove), *order.third(), *order.removed(remove)]


class _Order:
    def __init__(self, what: Differences) -> None:
        self.what = what
        self._depths: dict[str | None, int] = {None: -1}
        self._new_accounts = {one.key[0] for one in what.of(ACCOUNT, Verb.ADDED)}
        self._agents_tables = {
            one.key[0] for one in what.of(RATE_TABLE, Verb.ADDED) if steps.told(one)["owner_id"] is not None
        }

    def first(self) -> list[Step]:
        tables = self.what.of(RATE_TABLE, Verb.ADDED)
        return [
            *self.each(TEMPLATE, Verb.ADDED, steps.add_template),
            *self.each(TEMPLATE, Verb.CHANGED, steps.change_template),
            *_steps(steps.add_table, (one for one in tables if one.key[0] not in self._agents_tables)),
        ]

    def second(self) -> list[Step]:
        tables = self.what.of(RATE_TABLE, Verb.ADDED)
        return [
            *(
                Step("account.create", one, self._maker(one), self._deep(one))
                for one in self.down(self.what.of(ACCOUNT, Verb.ADDED))
            ),
            *_steps(steps.add_table, (one for one in tables if one.key[0] in self._agents_tables)),
        ]

    def freed(self, remove: bool) -> list[Step]:
        """What others get afterwards: numbers, addresses, prices that were not there before."""
        what = self.what
        late = (one for one in what.of(ACCOUNT, Verb.ADDED) if self._buys_later(one))
        gone = what.of(NUMBER_RANGE, *((Verb.CHANGED, Verb.GONE) if remove else (Verb.CHANGED,)))
        return [
            *_steps(steps.give_table, late, "account.modify"),
            *(self.each(PHONE, Verb.GONE, steps.remove_phone) if remove else ()),
            *(self.each(MAPPING_GATEWAY, Verb.GONE, steps.remove_mapping_gateway) if remove else ()),
            *self.each(PHONE, Verb.CHANGED, steps.release),
            *self.each(MAPPING_GATEWAY, Verb.CHANGED, steps.release),
            *_steps(steps.change_account, self.down(what.of(ACCOUNT, Verb.CHANGED)), "account.modify"),
            *_steps(steps.remove_range, self.up(gone), "number_range.delete"),
        ]

    def third(self) -> list[Step]:
        what = self.what
        ranges = list(what.of(NUMBER_RANGE, Verb.ADDED, Verb.CHANGED))
        # Phones may have numbers from before there were ranges, and an agent below keeps a range that those
        # above have lost: of accounts that are new, what is narrower comes later.
        now = [one for one in ranges if _fields(one)["account_id"] not in self._new_accounts]
        later = [one for one in ranges if _fields(one)["account_id"] in self._new_accounts]
        return [
            *_steps(steps.add_range, self.down(now), "number_range.create"),
            *_steps(steps.grant, self.down(what.of(GRANT, Verb.ADDED, Verb.CHANGED)), "account.grant"),
            *self.each(DESTINATION_SET, Verb.ADDED, steps.add_set),
            *self.each(DESTINATION_SET, Verb.CHANGED, steps.change_set),
            *_steps(steps.change_sections, what.of(SECTION, Verb.ADDED, Verb.CHANGED), "account.sections"),
            *self.each(ROUTING_GATEWAY, Verb.ADDED, steps.add_routing_gateway),
            *self.each(ROUTING_GATEWAY, Verb.CHANGED, steps.change_routing_gateway),
            *self.each(MAPPING_GATEWAY, Verb.CHANGED, steps.change_mapping_gateway),
            *self.each(MAPPING_GATEWAY, Verb.ADDED, steps.add_mapping_gateway),
            *self.each(PHONE, Verb.CHANGED, steps.change_phone),
            *self.each(PHONE, Verb.ADDED, steps.add_phone),
            *_steps(steps.add_range, self.up(later), "number_range.create"),
            *_steps(steps.set_threshold, what.of(THRESHOLD, Verb.ADDED, Verb.CHANGED), "alert.threshold"),
        ]

    def removed(self, remove: bool) -> list[Step]:
        if not remove:
            return []
        return [
            *_steps(steps.unset_threshold, self.what.of(THRESHOLD, Verb.GONE), "alert.threshold"),
            *_steps(steps.clear_sections, self.what.of(SECTION, Verb.GONE), "account.sections"),
            *self.each(DESTINATION_SET, Verb.GONE, steps.remove_set),
            *self.each(ROUTING_GATEWAY, Verb.GONE, steps.remove_routing_gateway),
            *self.each(RATE_TABLE, Verb.GONE, steps.remove_table),
            *_steps(steps.remove_account, self.up(self.what.of(ACCOUNT, Verb.GONE)), "account.delete"),
            *self.each(TEMPLATE, Verb.GONE, steps.remove_template),
        ]

    def each(self, noun: Noun, verb: Verb, do: Do) -> list[Step]:
        return _steps(do, self.what.of(noun, verb), f"{noun.name}.{_WORDS[verb]}")

    def down(self, some: Iterable[Difference]) -> list[Difference]:
        """Those of agents before those of what is below them."""
        return sorted(some, key=self._deep)

    def up(self, some: Iterable[Difference]) -> list[Difference]:
        return sorted(some, key=self._deep, reverse=True)

    def _deep(self, one: Difference) -> int:
        return self._depth(_fields(one)["id" if one.noun is ACCOUNT else "account_id"])

    def _depth(self, account_id: str | None) -> int:
        """How deep an account is to stand; 0 for a top-level account, whatever a circle that is refused."""
        way: list[str] = []
        at = account_id
        while at not in self._depths and at is not None and at not in way:
            way.append(at)
            at = self.what.agents.get(at)
        depth = self._depths.get(at, -1)
        for id in reversed(way):
            depth += 1
            self._depths[id] = depth
        return self._depths[account_id]

    def _buys_later(self, one: Difference) -> bool:
        return steps.told(one)["rate_table_id"] in self._agents_tables

    def _maker(self, one: Difference) -> Do:
        return steps.add_account_without_table if self._buys_later(one) else steps.add_account


def _steps(do: Do, some: Iterable[Difference], action: str = "rate_table.create") -> list[Step]:
    return [Step(action, one, do) for one in some]


def _fields(one: Difference) -> Fields:
    fields = one.was if one.told is None else one.told.fields
    assert fields is not None, "a difference has one side at least"
    return fields
