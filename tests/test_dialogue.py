"""What a client says, calls and tells its application, whatever its server does."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine import events as ev
from realtime_engine.audio import encode_base64
from realtime_engine.errors import UsageError
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.objects import ContentPart, ErrorDetail, Usage
from realtime_engine.updates import (
    AudioDelta,
    ErrorReported,
    Interrupted,
    ItemAppended,
    ItemCompleted,
    ResponseEnded,
    ResponseStarted,
    SessionChanged,
    ToolCalled,
    ToolEnded,
    ToolFailed,
    TranscriptDelta,
    Unexpected,
)
from tests.talk import (
    Talk,
    added,
    begun,
    call,
    created,
    done,
    ended,
    error,
    message,
    piece,
    session,
    sound,
    speech,
    transcription,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 48  # bytes
SPOKEN = message("item_1", "assistant", "in_progress")
MANUAL = {"audio": {"input": {"turn_detection": None}}}


def committed(item_id: str = "item_u") -> dict[str, Any]:
    return {"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": None}


def speech_started(ms: int = 0, item_id: str = "item_u") -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_started", "audio_start_ms": ms, "item_id": item_id}


def speech_stopped(ms: int, item_id: str = "item_u") -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": ms, "item_id": item_id}


def append(talk: Talk, audio: bytes) -> None:
    talk.dialogue.append(talk.now, audio)
    talk.take()


def create(talk: Talk, response: Any = None) -> None:
    talk.dialogue.create(talk.now, response)
    talk.take()


def cancel(talk: Talk, item_id: str | None = None, samples: int = 0) -> None:
    talk.dialogue.cancel(talk.now, item_id, samples)
    talk.take()


def interrupt(talk: Talk) -> None:
    talk.dialogue.interrupt(talk.now)
    talk.take()


def send(talk: Talk, event: Any) -> None:
    talk.dialogue.send(talk.now, event)
    talk.take()


def speaking(seconds: float = 2.0) -> Talk:
    """A model that is answering, aloud."""
    talk = Talk()
    talk.hear(session(), created(), begun(SPOKEN), added(SPOKEN), speech(seconds))
    talk.forget()
    return talk


# --- the session ----------------------------------------------------------------------------------------------


def test_the_settings_and_tools_are_told_first_and_nothing_where_there_are_none() -> None:
    talk = Talk("lamp", session={"instructions": "Be brief."})
    talk.dialogue.begin()
    talk.take()

    (told,) = talk.sent
    assert told["type"] == "session.update"
    assert told["session"]["instructions"] == "Be brief."
    assert [tool["name"] for tool in told["session"]["tools"]] == ["lamp"]

    silent = Talk()
    silent.dialogue.begin()
    silent.take()
    assert silent.sent == []


def test_a_change_is_merged_with_what_was_asked_for_and_all_of_it_told() -> None:
    talk = Talk(session={"instructions": "Be brief."})

    talk.want(lambda dialogue: dialogue.update({"max_output_tokens": 100}))

    assert talk.sent[0]["session"] == {"type": "realtime", "instructions": "Be brief.", "max_output_tokens": 100}


def test_a_change_that_the_server_refuses_is_reported_and_forgotten() -> None:
    talk = Talk()
    talk.want(lambda dialogue: dialogue.update({"nonsense": 1}))

    talk.hear(error(talk.sent[0]["event_id"], "unknown_parameter"))
    talk.want(lambda dialogue: dialogue.update({"instructions": "Be brief."}))

    assert [report.error.code for report in talk.all(ErrorReported)] == ["unknown_parameter"]
    assert talk.sent[1]["session"] == {"type": "realtime", "instructions": "Be brief."}


def test_what_a_conversation_begins_with_is_forgotten_like_a_change_if_the_server_refuses_it() -> None:
    talk = Talk("lamp", session={"nonsense": 1})
    talk.want(lambda dialogue: dialogue.begin())
    talk.want(lambda dialogue: dialogue.update({"instructions": "Be brief."}))

    talk.hear(error(talk.sent[0]["event_id"], "unknown_parameter"))
    assert talk.dialogue.asked.current == {"instructions": "Be brief."}


def test_a_change_that_is_refused_for_the_sake_of_one_before_it_is_asked_for_again_once() -> None:
    talk = Talk("lamp")
    talk.want(lambda dialogue: dialogue.update({"nonsense": 1}))
    talk.want(lambda dialogue: dialogue.update({"instructions": "Be brief."}))

    talk.hear(*(error(event["event_id"]) for event in talk.sent))
    talk.hear(error(talk.sent[-1]["event_id"]))

    assert [event["session"].keys() - {"type", "tools"} for event in talk.sent] == [
        {"nonsense"},
        {"nonsense", "instructions"},
        {"instructions"},
    ]
    assert len(talk.all(ErrorReported)) == 3


def test_a_change_that_cannot_be_asked_for_any_more_is_not_asked_for_again() -> None:
    talk = Talk("lamp", session={"tools": [{"type": "function", "name": "lamp"}]})
    talk.dialogue.asked.change({"nonsense": 1}, "event_1")
    talk.dialogue.asked.change({"instructions": "Be brief."}, "event_2")

    talk.hear(error("event_1"), error("event_2"))

    assert talk.sent == []


def test_each_answer_of_the_server_is_that_to_the_change_it_was_asked_for_first() -> None:
    talk = Talk(session={"instructions": "Be brief."})
    talk.want(lambda dialogue: dialogue.begin())
    talk.want(lambda dialogue: dialogue.update({"nonsense": 1}))

    talk.hear({"type": "session.updated", "session": {"type": "realtime"}})
    talk.hear(error(talk.sent[1]["event_id"], "unknown_parameter"))

    assert talk.dialogue.asked.current == {"instructions": "Be brief."}


def test_a_change_that_cannot_be_asked_for_changes_nothing() -> None:
    talk = Talk("lamp")

    with pytest.raises(UsageError):
        talk.dialogue.update({"tools": [{"type": "function", "name": "lamp"}], "instructions": "x"})

    assert talk.dialogue.asked.current == {}
    assert talk.dialogue.take().frames == []


def test_what_the_protocol_no_longer_has_is_left_out_and_said_once() -> None:
    talk = Talk(session={"temperature": 0.8, "voice": "alloy"})
    talk.dialogue.begin()
    talk.want(lambda dialogue: dialogue.update({"temperature": 0.7}))

    assert talk.sent[0]["session"] == {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
    assert [update.what for update in talk.all(Unexpected)] == ["asked for temperature, which there is not: left out"]


def test_the_session_is_told_as_the_server_has_it_with_all_its_fields() -> None:
    talk = Talk()

    talk.hear({"type": "session.created", "session": {"type": "realtime", "model": "m", "new_in_2027": [1]}})

    assert talk.updates == [SessionChanged({"type": "realtime", "model": "m", "new_in_2027": [1]})]
    assert talk.dialogue.session == {"type": "realtime", "model": "m", "new_in_2027": [1]}


def test_turn_detection_is_what_was_asked_for_until_the_server_says_what_it_is() -> None:
    talk = Talk(session=MANUAL)
    said = [Talk().dialogue.turn_detection, talk.dialogue.turn_detection]

    talk.want(lambda dialogue: dialogue.begin())
    talk.hear(session(turn_detection={"type": "server_vad"}))
    said.append(talk.dialogue.turn_detection)
    talk.hear(session("session.updated", turn_detection={"type": "server_vad"}))
    said.append(talk.dialogue.turn_detection)
    talk.want(lambda dialogue: dialogue.update({"audio": {"input": {"turn_detection": "semantic_vad"}}}))
    said.append(talk.dialogue.turn_detection)
    talk.hear(session("session.updated", turn_detection=None))
    said.append(talk.dialogue.turn_detection)

    assert said == ["server_vad", None, None, "server_vad", "semantic_vad", None]


def test_formats_are_those_of_the_session() -> None:
    talk = Talk()
    talk.hear(
        {
            "type": "session.updated",
            "session": {
                "audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcma"}}}
            },
        }
    )

    assert (talk.dialogue.input_format.type, talk.dialogue.output_format.type) == ("audio/pcmu", "audio/pcma")
    append(talk, b"\1\2\3")
    assert talk.said == b"\1\2\3"
    talk.hear(created(), sound(b"\1\2\3"))
    assert talk.all(AudioDelta)[0].audio == b"\1\2\3"


def test_the_format_of_what_is_said_is_the_one_that_was_asked_for_until_the_server_says_what_it_is() -> None:
    talk = Talk(session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}})
    talk.want(lambda dialogue: dialogue.begin())
    talk.hear(session(format={"type": "audio/pcm", "rate": 24_000}))
    append(talk, b"\1\2\3")
    append(talk, b"\4")
    talk.want(lambda dialogue: dialogue.commit())
    talk.hear(session("session.updated", format={"type": "audio/pcmu"}))
    talk.hear({"type": "input_audio_buffer.committed", "item_id": "item_1"}, added(message("item_1")))

    assert [event.get("audio") for event in talk.sent[1:3]] == ["AQID", "BA=="]
    assert [each.audio for each in talk.dialogue.items] == [b"\1\2\3\4"]


def test_a_format_that_the_server_refuses_is_not_used() -> None:
    talk = Talk(session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}})
    talk.want(lambda dialogue: dialogue.begin())
    talk.hear(session(), error(talk.sent[0]["event_id"]))

    assert talk.dialogue.input_format.type == "audio/pcm"


# --- the user -------------------------------------------------------------------------------------------------


def test_a_message_has_an_id_and_its_place() -> None:
    talk = Talk()

    first = talk.dialogue.message("user", [])
    second = talk.dialogue.message("system", [], after="root")
    talk.take()

    assert [event["item"]["id"] for event in talk.sent] == [first, second]
    assert [event.get("previous_item_id") for event in talk.sent] == [None, "root"]
    assert all(len(item_id) <= 32 for item_id in (first, second))


def test_the_sound_of_a_message_is_in_its_item_though_servers_leave_it_out() -> None:
    talk = Talk()
    part = ContentPart(type="input_audio", audio=encode_base64(b"\1\0").decode())

    item_id = talk.dialogue.message("user", [part, part])
    talk.hear(added(message(item_id, type="input_audio", transcript=None)))

    item = talk.dialogue.items.get(item_id)
    assert item is not None
    assert item.audio == b"\1\0\1\0"


def test_microphone_audio_goes_out_at_once_and_odd_bytes_wait() -> None:
    talk = Talk()

    append(talk, b"\1\0\2")
    assert talk.said == b"\1\0"
    append(talk, b"\0")
    assert talk.said == b"\1\0\2\0"


def test_where_turns_are_manual_an_answer_commits_what_was_said() -> None:
    talk = Talk(session=MANUAL)
    append(talk, bytes(200 * MS))

    create(talk)
    talk.hear(created(), done())
    create(talk)

    assert talk.types() == [
        "input_audio_buffer.append",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
        "response.create",
    ]


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_where_the_server_detects_turns_an_answer_commits_nothing(detection: str) -> None:
    talk = Talk(session={"audio": {"input": {"turn_detection": detection}}})
    append(talk, bytes(MS))

    create(talk)

    assert talk.types() == ["input_audio_buffer.append", "response.create"]


def test_a_turn_that_the_application_ends_has_its_sound() -> None:
    talk = Talk(session=MANUAL)
    append(talk, bytes(range(200)))
    talk.want(lambda dialogue: dialogue.commit())

    talk.hear(committed(), added(message("item_u", type="input_audio", transcript=None)))

    item = talk.dialogue.items.get("item_u")
    assert item is not None
    assert item.audio == bytes(range(200))


def test_a_turn_that_the_server_detects_has_the_sound_between_its_times() -> None:
    talk = Talk()
    append(talk, b"".join(bytes([ms]) * MS for ms in range(100)))

    talk.hear(speech_started(20), speech_stopped(40), committed())

    item = talk.dialogue.items.get("item_u")
    assert item is not None
    assert item.audio == b"".join(bytes([ms]) * MS for ms in range(20, 40))
    assert [(update.item.id, update.item.role) for update in talk.all(ItemAppended)] == [("item_u", "user")]


def test_a_turn_without_sound_has_none() -> None:
    talk = Talk()
    talk.hear(committed())

    item = talk.dialogue.items.get("item_u")
    assert item is not None
    assert item.audio == b""


def test_what_was_said_can_be_taken_back() -> None:
    talk = Talk(session=MANUAL)
    append(talk, bytes(MS))
    talk.want(lambda dialogue: dialogue.clear())

    create(talk)

    assert talk.types() == ["input_audio_buffer.append", "input_audio_buffer.clear", "response.create"]


def test_items_can_be_deleted_and_retrieved() -> None:
    talk = Talk()
    talk.dialogue.delete("item_1")
    talk.dialogue.retrieve("item_2")
    talk.take()

    assert [(event["type"], event["item_id"]) for event in talk.sent] == [
        ("conversation.item.delete", "item_1"),
        ("conversation.item.retrieve", "item_2"),
    ]


# --- answers --------------------------------------------------------------------------------------------------


def test_an_answer_is_told_from_its_beginning_to_its_end() -> None:
    talk = Talk()

    talk.hear(created(), done(usage={"total_tokens": 7}))

    assert talk.updates == [
        ResponseStarted("resp_1"),
        ResponseEnded("resp_1", "completed", None, Usage(total_tokens=7), goes_on=False),
    ]


def test_an_answer_waits_for_the_one_that_is_under_way() -> None:
    talk = Talk()
    talk.hear(created())
    create(talk, {"instructions": "again"})
    assert talk.sent == []

    talk.hear(done())
    assert [event["response"] for event in talk.sent] == [{"instructions": "again"}]


def test_an_answer_beside_the_conversation_waits_for_nobody() -> None:
    talk = Talk()
    talk.hear(created())

    create(talk, {"conversation": "none"})

    assert talk.types() == ["response.create"]


def test_answers_can_be_told_apart_by_what_they_were_asked_for_with() -> None:
    talk = Talk()
    beside = created("resp_o", conversation=None)
    beside["response"]["metadata"] = {"topic": "mood"}
    plain = created("resp_1")
    plain["response"]["metadata"] = None

    talk.hear(beside, plain, created("resp_2"))

    assert [update.metadata for update in talk.all(ResponseStarted)] == [{"topic": "mood"}, {}, {}]


def test_an_answer_that_collides_is_asked_for_again_without_a_word() -> None:
    talk = Talk()
    create(talk)
    talk.hear(created("resp_0"), error(talk.sent[0]["event_id"], "conversation_already_has_active_response"))
    assert talk.types() == ["response.create"]

    talk.hear(done("resp_0"))

    assert talk.types() == ["response.create", "response.create"]
    assert talk.all(ErrorReported) == []


def test_an_answer_that_never_begins_is_waited_for_ten_seconds() -> None:
    talk = Talk()
    create(talk)
    create(talk)
    assert len(talk.sent) == 1
    assert talk.dialogue.deadline == 10.0

    talk.want(lambda dialogue: dialogue.advance(10.0))
    assert len(talk.sent) == 2


def test_nobody_can_ask_for_answers_without_end() -> None:
    talk = Talk()
    talk.hear(created())

    for _ in range(64):
        create(talk)
    with pytest.raises(UsageError, match="too many answers are asked for"):
        create(talk)


def test_what_an_answer_is_to_be_is_json() -> None:
    with pytest.raises(UsageError, match="a response cannot be written as JSON"):
        create(Talk(), {"metadata": object()})


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        (
            {"type": "failed", "error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "slow"}},
            "slow",
        ),
        ("the model is ill", "the model is ill"),
        ({"type": "failed"}, None),
        (None, None),
    ],
)
def test_an_answer_that_fails_says_why(details: Any, problem: str | None) -> None:
    talk = Talk()

    talk.hear(created(), done(status="failed", status_details=details))

    (end,) = talk.all(ResponseEnded)
    assert end.status == "failed"
    assert (end.error.message if end.error else None) == problem


def test_errors_are_delivered() -> None:
    talk = Talk()

    talk.hear(error("event_x", "session_expired", "Your session hit the maximum duration of 60 minutes."))

    (report,) = talk.all(ErrorReported)
    assert (report.error.code, report.error.event_id, report.item) == ("session_expired", "event_x", None)


def test_a_transcription_that_fails_is_an_error_about_its_item() -> None:
    talk = Talk()

    talk.hear(added(message("item_u")), transcription("failed", error={"type": "t", "message": "too noisy"}))

    assert talk.all(ErrorReported) == [
        ErrorReported(ErrorDetail(type="t", message="too noisy"), talk.dialogue.items.get("item_u"))
    ]


def test_the_user_speaks_and_the_application_is_told() -> None:
    talk = Talk()

    talk.hear(speech_started(), speech_stopped(10))

    assert talk.updates == [Interrupted()]


# --- cutting --------------------------------------------------------------------------------------------------


def test_an_answer_is_cancelled_and_cut_to_the_samples_that_were_heard() -> None:
    talk = speaking()

    cancel(talk, "item_1", samples=12_345)

    assert [(event["type"], event.get("audio_end_ms")) for event in talk.sent] == [
        ("response.cancel", None),
        ("conversation.item.truncate", 514),  # 514.375 ms, rounded down
    ]
    assert talk.sent[0]["response_id"] == "resp_1"
    assert talk.sent[1]["content_index"] == 0


def test_no_more_is_cut_than_has_come() -> None:
    talk = speaking(seconds=0.5)

    cancel(talk, "item_1", samples=10**9)

    assert talk.sent[1]["audio_end_ms"] == 500


def test_what_is_cut_stays_cut() -> None:
    talk = speaking(seconds=2.0)
    talk.hear(done())
    cancel(talk, "item_1", 12_000)
    talk.hear({"type": "conversation.item.truncated", "item_id": "item_1", "content_index": 0, "audio_end_ms": 500})

    cancel(talk, "item_1", 24_000)

    assert [event["audio_end_ms"] for event in talk.sent] == [500, 500]


def test_an_answer_that_is_over_is_cut_and_not_cancelled() -> None:
    talk = speaking()
    talk.hear(done())

    cancel(talk, "item_1", samples=24_000)

    assert talk.types() == ["conversation.item.truncate"]


def test_an_older_answer_is_cut_and_the_one_under_way_goes_on() -> None:
    talk = speaking()
    talk.hear(done(), created("resp_2"), speech(1.0, "item_2", "resp_2"))

    cancel(talk, "item_1", samples=24_000)

    assert talk.types() == ["conversation.item.truncate"]


def test_an_answer_of_a_server_that_names_no_response_is_cancelled_too() -> None:
    talk = Talk()
    talk.hear(sound(bytes(4800), response=""))

    cancel(talk, "item_1", samples=24)
    assert talk.types() == ["conversation.item.truncate"]


def test_without_an_item_the_answer_is_only_stopped() -> None:
    talk = speaking()

    cancel(talk)
    cancel(talk)
    talk.hear(speech(0.1))

    assert talk.types() == ["response.cancel"]
    assert len(talk.all(AudioDelta)) == 1


def test_where_there_is_no_answer_nothing_is_stopped() -> None:
    talk = Talk()

    cancel(talk)
    interrupt(talk)

    assert talk.sent == []


def test_an_answer_that_is_asked_for_and_has_not_begun_is_stopped() -> None:
    talk = Talk()
    create(talk)

    cancel(talk)
    interrupt(talk)
    talk.hear(created())
    interrupt(talk)

    assert talk.types() == ["response.create", "response.cancel"]
    assert "response_id" not in talk.sent[1]
    talk.hear(done(status="cancelled"), created("resp_2"))
    cancel(talk)
    assert talk.sent[2]["response_id"] == "resp_2"


def test_an_answer_that_is_asked_for_after_one_that_was_refused_is_stopped_too() -> None:
    talk = Talk()
    create(talk)
    cancel(talk)
    talk.hear(error(talk.sent[0]["event_id"]))
    create(talk)

    cancel(talk)

    assert talk.types() == ["response.create", "response.cancel"] * 2


def test_an_answer_of_which_the_server_knows_nothing_any_more_holds_no_other_up() -> None:
    talk = Talk()
    talk.hear(created())
    talk.want(lambda dialogue: dialogue.create(talk.now))
    talk.hear(error(code="response_cancel_not_active"))
    assert talk.types() == []

    talk.want(lambda dialogue: dialogue.cancel(talk.now))
    talk.hear(error(talk.sent[0]["event_id"], "response_cancel_not_active"))

    assert talk.types() == ["response.cancel", "response.create"]
    assert len(talk.all(ErrorReported)) == 2


def test_an_answer_that_the_server_will_give_by_itself_is_not_cancelled_before_it_begins() -> None:
    talk = Talk()
    talk.hear(speech_started(), speech_stopped(10))

    interrupt(talk)

    assert talk.sent == []


def test_an_answer_that_the_server_stops_by_itself_is_not_cancelled() -> None:
    talk = speaking()
    talk.hear(speech_started())

    cancel(talk, "item_1", samples=24)

    assert talk.types() == ["conversation.item.truncate"]


def test_an_answer_that_the_server_does_not_stop_is_cancelled() -> None:
    talk = Talk()
    talk.hear(session(turn_detection={"type": "server_vad", "interrupt_response": False, "create_response": False}))
    talk.hear(created(), speech(1.0), speech_started(), speech_stopped(10))

    interrupt(talk)

    assert talk.types() == ["response.cancel", "conversation.item.truncate"]


def test_late_sound_of_a_cut_answer_is_not_heard() -> None:
    talk = speaking()
    cancel(talk, "item_1", samples=24_000)
    talk.forget()

    talk.hear(speech(0.5), speech(0.5, "item_2"))

    assert talk.all(AudioDelta) == []
    assert [(event["item_id"], event["audio_end_ms"]) for event in talk.sent] == [("item_2", 0)]


def test_what_is_unheard_is_cut_by_the_time() -> None:
    talk = speaking(seconds=2.0)
    talk.now = 0.75

    interrupt(talk)

    assert [(event["type"], event.get("audio_end_ms")) for event in talk.sent] == [
        ("response.cancel", None),
        ("conversation.item.truncate", 750),
    ]


def test_what_the_application_has_played_counts_more_than_the_time() -> None:
    talk = speaking(seconds=2.0)
    talk.now = 1.0
    talk.dialogue.played(talk.now, "item_1", 4800)
    talk.now = 1.1

    interrupt(talk)

    assert talk.sent[1]["audio_end_ms"] == 300


def test_what_has_been_heard_to_its_end_is_not_cut() -> None:
    talk = speaking(seconds=2.0)
    talk.hear(done())
    talk.now = 3.0

    interrupt(talk)

    assert talk.sent == []


def test_an_answer_beside_the_conversation_that_is_heard_is_stopped_and_not_cut() -> None:
    talk = Talk()
    talk.hear(created("resp_o", conversation=None), speech(1.0, "item_o", "resp_o"))

    interrupt(talk)
    interrupt(talk)
    talk.hear(speech(1.0, "item_p", "resp_o"))

    assert [(event["type"], event["response_id"]) for event in talk.sent] == [("response.cancel", "resp_o")]
    assert len(talk.all(AudioDelta)) == 1


@pytest.mark.parametrize(
    ("item_id", "samples", "problem"),
    [
        ("item_x", 0, "there is no item 'item_x' in the conversation"),
        ("item_u", 0, "the item 'item_u' is nothing that the model has spoken: it cannot be cut"),
        ("item_w", 0, "the item 'item_w' is nothing that the model has spoken: it cannot be cut"),
        ("item_1", -1, "-1 samples cannot have been heard"),
    ],
)
def test_what_cannot_be_cut_is_the_applications_mistake(item_id: str, samples: int, problem: str) -> None:
    talk = speaking()
    talk.hear(added(message("item_u")), added(message("item_w", "assistant", type="output_text", text="x")))

    with pytest.raises(UsageError, match=problem):
        cancel(talk, item_id, samples)
    assert talk.sent == []


# --- functions ------------------------------------------------------------------------------------------------


def test_a_call_is_run_and_its_result_given_to_the_model_which_goes_on() -> None:
    talk = Talk("lamp")

    talk.respond(ended(call("call_1", arguments='{"on":true}')))
    assert talk.calls == [("call_1", "lamp", '{"on":true}')]
    assert talk.all(ResponseEnded)[0].goes_on

    assert talk.answer("call_1", "it is on")
    assert [event["type"] for event in talk.sent] == ["conversation.item.create", "response.create"]
    assert talk.sent[0]["item"] == {"type": "function_call_output", "call_id": "call_1", "output": "it is on"}
    item = talk.dialogue.items.get("item_call_1")
    assert item is not None
    assert talk.all(ToolCalled) == [ToolCalled(item, runs=True)]
    assert talk.all(ToolEnded) == [ToolEnded(item, "it is on")]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("early", [0, 1, 3])
def test_several_calls_of_one_answer_lead_to_exactly_one_more(order: tuple[int, ...], early: int) -> None:
    talk = Talk("lamp")
    talk.hear(created(), *(ended(call(f"call_{number}")) for number in (1, 2, 3)))

    for number in order[:early]:
        talk.answer(f"call_{number}")
    talk.hear(done())
    for number in order[early:]:
        talk.answer(f"call_{number}")

    assert talk.types().count("response.create") == 1
    assert talk.types()[-1] == "response.create"
    assert talk.types().count("conversation.item.create") == 3


def test_a_call_that_fails_is_told_the_model_and_the_application() -> None:
    talk = Talk("lamp")
    talk.respond(ended(call("call_1")))

    talk.answer("call_1", "lamp failed: KeyError: 'bulb'", failed=True)

    assert talk.sent[0]["item"]["output"] == "lamp failed: KeyError: 'bulb'"
    assert [failed.output for failed in talk.all(ToolFailed)] == ["lamp failed: KeyError: 'bulb'"]
    assert talk.types()[-1] == "response.create"


def test_a_call_of_what_nobody_knows_is_answered_too() -> None:
    talk = Talk("lamp")

    talk.respond(ended(call("call_1", "no_such_thing")))

    assert talk.calls == [("call_1", "no_such_thing", "{}")]


def test_a_call_of_a_tool_set_by_hand_is_the_applications_to_answer() -> None:
    talk = Talk("lamp", session={"tools": [{"type": "function", "name": "door"}]})

    talk.respond(ended(call("call_1", "lamp")), ended(call("call_2", "door")))
    assert [called.runs for called in talk.all(ToolCalled)] == [True, False]
    assert talk.calls == [("call_1", "lamp", "{}")]

    talk.answer("call_1")
    assert "response.create" not in talk.types()
    talk.answer("call_2", "it is open")
    assert talk.types()[-1] == "response.create"
    assert not talk.answer("call_2", "again")


def test_a_call_that_is_incomplete_is_not_made() -> None:
    talk = Talk("lamp")

    talk.respond(ended(call("call_1", status="incomplete")), status="cancelled")

    assert talk.calls == []


def test_a_call_beside_the_conversation_is_told_and_not_made() -> None:
    talk = Talk("lamp")

    talk.hear(created("resp_o", conversation=None), ended(call("call_1"), "resp_o"))

    assert (talk.calls, [called.runs for called in talk.all(ToolCalled)]) == ([], [False])
    assert not talk.answer("call_1")


def test_a_server_that_leaves_the_ends_of_items_out_has_its_calls_made() -> None:
    talk = Talk("lamp")

    talk.hear(created(), done(output=[call("call_1"), message("item_1", "assistant", type="output_text", text="Hm")]))

    assert talk.calls == [("call_1", "lamp", "{}")]
    assert [update.item.id for update in talk.all(ItemCompleted)] == ["item_call_1", "item_1"]
    assert talk.all(ResponseEnded)[0].goes_on


def test_a_server_that_says_it_twice_has_its_call_made_once() -> None:
    talk = Talk("lamp")

    talk.hear(created(), ended(call("call_1")), ended(call("call_1")))
    talk.answer("call_1")
    talk.hear(ended(call("call_1")), done(output=[call("call_1")]))

    assert len(talk.calls) == 1
    assert talk.types().count("response.create") == 1


def test_a_call_without_an_id_of_its_own_is_not_made() -> None:
    talk = Talk("lamp")

    talk.hear(created(), ended(call("call_1")), ended({**call("call_1"), "id": "item_other"}), ended(call("")))

    assert [made[0] for made in talk.calls] == ["call_1"]
    assert [update.what for update in talk.all(Unexpected)] == [
        "a call of lamp without an id of its own: 'call_1'",
        "a call of lamp without an id of its own: ''",
    ]


def test_a_server_that_names_no_response_has_its_calls_made() -> None:
    talk = Talk("lamp")
    said = {"type": "response.output_item.done", "item": call("call_1")}

    talk.hear(created(), said, done())
    talk.answer("call_1")

    assert talk.types() == ["conversation.item.create", "response.create"]


def test_a_model_that_calls_without_end_is_told_so() -> None:
    talk = Talk("lamp")

    talk.hear(created(), *(ended(call(f"call_{number}")) for number in range(257)))

    assert len(talk.calls) == 256
    (failed,) = talk.all(ToolFailed)
    assert failed.output == "not called: 256 calls are open"


def test_a_call_whose_item_has_no_id_is_made_all_the_same() -> None:
    talk = Talk("lamp")
    item = {key: value for key, value in call("call_1").items() if key != "id"}

    talk.hear(created(), ended(item), done(output=[item]))
    talk.answer("call_1")

    assert talk.calls == [("call_1", "lamp", "{}")]
    assert talk.all(ToolEnded)[0].item.id == ""
    assert talk.types() == ["conversation.item.create", "response.create"]


def test_a_call_of_which_only_the_arguments_were_said_is_made_when_its_answer_is_complete() -> None:
    talk = Talk("lamp")
    arguments = piece("function_call_arguments.done", call_id="call_1", name="lamp", arguments='{"on":true}')

    talk.hear(created(), arguments, done(), created("resp_2"))
    assert talk.calls == [("call_1", "lamp", '{"on":true}')]

    broken_off = {**arguments, "response_id": "resp_2", "item_id": "item_2", "call_id": "call_2"}
    talk.hear(broken_off, done("resp_2", "cancelled"))
    assert len(talk.calls) == 1


# --- any event ------------------------------------------------------------------------------------------------


def test_any_event_can_be_said_with_an_id_of_its_own_or_one_that_is_added() -> None:
    talk = Talk()

    send(talk, {"type": "my.event", "event_id": "mine", "data": [1]})
    send(talk, {"type": "my.event"})
    send(talk, ev.ConversationItemDelete(item_id="item_1"))

    assert talk.sent[0] == {"type": "my.event", "event_id": "mine", "data": [1]}
    assert talk.sent[1]["event_id"].startswith("event_client_")
    assert (talk.sent[2]["type"], talk.sent[2]["item_id"]) == ("conversation.item.delete", "item_1")


def test_the_words_of_the_beta_are_understood() -> None:
    talk = Talk()

    create(talk, {"modalities": ["text"], "temperature": 1})
    talk.want(lambda dialogue: dialogue.message("assistant", [ContentPart(type="text", text="Hello")]))
    send(talk, {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}})

    assert talk.sent[0]["response"] == {"output_modalities": ["text"]}
    assert talk.sent[1]["item"]["content"] == [{"type": "output_text", "text": "Hello"}]
    assert (talk.sent[2]["type"], talk.sent[2]["session"]["type"]) == ("session.update", "transcription")
    assert [update.what for update in talk.all(Unexpected)] == ["asked for temperature, which there is not: left out"]


def test_events_that_concern_answers_settings_or_the_microphone_are_taken_in() -> None:
    talk = Talk("lamp", session={"instructions": "Be brief.", **MANUAL})

    send(talk, {"type": "session.update", "event_id": "mine", "session": {"max_output_tokens": 9}})
    assert talk.sent[-1]["event_id"] == "mine"
    assert talk.sent[-1]["session"]["instructions"] == "Be brief."

    send(talk, {"type": "input_audio_buffer.append", "audio": encode_base64(b"\1\0\2").decode()})
    assert talk.said == b"\1\0"
    send(talk, {"type": "input_audio_buffer.clear"})
    create(talk)
    assert "input_audio_buffer.commit" not in talk.types()

    send(talk, {"type": "input_audio_buffer.append", "audio": "AAA="})
    send(talk, {"type": "input_audio_buffer.commit", "event_id": "mine too"})
    assert talk.sent[-1]["event_id"] == "mine too"

    send(talk, {"type": "response.create", "event_id": "waits"})
    assert talk.sent[-1]["event_id"] == "mine too"
    talk.hear(created(), done())
    assert talk.sent[-1]["event_id"] == "waits"
    send(talk, {"type": "response.create", "response": {"conversation": "none"}})
    assert talk.sent[-1]["response"] == {"conversation": "none"}


def output(call_id: str) -> dict[str, Any]:
    return {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": call_id, "output": "done"},
    }


@pytest.mark.parametrize("early", [True, False])
def test_who_gives_an_output_as_an_event_asks_for_the_next_answer_too(*, early: bool) -> None:
    talk = Talk(session={"tools": [{"type": "function", "name": "lamp"}]})
    talk.hear(created(), ended(call("call_1")), *([] if early else [done()]))

    send(talk, output("call_1"))
    send(talk, output("call_of_nobody"))
    talk.hear(*([done()] if early else []))

    assert talk.types() == ["conversation.item.create"] * 2
    assert not talk.answer("call_1")


def test_an_output_as_an_event_and_a_result_lead_to_one_answer() -> None:
    talk = Talk("lamp", session={"tools": [{"type": "function", "name": "door"}]})
    talk.respond(ended(call("call_1")), ended(call("call_2", "door")))

    send(talk, output("call_2"))
    talk.answer("call_1")

    assert talk.types() == ["conversation.item.create", "conversation.item.create", "response.create"]


def test_a_result_that_finds_many_answers_asked_for_needs_no_more() -> None:
    talk = Talk("lamp")
    talk.hear(created(), ended(call("call_1")))
    for _ in range(64):
        create(talk)
    talk.hear(done())
    talk.hear(created("resp_2"))
    create(talk)

    assert talk.answer("call_1")
    assert talk.types().count("response.create") == 1


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({}, "an event has a type"),
        ({"type": 7}, "an event has a type"),
        ({"type": "x", "data": object()}, "an event cannot be written as JSON"),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "the audio of an event is base64"),
        ({"type": "session.update", "session": [1]}, "an object: a dict of its fields"),
    ],
)
def test_what_is_no_event_is_the_applications_mistake(event: Any, problem: str) -> None:
    talk = Talk()

    with pytest.raises(UsageError, match=problem):
        send(talk, event)
    assert talk.dialogue.take().frames == []


# --- nonsense -------------------------------------------------------------------------------------------------


def test_what_the_protocol_does_not_have_is_told_once_and_the_conversation_goes_on() -> None:
    talk = Talk()
    binary = Message(Side.UPSTREAM, Kind.BINARY, b"\0")

    for _ in range(2):
        talk.dialogue.heard(0.0, binary)
        talk.hear({"type": "response.done", "response": 7}, piece("output_audio.delta", delta="no base64!"))
    talk.hear("some.vendors_own_event", {"no": "type"}, piece("output_audio.delta", delta=7))

    whats = [update.what for update in talk.all(Unexpected)]
    assert whats[0] == "a binary message"
    assert whats[1].startswith("response.done in an unknown shape: ")
    assert whats[2:] == ["speech that is no base64"]


def test_a_server_that_babbles_is_told_of_a_hundred_times() -> None:
    talk = Talk()

    for number in range(200):
        talk.hear(created(), ended({**call(""), "id": f"item_{number}", "name": f"{number}" * 300}))

    assert len(talk.all(Unexpected)) == 100
    assert max(len(update.what) for update in talk.all(Unexpected)) <= 500


@pytest.mark.parametrize("text", [b"no JSON", b"[1]", b"\xff{}", b'{"type": "x"'])
def test_what_is_no_event_cannot_be_taken_in(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Talk().hear(text)


def test_words_of_the_model_reach_the_application_though_their_beginning_was_left_out() -> None:
    talk = Talk()

    talk.hear(piece("output_audio_transcript.delta", delta="Hello"), done())

    assert talk.kinds() == ["ItemAppended", "ResponseEnded"]
    assert talk.all(ItemAppended)[0].item.transcript == "Hello"
    talk.hear(piece("output_audio_transcript.delta", delta=" there"))
    assert talk.all(TranscriptDelta)[0].transcript == " there"


ANY = st.sampled_from(
    [
        session(turn_detection={"type": "server_vad"}),
        session("session.updated", turn_detection=None),
        created("resp_1"),
        created("resp_2"),
        created("resp_o", conversation=None),
        done("resp_1"),
        done("resp_2", status="cancelled"),
        done("resp_o", output=[call("call_9")], conversation=None),
        done("resp_1", output=[call("call_1"), call("call_2")]),
        begun(SPOKEN),
        added(SPOKEN),
        added(message("item_u")),
        ended(call("call_1")),
        ended(call("call_2")),
        ended(call("call_3"), "resp_2"),
        speech(0.1),
        speech(0.1, "item_2", "resp_2"),
        sound(b"\1"),
        speech_started(),
        speech_stopped(10),
        committed(),
        transcription("completed", transcript="Hi"),
        {"type": "conversation.item.deleted", "item_id": "item_1"},
        {"type": "conversation.item.truncated", "item_id": "item_1", "content_index": 0, "audio_end_ms": 20},
        {"type": "input_audio_buffer.cleared"},
        error(),
        error("event_client_1", "conversation_already_has_active_response"),
        "rate_limits.updated",
    ]
)
WISHES = ("create", "append", "commit", "clear", "cancel", "interrupt", "cut", "answer 1", "answer 2", "wait")
WISH = st.sampled_from(WISHES)


def carry_out(talk: Talk, wish: str) -> None:
    """What an application may want at any time."""
    item = talk.dialogue.items.get("item_1")
    wishes: dict[str, Callable[[], object]] = {
        "create": lambda: create(talk),
        "append": lambda: append(talk, b"\1\0\2"),
        "commit": lambda: talk.want(lambda dialogue: dialogue.commit()),
        "clear": lambda: talk.want(lambda dialogue: dialogue.clear()),
        "cancel": lambda: cancel(talk),
        "interrupt": lambda: interrupt(talk),
        "cut": lambda: cancel(talk, "item_1" if item and item.audio_ms and item.role != "user" else None, 100),
        "answer 1": lambda: talk.answer("call_1"),
        "answer 2": lambda: talk.answer("call_2"),
        "wait": lambda: talk.want(lambda dialogue: dialogue.advance(talk.now)),
    }
    wishes[wish]()


@given(st.lists(ANY | WISH, max_size=30))
def test_whatever_a_server_says_and_an_application_wants_nothing_breaks(steps: list[Any]) -> None:
    """And no answer is asked for while one is under way, as far as the server has said; no call is made twice."""
    talk = Talk("lamp")
    active: str | None = None
    made: list[str] = []
    for step in steps:
        talk.forget()
        talk.now += 0.05
        if step in WISHES:
            carry_out(talk, step)
        else:
            talk.hear(step)
        match step:
            case {"type": "response.created", "response": {"id": response, "conversation_id": "conv_1"}}:
                active = str(response)
            case {"type": "response.done", "response": {"id": response}} if response == active:
                active = None
        assert active is None or "response.create" not in talk.types()
        made += [call_id for call_id, _, _ in talk.calls]
    assert len(made) == len(set(made))
