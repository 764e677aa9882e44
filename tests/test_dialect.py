"""The beta and the GA in each other's words. The types of the `openai` package say what each of them is."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import realtime as ga
from openai.types.beta import realtime as beta
from pydantic import TypeAdapter

from realtime_engine.dialect import to_beta, to_ga
from realtime_engine.objects import Json
from tests.sessions import frames

Object: TypeAlias = dict[str, Any]
Objects: TypeAlias = st.SearchStrategy[Object]

BETA: Final = {
    "client": TypeAdapter[object](beta.RealtimeClientEvent),
    "server": TypeAdapter[object](beta.RealtimeServerEvent),
}
GA: Final = {
    "client": TypeAdapter[object](ga.RealtimeClientEvent),
    "server": TypeAdapter[object](ga.RealtimeServerEvent),
}


def raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def in_ga(event: Mapping[str, Any]) -> Object:
    said: Object = json.loads(to_ga(raw(event)).raw)
    return said


def in_beta(event: Mapping[str, Any]) -> Object:
    said = to_beta(raw(event))
    assert said is not None
    again: Object = json.loads(said)
    return again


# --- all that the beta defines --------------------------------------------------------------------------------

words = st.text(max_size=8)
ids = st.sampled_from(["item_1", "item_2", "resp_1", "call_1", "äöü"])
numbers = st.integers(0, 1 << 53)
numerals = st.floats(0, 2, allow_nan=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
unheard: dict[str, st.SearchStrategy[Any]] = {"unheard_of": anything, "phase": words}
"""Fields that neither generation knows."""


def objects(required: Mapping[str, Any] = {}, /, **optional: st.SearchStrategy[Any]) -> Objects:
    """Objects with these fields; what is no strategy is a constant."""
    fixed = {key: each if isinstance(each, st.SearchStrategy) else st.just(each) for key, each in required.items()}
    return st.fixed_dictionaries(fixed, optional=unheard | optional)


audio_formats = st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw"])
modalities = st.sampled_from([["text"], ["text", "audio"]])
most_tokens = st.integers(1, 4096) | st.just("inf")
tools = st.lists(objects({"type": "function", "name": words}, description=words, parameters=st.just({})), max_size=2)
metadata = st.dictionaries(words, words, max_size=2)
detectors = (
    st.none()
    | objects({"type": "server_vad"}, threshold=numerals, silence_duration_ms=numbers, create_response=st.booleans())
    | objects({"type": "semantic_vad"}, eagerness=st.sampled_from(["low", "auto"]), interrupt_response=st.booleans())
)
heard: dict[str, st.SearchStrategy[Any]] = {
    "input_audio_format": audio_formats,
    "input_audio_transcription": st.none() | objects(model=st.just("whisper-1"), language=words, prompt=words),
    "input_audio_noise_reduction": st.none() | objects(type=st.sampled_from(["near_field", "far_field"])),
    "turn_detection": detectors,
}
spoken: dict[str, st.SearchStrategy[Any]] = {
    "modalities": modalities,
    "voice": words,
    "output_audio_format": audio_formats,
}
asked: dict[str, st.SearchStrategy[Any]] = {
    "instructions": words,
    "tools": tools,
    "tool_choice": st.sampled_from(["auto", "none", "required"]),
    "max_response_output_tokens": most_tokens,
}
chosen = objects(**heard, **spoken, **asked, speed=numerals, model=st.just("gpt-realtime"), tracing=st.just("auto"))
transcribing = objects(**heard, include=st.just(["item.input_audio_transcription.logprobs"]))
transcribed = objects({"client_secret": {"value": "ek_1", "expires_at": 1}}, **heard)
sessions = objects({"id": words}, **heard, **spoken, **asked, speed=numerals, temperature=numerals)


def items(*contents: tuple[str, Objects], **more: Any) -> Objects:
    """Messages of each role, with content of its kind, and calls with their outputs."""
    messages = [
        objects({"type": "message", "role": role, "content": st.lists(content, max_size=2), **more}, id=ids)
        for role, content in contents
    ]
    call = objects({"type": "function_call", "name": words, "call_id": ids, "arguments": words, **more}, id=ids)
    output = objects({"type": "function_call_output", "call_id": ids, "output": words, **more}, id=ids)
    return st.one_of(*messages, call, output)


typed = objects({"type": "input_text", "text": words})
sounds = objects({"type": "input_audio", "audio": st.just("AAAA")}, transcript=words)
written = objects({"type": "text", "text": words})
said = objects({"type": "audio", "transcript": words})
given_items = items(("user", typed | sounds), ("assistant", written), ("system", typed))
shown_items = items(("user", typed), ("assistant", written | said), ("system", typed), object="realtime.item")
inputs = st.lists(given_items | objects({"type": "item_reference", "id": ids}), max_size=2)
overrides = objects(**spoken, **asked, conversation=st.sampled_from(["auto", "none"]), metadata=metadata, input=inputs)
responses = objects(
    {"id": ids, "object": "realtime.response"},
    **spoken,
    status=st.sampled_from(["in_progress", "completed", "failed"]),
    output=st.lists(shown_items, max_size=2),
    temperature=numerals,
    max_output_tokens=most_tokens,
    metadata=metadata,
    conversation_id=st.none() | words,
)
params = st.sampled_from(
    ["session.voice", "session.turn_detection.threshold", "session.input_audio_format", "response.modalities", "type"]
)
errors = objects({"type": words, "message": words}, code=words, param=st.none() | params, event_id=words)


def client(**fields: Any) -> Objects:
    return objects(fields, event_id=words)


def server(**fields: Any) -> Objects:
    return objects({"event_id": words, **fields})


def answer(**fields: Any) -> Objects:
    return server(response_id=ids, item_id=ids, output_index=numbers, content_index=numbers, **fields)


CLIENT_EVENTS: Final[Mapping[str, Objects]] = {
    "session.update": client(session=chosen),
    "transcription_session.update": client(session=transcribing),
    "input_audio_buffer.append": client(audio="AAAA"),
    "input_audio_buffer.commit": client(),
    "input_audio_buffer.clear": client(),
    "output_audio_buffer.clear": client(),
    "conversation.item.create": client(item=given_items, previous_item_id=ids),
    "conversation.item.retrieve": client(item_id=ids),
    "conversation.item.truncate": client(item_id=ids, content_index=numbers, audio_end_ms=numbers),
    "conversation.item.delete": client(item_id=ids),
    "response.create": client() | client(response=overrides),
    "response.cancel": client(response_id=ids),
}
_PLACED: Final = {"item_id": ids, "content_index": numbers}
_USAGE: Final = {"type": "duration", "seconds": 1}
SERVER_EVENTS: Final[Mapping[str, Objects]] = {
    "error": server(error=errors),
    "session.created": server(session=sessions),
    "session.updated": server(session=sessions),
    "transcription_session.updated": server(session=transcribed),
    "conversation.created": server(conversation=objects(id=ids)),
    "conversation.item.created": server(item=shown_items, previous_item_id=st.none() | ids),
    "conversation.item.retrieved": server(item=shown_items),
    "conversation.item.truncated": server(**_PLACED, audio_end_ms=numbers),
    "conversation.item.deleted": server(item_id=ids),
    "conversation.item.input_audio_transcription.delta": server(**_PLACED, delta=words),
    "conversation.item.input_audio_transcription.completed": server(**_PLACED, transcript=words, usage=_USAGE),
    "conversation.item.input_audio_transcription.failed": server(**_PLACED, error=objects(message=words)),
    "input_audio_buffer.committed": server(item_id=ids, previous_item_id=st.none() | ids),
    "input_audio_buffer.cleared": server(),
    "input_audio_buffer.speech_started": server(item_id=ids, audio_start_ms=numbers),
    "input_audio_buffer.speech_stopped": server(item_id=ids, audio_end_ms=numbers),
    "output_audio_buffer.started": server(response_id=ids),
    "output_audio_buffer.stopped": server(response_id=ids),
    "output_audio_buffer.cleared": server(response_id=ids),
    "response.created": server(response=responses),
    "response.done": server(response=responses),
    "response.output_item.added": server(response_id=ids, output_index=numbers, item=shown_items),
    "response.output_item.done": server(response_id=ids, output_index=numbers, item=shown_items),
    "response.content_part.added": answer(part=written | said),
    "response.content_part.done": answer(part=written | said),
    "response.text.delta": answer(delta=words),
    "response.text.done": answer(text=words),
    "response.audio.delta": answer(delta="AAAA"),
    "response.audio.done": answer(),
    "response.audio_transcript.delta": answer(delta=words),
    "response.audio_transcript.done": answer(transcript=words),
    "response.function_call_arguments.delta": answer(call_id=ids, delta=words),
    "response.function_call_arguments.done": answer(call_id=ids, arguments=words),
    "rate_limits.updated": server(rate_limits=[]),
}
EVERY_EVENT: Final = [
    pytest.param(side, kind, id=kind)
    for side, events in (("client", CLIENT_EVENTS), ("server", SERVER_EVENTS))
    for kind in events
]


def drawn(data: st.DataObject, side: str, kind: str) -> Object:
    """An event of this kind, its type first or last."""
    event = data.draw((CLIENT_EVENTS if side == "client" else SERVER_EVENTS)[kind])
    return {"type": kind} | event if data.draw(st.booleans()) else event | {"type": kind}


@pytest.mark.parametrize("side", ["client", "server"])
def test_every_event_of_the_beta_is_drawn(side: str) -> None:
    union = get_args(beta.RealtimeClientEvent if side == "client" else beta.RealtimeServerEvent)[0]
    defined = {get_args(event.model_fields["type"].annotation)[0] for event in get_args(union)}

    assert defined == (CLIENT_EVENTS if side == "client" else SERVER_EVENTS).keys()


@pytest.mark.parametrize(("side", "kind"), EVERY_EVENT)
@settings(max_examples=25)
@given(st.data())
def test_what_the_beta_says_comes_back_from_the_ga_as_it_was(side: str, kind: str, data: st.DataObject) -> None:
    event = drawn(data, side, kind)
    BETA[side].validate_python(event)

    assert in_beta(in_ga(event)) == event


@pytest.mark.parametrize(("side", "kind"), EVERY_EVENT)
@settings(max_examples=10)
@given(st.data())
def test_what_the_beta_says_is_then_said_as_the_ga_says_it(side: str, kind: str, data: st.DataObject) -> None:
    event = drawn(data, side, kind)
    if kind == "response.function_call_arguments.done":
        event["name"] = "get_weather"  # of all that the GA requires the beta does not say just this
    given = event.get("response", {}).get("input", [])
    given[:] = [item for item in given if item["type"] != "item_reference"]  # the GA has it, the package has not

    GA[side].validate_python(in_ga(event))


def test_every_recorded_frame_of_the_beta_comes_back_as_it_was() -> None:
    recorded = frames("beta")

    assert {frame.type for frame in recorded} >= {"response.text.delta", "conversation.item.created", "response.done"}
    for frame in recorded:
        assert in_beta(in_ga(frame.event)) == frame.event, frame


# --- what the GA says -----------------------------------------------------------------------------------------


NEW_WORDS: Final = re.compile(
    rb'"output_(?:text|audio|modalities)"|"response\.output_(?:text|audio)|"audio":{|"type":"realtime"'
)
NEW_IN_GA: Final = re.compile(rb'"input_audio_buffer\.timeout_triggered"|"input_image"')
MODEL: Final = re.compile(rb'"model":"gpt-realtime[^"]*"')  # the newest are not in the package's types of the beta


@pytest.mark.parametrize("vendor", ["openai", "azure"])
def test_whatever_a_server_of_the_ga_has_said_is_an_event_of_the_beta(vendor: str) -> None:
    recorded = [frame for frame in frames(vendor) if not frame.sent]
    told = [said for frame in recorded if (said := to_beta(frame.raw)) is not None]

    assert len(recorded) - len(told) == sum(frame.type == "conversation.item.done" for frame in recorded) > 0
    for said in told:
        assert not NEW_WORDS.search(said), said
        if not NEW_IN_GA.search(said):
            BETA["server"].validate_json(MODEL.sub(b'"model":"gpt-realtime"', said))


@pytest.mark.parametrize("vendor", ["openai", "azure"])
def test_whatever_was_said_in_the_ga_comes_back_from_the_beta_but_that_an_item_is_done(vendor: str) -> None:
    for frame in frames(vendor):
        said = to_beta(frame.raw)
        if said is None:
            assert frame.type == "conversation.item.done"
        else:
            assert json.loads(to_ga(said).raw.replace(b'"object":"realtime.item",', b"")) == frame.event, frame


def test_what_only_the_ga_has_goes_on_byte_for_byte() -> None:
    for event in (
        {"type": "input_audio_buffer.timeout_triggered", "item_id": "item_1"},
        {"type": "response.mcp_call.completed", "item_id": "item_1", "output_index": 0},
        {"type": "ping", "timestamp": 1},
        {"type": "response.function_call_arguments.done", "name": "get_weather", "arguments": "{}"},
    ):
        assert to_beta(raw(event)) == raw(event)


def test_the_beta_does_not_say_that_an_item_is_done_nor_what_the_engine_adds() -> None:
    assert to_beta(raw({"type": "conversation.item.done", "item": {"id": "item_1"}})) is None
    assert to_beta(raw({"type": "engine.session", "upstream": "local"})) is None


def test_a_session_is_told_in_the_words_of_the_beta() -> None:
    session = {
        "type": "realtime",
        "object": "realtime.session",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "truncation": "auto",
        "audio": {
            "input": {
                "format": {"rate": 24000, "type": "audio/pcm"},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {"type": "server_vad", "idle_timeout_ms": None},
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.0},
        },
    }

    assert in_beta({"type": "session.created", "event_id": "event_1", "session": session}) == {
        "type": "session.created",
        "event_id": "event_1",
        "session": {
            "object": "realtime.session",
            "modalities": ["text", "audio"],
            "max_response_output_tokens": "inf",
            "truncation": "auto",
            "input_audio_format": "pcm16",
            "input_audio_transcription": None,
            "input_audio_noise_reduction": None,
            "turn_detection": {"type": "server_vad", "idle_timeout_ms": None},
            "output_audio_format": "g711_ulaw",
            "voice": "alloy",
            "speed": 1.0,
        },
    }


def test_what_is_new_in_the_audio_of_a_session_stays_there() -> None:
    session = {"audio": {"input": {"turn_detection": None, "echo": True}, "room": "large"}}

    assert in_beta({"type": "session.updated", "session": session})["session"] == {
        "audio": {"input": {"echo": True}, "room": "large"},
        "turn_detection": None,
    }


def test_a_format_without_its_one_rate_is_the_same() -> None:
    told = in_beta({"type": "session.updated", "session": {"audio": {"output": {"format": {"type": "audio/pcm"}}}}})

    assert told["session"] == {"output_audio_format": "pcm16"}


def test_a_format_that_the_beta_has_no_word_for_is_told_as_it_is() -> None:
    wide = {"type": "audio/pcm", "rate": 16000}

    told = in_beta({"type": "session.updated", "session": {"audio": {"output": {"format": wide}}}})

    assert told["session"] == {"output_audio_format": wide}


@pytest.mark.parametrize("kind", ["created", "updated"])
def test_a_session_that_only_transcribes_has_events_of_its_own(kind: str) -> None:
    told = in_beta({"type": f"session.{kind}", "session": {"type": "transcription", "id": "sess_1"}})

    assert told == {"type": f"transcription_session.{kind}", "session": {"id": "sess_1"}}
    assert in_ga(told) == {"type": f"session.{kind}", "session": {"type": "transcription", "id": "sess_1"}}


@pytest.mark.parametrize("kind", ["conversation.item.added", "conversation.item.created"])
def test_an_item_is_told_of_with_what_every_item_of_the_beta_has(kind: str) -> None:
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": [{"type": "output_audio"}]}

    assert in_beta({"type": kind, "previous_item_id": None, "item": item}) == {
        "type": "conversation.item.created",
        "previous_item_id": None,
        "item": item | {"object": "realtime.item", "content": [{"type": "audio"}]},
    }


def test_a_part_is_text_or_audio_whatever_a_server_of_the_ga_calls_it() -> None:
    for kind, former in (("output_text", "text"), ("text", "text"), ("output_audio", "audio"), ("audio", "audio")):
        for event in ("response.content_part.added", "response.content_part.done"):
            assert in_beta({"type": event, "part": {"type": kind}}) == {"type": event, "part": {"type": former}}


def test_the_items_that_a_response_ends_with_are_told_of_so_too() -> None:
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": [{"type": "output_text"}]}

    assert in_beta({"type": "response.done", "response": {"id": "resp_1", "output": [item]}})["response"]["output"] == [
        item | {"object": "realtime.item", "content": [{"type": "text"}]}
    ]


def test_speech_is_renamed_and_not_read() -> None:
    odd = b'{"type":"response.output_audio.delta","delta":"AAA=", "odd" : [1.0e0]}'

    assert to_beta(odd) == b'{"type":"response.audio.delta","delta":"AAA=", "odd" : [1.0e0]}'
    assert to_beta(b'{"delta":"AAA=", "type": "response.output_audio.delta"}') == (
        b'{"delta":"AAA=","type":"response.audio.delta"}'
    )


@pytest.mark.parametrize(
    ("param", "former"),
    [
        ("session.audio.output.voice", "session.voice"),
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.audio.input.format.rate", "session.input_audio_format"),
        ("session.output_modalities[0]", "session.modalities"),
        ("session.max_output_tokens", "session.max_response_output_tokens"),
        ("response.audio.output.format", "response.output_audio_format"),
        ("response.max_output_tokens", "response.max_response_output_tokens"),
        ("response.audio.output.speed", "response.audio.output.speed"),
        ("session.audio.output.voices", "session.audio.output.voices"),
        ("session.tools[0].name", "session.tools[0].name"),
        ("item.content[0].type", "item.content[0].type"),
    ],
)
def test_an_error_names_what_it_is_about_as_the_client_did(param: str, former: str) -> None:
    error = {"type": "invalid_request_error", "message": f"Invalid '{param}'.", "param": param}

    assert in_beta({"type": "error", "error": error})["error"] == error | {
        "message": f"Invalid '{former}'.",
        "param": former,
    }


def test_an_error_without_words_is_translated_all_the_same() -> None:
    told = in_beta({"type": "error", "error": {"param": "session.audio.output.voice", "message": None}})

    assert told["error"] == {"param": "session.voice", "message": None}


# --- what the beta asks for -----------------------------------------------------------------------------------


def test_a_session_is_asked_for_in_the_words_of_the_ga() -> None:
    asked = {"voice": "alloy", "input_audio_format": "pcm16", "turn_detection": None, "modalities": ["audio", "text"]}

    assert in_ga({"type": "session.update", "session": asked}) == {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
                "output": {"voice": "alloy"},
            },
        },
    }


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        (
            {"type": "session.update", "session": {"temperature": 0.8, "client_secret": {}}},
            ("temperature", "client_secret"),
        ),
        ({"type": "transcription_session.update", "session": {"modalities": ["text"]}}, ("modalities",)),
        ({"type": "response.create", "response": {"temperature": 0.8}}, ("temperature",)),
        ({"type": "response.create", "response": {"temperature": None}}, ()),
        ({"type": "response.create"}, ()),
    ],
)
def test_what_the_ga_does_not_have_is_left_out_and_named(event: Object, lost: tuple[str, ...]) -> None:
    translation = to_ga(raw(event))

    assert translation.lost == lost
    assert not any(name.encode() in translation.raw for name in lost)
    assert b"temperature" not in translation.raw


def test_what_a_server_of_the_beta_says_of_it_stays() -> None:
    event = {"type": "response.done", "response": {"id": "resp_1", "temperature": 0.8}}

    assert to_ga(raw(event)) == (raw(event), ())


@pytest.mark.parametrize("none", [None, "none", "disabled", {"type": "none"}, {"type": "disabled", "threshold": 0.5}])
@pytest.mark.parametrize("kind", ["session.update", "session.updated", "transcription_session.update"])
def test_turns_by_hand_are_asked_for_in_more_ways_than_one(kind: str, none: Json) -> None:
    session = in_ga({"type": kind, "session": {"turn_detection": none}})["session"]

    assert session["audio"] == {"input": {"turn_detection": None}}


@pytest.mark.parametrize("detection", [{"type": "server_vad"}, {"type": None}, {"threshold": 0.5}, ["none"], 0, True])
def test_any_other_turn_detection_is_the_servers_to_judge(detection: Json) -> None:
    session = in_ga({"type": "session.update", "session": {"turn_detection": detection}})["session"]

    assert session["audio"] == {"input": {"turn_detection": detection}}


def test_a_setting_whose_place_is_taken_stays_where_it_is() -> None:
    session = {"type": "realtime", "voice": "ash", "audio": {"output": {"voice": "cedar"}}}
    told = {"voice": "ash", "audio": {"output": {"voice": "cedar"}}}

    assert in_ga({"type": "session.update", "session": session})["session"] == session
    assert in_beta({"type": "session.updated", "session": told})["session"] == told


def test_a_function_that_must_be_called_is_named_as_the_ga_does() -> None:
    for holder, kind in (("session", "session.update"), ("response", "response.create")):
        for named in ({"function": {"name": "f"}}, {"name": "f"}):
            asked = {"type": kind, holder: {"tool_choice": {"type": "function"} | named}}
            assert in_ga(asked)[holder]["tool_choice"] == {"type": "function", "name": "f"}
        twice = {"type": kind, holder: {"tool_choice": {"type": "function", "name": "f", "function": {"name": "g"}}}}
        assert in_ga(twice)[holder]["tool_choice"] == twice[holder]["tool_choice"]  # type: ignore[index]


def test_only_an_assistants_content_has_changed_its_kinds() -> None:
    content = [{"type": "text", "text": "x"}, {"type": "input_text", "text": "y"}]
    new = [{"type": "output_text", "text": "x"}, {"type": "input_text", "text": "y"}]

    for role, expected in (("assistant", new), ("user", content), ("system", content)):
        item = {"type": "message", "role": role, "content": content}
        assert in_ga({"type": "conversation.item.create", "item": item})["item"]["content"] == expected


# --- whatever it is -------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "audio", "output", "voice", "content", "item", "format"]), inner)
    ),
    max_leaves=12,
)
odd_events = st.builds(
    lambda kind, rest: rest | {"type": kind},
    st.sampled_from([*CLIENT_EVENTS, *SERVER_EVENTS, "conversation.item.added", "response.output_audio.delta"]),
    st.dictionaries(st.sampled_from(["session", "response", "item", "part", "error", "x"]), json_values),
)


@given(odd_events.map(raw) | json_values.map(json.dumps).map(str.encode) | st.binary(max_size=40))
def test_there_is_an_answer_to_everything(frame: bytes) -> None:
    to_beta(to_ga(frame).raw)
    to_beta(frame)


@pytest.mark.parametrize("frame", [b"", b"\xff", b"[]", b'{"type":1}', b'{"type":"session.update","session":', b"{}"])
def test_what_is_no_event_goes_on_as_it_is(frame: bytes) -> None:
    assert to_ga(frame) == (frame, ())
    assert to_beta(frame) is frame


def test_an_event_that_ends_too_soon_goes_on_as_it_is() -> None:
    for frame in (b'{ "type":"response.text.delta","delta":', b'{ "type":"response.output_text.delta","delta":'):
        assert to_ga(frame).raw == frame
        assert to_beta(frame) == frame
