"""A machine on the real clock is the same machine as on the virtual one."""

from functools import partial
from math import inf

import trio
import trio.testing

from realtime_engine.inputs import Kind, Side
from realtime_engine.machine import Close, Connected, Disconnected, Done, Frame, MachineInput, MachineOutput, Work
from realtime_engine.machine_link import open_machine
from tests.script import Script, frame

open_upstream = partial(open_machine, Side.UPSTREAM)


async def test_a_machine_speaks_at_its_deadlines(autojump_clock: trio.testing.MockClock) -> None:
    script = Script().on("connected", "hello").at(2.0, "later").at(3.0, Close(1001, "bye"))

    async with open_upstream(script, trio.current_time) as link:
        assert [message.raw for message in await link.read()] == [b'{"type":"hello"}']
        assert [message.raw for message in await link.read()] == [b'{"type":"later"}']
        assert trio.current_time() == 2.0
        assert await link.read() == ()
        assert trio.current_time() == 3.0
        assert link.closed == (1001, "bye")


async def test_a_machine_hears_what_is_written_when_it_is_flushed(autojump_clock: trio.testing.MockClock) -> None:
    script = Script().on("ask", "answer")

    async with open_upstream(script, trio.current_time) as link:
        link.write(b'{"type":"ask"}', Kind.TEXT)
        assert (script.types(), link.queued) == ([], 14)
        link.flush()
        await link.drain()

        assert (script.types(), link.queued, link.sent) == (["ask"], 0, 14)
        assert [message.raw for message in await link.read()] == [b'{"type":"answer"}']
        assert (link.messages_out, link.bytes_out, link.messages_in, link.bytes_in) == (1, 14, 1, 17)


async def test_a_reader_is_woken_by_an_answer(autojump_clock: trio.testing.MockClock) -> None:
    script = Script().on("ask", "answer")

    async with open_upstream(script, trio.current_time) as link, trio.open_nursery() as nursery:

        async def ask() -> None:
            await trio.testing.wait_all_tasks_blocked()
            link.write(b'{"type":"ask"}', Kind.TEXT)
            link.flush()

        nursery.start_soon(ask)
        assert [message.raw for message in await link.read()] == [b'{"type":"answer"}']


async def test_closing_gives_the_machine_its_last_words(autojump_clock: trio.testing.MockClock) -> None:
    script = Script()

    async with open_upstream(script, trio.current_time) as link:
        link.write(b'{"type":"last"}', Kind.TEXT)
        await link.close(1012, "restart")
        link.write(b'{"type":"too late"}', Kind.TEXT)
        await link.close(1000, "again")

        assert script.types() == ["last"]
        assert script.ended == Disconnected(1012, "restart")
        assert link.closed == (1012, "restart")
        assert await link.read() == ()


class Worker:
    """A machine that has something slow done."""

    waits_for = "its work"
    deadline = inf

    def step(self, now: float, given: MachineInput) -> list[MachineOutput]:
        match given:
            case Connected():
                return [Work(1, lambda: "done in a thread")]
            case Done(result=result):
                return [frame({"type": "worked", "result": str(result)})]
        return []

    def advance(self, now: float) -> list[MachineOutput]:
        return []


async def test_work_is_done_in_a_thread() -> None:
    async with open_upstream(Worker(), trio.current_time) as link:
        assert link.closed == (1006, "")
        with trio.fail_after(30):
            assert [message.raw for message in await link.read()] == [b'{"type":"worked","result":"done in a thread"}']


async def test_a_machine_that_something_has_happened_to_is_asked_what_it_has_to_say() -> None:
    class Bell(Worker):
        def step(self, now: float, given: MachineInput) -> list[MachineOutput]:
            return []

        def advance(self, now: float) -> list[MachineOutput]:
            return [frame({"type": "rang"}), Close(1000, "once")]

    async with open_upstream(Bell(), trio.current_time) as link, trio.open_nursery() as nursery:

        async def ring() -> None:
            await trio.testing.wait_all_tasks_blocked()
            link.wake()
            link.wake()  # it is closed: nobody asks it any more

        nursery.start_soon(ring)
        with trio.fail_after(30):
            assert [message.raw for message in await link.read()] == [b'{"type":"rang"}']
            assert await link.read() == ()


def test_a_frame_is_text_unless_said_otherwise() -> None:
    assert Frame(b"x").kind is Kind.TEXT
