"""What is counted of a conversation, and what the three latencies mean."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_engine.commands import FORWARD, Note, Send, Step
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side
from realtime_engine.machine import Close
from realtime_engine.metrics import Histogram, Metrics, Mode, Totals
from realtime_engine.options import Limits, SessionOptions
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.watch import Watch
from tests.script import Script, created, done, function_call, session_created, speech, speech_started, speech_stopped

VAD = session_created(turn_detection={"type": "server_vad"})


def counted(front: Script, upstream: Script, mode: Mode = "managed", **options: Any) -> Totals:
    """The numbers of one simulated conversation; the front's script closes it."""
    metrics = Metrics()
    session = Session(SessionOptions(mode=mode, **options))
    with Watch(metrics, mode) as watch:
        simulate(session, front=front, connect=lambda: upstream, record=watch)
    return metrics.totals()


def within(histogram: Histogram) -> list[tuple[float, float]]:
    """Between which bounds each observation lies, in seconds."""
    edges = [0.0, *histogram.bounds, float("inf")]
    return [(edges[n], edges[n + 1]) for n, count in enumerate(histogram.counts) for _ in range(count)]


def listener(until: float = 9.0) -> Script:
    """A front that says nothing, and leaves."""
    return Script().at(until, Close())


def said(side: Side, event: Mapping[str, Any] | bytes, kind: Kind = Kind.TEXT) -> Message:
    return Message(side, kind, event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode())


def told(event: Mapping[str, Any]) -> Send:
    """What the session says to the front."""
    return Send(Side.FRONT, json.dumps(event, separators=(",", ":")).encode())


# --- conversations --------------------------------------------------------------------------------------------


def test_a_conversation_is_started_active_and_ended_with_its_close_code() -> None:
    metrics = Metrics()

    with Watch(metrics, "transparent") as watch:
        assert metrics.totals().started == metrics.totals().active == {"transparent": 1}
        session = Session(SessionOptions(mode="transparent", limits=Limits(duration=5)))
        simulate(session, front=Script(), connect=Script, record=watch)

    assert metrics.totals().active == {"transparent": 0}
    assert metrics.totals().ended == {"1008": 1}
    assert metrics.totals().errors == {"engine limit_reached": 1}


def test_a_conversation_that_breaks_counts_as_the_engines_own_fault() -> None:
    metrics = Metrics()

    with pytest.raises(ZeroDivisionError), Watch(metrics, "managed"):
        raise ZeroDivisionError

    assert metrics.totals().ended == {"1011": 1}
    assert metrics.totals().active == {"managed": 0}


# --- connect --------------------------------------------------------------------------------------------------


def test_connecting_takes_from_the_wish_to_the_open_connection() -> None:
    metrics, link = Metrics(), SimpleNamespace(messages_in=1, bytes_in=10, messages_out=2, bytes_out=20)
    session = Session(SessionOptions())
    metrics.opened(Side.UPSTREAM, link)
    with Watch(metrics, "managed") as watch:
        for at, given in ((1.0, Opened(Side.FRONT)), (1.2, Opened(Side.UPSTREAM))):
            watch(Step(at, given, session.step(at, given)))

    assert within(metrics.totals().connect) == [(0.1, 0.25)]
    assert metrics.totals().connect.total == pytest.approx(0.2)
    assert metrics.totals().messages == {"upstream in": 1, "upstream out": 2}


# --- first audio ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_the_first_audio_counts_from_the_end_of_the_question_to_its_way_to_the_front(mode: Mode, dialect: str) -> None:
    upstream = Script().at(1, speech_stopped()).at(1.7, created(), speech(0.1), speech(0.1)).at(1.9, done())

    assert within(counted(listener(), upstream, mode, dialect=dialect).first_audio) == [(0.6, 0.8)]


def test_audio_that_is_held_counts_when_it_goes_to_the_front() -> None:
    upstream = Script().at(0.5, created(), speech(2.0)).at(1.0, speech_stopped()).at(1.1, speech(2.0), speech(1.0))

    totals = counted(listener(), upstream, lead=0.2)

    assert within(totals.first_audio) == [(1.25, 1.5)]  # two seconds come before it, but for the lead


@pytest.mark.parametrize("end", ["input_audio_buffer.commit", "engine.speech_stopped"])
def test_where_the_front_knows_the_end_of_the_question_that_is_what_counts(end: str) -> None:
    upstream = Script().at(1.45, created(), speech(0.1))

    assert within(counted(Script().at(1.2, end).at(5, Close()), upstream).first_audio) == [(0.2, 0.3)]


def test_a_turn_that_goes_on_is_not_waited_for() -> None:
    upstream = Script().at(1, speech_stopped()).at(2, speech_started()).at(3, created(), speech(0.1), done())

    assert not within(counted(listener(), upstream).first_audio)


def test_an_answer_without_a_sound_is_not_waited_for_but_a_function_call_is() -> None:
    call = function_call("call_1", "weather", "{}")
    silent, calls = done(), done()
    calls["response"]["output"] = [call["item"]]
    again = [created("resp_2"), speech(0.1, response="resp_2")]

    assert not within(counted(listener(), Script().at(1, speech_stopped(), silent).at(2.9, *again)).first_audio)
    assert within(counted(listener(), Script().at(1, speech_stopped(), calls).at(2.9, *again)).first_audio) == [
        (1.5, 2)
    ]


# --- silence --------------------------------------------------------------------------------------------------


def test_a_managed_front_is_silent_when_its_report_names_the_event() -> None:
    played = {"type": "output_audio_buffer.played", "item_id": "item_1", "audio_ms": 900}
    front = Script().at(1.5, played).at(2.01, played)
    front.on("output_audio_buffer.cleared", lambda event: _later(event, played))
    upstream = Script().at(0.1, VAD, created(), speech(9)).at(2, speech_started()).at(2.1, done(status="cancelled"))

    def _later(event: Mapping[str, Any], report: Mapping[str, Any]) -> list[dict[str, Any]]:
        front.at(2.03, {**report, "cleared_event_id": event["event_id"]}).at(3, Close())
        return []

    totals = counted(front, upstream, reports=True)

    assert within(totals.silence) == [(0.02, 0.04)]
    assert totals.responses == {"cancelled": 1}


def test_only_reports_of_the_last_interruption_count_and_each_once() -> None:
    metrics = Metrics()
    watch = Watch(metrics, "managed")
    cleared = {"type": "output_audio_buffer.cleared", "response_id": "resp_1"}
    played = {"type": "output_audio_buffer.played", "item_id": "item_1", "audio_ms": 1}

    watch(Step(1.0, None, [told({**cleared, "event_id": "event_1"})]))
    watch(Step(2.0, None, [told({**cleared, "event_id": f"event_{n}"}) for n in (2, 3)] + [told(cleared)]))
    for at, name in ((2.2, "event_1"), (2.3, "event_3"), (2.4, "event_2"), (2.5, "event_3")):
        watch(Step(at, said(Side.FRONT, {**played, "cleared_event_id": name}), []))
    watch(Step(2.6, said(Side.FRONT, {"type": "output_audio_buffer.played", "cleared_event_id": "event_2"}), []))

    assert within(metrics.totals().silence) == [(0.25, 0.5)]


@pytest.mark.parametrize("interruption", ["output_audio_buffer.clear", "response.cancel", "speech_started"])
def test_a_transparent_client_is_silent_after_the_last_audio_it_was_sent(interruption: str) -> None:
    upstream = Script().at(1, created(), speech(1)).at(2.05, speech(1)).at(2.4, done(status="cancelled"))
    front = listener()
    if interruption == "speech_started":
        upstream.at(2, speech_started()).at(2.1, speech_started())
    else:
        front.at(2, interruption)

    assert within(counted(front, upstream, "transparent").silence) == [(0.04, 0.06)]


def test_an_answer_that_is_silent_already_takes_no_time_and_one_that_is_not_cancelled_does_not_count() -> None:
    def spoken_over(status: str, *, heard: bool = True) -> Script:
        upstream = Script().at(1, created(), *([speech(1)] if heard else []))
        return upstream.at(2, speech_started()).at(2.4, done(status=status))

    assert within(counted(listener(), spoken_over("cancelled"), "transparent").silence) == [(0, 0.005)]
    assert not within(counted(listener(), spoken_over("completed"), "transparent").silence)
    assert not within(counted(listener(), spoken_over("cancelled", heard=False), "transparent").silence)


# --- usage and errors -----------------------------------------------------------------------------------------


def test_tokens_are_counted_by_what_they_carried_and_the_rest_as_other() -> None:
    ended = done()
    ended["response"]["usage"] = {
        "total_tokens": 190,
        "input_tokens": 130,
        "output_tokens": 60,
        "input_token_details": {"text_tokens": 100, "audio_tokens": 20, "cached_tokens": 64},
        "output_token_details": None,
    }
    metrics = Metrics()
    with Watch(metrics, "managed") as watch:
        watch(Step(1.0, said(Side.UPSTREAM, ended), [FORWARD]))

    assert metrics.totals().tokens == {"input text": 100, "input audio": 20, "input other": 10, "output other": 60}
    assert metrics.totals().cached == 64
    assert (watch.input_tokens, watch.output_tokens) == (130, 60)


def test_transcriptions_are_counted_where_they_are_paid_by_tokens() -> None:
    done = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "item_u", "transcript": "Hello"}
    by_tokens = {"type": "tokens", "total_tokens": 30, "input_tokens": 26, "output_tokens": 4}
    by_time = {"type": "duration", "seconds": 2.5}

    upstream = Script().at(1, {**done, "usage": by_tokens}, {**done, "usage": by_time}, done)

    assert counted(listener(), upstream).tokens == {"input transcription": 26, "output transcription": 4}


def test_a_response_without_usage_is_counted_by_its_status() -> None:
    ended = done(status="made up")
    ended["response"]["usage"] = None

    assert counted(listener(), Script().at(1, ended)).responses == {"other": 1}


def test_errors_are_counted_by_who_tells_them_and_by_code() -> None:
    def error(code: str | None) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "sk-secret"}}

    upstream = Script().at(1, error("invalid_value"), error(None), error("x" * 9000))
    front = Script().at(2, {"type": "no.such.type"}).at(3, Close())

    assert counted(front, upstream).errors == {
        "upstream invalid_value": 1,
        "upstream invalid_request_error": 1,
        "upstream other": 1,
        "engine invalid_value": 1,
    }


@pytest.mark.parametrize("kinds", [{"dialect": "beta"}, {"upstream_dialect": "beta"}])
def test_an_error_of_the_server_that_is_told_in_other_words_stays_the_servers(kinds: dict[str, Any]) -> None:
    param = "session.audio.output.voice" if "dialect" in kinds else "session.voice"
    error = {"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_value", "param": param}}

    for mode in ("managed", "transparent"):
        assert counted(listener(), Script().at(1, error), mode, **kinds).errors == {"upstream invalid_value": 1}


@pytest.mark.parametrize(("code", "name"), [(1002, "protocol_error"), (1006, "connection_lost"), (1000, None)])
def test_how_a_front_breaks_off_is_an_error_of_its_own(code: int, name: str | None) -> None:
    metrics = Metrics()

    Watch(metrics, "managed")(Step(1.0, Closed(Side.FRONT, 1, code), []))

    assert metrics.totals().errors == ({f"front {name}": 1} if name else {})


def test_what_is_no_event_or_an_event_in_a_strange_shape_counts_for_nothing() -> None:
    metrics = Metrics()
    watch = Watch(metrics, "managed")

    for side in Side:
        for raw in (b"[", b'{"type":"error"}', b'{"type":"input_audio_buffer.speech_started"}', b"\xff" * 9):
            watch(Step(1.0, said(side, raw), [Note("")]))
        watch(Step(1.0, said(side, b"audio", Kind.BINARY), []))
    watch(Step(1.0, None, [told({"type": "error", "error": 7})]))

    assert metrics.totals() == Totals()


def test_a_clients_audio_counts_for_nothing() -> None:
    append = {"type": "input_audio_buffer.append", "audio": "AAAA"}

    totals = counted(Script().at(1, append, append).at(5, Close()), Script(), "transparent")

    assert totals.plus(Totals(active={"transparent": 0})) == Totals(
        active={"transparent": 0}, started={"transparent": 1}, ended={"1000": 1}, connect=totals.connect
    )


def test_audio_is_never_decoded() -> None:
    watch = Watch(Metrics(), "transparent")
    down = said(Side.UPSTREAM, speech(0.2))
    up = said(Side.FRONT, {"type": "input_audio_buffer.append", "audio": "A" * 11_000})

    for message in (down, up, down):
        watch(Step(1.0, message, [FORWARD]))

    assert down._event is None
    assert (up._type, up._event) == (None, None)
