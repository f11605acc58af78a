"""Trees, grants and money under random commands by everybody: what must hold after each of them.

A model beside the database says who stands below whom and was granted what. Effective authorizations are the
intersection along the chain, nobody sees beyond its scope, an account is an agent exactly while it has
sub-accounts, and no command makes or loses money.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from sipguard.manage import account, account_delete, account_list, account_move, authorization, payment
from sipguard.manage.account_form import NewAccount
from sipguard.manage.account_move import AccountMove
from sipguard.manage.authorization_form import Grant
from sipguard.manage.desk import Act, Desk, View
from sipguard.manage.errors import ConflictError, ForbiddenError, ManageError, NotFoundError
from sipguard.manage.payment_form import NewPayment
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.authorization import ALL, SLUGS, Authorization, effective, of_slugs, slugs
from sipguard.model.ledger import LedgerKind
from sipguard.store import database, ledger

T = TypeVar("T")

EXAMPLES = int(os.environ.get("TREE_EXAMPLES", "10"))
ROOT = Actor("root", Role.ADMINISTRATOR, Via.SHELL)
picks = st.integers(min_value=0, max_value=1 << 30)
grants = st.sets(st.sampled_from(list(SLUGS)))


@cache
def template() -> Path:
    """An empty house; made once."""
    path = Path(tempfile.mkdtemp(prefix="tree-machine")) / "template.db"

    async def make() -> None:
        store = database.create(path)
        try:
            async with store.writing() as conn:
                for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                    await ledger.insert(conn, kind, "BDT")
        finally:
            await store.close()

    asyncio.run(make())
    return path


@dataclass
class Modelled:
    """An account as it has to be."""

    agent: str | None
    granted: Authorization
    balance: int = 0


class Trees(RuleBasedStateMachine):
    """Random commands by random actors."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="tree-machine"))
        self.path = Path(shutil.copy(template(), self.folder / "sipguard.db"))
        self.store = database.open(self.path)
        self.desk = Desk(self.store, clock_ms=lambda: 1_800_000_000_000)
        self.model: dict[str, Modelled] = {}
        self.made = self.paid = 0
        for _ in range(2):
            self.create(0, 0)
        for name in list(self.model):
            self.grant(0, 0, 0, set(SLUGS), name)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.store.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    # The model ---------------------------------------------------------------------------------------------

    def chain(self, name: str | None) -> list[str]:
        found = []
        while name is not None:
            found.append(name)
            name = self.model[name].agent
        return found

    def effective(self, actor: str | None) -> Authorization:
        return ALL if actor is None else effective(self.model[one].granted for one in self.chain(actor))

    def below(self, actor: str | None) -> list[str]:
        return sorted(name for name in self.model if actor is None or actor in self.chain(name)[1:])

    def sees(self, actor: str | None, name: str) -> bool:
        return name in self.model and (actor is None or actor in self.chain(name))

    def pick(self, number: int, operator: bool = True) -> str | None:
        everybody = [*([None] if operator else []), *sorted(self.model)]
        return everybody[number % len(everybody)] if everybody else None

    # Doing -------------------------------------------------------------------------------------------------

    def actor(self, name: str | None) -> Actor:
        if name is None:
            return ROOT
        key = self.run(lambda view: view.account_key(name), None)
        return Actor(name, Role.ACCOUNT, Via.KEY, None, key)

    def run(self, query: Callable[[View], Awaitable[T]], name: str | None) -> T:
        actor = self.actor(name)

        async def reading() -> T:
            async with self.desk.reading(actor) as view:
                return await query(view)

        return self.loop.run_until_complete(reading())

    def do(self, name: str | None, command: Callable[[Act], Awaitable[T]]) -> T | ManageError:
        actor = self.actor(name)

        async def writing() -> T:
            async with self.desk.writing(actor, "account.test") as act:
                return await command(act)

        try:
            return self.loop.run_until_complete(writing())
        except ManageError as error:
            return error

    @rule(who=picks, where=picks)
    def create(self, who: int, where: int) -> None:
        actor, agent = self.pick(who), self.pick(where)
        self.made += 1
        name = f"a{self.made}"
        form = NewAccount(id=name, agent_id=agent, currency="BDT")
        done = self.do(actor, lambda act: account.create(act, form))
        if not self.effective(actor) & Authorization.ACCOUNT:
            assert isinstance(done, ForbiddenError)
        elif agent is not None and not self.sees(actor, agent):
            assert isinstance(done, NotFoundError)
        else:
            assert isinstance(done, account.AccountInfo), done
            self.model[name] = Modelled(agent if agent is not None else actor, Authorization(0))

    @rule(who=picks, which=picks, where=picks)
    @precondition(lambda self: self.model)
    def move(self, who: int, which: int, where: int) -> None:
        actor, name, agent = self.pick(who), self.pick(which, operator=False), self.pick(where)
        assert name is not None
        done = self.do(actor, lambda act: account_move.move(act, name, AccountMove(agent_id=agent)))
        target = agent if agent is not None else actor
        if not self.effective(actor) & Authorization.ACCOUNT:
            assert isinstance(done, ForbiddenError)
        elif not self.sees(actor, name):
            assert isinstance(done, NotFoundError)
        elif actor == name:
            assert isinstance(done, ForbiddenError)
        elif agent is not None and not self.sees(actor, agent):
            assert isinstance(done, NotFoundError)
        elif name in self.chain(target):
            assert isinstance(done, ConflictError)
        else:
            assert isinstance(done, account.AccountInfo), done
            self.model[name].agent = target

    @rule(who=picks, which=picks)
    @precondition(lambda self: self.model)
    def delete(self, who: int, which: int) -> None:
        actor, name = self.pick(who), self.pick(which, operator=False)
        assert name is not None
        done = self.do(actor, lambda act: account_delete.delete(act, name))
        if not self.effective(actor) & Authorization.ACCOUNT or (actor == name):
            assert isinstance(done, ForbiddenError)
        elif not self.sees(actor, name):
            assert isinstance(done, NotFoundError)
        elif self.below(name) or self.model[name].balance:
            assert isinstance(done, ConflictError)
        else:
            assert done is None
            del self.model[name]

    @rule(who=picks, which=picks, unused=st.just(0), what=grants)
    @precondition(lambda self: self.model)
    def grant(self, who: int, which: int, unused: int, what: set[str], name: str | None = None) -> None:
        actor, name = self.pick(who), name or self.pick(which, operator=False)
        assert name is not None
        wanted = of_slugs(what)
        form = Grant(authorizations=sorted(what))  # type: ignore[arg-type]
        done = self.do(actor, lambda act: authorization.grant(act, name, form))
        added = wanted & ~self.model[name].granted
        if not self.effective(actor) & Authorization.ACCOUNT:
            assert isinstance(done, ForbiddenError)
        elif not self.sees(actor, name):
            assert isinstance(done, NotFoundError)
        elif actor == name or added & ~self.effective(actor):
            assert isinstance(done, ForbiddenError)
        elif added & ~self.effective(self.model[name].agent):
            assert isinstance(done, ConflictError)
        else:
            assert isinstance(done, authorization.HeldInfo), done
            self.model[name].granted = wanted

    @rule(who=picks, which=picks, amount=st.integers(min_value=1, max_value=50))
    @precondition(lambda self: self.model)
    def pay(self, who: int, which: int, amount: int) -> None:
        actor, name = self.pick(who), self.pick(which, operator=False)
        assert name is not None
        self.paid += 1
        form = NewPayment(account_id=name, amount_micros=amount, reason="test")
        done = self.do(actor, lambda act: payment.create(act, form, f"key-{self.paid}"))
        if not self.effective(actor) & Authorization.SUB_PAYMENT:
            assert isinstance(done, ForbiddenError)
        elif not self.sees(actor, name):
            assert isinstance(done, NotFoundError)
        elif isinstance(done, payment.PaymentInfo):
            assert actor != name, "nobody makes money for itself"
            self.model[name].balance += amount
            if actor is not None:
                self.model[actor].balance -= amount
                assert self.model[actor].balance >= 0

    # What must hold ----------------------------------------------------------------------------------------

    @invariant()
    def effective_is_the_intersection(self) -> None:
        if not hasattr(self, "model"):
            return
        for name in self.model:
            held = self.run(lambda view, name=name: authorization.held(view, name), name)  # type: ignore[misc]
            assert held.effective == slugs(self.effective(name))
            assert held.granted == slugs(self.model[name].granted)

    @invariant()
    def nobody_sees_beyond_its_scope(self) -> None:
        if not hasattr(self, "model"):
            return
        for actor in (None, *self.model):
            seen = self.run(lambda view: account_list.list_all(view, None, limit=1_000), actor)
            assert [one.id for one in seen.items] == self.below(actor)
            for one in seen.items:
                subs = [name for name, other in self.model.items() if other.agent == one.id]
                assert one.category == ("agent" if subs else "account")
                assert one.agent_id == self.model[one.id].agent
                assert one.balance_micros == self.model[one.id].balance
        for name in self.model:
            stranger = next((other for other in self.model if not self.sees(other, name)), None)
            if stranger is not None:
                with pytest.raises(NotFoundError):
                    self.run(lambda view, name=name: account.get(view, name), stranger)  # type: ignore[misc]

    @invariant()
    def money_is_neither_made_nor_lost(self) -> None:
        if not hasattr(self, "model"):
            return

        async def total(view: View) -> int:
            return await view.conn.scalar(select(func.sum(ledger.ledger_account.c.balance_micros))) or 0

        assert self.run(total, None) == 0


TestTrees = Trees.TestCase
TestTrees.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
