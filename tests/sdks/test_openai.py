"""The ``openai`` package, as it is, against `engine serve --upstream local`: blocking and asynchronous."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI, OpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection, RealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_request_param import RealtimeSessionCreateRequestParam
from websockets.sync.client import connect

from tests.sdks.conftest import TOKEN
from tests.sdks.heard import is_said_back, seconds
from tests.served import Served

WEATHER: RealtimeSessionCreateRequestParam = {
    "type": "realtime",
    "tools": [
        {
            "type": "function",
            "name": "get_weather",
            "description": "The weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ],
}
HELLO: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}
ASKED: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How is the weather?"}]}


def output(call_id: str) -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": "fine in Paris"}


def until(kind: str, connection: RealtimeConnection) -> list[RealtimeServerEvent]:
    """All events up to the first of a type."""
    events: list[RealtimeServerEvent] = []
    for event in connection:
        assert event.type != "error", event
        events.append(event)
        if event.type == kind:
            break
    return events


async def until_async(kind: str, connection: AsyncRealtimeConnection) -> list[RealtimeServerEvent]:
    """The same, for the other client."""
    events: list[RealtimeServerEvent] = []
    async for event in connection:
        assert event.type != "error", event
        events.append(event)
        if event.type == kind:
            break
    return events


def said(events: list[RealtimeServerEvent]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_audio_transcript.delta")


def sound(events: list[RealtimeServerEvent]) -> list[bytes]:
    return [base64.b64decode(event.delta) for event in events if event.type == "response.output_audio.delta"]


def the_call(events: list[RealtimeServerEvent]) -> str:
    (call,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    return call.call_id


@pytest.fixture
def connection(server: Served) -> Iterator[RealtimeConnection]:
    client = OpenAI(api_key=TOKEN, base_url=f"{server.http}/v1")
    with client, client.realtime.connect(model="gpt-realtime") as opened:
        assert opened.recv().type == "session.created"
        yield opened


def test_a_typed_turn(connection: RealtimeConnection) -> None:
    connection.conversation.item.create(item=HELLO)
    connection.response.create()

    events = until("response.done", connection)

    assert said(events) == "You said: Hello?"
    assert seconds(sound(events)) > 0.5


def test_a_spoken_turn(connection: RealtimeConnection, speech: list[bytes]) -> None:
    for piece in speech:
        connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

    events = until("response.done", connection)

    kinds = [event.type for event in events]
    assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.speech_stopped")
    assert kinds.index("input_audio_buffer.committed") < kinds.index("response.created")
    assert is_said_back(sound(events), speech)


def test_a_function_call(connection: RealtimeConnection) -> None:
    connection.session.update(session=WEATHER)
    connection.conversation.item.create(item=ASKED)
    connection.response.create()
    connection.conversation.item.create(item=output(the_call(until("response.done", connection))))
    connection.response.create()

    assert said(until("response.done", connection)) == "The weather service says: fine in Paris"


def test_the_asynchronous_client_holds_the_same_conversation(server: Served, speech: list[bytes]) -> None:
    async def talk() -> None:
        client = AsyncOpenAI(api_key=TOKEN, websocket_base_url=f"ws://{server.address}/v1")
        async with client, client.realtime.connect(model="gpt-realtime") as connection, asyncio.timeout(60):
            await connection.session.update(session=WEATHER)
            await connection.conversation.item.create(item=HELLO)
            await connection.response.create()
            assert said(await until_async("response.done", connection)) == "You said: Hello?"

            for piece in speech:
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            assert is_said_back(sound(await until_async("response.done", connection)), speech)

            await connection.conversation.item.create(item=ASKED)
            await connection.response.create()
            call = the_call(await until_async("response.done", connection))
            await connection.conversation.item.create(item=output(call))
            await connection.response.create()
            assert said(await until_async("response.done", connection)) == "The weather service says: fine in Paris"

    asyncio.run(talk())


def test_a_wrong_token_is_a_clear_error(server: Served) -> None:
    client = OpenAI(api_key="wrong-" + TOKEN[::-1], base_url=f"{server.http}/v1")
    with client, pytest.raises(websockets.InvalidStatus, match="HTTP 401") as refused:
        client.realtime.connect(model="gpt-realtime").enter()

    error = json.loads(bytes(refused.value.response.body or b""))["error"]
    assert (error["code"], TOKEN in str(error)) == ("token_required", False)


def test_a_call_to_listen_in_on_is_a_clear_error(server: Served) -> None:
    client = OpenAI(api_key=TOKEN, base_url=f"{server.http}/v1")
    with client, pytest.raises(websockets.InvalidStatus, match="HTTP 404") as refused:
        client.realtime.connect(call_id="rtc_1").enter()

    error = json.loads(bytes(refused.value.response.body or b""))["error"]
    assert (error["code"], error["message"]) == ("call_id_not_found", "No session found for the provided call_id")


def test_the_token_may_come_as_a_browser_sends_it(server: Served) -> None:
    offered = [websockets.Subprotocol("realtime"), websockets.Subprotocol(f"openai-insecure-api-key.{TOKEN}")]

    with connect(server.realtime, subprotocols=offered) as connection:
        assert connection.subprotocol == "realtime"
        assert json.loads(connection.recv(timeout=20))["type"] == "session.created"
