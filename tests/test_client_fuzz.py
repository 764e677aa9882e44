"""No server makes a client raise: what it cannot mean ends the conversation, and all else is taken in or told."""

import json
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_engine.errors import UsageError
from realtime_engine.events import SERVER_EVENTS, type_of
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.responses import COLLISION, EXPIRED, NOT_ACTIVE
from realtime_engine.session_settings import AskedSettings
from tests.talk import Talk

IDS = st.sampled_from(["one", "one", "two", ""])
NUMBERS = st.sampled_from([0, 1, 20, 1000, 1 << 53])
WORDS = st.sampled_from(["AAAA", "AAA=", "?", "lamp", '{"on":1}', ""])
PLAIN = IDS | NUMBERS | st.none() | st.booleans() | WORDS | st.sampled_from([-1, 1 << 70, 1e300, 0.5, "\ud800"])
KINDS = st.sampled_from(["message", "function_call", "function_call_output", "hologram"])
ITEM = st.fixed_dictionaries(
    {"type": KINDS},
    optional={
        "id": IDS,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "status": st.sampled_from(["in_progress", "completed", "incomplete"]),
        "name": st.just("lamp"),
        "call_id": IDS,
        "arguments": st.sampled_from(["", "{}", "no JSON"]),
        "output": WORDS,
        "content": st.lists(
            st.fixed_dictionaries({"type": st.just("x")}, optional={"text": WORDS, "audio": WORDS}), max_size=2
        ),
    },
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "status": st.sampled_from(["completed", "cancelled", "failed", None]),
        "status_details": st.sampled_from([None, "why", {"type": "failed", "error": {"message": "why"}}]),
        "conversation_id": st.sampled_from([None, "conv_1"]),
        "output": st.lists(ITEM, max_size=2),
        "usage": st.none() | st.fixed_dictionaries({"total_tokens": NUMBERS}),
    },
)
DETECTION = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad"])},
    optional={"interrupt_response": st.booleans(), "create_response": st.booleans()},
)
FORMAT = st.sampled_from([{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}])
SESSION = st.fixed_dictionaries(
    {},
    optional={
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries({}, optional={"turn_detection": DETECTION, "format": FORMAT}),
                "output": st.fixed_dictionaries({}, optional={"format": FORMAT}),
            },
        )
    },
)
ERROR = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([COLLISION, EXPIRED, NOT_ACTIVE, None, "other"]),
        "message": WORDS,
        "event_id": IDS | st.integers(1, 9).map(lambda number: f"event_client_{number}"),
    },
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("item_id", "response_id", "call_id", "previous_item_id"), IDS),
    **dict.fromkeys(("content_index", "output_index", "audio_start_ms", "audio_end_ms"), NUMBERS),
    **dict.fromkeys(("delta", "text", "transcript", "arguments", "name"), WORDS),
    "item": ITEM,
    "response": RESPONSE,
    "session": SESSION,
    "error": ERROR,
}
TYPES = st.sampled_from([kind for event in SERVER_EVENTS if "mcp" not in (kind := type_of(event))])
GOOD = st.tuples(TYPES, st.fixed_dictionaries(FIELDS)).map(lambda two: {"type": two[0], **two[1]})
BAD = st.tuples(GOOD, st.sampled_from(sorted(FIELDS)), PLAIN).map(lambda three: {**three[0], three[1]: three[2]})
EVENT = GOOD | GOOD | BAD


@settings(max_examples=40)
@given(st.lists(EVENT, min_size=10, max_size=40), st.sampled_from([1, 3, 1000]))
def test_no_sequence_of_events_makes_a_client_raise(events: list[dict[str, Any]], keep: int) -> None:
    talk = Talk("lamp", session={"turn_detection": "none"}, items=keep, item_audio=0.01, all_audio=0.02)
    talk.want(lambda dialogue: dialogue.begin())
    for number, event in enumerate(events):
        talk.now = number * 0.25
        with suppress(msgspec.DecodeError):
            talk.hear(event)
        talk.want(lambda dialogue: dialogue.append(talk.now, b"\1\0\2"))
        talk.want(lambda dialogue: dialogue.create(talk.now) if len(talk.sent) < 50 else None)
        talk.want(lambda dialogue: dialogue.interrupt(talk.now))
        talk.want(lambda dialogue: dialogue.update({"instructions": f"{talk.now}"}))
        for each in list(talk.dialogue.items):
            with suppress(UsageError):
                talk.dialogue.cancel(talk.now, each.id, 100)
        for call_id, _, _ in talk.calls:
            talk.answer(call_id)
        assert all(repr(item) for item in talk.dialogue.items)
        assert talk.dialogue.items.audio.size <= 0.02 * 48_000 or talk.dialogue.output_format.type != "audio/pcm"
    assert all(event["type"] for event in talk.sent)


@given(st.binary(max_size=60), st.sampled_from(Kind))
def test_no_message_makes_a_client_raise_anything_but_what_it_says(raw: bytes, kind: Kind) -> None:
    talk = Talk()
    with suppress(msgspec.DecodeError):
        talk.dialogue.heard(0.0, Message(Side.UPSTREAM, kind, raw))


@given(
    st.dictionaries(
        st.sampled_from(["audio", "tools", "voice", "turn_detection", "type"]), PLAIN | SESSION | ITEM, max_size=4
    )
)
def test_whatever_an_application_asks_for_is_told_the_server_which_then_says_what_is_wrong(
    asked: dict[str, Any],
) -> None:
    wanted = AskedSettings(json.loads(json.dumps(asked).replace("\\ud800", "?")))

    assert json.dumps(wanted.whole([]))
    assert json.dumps(wanted.whole([]))
