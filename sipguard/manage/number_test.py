"""The test box: what becomes of numbers between a trunk and a gateway, step by step, without a call.

By the very functions that calls are judged by. Who asks is told of the levels in its scope; of one above it,
only that it blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sipguard.manage import mapping_gateway, routing_gateway
from sipguard.manage.desk import View
from sipguard.manage.errors import InvalidError
from sipguard.manage.gateway_form import TestCall, TestNumber
from sipguard.model.call import Attempt
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.model.rewrite import RewriteRule, rewritten
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import caller, number, rewrite, tech_prefix
from sipguard.policy.caller import Presented
from sipguard.policy.directory import sections_of
from sipguard.policy.number import Dialled
from sipguard.policy.rewrite import Screen
from sipguard.policy.section import refusal
from sipguard.store import account as accounts
from sipguard.store import gateway as gateways
from sipguard.store import section, tree


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way of a number."""

    step: str
    """"received", "tech_prefix", "rewritten", "judged", "rewritten_for_gateway", "sent"."""
    number: str | None
    """After it; None: it is no number, or the gateway is told none."""
    rule: str | None = None
    """The rewrite rule that did it, or the tech prefix that was taken off."""


@dataclass(frozen=True, slots=True)
class TriedNumber:
    """What became of the numbers of a call that was not made."""

    number: str | None
    """The called number after the last step; None: the call would be refused."""
    refusal: str | None
    """Why it would be refused; None: as far as its numbers go, it would not."""
    refusal_level: str | None
    """The account whose sections refuse it; "above": one that the reader does not see."""
    refusal_rule: str | None
    called: list[Step]
    caller: list[Step]
    """Empty where no caller was given."""


async def try_trunk(view: View, gateway_id: str, form: TestCall) -> TriedNumber:
    """What a trunk's numbers are judged as and, with a routing gateway, sent as. Raises NotFoundError."""
    row = await mapping_gateway.row_of(view, gateway_id)
    (trunk,) = await gateways.all_mapping_gateways(view.conn, row.key)
    target = None if form.routing_gateway_id is None else await _target(view, form.routing_gateway_id)
    zeros = view.desk.rules.leading_zero_countries
    attempt = Attempt("", 0, form.number, form.caller or "", "")
    calling = caller.judged(attempt, trunk, zeros)
    callers = []
    if form.caller is not None:
        callers = _received(form.caller, number.read(form.caller), trunk.caller_rewrite, calling or None)
    text = number.spelled(form.number)
    prefix = tech_prefix.prefix_of(trunk, text)
    if trunk.tech_prefixes and prefix is None:
        steps = [Step("received", form.number)]
        return TriedNumber(None, Reason.TECH_PREFIX_MISSING.value, None, None, steps, callers)
    dialled = number.behind(text, len(prefix or ""))
    called = None
    if dialled is not None:
        called = number.normalise(dialled, trunk.number_plan, zeros, trunk.called_rewrite)
    steps = _received(form.number, dialled, trunk.called_rewrite, called, prefix)
    if called is None:
        return TriedNumber(None, Reason.BAD_NUMBER.value, None, None, steps, callers)
    screen = await _screen(view, trunk, calling)
    no = refusal(screen.rulings, called, calling)
    if no is not None:
        return await _refused(view, no, steps, callers)
    if target is None:
        return TriedNumber(called, None, None, None, steps, callers)
    if form.caller is not None:
        replaced = caller.is_replaced(attempt, trunk, calling, zeros)
        told = caller.told(trunk, calling, replaced, target)
        callers += _sent_caller(target, calling, told, form.caller)
    return await _sent(view, target, called, screen, steps, callers)


async def try_gateway(view: View, gateway_id: str, form: TestNumber) -> TriedNumber:
    """What a judged number (E.164 digits) leaves as, sections apart.

    Raises NotFoundError, InvalidError for what calls cannot be judged by.
    """
    target = await _target(view, gateway_id)
    called, calling = (text.removeprefix("+") for text in (form.number, form.caller or ""))
    for field, digits in (("number", called), ("caller", calling)):
        if (digits or field == "number") and not (digits.isascii() and digits.isdecimal()):
            raise InvalidError.of(field, "expected E.164 digits, as calls are judged by")
    callers = []
    if calling:
        _, rule = rewritten(target.caller_rewrite, calling)
        shown = target.presentation
        text = rewritten(target.caller_rewrite, calling)[0] if rule else caller.written(calling, shown)
        callers = [Step("judged", calling), Step("sent", text, rule)]
    screen = Screen((), calling, view.desk.rules.leading_zero_countries)
    return await _sent(view, target, called, screen, [Step("judged", called)], callers)


async def _sent(
    view: View, target: RoutingGateway, called: str, screen: Screen, steps: list[Step], callers: list[Step]
) -> TriedNumber:
    text, rule = rewritten(target.called_rewrite, called)
    if rule is not None:
        steps = [*steps, Step("rewritten_for_gateway", text, rule)]
    no = rewrite.refusal(target, called, screen)
    if no is not None:
        return await _refused(view, no, steps, callers)
    leaves = rewrite.sent(target, called)
    steps = [*steps, Step("sent", leaves)]
    return TriedNumber(leaves, None if leaves else Reason.NO_ROUTE.value, None, None, steps, callers)


async def _refused(view: View, no: Refusal, steps: list[Step], callers: list[Step]) -> TriedNumber:
    level, rule = no.level, no.rule
    if level is not None and not view.actor.sees_all:
        found = await accounts.by_id(view.conn, level)
        if found is None or not await view.sees(found.key):
            level, rule = "above", None
    return TriedNumber(None, no.reason.value, level, rule, steps, callers)


def _received(
    text: str,
    dialled: Dialled | None,
    rules: Sequence[RewriteRule],
    judged: str | None,
    prefix: str | None = None,
) -> list[Step]:
    steps = [Step("received", text)]
    if prefix is not None:
        steps.append(Step("tech_prefix", None if dialled is None else dialled.digits, prefix))
    if dialled is not None:
        made, rule = rewritten(rules, dialled.digits)
        if rule is not None:
            steps.append(Step("rewritten", made, rule))
    return [*steps, Step("judged", judged)]


def _sent_caller(target: RoutingGateway, calling: str, told: Presented | None, received: str) -> list[Step]:
    _, rule = rewritten(target.caller_rewrite, calling) if calling else ("", None)
    text = received if told is None or told.user is None else told.user
    return [Step("sent", text or None, rule)]


async def _screen(view: View, trunk: MappingGateway, calling: str) -> Screen:
    """The sections of the trunk's account and of all above it, from the top downwards."""
    keys = [level.key for level in await tree.chain(view.conn, trunk.account_key)]
    chain = await accounts.by_keys(view.conn, keys)
    sections = sections_of(await section.all_sections(view.conn, keys), chain)
    rulings = tuple(ruling for key in reversed(keys) for ruling in sections.of(chain[key]))
    return Screen(rulings, calling, view.desk.rules.leading_zero_countries)


async def _target(view: View, gateway_id: str) -> RoutingGateway:
    row = await routing_gateway.row_of(view, gateway_id)
    (found,) = await gateways.all_routing_gateways(view.conn, row.key)
    return found
