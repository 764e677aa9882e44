"""The story of a conversation: turns, latencies, interruptions, costs."""

from collections.abc import Sequence

import msgspec
import pytest

from realtime_engine.audio import encode_base64
from realtime_engine.commands import FORWARD, Command, HangUp, Note, Send, Step
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side
from realtime_engine.recording.story import Tokens, Turn, tell
from tests.sessions import FOLDER, read


def event(name: str, **fields: object) -> bytes:
    return msgspec.json.encode({"type": name} | fields)


def model(at: float, name: str, *commands: Command, **fields: object) -> Step:
    """The upstream says something, and it is passed on unless other commands are given."""
    return Step(at, Message(Side.UPSTREAM, Kind.TEXT, event(name, **fields)), commands or [FORWARD])


def front(at: float, name: str, **fields: object) -> Step:
    """The front says something, and it is passed on."""
    return Step(at, Message(Side.FRONT, Kind.TEXT, event(name, **fields)), [FORWARD])


def item(item_id: str, kind: str = "message", **fields: object) -> dict[str, object]:
    return {"id": item_id, "type": kind} | fields


def user(item_id: str, words: str) -> dict[str, object]:
    return item(item_id, role="user", status="completed", content=[{"type": "input_text", "text": words}])


def speech(item_id: str, milliseconds: int, response_id: str = "resp_1") -> dict[str, object]:
    delta = encode_base64(bytes(48 * milliseconds)).decode()
    return {"response_id": response_id, "item_id": item_id, "delta": delta}


def answer(begun: float, item_id: str, response_id: str = "resp_1") -> Sequence[Step]:
    return [
        model(begun, "response.created", response={"id": response_id, "status": "in_progress"}),
        model(
            begun,
            "response.output_item.added",
            response_id=response_id,
            item=item(item_id, role="assistant", status="in_progress"),
        ),
        model(begun, "conversation.item.added", item=item(item_id, role="assistant", status="in_progress")),
    ]


def test_a_spoken_turn_has_its_times_its_words_and_its_latency() -> None:
    story = tell(
        [
            Step(0.0, Opened(Side.FRONT), []),
            model(0.5, "input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=200),
            model(2.0, "input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=1900),
            model(2.0, "input_audio_buffer.committed", item_id="item_1", previous_item_id=None),
            *answer(2.1, "item_2"),
            model(2.2, "response.output_audio_transcript.delta", item_id="item_2", delta="It rains."),
            model(2.35, "response.output_audio.delta", **speech("item_2", 500)),
            model(2.4, "response.output_audio.delta", **speech("item_2", 250)),
            model(
                2.6,
                "conversation.item.input_audio_transcription.completed",
                item_id="item_1",
                transcript="What is the weather?",
            ),
            model(2.7, "conversation.item.done", item=item("item_2", role="assistant", status="completed")),
            model(
                2.7,
                "response.done",
                response={
                    "id": "resp_1",
                    "status": "completed",
                    "usage": {
                        "total_tokens": 30,
                        "input_tokens": 20,
                        "output_tokens": 10,
                        "input_token_details": {"text_tokens": 3, "audio_tokens": 17, "cached_tokens": 2},
                        "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
                    },
                },
            ),
            Step(9.0, Closed(Side.FRONT), [HangUp(1000, "the front has left")]),
        ]
    )

    assert story.seconds == 9.0
    assert story.turns == (
        Turn(
            item_id="item_1",
            who="user",
            at=0.5,
            words="What is the weather?",
            speech_ms=1700,
            start_ms=200,
            end_ms=1900,
        ),
        Turn(item_id="item_2", who="assistant", at=2.35, words="It rains.", latency=0.35, speech_ms=750),
    )
    assert story.tokens == Tokens(
        total=30, input=20, input_text=3, input_audio=17, cached=2, output=10, output_text=4, output_audio=6
    )
    assert [(response.response_id, response.at, response.status) for response in story.responses] == [
        ("resp_1", 2.7, "completed")
    ]


SERVER_VAD = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 500}


@pytest.mark.parametrize(
    ("detection", "start_ms", "speech", "speech_ms"),
    [
        (SERVER_VAD, 200, (0.5, 1.4), 900),
        (SERVER_VAD | {"silence_duration_ms": 0}, 200, (0.5, 1.9), 1400),
        (SERVER_VAD, 1300, (1.4, 1.4), 0),  # less padding than usual: there was no more audio before it
        (SERVER_VAD | {"silence_duration_ms": None}, 200, None, 1700),
        ({"type": "server_vad", "silence_duration_ms": 500}, 200, None, 1700),
        ({"type": "semantic_vad"}, 200, None, 1700),
        (None, 200, None, 1700),
    ],
)
def test_speech_is_told_without_the_padding_and_the_silence_of_the_session(
    detection: object, start_ms: int, speech: tuple[float, float] | None, speech_ms: int
) -> None:
    story = tell(
        [
            model(0.0, "session.created", session={"audio": {"input": {"turn_detection": SERVER_VAD}}}),
            model(0.1, "session.updated", session={"audio": {"input": {"turn_detection": detection}}}),
            model(0.2, "session.updated", session={"audio": {"output": {}}}),
            model(0.5, "input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=start_ms),
            model(2.0, "input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=1900),
            model(2.0, "input_audio_buffer.committed", item_id="item_1", previous_item_id=None),
        ]
    )

    (turn,) = story.turns
    assert (turn.start_ms, turn.end_ms) == (start_ms, 1900)
    assert turn.speech == speech
    assert turn.speech_ms == speech_ms


def test_what_has_no_beginning_or_no_end_has_no_speech_and_neither_has_a_silence() -> None:
    story = tell(
        [
            model(0.0, "session.created", session={"audio": {"input": {"turn_detection": SERVER_VAD}}}),
            model(0.5, "input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=200),
            model(1.0, "input_audio_buffer.committed", item_id="item_1", previous_item_id=None),
            model(2.0, "input_audio_buffer.speech_stopped", item_id="item_2", audio_end_ms=1900),
            model(2.0, "input_audio_buffer.committed", item_id="item_2", previous_item_id="item_1"),
            model(
                9.0,
                "input_audio_buffer.timeout_triggered",
                item_id="item_3",
                audio_start_ms=2000,
                audio_end_ms=8000,
            ),
            model(9.0, "input_audio_buffer.committed", item_id="item_3", previous_item_id="item_2"),
        ]
    )

    assert [(turn.start_ms, turn.end_ms, turn.speech, turn.speech_ms) for turn in story.turns] == [
        (200, None, None, None),
        (None, 1900, None, None),
        (2000, 8000, None, None),
    ]


def test_an_answer_has_its_latency_too_where_the_front_speaks_the_beta() -> None:
    delta = event("response.audio.delta", **speech("item_2", 500))
    told = Send(Side.FRONT, delta)

    story = tell(
        [
            front(0.5, "response.create"),
            *answer(1.0, "item_2"),
            model(1.25, "response.output_audio.delta", told, **speech("item_2", 500)),
            model(1.5, "response.done", response={"id": "resp_1", "status": "completed"}),
        ]
    )

    assert [(turn.at, turn.latency, turn.speech_ms) for turn in story.turns] == [(1.25, 0.75, 500)]


def test_an_interruption_says_when_it_was_and_how_much_was_heard() -> None:
    truncate = Send(
        Side.UPSTREAM, event("conversation.item.truncate", item_id="item_2", content_index=0, audio_end_ms=420)
    )
    story = tell(
        [
            *answer(1.0, "item_2"),
            model(1.0, "response.output_audio.delta", **speech("item_2", 2000)),
            model(1.5, "input_audio_buffer.speech_started", truncate, item_id="item_3", audio_start_ms=100),
            model(1.6, "conversation.item.truncated", item_id="item_2", content_index=0, audio_end_ms=420),
            model(
                1.6,
                "response.done",
                response={
                    "id": "resp_1",
                    "status": "cancelled",
                    "status_details": {"type": "cancelled", "reason": "turn_detected"},
                },
            ),
            model(1.7, "conversation.item.done", item=item("item_2", role="assistant", status="incomplete")),
        ]
    )

    assert story.turns[0] == Turn(
        item_id="item_2",
        who="assistant",
        at=1.0,
        latency=0.0,
        speech_ms=2000,
        interrupted_at=1.5,
        heard_ms=420,
        status="incomplete",
    )
    assert (story.responses[0].status, story.responses[0].why) == ("cancelled", "turn_detected")


def test_a_truncation_that_only_the_upstream_tells_counts_too() -> None:
    story = tell(
        [
            *answer(1.0, "item_2"),
            model(2.0, "conversation.item.truncated", item_id="item_2", content_index=0, audio_end_ms=9),
        ]
    )

    assert (story.turns[0].interrupted_at, story.turns[0].heard_ms) == (None, 9)


def test_typed_turns_and_tools_have_their_words_and_an_answer_in_text_its_latency() -> None:
    call = item("item_2", "function_call", name="add", arguments='{"a":1}', call_id="call_1", status="completed")
    output = item("item_3", "function_call_output", call_id="call_1", output="42", status="completed")
    story = tell(
        [
            front(1.0, "conversation.item.create", item=user("item_1", "Add.")),
            front(1.0, "response.create"),
            front(1.0, "response.create"),
            model(1.1, "conversation.item.added", item=user("item_1", "Add.")),
            model(1.2, "response.created", response={"id": "resp_1", "status": "in_progress"}),
            model(1.3, "conversation.item.added", item=call),
            Step(1.4, None, [Send(Side.UPSTREAM, event("response.create"))]),
            model(1.5, "conversation.item.added", item=output),
            *answer(1.6, "item_4", "resp_2"),
            model(1.9, "response.output_text.delta", response_id="resp_2", item_id="item_4", delta="42"),
            model(2.0, "conversation.item.done", item=item("item_4", role="assistant", status="completed")),
            model(2.1, "conversation.item.added", item=item("item_5", "mcp_list_tools", status="completed")),
        ]
    )

    assert [(turn.who, turn.words, turn.at, turn.latency) for turn in story.turns] == [
        ("user", "Add.", 1.1, None),
        ("tool", 'add({"a":1})', 1.3, None),
        ("tool", "→ 42", 1.5, None),
        ("assistant", "42", 1.9, 0.5),
        ("mcp_list_tools", "", 2.1, None),
    ]


@pytest.mark.parametrize(
    ("details", "why"),
    [
        (
            {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
            "rate_limit_exceeded: Slow down.",
        ),
        ({"type": "failed", "error": {"message": "Odd."}}, "unknown: Odd."),
        ("out of words", "out of words"),
        (None, ""),
        ({"type": "failed"}, ""),
    ],
)
def test_a_response_that_fails_says_why(details: object, why: str) -> None:
    story = tell(
        [model(1.0, "response.done", response={"id": "resp_1", "status": "failed", "status_details": details})]
    )

    assert [(response.status, response.why) for response in story.responses] == [("failed", why)]


def test_notes_and_errors_are_told_with_their_times() -> None:
    story = tell(
        [
            Step(0.5, None, [Note("odd")]),
            model(1.0, "error", error={"type": "invalid_request_error", "code": None, "message": "No."}),
        ]
    )

    assert story.notes == ((0.5, "odd"), (1.0, "error: invalid_request_error: No."))


def test_a_change_of_format_changes_how_long_speech_is() -> None:
    audio = {"output": {"format": {"type": "audio/pcmu"}}}
    story = tell(
        [
            model(0.1, "session.updated", session={"type": "realtime"}),
            model(0.2, "session.updated", session={"type": "realtime", "audio": audio}),
            *answer(1.0, "item_1"),
            model(
                1.0,
                "response.output_audio.delta",
                response_id="resp_1",
                item_id="item_1",
                delta=encode_base64(bytes(800)).decode(),
            ),
        ]
    )

    assert story.turns[0].speech_ms == 100


def test_what_cannot_be_understood_is_passed_over() -> None:
    raws = [b"?", b"[" * 100_000, b"\xff", b'{"type":"unheard.of"}', b'{"type":"response.done"}']
    steps = [Step(0.1, Message(side, Kind.TEXT, raw), [FORWARD]) for raw in raws for side in Side]
    binary = Step(0.2, Message(Side.FRONT, Kind.BINARY, b"ab"), [Send(Side.FRONT, b"cd", Kind.BINARY)])

    story = tell([*steps, binary, Step(0.3, Closed(Side.FRONT), [FORWARD])])

    assert (story.turns, story.seconds) == ((), 0.3)


def test_a_recorded_session_of_the_service_is_told_in_its_order() -> None:
    steps = [
        Step(number / 10, Message(Side.FRONT if frame.sent else Side.UPSTREAM, Kind.TEXT, frame.raw), [FORWARD])
        for number, frame in enumerate(read(FOLDER / "openai" / "barge_in_interrupt_response_true.jsonl"))
    ]

    story = tell(steps)

    spoken = [(turn.who, turn.heard_ms is not None) for turn in story.turns if turn.who in ("user", "assistant")]
    assert spoken == [("user", False), ("assistant", True), ("user", False), ("assistant", False)]
    assert [response.status for response in story.responses] == ["cancelled", "completed"]
    assert all(turn.latency is not None for turn in story.turns if turn.who == "assistant")
