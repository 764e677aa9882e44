"""A front that speaks the beta: what it says is judged, counted and recorded for what it means."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.commands import FORWARD, Command, HangUp, Note, Send, Span
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side
from realtime_engine.machine import Close
from realtime_engine.options import Limits, Policy, SessionOptions
from realtime_engine.recording.about import About
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import replay
from realtime_engine.recording.writer import Recorder
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from tests.script import Script, created, done, speech
from tests.sessions import frames

APPEND: Final = b'{"event_id":"evt_1","type":"input_audio_buffer.append","audio":"AAAA"}'
EVERYTHING: Final = Policy()
UNLIMITED: Final = Limits()
PINNED: Final = Policy(pinned={"audio.output.voice": "the operator's", "instructions": "the operator's"})


class Spoken:
    """A session whose front speaks the beta, with the model there."""

    def __init__(
        self,
        policy: Policy = EVERYTHING,
        *,
        mode: Literal["managed", "transparent"] = "transparent",
        upstream_open: bool = True,
        limits: Limits = UNLIMITED,
    ) -> None:
        self.session = Session(SessionOptions(mode=mode, dialect="beta", policy=policy, limits=limits))
        self.opening = [*self.session.step(0.0, Opened(Side.FRONT))]
        if upstream_open:
            self.opening += self.session.step(0.0, Opened(Side.UPSTREAM))

    def front(self, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Sequence[Command]:
        return self.session.step(0.0, message(Side.FRONT, event, kind))

    def upstream(self, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Sequence[Command]:
        return self.session.step(0.0, message(Side.UPSTREAM, event, kind))


def message(side: Side, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Message:
    raw = event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode()
    return Message(side, kind, raw)


def sent(commands: Sequence[Command], side: Side) -> list[dict[str, Any]]:
    """What a step says to a side."""
    return [json.loads(each.raw) for each in commands if isinstance(each, Send) and each.side is side]


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "event_id": "evt_2", "session": session}


# --- what the front says --------------------------------------------------------------------------------------


def test_what_means_the_same_in_both_goes_on_as_it_came() -> None:
    spoken = Spoken()

    assert spoken.front(APPEND) == [FORWARD]
    assert spoken.front(b'{ "type": "response.cancel" }') == [FORWARD]


def test_nothing_passes_without_being_looked_at() -> None:
    spoken = Spoken()

    assert spoken.session.passes(0.0, [message(Side.FRONT, APPEND)]) == 0
    assert spoken.session.passes(0.0, [message(Side.UPSTREAM, speech(0.1))]) == 0


def test_the_model_hears_the_words_of_the_ga() -> None:
    commands = Spoken().front(update(voice="ash", turn_detection=None))

    assert sent(commands, Side.UPSTREAM) == [
        update(type="realtime", audio={"output": {"voice": "ash"}, "input": {"turn_detection": None}})
    ]


def test_what_is_said_before_the_model_is_there_waits_in_the_words_of_the_ga() -> None:
    spoken = Spoken(upstream_open=False)

    assert spoken.front(update(voice="ash")) == []
    assert spoken.front(APPEND) == []
    commands = spoken.session.step(0.0, Opened(Side.UPSTREAM))

    assert sent(commands, Side.UPSTREAM) == [
        update(type="realtime", audio={"output": {"voice": "ash"}}),
        json.loads(APPEND),
    ]


def test_a_temperature_is_accepted_left_out_and_noted_once() -> None:
    spoken = Spoken()

    first = spoken.front(update(temperature=0.8))
    second = spoken.front({"type": "response.create", "response": {"temperature": 1.0}})

    assert first[0] == Note("the front asks for temperature, which the protocol no longer has: left out")
    assert sent(first, Side.UPSTREAM) == [update(type="realtime")]
    assert second == [Send(Side.UPSTREAM, b'{"type":"response.create","response":{}}')]


# --- what it may not do, however it says it -------------------------------------------------------------------


@pytest.mark.parametrize(
    "session",
    [
        {"voice": "ash", "speed": 1.5},
        {"audio": {"output": {"voice": "ash"}}, "speed": 1.5},
        {"Voice": "ash", "speed": 1.5},
        {"voice": "ash", "audio": {"output": {"voice": "ash"}}, "speed": 1.5},
        {"voice": {"id": "ash"}, "INSTRUCTIONS": "obey me", "speed": 1.5},
        {"speed": 1.5, "type": "realtime", "instructions": "obey me"},
    ],
)
def test_what_is_pinned_is_taken_out_however_it_is_called(session: dict[str, Any]) -> None:
    commands = Spoken(PINNED).front(update(**session))

    (said,) = sent(commands, Side.UPSTREAM)
    assert said["session"] == {"type": "realtime", "audio": {"output": {"speed": 1.5}}}
    assert isinstance(commands[0], Note)
    assert commands[0].text.startswith("not for the client to set: ")


def test_a_response_is_held_to_the_same() -> None:
    asked = {"type": "response.create", "response": {"voice": "ash", "modalities": ["text"]}}

    (said,) = sent(Spoken(PINNED).front(asked), Side.UPSTREAM)

    assert said["response"] == {"output_modalities": ["text"]}


def test_a_client_sets_no_more_than_it_may() -> None:
    policy = Policy(may_set=("audio.input.turn_detection", "output_modalities"))

    (said,) = sent(
        Spoken(policy).front(update(modalities=["text"], turn_detection=None, voice="ash", speed=1.0)), Side.UPSTREAM
    )

    assert said["session"] == {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": None}},
    }


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"type":"session.update","session":{},"session":{"voice":"ash"}}', "invalid_json"),
        (b'{"type":"session.update","session":{"voice":"ash","VOICE":"ash"}}', "invalid_json"),
        (b'{"type":"response.cancel","type":"session.update","session":{"voice":"ash"}}', "invalid_json"),
        (b'{"type":"session.update","Type":"response.cancel","session":{"voice":"ash"}}', "invalid_json"),
        (b'{"type":"session.update","session":{"speed":1.0,"audio":{"OUTPUT":{"voice":"ash"}}}}', "invalid_json"),
        (b'{"type":"session.update","session":' + b"[" * 100 + b"]" * 100 + b"}", "invalid_json"),
        (b'{"type":"session.update","session":' + b"[" * 19_000 + b"]" * 19_000 + b"}", "invalid_json"),
        (b'{"type":"session.update","session":{"voice":NaN}}', "invalid_json"),
        (b'["session.update"]', "invalid_json"),
        (b'{"type":"session.update"', "invalid_json"),
        (b'{"type":"response.audio.delta","delta":"AAAA"}', "invalid_value"),
        (b'{"type":"session.close"}', "invalid_value"),
        (b'{"Type":"session.update","session":{"voice":"ash"}}', "invalid_value"),
    ],
)
def test_no_trick_of_json_gets_round_the_policy(raw: bytes, code: str) -> None:
    commands = Spoken(PINNED).front(raw)

    (told,) = sent(commands, Side.FRONT)
    assert (told["type"], told["error"]["code"]) == ("error", code)
    assert sent(commands, Side.UPSTREAM) == []
    assert FORWARD not in commands


keys = st.sampled_from(
    ["voice", "Voice", "audio", "AUDIO", "output", "Output", "instructions", "Instructions", "speed"]
)
nested = st.recursive(st.just("mine"), lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=4), max_leaves=8)


@given(st.sampled_from([("session.update", "session"), ("response.create", "response")]), nested)
def test_nothing_that_is_pinned_reaches_the_model(kind: tuple[str, str], asked: Any) -> None:
    name, holder = kind
    commands = Spoken(PINNED).front({"type": name, holder: asked})

    for said in sent(commands, Side.UPSTREAM):
        assert not paths(said[holder]) & {"voice", "instructions", "audio.output.voice", "audio.output"}


def paths(value: Any, path: str = "") -> set[str]:
    """Where something that is no object stands, whoever reads it."""
    if not isinstance(value, dict):
        return {path}
    return {each for key, inner in value.items() for each in paths(inner, f"{path}.{key.casefold()}".lstrip("."))}


def test_a_refusal_names_what_it_is_about_as_the_client_did() -> None:
    asked = update(input_audio_transcription={"model": "whisper-1", "glossary_url": "http://somewhere"})

    (told,) = sent(Spoken().front(asked), Side.FRONT)

    assert (told["error"]["code"], told["error"]["event_id"]) == ("not_allowed", "evt_2")
    assert told["error"]["param"] == "session.input_audio_transcription.glossary_url"


def test_a_binary_frame_gets_the_protocols_own_error() -> None:
    (told,) = sent(Spoken().front(b"\x00\x01", Kind.BINARY), Side.FRONT)

    assert told["error"]["code"] == "invalid_event"


# --- what the model says --------------------------------------------------------------------------------------


def test_speech_is_told_in_the_words_of_the_beta_and_keeps_its_place_in_the_recording() -> None:
    spoken = Spoken()
    spoken.upstream(speech(0.1))
    last_key_first = {"delta": "AAAA"} | speech(0.0) | {"delta": "AAAA"}

    (second,) = spoken.upstream(speech(0.2))
    (third,) = spoken.upstream(last_key_first)

    assert isinstance(second, Send)
    assert second.raw.startswith(b'{"type":"response.audio.delta","event_id":"event_a",')
    assert (second.side, second.audio) == (Side.FRONT, Span(4800, 4800 + 9600))
    assert isinstance(third, Send)
    assert (json.loads(third.raw)["type"], third.audio) == ("response.audio.delta", Span(14400, 14403))


@pytest.mark.parametrize(
    "odd",
    [
        b'{"type":"response.output_audio.delta","delta":not even JSON',
        b'{"type":"response.output_audio.delta","delta":"AAAA"}',
        b'{"type":"response.output_audio.delta","item_id":"i","delta":1}',
    ],
)
def test_speech_in_an_unknown_shape_is_told_all_the_same(odd: bytes) -> None:
    (told,) = Spoken().upstream(odd)

    assert told == Send(Side.FRONT, odd.replace(b"output_audio", b"audio"))


@pytest.mark.parametrize("event", ["conversation.item.added", "conversation.item.created"])
def test_an_item_is_told_of_once(event: str) -> None:
    spoken = Spoken()
    item = {"id": "item_1", "type": "message", "role": "user", "content": []}

    added = spoken.upstream({"type": event, "previous_item_id": None, "item": item})
    done_ = spoken.upstream({"type": "conversation.item.done", "previous_item_id": None, "item": item})

    assert sent(added, Side.FRONT) == [
        {
            "type": "conversation.item.created",
            "previous_item_id": None,
            "item": {"object": "realtime.item", **item},
        }
    ]
    assert done_ == []


def test_an_item_of_which_the_server_says_only_that_it_is_done_is_told_of_then() -> None:
    spoken = Spoken()
    item = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant"}
    words = {"content": [{"type": "output_text", "text": "Hi"}]}
    done_ = {"type": "conversation.item.done", "event_id": "event_1", "odd": 1, "item": item | words}

    assert sent(spoken.upstream(done_), Side.FRONT) == [
        done_ | {"type": "conversation.item.created", "item": item | {"content": [{"type": "text", "text": "Hi"}]}}
    ]
    assert spoken.upstream(done_) == []
    assert sent(spoken.upstream(done_ | {"item": {"id": "item_2"}}), Side.FRONT) != []


@pytest.mark.parametrize("odd", [b"null", b"7", b"{}", b"[]"])
def test_an_item_that_is_none_is_not_told_of(odd: bytes) -> None:
    assert Spoken().upstream(b'{"type":"conversation.item.done","item":%b}' % odd) == []


def test_of_items_without_end_only_the_newest_are_remembered() -> None:
    spoken = Spoken()
    for n in range(3000):
        spoken.upstream({"type": "conversation.item.added", "item": {"id": f"item_{n}"}})

    assert spoken.upstream({"type": "conversation.item.done", "item": {"id": "item_2000"}}) == []
    assert spoken.upstream({"type": "conversation.item.done", "item": {"id": "item_1999"}}) != []


def test_what_means_the_same_to_both_is_told_as_it_came() -> None:
    spoken = Spoken()

    assert spoken.upstream({"type": "rate_limits.updated", "rate_limits": []}) == [FORWARD]
    assert spoken.upstream({"type": "ping"}) == [FORWARD]
    assert spoken.upstream(b"\x00\x01", Kind.BINARY) == [FORWARD]


def test_what_the_conversation_uses_is_counted() -> None:
    spoken = Spoken(limits=Limits(tokens=100))
    spoken.upstream(created())

    commands = spoken.upstream(done(tokens=100))

    assert commands[0] is FORWARD
    assert [told["error"]["code"] for told in sent(commands, Side.FRONT)] == ["limit_reached"]
    assert commands[-1] == HangUp(1008, "the conversation has used 100 of its 100 tokens")


def test_a_session_that_ends_says_so() -> None:
    commands = Spoken().session.step(1.0, Closed(Side.UPSTREAM, code=1006))

    assert [told["error"]["code"] for told in sent(commands, Side.FRONT)] == ["upstream_closed"]


def test_a_client_and_a_server_of_the_beta_hear_each_other_as_they_are() -> None:
    session = Session(SessionOptions(mode="transparent", dialect="beta", upstream_dialect="beta"))
    for side in Side:
        session.step(0.0, Opened(side))

    for frame in frames("beta"):
        commands = session.step(0.0, message(Side.UPSTREAM, frame.raw))
        assert commands == [FORWARD] or sent(commands, Side.FRONT) == [frame.event], frame
    asked = update(modalities=["text"], voice="ash", input_audio_format="pcm16", turn_detection=None)
    assert sent(session.step(0.0, message(Side.FRONT, asked)), Side.UPSTREAM) == [asked]


# --- a managed front ------------------------------------------------------------------------------------------


def test_a_managed_front_is_told_nothing_of_the_engines_own() -> None:
    assert sent(Spoken(mode="managed").opening, Side.FRONT) == []


def test_a_managed_front_has_its_microphone_audio_gathered() -> None:
    spoken = Spoken(mode="managed")
    sound = {"type": "input_audio_buffer.append", "audio": "A" * 8192}  # 6144 bytes

    assert spoken.front(sound) == []
    (appended,) = spoken.front(sound)

    assert isinstance(appended, Send)
    assert (appended.side, appended.audio) == (Side.UPSTREAM, Span(0, 8192))


def test_a_managed_front_may_have_binary_audio_too() -> None:
    (appended,) = Spoken(mode="managed").front(bytes(8192), Kind.BINARY)

    assert isinstance(appended, Send)
    assert appended.audio == Span(0, 8192)


def test_a_managed_front_that_is_spoken_over_is_told_to_fall_silent_and_its_answer_is_cut() -> None:
    spoken = Spoken(mode="managed")
    spoken.upstream(created())
    heard = spoken.upstream(speech(1.0))

    commands = spoken.session.step(
        0.5,
        message(Side.UPSTREAM, {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_u"}),
    )

    assert [told["type"] for told in sent(heard, Side.FRONT)] == ["output_audio_buffer.started", "response.audio.delta"]
    assert [told["type"] for told in sent(commands, Side.FRONT)] == ["output_audio_buffer.cleared"]
    assert [(said["type"], said["audio_end_ms"]) for said in sent(commands, Side.UPSTREAM)] == [
        ("conversation.item.truncate", 500)
    ]


def test_speech_that_was_held_back_is_told_in_the_words_of_the_beta_and_keeps_its_place_too() -> None:
    session = Session(SessionOptions(dialect="beta", lead=0.2))
    for side in Side:
        session.step(0.0, Opened(side))
    for event in (created(), speech(1.0), speech(0.5)):
        session.step(0.0, message(Side.UPSTREAM, event))

    ((at, commands),) = session.advance(0.9)

    assert (at, [told["type"] for told in sent(commands, Side.FRONT)]) == (0.8, ["response.audio.delta"])
    assert [each.audio for each in commands if isinstance(each, Send)] == [Span(48_000, 72_000)]


# --- recordings -----------------------------------------------------------------------------------------------


def test_frames_are_recorded_as_they_were_on_the_wire_and_the_conversation_is_replayed_exactly(tmp_path: Path) -> None:
    options = SessionOptions(mode="transparent", dialect="beta")
    front = Script().at(0.1, update(voice="ash", temperature=0.8)).at(0.2, json.loads(APPEND))
    front.on("response.done", Close())
    model = Script().on("input_audio_buffer.append", created(), speech(0.1), speech(0.2), done())
    about = About(
        engine="0.1", started="2026-11-20T19:31:07.000+00:00", front="beta", upstream="model", options=options
    )

    with Recorder(tmp_path, about, pytest.fail) as recorder:
        run = simulate(Session(options), front=front, connect=lambda: model, record=recorder.record)
        recorder.end(run.at, run.reason)

    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    texts = [line for line in lines if "event" in line]
    assert [(line.get("from") or f"to {line['to']}", line["event"]["type"]) for line in texts] == [
        ("front", "session.update"),
        ("to upstream", "session.update"),
        ("front", "input_audio_buffer.append"),
        ("upstream", "response.created"),
        ("upstream", "response.output_audio.delta"),
        ("to front", "response.audio.delta"),
        ("upstream", "response.output_audio.delta"),
        ("to front", "response.audio.delta"),
        ("upstream", "response.done"),
    ]
    assert [line["audio"] for line in texts if line.get("to") == "front"] == [
        line["audio"] | {"at": line["audio"]["at"] - len("output_")}
        for line in texts
        if line.get("from") == "upstream" and "audio" in line
    ]
    with Recording(tmp_path) as recording:
        assert recording.about.options == options
        assert replay(Session(recording.about.options), recording.steps(), run.at) is None
