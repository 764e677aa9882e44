"""The beta namespace of the ``openai`` package, as it is: an application that was never brought up to date."""

import asyncio
import base64
import json
from typing import Any, Final

from openai import AsyncOpenAI, OpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection, RealtimeConnection
from openai.types.beta.realtime import RealtimeServerEvent

from tests.sdks.conftest import TOKEN
from tests.sdks.heard import Heard, judge
from tests.sdks.test_openai import ASKED, HELLO, WEATHER, output
from tests.served import Served

SESSION: Final[Any] = {
    "modalities": ["text", "audio"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500},
    "tools": WEATHER["tools"],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": 4096,
}


class Turn:
    """What came until an answer was complete."""

    def __init__(self) -> None:
        self.words = ""
        self.sound: list[bytes] = []
        self.calls: list[tuple[str, str]] = []
        self.errors: list[str] = []

    def hear(self, event: RealtimeServerEvent) -> bool:
        """Take an event; whether it was the last."""
        if event.type == "error":
            self.errors.append(str(event.error.message))
        elif event.type == "response.audio_transcript.delta":
            self.words += event.delta
        elif event.type == "response.audio.delta":
            self.sound.append(base64.b64decode(event.delta))
        elif event.type == "response.function_call_arguments.done":
            self.calls.append((event.call_id, json.loads(event.arguments)["city"]))
        return event.type == "response.done"


def turn(connection: RealtimeConnection) -> Turn:
    heard = Turn()
    while not heard.hear(connection.recv()):
        pass
    return heard


async def turn_async(connection: AsyncRealtimeConnection) -> Turn:
    """The same, for the other client."""
    heard = Turn()
    while not heard.hear(await connection.recv()):
        pass
    return heard


def of(typed: Turn, spoken: Turn, asked: Turn, after: Turn) -> Heard:
    return Heard(
        typed=typed.words,
        voiced=typed.sound,
        spoken=spoken.sound,
        called=[city for _, city in asked.calls],
        after=after.words,
        errors=typed.errors + spoken.errors + asked.errors + after.errors,
    )


def test_the_blocking_client_types_speaks_and_answers_a_function_call(server: Served, speech: list[bytes]) -> None:
    client = OpenAI(api_key=TOKEN, websocket_base_url=f"ws://{server.address}/v1")
    with client, client.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        created = connection.recv()
        assert created.type == "session.created"
        assert created.session.input_audio_format == "pcm16"
        connection.session.update(session=SESSION)

        connection.conversation.item.create(item=HELLO)
        connection.response.create()
        typed = turn(connection)

        for piece in speech:
            connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        spoken = turn(connection)

        connection.conversation.item.create(item=ASKED)
        connection.response.create()
        asked = turn(connection)
        connection.conversation.item.create(item=output(asked.calls[0][0]))
        connection.response.create()

        judge(of(typed, spoken, asked, turn(connection)), speech)


def test_the_asynchronous_client_holds_the_same_conversation(server: Served, speech: list[bytes]) -> None:
    async def talk() -> None:
        client = AsyncOpenAI(api_key=TOKEN, websocket_base_url=f"ws://{server.address}/v1")
        async with client, client.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
            await connection.session.update(session=SESSION)

            await connection.conversation.item.create(item=HELLO)
            await connection.response.create()
            typed = await turn_async(connection)

            for piece in speech:
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            spoken = await turn_async(connection)

            await connection.conversation.item.create(item=ASKED)
            await connection.response.create()
            asked = await turn_async(connection)
            await connection.conversation.item.create(item=output(asked.calls[0][0]))
            await connection.response.create()

            judge(of(typed, spoken, asked, await turn_async(connection)), speech)

    asyncio.run(asyncio.wait_for(talk(), 60))
