"""Management and the running proxy: woken after each commit, asked for the calls of an account."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sipguard import control
from sipguard.control import ControlError
from sipguard.manage import account, account_delete
from sipguard.manage.account_form import NewAccount
from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import ConflictError, ForbiddenError
from sipguard.manage.proxy import Proxy
from sipguard.model.actor import Actor, Role, Via
from sipguard.store import database, feed

ROOT = Actor("root", Role.ADMINISTRATOR, Via.SHELL)
FORM = NewAccount(id="acme", currency="BDT")


def test_the_proxy_hears_of_a_change_once_it_is_committed_and_of_no_refusal(tmp_path: Path) -> None:
    async def run() -> None:
        store = database.create(tmp_path / "sipguard.db")
        proxy = Proxy(tmp_path / "control.sock")
        desk = Desk(store, proxy=proxy)
        seen: list[int] = []

        async def refresh(_: dict[str, object]) -> int:
            async with store.reading() as conn:
                seen.append(await feed.revision(conn))
            return seen[-1]

        server = await control.serve(tmp_path / "control.sock", {"refresh": refresh})
        try:
            async with desk.writing(ROOT, "account.create") as act:
                await account.create(act, FORM)
            await proxy.settled()
            async with store.reading() as conn:
                assert seen == [await feed.revision(conn)]
            viewer = Actor("viewer", Role.VIEWER, Via.KEY)
            with pytest.raises(ForbiddenError):
                async with desk.writing(viewer, "account.create"):
                    pass
            await proxy.settled()
            assert len(seen) == 1
        finally:
            await server.close()
            await store.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "obstacle"),
    [
        ([{"call": 1}], "live calls"),
        ([], None),
        ("there is no account acme", None),
        ("the store is gone", "the daemon does not say whether it has live calls"),
    ],
)
def test_live_calls_stand_in_the_way_of_a_deletion(
    tmp_path: Path, answer: object, obstacle: str | None
) -> None:
    async def calls(args: dict[str, object]) -> object:
        assert args["account"] == "acme"
        if isinstance(answer, str):
            raise ControlError(answer)
        return answer

    async def delete(act: Act) -> None:
        await account_delete.delete(act, "acme")

    async def run() -> tuple[str, ...]:
        store = database.create(tmp_path / "sipguard.db")
        desk = Desk(store, proxy=Proxy(tmp_path / "control.sock"))
        handlers = {"calls": calls, "refresh": lambda _: 0}
        server = await control.serve(tmp_path / "control.sock", handlers)
        try:
            async with desk.writing(ROOT, "account.create") as act:
                await account.create(act, FORM)
            try:
                async with desk.writing(ROOT, "account.delete") as act:
                    await delete(act)
            except ConflictError as error:
                return error.standing_in_the_way
            return ()
        finally:
            if desk.proxy is not None:
                await desk.proxy.settled()
            await server.close()
            await store.close()

    assert asyncio.run(run()) == (() if obstacle is None else (obstacle,))
