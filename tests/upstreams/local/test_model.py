"""The machine as a whole: its beginning and end, and what holds for any client."""

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import encode_base64
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Done, Frame
from realtime_engine.upstreams.local.model import Model
from tests.upstreams.local.harness import SILENCE, Client, noise, setting


def test_a_session_expires_with_an_error_and_a_close() -> None:
    client = Client(expires_after=90.0, epoch=1000)
    assert client.events[0]["session"]["expires_at"] == 1090
    client.run(89.9)
    assert client.closed is None

    client.run()

    assert client.now == 90.0
    assert client.error["code"] == "session_expired"
    assert client.error["message"] == "Your session hit the maximum duration of 1.5 minutes."
    assert client.closed == Close(1000, "session_expired")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.5, "0.5 seconds"),
        (1.0, "1 second"),
        (45.0, "45 seconds"),
        (60.0, "1 minute"),
        (100.0, "1.67 minutes"),
        (3600.0, "60 minutes"),
        (1e8, "1666666.67 minutes"),
    ],
)
def test_how_long_a_session_may_last_is_said_in_plain_figures(seconds: float, said: str) -> None:
    client = Client(expires_after=seconds)

    client.run()

    assert client.error["message"] == f"Your session hit the maximum duration of {said}."


def test_a_session_does_not_expire_unless_it_is_told_to() -> None:
    assert Client().model.deadline == inf


def test_nothing_is_said_before_the_connection_and_after_it() -> None:
    model = Model(setting())
    update = Frame(b'{"type":"session.update","session":{"type":"realtime"}}')

    assert model.waits_for == "nothing: it is not connected"
    assert list(model.step(0.0, update)) == []
    model.step(0.0, Connected())
    assert model.waits_for == "the client"
    model.step(0.0, Frame(b'{"type":"response.create"}'))
    assert list(model.step(0.0, Disconnected())) == []
    assert model.deadline == inf
    assert list(model.step(1.0, update)) == []
    assert list(model.step(1.0, Done(1, b""))) == []
    assert list(model.advance(5.0)) == []


def test_every_event_has_an_id_of_its_own() -> None:
    client = Client()
    client.ask("Hello.")

    ids = [event["event_id"] for event in client.events]

    assert all(name.startswith("event_") and len(name) == 27 for name in ids)
    assert len(set(ids)) == len(ids)


def conversation(client: Client) -> None:
    client.configure(transcription={"model": "any"})
    client.ask("Hello there.")
    client.append(SILENCE * 10 + noise(30) + SILENCE * 20)
    client.run()


def test_the_same_conversation_gives_the_same_frames_byte_for_byte() -> None:
    one, two = Client(), Client()

    conversation(one)
    conversation(two)

    assert one.frames == two.frames
    assert one.times == two.times


def test_waking_late_changes_nothing_but_the_time() -> None:
    in_time, late = Client(), Client()
    for client in (in_time, late):
        client.type("Hello there.")
        client.send("response.create")
        client.run(0.03)

    in_time.run()
    late.take(late.model.advance(1000.0))

    assert late.frames == in_time.frames


# --- any client -------------------------------------------------------------------------------------------------

ID = st.sampled_from(["a", "b", "root", "item_x", "", "x" * 33, None])
TEXT = st.sampled_from(["", "Hello.", "\ud83d\ude00", "call"])
AUDIO = st.sampled_from([b"", SILENCE * 3, noise(5), noise(40) + SILENCE * 20, b"\x01"]).map(
    lambda audio: encode_base64(audio).decode()
)
FORMAT = st.sampled_from([{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, {"type": "audio/opus"}])
PART = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["input_text", "output_text", "text"]), "text": TEXT}),
    st.fixed_dictionaries({"type": st.just("input_audio"), "audio": AUDIO}),
    st.fixed_dictionaries({"type": st.just("input_image"), "image_url": TEXT}),
)
ITEM = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "role": st.sampled_from(["user", "assistant", "system", "pope"]),
            "content": st.lists(PART, max_size=2),
        },
        optional={"id": ID},
    ),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": ID, "output": TEXT}),
    st.fixed_dictionaries({"type": st.just("function_call"), "name": TEXT, "arguments": TEXT}),
    st.fixed_dictionaries({"type": st.just("item_reference"), "id": ID}),
)
DETECTION = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"type": st.just("server_vad")},
        optional={
            "idle_timeout_ms": st.sampled_from([None, 1, 500]),
            "silence_duration_ms": st.integers(0, 1000),
            "prefix_padding_ms": st.integers(0, 1000),
            "interrupt_response": st.booleans(),
            "create_response": st.booleans(),
        },
    ),
    st.just({"type": "semantic_vad"}),
)
SESSION = st.fixed_dictionaries(
    {"type": st.sampled_from(["realtime", "realtime", "transcription"])},
    optional={
        "instructions": TEXT,
        "output_modalities": st.sampled_from([["text"], ["audio"], []]),
        "audio": st.fixed_dictionaries(
            {"input": st.fixed_dictionaries({}, optional={"format": FORMAT, "turn_detection": DETECTION})},
            optional={"output": st.fixed_dictionaries({}, optional={"format": FORMAT})},
        ),
        "tools": st.sampled_from([[], [{"type": "function", "name": "f"}]]),
        "tool_choice": st.sampled_from(["auto", "required", {"type": "function", "name": "g"}]),
    },
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none"]),
        "input": st.lists(ITEM, max_size=2),
        "max_output_tokens": st.sampled_from([1, 20, "inf"]),
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
    },
)


def event(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


REQUEST = st.one_of(
    event("session.update", session=SESSION),
    event("input_audio_buffer.append", audio=AUDIO),
    event("input_audio_buffer.append", audio=AUDIO),
    event("input_audio_buffer.commit"),
    event("input_audio_buffer.clear"),
    event("conversation.item.create", item=ITEM),
    event("conversation.item.create", item=ITEM, previous_item_id=ID),
    event("conversation.item.truncate", item_id=ID, content_index=st.integers(0, 1), audio_end_ms=st.integers(-1, 99)),
    event("conversation.item.delete", item_id=ID),
    event("conversation.item.retrieve", item_id=ID),
    event("response.create"),
    event("response.create", response=RESPONSE),
    event("response.cancel"),
)
RAW = st.one_of(
    REQUEST.map(lambda request: json.dumps(request).encode()),
    st.binary(max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "item", "a"]), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)
ACTION = st.one_of(RAW, RAW, RAW, st.sampled_from([0.01, 0.05, 0.5, 30.0]))


@given(st.lists(ACTION, max_size=25))
def test_no_sequence_of_requests_ever_raises(actions: list[bytes | float]) -> None:
    client = Client()

    for action in actions:
        if isinstance(action, float):
            client.run_for(action)
        else:
            client.send_raw(action)
            client.send_raw(action, Kind.BINARY)
    client.configure(turn_detection=None)
    client.run()

    created, done = (
        sorted(event["response"]["id"] for event in client.all(f"response.{kind}")) for kind in ("created", "done")
    )
    assert created == done
    assert len({event["event_id"] for event in client.events}) == len(client.events)


@given(st.lists(ACTION, max_size=15))
def test_the_items_that_were_added_are_in_the_order_that_was_told(actions: list[bytes | float]) -> None:
    client = Client()
    for action in actions:
        if isinstance(action, float):
            client.run_for(action)
        else:
            client.send_raw(action)

    told: list[str] = []
    for said in client.events:
        match said:
            case {"type": "conversation.item.added", "previous_item_id": None, "item": {"id": name}}:
                told.insert(0, name)
            case {"type": "conversation.item.added", "previous_item_id": previous, "item": {"id": name}}:
                told.insert(told.index(previous) + 1, name)
            case {"type": "conversation.item.deleted", "item_id": name}:
                told.remove(name)
    assert told == [entry.id for entry in client.model._conversation.entries]  # type: ignore[attr-defined]  # ours


def test_numbers_without_end_are_refused() -> None:
    client = Client()
    truncate = b'{"type":"conversation.item.truncate","item_id":"a","content_index":0,"audio_end_ms":%b}'

    for digits in (20, 5000):
        client.send_raw(truncate % (b"9" * digits))
        assert client.types[-1] == "error"
    assert (client.error["code"], client.error["param"]) == ("invalid_value", None)
    assert client.error["message"] == "Invalid event: an integer in it is out of range."
