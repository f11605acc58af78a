"""Payments by hand against calls: a real database, a real control socket, a proxy's books between them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from sipguard.calls.earmark import earmarks
from sipguard.calls.exchange import Exchange
from sipguard.calls.follow import Follower
from sipguard.control import serve
from sipguard.manage import payment
from sipguard.manage.desk import Desk
from sipguard.manage.errors import ConflictError, ManageError, UnavailableError
from sipguard.manage.payment import PaymentInfo
from sipguard.manage.payment_form import Asked, NewPayment, Reversal
from sipguard.manage.proxy import Proxy
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.authorization import Authorization
from sipguard.model.configuration import Settings
from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.policy.funds import Funds, Want
from sipguard.store import account, database, feed, instance, ledger
from sipguard.store.database import Database
from tests.calls import desk as calls_desk
from tests.policy.world import World

ROOT = Actor("root", Role.ADMINISTRATOR, Via.SESSION, 1)
NAMES = ("agent", "shop", "other")
CREDIT = {"agent": 20, "shop": 0, "other": 5}


@dataclass
class Books:
    """The proxy's money and management's, and what calls would hold."""

    desk: Desk
    store: Database
    exchange: Exchange
    follower: Follower
    keys: dict[str, int]
    """Of accounts, by id."""
    ledgers: dict[str, int]

    @property
    def funds(self) -> Funds:
        return self.exchange.funds

    def actor(self, name: str) -> Actor:
        return ROOT if name == "root" else Actor(name, Role.ACCOUNT, Via.KEY, 7, self.keys[name])

    async def pay(self, who: str, form: NewPayment, key: str) -> PaymentInfo:
        async with self.desk.writing(self.actor(who), "payment.create") as act:
            return await payment.create(act, form, key)

    def hold(self, call: int, name: str, amount: int) -> bool:
        return self.funds.hold(call, [Want(self.ledgers[name], amount, CREDIT[name])]) is None

    async def quiet(self) -> None:
        """Until the proxy has heard of every end of a connection."""
        for _ in range(200):
            if not self.funds._earmarks:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("an earmark was left behind")

    async def check(self) -> None:
        """Nobody is below its limit by what is booked and held; the proxy and the database agree."""
        await self.follower.refresh()
        async with self.store.reading() as conn:
            booked = await ledger.balances(conn)
            assert (await ledger.verify(conn)).ok
        assert sum(booked.values()) == 0
        for name in NAMES:
            balance = booked[self.ledgers[name]]
            assert self.funds.balance(self.ledgers[name]) == balance
            assert balance - self.funds.held(self.ledgers[name]) >= -CREDIT[name], name
        self.funds.totals()


@asynccontextmanager
async def books(directory: Path, template: Path, epoch: int = 1) -> AsyncIterator[Books]:
    store = database.open(Path(shutil.copy(template, directory / "sipguard.db")))
    try:
        async with store.reading() as conn:
            found = {one.id: one for one in await account.all_accounts(conn)}
            balances, revision = await ledger.balances(conn), await feed.revision(conn)
        exchange = calls_desk.Desk(World()).exchange
        exchange.funds = Funds(balances)
        follower = Follower(exchange, store, Settings(60, False, frozenset(), (), frozenset()), revision)
        socket = directory / "control.sock"
        server = await serve(socket, {"earmark": earmarks(exchange, follower, epoch)})
        try:
            yield Books(
                Desk(store, proxy=Proxy(socket)),
                store,
                exchange,
                follower,
                {id: one.key for id, one in found.items()},
                {id: one.balance_ledger for id, one in found.items()},
            )
        finally:
            await server.close()
    finally:
        await store.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """agent (100, authorization 8) above shop (60); other (40)."""
    path = tmp_path_factory.mktemp("earmark") / "template.db"

    async def make() -> None:
        store = database.create(path)
        async with store.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
            made: dict[str, int] = {}
            for name in NAMES:
                above = made["agent"] if name == "shop" else None
                credit = CREDIT[name]
                one = await account.insert(
                    conn, id=name, name=name, currency="BDT", agent_key=above, credit_limit_micros=credit
                )
                made[name] = one.key
            granted = update(account.account).where(account.account.c.id == "agent")
            await conn.execute(granted.values(granted=int(Authorization.SUB_PAYMENT)))
            await instance.next_epoch(conn)
        desk = Desk(store)
        for name, amount in (("agent", 100), ("shop", 60), ("other", 40)):
            async with desk.writing(ROOT, "payment.create") as act:
                form = NewPayment(account_id=name, amount_micros=amount, reason="to begin with")
                await payment.create(act, form, name)
        await store.close()

    asyncio.run(make())
    return path


def run(tmp_path: Path, template: Path, test: Callable[[Books], Awaitable[None]], epoch: int = 1) -> None:
    async def body() -> None:
        async with books(tmp_path, template, epoch) as there:
            await test(there)
            await there.quiet()
            await there.check()

    asyncio.run(body())


def deduction(name: str, amount: int) -> NewPayment:
    return NewPayment(kind=Asked.DEDUCTION, account_id=name, amount_micros=amount, reason="r")


def test_held_money_cannot_be_taken_from_under_a_call(tmp_path: Path, template: Path) -> None:
    async def test(there: Books) -> None:
        assert there.hold(1, "shop", 25)
        with pytest.raises(ConflictError, match=r"not enough money: 0\.000035 can be moved, 0\.000036"):
            await there.pay("root", deduction("shop", 36), "a")
        with pytest.raises(ConflictError, match="not enough"):
            await there.pay("agent", deduction("shop", 36), "b")
        await there.pay("agent", deduction("shop", 35), "c")
        assert not there.hold(2, "shop", 1)

    run(tmp_path, template, test)


def test_no_call_gets_what_a_payment_is_about_to_take(tmp_path: Path, template: Path) -> None:
    async def test(there: Books) -> None:
        async with there.desk.writing(ROOT, "payment.create") as act:
            await payment.create(act, deduction("shop", 50), "a")
            assert not there.hold(1, "shop", 11), "not committed yet, and kept already"
            assert there.hold(2, "shop", 10)
        assert not there.hold(3, "shop", 1), "committed, and perhaps not followed yet"

    run(tmp_path, template, test)


def test_what_is_rolled_back_is_free_again(tmp_path: Path, template: Path) -> None:
    async def test(there: Books) -> None:
        async def goes_wrong() -> None:
            async with there.desk.writing(ROOT, "payment.create") as act:
                await payment.create(act, deduction("shop", 50), "a")
                raise _GoesWrongError

        with pytest.raises(_GoesWrongError):
            await goes_wrong()
        await there.quiet()
        assert there.hold(1, "shop", 60)

    run(tmp_path, template, test)


def test_the_feed_alone_frees_an_earmark_together_with_its_posting(tmp_path: Path, template: Path) -> None:
    """A connection that stays open after the commit keeps nothing."""

    async def test(there: Books) -> None:
        shop = there.ledgers["shop"]
        async with there.store.reading() as conn:
            cash = await ledger.of_house(conn, LedgerKind.CASH)
        assert there.funds.earmark("payment:x", [Want(shop, 50, 0)]) is None
        async with there.store.writing() as conn:
            postings = (Posting(shop, -50), Posting(cash, 50))
            await ledger.post(conn, Entry("payment:x", "payment", 1, postings), "web")
        await there.follower.refresh()
        assert (there.funds.balance(shop), there.funds.held(shop)) == (10, 0)

    run(tmp_path, template, test)


def test_a_daemon_that_was_started_meanwhile_has_promised_nothing(tmp_path: Path, template: Path) -> None:
    async def test(there: Books) -> None:
        with pytest.raises(UnavailableError, match="started anew"):
            await there.pay("root", deduction("shop", 1), "a")

    run(tmp_path, template, test, epoch=99)


MOVES = st.tuples(
    st.sampled_from(("root", "agent")),
    st.sampled_from(tuple(Asked)),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(1, 70),
)
CALL = st.tuples(st.sampled_from(NAMES), st.integers(1, 60))
"""Whose call, and what it holds."""
STEPS = st.lists(st.tuples(MOVES, st.lists(CALL, max_size=3), st.booleans(), st.booleans()), max_size=12)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_payments_and_calls_makes_money_or_takes_it_twice(template: Path, steps: object) -> None:
    async def body(directory: Path) -> None:
        async with books(directory, template) as there:
            world = _Traffic(there)
            for number, (move, calls, fails, reverses) in enumerate(steps):  # type: ignore[arg-type]  # hypothesis
                await world.step(number, move, calls, fails, reverses)
                await there.check()
            world.hang_up(all_of_them=True)
            await there.quiet()
            await there.check()

    with TemporaryDirectory() as directory:
        asyncio.run(body(Path(directory)))


class _Traffic:
    """Payments whose transactions calls come into the middle of."""

    def __init__(self, there: Books) -> None:
        self.there = there
        self.calls: dict[int, tuple[str, int]] = {}
        self.number = 0
        self.last: str | None = None

    async def step(
        self,
        number: int,
        move: tuple[str, Asked, str, str, int],
        calls: list[tuple[str, int]],
        fails: bool,
        reverses: bool,
    ) -> None:
        there, (who, kind, name, to, amount) = self.there, move
        try:
            async with there.desk.writing(there.actor(who), "payment.create") as act:
                if reverses and self.last is not None:
                    made = await payment.reverse(act, self.last, Reversal(reason="r"), f"key-{number}")
                else:
                    target = to if kind is Asked.TRANSFER else None
                    form = NewPayment(
                        kind=kind, account_id=name, to_account_id=target, amount_micros=amount, reason="r"
                    )
                    made = await payment.create(act, form, f"key-{number}")
                self.call(calls)
                if fails:
                    raise _GoesWrongError
            self.last = made.id
        except (ManageError, _GoesWrongError):
            pass
        self.call(calls)
        self.hang_up()

    def call(self, calls: list[tuple[str, int]]) -> None:
        for name, amount in calls:
            self.number += 1
            if self.there.hold(self.number, name, amount):
                self.calls[self.number] = (name, amount)

    def hang_up(self, all_of_them: bool = False) -> None:
        for call in list(self.calls)[:: 1 if all_of_them else 2]:
            del self.calls[call]
            self.there.funds.release(call)


class _GoesWrongError(Exception):
    """Somebody pulls the plug."""
