"""Recorded conversations held again with everything in place: tasks, links in memory, the recorder, a virtual clock.

There are no sockets and no threads here, so that Trio's clock may jump. What is compared is the whole recording.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio
import trio.testing

from realtime_engine.commands import RunTool, Step
from realtime_engine.driving import Run
from realtime_engine.engine import Clock, converse
from realtime_engine.inputs import Message, Side, ToolResult
from realtime_engine.link import Link
from realtime_engine.machine import Close, Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.memory import memory_pair
from realtime_engine.options import Reconnect, SessionOptions, ToolSchema
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import replay
from realtime_engine.recording.writer import create_recording
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.upstreams.recorded import Recorded, RecordedOptions
from realtime_engine.upstreams.recorded.front import RecordedFront
from realtime_engine.upstreams.recorded.script import sent
from realtime_engine.upstreams.recorded.tools import RecordedTools
from tests.script import Script, created, done, function_call, session_created, speech, speech_started, speech_stopped

GOLDENS: Final = Path(__file__).parents[1] / "recordings"
PLAYED: Final = {"type": "output_audio_buffer.played", "item_id": "item_1", "content_index": 0}
QUESTION: Final = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is 3 + 4?"}]}
HELLO: Final = {"type": "conversation.item.create", "item": QUESTION}
ITEM: Final = {"type": "conversation.item.added", "item": {"id": "item_q", **QUESTION}}
COMMITTED: Final = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": "item_q"}
UPDATED: Final = {"type": "session.updated", "session": {"type": "realtime"}}
SETTINGS: Final = msgspec.Raw(b'{"type":"realtime","instructions":"Be brief."}')

Talk = tuple[SessionOptions, Script, Sequence[Script]]


def a_typed_turn() -> Talk:
    upstream = Script().on("connected", session_created()).on("response.create", created(), speech(2.5), done())
    front = Script().on("session.created", HELLO, "response.create").at(6.01, Close(1001, "bye"))
    return SessionOptions(settings=SETTINGS, lead=0.25), front, [upstream]


def a_call() -> Talk:
    upstream = Script().on("connected", session_created())
    upstream.at(2.003, created(), function_call("call_1", "add", '{"a":3,"b":4}'), done())
    upstream.on("response.create", created("resp_2"), speech(0.7, "item_2", "resp_2"), done("resp_2"))
    front = Script().at(1.01, b"\1\0" * 12_000).at(4.02, Close())
    return SessionOptions(tools=(ToolSchema(name="add"),)), front, [upstream]


def an_interruption() -> Talk:
    """The front reports, and the last report comes at the instant at which it is told to be silent."""
    upstream = Script().on("connected", session_created())
    upstream.at(1.053, speech_started(200)).at(1.403, speech_stopped(700), created(), speech(1.0), speech(4.0), done())
    upstream.at(3.1074, speech_started(2600)).at(3.4081, speech_stopped(2900), created("resp_2"))
    upstream.at(3.5, speech(0.5, "item_2", "resp_2"), done("resp_2"))
    front = Script().at(5.5, Close())
    for tenth in range(52):
        front.at(tenth / 10 + 0.0123, bytes([tenth, 0]) * 2400)
    front.on(
        "output_audio_buffer.cleared",
        lambda event: [{**PLAYED, "audio_ms": 1600, "cleared_event_id": event["event_id"]}],
    )
    return SessionOptions(reports=True, lead=0.2), front, [upstream]


def a_failure() -> Talk:
    """The upstream is lost in the middle of an answer."""
    upstream = Script().on("connected", session_created()).on("response.create", created(), speech(1.5))
    upstream.at(1.77, Close(1006, ""))
    return SessionOptions(), Script().at(0.51, HELLO, "response.create"), [upstream]


def a_reconnection() -> Talk:
    """The upstream is lost in the middle of a turn, is not there at once, and is made anew later."""
    lost = Script().on("connected", session_created()).on("conversation.item.create", ITEM)
    lost.at(1.253, speech_started(200)).at(1.77, Close(1006, ""))
    away = Script().at(2.8, Close(1011, "not yet"))
    back = Script().on("connected", session_created()).on("session.update", UPDATED)
    back.at(4.9, speech_started(150)).at(5.1, speech_stopped(2900), COMMITTED, created(), speech(0.5), done())
    anew = Script().on("connected", session_created()).on("response.create", created("resp_2"), done("resp_2"))
    front = Script().at(0.51, HELLO).at(20.3, "response.create").at(21.003, Close())
    for tenth in range(52):
        front.at(0.6 + tenth / 10 + 0.0123, bytes([tenth, 0]) * 2400)
    return SessionOptions(settings=SETTINGS, reconnect=Reconnect(delays=(0.5, 1.0), renew_after=12)), front, [
        lost, away, back, anew,
    ]  # fmt: skip


def add(call: RunTool) -> ToolResult:
    return ToolResult(call.call_id, "7")


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[Talk], Path]:
    """Holds a conversation on the virtual clock without tasks, and records it."""

    def record(talk: Talk) -> Path:
        options, front, upstream = talk
        with create_recording(tmp_path / "then", options, front="test", upstream="test", warn=pytest.fail) as recorder:
            run = simulate(
                Session(options), front=front, connect=iter(upstream).__next__, run_tool=add, record=recorder.record
            )
            recorder.end(run.at, run.reason)
        return recorder.folder

    return record


@asynccontextmanager
async def over_memory(side: Side, machine: Machine, clock: Clock) -> AsyncIterator[Link]:
    """A machine at the far end of a link in memory, as a peer is at the far end of a socket."""
    link, far_end = memory_pair(side)
    async with open_machine(side, machine, clock) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(carry, peer, far_end)
        nursery.start_soon(carry, far_end, peer)
        yield link
        nursery.cancel_scope.cancel()


async def carry(source: Link, target: Link) -> None:
    while batch := await source.read():
        for message in batch:
            target.write(message.raw, message.kind)
        target.flush()
        await target.drain()
    await target.close(*source.closed)


async def hold_again(then: Path, root: Path) -> tuple[Run, Path]:
    """Hold a recorded conversation again, both sides from the recording, and record it anew."""
    with Recording(then) as recording:
        options, upstream = recording.about.options, Recorded(RecordedOptions(then))
        run_tool = RecordedTools((), recording.steps()).run

        async def run(call: RunTool) -> ToolResult:
            return run_tool(call)

        with create_recording(root, options, front="recorded", upstream="recorded", warn=pytest.fail) as recorder:
            end = await converse(
                Session(options),
                open_front=partial(over_memory, Side.FRONT, RecordedFront(recording.steps())),
                open_upstream=lambda clock: over_memory(Side.UPSTREAM, upstream.connect(), clock),
                run_tool=run,
                record=recorder.record,
            )
            recorder.end(end.at, end.reason)
    return end, recorder.folder


def steps_of(folder: Path) -> tuple[SessionOptions, Sequence[Step], float]:
    with Recording(folder) as recording:
        assert recording.end is not None
        return recording.about.options, list(recording.steps()), recording.end.at


def passed(steps: Sequence[Step]) -> Mapping[str, Sequence[tuple[float, bytes]]]:
    """What each side said and was sent, in order, with its times."""
    messages = [(step.at, step.input) for step in steps if isinstance(step.input, Message)]
    streams = {}
    for side in Side:
        streams[f"from {side.value}"] = [(at, message.raw) for at, message in messages if message.side is side]
        streams[f"to {side.value}"] = [(step.at, frame.raw) for step in steps for frame in sent(step, side)]
    return streams


@pytest.mark.parametrize("talk", [a_typed_turn, a_call, an_interruption, a_failure, a_reconnection])
async def test_a_recorded_conversation_is_the_same_when_it_is_held_again_with_all_tasks_and_links(
    talk: Callable[[], Talk],
    recorded: Callable[[Talk], Path],
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
) -> None:
    then = recorded(talk())

    _, now = await hold_again(then, tmp_path / "now")

    assert (then / "events.jsonl").read_bytes() == (now / "events.jsonl").read_bytes()


@pytest.mark.parametrize(
    "name", ["spoken-turn", "text-turn", "tool-call", "barge-in", "reconnection", "failure", "beta-client"]
)
async def test_a_golden_recording_is_held_again_with_tasks_as_it_is_without(
    name: str, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """What two sides do at one instant may change places, as Trio wakes its tasks in any order; no more than that."""
    options, then, _ = steps_of(GOLDENS / name)
    simulated: list[Step] = []
    simulate(
        Session(options),
        front=RecordedFront(then),
        connect=Recorded(RecordedOptions(GOLDENS / name)).connect,
        run_tool=RecordedTools((), then).run,
        record=simulated.append,
    )

    end, folder = await hold_again(GOLDENS / name, tmp_path)

    _, wired, at = steps_of(folder)
    assert passed(wired) == passed(simulated)
    assert end.at == at == simulated[-1].at
    assert replay(Session(options), wired, at) is None
