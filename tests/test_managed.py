"""What a managed session does for a front that is only a microphone, a loudspeaker and a screen."""

import json
from typing import Any

import pytest
from msgspec import Raw

from realtime_engine.audio import decode_base64
from realtime_engine.commands import CancelTool, HangUp, Note, RunTool, Step
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side, ToolResult
from realtime_engine.machine import Close
from realtime_engine.options import Limits, Policy, SessionOptions, ToolSchema
from realtime_engine.session import Session
from realtime_engine.simulate import ToolRunner, simulate
from tests.script import (
    Said,
    Script,
    created,
    done,
    function_call,
    session_created,
    speech,
    speech_started,
    speech_stopped,
)


def run(front: Script, upstream: Script, run_tool: ToolRunner | None = None, /, **options: Any) -> list[Step]:
    """Simulate a conversation; the front's script closes it."""
    steps: list[Step] = []
    session = Session(SessionOptions(**options))
    simulate(session, front=front, connect=lambda: upstream, run_tool=run_tool, record=steps.append)
    return steps


def notes(steps: list[Step]) -> list[str]:
    return [command.text for step in steps for command in step.commands if isinstance(command, Note)]


# --- microphone -----------------------------------------------------------------------------------------------


def test_microphone_audio_goes_upstream_in_messages_of_8192_bytes() -> None:
    spoken = bytes(range(256)) * 100
    front = Script().at(0.1, spoken[:5000]).at(0.2, spoken[5000:20000]).at(0.3, spoken[20000:]).at(0.4, Close())
    upstream = Script()

    run(front, upstream)

    sent = [decode_base64(event["audio"]) for event in upstream.all("input_audio_buffer.append")]
    assert [len(audio) for audio in sent] == [8192, 8192, 8192, 1024]
    assert b"".join(sent) == spoken


def test_audio_that_fills_no_message_goes_upstream_after_a_second() -> None:
    front = Script().at(0.5, bytes(100)).at(0.9, bytes(100)).at(3, Close())
    upstream = Script()

    run(front, upstream)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [(1.5, "input_audio_buffer.append")]
    assert len(decode_base64(upstream.heard[0].event["audio"])) == 200


def test_the_microphone_going_off_sends_the_rest_at_once_so_that_no_words_end_is_lost() -> None:
    front = Script().at(0.5, bytes(100), "input_audio_buffer.stopped").at(3, Close())
    upstream = Script()

    run(front, upstream)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [(0.5, "input_audio_buffer.append")]


def test_a_commit_follows_all_the_audio_that_came_before_it_and_a_clear_forgets_it() -> None:
    front = Script().at(0.5, bytes(100), "input_audio_buffer.commit", bytes(100), "input_audio_buffer.clear")
    upstream = Script()

    run(front.at(3, Close()), upstream)

    assert upstream.types() == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
    ]


def test_microphone_audio_may_come_as_append_events_too() -> None:
    append = {"type": "input_audio_buffer.append", "audio": "AQIDBA=="}
    front = Script().at(0.5, append, {**append, "audio": "BQYHCA=="}, "input_audio_buffer.stopped").at(3, Close())
    upstream = Script()

    run(front, upstream)

    assert decode_base64(upstream.heard[0].event["audio"]) == bytes(range(1, 9))


@pytest.mark.parametrize("audio", ["no base64!", 7])
def test_an_append_that_is_not_base64_is_an_error_and_loses_nothing(audio: object) -> None:
    front = Script().at(0.5, bytes(2), {"type": "input_audio_buffer.append", "audio": audio}, bytes(2))
    upstream = Script()

    run(front.at(0.6, Close()), upstream)

    assert [error["error"]["param"] for error in front.all("error")] == ["audio"]
    assert decode_base64(upstream.heard[0].event["audio"]) == bytes(4)


def test_audio_waits_for_the_upstream_to_open_and_too_much_of_it_ends_the_conversation() -> None:
    assert "wait for the upstream" in _end_without_upstream(Limits(pending_bytes=20_000))
    assert "the front has left" in _end_without_upstream(Limits(pending_bytes=30_000))


def _end_without_upstream(limits: Limits) -> str:
    session = Session(SessionOptions(limits=limits))
    commands = [
        *session.step(0, Opened(Side.FRONT)),
        *session.step(0.1, Message(Side.FRONT, Kind.BINARY, bytes(8192))),
        *session.step(0.2, Message(Side.FRONT, Kind.BINARY, bytes(8192))),
        *session.step(0.3, Closed(Side.FRONT)),
    ]
    return next(command.reason for command in commands if isinstance(command, HangUp))


# --- settings and policy --------------------------------------------------------------------------------------


def test_the_settings_are_the_first_thing_the_upstream_hears() -> None:
    front = Script().on("connected", bytes(8192)).at(1, Close())
    upstream = Script()

    run(front, upstream, settings=Raw(b'{"type":"realtime","instructions":"Be kind."}'))

    assert upstream.types() == ["session.update", "input_audio_buffer.append"]
    assert upstream.heard[0].event["session"]["instructions"] == "Be kind."


def test_a_pinned_field_is_taken_out_of_an_update_and_the_front_was_told() -> None:
    update = {"type": "session.update", "session": {"type": "realtime", "instructions": "x", "tools": []}}
    front = Script().at(1, update, update).at(2, Close())
    upstream = Script()

    steps = run(front, upstream, upstream="model", policy=Policy(pinned={"instructions": "set by the operator"}))

    assert front.heard[0].event["pinned"] == {"instructions": "set by the operator"}
    assert front.heard[0].event["upstream"] == "model"
    assert [event["session"] for event in upstream.all("session.update")] == [{"type": "realtime", "tools": []}] * 2
    assert notes(steps) == ["not for the front to set: instructions"]


def test_the_front_is_told_what_it_may_set_unless_that_is_all_that_is_not_pinned() -> None:
    told = []
    for policy in (Policy(), Policy(may_set="none"), Policy(may_set=("audio.output.voice",))):
        front = Script().at(1, Close())
        run(front, Script(), policy=policy)
        told.append(front.heard[0].event.get("may_set"))

    assert told == [None, "none", ["audio.output.voice"]]


def test_what_is_not_allowed_gets_an_error_and_goes_nowhere() -> None:
    front = Script().at(1, {"type": "session.close", "event_id": "mine"}).at(2, Close())
    upstream = Script()

    run(front, upstream)

    assert front.all("error")[0]["error"]["event_id"] == "mine"
    assert upstream.heard == []


def test_an_event_that_the_front_may_send_goes_upstream_byte_for_byte() -> None:
    raw = {"type": "conversation.item.delete", "item_id": "x", "my_own": [1, 2]}
    front = Script().at(1, raw).at(2, Close())
    upstream = Script()

    run(front, upstream)

    assert [heard.event for heard in upstream.heard] == [raw]


# --- playback -------------------------------------------------------------------------------------------------


def test_an_answer_is_announced_when_it_begins_and_when_it_has_been_heard() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), speech(2.0)).at(1.1, speech(1.0), done())

    run(front, upstream)

    assert [(heard.at, heard.type) for heard in front.heard if "buffer" in heard.type] == [
        (1.0, "output_audio_buffer.started"),
        (4.0, "output_audio_buffer.stopped"),
    ]


def test_an_answer_that_was_heard_before_the_model_is_done_stops_when_it_is() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), speech(1.0)).at(5, done())

    run(front, upstream)

    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [5.0]


def test_speech_is_let_out_no_further_ahead_of_the_ear_than_the_lead() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), *[speech(1.0)] * 3, done())

    run(front, upstream, lead=0.2)

    assert [heard.at for heard in front.heard if heard.type == "response.output_audio.delta"] == [1.0, 1.8, 2.8]
    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [4.0]


def test_more_held_speech_than_allowed_ends_the_conversation_with_a_reason() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), *[speech(1.0)] * 3)

    end = simulate(
        Session(SessionOptions(lead=0.0, limits=Limits(held_bytes=100_000))), front=front, connect=lambda: upstream
    )

    assert (end.code, end.reason) == (1013, "more than 100000 bytes of speech wait to be heard")


def test_speech_in_another_order_of_keys_is_speech_all_the_same() -> None:
    audio = speech(2.0)
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), {"delta": audio["delta"], **audio}, done())

    run(front, upstream)

    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [3.0]


def test_speech_that_names_no_response_belongs_to_the_active_one() -> None:
    nameless = {name: value for name, value in speech(5.0).items() if name != "response_id"}
    front = Script().at(9, Close())
    upstream = Script().at(0, created(), nameless).at(1, speech_started()).at(1.1, nameless)

    run(front, upstream)

    assert front.types().count("response.output_audio.delta") == 1
    assert upstream.truncations() == [("item_1", 1000)]


def test_microphone_audio_in_another_format_does_not_mix_with_what_came_before() -> None:
    changed = {"type": "session.updated", "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}}
    front = Script().at(0.5, bytes(101)).at(0.7, b"\xff" * 50, "input_audio_buffer.stopped").at(3, Close())
    upstream = Script().at(0.6, changed)

    run(front, upstream)

    sent = [decode_base64(event["audio"]) for event in upstream.all("input_audio_buffer.append")]
    assert sent == [bytes(100), b"\xff" * 50]


def test_an_item_that_two_responses_speak_is_heard_as_long_as_both() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(1, created(), speech(1.0), done(), created("resp_2"), speech(1.0, response="resp_2"))

    run(front, upstream.at(1.1, done("resp_2")))

    stopped = [(heard.at, heard.event["response_id"]) for heard in front.heard if heard.type.endswith("buffer.stopped")]
    assert stopped == [(2.0, "resp_1"), (3.0, "resp_2")]


def test_speech_in_g711_lasts_as_long_as_its_format_says() -> None:
    front = Script().at(9, Close())
    audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}
    session = {"type": "session.updated", "session": {"audio": audio}}
    upstream = Script().at(1, session, created(), speech(0.5), done())

    run(front, upstream)

    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [4.0]


def test_a_session_event_that_says_nothing_of_audio_changes_nothing() -> None:
    front = Script().at(3, Close())
    upstream = Script().at(1, {"type": "session.updated", "session": {}}, created(), speech(1.0), done())

    run(front, upstream)

    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [2.0]


# --- interruption ---------------------------------------------------------------------------------------------


def test_speaking_over_an_answer_silences_the_front_and_truncates_to_what_was_heard() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.5, speech_started())

    run(front, upstream)

    assert front.types()[1:] == [
        "response.created",
        "output_audio_buffer.started",
        "response.output_audio.delta",
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
    ]
    assert upstream.truncations() == [("item_1", 1500)]
    assert "response.cancel" not in upstream.types()  # the server does that itself


def test_an_answer_is_cut_by_what_is_unheard_also_after_the_model_is_done() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created(), speech(2.0), done()).at(1.5, speech_started())

    run(front, upstream)

    assert upstream.truncations() == [("item_1", 1500)]


def test_an_answer_that_was_heard_to_its_end_is_not_cut() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created(), speech(1.0), done()).at(1.5, speech_started())

    run(front, upstream)

    assert upstream.heard == []
    assert "output_audio_buffer.cleared" not in front.types()


def test_late_audio_of_a_cut_response_does_not_reach_the_front_and_its_unheard_items_are_truncated_to_nothing() -> None:
    front = Script().at(5, Close())
    late = (speech(1.0), speech(1.0, item="item_2"), speech(1.0, item="item_2"), done(status="cancelled"))
    upstream = Script().at(0, created(), speech(1.0)).at(0.5, speech_started()).at(0.6, *late)

    run(front, upstream)

    assert front.types().count("response.output_audio.delta") == 1
    assert upstream.truncations() == [("item_1", 500), ("item_2", 0)]


def test_a_response_that_has_not_spoken_yet_is_cut_without_a_word_to_the_front() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created()).at(0.5, speech_started()).at(0.6, speech(1.0))

    run(front, upstream)

    assert "output_audio_buffer.cleared" not in front.types()
    assert "response.output_audio.delta" not in front.types()
    assert upstream.truncations() == [("item_1", 0)]


@pytest.mark.parametrize(("by_the_front", "cuts"), [(1500, [1500]), (1600, [1500]), (1400, [1500, 1400])])
def test_a_front_that_cuts_an_answer_itself_cuts_no_more_than_is_left(by_the_front: int, cuts: list[int]) -> None:
    truncation = {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0}
    front = Script().at(1.6, "response.cancel", truncation | {"audio_end_ms": by_the_front}).at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.5, speech_started())

    steps = run(front, upstream)

    assert upstream.truncations() == [("item_1", heard_ms) for heard_ms in cuts]
    assert len(notes(steps)) == 2 - len(cuts)


def test_a_front_may_cut_an_answer_that_nobody_has_cut() -> None:
    truncation = {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 900}
    front = Script().at(3, truncation, truncation | {"item_id": "item_9"}).at(5, Close())
    upstream = Script().at(0, created(), speech(1.0), done())

    run(front, upstream)

    assert upstream.truncations() == [("item_1", 900), ("item_9", 900)]


@pytest.mark.parametrize(("by_the_front", "cuts"), [(900, [900]), (1500, [1500]), (1600, [1600, 1500])])
@pytest.mark.parametrize("reports", [False, True])
def test_what_a_front_has_cut_is_not_made_longer_by_an_interruption(
    by_the_front: int, cuts: list[int], *, reports: bool
) -> None:
    truncation = {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0}
    front = Script().at(1, truncation | {"audio_end_ms": by_the_front}).at(1.5, "response.cancel").at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.6, speech(1.0), done(status="cancelled"))

    run(front, upstream, reports=reports)

    assert upstream.truncations() == [("item_1", heard_ms) for heard_ms in cuts]


def test_what_is_wrong_with_a_fronts_truncation_is_for_the_server_to_say() -> None:
    odd = {"type": "conversation.item.truncate", "item_id": "item_1"}
    front = Script().at(1, odd).at(1.5, "response.cancel").at(5, Close())
    upstream = Script().at(0, created(), speech(5.0))

    run(front, upstream)

    assert upstream.types() == ["conversation.item.truncate", "response.cancel", "conversation.item.truncate"]
    assert upstream.heard[0].event == odd


def test_held_speech_is_dropped_by_an_interruption() -> None:
    front = Script().at(9, Close())
    upstream = Script().at(0, created(), *[speech(1.0)] * 5).at(1.5, speech_started())

    run(front, upstream, lead=0.2)

    assert [heard.at for heard in front.heard if heard.type == "response.output_audio.delta"] == [0.0, 0.8]
    assert upstream.truncations() == [("item_1", 1500)]


def test_interrupt_response_false_means_that_speech_interrupts_nobody() -> None:
    front = Script().at(5, Close())
    vad = session_created(turn_detection={"type": "server_vad", "interrupt_response": False})
    upstream = Script().at(0, vad, created(), speech(2.0)).at(0.5, speech_started()).at(0.6, done())

    run(front, upstream)

    assert upstream.heard == []
    assert "output_audio_buffer.stopped" in front.types()


@pytest.mark.parametrize(
    "button",
    [
        "output_audio_buffer.clear",
        "response.cancel",
        {"type": "response.cancel", "response_id": None},
        {"type": "response.cancel", "response_id": "resp_1"},
    ],
)
def test_the_persons_own_interruption_cancels_the_response_too(button: Said) -> None:
    front = Script().at(0.7, button).at(5, Close())
    upstream = Script().at(0, created(), speech(2.0))

    run(front, upstream)

    assert upstream.types() == ["response.cancel", "conversation.item.truncate"]
    assert upstream.heard[0].event["response_id"] == "resp_1"
    assert upstream.truncations() == [("item_1", 700)]


def test_cancelling_an_out_of_band_response_leaves_the_answer_alone() -> None:
    front = Script().at(0.7, {"type": "response.cancel", "response_id": "resp_b"}).at(5, Close())
    upstream = Script().at(0, created(), speech(2.0), created("resp_b", conversation=None))

    run(front, upstream)

    assert upstream.types() == ["response.cancel"]
    assert "output_audio_buffer.cleared" not in front.types()


def test_the_report_that_counts_is_the_one_about_the_answer_not_the_one_about_what_ran_beside_it() -> None:
    def last_report(event: dict[str, Any]) -> list[dict[str, Any]]:
        played = {"type": "output_audio_buffer.played", "cleared_event_id": event["event_id"]}
        item, ms = ("item_1", 300) if event["response_id"] == "resp_1" else ("item_b", 400)
        return [{**played, "item_id": item, "audio_ms": ms}]

    front = Script().on("output_audio_buffer.cleared", last_report).at(5, Close())
    upstream = Script().at(0, created("resp_b", conversation=None), speech(0.4, response="resp_b", item="item_b"))
    upstream.at(0, created(), speech(5.0)).at(1.5, speech_started())

    run(front, upstream, reports=True)

    assert upstream.truncations() == [("item_1", 300)]


def test_in_manual_mode_an_answer_is_cancelled_once_however_long_its_end_takes() -> None:
    front = Script().at(0.5, bytes(4800)).at(0.6, bytes(4800)).at(0.7, bytes(4800)).at(5, Close())
    upstream = Script().at(0, session_created(turn_detection=None), created()).at(0.9, done(status="cancelled"))

    run(front, upstream)

    assert upstream.types().count("response.cancel") == 1


def test_in_manual_mode_an_empty_frame_interrupts_nobody() -> None:
    front = Script().at(0.5, b"").at(5, Close())
    upstream = Script().at(0, session_created(turn_detection=None), created(), speech(2.0))

    run(front, upstream)

    assert upstream.heard == []


def test_in_manual_mode_the_first_audio_during_an_answer_interrupts_it_once() -> None:
    front = Script().at(0.5, bytes(4800)).at(0.6, bytes(4800)).at(5, Close())
    upstream = Script().at(0, session_created(turn_detection=None), created(), speech(2.0))

    run(front, upstream)

    assert upstream.types().count("conversation.item.truncate") == 1
    assert front.types().count("output_audio_buffer.cleared") == 1


def test_a_front_that_reports_is_asked_what_was_heard() -> None:
    def last_report(event: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "type": "output_audio_buffer.played",
                "item_id": "item_1",
                "audio_ms": 1234.9,
                "cleared_event_id": event["event_id"],
            }
        ]

    front = Script().on("output_audio_buffer.cleared", last_report).at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.5, speech_started())

    run(front, upstream, reports=True)

    assert upstream.truncations() == [("item_1", 1234)]


def test_a_front_that_does_not_answer_is_waited_for_250_ms_and_the_estimate_at_the_cut_counts() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.5, speech_started())

    run(front, upstream, reports=True)

    assert [heard.at for heard in upstream.heard] == [1.75]
    assert upstream.truncations() == [("item_1", 1500)]


def test_no_response_is_created_before_the_truncation_is_sent() -> None:
    front = Script().at(1.0, "output_audio_buffer.clear", "response.create").at(5, Close())
    upstream = Script().at(0, created(), speech(5.0), done())

    run(front, upstream, reports=True)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [
        (1.25, "conversation.item.truncate"),
        (1.25, "response.create"),
    ]


def test_reports_correct_the_estimate() -> None:
    report = {"type": "output_audio_buffer.played", "item_id": "item_1", "audio_ms": 500}
    front = Script().at(1.0, report).at(5, Close())
    upstream = Script().at(0, created(), speech(2.0), done()).at(1.2, speech_started())

    run(front, upstream, reports=True)

    assert upstream.truncations() == [("item_1", 700)]


def test_a_malformed_report_is_an_error_and_changes_nothing() -> None:
    front = Script().at(1.0, {"type": "output_audio_buffer.played", "item_id": 7}).at(5, Close())
    upstream = Script().at(0, created(), speech(2.0), done())

    run(front, upstream, reports=True)

    assert "output_audio_buffer.played" in front.all("error")[0]["error"]["message"]
    assert upstream.heard == []
    assert [heard.at for heard in front.heard if heard.type == "output_audio_buffer.stopped"] == [2.0]


def test_who_speaks_does_not_cancel_what_runs_beside_the_conversation_unheard() -> None:
    front = Script().at(0.7, "output_audio_buffer.clear").at(5, Close())
    upstream = Script().at(0, created("resp_b", conversation=None), created(), speech(2.0))

    run(front, upstream)

    assert [event["response_id"] for event in upstream.all("response.cancel")] == ["resp_1"]


def test_an_out_of_band_answer_is_silenced_but_not_truncated_for_it_has_no_item() -> None:
    front = Script().at(0.7, "output_audio_buffer.clear").at(5, Close())
    upstream = Script().at(0, created("resp_b", conversation=None), speech(2.0, response="resp_b"))
    upstream.at(0.8, speech(2.0, response="resp_b", item="item_b"))

    run(front, upstream)

    assert upstream.types() == ["response.cancel"]
    assert front.types().count("response.output_audio.delta") == 1


# --- a front that hears speech by itself ----------------------------------------------------------------------

ONLY_LISTENS = {"type": "server_vad", "create_response": False, "interrupt_response": False}


def test_a_fronts_own_detector_cancels_and_truncates_the_answer_and_asks_for_the_next_when_the_turn_is_committed() -> (
    None
):
    front = Script().at(1.5, "engine.speech_started").at(2.5, "engine.speech_stopped").at(5, Close())
    upstream = Script().at(0, session_created(turn_detection=ONLY_LISTENS), created(), speech(5.0))
    upstream.at(1.6, done(status="cancelled"), speech_started())
    upstream.at(3, speech_stopped(), {"type": "input_audio_buffer.committed", "item_id": "item_u"})

    run(front, upstream, detects_speech=True)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [
        (1.5, "response.cancel"),
        (1.5, "conversation.item.truncate"),
        (3.0, "response.create"),
    ]
    assert upstream.truncations() == [("item_1", 1500)]


def test_a_turn_that_only_the_server_heard_is_not_answered() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, session_created(turn_detection=ONLY_LISTENS), speech_started())
    upstream.at(3, speech_stopped(), {"type": "input_audio_buffer.committed", "item_id": "item_u"})

    run(front, upstream, detects_speech=True)

    assert upstream.heard == []


def test_in_manual_mode_a_fronts_own_detector_commits_the_turn_and_audio_alone_interrupts_nobody() -> None:
    front = Script().at(0.5, bytes(4800)).at(1, "engine.speech_stopped").at(1.5, "engine.speech_started", bytes(4800))
    upstream = Script().at(0, session_created(turn_detection=None), created(), speech(5.0), done())

    run(front.at(2, "engine.speech_stopped").at(5, Close()), upstream, detects_speech=True)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [
        (1.5, "input_audio_buffer.append"),
        (1.5, "conversation.item.truncate"),
        (2.0, "input_audio_buffer.append"),
        (2.0, "input_audio_buffer.commit"),
        (2.0, "response.create"),
    ]


def test_a_turn_that_the_front_takes_back_is_not_answered() -> None:
    front = Script().at(1, "engine.speech_started", "input_audio_buffer.clear").at(2, "engine.speech_stopped")
    upstream = (
        Script()
        .at(0, session_created(turn_detection=None))
        .on("input_audio_buffer.clear", "input_audio_buffer.cleared")
    )

    run(front.at(5, Close()), upstream, detects_speech=True)

    assert upstream.types() == ["input_audio_buffer.clear"]


# --- responses and tools --------------------------------------------------------------------------------------


def test_a_response_create_waits_for_the_active_response() -> None:
    front = Script().at(0.5, "response.create").at(5, Close())
    upstream = Script().at(0, created()).at(2, done())

    run(front, upstream)

    assert [(heard.at, heard.type) for heard in upstream.heard] == [(2.0, "response.create")]


def test_a_response_create_that_lost_its_destination_to_a_pin_waits_like_any_other() -> None:
    create = {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}}}
    front = Script().at(0.5, create).at(5, Close())
    upstream = Script().at(0, created()).at(2, done())

    run(front, upstream, policy=Policy(pinned={"conversation": "one at a time"}))

    assert [(heard.at, heard.type) for heard in upstream.heard] == [(2.0, "response.create")]


def test_an_out_of_band_response_create_does_not_wait() -> None:
    create = {"type": "response.create", "response": {"conversation": "none"}}
    front = Script().at(0.5, create).at(5, Close())
    upstream = Script().at(0, created())

    run(front, upstream)

    assert [(heard.at, heard.event) for heard in upstream.heard] == [(0.5, create)]


def test_a_create_that_collided_waits_for_the_response_it_met_and_the_front_hears_nothing_of_it() -> None:
    met = iter([True, False])

    def collide(event: dict[str, Any]) -> list[dict[str, Any]]:
        """The server's own response begins while the create is on its way."""
        error = {"code": "conversation_already_has_active_response", "event_id": event["event_id"]}
        return [created(), {"type": "error", "error": error}] if next(met) else []

    front = Script().at(0.5, "response.create").at(5, Close())
    upstream = Script().on("response.create", collide).at(2, done())

    steps = run(front, upstream)

    assert [heard.at for heard in upstream.heard] == [0.5, 2.0]
    assert upstream.heard[0].raw == upstream.heard[1].raw
    assert "error" not in front.types()
    assert len(notes(steps)) == 1


@pytest.mark.parametrize("named", [None, "event_of_another"])
def test_a_collision_that_is_not_ours_sends_no_create_twice(named: str | None) -> None:
    collision = {"code": "conversation_already_has_active_response", "event_id": named}
    front = Script().at(0.5, {"type": "response.create", "event_id": "mine"}).at(5, Close())
    upstream = Script().at(0.6, created()).at(0.7, {"type": "error", "error": collision}).at(2, done())

    run(front, upstream)

    assert upstream.types() == ["response.create"]
    assert "error" in front.types()


def test_an_error_reaches_the_front_and_frees_the_next_create() -> None:
    front = Script().at(0.5, "response.create", "response.create").at(5, Close())
    upstream = Script().at(1, {"type": "error", "error": {"code": "invalid_value", "message": "no"}})

    run(front, upstream)

    assert [heard.at for heard in upstream.heard] == [0.5, 1.0]
    assert "error" in front.types()


def test_a_front_that_asks_for_more_and_more_responses_is_ended() -> None:
    front = Script().at(0.5, *["response.create"] * 100).at(5, Close())
    session = Session(SessionOptions())

    end = simulate(session, front=front, connect=lambda: Script().at(0, created()))

    assert (end.code, end.reason) == (1013, "too many response.create wait for the active response")


WEATHER = (ToolSchema(name="weather"),)


def test_several_calls_of_one_response_lead_to_one_response_create() -> None:
    front = Script().at(5, Close())
    calls = [function_call("call_1", "weather", '{"city":"Paris"}'), function_call("call_2", "weather", "{}")]
    upstream = Script().at(1, created(), *calls, done())

    def weather(call: RunTool) -> ToolResult:
        return ToolResult(call.call_id, f"sunny for {call.arguments}")

    run(front, upstream, weather, tools=WEATHER)

    assert upstream.types() == ["conversation.item.create", "conversation.item.create", "response.create"]
    assert [event["item"] for event in upstream.all("conversation.item.create")] == [
        {"type": "function_call_output", "call_id": "call_1", "output": 'sunny for {"city":"Paris"}'},
        {"type": "function_call_output", "call_id": "call_2", "output": "sunny for {}"},
    ]


def test_a_call_of_a_function_that_is_not_the_engines_is_left_to_the_front() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(1, created(), function_call("call_1", "other", "{}"), done())

    run(front, upstream, lambda call: ToolResult(call.call_id, "never"), tools=WEATHER)

    assert upstream.heard == []
    assert "response.output_item.done" in front.types()


def test_a_call_of_a_function_that_nobody_has_is_the_engines_to_answer() -> None:
    front = Script().at(5, Close())
    calls = [function_call("call_1", "whether", "{}"), function_call("call_2", "other", "{}")]
    upstream = (
        Script().at(1, created(), calls[0], done()).at(2, created("resp_2"), calls[1] | {"response_id": "resp_2"})
    )

    run(
        front,
        upstream,
        lambda call: ToolResult(call.call_id, f"there is no {call.name}"),
        tools=WEATHER,
        front_tools=("other",),
    )

    assert upstream.types() == ["conversation.item.create", "response.create"]
    assert upstream.heard[0].event["item"]["output"] == "there is no whether"


def test_a_call_without_a_name_is_nobodys() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(1, created(), function_call("call_1", "", "{}"), done())

    run(front, upstream, lambda call: ToolResult(call.call_id, "never"), tools=WEATHER, front_tools=())

    assert upstream.heard == []


def test_the_front_cannot_answer_a_call_of_the_engine_before_it_runs_nor_after() -> None:
    def answer(event: dict[str, Any]) -> list[dict[str, Any]]:
        item = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
        return [{"type": "conversation.item.create", "item": item}]

    call = function_call("call_1", "weather", "{}")
    front = Script().on("response.output_item.added", answer).on("response.done", answer).at(5, Close())
    upstream = Script().at(1, created(), {**call, "type": "response.output_item.added"}).at(2, call).at(3, done())

    run(front, upstream, lambda call: ToolResult(call.call_id, "sunny"), tools=WEATHER)

    assert [event["item"]["output"] for event in upstream.all("conversation.item.create")] == ["sunny"]
    assert len(front.all("error")) == 2


def test_an_unfinished_call_and_an_item_that_is_none_are_not_run() -> None:
    front = Script().at(5, Close())
    unfinished = function_call("call_1", "weather", '{"ci', status="incomplete")
    message = {"type": "response.output_item.done", "response_id": "resp_1", "item": {"type": "message"}}
    upstream = Script().at(1, created(), unfinished, message, done(status="cancelled"))

    run(front, upstream, lambda call: ToolResult(call.call_id, "never"), tools=WEATHER)

    assert upstream.heard == []


def test_the_same_call_said_twice_is_run_once() -> None:
    front = Script().at(5, Close())
    call = function_call("call_1", "weather", "{}")
    upstream = Script().at(1, created(), call, call, done())

    run(front, upstream, lambda call: ToolResult(call.call_id, "sunny"), tools=WEATHER)

    assert upstream.types() == ["conversation.item.create", "response.create"]


def test_a_call_that_is_said_again_when_it_has_its_result_is_not_run_again() -> None:
    call = function_call("call_1", "weather", "{}")
    upstream = Script().at(1, created(), call).at(2, call, done())

    run(Script().at(5, Close()), upstream, lambda call: ToolResult(call.call_id, "sunny"), tools=WEATHER)

    assert upstream.types() == ["conversation.item.create", "response.create"]


def weather_done(**more: str) -> dict[str, Any]:
    """The arguments of a call, as they end."""
    name = "response.function_call_arguments.done"
    return {"type": name, "response_id": "resp_1", "item_id": "item_call_1", "arguments": '{"city":"Oslo"}', **more}


@pytest.mark.parametrize("last", [{"type": "function_call"}, {"type": "function_call", "status": "completed"}])
def test_what_the_last_event_of_a_call_leaves_out_was_said_before(last: dict[str, str]) -> None:
    """xAI says nothing of an item where it ends it."""
    begun = {**function_call("call_1", "weather", "", "in_progress"), "type": "response.output_item.added"}
    ended = {"type": "response.output_item.done", "response_id": "resp_1", "item": {"id": "item_call_1", **last}}
    upstream = Script().at(1, created(), begun, weather_done(), ended, done())

    run(Script().at(5, Close()), upstream, lambda call: ToolResult(call.call_id, call.arguments), tools=WEATHER)

    assert [event["item"]["output"] for event in upstream.all("conversation.item.create")] == ['{"city":"Oslo"}']


@pytest.mark.parametrize("announced", [True, False])
def test_a_call_that_no_event_of_its_own_ends_is_run_when_its_response_is_done(announced: bool) -> None:
    def answer(event: dict[str, Any]) -> list[dict[str, Any]]:
        item = {"type": "function_call_output", "call_id": "call_1", "output": "forged"}
        return [{"type": "conversation.item.create", "item": item}]

    called = weather_done(call_id="call_1", name="weather")
    front = Script().on(called["type"], answer).at(5, Close())
    ends = done()
    if not announced:
        ends["response"]["output"] = [function_call("call_1", "weather", '{"city":"Oslo"}')["item"]]
    upstream = Script().at(1, created(), *([called] if announced else [])).at(2, ends)

    run(front, upstream, lambda call: ToolResult(call.call_id, call.arguments), tools=WEATHER)

    assert upstream.types() == ["conversation.item.create", "response.create"]
    assert [event["item"]["output"] for event in upstream.all("conversation.item.create")] == ['{"city":"Oslo"}']
    assert len(front.all("error")) == announced


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_a_call_that_no_event_of_its_own_ends_is_not_run_if_its_response_was_not_completed(status: str) -> None:
    upstream = Script().at(1, created(), weather_done(call_id="call_1", name="weather"), done(status=status))

    run(Script().at(5, Close()), upstream, lambda call: ToolResult(call.call_id, "never"), tools=WEATHER)

    assert upstream.heard == []


def test_a_call_without_an_id_of_its_item_is_run_too() -> None:
    call = function_call("call_1", "weather", "{}")
    del call["item"]["id"]
    upstream = Script().at(1, created(), call, done())

    run(Script().at(5, Close()), upstream, lambda call: ToolResult(call.call_id, "sunny"), tools=WEATHER)

    assert upstream.types() == ["conversation.item.create", "response.create"]


def test_calls_that_still_run_at_the_end_are_cancelled() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), done())

    steps = run(front, upstream, tools=WEATHER)

    assert CancelTool("call_1") in steps[-1].commands


def test_a_result_that_nobody_waits_for_is_noted_once() -> None:
    session = Session(SessionOptions(tools=WEATHER))

    commands = [*session.step(0, ToolResult("call_9", "x")), *session.step(0, ToolResult("call_9", "x"))]

    assert commands == [Note("a tool gave a result that nobody waits for")]


def test_a_tool_that_fails_is_said_to_the_front_and_the_log_and_the_conversation_goes_on() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), done())

    steps = run(
        front, upstream, lambda call: ToolResult(call.call_id, "no sky", failed=True), tools=WEATHER, tool_failures=True
    )

    (failed,) = front.all("engine.tool_failed")
    assert {key: failed[key] for key in ("call_id", "name", "message")} == {
        "call_id": "call_1",
        "name": "weather",
        "message": "no sky",
    }
    assert upstream.types() == ["conversation.item.create", "response.create"]
    assert [event["item"]["output"] for event in upstream.all("conversation.item.create")] == ["no sky"]
    notes = [command for step in steps for command in step.commands if isinstance(command, Note)]
    assert notes == [Note("the tool 'weather' has failed; the model is told why")]


def test_a_recording_of_before_tools_failed_aloud_is_replayed_as_it_was() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(1, created(), function_call("call_1", "weather", "{}"), done())

    run(front, upstream, lambda call: ToolResult(call.call_id, "no sky", failed=True), tools=WEATHER)

    assert "engine.tool_failed" not in front.types()


# --- what is odd ----------------------------------------------------------------------------------------------


def test_what_is_unknown_is_passed_on_unchanged_and_noted_once_if_its_shape_is() -> None:
    odd = {"type": "response.created", "response": 7}
    new = {"type": "response.sparkle", "glitter": True}
    front = Script().at(5, Close())

    steps = run(front, Script().at(1, odd, new, odd, b"\x00\x01"))

    assert [heard.event for heard in front.heard[1:4]] == [odd, new, odd]
    assert front.heard[4].raw == b"\x00\x01"
    assert [note.split(" in ")[0] for note in notes(steps)] == [
        "response.created",
        "the upstream sent a binary frame, which the protocol does not have: passed on",
    ]


def test_the_conversation_is_kept() -> None:
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    front = Script().at(5, Close())
    added = {"type": "conversation.item.added", "previous_item_id": None, "item": item}
    upstream = Script().at(1, created(), added, speech(1.0), done())
    session = Session(SessionOptions())

    simulate(session, front=front, connect=lambda: upstream)

    assert [(entry.id, entry.audio_ms) for entry in session.conversation] == [("item_1", 1000.0)]


def test_the_session_is_idle_only_when_nothing_is_under_way() -> None:
    idle: list[tuple[float, bool]] = []
    session = Session(SessionOptions())
    front = Script().at(9, Close())
    upstream = Script().at(1, speech_started()).at(2, speech_stopped(), "input_audio_buffer.committed")
    upstream.at(3, created()).at(4, speech(2.0)).at(5, done()).at(7, "input_audio_buffer.cleared")

    simulate(session, front=front, connect=lambda: upstream, record=lambda step: idle.append((step.at, session.idle)))

    assert [at for at, is_idle in idle if is_idle] == [0.0, 0.0, 6.0, 7.0, 9.0]


@pytest.mark.parametrize("refused", [True, False])
def test_a_spoken_turn_that_is_not_answered_after_all_leaves_the_session_idle(refused: bool) -> None:
    session = Session(SessionOptions())
    idle: list[tuple[float, bool]] = []
    upstream = Script().at(1, speech_started()).at(2, speech_stopped())
    if refused:
        upstream.at(3, {"type": "error", "error": {"code": "server_error"}})
    front = Script().at(11, {"type": "conversation.item.delete", "item_id": "x"}).at(13, bytes(2)).at(14, Close())

    simulate(session, front=front, connect=lambda: upstream, record=lambda step: idle.append((step.at, session.idle)))

    assert dict(idle) == {0.0: True, 1.0: False, 2.0: False, 11.0: refused, 13.0: True, 14.0: True} | (
        {3.0: True} if refused else {}
    )


def test_a_spoken_turn_that_the_server_will_not_answer_leaves_the_session_idle() -> None:
    vad = session_created(turn_detection={"type": "server_vad", "create_response": False})
    session = Session(SessionOptions())

    simulate(
        session,
        front=Script().at(9, Close()),
        connect=lambda: Script().at(1, vad, speech_started()).at(2, speech_stopped()),
        record=lambda step: None,
    )

    assert session.idle


def test_what_the_upstream_said_before_it_closed_is_heard_to_its_end() -> None:
    front = Script()
    upstream = Script().at(0, created(), *[speech(1.0)] * 3, Close(1000, "good bye"))
    session = Session(SessionOptions(lead=0.2))

    end = simulate(session, front=front, connect=lambda: upstream)

    assert (end.at, end.code, end.reason) == (3.0, 1000, "good bye")
    assert front.types().count("response.output_audio.delta") == 3
    assert front.types()[-1] == "output_audio_buffer.stopped"


def test_everything_sent_is_one_event_of_valid_json() -> None:
    front = Script().at(5, Close())
    upstream = Script().at(0, created(), speech(5.0)).at(1.5, speech_started())

    run(front, upstream)

    assert all(json.loads(heard.raw)["type"] for heard in [*front.heard, *upstream.heard])


# --- what the front suspects ----------------------------------------------------------------------------------


def test_what_the_front_only_suspects_changes_nothing_and_goes_no_further() -> None:
    front = Script().at(0.5, "engine.speech_suspected").at(1.0, "engine.speech_dismissed").at(2, Close())
    upstream = Script().on("connected", session_created(), created(), speech(5.0))

    run(front, upstream, detects_speech=True)

    assert not front.all("output_audio_buffer.cleared")
    assert upstream.types() == []


# --- the sound card -------------------------------------------------------------------------------------------


def test_what_a_sound_card_suffers_is_noted_and_goes_no_further() -> None:
    card = {"type": "engine.sound_card", "overruns": 2, "underruns": 1}
    front = Script().at(0.5, card).at(0.6, card | {"state": "lost"}).at(0.7, card | {"overruns": "many"}).at(1, Close())
    upstream = Script()

    steps = run(front, upstream)

    told = "2 times microphone audio was lost, 1 times the speaker had to wait"
    assert notes(steps) == [f"the sound card is there: {told}", f"the sound card is lost: {told}"]
    (error,) = front.all("error")
    assert error["error"]["message"].startswith("Invalid 'engine.sound_card': ")
    assert not upstream.all("engine.sound_card")
