"""The types of the `openai` package are the oracle, and so are the recorded sessions."""

import base64
import json
from pathlib import Path
from typing import Annotated, Final, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel

from realtime_engine.audio import base64_size
from realtime_engine.events import (
    CLIENT_EVENTS,
    ENGINE_EVENTS,
    MANAGED_FRONT_EVENTS,
    SERVER_EVENTS,
    EngineSession,
    Error,
    Event,
    InputAudioBufferAppend,
    InputTranscriptionCompleted,
    OutputAudioBufferPlayed,
    ResponseCreate,
    ResponseDone,
    ResponseOutputAudioDelta,
    SessionUpdate,
    UnknownEvent,
    append_frame,
    decode,
    encode,
    peek_type,
    read_plain_speech,
    type_of,
)
from realtime_engine.objects import ErrorDetail, Json
from tests.sessions import Frame, frames

EXAMPLES: Final = (Path(__file__).parent / "events.jsonl").read_bytes().splitlines()
"""One example of each event that no recorded session holds."""

UNREAD: Final = {"logprobs", "languages", "obfuscation"}  # fields that pass by; the engine has no use for them
ADDED: Final[dict[type[Event], set[str]]] = {  # which only other vendors have
    ResponseDone: {"usage"},
    InputTranscriptionCompleted: {"status"},
}

GA: Final = frames("openai", "azure")


def oracle(union: object) -> dict[str, type[BaseModel]]:
    """The models of an event union of the `openai` package, by wire type."""
    while get_origin(union) is Annotated:
        union = get_args(union)[0]
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


CLIENT_MODELS: Final = oracle(RealtimeClientEvent)
SERVER_MODELS: Final = oracle(RealtimeServerEvent)


def classes(events: tuple[type[Event], ...]) -> dict[str, type[Event]]:
    return {type_of(event): event for event in events}


# --- every event of the protocol is typed -------------------------------------------------------------------


def test_every_event_of_the_protocol_has_a_class_and_no_other() -> None:
    assert classes(CLIENT_EVENTS).keys() == CLIENT_MODELS.keys()
    assert classes(SERVER_EVENTS).keys() == SERVER_MODELS.keys()


@pytest.mark.parametrize(
    ("event", "model"),
    [(event, CLIENT_MODELS[type_of(event)]) for event in CLIENT_EVENTS]
    + [(event, SERVER_MODELS[type_of(event)]) for event in SERVER_EVENTS],
)
def test_a_class_has_the_fields_of_the_protocol_and_demands_none_that_is_optional(
    event: type[Event], model: type[BaseModel]
) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(event)}

    assert {*fields, "type", "event_id"} - ADDED.get(event, set()) == {*model.model_fields, "type", "event_id"} - UNREAD
    demanded = {name for name, field in fields.items() if field.required}
    assert demanded <= {name for name, field in model.model_fields.items() if field.is_required()}


def test_every_event_is_recorded_or_has_an_example_here() -> None:
    examples = {json.loads(text)["type"] for text in EXAMPLES}
    recorded = {frame.type for frame in GA}

    assert examples | recorded == CLIENT_MODELS.keys() | SERVER_MODELS.keys()
    assert not examples & recorded


@pytest.mark.parametrize("raw", EXAMPLES)
def test_an_example_is_valid_and_is_read_and_written_in_full(raw: bytes) -> None:
    event = decode(raw)

    (CLIENT_MODELS | SERVER_MODELS)[event.type].model_validate_json(raw, strict=True)
    assert not isinstance(event, UnknownEvent)
    assert json.loads(encode(event)) == json.loads(raw)


@pytest.mark.parametrize("source", sorted({frame.source for frame in GA}))
def test_every_recorded_frame_of_the_protocol_is_typed(source: str) -> None:
    for frame in (frame for frame in GA if frame.source == source):
        event = decode(frame.raw)

        known = classes(CLIENT_EVENTS if frame.sent else SERVER_EVENTS)
        assert type(event) is known[frame.type], f"line {frame.line}"
        assert event.type == peek_type(frame.raw) == frame.type


@pytest.mark.parametrize("frame", [frame for frame in GA if frame.type == "response.output_audio.delta"][:5])
def test_the_speech_of_a_delta_is_read_without_being_decoded(frame: Frame) -> None:
    event = decode(frame.raw)

    assert isinstance(event, ResponseOutputAudioDelta)
    assert bytes(event.delta) == json.dumps(frame.event["delta"]).encode()


def test_a_session_and_a_response_to_be_made_are_kept_as_text() -> None:
    update = decode(b'{"type":"session.update","session":{"type":"realtime", "unheard_of":[1]}}')
    create = decode(b'{"type":"response.create","response":{"metadata":{"a":"b"}}}')

    assert isinstance(update, SessionUpdate)
    assert bytes(update.session) == b'{"type":"realtime", "unheard_of":[1]}'
    assert isinstance(create, ResponseCreate)
    assert create.response == msgspec.Raw(b'{"metadata":{"a":"b"}}')
    assert decode(b'{"type":"response.create"}') == ResponseCreate()


# --- what managed fronts and the engine say besides ---------------------------------------------------------


def test_the_additions_for_managed_fronts_are_typed_and_named_apart() -> None:
    additions = classes(MANAGED_FRONT_EVENTS + ENGINE_EVENTS).keys()

    assert additions == {
        "output_audio_buffer.played",
        "input_audio_buffer.stopped",
        "engine.session",
        "engine.upstream",
        "engine.tool_failed",
        "engine.speech_started",
        "engine.speech_stopped",
        "engine.speech_suspected",
        "engine.speech_dismissed",
        "engine.sound_card",
    }
    assert not additions & (CLIENT_MODELS.keys() | SERVER_MODELS.keys())
    assert decode(b'{"type":"output_audio_buffer.played","item_id":"i","audio_ms":20.5}') == (
        OutputAudioBufferPlayed(item_id="i", audio_ms=20.5)
    )


def test_an_event_is_written_type_first_and_without_what_is_unset() -> None:
    assert encode(EngineSession(event_id="event_1", upstream="local", pinned={"model": "chosen"})) == (
        b'{"type":"engine.session","event_id":"event_1","upstream":"local","pinned":{"model":"chosen"}}'
    )
    assert encode(EngineSession(upstream="local", pinned={}, may_set=("audio.output.voice",))) == (
        b'{"type":"engine.session","upstream":"local","pinned":{},"may_set":["audio.output.voice"]}'
    )
    assert encode(Error(error=ErrorDetail(message="no"))) == (
        b'{"type":"error","error":{"type":null,"code":null,"message":"no","param":null}}'
    )


@given(st.binary(max_size=300))
def test_an_append_of_the_engines_own_is_the_event_that_the_protocol_names(audio: bytes) -> None:
    raw = append_frame(audio)

    assert raw == encode(InputAudioBufferAppend(audio=base64.b64encode(audio).decode()))


# --- what is unknown is carried on --------------------------------------------------------------------------


def test_other_dialects_are_typed_as_far_as_they_are_the_protocol() -> None:
    unknown = {
        (frame.source.partition("/")[0], frame.type)
        for frame in frames("xai", "beta")
        if isinstance(decode(frame.raw), UnknownEvent)
    }

    assert unknown == {
        ("beta", "response.text.delta"),
        ("beta", "response.text.done"),
        ("xai", "ping"),
    }


def test_an_unknown_type_becomes_an_unknown_event_of_that_name() -> None:
    event = decode('{"a":1,"type":"grüße"}'.encode())

    assert event == UnknownEvent(name="grüße")
    assert event.type == "grüße"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"type":"error"}', "required field `error`"),
        (b'{"type":"response.done","response":7}', "Expected `object`, got `int`"),
        (b'{"type":"response.created","response":{"status":{}}}', r"\$\.response\.status"),
        (b'{"type":"error","type":"session.update"}', "Invalid value 'session.update'"),
    ],
)
def test_a_known_type_in_an_unknown_shape_becomes_an_unknown_event(raw: bytes, problem: str) -> None:
    event = decode(raw)

    assert isinstance(event, UnknownEvent)
    assert event.type == peek_type(raw)
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(event.problem)


@pytest.mark.parametrize("raw", [b"{}", b'{"type":null}', b'{"type":7}', b'{"type":["error"]}', b'{"a":"type"}'])
def test_an_object_without_a_type_is_an_unknown_event_without_a_name(raw: bytes) -> None:
    assert peek_type(raw) == ""
    assert decode(raw) == UnknownEvent(name="")


DEEP: Final = b"[" * 100_000

NO_OBJECT: Final = (
    b"",
    b"hello",
    b"null",
    b"[]",
    b'"type"',
    b'{"a":1',
    b'{"a":1}}',
    b'{"type":7,"a":}',
    b'{"a":"\\ud83d"}',
    b'{"type":7,"\xff":1}',
    b'{"type": "\xff"}',
    b'{"type":"\xff"}',
    DEEP,
    b'{"type":7,"a":' + DEEP,
    b'{"a":' + DEEP,
)

NO_OBJECT_BUT_A_TYPE: Final = (  # what a peek sees, and decoding refuses
    b'{"type":"error"',
    b'{"type":"error","error":{"message":"\xff"}}',
    b'{"type":"error","error":{"message":"\\ud83d"}}',
    b'{"type":"error",}',
    b'{"type":"unheard.of"',
    b'{"type":"unheard.of","\xff":1}',
    b'{"type":"unheard.of","a":' + DEEP,
    b'{"type":"session.update","session":' + DEEP,
    b'{"type":"error","error":7,"\xff"',
)


@pytest.mark.parametrize("raw", NO_OBJECT, ids=lambda raw: repr(raw[:30]))
def test_what_is_no_json_object_has_no_type(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        peek_type(raw)


@pytest.mark.parametrize("raw", NO_OBJECT + NO_OBJECT_BUT_A_TYPE, ids=lambda raw: repr(raw[:30]))
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(raw)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda end: b'{"type":"error",' + end))
def test_whatever_comes_is_decoded_or_refused(raw: bytes) -> None:
    for read in (peek_type, decode):
        try:
            read(raw)
        except msgspec.DecodeError:
            continue


# --- the peek -----------------------------------------------------------------------------------------------

VALUES: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)

TYPES: Final = st.text() | st.sampled_from(sorted(SERVER_MODELS)) | VALUES


@st.composite
def objects_with_types(draw: st.DrawFn) -> dict[str, Json]:
    """JSON objects that name their type first, last, in between, or nowhere."""
    members = list(draw(st.dictionaries(st.text() | st.just("type"), VALUES, max_size=4)).items())
    if draw(st.booleans()):
        members = [member for member in members if member[0] != "type"]
        members.insert(draw(st.integers(0, len(members))), ("type", draw(TYPES)))
    return dict(members)


@st.composite
def writings(draw: st.DrawFn) -> tuple[dict[str, Json], bytes]:
    """An object, and how one JSON library or another writes it."""
    value = draw(objects_with_types())
    if draw(st.booleans()):
        return value, msgspec.json.encode(value)
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")])),
        indent=draw(st.sampled_from([None, 0, 2])),
        sort_keys=draw(st.booleans()),
    )
    return value, (draw(st.sampled_from(["", " ", "\n"])) + text).encode()


@given(writings())
def test_the_peek_sees_the_type_of_any_object_that_a_json_library_writes(
    writing: tuple[dict[str, Json], bytes],
) -> None:
    value, raw = writing
    name = value.get("type")

    assert peek_type(raw) == (name if isinstance(name, str) else "")


@given(writings())
def test_any_object_that_a_json_library_writes_is_decoded(writing: tuple[dict[str, Json], bytes]) -> None:
    _, raw = writing

    assert decode(raw).type == peek_type(raw)


# --- speech, measured without being read ----------------------------------------------------------------------

SPEECH: Final = {
    "type": "response.output_audio.delta",
    "item_id": "item_1",
    "response_id": "resp_1",
    "content_index": 2,
}


def spoken(audio: bytes, *, last: bool = True) -> bytes:
    coded = {"delta": base64.b64encode(audio).decode()}
    first = {"type": SPEECH["type"]}
    return json.dumps({**SPEECH, **coded} if last else {**first, **coded, **SPEECH}, separators=(",", ":")).encode()


@given(st.binary(max_size=300))
def test_speech_as_every_known_server_writes_it_is_measured_without_a_look_at_the_audio(audio: bytes) -> None:
    read = read_plain_speech(spoken(audio))

    assert read is not None
    event, size = read
    assert size == len(audio)
    assert (event.item_id, event.response_id, event.content_index) == ("item_1", "resp_1", 2)


@given(st.binary(max_size=100), st.binary(max_size=3), st.integers(0, 400), st.booleans())
def test_what_is_measured_is_what_is_read(audio: bytes, noise: bytes, at: int, last: bool) -> None:
    raw = spoken(audio, last=last)
    raw = raw[:at] + noise + raw[at:]
    read = read_plain_speech(raw)

    if read is not None and noise.isascii() and noise.isalnum():
        event = decode(raw)
        assert isinstance(event, ResponseOutputAudioDelta)
        assert read[1] == base64_size(event.delta)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"response.output_audio.delta","item_id":7,"delta":"AAAA"}',
        b'{"type":"response.output_audio.delta","item_id":7}',
        b'{"type":"response.output_audio.delta","item_id":"\xff","delta":"AAAA"}',
        b'{"type":"response.output_audio.delta","item_id":"item_1","delta":"AA\\/A"}',
        b'{"type":"response.output_audio.delta","item_id":"item_1","delta":"AAAA}',
        b'{"type":"response.output_audio.delta","item_id":"item_1","delta":"AAAA","more":"x"}',
        b'{"type":"response.output_text.delta","item_id":"item_1","delta":"AAAA"}',
    ],
)
def test_what_is_no_speech_in_that_form_is_left_to_be_decoded(raw: bytes) -> None:
    assert read_plain_speech(raw) is None
