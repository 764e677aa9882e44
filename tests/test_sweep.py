"""The coarse look at all deadlines."""

import trio
import trio.testing

from realtime_engine.sweep import PERIOD, Sweep


async def test_everybody_is_asked_now_and_then(autojump_clock: trio.testing.MockClock) -> None:
    sweep, asked = Sweep(), list[float]()
    sweep.add(asked.append)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep.run)
        await trio.sleep(2.2 * PERIOD)
        nursery.cancel_scope.cancel()

    assert asked == [PERIOD, 2 * PERIOD]


async def test_who_was_taken_out_meanwhile_is_not_asked() -> None:
    sweep, asked = Sweep(), list[str]()

    def one(now: float) -> None:
        asked.append("one")
        sweep.discard(other)

    def other(now: float) -> None:
        asked.append("other")
        sweep.discard(one)

    sweep.add(one)
    sweep.add(other)
    sweep.look()
    sweep.discard(one)

    assert len(asked) == 1
