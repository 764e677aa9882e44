"""What a server says of a key, in every place where an error may stand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.upstreams.openai import OpenAIOptions
from realtime_engine.upstreams.openai.discretion import discreet
from realtime_engine.upstreams.openai.server import server_of

KEY = "sk-proj-abcdefghijklmnopqrstuvwx"
SERVER = server_of(OpenAIOptions(url="ws://127.0.0.1/v1/realtime"), KEY, "OPENAI_API_KEY", {})
TRANSCRIPTION_FAILED = "conversation.item.input_audio_transcription.failed"
DETAIL = {"type": "server_error", "code": "denied", "message": f"Incorrect API key provided: {KEY}", "param": KEY}
LEFT_OUT = {
    "type": "server_error",
    "code": "denied",
    "message": "127.0.0.1 has said something that may show a key: it is left out",
    "param": None,
    "event_id": None,
}


def said(event: dict[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Message:
    return Message(Side.UPSTREAM, kind, event if isinstance(event, bytes) else json.dumps(event).encode())


def told(event: dict[str, Any] | bytes) -> Any:
    """What is said in its place."""
    return json.loads(discreet(said(event), SERVER).raw)


def done(error: object, **more: object) -> dict[str, Any]:
    response = {"status": "failed", "status_details": {"type": "failed", "error": error}, **more}
    return {"type": "response.done", "response": response}


@pytest.mark.parametrize("name", [TRANSCRIPTION_FAILED, "mcp_list_tools.failed", "a.new.thing.failed"])
def test_whatever_has_failed_tells_its_error_without_the_key_and_all_else_as_it_was(name: str) -> None:
    event = {"type": name, "event_id": "event_1", "item_id": "item_1", "error": DETAIL}

    assert told(event) == {**event, "error": LEFT_OUT}


def test_a_response_that_has_failed_tells_its_error_without_the_key_and_all_else_as_it_was() -> None:
    assert told(done(DETAIL, usage={"total_tokens": 3})) == done(LEFT_OUT, usage={"total_tokens": 3})


@pytest.mark.parametrize(
    "event",
    [
        {"error": DETAIL},
        {"type": None, "error": DETAIL},
        {"type": "session.error", "error": DETAIL},
        {"type": "response.failed", "response": {"error": DETAIL}},
        {"type": "response.done", "response": {"error": DETAIL}},
        {"type": "response.done", "response": {"status_details": {"reason": f"No {KEY}"}}},
        {"type": "response.done", "response": {"status_details": [f"No {KEY}"]}},
        {"type": "response.done", "response": {KEY: 1, "metadata": {"x": [1, None, KEY]}}},
        {"type": TRANSCRIPTION_FAILED, "message": KEY},
        {"type": TRANSCRIPTION_FAILED, "message": "The API key is wrong."},
        {"type": "x.y", "z": f"{KEY[3:12]} is odd"},
        b'{"type":"error","error":{"message":"%b"},"error":{"message":"No."}}' % KEY.encode(),
        b"Incorrect API key provided: " + KEY.encode(),
        b'"Incorrect API key provided: %b"' % KEY.encode(),
        b'["%b"]' % KEY.encode(),
        b'{"type":"x.y","z":"breaks off with \\u0073 %b' % KEY.encode(),
    ],
)
def test_wherever_else_the_key_is_seen_it_is_left_out(event: dict[str, Any] | bytes) -> None:
    raw = discreet(said(event), SERVER).raw.decode()

    assert all(KEY[at : at + 6] not in raw for at in range(len(KEY) - 5))
    assert SERVER.silence in raw


def test_an_event_that_says_its_type_last_is_looked_at_too() -> None:
    event = dict(reversed(done(DETAIL).items()))

    assert told(event) == done(LEFT_OUT)


def test_a_key_that_is_refused_is_named_by_where_it_is_from() -> None:
    refused = {"code": "invalid_api_key", "message": f"Incorrect: {KEY}"}

    assert told(done(refused))["response"]["status_details"]["error"]["message"] == SERVER.refusal


def test_a_key_behind_escapes_is_a_key() -> None:
    raw = json.dumps({"type": "error", "error": {"message": f"No {KEY}"}}).replace("sk-proj-a", "\\u0073k-proj-\\u0061")

    assert told(raw.encode())["error"]["message"] == SERVER.silence


@pytest.mark.parametrize("error", [KEY, [KEY], {KEY: 1}, [[{"deep": [KEY]}]]])
def test_an_error_in_an_unknown_shape_is_told_without_the_key(error: object) -> None:
    for event in ({"type": "error", "error": error}, {"type": TRANSCRIPTION_FAILED, "error": error}, done(error)):
        assert KEY not in discreet(said(event), SERVER).raw.decode()


def test_an_error_that_breaks_off_is_told_without_the_key() -> None:
    assert told(b'{"type":"error","error":{"message":"Bad API key: %b' % KEY.encode()) == {
        "type": "error",
        "error": {"type": None, "code": None, "message": SERVER.silence, "param": None, "event_id": None},
    }


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"code": "invalid_value", "message": "No such voice."}},
        {"type": TRANSCRIPTION_FAILED, "error": {"message": "No speech."}},
        done({"code": "rate_limit_exceeded", "message": "Wait."}),
        done(None),
        {"type": "response.done", "response": "none"},
        {"type": TRANSCRIPTION_FAILED},
        {"type": "response.output_audio_transcript.done", "transcript": "Tell nobody your API key."},
        done(None, output=[{"content": [{"transcript": "Tell nobody your API key."}]}]),
        done(None, output=[{"content": [{"transcript": f'Keys begin with "{KEY[:7]}".'}]}]),
        {"type": "a.new.delta", "delta": f"{KEY[:7]}…"},
        {"type": "a.new.thing", "text": "Tell nobody your API key."},
        {"type": "session.updated", "session": {"instructions": f"Say {KEY[:7]}."}},
        b'{"type":"error","error":{"message":"breaks off',
        b'{"type":"error",' + b'"a":{' * 5000 + b"}" * 5001,
        b"no json: error",
        b'"error"',
    ],
)
def test_all_else_passes_as_it_came(event: dict[str, Any] | bytes) -> None:
    message = said(event)

    assert discreet(message, SERVER) is message


def test_a_binary_frame_is_no_event() -> None:
    message = said({"type": "error", "error": KEY}, Kind.BINARY)

    assert discreet(message, SERVER) is message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(KEY) | st.just(f"the API key {KEY[4:14]}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just(KEY), inner, max_size=3),
)


@given(JSON, st.sampled_from(["error", "response.done", TRANSCRIPTION_FAILED]))
def test_no_error_of_any_shape_shows_the_key(error: object, name: str) -> None:
    event = done(error) if name == "response.done" else {"type": name, "error": error}

    assert KEY[4:10] not in discreet(said(event), SERVER).raw.decode()
