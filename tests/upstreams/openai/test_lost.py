"""A second engine as upstream, over real sockets, through a proxy that spoils them."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import soundfile
import trio
from msgspec import Raw

from realtime_engine.commands import RunTool, Send, Step
from realtime_engine.driving import Run
from realtime_engine.engine import converse
from realtime_engine.inputs import Side, ToolResult
from realtime_engine.machine import Close
from realtime_engine.machine_link import open_machine
from realtime_engine.network import Network, open_network
from realtime_engine.options import Reconnect, SessionOptions, ToolSchema
from realtime_engine.recording.replay import replay
from realtime_engine.service import Service
from realtime_engine.session import Session
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
from tests.faults import FaultProxy, open_proxy
from tests.script import Said, Script
from tests.servers import model, open_server
from tests.speech import write_speech

PATIENCE: Final = 60.0
POINTS: Final = 20
HANGS: Final = float(os.environ.get("ENGINE_HANG_SECONDS", "0.4"))
"""How long a server hangs that is waited for; ``make soak`` takes its time."""

CALL_POINTS: Final = 8
AUDIO: Final = "response.output_audio.delta"
A_WORD: Final = 0.25  # seconds; of what is interrupted sooner nothing has been heard


@dataclass(slots=True)
class Held:
    """A conversation that was held.

    Attributes:
        began: When, on Trio's clock.
    """

    end: Run
    front: Script
    began: float
    steps: list[Step] = field(default_factory=list)

    def errors(self) -> list[str]:
        return [event["error"]["code"] for event in self.front.all("error")]

    def told_at(self, kind: str) -> float:
        """When the session first told of such an event, on its own clock."""
        raw = f'"type":"{kind}"'.encode()
        sends = [(step.at, each.raw) for step in self.steps for each in step.commands if isinstance(each, Send)]
        return next(at for at, said in sends if raw in said)

    def error_at(self) -> float:
        """When the front heard of the mishap, on Trio's clock."""
        return self.began + next(heard.at for heard in self.front.heard if heard.type == "error")


@dataclass(slots=True)
class Spoilt:
    """An engine behind a proxy."""

    proxy: FaultProxy
    network: Network

    async def hold(self, front: Script, *, ping: float = 20.0, **session: Any) -> Held:
        """A conversation through the proxy; it must replay exactly."""
        upstream = OpenAI(OpenAIOptions(url=f"ws://127.0.0.1:{self.proxy.port}/v1/realtime", upstream_ping=ping))
        options = SessionOptions(**{"reconnect": Reconnect(delays=(0.0, 0.1, 0.2)), **session})
        steps: list[Step] = []
        began = trio.current_time()
        with trio.fail_after(PATIENCE + HANGS):
            end = await converse(
                Session(options),
                open_front=lambda clock: open_machine(Side.FRONT, front, clock),
                open_upstream=lambda clock: upstream.open(clock, self.network),
                run_tool=_look,
                record=steps.append,
            )
        assert replay(Session(options), steps, end.at) is None
        return Held(end, front, began, steps)


async def _look(call: RunTool) -> ToolResult:
    """The one tool there is."""
    return ToolResult(call.call_id, "a parrot")


@asynccontextmanager
async def spoilt(**options: Any) -> AsyncIterator[Spoilt]:
    """The embedded model behind a server behind a proxy."""
    async with (
        open_server(upstream=model(**{"reply_speed": 50.0, **options})) as server,
        open_proxy(server.port) as proxy,
        open_network() as network,
    ):
        yield Spoilt(proxy, network)


def ask(item_id: str, words: str) -> Sequence[Said]:
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    return [{"type": "conversation.item.create", "item": item}, "response.create"]


def answers(script: Script) -> list[str]:
    """The words of all that was answered to its end."""
    ends = [event["response"] for event in script.all("response.done")]
    parts = [item["content"][0] for end in ends if end["status"] == "completed" for item in end["output"]]
    return [part["transcript"] for part in parts]


def leaves_after_the_last_answer(event: dict[str, Any]) -> Sequence[Said]:
    return [Close()] if "goodbye" in str(event["response"]["output"]) else []


def person() -> Script:
    """Somebody who asks, and when the model is there again asks what it remembers, and then something else.

    That waits for the first answer, if nothing of it has been heard.
    """
    front = Script().on("session.created", *ask("item_hello", "hello"))
    remember = {"type": "conversation.item.retrieve", "item_id": "item_hello"}
    goodbye = ask("item_goodbye", "goodbye")
    front.on("engine.upstream", lambda event: [remember] if event["state"] == "connected" else [])
    front.on("conversation.item.retrieved", lambda event: goodbye if front.all(AUDIO) else [])

    def answered(event: dict[str, Any]) -> Sequence[Said]:
        is_first = "hello" in str(event["response"]["output"]) and front.all("conversation.item.retrieved")
        return goodbye if is_first else leaves_after_the_last_answer(event)

    return front.on("response.done", answered)


async def response_begins_and_ends(engine: Spoilt) -> tuple[int, int]:
    """How much has come through the proxy by then, in a conversation that nothing disturbs."""
    marks: list[int] = []

    def mark(event: dict[str, Any]) -> Sequence[Said]:
        marks.append(engine.proxy.down.passed)
        return [Close()] if event["type"] == "response.done" else []

    front = Script().on("session.created", *ask("item_hello", "hello"))
    await engine.hold(front.on("response.created", mark).on("response.done", mark))
    return marks[0], marks[1]


@pytest.mark.parametrize("point", range(POINTS))
async def test_a_reset_at_any_point_of_a_response_is_one_error_and_the_conversation_goes_on(point: int) -> None:
    async with spoilt() as engine:
        begin, end = await response_begins_and_ends(engine)
        at = begin + (end - begin) * point // POINTS
        engine.proxy.down.reset_peer = engine.proxy.down.passed + at

        held = await engine.hold(person())

    assert engine.proxy.connections == 3
    assert held.errors() == ["upstream_closed"]
    assert held.error_at() - engine.proxy.broken_at < 1
    assert held.end.code == 1000
    (remembered,) = held.front.all("conversation.item.retrieved")
    assert remembered["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    assert answers(held.front)[-1] == "You said: goodbye"
    lost = [event["response"]["id"] for event in held.front.all("response.done") if _is_cut_off(event)]
    heard = [event for event in held.front.all(AUDIO) if event["response_id"] in lost]
    assert bool(heard) != ("You said: hello" in answers(held.front))


def _is_cut_off(event: dict[str, Any]) -> bool:
    return bool(event["response"]["status"] == "cancelled")


@pytest.mark.parametrize("point", [0, 7, 19])
async def test_a_reset_in_a_transparent_session_is_one_error_and_a_close_with_a_reason(point: int) -> None:
    async with spoilt() as engine:
        begin, end = await response_begins_and_ends(engine)
        engine.proxy.down.reset_peer = engine.proxy.down.passed + begin + (end - begin) * point // POINTS

        held = await engine.hold(person(), mode="transparent")

    assert held.errors() == ["upstream_closed"]
    assert held.error_at() - engine.proxy.broken_at < 1
    assert held.end.code == 1011
    assert held.end.reason


async def test_a_server_that_hangs_for_a_while_is_waited_for() -> None:
    async with spoilt() as engine, trio.open_nursery() as nursery:

        async def hang() -> None:
            engine.proxy.down.stop()
            await trio.sleep(HANGS)
            engine.proxy.down.go_on()

        def hangs(event: dict[str, Any]) -> Sequence[Said]:
            nursery.start_soon(hang)
            return ask("item_goodbye", "goodbye")

        front = Script().on("session.created", hangs).on("response.done", leaves_after_the_last_answer)
        held = await engine.hold(front)

    assert held.errors() == []
    assert answers(held.front) == ["You said: goodbye"]


async def test_a_server_that_hangs_for_good_is_lost_and_what_it_did_not_hear_is_said_again() -> None:
    async with spoilt() as engine:

        def hangs(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.up.stop()
            return ask("item_hello", "hello")

        def is_back(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.up.go_on()
            return []

        front = Script().on("session.created", hangs).on("error", is_back)
        front.on(
            "response.done", lambda event: ask("item_goodbye", "goodbye") if len(answers(front)) == 1 else [Close()]
        )
        held = await engine.hold(front, ping=1.0)

    assert held.errors() == ["upstream_closed"]
    assert answers(held.front) == ["You said: hello", "You said: goodbye"]


async def test_byte_by_byte_nothing_is_lost() -> None:
    async with spoilt() as engine:
        front = Script().on("session.created", *ask("item_goodbye", "goodbye"))
        front.on("response.done", leaves_after_the_last_answer)
        whole = await engine.hold(front)
        engine.proxy.up.slicer = 1
        engine.proxy.down.slicer = 7
        again = Script().on("session.created", *ask("item_goodbye", "goodbye"))
        sliced = await engine.hold(again.on("response.done", leaves_after_the_last_answer))

    assert [event["delta"] for event in sliced.front.all(AUDIO)] == [event["delta"] for event in whole.front.all(AUDIO)]
    assert sliced.errors() == []


async def test_a_server_that_is_gone_for_longer_than_all_attempts_ends_the_conversation_with_a_reason() -> None:
    async with spoilt() as engine:

        def goes(event: dict[str, Any]) -> Sequence[Said]:
            engine.proxy.disable()
            return []

        held = await engine.hold(Script().on("session.created", goes))

    assert held.errors() == ["upstream_closed"]
    assert held.end.code == 1011
    assert "127.0.0.1" in held.end.reason
    assert [event["attempt"] for event in held.front.all("engine.upstream")] == [1, 2, 3]


@pytest.mark.parametrize("point", range(CALL_POINTS))
async def test_a_reset_at_any_point_of_a_call_and_its_answer_loses_neither(point: int, tmp_path: Path) -> None:
    script = tmp_path / "replies.toml"
    script.write_text(CALLS, "utf-8")
    tools = (ToolSchema(name="look"),)

    def leaves(event: dict[str, Any]) -> Sequence[Said]:
        marks.append(engine.proxy.down.passed)
        return [Close()] if "It is a parrot" in str(event["response"].get("output")) else []

    async with spoilt(script=script) as engine:
        marks: list[int] = []
        undisturbed = Script().on("session.created", *ask("item_hello", "look")).on("response.created", leaves)
        await engine.hold(undisturbed.on("response.done", leaves), tools=tools)
        begin, end = marks[0], marks[-1]
        engine.proxy.down.reset_peer = engine.proxy.down.passed + begin + (end - begin) * point // CALL_POINTS

        front = Script().on("session.created", *ask("item_hello", "look")).on("response.done", leaves)
        front.on("engine.upstream", lambda event: [Close()] if _is_heard(front) else [])
        held = await engine.hold(front, tools=tools)

    assert held.end.code == 1000
    assert len(held.errors()) == 1
    calls = [command.call_id for step in held.steps for command in step.commands if isinstance(command, RunTool)]
    assert len(calls) in (1, 2)  # again, where the first was lost before it was handed out


CALLS: Final = """
[[reply]]
text = "look"
call = { name = "look", arguments = {} }

[[reply]]
after = "look"
say = "It is {output}."
"""


def _is_heard(front: Script) -> bool:
    """Whether something of the last answer has been heard: then it is not asked for again."""
    return bool(front.all(AUDIO))


async def test_a_session_that_expires_while_it_answers_is_gone_on_with() -> None:
    async with spoilt(expires_after=0.5, reply_speed=1.0) as engine:
        front = Script().on("session.created", *ask("item_hello", "a long story that takes its time"))
        goodbye = ask("item_goodbye", "goodbye")
        front.on("engine.upstream", lambda event: goodbye if event["state"] == "connected" else [])
        front.on(AUDIO, lambda event: [Close()] if len({each["response_id"] for each in front.all(AUDIO)}) > 1 else [])
        held = await engine.hold(front)

    assert held.end.code == 1000
    assert held.errors()[0] == "session_expired"


async def test_a_connection_is_made_anew_before_its_time_is_over() -> None:
    async with spoilt() as engine:
        url = f"ws://127.0.0.1:{engine.proxy.port}/v1/realtime"
        service = Service(
            upstream=OpenAI(OpenAIOptions(url=url)), network=engine.network, reconnect=Reconnect(renew_after=0.2)
        )
        front = Script().on("response.done", leaves_after_the_last_answer)
        goodbye = ask("item_goodbye", "goodbye")
        front.on("engine.upstream", lambda event: goodbye if event["state"] == "connected" else [])
        with trio.fail_after(PATIENCE):
            end = await service.hold(partial(open_machine, Side.FRONT, front), front="test", mode="managed")

    assert (end.code, end.reason) == (1000, "the front has left")
    assert engine.proxy.connections > 1
    assert answers(front) == ["You said: goodbye"]
    assert service.metrics.totals().ended == {"1000": 1}


async def test_a_reset_in_the_middle_of_the_users_speech_loses_no_word(tmp_path: Path) -> None:
    write_speech(tmp_path / "words.wav", "What is the weather like in Lisbon today?")
    samples, _ = soundfile.read(tmp_path / "words.wav", dtype="int16")
    spoken, silence = samples.tobytes(), bytes(48_000)
    half = len(spoken) // 4 * 2
    server_vad = {"type": "server_vad", "silence_duration_ms": 500}
    transcribing = {"turn_detection": server_vad, "transcription": {"model": "any"}}
    settings = Raw(json.dumps({"type": "realtime", "audio": {"input": transcribing}}).encode())

    async with spoilt() as engine:

        def breaks(event: dict[str, Any]) -> Sequence[Said]:
            if engine.proxy.connections == 1:
                engine.proxy.reset()
            return []

        front = Script().on("session.updated", spoken[:half]).on("input_audio_buffer.speech_started", breaks)
        rest = [spoken[half:], silence, "input_audio_buffer.stopped"]
        front.on("engine.upstream", lambda event: rest if event["state"] == "connected" else [])
        front.on("conversation.item.input_audio_transcription.completed", Close())
        held = await engine.hold(front, settings=settings)

    (told,) = held.front.all("conversation.item.input_audio_transcription.completed")
    seconds = float(told["transcript"].split()[0].lstrip("["))
    assert seconds > (len(spoken) / 48_000 - 1.0) * 0.9
    assert held.errors() == ["upstream_closed"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reset_around_an_interruption_leaves_the_answer_as_it_was_heard(when: str) -> None:
    async with spoilt() as engine:
        begun = ask("item_hello", "one two three four five six seven eight nine ten")
        front = Script().on("session.created", *begun)

        def interrupts(event: dict[str, Any]) -> Sequence[Said]:
            if when == "after":
                engine.proxy.reset()
            return ["output_audio_buffer.clear"]

        def resets(event: dict[str, Any]) -> Sequence[Said]:
            if when == "before" and engine.proxy.connections == 1:
                engine.proxy.reset()
            return []

        front.on("output_audio_buffer.started", interrupts).on("output_audio_buffer.cleared", resets)
        front.on("engine.upstream", lambda event: [Close()] if event["state"] == "connected" else [])
        held = await engine.hold(front)

    told = [json.loads(command.raw) for step in held.steps for command in step.commands if isinstance(command, Send)]
    again = [
        event["item"] for event in told if event.get("event_id", "").startswith("event_engine") and "item" in event
    ]
    heard_for = held.told_at("output_audio_buffer.cleared") - held.told_at("output_audio_buffer.started")
    assert [item["role"] for item in again] == ["user"] or heard_for > A_WORD
    assert held.errors() == ["upstream_closed"]
    assert [event["type"] for event in told].count("response.create") == 1
