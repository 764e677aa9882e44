"""A person at the WAV front: speaks, listens, is answered, interrupts, and leaves."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import Raw

from realtime_engine.audio import PCMA, encode_base64
from realtime_engine.commands import Step
from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Frame
from realtime_engine.options import Reconnect, SessionOptions, ToolSchema
from realtime_engine.show import Who
from realtime_engine.sound import encode
from tests.script import Script, created, session_created, speech_started, speech_stopped
from tests.transports.wav_script import (
    Shown,
    called,
    converse,
    loud,
    loud_stretches,
    samples_of,
    speech_file,
    spoken,
    written,
)
from transports.wav import Spoken, Typed, Wav, WavOptions
from transports.wav.sources import FileSource
from transports.wav.tape import Footage, Tape

COMMITTED = {"type": "input_audio_buffer.committed", "item_id": "item_u"}


def test_a_spoken_question_is_answered_and_the_person_leaves_when_all_is_heard(tmp_path: Path) -> None:
    question = speech_file(tmp_path / "question.wav", 1.0)
    detection = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 500}
    model = Script().on("connected", session_created(turn_detection=detection))
    model.at(0.3, speech_started(0)).at(1.5, speech_stopped(1700), COMMITTED)
    model.at(1.6, created(), loud(2.0), spoken(words="Good day."))

    talk = converse(model, question, output=tmp_path / "answer.wav", mix=tmp_path / "mix.wav")

    assert loud_stretches(samples_of(tmp_path / "answer.wav")[:, 0]) == [(0.0, 2.0)]
    mix = samples_of(tmp_path / "mix.wav")
    assert loud_stretches(mix[:, 0]) == [(0.0, 1.0)]
    assert loud_stretches(mix[:, 1]) == [(1.6, 3.6)]
    assert talk.end.at == pytest.approx(4.6)  # a breath after the last sound
    assert talk.shown.lines == [
        (0.0, Who.PERSON, "♪ question.wav (1.0 s)"),
        (1.5, Who.PERSON, "(0.9 s of speech)"),
        (3.6, Who.MODEL, "Good day."),
    ]


def test_speaking_again_during_the_answer_stops_it_in_the_mix_where_the_truncation_says(tmp_path: Path) -> None:
    question = speech_file(tmp_path / "question.wav", 6.0)
    model = Script().on("connected", session_created())
    model.at(0.1, speech_started()).at(1.5, speech_stopped(), COMMITTED)
    model.at(1.6, created(), loud(1.0), loud(2.0), loud(2.0), spoken(words="A long story."))
    model.at(3.1037, speech_started(item="item_u2"))
    model.at(6.5, speech_stopped(item="item_u2"), {"type": "input_audio_buffer.committed", "item_id": "item_u2"})
    model.at(6.6, created("resp_2"), loud(0.5, "item_2", "resp_2"), spoken("resp_2", "Yes?", "item_2"))

    talk = converse(model, question, mix=tmp_path / "mix.wav", output=tmp_path / "answer.wav")

    first, second = loud_stretches(samples_of(tmp_path / "mix.wav")[:, 1])
    assert first == pytest.approx((1.6, 3.1037), abs=1e-4)
    assert second == pytest.approx((6.6, 7.1))
    (truncation,) = model.all("conversation.item.truncate")
    assert truncation["audio_end_ms"] == pytest.approx((first[1] - first[0]) * 1000, abs=1)
    assert talk.shown.of(Who.MODEL) == ["A long story. [interrupted after 1.50 s]", "Yes?"]
    assert len(samples_of(tmp_path / "answer.wav")) / 24_000 == pytest.approx(1.5037 + 0.5, abs=1e-3)


def test_nobody_answers(tmp_path: Path) -> None:
    model = Script().on("connected", session_created())

    with pytest.raises(UpstreamError, match="no answer to turn 1 within 10 s"):
        converse(model, speech_file(tmp_path / "question.wav", 1.0))

    assert model.ended is not None


def test_microphone_audio_comes_in_frames_of_100_ms_at_their_times(tmp_path: Path) -> None:
    model = Script().on("connected", session_created())
    model.at(0.1, speech_started()).at(0.5, speech_stopped(), COMMITTED, created(), spoken(words=""))

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.25))

    frames = talk.frames()
    assert [at for at, _ in frames] == pytest.approx([0.1 * (n + 1) for n in range(len(frames))])
    assert {len(audio) for _, audio in frames} == {4800}
    assert b"".join(audio for _, audio in frames).rstrip(b"\0") == bytes([0, 0x20]) * 6000
    assert len(frames) >= 5, "silence flows until the answer is over"
    assert [seconds for _, seconds, _ in talk.shown.progressed] == pytest.approx([0.1, 0.2, 0.25])
    assert {(name, total) for name, _, total in talk.shown.progressed} == {("question.wav", 0.25)}


def test_the_person_speaks_in_the_format_of_the_session_and_hears_it_too(tmp_path: Path) -> None:
    session = session_created(format={"type": "audio/pcmu"})
    session["session"]["audio"]["output"] = {"format": {"type": "audio/pcma"}}
    model = Script().on("connected", session)
    telephone = {
        "type": "response.output_audio.delta",
        "response_id": "resp_1",
        "item_id": "item_1",
        "delta": encode_base64(encode(np.full(4000, 0.25, np.float32), PCMA)).decode(),
    }
    model.at(0.1, speech_started()).at(0.5, speech_stopped(), COMMITTED, created(), telephone, spoken())

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3), mix=tmp_path / "mix.wav")

    assert {len(audio) for _, audio in talk.frames()} == {800}
    mix = samples_of(tmp_path / "mix.wav")
    assert loud_stretches(mix[:, 0]) == [pytest.approx((0.0, 0.3), abs=1e-3)]
    assert loud_stretches(mix[:, 1]) == [pytest.approx((0.5, 1.0), abs=1e-3)]


def test_with_manual_turns_the_person_commits_and_asks_after_each_turn_and_then_is_silent(tmp_path: Path) -> None:
    model = Script().on("connected", session_created(turn_detection=None))
    model.on("response.create", created(), loud(1.0), spoken())
    question = speech_file(tmp_path / "question.wav", 0.5)

    talk = converse(model, question, question)

    kinds = [kind for _, kind in talk.said() if kind != "output_audio_buffer.played"]
    turn = ["input_audio_buffer.stopped", "input_audio_buffer.commit", "response.create"]
    assert kinds == turn * 2
    assert len(talk.frames()) == 10
    assert model.types().count("input_audio_buffer.append") == 2 * 3
    assert len(talk.shown.of(Who.MODEL)) == 2


def test_the_microphone_stays_on_between_spoken_turns(tmp_path: Path) -> None:
    question = speech_file(tmp_path / "question.wav", 0.25)
    model = Script().on("connected", session_created())
    for number in (1, 2):
        begin = 3.0 * (number - 1)
        model.at(begin + 0.1, speech_started(item=f"item_u{number}"))
        model.at(begin + 0.6, speech_stopped(item=f"item_u{number}"), COMMITTED, created(f"resp_{number}"))
        model.at(begin + 0.7, loud(0.5, f"item_{number}", f"resp_{number}"))
        model.at(begin + 0.8, spoken(f"resp_{number}", item=f"item_{number}"))

    talk = converse(model, question, question, mix=tmp_path / "mix.wav")

    times = [at for at, _ in talk.frames()]
    assert times == pytest.approx([0.1 * (number + 1) for number in range(len(times))])
    left = loud_stretches(samples_of(tmp_path / "mix.wav")[:, 0])
    assert [stop - start for start, stop in left] == pytest.approx([0.25, 0.25], abs=1e-4)
    assert "input_audio_buffer.stopped" not in [kind for _, kind in talk.said()]


def test_a_server_that_hears_turns_but_does_not_answer_them_is_asked_to(tmp_path: Path) -> None:
    detection = {"type": "server_vad", "create_response": False}
    model = Script().on("connected", session_created(turn_detection=detection))
    model.on("response.create", created(), loud(0.5), spoken())
    model.at(0.1, speech_started()).at(0.9, speech_stopped(), COMMITTED)

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.5))

    assert [at for at, kind in talk.said() if kind == "response.create"] == [0.9]


def test_typed_and_spoken_turns_come_in_the_order_given(tmp_path: Path) -> None:
    model = Script().on("connected", session_created())
    model.on("conversation.item.create", lambda event: [{"type": "conversation.item.added", "item": event["item"]}])
    model.on(
        "response.create",
        created(),
        {"type": "response.output_text.delta", "item_id": "i", "delta": "Hm"},
        written("Hm."),
    )
    model.at(2.5, speech_started()).at(3.0, speech_stopped(), COMMITTED)
    model.at(3.1, created("resp_2"), loud(0.5, "item_2", "resp_2"), spoken("resp_2", "Aha.", "item_2"))

    talk = converse(model, "Who is there?", speech_file(tmp_path / "question.wav", 2.0), "And now?")

    assert [text for _, _, text in talk.shown.lines] == [
        "Who is there?",
        "Hm.",
        "♪ question.wav (2.0 s)",
        "(0.0 s of speech)",
        "Aha.",
        "And now?",
        "Hm.",
    ]
    (first, second) = model.all("conversation.item.create")
    assert first["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Who is there?"}],
    }
    assert second["item"]["content"][0]["text"] == "And now?"
    kinds = [kind for _, kind in talk.said()]
    assert kinds.index("input_audio_buffer.stopped") < kinds.index("response.create", 2), (
        "the microphone goes off first"
    )


def test_what_is_heard_is_reported_every_100_ms_and_at_the_end() -> None:
    model = Script().on("connected", session_created())
    model.on("response.create", created(), loud(0.25), spoken())

    talk = converse(model, "Hello?")

    assert [report.audio_ms for report in talk.played()] == [100.0, 200.0, 250.0]


def test_a_tool_call_keeps_the_person_waiting_until_the_model_has_gone_on() -> None:
    call = {"type": "function_call", "id": "item_f", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    responses = [[created(), *called(call)], [created("resp_2"), written("Rain.", "resp_2")]]
    model = Script().on("connected", session_created())
    model.on("response.create", lambda event: responses.pop(0))
    model.on(
        "conversation.item.create",
        lambda event: [{"type": "conversation.item.added", "item": event["item"] | {"id": "item_o"}}],
    )

    talk = converse(model, "How is the weather?", tools=(ToolSchema(name="weather"),))

    assert [(who, text) for _, who, text in talk.shown.lines] == [
        (Who.PERSON, "How is the weather?"),
        (Who.TOOL, "weather({})"),
        (Who.TOOL, "→ weather ran"),
        (Who.MODEL, "Rain."),
    ]


def test_the_output_of_a_call_may_come_before_its_response_is_done() -> None:
    call = {"type": "function_call", "id": "item_f", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    *calling, done = called(call)
    responses = [[created(), *calling], [created("resp_2"), written("Rain.", "resp_2")]]
    model = Script().on("connected", session_created())
    model.on("response.create", lambda event: responses.pop(0))
    model.on(
        "conversation.item.create",
        lambda event: [
            {"type": "conversation.item.added", "item": event["item"]},
            *([done] if event["item"]["type"] == "function_call_output" else []),
        ],
    )

    talk = converse(model, "How is the weather?", tools=(ToolSchema(name="weather"),))

    assert talk.shown.of(Who.MODEL) == ["Rain."]


def test_a_call_that_nobody_can_run_is_no_reason_to_wait() -> None:
    call = {"type": "function_call", "id": "item_f", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    model = Script().on("connected", session_created()).on("response.create", created(), *called(call))

    talk = converse(model, "How is the weather?")

    assert talk.end.at == pytest.approx(1.0)


def test_a_response_that_failed_is_said_and_counts_as_a_failure() -> None:
    error = {"type": "server_error", "code": "insufficient_quota", "message": "You have no more money."}
    failed = {
        "id": "resp_1",
        "status": "failed",
        "status_details": {"type": "failed", "error": error},
        "conversation_id": "c",
    }
    model = Script().on("connected", session_created())
    model.on("response.create", created(), {"type": "response.done", "response": failed})

    with pytest.raises(UpstreamError, match="insufficient_quota: You have no more money"):
        converse(model, "Hello?")


@pytest.mark.parametrize("details", ["too busy", None, {"type": "failed"}])
def test_a_response_may_fail_for_less_clear_reasons(details: object) -> None:
    failed = {"id": "resp_1", "status": "failed", "status_details": details, "conversation_id": "c"}
    model = Script().on("connected", session_created())
    model.on("response.create", created(), {"type": "response.done", "response": failed})

    with pytest.raises(UpstreamError, match=r"failed to answer: (too busy|the model gave no reason)"):
        converse(model, "Hello?")


def test_after_a_turn_without_an_answer_the_next_one_begins() -> None:
    answers = [[], [created(), written("Yes.")]]
    model = Script().on("connected", session_created()).on("response.create", lambda event: answers.pop(0))

    with pytest.raises(UpstreamError, match="turn 1"):
        converse(model, "Anybody?", "Hello?")

    assert len(model.all("conversation.item.create")) == 2


def test_an_answer_that_stops_is_given_up() -> None:
    model = Script().on("connected", session_created()).on("response.create", created())

    with pytest.raises(UpstreamError, match="the answer to turn 1 stopped: nothing more for 60 s"):
        converse(model, "Anybody?")


def test_a_session_that_is_never_there_is_given_up() -> None:
    model = Script()

    with pytest.raises(UpstreamError, match="the session was not there within 10 s"):
        converse(model, "Anybody?")


def test_the_person_begins_when_the_settings_have_been_taken(tmp_path: Path) -> None:
    updated = session_created(format={"type": "audio/pcmu"}, turn_detection=None) | {"type": "session.updated"}
    model = (
        Script().on("connected", session_created()).at(0.5, updated).on("response.create", created(), written("Yes."))
    )

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.2), settings=Raw(b'{"type":"realtime"}'))

    assert talk.frames()[0] == (0.6, talk.frames()[0][1])
    assert len(talk.frames()[0][1]) == 800


@pytest.mark.parametrize(
    ("param", "named"),
    [("session.bogus", "session.bogus: No such thing"), ("such", "No such thing"), (None, "No such")],
)
def test_settings_that_are_refused_end_the_conversation_before_the_first_word(param: str | None, named: str) -> None:
    error = {"type": "invalid_request_error", "code": "unknown_parameter", "message": "No such thing.", "param": param}
    model = Script().on("connected", session_created()).on("session.update", {"type": "error", "error": error})

    with pytest.raises(UsageError, match=f"the model refuses the session as it was asked for: {named}"):
        converse(model, "Hello?", settings=Raw(b'{"type":"realtime","bogus":1}'))

    assert model.types() == ["session.update"]
    assert model.ended == Disconnected(1000, "the front has left")


def test_another_error_before_the_settings_have_been_taken_does_not_refuse_them() -> None:
    error = {"type": "error", "error": {"type": "server_error", "message": "Busy."}}
    model = Script().on("connected", session_created()).on("session.update", error)
    model.at(0.5, session_created() | {"type": "session.updated"}).on("response.create", created(), written("Yes."))

    talk = converse(model, "Hello?", settings=Raw(b'{"type":"realtime"}'))

    assert talk.shown.of(Who.ENGINE) == ["error: Busy."]
    assert talk.shown.of(Who.MODEL) == ["Yes."]


def test_an_upstream_that_is_lost_is_said_and_counts_as_a_failure() -> None:
    model = Script().on("connected", session_created()).on("response.create", created(), loud(2.0))
    model.at(1.0, Close(1011, "out of order"))

    with pytest.raises(UpstreamError, match="out of order"):
        converse(model, "Hello?")


def test_an_upstream_that_is_lost_and_there_again_is_said_and_waited_for() -> None:
    first = Script().on("connected", session_created()).on("response.create", created()).at(1.0, Close(1006, ""))
    second = Script().on("connected", session_created())
    second.at(9.0, created("resp_2"), loud(1.0, response="resp_2"), spoken("resp_2", "Here I am."))

    talk = converse(first, "Hello?", then=second, reconnect=Reconnect(delays=(2.0,)))

    assert talk.shown.of(Who.MODEL) == ["Here I am."]
    assert talk.shown.of(Who.ENGINE) == [
        "error: the model is lost (1006)",
        "the model is lost (1006); another connection is made in 2 s",
        "the model is there again: the conversation goes on",
    ]


def test_an_upstream_that_leaves_when_all_is_answered_is_no_failure() -> None:
    model = (
        Script()
        .on("connected", session_created())
        .on("response.create", created(), written("Bye."), Close(1000, "bye"))
    )

    talk = converse(model, "Hello?")

    assert "bye" in talk.end.reason


def test_sound_that_is_no_base64_is_left_out_and_said() -> None:
    bad = loud(0.1) | {"delta": "?!"}
    model = Script().on("connected", session_created()).on("response.create", created(), bad, loud(0.1), spoken())

    talk = converse(model, "Hello?")

    assert "no base64" in talk.shown.of(Who.ENGINE)[0]
    assert talk.shown.of(Who.MODEL) == ["Well."]


def test_an_interruption_before_anything_was_heard_has_nothing_to_report() -> None:
    bad = loud(0.1) | {"delta": "?!"}
    model = Script().on("connected", session_created())
    model.on("response.create", created(), bad, speech_started(), spoken(status="cancelled"))
    model.at(0.5, speech_stopped(), COMMITTED, created("resp_2"), written("Yes?", "resp_2"))

    talk = converse(model, "Hello?")

    assert not talk.played()
    assert talk.shown.of(Who.MODEL) == ["Well. [interrupted after a word]", "Yes?"]


def test_a_session_that_changes_on_the_way_keeps_its_sound(tmp_path: Path) -> None:
    model = Script().on("connected", session_created(turn_detection={"type": "server_vad"}))
    changed = session_created(format={"type": "audio/pcmu"}, turn_detection=None) | {"type": "session.updated"}
    model.at(0.15, changed).on("response.create", created(), written("Yes."))

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert {len(audio) for _, audio in talk.frames()} == {4800}
    assert "input_audio_buffer.commit" in [kind for _, kind in talk.said()]


def transcript(words: str, item: str = "item_u") -> dict[str, object]:
    kind = "conversation.item.input_audio_transcription.completed"
    return {"type": kind, "transcript": words, "item_id": item, "content_index": 0}


def transcribing() -> Script:
    return Script().on("connected", session_created(transcription={"model": "whisper-1"}))


def test_what_the_person_said_is_shown_when_it_has_been_transcribed(tmp_path: Path) -> None:
    model = transcribing().at(0.1, speech_started()).at(0.5, speech_stopped(400), COMMITTED, created())
    model.at(0.6, loud(0.5), spoken()).at(0.7, transcript("Hello?"))

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert [text for _, _, text in talk.shown.lines[1:]] == ["Hello?", "Well."]


def test_words_that_are_still_corrected_are_not_shown_yet(tmp_path: Path) -> None:
    """xAI calls them completed before they are."""
    early = [{**transcript(words), "status": "in_progress"} for words in ("He", "Hell")]
    model = transcribing().at(0.1, speech_started()).at(0.4, *early).at(0.5, speech_stopped(400), COMMITTED, created())
    model.at(0.6, transcript("Hello?")).at(0.7, loud(0.5), spoken())

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert [text for _, _, text in talk.shown.lines[1:]] == ["Hello?", "Well."]


def test_words_that_come_after_the_answer_are_not_waited_for(tmp_path: Path) -> None:
    model = transcribing().at(0.1, speech_started()).at(0.5, speech_stopped(400), COMMITTED, created())
    model.at(0.6, loud(0.5), spoken()).at(1.2, transcript("Hello?"))

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert [text for _, _, text in talk.shown.lines[1:]] == ["(0.4 s of speech)", "Well.", "Hello?"]


@pytest.mark.parametrize(
    "failure",
    [
        transcript(""),
        {
            "type": "conversation.item.input_audio_transcription.failed",
            "item_id": "item_u",
            "error": {"message": "Too long."},
        },
    ],
)
def test_where_there_are_no_words_there_is_a_length(failure: dict[str, object], tmp_path: Path) -> None:
    model = transcribing().at(0.1, speech_started()).at(0.5, speech_stopped(400), COMMITTED, created())
    model.at(0.6, failure).at(0.7, loud(0.5), spoken())

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert talk.shown.lines[1] == (0.6, Who.PERSON, "(0.4 s of speech)")
    assert talk.shown.of(Who.PERSON)[2:] == []


@pytest.mark.parametrize("transcription", [None, {"model": "whisper-1"}])
def test_a_person_who_says_nothing_is_shown_once(transcription: object, tmp_path: Path) -> None:
    model = Script().on("connected", session_created(transcription=transcription))
    timeout = {"type": "input_audio_buffer.timeout_triggered", "audio_start_ms": 0, "audio_end_ms": 1}
    model.at(0.8, timeout | {"item_id": "item_u"}, COMMITTED, created(), transcript(""), loud(0.5), spoken())

    talk = converse(model, speech_file(tmp_path / "question.wav", 0.3))

    assert talk.shown.of(Who.PERSON)[1:] == ["(silent)"]


def test_with_manual_turns_the_length_is_what_was_sent(tmp_path: Path) -> None:
    model = Script().on("connected", session_created(turn_detection=None))
    model.on("input_audio_buffer.commit", COMMITTED).on("response.create", created(), loud(0.5), spoken())

    talk = converse(model, speech_file(tmp_path / "a.wav", 0.5), speech_file(tmp_path / "b.wav", 1.2))

    assert talk.shown.of(Who.PERSON)[1::2] == ["(0.5 s of speech)", "(1.2 s of speech)"]


def test_an_answer_cut_before_the_model_is_done_with_it_is_shown_when_its_words_are_known(tmp_path: Path) -> None:
    model = Script().on("connected", session_created())
    model.at(0.1, speech_started()).at(0.5, speech_stopped(), COMMITTED, created(), loud(2.0))
    model.at(1.5, speech_started(), spoken(words="Once upon", status="cancelled"))
    model.at(2.0, speech_stopped(), COMMITTED, created("resp_2"), written("Yes?", "resp_2"))

    talk = converse(model, speech_file(tmp_path / "question.wav", 2.0))

    assert talk.shown.of(Who.MODEL) == ["Once upon [interrupted after 1.00 s]", "Yes?"]


def test_a_file_that_fails_while_it_is_spoken_ends_the_turn_and_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: FileSource) -> None:
        raise UsageError("question.wav: damaged")

    monkeypatch.setattr(FileSource, "read", fail)
    model = Script().on("connected", session_created())

    with pytest.raises(UsageError, match=r"question\.wav: damaged"):
        converse(model, speech_file(tmp_path / "question.wav", 0.3))


def test_a_file_that_is_gone_when_its_turn_comes_ends_the_conversation(tmp_path: Path) -> None:
    question = speech_file(tmp_path / "question.wav", 0.3)

    def answer(event: object) -> list[dict[str, object]]:
        question.unlink()
        return [created(), written("Yes.")]

    model = Script().on("connected", session_created()).on("response.create", answer)

    with pytest.raises(UsageError, match="No such file"):
        converse(model, "Hello?", question)


def test_a_disk_that_fills_up_is_said_once_and_the_conversation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tape: Tape, footage: Footage, *, last: bool = False) -> None:
        raise UsageError("answer.wav: cannot be written any more: No space left on device")

    monkeypatch.setattr(Tape, "write", fail)
    model = Script().on("connected", session_created()).on("response.create", created(), loud(3.0), spoken())
    shown = Shown()

    with pytest.raises(UsageError, match="No space left"):
        converse(model, "Hello?", output=tmp_path / "answer.wav", shown=shown)

    assert len(shown.of(Who.ENGINE)) == 1
    assert shown.of(Who.MODEL) == ["Well."]


def test_a_disk_that_is_full_at_the_end_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tape: Tape, footage: Footage, *, last: bool = False) -> None:
        if last:
            raise UsageError("answer.wav: No space left on device")

    monkeypatch.setattr(Tape, "write", fail)
    model = Script().on("connected", session_created()).on("response.create", created(), loud(0.3), spoken())

    with pytest.raises(UsageError, match="No space left"):
        converse(model, "Hello?", output=tmp_path / "answer.wav")


def test_somebody_must_say_something() -> None:
    with pytest.raises(UsageError, match="there is nothing to say"):
        converse(Script())


def test_the_same_conversation_goes_the_same_way_twice(tmp_path: Path) -> None:
    question = speech_file(tmp_path / "question.wav", 3.0)

    def once() -> list[Step]:
        model = Script().on("connected", session_created())
        model.at(0.3, speech_started()).at(0.9, speech_stopped(), COMMITTED, created(), loud(3.0), spoken())
        model.at(2.0, speech_started()).at(3.5, speech_stopped(), COMMITTED)
        model.at(3.6, created("resp_2"), loud(0.5, "item_2", "resp_2"), spoken("resp_2", item="item_2"))
        return converse(model, question).steps

    assert once() == once()


def test_a_front_says_what_it_waits_for() -> None:
    with Wav(WavOptions(turns=(Typed("Hello?"),))).open(SessionOptions(), Shown()) as front:
        assert front.waits_for == "the session"
        front.step(0.0, Connected())
        front.step(0.0, Frame(msgspec.json.encode(session_created())))
        assert front.waits_for == "the answer"
        front.step(0.0, Frame(b"sound", Kind.BINARY))
        front.step(0.0, Disconnected(1001, "stopped"))
        assert front.waits_for == "nothing"
        assert front.deadline == float("inf")
        front.step(0.0, Disconnected(1001, "stopped twice"))


def test_turns_have_names() -> None:
    assert [str(turn) for turn in (Spoken("a/question.wav"), Spoken("-"), Typed("Hello?"))] == [
        "question.wav",
        "standard input",
        "“Hello?”",
    ]
