"""The parrot: what it says to what."""

from typing import Any

import pytest

from realtime_engine.audio import PCM16, PCMU, encode_base64
from realtime_engine.sound import encode, from_pcm16, resample
from realtime_engine.upstreams.local.sounds import trimmed
from tests.upstreams.local.harness import SILENCE, Client, noise

TOOL = {"type": "function", "name": "look"}


def said(response: dict[str, Any]) -> str:
    part = response["output"][0]["content"][0]
    text: str = part["transcript"]
    return text


@pytest.fixture
def client() -> Client:
    client = Client()
    client.manual()
    return client


def create(client: Client, item: dict[str, Any]) -> None:
    client.send("conversation.item.create", item=item)


def speak(client: Client, audio: bytes) -> None:
    client.append(audio)
    client.send("input_audio_buffer.commit")


def test_the_answer_to_a_text_is_spoken(client: Client) -> None:
    assert said(client.ask("How are you?")) == "You said: How are you?"
    assert len(client.speech) > PCM16.size(0.5)


def test_speech_is_said_back_without_the_silence_around_it(client: Client) -> None:
    speak(client, SILENCE * 10 + noise(30) + SILENCE * 10)

    assert said(client.respond()) == "[1.1 s of your speech]"
    margin = PCM16.size(0.05)
    assert len(client.speech) == pytest.approx(len(noise(30)) + 2 * margin, abs=400)
    assert noise(30)[1000:-1000] in client.speech


def test_silence_is_said_back_as_it_is(client: Client) -> None:
    speak(client, SILENCE * 10)

    client.respond()

    assert client.speech == SILENCE * 10


def test_speech_in_g711_is_said_back_in_pcm(client: Client) -> None:
    client.configure(format={"type": "audio/pcmu"})
    heard = encode(resample(from_pcm16(noise(30)), 24_000, 8_000), PCMU)
    speak(client, heard)

    client.respond()

    assert PCM16.seconds(len(client.speech)) == pytest.approx(PCMU.seconds(len(trimmed(heard, PCMU))), abs=0.001)


def test_the_newest_message_is_answered(client: Client) -> None:
    speak(client, noise(30))
    assert said(client.ask("And now?")) == "You said: And now?"
    speak(client, noise(30))
    assert said(client.respond()).endswith("of your speech]")


def test_what_a_function_returned_is_said(client: Client) -> None:
    client.ask("Weather?", tools=[TOOL], tool_choice="required")
    call = client.last("conversation.item.done")["item"]

    create(client, {"type": "function_call_output", "call_id": call["call_id"], "output": "It rains."})

    assert said(client.respond()) == "It rains."
    assert said(client.ask("Thanks.")) == "You said: Thanks."


def test_several_outputs_are_said_together_and_an_empty_one_is_done(client: Client) -> None:
    client.type("Go.")
    for output in ("One.", "Two."):
        create(client, {"type": "function_call_output", "call_id": "c", "output": output})
    create(client, {"type": "message", "role": "system", "content": []})
    assert said(client.respond()) == "One.\nTwo."

    create(client, {"type": "function_call_output", "call_id": "c", "output": ""})
    assert said(client.respond()) == "Done."


@pytest.mark.parametrize(
    ("choice", "name"), [("required", "look"), ({"type": "function", "name": "see"}, "see"), ("auto", None)]
)
def test_a_function_is_called_where_the_client_insists(client: Client, choice: Any, name: str | None) -> None:
    item = client.ask("Hello.", tools=[TOOL], tool_choice=choice)["output"][0]

    assert item.get("name") == name
    if name:
        assert item["arguments"] == "{}"


def test_no_function_can_be_called_where_there_is_none(client: Client) -> None:
    assert said(client.ask("Hello.", tool_choice="required")) == "You said: Hello."


def test_who_says_nothing_is_greeted(client: Client) -> None:
    assert said(client.respond()) == "Hello."
    assert said(client.respond(input=[])) == "Hello."


def test_a_response_may_answer_items_of_its_own(client: Client) -> None:
    create(
        client,
        {"id": "a", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Before."}]},
    )
    client.type("Newer.")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Mine."}]}

    assert said(client.respond(input=[item])) == "You said: Mine."
    assert said(client.respond(input=[{"type": "item_reference", "id": "a"}])) == "You said: Before."
    assert said(client.respond()) == "You said: Newer."


def test_a_message_of_text_and_speech_is_answered_as_speech(client: Client) -> None:
    parts = [
        {"type": "input_text", "text": "Listen:"},
        {"type": "input_audio", "audio": encode_base64(noise(30)).decode()},
    ]
    create(client, {"type": "message", "role": "user", "content": parts})

    assert said(client.respond()).endswith("of your speech]")
