"""What is due at once does not keep everything else waiting."""

from __future__ import annotations

import asyncio

from sipguard.calls.alarm import AT_ONCE, Alarms


def test_alarms_ring_in_the_order_in_which_they_are_due_and_those_set_meanwhile_too() -> None:
    alarms, rung = Alarms(), []

    def ring(call: int) -> None:
        rung.append(call)
        if call == 2:
            alarms.at(25, rung.append, 9)

    for due, call in ((30, 3), (10, 1), (20, 2), (31, 4)):
        alarms.at(due, ring, call)
    alarms.ring(30)
    assert rung == [1, 2, 9, 3]
    assert alarms.next_ns() == 31


def test_between_many_alarms_that_are_due_the_loop_serves_others() -> None:
    """As after a restart, when the slices of all calls are over."""
    alarms, rung, served = Alarms(), [], []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for call in range(3 * AT_ONCE):
            alarms.at(call, rung.append, call)
        alarms.start(loop, lambda: 10**12)
        while len(rung) < 3 * AT_ONCE:
            await asyncio.sleep(0)
            served.append(len(rung))
        alarms.stop()

    asyncio.run(asyncio.wait_for(main(), 30))
    assert rung == list(range(3 * AT_ONCE))
    assert {AT_ONCE, 2 * AT_ONCE} <= set(served)
