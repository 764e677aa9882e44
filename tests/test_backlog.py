"""What a client has to tell is told to every reader, and the slowest sets the pace."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.backlog import WEIGHT, Backlog

Said = str | int


def backlog(most: int = 10) -> Backlog[Said]:
    """Of texts, of which so many fit; a number says how many are missed."""
    return Backlog(most=most * WEIGHT, missed=lambda count: count)


def over() -> None:
    """The conversation is over, as it should be."""


async def rest(reader: object) -> list[Said]:
    return [said async for said in reader]  # type: ignore[attr-defined]


async def test_everybody_is_told_everything_in_order() -> None:
    told = backlog()
    one, other = told.read(), told.read()
    for said in "abc":
        told.tell(said)
    told.close(over)

    assert await rest(one) == await rest(other) == ["a", "b", "c"]


async def test_who_comes_first_is_told_what_there_was_before() -> None:
    told = backlog()
    told.tell("a")
    reader = told.read()
    told.tell("b")
    told.close(over)

    assert await rest(reader) == ["a", "b"]


async def test_who_leaves_a_loop_and_begins_another_misses_nothing() -> None:
    told = backlog()
    for said in "abc":
        told.tell(said)
    told.close(over)

    async for heard in told.read():
        if heard == "b":
            break

    assert await rest(told.read()) == ["c"]


async def test_a_reader_waits_for_what_is_to_come(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog()
    heard: list[Said] = []

    async def read() -> None:
        heard.extend(await rest(told.read()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        told.tell("a")
        await trio.testing.wait_all_tasks_blocked()
        assert heard == []
        told.close(over)

    assert heard == ["a"]


async def test_while_nobody_reads_the_newest_are_kept_and_the_next_reader_is_told_how_many_are_gone() -> None:
    told = backlog(3)
    for said in "abcde":
        told.tell(said)
    assert not told.full
    told.close(over)

    assert await rest(told.read()) == [2, "c", "d", "e"]


async def test_what_is_missed_is_missed_once() -> None:
    told = backlog(1)
    told.tell("a")
    told.tell("b")
    told.close(over)

    async for said in told.read():
        assert said == 1
        break

    assert await rest(told.read()) == ["b"]


async def test_the_slowest_reader_sets_the_pace(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog(2)
    slow, quick = told.read(), told.read()
    for said in "abc":
        told.tell(said)
        await anext(quick)
    assert told.full

    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.room)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        assert await anext(slow) == "a"

    assert [await anext(slow), await anext(slow)] == ["b", "c"]


async def test_a_reader_that_is_let_go_of_holds_nobody_up(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog(1)
    reader = told.read()
    told.tell("a")
    told.tell("b")
    assert told.full

    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.room)
        await trio.testing.wait_all_tasks_blocked()
        del reader

    told.close(over)
    assert await rest(told.read()) == ["a", "b"]


async def test_one_thing_that_is_too_large_alone_still_gets_through() -> None:
    told = backlog(1)
    reader = told.read()
    told.tell("a", size=10_000)
    assert told.full

    assert await anext(reader) == "a"
    with trio.fail_after(1):
        await told.room()


async def test_what_is_looked_for_may_have_been_told_already() -> None:
    told = backlog()
    for said in "aba":
        told.tell(said)

    assert await told.find(lambda said: said == "a", 0) == (0, "a")
    assert await told.find(lambda said: said == "a", 1) == (2, "a")


async def test_what_is_looked_for_may_be_to_come(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog(1)
    found: list[tuple[int, Said]] = []

    async def find(wanted: str) -> None:
        found.append(await told.find(lambda said: said == wanted, 0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(find, "b")
        await trio.testing.wait_all_tasks_blocked()
        for said in "abcb":  # before it looks again, what it looks for is gone
            told.tell(said)

    assert found == [(1, "b")]


async def test_while_somebody_looks_for_something_no_reader_holds_it_up(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog(2)
    reader = told.read()
    for said in "abc":
        told.tell(said)
    assert told.full

    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.find, lambda said: said == "z", 0)
        nursery.start_soon(told.room)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        for said in "defz":
            told.tell(said)

    told.close(over)
    assert await rest(reader) == [5, "f", "z"]


async def test_a_reader_that_missed_something_counts_all_of_it(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog(1)
    reader = told.read()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.find, lambda said: said == "z", 0)
        await trio.testing.wait_all_tasks_blocked()
        for said in "abz":
            told.tell(said)

    told.close(over)
    assert await rest(reader) == [2, "z"]


async def test_what_will_never_come_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    told = backlog()
    told.tell("a")

    async with trio.open_nursery() as nursery:

        async def look() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await told.find(lambda said: said == "z", 0)

        nursery.start_soon(look)
        await trio.testing.wait_all_tasks_blocked()
        told.close(over)

    assert await told.find(lambda said: said == "a", 0) == (0, "a")


async def test_the_end_says_why_after_all_that_was_told() -> None:
    def failed() -> None:
        raise OSError("the cable is cut")

    told = backlog()
    reader = told.read()
    told.tell("a")
    told.close(failed)
    told.close(over)

    assert await anext(reader) == "a"
    for _ in range(2):
        with pytest.raises(OSError, match="the cable is cut"):
            await anext(reader)
    with pytest.raises(OSError, match="the cable is cut"):
        await told.find(lambda said: said == "z", 0)


STEPS = st.lists(st.sampled_from(["tell", "read 0", "read 1", "new 0", "new 1"]), max_size=60)


@given(STEPS, st.integers(1, 4))
def test_whoever_reads_is_told_everything_once_or_how_much_was_missed(steps: list[str], most: int) -> None:
    async def play() -> None:
        told = backlog(most)
        readers = {}
        heard: dict[str, list[Said]] = {"0": [], "1": []}
        count = 0
        for step in steps:
            action, _, name = step.partition(" ")
            if action == "tell" and not told.full:
                told.tell(f"{count}")
                count += 1
            elif action == "new" and name not in readers:
                readers[name] = told.read()
            elif action == "read" and name in readers:
                with trio.move_on_after(0):
                    heard[name].append(await anext(readers[name]))
        told.close(over)
        for name, reader in readers.items():
            said = heard[name] + await rest(reader)
            at = None
            for each in said:
                if isinstance(each, int):
                    at = None if at is None else at + each
                else:
                    assert at is None or int(each) == at
                    at = int(each) + 1
            assert not said or at == count

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))
