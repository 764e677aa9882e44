"""Servers that do not speak the GA: what they say is understood, and what they are told is in their own words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import realtime as ga
from pydantic import ValidationError

from realtime_engine import events as ev
from realtime_engine.conversation import Conversation
from realtime_engine.dialect import to_beta
from realtime_engine.objects import Usage
from realtime_engine.tongues import BetaTongue, GaTongue, Tongue, XaiTongue
from tests.recorded_items import RIGHT, shown
from tests.sessions import Frame, frames
from tests.test_events import SERVER_MODELS

XAI: Final = frames("xai")
CREATED: Final = "conversation.item.created"
ADDED: Final = "conversation.item.added"
DONE: Final = "conversation.item.done"


def raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def heard(tongue: Tongue, event: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(said) for said in tongue.hear(raw(event))]


def said(tongue: Tongue, event: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(tongue.say(raw(event)).raw)
    return told


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session}


@pytest.mark.parametrize("frame", frames("openai")[:40], ids=lambda frame: f"{frame.source}:{frame.line}")
@pytest.mark.parametrize("tongue", [GaTongue(), XaiTongue()])
def test_what_is_said_in_the_words_of_the_ga_stays_as_it_is(tongue: Tongue, frame: Frame) -> None:
    text = frame.raw

    if frame.sent and frame.type != "session.update":
        assert tongue.say(text) == (text, ())
        assert tongue.say(text).raw is text
    elif not frame.sent:
        (meant,) = tongue.hear(text)
        assert meant is text


NONSENSE: Final = (
    *(b"", b"no json", b"[]", b"\xff", b'{"type":"session.created"'),
    b'{"type":"session.update"}',
    b'{"type":"session.updated","session":7}',
    b'{"type":"response.create","response":"x"}',
    b'{"type":"response.done","response":[],"usage":{}}',
    b'{"type":"response.output_item.done","item":null}',
    b'{"type":"response.function_call_arguments.done","item_id":{}}',
)


@pytest.mark.parametrize("text", NONSENSE)
@pytest.mark.parametrize("tongue", [GaTongue(), BetaTongue(), XaiTongue()])
def test_nonsense_is_nobodys_words_and_is_left_to_others(tongue: Tongue, text: bytes) -> None:
    assert tongue.hear(text) == (text,)
    assert tongue.say(text) == (text, ())


def test_an_item_that_is_none_is_not_done() -> None:
    assert heard(BetaTongue(), {"type": "conversation.item.created"}) == [{"type": ADDED}]


@given(st.binary(max_size=60))
def test_whatever_comes_has_a_meaning(text: bytes) -> None:
    for tongue in (GaTongue(), BetaTongue(), XaiTongue()):
        assert tongue.hear(text) == (text,)
        assert tongue.say(text).raw is not None


# --- xAI --------------------------------------------------------------------------------------------------------


SPOKEN: Final = [
    *("session.created", "conversation.created", "session.updated", "input_audio_buffer.speech_started", ADDED),
    "conversation.item.input_audio_transcription.delta",  # Nanna?
    *("input_audio_buffer.speech_stopped", "input_audio_buffer.committed", DONE),
    "conversation.item.input_audio_transcription.completed",
]
"""A spoken turn of xAI, in the words of the GA."""

ANSWERED: Final = [
    *("response.created", "response.output_item.added", ADDED, "response.content_part.added"),
    *("response.output_audio_transcript.delta", "response.output_audio.delta"),  # many, in any order
    *("response.output_audio_transcript.done", "response.content_part.done", "response.output_audio.done"),
    *(DONE, "response.output_item.done", "response.done"),
]
"""And its answer."""

BEGUN: Final = ["session.created", "conversation.created", "session.updated"]


def in_the_ga(source: str) -> list[bytes]:
    """A session of xAI as the front hears it."""
    tongue = XaiTongue()
    return [said for frame in XAI if frame.source == source and not frame.sent for said in tongue.hear(frame.raw)]


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("xai/audio_in_server_vad_turn.jsonl", SPOKEN + ANSWERED),
        ("xai/message_history_seeding.jsonl", [*BEGUN, *[ADDED, DONE] * 3, *ANSWERED]),
        ("xai/text_in_audio_out_turn.jsonl", [*BEGUN, ADDED, DONE, *ANSWERED]),
        ("xai/thinking_disabled.jsonl", [*BEGUN, ADDED, DONE, *ANSWERED]),
    ],
)
def test_a_session_of_xai_has_the_events_of_the_ga_in_its_order(source: str, kinds: list[str]) -> None:
    said = [json.loads(text)["type"] for text in in_the_ga(source)]

    deltas = ANSWERED[4:6]
    first = next(n for n, kind in enumerate(said) if kind in deltas)
    assert [kind for kind in said if kind not in deltas] == [kind for kind in kinds if kind not in deltas]
    assert kinds.index(deltas[0]) == first


NOT_SAID: Final = {("conversation.item.input_audio_transcription.completed", "usage"), ("session.updated", "effort")}
"""What xAI does not say, or says otherwise, and nobody else knows: what a transcript took; no reasoning at all."""


def lacks(text: bytes) -> set[tuple[str, str]]:
    """What the type of an event in the GA finds fault with."""
    kind = ev.peek_type(text)
    try:
        SERVER_MODELS[kind].model_validate_json(text)
    except ValidationError as error:
        return {(kind, str(each["loc"][-1])) for each in error.errors()}
    return set()


@pytest.mark.parametrize("source", sorted({frame.source for frame in XAI}))
def test_what_xai_says_is_what_the_types_of_the_ga_expect(source: str) -> None:
    other_kind = {("session.updated", "type")}  # of session, which the type tries too

    for text in in_the_ga(source):
        assert lacks(text) <= NOT_SAID | other_kind


def test_what_xai_says_as_the_ga_does_passes_as_it_came() -> None:
    same = set()
    for frame in XAI:
        text = frame.raw
        if not frame.sent and text in XaiTongue().hear(text):
            (meant, *_) = [said for said in XaiTongue().hear(text) if said is text]
            same |= {frame.type} if meant is text else set()

    assert same >= {
        *("response.output_audio.delta", "response.output_audio_transcript.delta", ADDED),
        *("input_audio_buffer.speech_started", "input_audio_buffer.committed", "conversation.created"),
    }


TURN: Final = {"item_id": "item_1", "content_index": 0}
UPDATED: Final = {"type": "conversation.item.input_audio_transcription.updated", **TURN}
COMPLETED: Final = {"type": "conversation.item.input_audio_transcription.completed", **TURN}


def test_a_transcript_that_grows_is_told_by_what_is_more_and_one_that_is_corrected_when_it_is_final() -> None:
    tongue = XaiTongue()
    said = [
        heard(tongue, {**UPDATED, "transcript": "I"}),
        heard(tongue, {**COMPLETED, "transcript": "I scream", "status": "in_progress"}),
        heard(tongue, {**UPDATED, "transcript": "I scream"}),
        heard(tongue, {**UPDATED, "transcript": "Ice cream"}),
        heard(tongue, {**COMPLETED, "transcript": "Ice cream!", "status": "completed"}),
        heard(tongue, {**UPDATED, "transcript": "And"}),  # the next, under the same name
    ]

    assert [
        [(event["type"].rpartition(".")[2], event.get("delta", event.get("transcript"))) for event in each]
        for each in said
    ] == [
        [("delta", "I")],
        [("delta", " scream")],
        [],
        [],
        [("completed", "Ice cream!")],
        [("delta", "And")],
    ]


def test_what_ends_an_answers_item_has_all_that_was_said_of_it() -> None:
    tongue, place = XaiTongue(), {"item_id": "item_1", "content_index": 0}
    part = {"type": "text", "text": ""}
    begun = item("in_progress", role="assistant", content=[])
    for event in (
        {"type": "response.output_item.added", "item": begun},
        {"type": ADDED, "previous_item_id": "item_0", "item": begun},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.done", **place, "text": "Hello."},
    ):
        assert heard(tongue, event) == [event]

    (part_done,) = heard(tongue, {"type": "response.content_part.done", **place})
    last = {"type": "response.output_item.done", "event_id": "e", "item": item("completed", role="assistant")}
    done, ended = heard(tongue, last)

    assert part_done["part"] == {"type": "text", "text": "Hello."}
    assert ended["item"]["content"] == done["item"]["content"] == [{"type": "output_text", "text": "Hello."}]
    assert (done["type"], done["previous_item_id"], done["event_id"]) == (DONE, "item_0", "e_done")
    assert ended["item"]["status"] == done["item"]["status"] == "completed"


def test_what_ends_an_item_of_which_all_is_said_stays_as_it_is() -> None:
    tongue = XaiTongue()
    content = [{"type": "output_text", "text": "Hello."}]
    heard(tongue, {"type": "response.output_item.added", "item": item("in_progress")})
    heard(
        tongue,
        {"type": "response.content_part.added", "item_id": "item_1", "content_index": 0, "part": {"type": "text"}},
    )
    text = raw({"type": "response.output_item.done", "item": item("completed", content=content)})
    part = raw(
        {"type": "response.content_part.done", "item_id": "item_1", "content_index": 0, "part": {"type": "text"}}
    )

    assert tongue.hear(part)[0] is part
    assert tongue.hear(text)[0] is text


def test_words_of_items_that_nobody_has_announced_change_nothing() -> None:
    place = {"item_id": "item_9", "content_index": 0}
    for event in (
        {"type": "response.content_part.added", **place, "part": {"type": "text"}},
        {"type": "response.output_text.done", **place, "text": "Hello."},
        {"type": "response.content_part.done", **place},
        {"type": "response.function_call_arguments.done", "item_id": "item_9", "arguments": "{}"},
    ):
        assert heard(XaiTongue(), event) == [event]


def test_a_call_of_xai_is_whole_where_it_ends() -> None:
    tongue = XaiTongue()
    call = item("in_progress", type="function_call", name="dig", call_id="call_1")
    heard(tongue, {"type": "response.output_item.added", "item": call})

    (arguments,) = heard(
        tongue, {"type": "response.function_call_arguments.done", "item_id": "item_1", "arguments": '{"m":1}'}
    )
    (ended,) = heard(tongue, {"type": "response.output_item.done", "item": item("completed", type="function_call")})

    assert (arguments["name"], arguments["call_id"]) == ("dig", "call_1")
    assert ended["item"] == {**call, "status": "completed", "arguments": '{"m":1}'}


@pytest.mark.parametrize("frame", [frame for frame in XAI if frame.type == "session.updated"])
def test_what_xai_grants_stands_where_the_ga_has_it(frame: Frame) -> None:
    (event,) = heard(XaiTongue(), frame.event)

    session = event["session"]
    assert session["type"] == "realtime"
    assert session["output_modalities"] == ["audio"]
    assert session["max_output_tokens"] == "inf"
    assert session["audio"]["input"]["turn_detection"] == frame.event["session"]["turn_detection"]  # type: ignore[call-overload,index]
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["transport"] == "json"
    assert not {"turn_detection", "modalities"} & session.keys()


def test_a_session_of_xai_begins_with_turns_by_hand_and_a_voice() -> None:
    created = next(frame for frame in XAI if frame.type == "session.created")

    (event,) = heard(XaiTongue(), created.event)

    assert event["session"]["audio"] == {"input": {"turn_detection": None}, "output": {"voice": "ara"}}
    read = ev.decode(raw(event))
    assert isinstance(read, ev.SessionCreated)
    assert read.session.turn_detection is None


def test_a_response_of_xai_ends_with_the_usage_in_it_and_without_details_that_it_has_not() -> None:
    for frame in (frame for frame in XAI if frame.type == "response.done"):
        (event,) = heard(XaiTongue(), frame.event)

        assert event["response"]["usage"] == frame.event["usage"]
        assert event["response"]["status_details"] is None
        done = ga.ResponseDoneEvent.model_validate_json(raw(event), strict=True)
        assert done.response.output is not None
        assert [part.type for part in done.response.output[0].content or []] == ["output_audio"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("event", "response"),
    [
        ({"usage": {"total_tokens": 9}, "response": {"usage": {"total_tokens": 8}}}, {"usage": {"total_tokens": 8}}),
        ({"response": {"usage": {}}}, {"usage": {}}),
        ({"usage": {"total_tokens": 9}, "response": {"id": "r"}}, {"id": "r", "usage": {"total_tokens": 9}}),
        ({"response": {"status_details": {"type": "failed"}}}, {"status_details": {"type": "failed"}}),
    ],
)
def test_usage_and_details_that_are_there_stay(event: dict[str, Any], response: dict[str, Any]) -> None:
    (meant,) = heard(XaiTongue(), {"type": "response.done", **event})

    assert meant["response"] == response


def test_text_of_xai_has_the_name_that_the_ga_gives_it() -> None:
    (event,) = heard(XaiTongue(), {"type": "response.text.delta", "item_id": "i", "delta": "Hi"})

    assert event["type"] == "response.output_text.delta"


MOVED: Final = [
    ({"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}, {"turn_detection": {"type": "server_vad"}}),
    ({"audio": {"input": {"turn_detection": None}}}, {"turn_detection": {"type": None}}),
    ({"audio": {"output": {"voice": "eve"}}}, {"voice": "eve"}),
    ({"audio": {"output": {"voice": {"id": "mine"}}}}, {"voice": "mine"}),
    ({"audio": {"output": {"voice": {"name": "odd"}}}}, {"voice": {"name": "odd"}}),
    (
        {"type": "realtime", "audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}}},
        {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}, "turn_detection": {"type": None}},
    ),
]


@pytest.mark.parametrize(("session", "told"), MOVED)
def test_xai_is_told_what_it_has_at_the_top_at_the_top(session: dict[str, Any], told: dict[str, Any]) -> None:
    assert said(XaiTongue(), update(**session)) == update(**told)


@pytest.mark.parametrize(
    "session",
    [
        {"turn_detection": {"type": "server_vad"}, "voice": "eve"},
        {"turn_detection": {"type": "server_vad"}, "audio": {"input": {"turn_detection": None}}},
        {"instructions": "Be brief.", "reasoning": {"effort": "none"}},
        {"audio": 7},
    ],
)
def test_who_speaks_to_xai_as_xai_does_is_not_corrected(session: dict[str, Any]) -> None:
    text = raw(update(**session))

    assert XaiTongue().say(text).raw is text


def test_xai_is_told_all_else_as_it_is() -> None:
    for event in ({"type": "response.create"}, {"type": "conversation.item.truncate"}, {"type": "unheard.of"}):
        text = raw(event)
        assert XaiTongue().say(text).raw is text


ASKED: Final[dict[str, st.SearchStrategy[Any]]] = {
    "turn_detection": st.sampled_from([None, {"type": "server_vad"}]),
    "voice": st.sampled_from(["eve", "ara"]),
}


@given(st.fixed_dictionaries({}, optional=ASKED))
def test_what_xai_is_told_it_grants_in_the_same_words(asked: dict[str, Any]) -> None:
    audio: dict[str, Any] = {}
    if "turn_detection" in asked:
        audio["input"] = {"turn_detection": asked["turn_detection"]}
    if "voice" in asked:
        audio["output"] = {"voice": asked["voice"]}
    session = {"type": "realtime", **({"audio": audio} if audio else {})}

    (granted,) = heard(XaiTongue(), {**said(XaiTongue(), update(**session)), "type": "session.updated"})

    assert granted["session"] == session


# --- the beta ---------------------------------------------------------------------------------------------------


def test_the_recorded_session_of_the_beta_is_read_in_full() -> None:
    conversation, tongue = Conversation(keep=9), BetaTongue()
    ended = []
    for frame in (frame for frame in frames("beta") if not frame.sent):
        for text in tongue.hear(frame.raw):
            event = ev.decode(text)
            assert not isinstance(event, ev.UnknownEvent), frame.line
            conversation.apply(event)
            ended += [event] if isinstance(event, ev.ResponseDone) else []

    assert [shown(entry) for entry in conversation] == RIGHT["beta/text_response_beta.jsonl"]
    assert [event.used for event in ended] == [Usage(total_tokens=151, input_tokens=72, output_tokens=79)]


def spoken_again(source: str) -> list[bytes]:
    """What a server of the beta would have said in a session of the GA."""
    told = [
        to_beta(frame.raw) for frame in frames(source.partition("/")[0]) if frame.source == source and not frame.sent
    ]
    return [each for each in told if each is not None]


SESSIONS: Final = sorted({frame.source for frame in frames("openai", "azure")})


@pytest.mark.parametrize("source", SESSIONS)
def test_a_server_of_the_beta_says_the_same_conversation(source: str) -> None:
    conversation, tongue = Conversation(keep=99), BetaTongue()
    for text in spoken_again(source):
        for meant in tongue.hear(text):
            conversation.apply(ev.decode(meant))

    assert [shown(entry) for entry in conversation] == RIGHT[source]


@pytest.mark.parametrize("source", SESSIONS)
def test_each_item_is_done_once_and_when_it_is_complete(source: str) -> None:
    """As the GA does: items of users at once, those of answers before their response says so."""
    then = [frame.event for frame in frames(source.partition("/")[0]) if frame.source == source and not frame.sent]
    tongue, now = BetaTongue(), list[dict[str, Any]]()
    for text in spoken_again(source):
        now += [json.loads(meant) for meant in tongue.hear(text)]

    assert done_items(now) == done_items(then)
    assert [event["type"] for event in now if event["type"] != DONE] == [
        event["type"] for event in then if event["type"] != DONE
    ]
    after = {"message": ADDED, "function_call": ADDED, "function_call_output": ADDED}
    for at, event in enumerate(now):
        if event["type"] == DONE:
            ids = [each["item"]["id"] for each in now[:at] if each["type"] == after[event["item"]["type"]]]
            assert event["item"]["id"] in ids
            assert event["event_id"].endswith("_done")


def done_items(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["item"]["id"] for event in events if event["type"] == DONE]


def item(status: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "item_1", "type": "message", **({"status": status} if status else {}), **fields}


def test_an_item_that_is_complete_is_added_and_done() -> None:
    created = {"type": "conversation.item.created", "event_id": "event_1", "previous_item_id": "item_0", "item": item()}

    added, done = heard(BetaTongue(), created)

    assert added == {**created, "type": ADDED}
    assert done == {**created, "type": DONE, "event_id": "event_1_done"}


def test_an_item_of_an_answer_is_done_when_the_answer_has_ended_it_where_it_was_added() -> None:
    tongue = BetaTongue()
    begun = {"type": "conversation.item.created", "previous_item_id": "item_0", "item": item("in_progress")}
    ended = {"type": "response.output_item.done", "event_id": "event_2", "item": item("completed")}

    assert [event["type"] for event in heard(tongue, begun)] == [ADDED]
    done, again = heard(tongue, ended)

    assert (done["type"], done["previous_item_id"], done["item"]) == (DONE, "item_0", item("completed"))
    assert again == ended
    assert heard(tongue, ended) == [ended]  # once is enough


@pytest.mark.parametrize("status", [None, "incomplete", "completed"])
def test_an_item_of_an_answer_is_not_done_before_the_answer_ends_it_whatever_its_status(
    status: str | None,
) -> None:
    tongue = BetaTongue()
    heard(tongue, {"type": "response.output_item.added", "item": item(status)})

    assert [event["type"] for event in heard(tongue, {"type": CREATED, "item": item(status)})] == [ADDED]
    ended = {"type": "response.output_item.done", "event_id": "event_2", "item": item("completed")}
    assert [event["type"] for event in heard(tongue, ended)] == [DONE, "response.output_item.done"]


def test_an_item_beside_the_conversation_is_not_in_it() -> None:
    ended = {"type": "response.output_item.done", "event_id": "event_2", "item": item("completed")}

    assert heard(BetaTongue(), ended) == [ended]


def test_an_event_without_an_id_gives_one_that_has_one() -> None:
    _, done = heard(BetaTongue(), {"type": "conversation.item.created", "item": item()})

    assert done["event_id"] == "event_done"


@pytest.mark.parametrize(
    ("announced", "arguments", "name"),
    [
        ({"name": "dig"}, {}, "dig"),
        ({"name": "dig"}, {"name": "delve"}, "delve"),
        ({}, {}, None),
        (None, {}, None),
    ],
)
def test_the_arguments_of_a_call_say_of_which_function(
    announced: dict[str, str] | None, arguments: dict[str, str], name: str | None
) -> None:
    tongue = BetaTongue()
    if announced is not None:
        call = item("in_progress", **{"type": "function_call", **announced})
        heard(tongue, {"type": "response.output_item.added", "item": call})
    done = {"type": "response.function_call_arguments.done", "item_id": "item_1", "arguments": "{}", **arguments}

    (event,) = heard(tongue, done)

    assert event.get("name") == name


def test_items_that_never_end_are_forgotten_some_day() -> None:
    tongue = BetaTongue()
    for n in range(3000):
        begun = item("in_progress", id=f"item_{n}", name="dig")
        heard(tongue, {"type": "response.output_item.added", "item": begun})
        heard(tongue, {"type": "conversation.item.created", "item": begun})

    assert len(tongue._begun) == len(tongue._placed) == 1000


def test_turns_that_are_never_over_are_forgotten_some_day() -> None:
    tongue = XaiTongue()
    for n in range(3000):
        heard(tongue, {**UPDATED, "item_id": f"item_{n}", "transcript": "Hi"})
        heard(tongue, {"type": "response.output_item.added", "item": item("in_progress", id=f"item_{n}")})

    assert len(tongue._heard) == len(tongue._begun) == len(tongue._parts) == 1000


def test_a_server_of_the_beta_is_told_all_in_its_own_words() -> None:
    session = {"type": "realtime", "output_modalities": ["audio"], "audio": {"output": {"voice": "ash"}}}

    assert said(BetaTongue(), update(**session)) == update(modalities=["text", "audio"], voice="ash")


@pytest.mark.parametrize("holder", ["session", "response"])
def test_settings_that_the_beta_has_not_are_left_out_and_named(holder: str) -> None:
    kind = {"session": "session.update", "response": "response.create"}[holder]
    asked: dict[str, Any] = {"instructions": "Be brief.", "truncation": "auto", "prompt": None, "include": []}

    told = BetaTongue().say(raw({"type": kind, holder: asked}))

    assert json.loads(told.raw) == {"type": kind, holder: {"instructions": "Be brief."}}
    assert told.lost == ("include", "truncation")


def test_a_session_that_only_transcribes_could_include_more_in_the_beta_too() -> None:
    session = {"type": "transcription", "include": ["item.input_audio_transcription.logprobs"], "prompt": None}

    told = BetaTongue().say(raw(update(**session)))

    assert json.loads(told.raw) == {
        "type": "transcription_session.update",
        "session": {"include": ["item.input_audio_transcription.logprobs"]},
    }
    assert told.lost == ()


def test_a_client_may_say_what_the_beta_has_no_event_for() -> None:
    text = raw({"type": DONE})

    assert BetaTongue().say(text).raw is text
