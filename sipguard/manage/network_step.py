"""How each noun of configuration is made, changed and removed: by the commands that everybody else uses, too.

A step gets the difference and the transaction; what it tells are passwords that were made up on the way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import select

from sipguard.manage import account as accounts
from sipguard.manage import (
    account_batch,
    account_delete,
    account_move,
    alert,
    authorization,
    authorization_template,
    credential,
    destination_set,
    mapping_gateway,
    number_range,
    phone,
    rate_table,
    routing_gateway,
    section,
)
from sipguard.manage.account_file import Line
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.account_move import AccountMove
from sipguard.manage.authorization_form import Grant, NewTemplate, TemplateChanges
from sipguard.manage.credential import Told
from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_form import (
    MappingGatewayChanges,
    NewCredential,
    NewMappingGateway,
    NewRoutingGateway,
    RoutingGatewayChanges,
)
from sipguard.manage.network_diff import Difference
from sipguard.manage.network_read import Fields
from sipguard.manage.number_range_form import NewNumberRange
from sipguard.manage.phone_form import NewPhone, PhoneChanges
from sipguard.manage.rate_table_form import NewRateTable
from sipguard.manage.section_form import NewSet, Rule, SectionChanges, SetChanges
from sipguard.model.alert import Kind
from sipguard.model.section import Action, Direction
from sipguard.store import credential as credentials
from sipguard.store import tree
from sipguard.store.account import account
from sipguard.store.phone import phone as phones

NO_JOB = 0
"""What the audit log has for the job of accounts that no job made."""

Do: TypeAlias = Callable[[Act, Difference], Awaitable[Sequence[Told]]]


class Step(NamedTuple):
    """A part of an application."""

    action: str
    """As the audit log has it."""
    what: Difference
    do: Do
    depth: int = 0
    """Of an account that is to be, in the tree."""


def told(what: Difference) -> Fields:
    """The object as the files have it."""
    assert what.told is not None, "nothing is made or changed that no file has"
    return what.told.fields


def new(what: Difference) -> Fields:
    """The fields that differ, as the files have them."""
    return {name: value for name, (_, value) in what.fields.items()}


async def add_template(act: Act, what: Difference) -> Sequence[Told]:
    await authorization_template.create(act, NewTemplate.model_validate(told(what)))
    return ()


async def change_template(act: Act, what: Difference) -> Sequence[Told]:
    whole = {name: value for name, value in told(what).items() if name != "id"}
    await authorization_template.modify(act, what.key[0], TemplateChanges.model_validate(whole))
    return ()


async def remove_template(act: Act, what: Difference) -> Sequence[Told]:
    await authorization_template.delete(act, what.key[0])
    return ()


async def add_table(act: Act, what: Difference) -> Sequence[Told]:
    await rate_table.create(act, NewRateTable.model_validate(told(what)))
    return ()


async def remove_table(act: Act, what: Difference) -> Sequence[Told]:
    await rate_table.remove(act, what.key[0])
    return ()


async def add_account(act: Act, what: Difference) -> Sequence[Told]:
    await accounts.create(act, NewAccount.model_validate(told(what)))
    return ()


async def add_account_without_table(act: Act, what: Difference) -> Sequence[Told]:
    await accounts.create(act, NewAccount.model_validate(told(what) | {"rate_table_id": None}))
    return ()


async def add_accounts(act: Act, some: Sequence[Difference]) -> None:
    """Many at once, none below another of them; by sets, as jobs that import accounts make them.

    Raises InvalidError that names the line of the first that cannot be made.
    """
    lines = [Line(at, NewAccount.model_validate(told(one))) for at, one in enumerate(some)]
    known = account_batch.Known()
    for problem in await account_batch.check(act, lines, known):
        place = some[problem.line].place
        raise InvalidError.of(f"{place}: {problem.field}" if problem.field else place, problem.message)
    await account_batch.write(act, lines, known, NO_JOB)


async def give_table(act: Act, what: Difference) -> Sequence[Told]:
    changes = AccountChanges.model_validate({"rate_table_id": told(what)["rate_table_id"]})
    await accounts.modify(act, what.key[0], changes)
    return ()


async def change_account(act: Act, what: Difference) -> Sequence[Told]:
    fields, id = new(what), what.key[0]
    if "agent_id" in fields:
        if "rate_table_id" in fields:
            await accounts.modify(act, id, AccountChanges.model_validate({"rate_table_id": None}))
        await account_move.move(act, id, AccountMove.model_validate({"agent_id": fields.pop("agent_id")}))
    if fields:
        await accounts.modify(act, id, AccountChanges.model_validate(fields))
    return ()


async def remove_account(act: Act, what: Difference) -> Sequence[Told]:
    await account_delete.delete(act, what.key[0])
    return ()


async def grant(act: Act, what: Difference) -> Sequence[Told]:
    """What an account holds and its agents have lost counts for nothing, and is there all the same."""
    id, wanted = what.key[0], told(what)["authorizations"]

    async def have(account_id: str, slugs: Sequence[str]) -> None:
        await authorization.grant(act, account_id, Grant.model_validate({"authorizations": list(slugs)}))

    try:
        await have(id, wanted)
    except ConflictError:
        above = (await tree.chain(act.conn, await act.account_key(id)))[1:]
        before = []
        for level in reversed(above):
            agent_id = await act.conn.scalar(select(account.c.id).where(account.c.key == level.key))
            assert agent_id is not None, "it stands in the chain"
            own = (await authorization.held(act, agent_id)).granted
            before.append((agent_id, own))
            await have(agent_id, list(dict.fromkeys([*own, *wanted])))
        await have(id, wanted)
        for agent_id, own in before:
            await have(agent_id, own)
    return ()


async def add_set(act: Act, what: Difference) -> Sequence[Told]:
    fields = told(what)
    form = NewSet.model_validate({name: fields[name] for name in ("id", "prefixes", "memo")})
    await destination_set.create(act, form, fields["owner_id"])
    return ()


async def change_set(act: Act, what: Difference) -> Sequence[Told]:
    fields = told(what)
    form = SetChanges.model_validate({name: fields[name] for name in ("prefixes", "memo")})
    await destination_set.modify(act, set_name(*what.key), form)
    return ()


async def remove_set(act: Act, what: Difference) -> Sequence[Told]:
    await destination_set.delete(act, set_name(*what.key))
    return ()


def set_name(owner_id: str | None, id: str) -> str:
    """As an administrator names a set."""
    return id if owner_id is None else f"{owner_id}/{id}"


async def change_sections(act: Act, what: Difference) -> Sequence[Told]:
    rules: dict[str, list[Rule]] = {direction.value: [] for direction in Direction}
    for one in told(what)["rules"]:
        set_id = None if one["set_id"] is None else set_name(one["set_owner_id"], one["set_id"])
        # The form's own check has been passed; the name of an agent's set is an administrator's to write.
        rule = Rule.model_construct(action=Action(one["action"]), prefix=one["prefix"], set_id=set_id)
        rules[one["direction"]].append(rule)
    await section.modify(act, what.key[0], SectionChanges.model_construct(**rules), whole=True)  # type: ignore[arg-type]
    return ()


async def clear_sections(act: Act, what: Difference) -> Sequence[Told]:
    await section.modify(act, what.key[0], SectionChanges.model_validate({}), whole=True)
    return ()


async def add_range(act: Act, what: Difference) -> Sequence[Told]:
    await number_range.create(act, NewNumberRange.model_validate(told(what)))
    return ()


async def remove_range(act: Act, what: Difference) -> Sequence[Told]:
    await number_range.remove(act, what.key[0])
    return ()


async def add_routing_gateway(act: Act, what: Difference) -> Sequence[Told]:
    await routing_gateway.create(act, NewRoutingGateway.model_validate(told(what)))
    return ()


async def change_routing_gateway(act: Act, what: Difference) -> Sequence[Told]:
    await routing_gateway.modify(act, what.key[0], RoutingGatewayChanges.model_validate(new(what)))
    return ()


async def remove_routing_gateway(act: Act, what: Difference) -> Sequence[Told]:
    await routing_gateway.remove(act, what.key[0])
    return ()


async def add_mapping_gateway(act: Act, what: Difference) -> Sequence[Told]:
    _, password = await mapping_gateway.create(act, NewMappingGateway.model_validate(told(what)))
    return () if password is None else (password,)


async def change_mapping_gateway(act: Act, what: Difference) -> Sequence[Told]:
    fields, id, passwords = new(what), what.key[0], []
    was, username = what.fields.get("username", (None, None))
    fields.pop("username", None)
    if "tech_prefixes" in fields and what.was is not None:
        fields = {"sources": what.was["sources"]} | fields  # let go of by `release`
    if username is not None:
        passwords.append(
            await mapping_gateway.set_password(act, id, NewCredential.model_validate({"username": username}))
        )
    if fields:
        await mapping_gateway.modify(act, id, MappingGatewayChanges.model_validate(fields))
    if was is not None and username is None:
        await credential.take(act, was, "mapping_gateway", id)
    return passwords


async def remove_mapping_gateway(act: Act, what: Difference) -> Sequence[Told]:
    await mapping_gateway.remove(act, what.key[0])
    return ()


async def add_phone(act: Act, what: Difference) -> Sequence[Told]:
    form = NewPhone.model_validate(told(what))
    if form.username is not None:
        return ((await phone.create(act, form))[1],)
    # Every phone is made with a password; this one is to have none.
    nobody = f"nobody-{act.now_ms}-{what.key[0]}"[:64]
    await phone.create(act, form.model_copy(update={"username": nobody}))
    await credential.take(act, nobody, "phone", what.key[0])
    return ()


async def change_phone(act: Act, what: Difference) -> Sequence[Told]:
    fields, id = new(what), what.key[0]
    was, username = what.fields.get("username", (None, None))
    fields.pop("username", None)
    if fields:
        await phone.modify(act, id, PhoneChanges.model_validate(fields))
    if was is not None:
        await credential.take(act, was, "phone", id)
    if username is None:
        return ()
    taken = select(credentials.credential.c.username).where(credentials.credential.c.username == username)
    if await act.conn.scalar(taken) is not None:
        raise ConflictError(f"the username {username} is taken")
    key = await act.conn.scalar(select(phones.c.key).where(phones.c.id == id))
    password = await credential.give(act, id, username, None, phone_key=key)
    await act.changed("phone", id, await credential.owner_key(act, "phone", id), username=username)
    return (password,)


async def remove_phone(act: Act, what: Difference) -> Sequence[Told]:
    await phone.remove(act, what.key[0])
    return ()


async def set_threshold(act: Act, what: Difference) -> Sequence[Told]:
    account_id, kind, subtree = what.key
    await alert.set_threshold(act, account_id, Kind(kind), told(what)["value"], subtree=subtree)
    return ()


async def unset_threshold(act: Act, what: Difference) -> Sequence[Told]:
    account_id, kind, subtree = what.key
    await alert.unset_threshold(act, account_id, Kind(kind), subtree=subtree)
    return ()


RELEASED: dict[str, tuple[str, ...]] = {
    "phone": ("numbers",),
    "mapping_gateway": ("sources", "certificates", "routing_gateway_ids"),
}
"""Lists whose elements nobody else may have: what one loses is let go of before another gets it."""


async def release(act: Act, what: Difference) -> Sequence[Told]:
    """Let go of what an object is not to have any more, as far as it can be without.

    Of its sources altogether where its tech prefixes change: two that share one may swap theirs.
    """
    kept: dict[str, Any] = {}
    if "tech_prefixes" in what.fields and what.was is not None and what.was["sources"]:
        await mapping_gateway.release_sources(act, what.key[0])
        return ()
    for name in RELEASED[what.noun.name]:
        was, now = what.fields.get(name, (None, None))
        if was and now is not None and set(was) - set(now):
            kept[name] = [one for one in was if one in now]
    if not kept:
        return ()
    if what.noun.name == "phone":
        await phone.modify(act, what.key[0], PhoneChanges.model_validate(kept))
        return ()
    assert what.was is not None, "it is changed"
    after = what.was | kept
    if after["sources"] or after["certificates"] or after["username"]:
        await mapping_gateway.modify(act, what.key[0], MappingGatewayChanges.model_validate(kept))
    return ()
