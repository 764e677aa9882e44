"""Clients of the beta over real sockets, as the first web applications were: plain events, and nothing newer."""

import base64
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import pytest
import soundfile
import trio
from openai.types.beta import realtime as beta
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from realtime_engine.tools import Tools
from tests.cli.fake import engine
from tests.pages import ROOT, blocks, commands, page
from tests.servers import PATIENCE, Client, model, open_client, open_server

OF_THE_BETA: Final = TypeAdapter[object](beta.RealtimeServerEvent)
LEFT_OUT: Final = "the front asks for temperature, which the protocol no longer has: left out"
PATHS: Final = ("/v1/realtime?dialect=beta", "/ws?dialect=beta")
WEATHER: Final = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@asynccontextmanager
async def open_application(path: str, *, speed: float = 100.0, **service: Any) -> AsyncIterator[Client]:
    """An application that has connected to the embedded model, and has read its first event."""
    upstream = model(script=ROOT / "tests" / "sdks" / "replies.toml", reply_speed=speed)
    served = open_server(upstream=upstream, **service)
    async with served as server, open_client(f"{server.ws_url}{path}") as client:
        (first,) = await hear(client)
        assert first["type"] == "session.created"
        yield client


async def hear(client: Client, kind: str = "") -> list[dict[str, Any]]:
    """All events up to the first of a type; each must be one of the beta."""
    events = []
    while True:
        event = await client.hear()
        known = event | {"session": event["session"] | {"model": "gpt-realtime"}} if "session" in event else event
        OF_THE_BETA.validate_python(known)
        assert event["type"] != "error", event
        events.append(event)
        if kind in ("", event["type"]):
            return events


def all_of(kind: str, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def pieces() -> list[str]:
    """A spoken question and the silence after it, in base64, 100 ms each."""
    samples, rate = soundfile.read(ROOT / "examples" / "question.wav", dtype="int16")
    assert rate == 24_000
    sound = samples.tobytes() + bytes(48_000)
    return [base64.b64encode(sound[at : at + 4800]).decode() for at in range(0, len(sound), 4800)]


@pytest.mark.parametrize("path", PATHS)
async def test_a_person_speaks_hears_the_answer_and_reads_both(path: str) -> None:
    async with open_application(path) as client:
        await client.say({"type": "session.update", "session": {"input_audio_transcription": {"model": "whisper-1"}}})
        for audio in pieces():
            await client.say({"type": "input_audio_buffer.append", "audio": audio})
        events = await hear(client, "response.done")
        written = "conversation.item.input_audio_transcription.completed"
        if not all_of(written, events):  # it may come after the answer
            events += await hear(client, written)

    kinds = [event["type"] for event in events]
    order = (
        *("session.updated", "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"),
        *("input_audio_buffer.committed", "conversation.item.created", "response.created"),
        *("response.output_item.added", "response.content_part.added", "response.audio.delta"),
        *("response.audio.done", "response.audio_transcript.done", "response.output_item.done", "response.done"),
    )
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    created = all_of("conversation.item.created", events)
    assert [event["item"]["role"] for event in created] == ["user", "assistant"]
    spoken = b"".join(base64.b64decode(event["delta"]) for event in all_of("response.audio.delta", events))
    assert len(spoken) > 48_000
    (answer,) = all_of("response.audio_transcript.done", events)
    said = "".join(event["delta"] for event in all_of("response.audio_transcript.delta", events))
    assert answer["transcript"] == said != ""
    assert all_of("response.done", events)[0]["response"]["output"][0]["content"][0]["type"] == "audio"


@pytest.mark.parametrize("path", PATHS)
async def test_an_application_answers_a_function_call(path: str) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How is the weather?"}]}
    async with open_application(path) as client:
        await client.say({"type": "session.update", "session": {"tools": [WEATHER], "tool_choice": "auto"}})
        await client.say({"type": "conversation.item.create", "item": item})
        await client.say({"type": "response.create", "response": {"modalities": ["text"], "temperature": 0.6}})
        (call,) = all_of("response.function_call_arguments.done", await hear(client, "response.done"))
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "fine"}
        await client.say({"type": "conversation.item.create", "item": output})
        await client.say({"type": "response.create", "response": {"modalities": ["text"]}})
        events = await hear(client, "response.done")

    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert all_of("response.text.done", events)[0]["text"] == "The weather service says: fine"


async def test_a_session_that_only_transcribes_does_so_with_the_events_of_then() -> None:
    asked = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1", "language": "en"}}
    async with open_server() as server, open_client(f"{server.ws_url}{PATHS[0]}&intent=transcription") as client:
        first = await client.hear()
        await client.say({"type": "transcription_session.update", "session": {**asked, "modalities": ["text"]}})
        second = await client.hear()
        for audio in pieces():
            await client.say({"type": "input_audio_buffer.append", "audio": audio})
        written = await client.hear("conversation.item.input_audio_transcription.completed", "error")

    assert (first["type"], first["session"]["input_audio_format"]) == ("transcription_session.created", "pcm16")
    assert (second["type"], second["session"]["input_audio_transcription"]["language"]) == (
        "transcription_session.updated",
        "en",
    )
    assert written["transcript"]


async def test_an_assistants_words_of_before_are_a_part_of_the_conversation() -> None:
    before = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I was here before."}]}
    async with open_application(PATHS[0]) as client:
        await client.say({"type": "conversation.item.create", "item": before})
        (created,) = await hear(client, "conversation.item.created")

    assert created["item"]["content"] == before["content"]
    assert created["item"]["object"] == "realtime.item"


async def test_at_the_managed_socket_the_engine_runs_its_tools() -> None:
    def get_weather(city: str) -> str:
        return f"sunny in {city}"

    async with open_application(PATHS[1], tools=Tools([get_weather])) as client:
        first = await client.ask("How is the weather?")
        (answer,) = all_of("response.audio_transcript.done", await hear(client, "response.done"))

    assert [item["name"] for item in first["response"]["output"]] == ["get_weather"]
    assert answer["transcript"] == "The weather service says: sunny in Paris"


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_speaks_over_the_answer_cuts_it_as_it_always_did(path: str) -> None:
    """It cancels, and truncates to what it has played; at the managed socket the engine has done so before."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on. " * 100}]}
    async with open_application(path, speed=1.0) as client:
        await client.say({"type": "session.update", "session": {"turn_detection": None}})
        await client.say({"type": "conversation.item.create", "item": item})
        await client.say({"type": "response.create"})
        (answer,) = all_of("response.output_item.added", await hear(client, "response.audio.delta"))
        cut = {"item_id": answer["item"]["id"], "content_index": 0, "audio_end_ms": 10}
        await client.say({"type": "response.cancel"})
        await client.say({"type": "conversation.item.truncate", **cut})
        events = await hear(client, "conversation.item.truncated")

    (ended,) = all_of("response.done", events)
    assert (ended["response"]["status"], ended["response"]["modalities"]) == ("cancelled", ["text", "audio"])


async def test_a_conversation_says_once_in_the_log_that_there_is_no_temperature_and_how_its_front_speaks() -> None:
    with capture_logs() as logged:
        async with open_application(PATHS[0]) as client:
            for temperature in (0.7, 0.8):
                await client.say({"type": "session.update", "session": {"temperature": temperature}})
                await hear(client, "session.updated")

    assert [line["event"] for line in logged].count(LEFT_OUT) == 1
    assert [line["dialect"] for line in logged if line["event"] == "conversation began"] == ["beta"]


@pytest.mark.parametrize("program", blocks(page("docs/dialects.md"), "python"), ids=["openai", "websockets"])
async def test_the_programs_in_the_documentation_are_answered(program: str) -> None:
    async with open_server(upstream=model(reply_speed=100.0)) as server:
        here = program.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        run = partial(
            subprocess.run, [sys.executable, "-c", here], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        done = await trio.to_thread.run_sync(run)

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"You said: Good morning\n|[23]\.\d seconds of answer\n", done.stdout)


def test_the_commands_in_the_documentation_do_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    for command in commands(page("docs/dialects.md")):
        assert engine(*shlex.split(command)[1:]) == 0
