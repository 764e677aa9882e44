"""``openai-agents``, as it is, against `engine serve --upstream local`. It validates every event strictly."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

from tests.sdks.conftest import TOKEN
from tests.sdks.heard import is_said_back, seconds
from tests.served import Served


class Heard:
    """What has come from a session, until its answer was complete."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.audio: list[bytes] = []
        self.said = ""
        self.called: list[str] = []

    async def listen(self, session: RealtimeSession) -> "Heard":
        async for event in session:
            assert event.type not in ("error", "exception"), event
            self.kinds.append(event.type)
            if event.type == "audio":
                self.audio.append(event.audio.data)
            elif event.type == "tool_end":
                self.called.append(str(event.output))
            elif event.type == "raw_model_event" and event.data.type == "raw_server_event":
                server = event.data.data
                assert server["type"] != "error", server
                if server["type"] == "response.output_audio_transcript.done":
                    self.said = server["transcript"]
            elif event.type == "agent_end" and self.audio:
                break
        return self


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"fine in {city}"


def hold(server: Served, speak: Callable[[RealtimeSession], Coroutine[Any, Any, None]]) -> Heard:
    async def talk() -> Heard:
        agent = RealtimeAgent(name="Assistant", instructions="Be brief.", tools=[get_weather])
        model_config: Any = {"api_key": TOKEN, "url": server.realtime}
        async with asyncio.timeout(60), await RealtimeRunner(agent).run(model_config=model_config) as session:
            await speak(session)
            return await Heard().listen(session)

    return asyncio.run(talk())


def test_a_typed_turn(server: Served) -> None:
    heard = hold(server, lambda session: session.send_message("Hello?"))

    assert heard.said == "You said: Hello?"
    assert seconds(heard.audio) > 0.5


def test_a_spoken_turn(server: Served, speech: list[bytes]) -> None:
    async def speak(session: RealtimeSession) -> None:
        for piece in speech:
            await session.send_audio(piece)

    assert is_said_back(hold(server, speak).audio, speech)


def test_a_function_call(server: Served) -> None:
    heard = hold(server, lambda session: session.send_message("How is the weather?"))

    assert heard.called == ["fine in Paris"]
    assert heard.said == "The weather service says: fine in Paris"


def test_a_wrong_token_is_a_clear_error(server: Served) -> None:
    async def connect() -> None:
        model_config: Any = {"api_key": "wrong-token", "url": server.realtime}
        async with await RealtimeRunner(RealtimeAgent(name="Assistant")).run(model_config=model_config):
            pytest.fail("it was let in")

    with pytest.raises(Exception, match="401"):
        asyncio.run(connect())


def test_speaking_over_an_answer_cuts_it_and_is_answered(server: Served, speech: list[bytes]) -> None:
    async def interrupt(session: RealtimeSession) -> None:
        for piece in speech:
            await session.send_audio(piece)
        async for event in session:
            assert event.type != "error", event
            if event.type == "agent_end":
                break
        for piece in speech:
            await session.send_audio(piece)

    heard = hold(server, interrupt)

    assert "audio_interrupted" in heard.kinds
    assert is_said_back(heard.audio, speech)
