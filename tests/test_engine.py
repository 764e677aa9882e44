"""The driver for real time, over links in memory and Trio's virtual clock."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from realtime_engine.audio import decode_base64
from realtime_engine.commands import Connect, RunTool, Step
from realtime_engine.driving import REPLACED, Run
from realtime_engine.engine import GRACE, MOST_ANSWERS, MOST_QUEUED, PROGRESS, converse
from realtime_engine.errors import RemoteProtocolError, UpstreamError
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.link import LARGEST, Link, Take
from realtime_engine.machine import Close, Disconnected, Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.memory import MemoryLink, memory_pair
from realtime_engine.options import Limits, Reconnect, SessionOptions, ToolSchema
from realtime_engine.session import Session
from realtime_engine.stopping import Stopping
from realtime_engine.sweep import Sweep
from tests.script import Script, created, done, function_call, session_created, speech, speech_started

Clock = Callable[[], float]
Opener = Callable[[Clock], AbstractAsyncContextManager[Link]]


def machine(side: Side, peer: Machine) -> Opener:
    return partial(open_machine, side, peer)


def link(end: MemoryLink) -> Opener:
    @asynccontextmanager
    async def open_link(clock: Clock) -> AsyncIterator[Link]:
        yield end

    return open_link


async def talk(front: Script, upstream: Script, **options: Any) -> tuple[Run, list[Step]]:
    steps: list[Step] = []
    end = await converse(
        Session(SessionOptions(**options)),
        open_front=machine(Side.FRONT, front),
        open_upstream=machine(Side.UPSTREAM, upstream),
        record=steps.append,
    )
    return end, steps


async def test_a_conversation_goes_in_real_time_as_it_does_in_virtual_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front = Script().at(0.5, bytes(100)).at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(2.5, speech_started())

    end, _ = await talk(front, upstream)

    assert end == (5.0, 1000, "the front has left")
    assert [(heard.at, heard.type) for heard in upstream.heard] == [
        (1.5, "input_audio_buffer.append"),
        (2.5, "conversation.item.truncate"),
    ]
    assert upstream.truncations() == [("item_1", 2500)]
    assert front.types()[-2:] == ["input_audio_buffer.speech_started", "output_audio_buffer.cleared"]
    assert upstream.ended is not None
    assert upstream.ended.code == 1000


async def test_timers_fire_at_their_own_times(autojump_clock: trio.testing.MockClock) -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), *[speech(1.0)] * 3, done())

    await talk(front, upstream, lead=0.2)

    heard = [heard.at for heard in front.heard if heard.type == "response.output_audio.delta"]
    assert heard == [1.0, 1.8, 2.8]


class Woken(trio.abc.Instrument):
    """Notes when a task has something to do."""

    def __init__(self, name: str) -> None:
        self.at: list[float] = []
        self._name = name
        self._start = trio.current_time()

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if task.name.endswith(self._name):
            self.at.append(trio.current_time() - self._start)


async def test_a_timer_that_is_due_sooner_wakes_who_waits_for_it(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever looks at sockets all the time must see that somebody else has something to do."""
    woken = Woken("_watch_the_clock")
    trio.lowlevel.add_instrument(woken)

    await talk(Script().at(1, bytes(100)).at(1.5, bytes(100)).at(4, Close()), Script())

    trio.lowlevel.remove_instrument(woken)
    assert [at for at in woken.at if 0 < at < 4] == pytest.approx([1.0, 2.0])  # audio waits for a second at most


async def test_tools_run_beside_the_conversation_and_are_cancelled_with_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cancelled: list[str] = []

    async def run_tool(call: RunTool) -> ToolResult:
        if call.call_id == "call_1":
            await trio.sleep(1)
            return ToolResult(call.call_id, "sunny")
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(call.call_id)

    upstream = Script().at(0, created()).at(1, *[function_call(f"call_{n}", "weather", "{}") for n in (1, 2)], done())

    await converse(
        Session(SessionOptions(tools=(ToolSchema(name="weather"),))),
        open_front=machine(Side.FRONT, Script().at(5, Close())),
        open_upstream=machine(Side.UPSTREAM, upstream),
        run_tool=run_tool,
    )

    assert [(heard.at, heard.type) for heard in upstream.heard] == [(2.0, "conversation.item.create")]
    assert cancelled == ["call_2"]


async def test_a_tool_that_is_cancelled_before_it_starts_does_not_start(
    autojump_clock: trio.testing.MockClock,
) -> None:
    started: list[str] = []

    async def run_tool(call: RunTool) -> ToolResult:
        started.append(call.call_id)
        await trio.lowlevel.checkpoint()
        started.append("and went on")
        return ToolResult(call.call_id, "sunny")

    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), Close())

    await converse(
        Session(SessionOptions(tools=(ToolSchema(name="weather"),))),
        open_front=machine(Side.FRONT, Script()),
        open_upstream=machine(Side.UPSTREAM, upstream),
        run_tool=run_tool,
    )

    assert "and went on" not in started


async def test_without_a_runner_no_tool_is_run(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), done())

    end, _ = await talk(Script().at(5, Close()), upstream, tools=(ToolSchema(name="weather"),))

    assert end.at == 5.0


async def test_the_operator_can_stop_a_conversation(autojump_clock: trio.testing.MockClock) -> None:
    async def stop() -> Stop:
        await trio.sleep(3)
        return Stop("enough")

    front = Script()
    end = await converse(
        Session(SessionOptions()),
        open_front=machine(Side.FRONT, front),
        open_upstream=machine(Side.UPSTREAM, Script()),
        stop=stop,
    )

    assert end == (3.0, 1001, "enough")
    assert front.ended is not None
    assert front.ended.reason == "enough"


async def test_all_conversations_are_stopped_at_once_also_those_that_begin_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stopping = Stopping()
    ends: list[Run] = []

    async def hold() -> None:
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=machine(Side.FRONT, Script()),
            open_upstream=machine(Side.UPSTREAM, Script()),
            stop=stopping,
        )
        ends.append(end)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold)
        nursery.start_soon(hold)
        await trio.sleep(2)
        stopping.say(Stop("restart", code=1012))
        await trio.sleep(1)
        nursery.start_soon(hold)

    assert ends == [(2.0, 1012, "restart"), (2.0, 1012, "restart"), (0.0, 1012, "restart")]


@asynccontextmanager
async def sweeping() -> AsyncIterator[Sweep]:
    sweep = Sweep()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweep.run)
        yield sweep
        nursery.cancel_scope.cancel()


async def test_the_sweep_fires_timers_late_but_at_their_own_times(autojump_clock: trio.testing.MockClock) -> None:
    async with sweeping() as sweep:
        end = await converse(
            Session(SessionOptions(mode="transparent", limits=Limits(duration=3.2))),
            open_front=machine(Side.FRONT, Script()),
            open_upstream=machine(Side.UPSTREAM, Script()),
            sweep=sweep,
        )

    assert (end.at, end.code) == (3.2, 1008)
    assert trio.current_time() == 3.5


async def test_the_sweep_sees_who_reads_nothing(autojump_clock: trio.testing.MockClock) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1)

    async with sweeping() as sweep, trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 5)
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script()),
            sweep=sweep,
        )
        nursery.cancel_scope.cancel()

    assert (end.code, end.reason) == (1013, "front: too slow: nothing was read for 10 s")


async def test_what_goes_wrong_in_the_sweep_ends_its_own_conversation_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def fail(step: Step) -> None:
        if step.input is None:
            raise RuntimeError("a bug")

    async with sweeping() as sweep:
        with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug"), flatten_subgroups=True):
            await converse(
                Session(SessionOptions(mode="transparent", limits=Limits(duration=3))),
                open_front=machine(Side.FRONT, Script()),
                open_upstream=machine(Side.UPSTREAM, Script()),
                record=fail,
                sweep=sweep,
            )
        await trio.sleep(1)  # the sweep goes on


@pytest.mark.parametrize("in_a_nursery", [False, True])
async def test_an_upstream_that_refuses_reaches_the_front_as_an_error(
    autojump_clock: trio.testing.MockClock, in_a_nursery: bool
) -> None:
    refusal = UpstreamError("the key was refused")
    error = ExceptionGroup("from its nursery", [refusal]) if in_a_nursery else refusal

    def refuse(clock: Clock) -> AbstractAsyncContextManager[Link]:
        raise error

    front = Script()
    notes: list[str] = []
    end = await converse(
        Session(SessionOptions()), open_front=machine(Side.FRONT, front), open_upstream=refuse, note=notes.append
    )

    assert end.code == 1011
    assert "the key was refused" in end.reason
    assert "the key was refused" in front.all("error")[0]["error"]["message"]


async def test_a_connection_that_takes_its_time_to_end_disturbs_nobody(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Script().at(1, created(), speech(5.0), Close(1000, "bye"))

    @asynccontextmanager
    async def slow_to_end(clock: Clock) -> AsyncIterator[Link]:
        async with open_machine(Side.UPSTREAM, upstream, clock) as end:
            yield end
        await trio.sleep(3)

    end = await converse(
        Session(SessionOptions()),
        open_front=machine(Side.FRONT, Script().at(2, bytes(9000)).at(3, "output_audio_buffer.clear")),
        open_upstream=slow_to_end,
    )

    assert end == (3.0, 1000, "bye")
    assert upstream.heard == []


def one_after_the_other(*openers: Opener) -> Opener:
    waiting = list(openers)

    def open_next(clock: Clock) -> AbstractAsyncContextManager[Link]:
        return waiting.pop(0)(clock)

    return open_next


async def test_a_lost_connection_is_made_again_and_an_old_one_is_made_anew(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front = Script().at(5, "response.create").at(30, Close())
    lost = Script().on("connected", session_created()).at(2, Close(1006, ""))
    old = Script().on("connected", session_created()).on("response.create", created(), done())
    new = Script().on("connected", session_created())
    steps: list[Step] = []

    end = await converse(
        Session(SessionOptions(reconnect=Reconnect(delays=(0.5,), renew_after=20))),
        open_front=machine(Side.FRONT, front),
        open_upstream=one_after_the_other(*(machine(Side.UPSTREAM, script) for script in (lost, old, new))),
        record=steps.append,
    )

    changes = [(step.at, step.input) for step in steps if isinstance(step.input, Opened | Closed)][1:]
    assert changes == [
        (0, Opened(Side.UPSTREAM)),
        (2, Closed(Side.UPSTREAM, 1, 1006)),
        (2.5, Opened(Side.UPSTREAM, 2)),
        (22.5, Opened(Side.UPSTREAM, 3)),
        (30, Closed(Side.FRONT)),
    ]
    assert (end.at, old.ended, new.ended) == (30, Disconnected(1000, REPLACED), Disconnected(1000, end.reason))


async def test_a_connection_that_is_made_anew_says_nothing_more_and_hears_what_it_was_told_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It speaks at the very moment, its last words wait to be flushed, and it takes its time to close."""

    class Late(MemoryLink):
        last_words = False

        async def read(self) -> list[Message]:
            said = list(await super().read())
            if self.last_words:
                with trio.CancelScope(shield=True):
                    await trio.sleep(2)
            return said

        async def close(self, code: int = 1000, reason: str = "") -> None:
            await trio.sleep_forever()

    near, far = memory_pair(Side.UPSTREAM)
    late = Late(near._reads, near._writes)
    far.write(json.dumps(session_created()).encode(), Kind.TEXT)
    far.flush()
    steps: list[Step] = []

    def record(step: Step) -> None:
        steps.append(step)
        if step.at == 9:
            late.last_words = True
            far.write(b'{"type":"response.created"}', Kind.TEXT)
            far.flush()

    end = await converse(
        Session(SessionOptions(reconnect=Reconnect(renew_after=10), lead=0.0)),
        open_front=machine(Side.FRONT, Script().at(9, bytes(100)).at(15, Close())),
        open_upstream=one_after_the_other(link(late), machine(Side.UPSTREAM, Script())),
        record=record,
    )

    assert end.at == 15
    assert [json.loads(message.raw)["type"] for message in await far.read()] == ["input_audio_buffer.append"]
    assert not [step for step in steps if step.at > 9.5 and isinstance(step.input, Message)]


async def test_what_comes_when_a_timer_has_just_given_up_the_connection_is_not_heard(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody looks at the timers here but the steps themselves."""
    old = Script().on("connected", session_created()).at(11, created())
    new = Script().on("connected", session_created())
    steps: list[Step] = []

    await converse(
        Session(SessionOptions(reconnect=Reconnect(renew_after=10))),
        open_front=machine(Side.FRONT, Script().at(12, Close())),
        open_upstream=one_after_the_other(machine(Side.UPSTREAM, old), machine(Side.UPSTREAM, new)),
        record=steps.append,
        sweep=Sweep(),
    )

    assert [step.at for step in steps if Connect(2) in step.commands] == [10]
    assert not [step for step in steps if isinstance(step.input, Message) and b"response.created" in step.input.raw]


async def test_an_upstream_that_fails_while_it_is_read_is_lost_once(autojump_clock: trio.testing.MockClock) -> None:
    class Silent(MemoryLink):
        async def read(self) -> list[Message]:
            await trio.sleep(3)
            raise UpstreamError("the model's server has said nothing within 3 s")

    near, _ = memory_pair(Side.UPSTREAM)
    front = Script()

    end = await converse(
        Session(SessionOptions(reconnect=Reconnect())),
        open_front=machine(Side.FRONT, front),
        open_upstream=link(Silent(near._reads, near._writes)),
    )

    assert (end.at, end.code) == (3, 1011)
    assert "said nothing within 3 s" in end.reason
    assert len(front.all("error")) == 1


async def test_an_upstream_that_fails_as_it_ends_has_ended_already(autojump_clock: trio.testing.MockClock) -> None:
    upstream = Script().at(1, created(), speech(2.0), Close(1000, "bye"))

    @asynccontextmanager
    async def fails_to_end(clock: Clock) -> AsyncIterator[Link]:
        async with open_machine(Side.UPSTREAM, upstream, clock) as end:
            yield end
            raise UpstreamError("the socket is broken")

    front = Script()

    end = await converse(Session(SessionOptions()), open_front=machine(Side.FRONT, front), open_upstream=fails_to_end)

    assert end == (3.0, 1000, "bye")
    assert not front.all("error")


async def test_notes_are_handed_on(autojump_clock: trio.testing.MockClock) -> None:
    notes: list[str] = []

    await converse(
        Session(SessionOptions()),
        open_front=machine(Side.FRONT, Script()),
        open_upstream=machine(Side.UPSTREAM, Script().at(1, b"\x00", Close())),
        note=notes.append,
    )

    assert len(notes) == 1


async def test_a_front_that_breaks_the_protocol_ends_its_own_conversation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Broken(MemoryLink):
        async def read(self) -> list[Message]:
            raise RemoteProtocolError("a frame too large", side=Side.FRONT, close_code=1009)

    near, _ = memory_pair(Side.FRONT)
    end = await converse(
        Session(SessionOptions()),
        open_front=link(Broken(near._reads, near._writes)),
        open_upstream=machine(Side.UPSTREAM, Script()),
    )

    assert end.code == 1000


# --- backpressure ---------------------------------------------------------------------------------------------


async def writes_first(far: MemoryLink, raw: bytes, count: int) -> None:
    """A peer that writes all it has to say before it reads anything."""
    for _ in range(count):
        far.write(raw, Kind.TEXT)
        far.flush()
        await far.drain()


async def test_a_slow_reader_slows_the_writer_and_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    front, far_front = memory_pair(Side.FRONT)
    upstream, far_upstream = memory_pair(Side.UPSTREAM)
    raw = json.dumps({"type": "news", "text": "x" * 1000}).encode()
    received = 0

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                converse,
                Session(SessionOptions(mode="transparent")),
                open_front=link(front),
                open_upstream=link(upstream),
            )
        )
        nursery.start_soon(writes_first, far_upstream, raw, 2000)
        while received < 2000:
            await trio.sleep(1)  # slow, but it reads
            batch = await far_front.read()
            assert all(message.raw == raw for message in batch)
            received += len(batch)
            assert far_upstream.queued + front.queued < 300_000
        await far_front.close()


async def test_a_peer_that_reads_but_little_is_not_given_up(autojump_clock: trio.testing.MockClock) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1)
    raw = [f"news {n}" for n in range(5)]
    received: list[bytes] = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                converse,
                Session(SessionOptions()),
                open_front=link(front),
                open_upstream=machine(Side.UPSTREAM, Script().at(0, *raw)),
            )
        )
        for _ in range(6):
            await trio.sleep(PROGRESS - 1)
            received += [message.raw for message in await far_front.read()]
        await far_front.close()

    assert [json.loads(each)["type"] for each in received] == ["engine.session", *raw]


class Slow(MemoryLink):
    """A link that calls, and goes on a second after it was told to wait."""

    _scope: trio.CancelScope

    async def listen(self, take: Take) -> bool:
        with trio.CancelScope() as self._scope:
            while batch := await self.read():
                if not take(batch):
                    await trio.sleep(1)
                    return True
        return False

    def stop_listening(self) -> None:
        self._scope.cancel()


async def test_nobody_waits_for_an_upstream_that_is_lost_meanwhile(autojump_clock: trio.testing.MockClock) -> None:
    front, far_front = memory_pair(Side.FRONT)
    upstream, far_upstream = memory_pair(Side.UPSTREAM, capacity=1)
    steps: list[Step] = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                converse,
                Session(SessionOptions(reconnect=Reconnect(delays=(60.0,)))),
                open_front=link(Slow(front._reads, front._writes)),
                open_upstream=link(upstream),
                record=steps.append,
            )
        )
        far_upstream.write(json.dumps(session_created()).encode(), Kind.TEXT)
        far_upstream.flush()
        await trio.sleep(1)
        for n in range(2):  # there is room for one
            far_front.write(b'{"type":"input_audio_buffer.clear","event_id":"%d"}' % n, Kind.TEXT)
        far_front.flush()
        await trio.sleep(0.5)
        await far_upstream.close(1006)
        await trio.sleep(1)
        far_front.write(b'{"type":"input_audio_buffer.clear","event_id":"heard"}', Kind.TEXT)
        far_front.flush()
        await trio.sleep(1)
        await far_front.close()

    heard = [step.input.raw for step in steps if isinstance(step.input, Message) and step.input.side is Side.FRONT]
    assert [b'"heard"' in raw for raw in heard] == [False, False, True]


async def test_two_peers_that_write_before_they_read_are_ended_by_the_deadline_and_nothing_hangs(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front, far_front = memory_pair(Side.FRONT)
    upstream, far_upstream = memory_pair(Side.UPSTREAM)
    up = json.dumps({"type": "conversation.item.delete", "item_id": "x" * 1000}).encode()
    down = json.dumps({"type": "news", "text": "x" * 1000}).encode()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, up, 1000)
        nursery.start_soon(writes_first, far_upstream, down, 1000)
        end = await converse(
            Session(SessionOptions(mode="transparent")), open_front=link(front), open_upstream=link(upstream)
        )
        nursery.cancel_scope.cancel()

    assert end.code == 1013
    assert "too slow" in end.reason
    assert end.at <= PROGRESS + 1
    assert trio.current_time() <= PROGRESS + GRACE + 2


async def reads_a_little(end: MemoryLink) -> None:
    while True:
        await trio.sleep(1)
        await end.read()


async def test_a_client_that_reads_too_little_of_what_it_is_told_about_its_own_messages_is_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1000)
    most = 0

    def look(step: Step) -> None:
        nonlocal most
        most = max(most, front.queued)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 10_000)
        nursery.start_soon(reads_a_little, far_front)
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script()),
            record=look,
        )
        nursery.cancel_scope.cancel()

    assert end.code == 1013
    assert "wait to be read" in end.reason
    assert most < 2 * MOST_ANSWERS


async def test_a_large_answer_of_the_model_that_waits_is_no_reason_to_end_who_makes_a_mistake(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1000)
    large = {"type": "conversation.item.retrieved", "item": {"audio": "A" * (2 * MOST_ANSWERS)}}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 10)
        nursery.start_soon(reads_a_little, far_front)

        async def leave() -> None:
            await trio.sleep(5)
            await far_front.close()

        nursery.start_soon(leave)
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script().at(0, large)),
        )
        nursery.cancel_scope.cancel()

    assert end.code == 1000


async def test_what_the_session_itself_sends_is_bounded_too(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime_engine.engine.MOST_QUEUED", 100_000 - LARGEST)
    front, far_front = memory_pair(Side.FRONT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 1000)  # and never reads the errors
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script()),
        )
        nursery.cancel_scope.cancel()

    assert end.code == 1013
    assert "wait to be read" in end.reason
    assert MOST_QUEUED == 1 << 20


@pytest.mark.parametrize(("largest", "code"), [(LARGEST, 1013), (2 * LARGEST, 1000)])
async def test_a_message_may_wait_that_is_as_large_as_the_operator_allows(
    largest: int, code: int, autojump_clock: trio.testing.MockClock
) -> None:
    class Allowed(MemoryLink):
        largest = 0

    front, far_front = memory_pair(Side.FRONT, capacity=1)
    near, far_upstream = memory_pair(Side.UPSTREAM)
    upstream = Allowed(near._reads, near._writes)
    upstream.largest = largest
    large = b'{"type":"unknown","more":"%b"}' % bytes(LARGEST + MOST_QUEUED).replace(b"\0", b"x")
    got: list[Message] = []

    async def hear() -> None:
        await trio.sleep(1)
        while batch := await far_front.read():
            got.extend(batch)
            if len(got) == 2:
                await far_front.close()

    async with trio.open_nursery() as nursery:
        for raw in (b'{"type":"unknown"}', large):
            far_upstream.write(raw, Kind.TEXT)
        far_upstream.flush()
        nursery.start_soon(hear)
        end = await converse(
            Session(SessionOptions(mode="transparent")), open_front=link(front), open_upstream=link(upstream)
        )
        nursery.cancel_scope.cancel()

    assert end.code == code
    assert len(got) == 2


async def test_who_reads_nothing_for_ten_seconds_is_ended_however_little_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 5)  # and never reads the errors
        end = await converse(
            Session(SessionOptions(mode="transparent")),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script()),
        )
        nursery.cancel_scope.cancel()

    assert (end.at, end.code, end.reason) == (PROGRESS, 1013, "front: too slow: nothing was read for 10 s")


@pytest.mark.parametrize("delays", [(0.0,), (1.0,)])
async def test_an_upstream_that_reads_nothing_is_lost_and_another_goes_on(
    delays: tuple[float, ...], autojump_clock: trio.testing.MockClock
) -> None:
    """The network may be gone without a word: the microphone finds out before any ping does."""
    near, far = memory_pair(Side.UPSTREAM, capacity=1)
    far.write(json.dumps(session_created()).encode(), Kind.TEXT)
    far.flush()
    front = Script().at(PROGRESS * 2, Close())
    for tenth in range(50):
        front.at(1 + tenth / 10, bytes(4800))
    second = Script().on("connected", session_created())
    steps: list[Step] = []

    end = await converse(
        Session(SessionOptions(reconnect=Reconnect(delays=delays))),
        open_front=machine(Side.FRONT, front),
        open_upstream=one_after_the_other(link(near), machine(Side.UPSTREAM, second)),
        record=steps.append,
    )

    assert end == (PROGRESS * 2, 1000, "the front has left")
    losses = [step.input for step in steps if isinstance(step.input, Closed) and step.input.side is Side.UPSTREAM]
    assert losses == [Closed(Side.UPSTREAM, 1, 1013, "upstream: too slow: nothing was read for 10 s")]
    heard = [decode_base64(event["audio"]) for event in second.all("input_audio_buffer.append")]
    assert sum(map(len, heard)) == 50 * 4800


async def test_who_is_behind_is_not_ended_by_a_timer_that_comes_before_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes_first, far_front, b'{"type":"refused"}', 5)
        end = await converse(
            Session(SessionOptions(limits=Limits(duration=3))),
            open_front=link(front),
            open_upstream=machine(Side.UPSTREAM, Script().at(0, created(), speech(1.0), done())),
        )
        nursery.cancel_scope.cancel()

    assert (end.at, end.code) == (3.0, 1008)


async def test_closing_waits_no_longer_than_the_grace_time(autojump_clock: trio.testing.MockClock) -> None:
    front, far_front = memory_pair(Side.FRONT, capacity=1)

    async def stop() -> Stop:
        await trio.sleep(1)
        return Stop("restart")

    end = await converse(
        Session(SessionOptions()),
        open_front=link(front),
        open_upstream=machine(Side.UPSTREAM, Script().at(0, "one", "two")),
        stop=stop,
    )

    assert end.at == 1.0
    assert trio.current_time() == 1.0 + GRACE
    assert far_front.closed == (1006, "")
