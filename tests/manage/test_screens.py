"""Who looks at the same gets one answer, and the proxy one question."""

from __future__ import annotations

import asyncio

from sipguard.manage.screens import FRESH_SECONDS, Screens


def test_who_looks_at_the_same_gets_one_answer() -> None:
    async def run() -> None:
        clock, asked = [100.0], list[tuple[str, dict[str, object]]]()
        screens = Screens(lambda: clock[0])

        async def ask(command: str, **args: object) -> object:
            asked.append((command, args))
            await asyncio.sleep(0)
            return len(asked)

        first = asyncio.create_task(screens.share(ask, "calls", account="acme", limit=10))
        await asyncio.sleep(0)
        first.cancel()  # somebody closes the page: the others get the answer all the same
        several = (screens.share(ask, "calls", limit=10, account="acme") for _ in range(50))
        assert await asyncio.gather(*several) == [1] * 50
        assert await screens.share(ask, "calls", account="other", limit=10) == 2
        clock[0] += FRESH_SECONDS
        assert await screens.share(ask, "calls", account="acme", limit=10) == 3
        screens.forget()
        assert await screens.share(ask, "calls", account="acme", limit=10) == 4

    asyncio.run(run())


def test_a_failure_is_told_to_all_who_asked() -> None:
    async def run() -> None:
        async def ask(command: str) -> object:
            raise ValueError(command)

        screens = Screens()
        told = await asyncio.gather(*(screens.share(ask, "calls") for _ in range(3)), return_exceptions=True)
        assert [str(one) for one in told] == ["calls"] * 3

    asyncio.run(run())
