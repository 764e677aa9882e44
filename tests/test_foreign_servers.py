"""A session whose model's server does not speak the GA: inside everything is as ever, and on the wire are its words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Raw

from realtime_engine.commands import FORWARD, Command, Note, RunTool, Send, Span, Step
from realtime_engine.dialect import Dialect, to_beta
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side, ToolResult
from realtime_engine.machine import Close
from realtime_engine.metrics import Metrics
from realtime_engine.options import Policy, Reconnect, SessionOptions, ToolSchema
from realtime_engine.plugins import dialect_of
from realtime_engine.recording.about import About
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import replay
from realtime_engine.recording.writer import Recorder
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.tongues import UpstreamDialect
from realtime_engine.upstreams.recorded import Recorded, RecordedOptions
from realtime_engine.watch import Watch
from tests.script import Said, Script, created, done, function_call, speech, speech_started

APPEND = b'{"type":"input_audio_buffer.append","audio":"AAAA"}'
MANUAL = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}
SETTINGS = Raw(b'{"type":"realtime","audio":{"output":{"voice":"ash"}},"truncation":"auto"}')


class Spoken:
    """A session with a server of a kind, which is there."""

    def __init__(
        self,
        upstream_dialect: UpstreamDialect = "beta",
        *,
        dialect: Dialect = "ga",
        mode: Literal["managed", "transparent"] = "transparent",
        **options: Any,
    ) -> None:
        kinds = SessionOptions(mode=mode, dialect=dialect, upstream_dialect=upstream_dialect, **options)
        self.session = Session(kinds)
        self.opening = [*self.session.step(0.0, Opened(Side.FRONT)), *self.session.step(0.0, Opened(Side.UPSTREAM))]

    def front(self, event: Mapping[str, Any] | bytes, at: float = 0.0) -> Sequence[Command]:
        return self.session.step(at, message(Side.FRONT, event))

    def upstream(self, event: Mapping[str, Any] | bytes, at: float = 0.0, kind: Kind = Kind.TEXT) -> Sequence[Command]:
        return self.session.step(at, message(Side.UPSTREAM, event, kind))


def message(side: Side, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Message:
    return Message(side, kind, event if isinstance(event, bytes) else raw(event))


def raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def sent(commands: Sequence[Command], side: Side) -> list[dict[str, Any]]:
    return [json.loads(each.raw) for each in commands if isinstance(each, Send) and each.side is side]


def beta(event: Mapping[str, Any]) -> bytes:
    """What a server of the beta says for what one of the GA does."""
    said = to_beta(raw(event))
    assert said is not None
    return said


# --- on the wire ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["beta", "xai"])
def test_what_means_the_same_goes_on_as_it_came(kind: UpstreamDialect) -> None:
    spoken = Spoken(kind)

    assert spoken.front(APPEND) == [FORWARD]
    assert spoken.front(b'{ "type": "response.cancel" }') == [FORWARD]
    assert spoken.upstream({"type": "rate_limits.updated", "rate_limits": []}) == [FORWARD]
    assert spoken.upstream({"type": "unheard.of"}) == [FORWARD]
    assert spoken.upstream(b"\x00", kind=Kind.BINARY) == [FORWARD]


def test_a_ping_of_xai_is_between_it_and_the_engine() -> None:
    assert Spoken("xai").upstream({"type": "ping", "timestamp": 1}) == []
    assert Spoken("ga").upstream({"type": "ping", "timestamp": 1}) == [FORWARD]


def test_nothing_passes_without_being_looked_at() -> None:
    spoken = Spoken()

    assert spoken.session.passes(0.0, [message(Side.FRONT, APPEND)]) == 0
    assert spoken.session.passes(0.0, [message(Side.UPSTREAM, beta(speech(0.1)))]) == 0


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("beta", {"type": "session.update", "session": {"turn_detection": None}}),
        ("xai", {"type": "session.update", "session": {"type": "realtime", "turn_detection": {"type": None}}}),
    ],
)
def test_the_server_is_told_in_its_own_words(kind: UpstreamDialect, told: dict[str, Any]) -> None:
    assert sent(Spoken(kind).front(MANUAL), Side.UPSTREAM) == [told]


def test_what_is_said_before_the_server_is_there_waits_in_its_words() -> None:
    session = Session(SessionOptions(mode="transparent", upstream_dialect="beta", settings=SETTINGS))
    session.step(0.0, Opened(Side.FRONT))
    session.step(0.0, message(Side.FRONT, MANUAL))
    session.step(0.0, message(Side.FRONT, APPEND))

    said = sent(session.step(1.0, Opened(Side.UPSTREAM)), Side.UPSTREAM)

    assert [each.get("session") for each in said] == [{"voice": "ash"}, {"turn_detection": None}, None]
    assert said[2] == json.loads(APPEND)


def test_what_the_server_has_no_setting_for_is_left_out_and_noted_once() -> None:
    spoken = Spoken(settings=SETTINGS)
    asked = {"type": "session.update", "session": {"truncation": "disabled", "instructions": "Be brief."}}

    again = spoken.front(asked)

    assert [each for each in spoken.opening if isinstance(each, Note)] == [
        Note("the model's server has no truncation: left out")
    ]
    assert sent(again, Side.UPSTREAM) == [{"type": "session.update", "session": {"instructions": "Be brief."}}]
    assert not [each for each in again if isinstance(each, Note)]


def test_what_is_pinned_is_not_for_a_client_whatever_the_server_calls_it() -> None:
    spoken = Spoken("xai", policy=Policy(pinned={"audio.output.voice": "the operator's"}))
    for session in ({"voice": "eve"}, {"audio": {"output": {"voice": "eve"}}}):
        asked = {"type": "session.update", "session": {**session, "instructions": "Be brief."}}

        (told,) = sent(spoken.front(asked), Side.UPSTREAM)

        assert told["session"] == {"instructions": "Be brief."}


def test_the_front_hears_the_words_of_the_ga_and_speech_keeps_its_place_in_the_recording() -> None:
    spoken = Spoken()
    spoken.upstream(beta(speech(0.1)))

    (second,) = spoken.upstream(beta(speech(0.2)))

    assert isinstance(second, Send)
    assert (second.side, second.audio) == (Side.FRONT, Span(4800, 4800 + 9600))
    assert json.loads(second.raw) == speech(0.2)


def test_one_word_of_the_server_may_be_two_of_the_ga() -> None:
    item = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    said = {"type": "conversation.item.created", "event_id": "event_1", "previous_item_id": None, "item": item}

    heard = sent(Spoken().upstream(said), Side.FRONT)

    assert [each["type"] for each in heard] == ["conversation.item.added", "conversation.item.done"]


def test_a_client_and_a_server_that_both_speak_the_beta_hear_each_other_as_ever() -> None:
    spoken = Spoken(dialect="beta")
    asked = {"type": "session.update", "session": {"modalities": ["text", "audio"], "voice": "ash"}}
    item = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "user", "content": []}
    said = {"type": "conversation.item.created", "event_id": "event_1", "previous_item_id": None, "item": item}

    assert sent(spoken.front(asked), Side.UPSTREAM) == [asked]
    assert spoken.front(APPEND) == [FORWARD]
    assert sent(spoken.upstream(said), Side.FRONT) == [said]
    (speaks,) = spoken.upstream(beta(speech(0.1)))
    assert isinstance(speaks, Send)
    assert (speaks.raw, speaks.audio) == (beta(speech(0.1)), Span(0, 4800))


def test_a_server_that_goes_is_told_of_in_the_words_of_the_ga() -> None:
    commands = Spoken().session.step(1.0, Closed(Side.UPSTREAM, code=1006))

    assert [told["error"]["code"] for told in sent(commands, Side.FRONT)] == ["upstream_closed"]


# --- a managed session ------------------------------------------------------------------------------------------


def test_a_managed_session_knows_how_xai_takes_turns() -> None:
    """Where turns are manual, who speaks during the answer means to interrupt it."""
    for detection, cancelled in (({"type": None}, ["response.cancel"]), ({"type": "server_vad"}, [])):
        spoken = Spoken("xai", mode="managed", reports=False)
        spoken.upstream({"type": "session.created", "session": {"turn_detection": detection, "modalities": ["audio"]}})
        spoken.upstream(created())
        spoken.upstream(speech(1.0), at=0.1)

        commands = spoken.session.step(0.2, Message(Side.FRONT, Kind.BINARY, bytes(8192)))

        kinds = [told["type"] for told in sent(commands, Side.UPSTREAM) if "cancel" in told["type"]]
        assert kinds == cancelled


def test_an_answer_of_a_beta_server_that_is_spoken_over_is_cut_to_what_was_heard() -> None:
    spoken = Spoken(mode="managed")
    spoken.upstream(created())
    heard = spoken.upstream(beta(speech(1.0)))

    commands = spoken.upstream(speech_started(), at=0.5)

    assert [told["type"] for told in sent(heard, Side.FRONT)] == [
        "output_audio_buffer.started",
        "response.output_audio.delta",
    ]
    assert [(said["type"], said["audio_end_ms"]) for said in sent(commands, Side.UPSTREAM)] == [
        ("conversation.item.truncate", 500)
    ]


def server(kind: UpstreamDialect) -> Script:
    """A server of a kind that greets, calls a function, and then speaks."""
    detection = {"type": "server_vad"}
    session: dict[str, Any] = {"turn_detection": detection, "voice": "ash", "model": "m"}
    call = function_call("call_1", "weather", '{"city":"Oslo"}')
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    begun = {"type": "response.output_item.added", "response_id": "resp_2", "item": {**item, "status": "in_progress"}}
    said: list[Said] = [created("resp_2"), begun, speech(0.5, response="resp_2"), done("resp_2")]
    spoken = [json.loads(beta(each)) for each in said if isinstance(each, dict)] if kind == "beta" else said
    script = Script().on("connected", {"type": "session.created", "event_id": "event_0", "session": session})
    script.on("session.update", lambda event: [{"type": "session.updated", "session": event["session"]}])
    return script.at(1, created(), call, done()).on("response.create", *spoken)


@pytest.mark.parametrize("kind", ["beta", "xai"])
def test_a_conversation_is_recorded_in_the_servers_words_and_replayed_exactly(
    kind: UpstreamDialect, tmp_path: Path
) -> None:
    options = SessionOptions(
        upstream_dialect=kind, settings=SETTINGS, tools=(ToolSchema(name="weather"),), reconnect=Reconnect()
    )
    about = About(engine="0.1", started="2026-11-20T19:31:07.000+00:00", front="x", upstream="y", options=options)
    front, model = Script().at(5, Close()), server(kind)

    def weather(call: RunTool) -> ToolResult:
        return ToolResult(call.call_id, "sunny")

    with Recorder(tmp_path, about, pytest.fail) as recorder:
        session = Session(options)
        run = simulate(session, front=front, connect=lambda: model, run_tool=weather, record=recorder.record)
        recorder.end(run.at, run.reason)

    assert model.all("session.update")[0]["session"]["voice"] == "ash"
    assert front.all("session.updated")[0]["session"]["audio"] == {"output": {"voice": "ash"}}
    assert [event["item"]["output"] for event in model.all("conversation.item.create")] == ["sunny"]
    assert len(front.all("response.output_audio.delta")) == 1
    spoken = "response.audio.delta" if kind == "beta" else "response.output_audio.delta"
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    (frame,) = [line for line in lines if line.get("from") == "upstream" and "audio" in line]
    assert frame["event"]["type"] == spoken
    assert (frame["audio"]["from"], frame["audio"]["to"]) == (0, 24_000)
    assert (tmp_path / "upstream.wav").stat().st_size > 24_000
    with Recording(tmp_path) as recording:
        assert recording.about.options == options
        assert replay(Session(recording.about.options), recording.steps(), run.at) is None

    again = Recorded(RecordedOptions(path=tmp_path))
    assert dialect_of(again) == kind
    second = Script().at(5, Close())
    simulate(Session(options), front=second, connect=again.connect, run_tool=weather)
    assert second.types() == front.types()


def test_sound_is_recorded_in_the_format_that_a_beta_server_names(tmp_path: Path) -> None:
    options = SessionOptions(upstream_dialect="beta")
    about = About(engine="0.1", started="2026-11-20T19:31:07.000+00:00", front="x", upstream="y", options=options)
    session = {"input_audio_format": "pcm16", "output_audio_format": "g711_ulaw"}
    model = Script().on("connected", {"type": "session.created", "session": session})
    model.at(1, created(), json.loads(beta(speech(0.5))), done())

    with Recorder(tmp_path, about, pytest.fail) as recorder:
        run = simulate(Session(options), front=Script().at(9, Close()), connect=lambda: model, record=recorder.record)
        recorder.end(run.at, run.reason)

    header = (tmp_path / "upstream.wav").read_bytes()[:36]
    assert int.from_bytes(header[20:22], "little") == 7  # G.711 µ-law
    assert int.from_bytes(header[24:28], "little") == 8000


def test_a_watch_sees_a_beta_server_speak() -> None:
    metrics = Metrics()
    with Watch(metrics, "managed") as watch:
        spoken = Spoken(mode="managed")
        for at, said in ((0.0, raw(speech_started())), (1.0, raw(created())), (1.5, beta(speech(1.0)))):
            given = message(Side.UPSTREAM, said)
            watch(Step(at, given, spoken.session.step(at, given)))
        assert watch._sounding
