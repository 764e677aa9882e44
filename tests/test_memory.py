"""The in-memory pair behaves as sockets do."""

import trio

from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.memory import memory_pair


async def test_what_one_end_writes_the_other_reads_in_order_once_it_is_flushed() -> None:
    near, far = memory_pair(Side.UPSTREAM)

    far.write(b"one", Kind.TEXT)
    far.write(b"two", Kind.BINARY)
    far.flush()

    assert await near.read() == [
        Message(Side.UPSTREAM, Kind.TEXT, b"one"),
        Message(Side.UPSTREAM, Kind.BINARY, b"two"),
    ]


async def test_a_writer_waits_until_there_is_room() -> None:
    near, far = memory_pair(Side.FRONT, capacity=10)
    for _ in range(3):
        far.write(bytes(10), Kind.BINARY)
    far.flush()
    assert far.queued == 20

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.drain)
        await trio.testing.wait_all_tasks_blocked()
        assert [len(await near.read()) for _ in range(3)] == [1, 1, 1]

    assert far.queued == 0


async def test_a_close_comes_after_all_that_was_written_before_it() -> None:
    near, far = memory_pair(Side.FRONT, capacity=1)
    far.write(b"one", Kind.TEXT)
    far.write(b"two", Kind.TEXT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.close, 1001, "bye")
        batches = [await near.read() for _ in range(3)]

    assert [len(batch) for batch in batches] == [1, 1, 0]
    assert near.closed == (1001, "bye")


async def test_reading_waits_for_news() -> None:
    near, far = memory_pair(Side.FRONT)

    async def speak() -> None:
        await trio.testing.wait_all_tasks_blocked()
        far.write(b"one", Kind.TEXT)
        far.flush()
        await far.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        assert len(await near.read()) == 1
        assert await near.read() == ()


async def test_a_writer_whose_reader_has_gone_does_not_wait_for_ever() -> None:
    near, far = memory_pair(Side.FRONT, capacity=1)
    near.write(b"one", Kind.TEXT)
    near.write(b"two", Kind.TEXT)
    await far.close(1000, "gone")

    await near.drain()
    await near.close(1000, "too")
    await near.close(1011, "a second close changes nothing")

    assert near.closed == (1000, "gone")
    assert far.closed == (1000, "too")


async def test_an_end_that_was_not_closed_has_the_code_of_a_lost_connection() -> None:
    near, _ = memory_pair(Side.FRONT)

    assert near.closed == (1006, "")
