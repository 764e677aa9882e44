"""A conversation that outlives its connection: what the front hears of it, and what the next connection is told."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from msgspec import Raw

from realtime_engine import driving
from realtime_engine.audio import decode_base64, encode_base64
from realtime_engine.commands import Command, Connect, HangUp, Note, RunTool, Send, Step
from realtime_engine.driving import Run
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.machine import Close, Frame
from realtime_engine.options import Limits, Reconnect, SessionOptions, ToolSchema
from realtime_engine.recording.replay import replay
from realtime_engine.seeding import UNWRITTEN
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.upstreams.local import Local, LocalOptions
from tests.script import (
    Said,
    Script,
    created,
    done,
    frame,
    function_call,
    session_created,
    speech,
    speech_started,
    speech_stopped,
)

BRIEF: Final = {"type": "realtime", "instructions": "Be brief."}
QUESTION: Final = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is it?"}]}
ASKED: Final = {"type": "conversation.item.create", "event_id": "mine_1", "item": QUESTION}
LOST: Final = Close(1006, "")


def talk(
    front: Script, *models: Script, run_tool: Callable[[RunTool], ToolResult] | None = None, **options: Any
) -> tuple[list[Step], Run]:
    """Simulate a conversation with one model after the other; it must replay exactly."""
    steps: list[Step] = []
    waiting = list(models)
    chosen = SessionOptions(**{"reconnect": Reconnect(), **options})
    run = simulate(Session(chosen), front=front, connect=lambda: waiting.pop(0), run_tool=run_tool, record=steps.append)
    assert replay(Session(chosen), steps, run.at) is None
    return steps, run


def model(**audio_input: Any) -> Script:
    """A server that greets, grants what is asked for, and takes in every item."""
    script = Script().on("connected", session_created(**audio_input))
    script.on("session.update", lambda event: [{"type": "session.updated", "session": event["session"]}])
    return script.on("conversation.item.create", lambda event: added(event["item"]))


def added(item: dict[str, Any]) -> Sequence[Said]:
    item = {"id": "item_q", "status": "completed", **item}
    return [
        {"type": "conversation.item.added", "item": item},
        {"type": "conversation.item.done", "item": item},
    ]


def begun(item: str = "item_a", response: str = "resp_1") -> Sequence[Said]:
    """An answer begins."""
    message = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    return [
        created(response),
        {"type": "response.output_item.added", "response_id": response, "item": message},
        {"type": "conversation.item.added", "item": message},
    ]


def words(delta: str, item: str = "item_a") -> Said:
    return {
        "type": "response.output_audio_transcript.delta", "response_id": "resp_1", "item_id": item,
        "content_index": 0, "delta": delta,
    }  # fmt: skip


def ended(item: str = "item_a", transcript: str = "It is a parrot.", response: str = "resp_1") -> Sequence[Said]:
    """The answer is whole."""
    content = [{"type": "output_audio", "transcript": transcript}]
    message = {"id": item, "type": "message", "role": "assistant", "status": "completed", "content": content}
    return [{"type": "conversation.item.done", "item": message}, done(response)]


def answer() -> Sequence[Said]:
    return [*begun(), words("It is a parrot."), speech(1.5, "item_a"), *ended()]


def states(front: Script) -> list[tuple[float, str]]:
    return [(heard.at, heard.event["state"]) for heard in front.heard if heard.type == "engine.upstream"]


def errors(front: Script) -> list[str]:
    return [event["error"]["code"] for event in front.all("error")]


def items(script: Script) -> list[dict[str, Any]]:
    return [event["item"] for event in script.all("conversation.item.create")]


def said(item: dict[str, Any]) -> tuple[str, str, str]:
    (part,) = item["content"]
    return item["role"], part["type"], part["text"]


def begun_session(**options: Any) -> tuple[Session, Callable[[float, Said], list[Step]]]:
    """A session whose server has greeted, and what tells it what the server says."""
    session = Session(SessionOptions(**{"reconnect": Reconnect(), **options}))

    def tell(at: float, event: Said) -> list[Step]:
        output = frame(event)
        assert isinstance(output, Frame)
        return list(driving.steps(session, at, Message(Side.UPSTREAM, Kind.TEXT, output.raw), driving.ignore))

    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    tell(0, session_created())
    return session, tell


def sent(commands: Sequence[Command]) -> list[dict[str, Any]]:
    return [json.loads(command.raw) for command in commands if isinstance(command, Send)]


def notes(steps: list[Step]) -> list[str]:
    """What was noted, beside that a connection was lost and there again."""
    texts = [command.text for step in steps for command in step.commands if isinstance(command, Note)]
    return [text for text in texts if not text.startswith(("reconnecting, ", "connected again, "))]


def test_a_lost_connection_is_one_error_and_another_connection_goes_on_with_the_conversation() -> None:
    front = Script().at(1, ASKED, "response.create").at(6, "response.create").at(9, Close())
    first = model().on("response.create", *answer()).at(5, LOST)
    second = model().on("response.create", created("resp_2"), done("resp_2"))

    talk(front, first, second, settings=Raw(json.dumps(BRIEF).encode()))

    assert errors(front) == ["upstream_closed"]
    assert states(front) == [(5, "reconnecting"), (5, "connected")]
    assert second.types()[0] == "session.update"
    assert second.all("session.update")[0]["session"] == BRIEF
    assert [(item["id"], *said(item)) for item in items(second)] == [
        ("item_q", "user", "input_text", "What is it?"),
        ("item_a", "assistant", "output_text", "It is a parrot."),
    ]
    assert second.types()[-1] == "response.create"
    assert front.types()[-2:] == ["response.created", "response.done"]


def test_the_log_says_when_a_connection_was_lost_and_there_again() -> None:
    steps, _ = talk(Script().at(9, Close()), model().at(5, LOST), model())

    assert [command.text for step in steps for command in step.commands if isinstance(command, Note)] == [
        "reconnecting, attempt 1: the model is lost (1006)",
        "connected again, at attempt 1",
    ]


def test_the_front_hears_nothing_twice() -> None:
    front = Script().at(1, ASKED, "response.create").at(9, Close())
    first = model().on("response.create", *answer()).at(5, LOST)

    talk(front, first, model(), settings=Raw(json.dumps(BRIEF).encode()))

    assert [heard.type for heard in front.heard if heard.at >= 5] == ["error", "engine.upstream", "engine.upstream"]
    assert front.types().count("session.created") == front.types().count("session.updated") == 1


def test_attempts_have_growing_delays_and_an_end_with_a_reason() -> None:
    front = Script()
    refusing = [Script().on("connected", Close(1011, f"no room ({n})")) for n in range(3)]

    steps, run = talk(front, model().at(5, LOST), *refusing, reconnect=Reconnect(delays=(0.0, 0.5, 2.0)))

    connects = [(step.at, command) for step in steps for command in step.commands if isinstance(command, Connect)]
    assert connects == [(0, Connect(1)), (5, Connect(2)), (5.5, Connect(3)), (7.5, Connect(4))]
    told = [(event["attempt"], event["retry_in"]) for event in front.all("engine.upstream")]
    assert told == [(1, 0.0), (2, 0.5), (3, 2.0)]
    assert errors(front) == ["upstream_closed"]
    assert run == Run(7.5, 1011, "the upstream has failed: no room (2) (1011)")


def test_a_connection_that_never_lasts_is_not_made_again_for_ever() -> None:
    models = [model().at(5 + n, LOST) for n in range(4)]

    _, run = talk(Script(), *models, reconnect=Reconnect(delays=(0.0, 0.0, 0.0)))

    assert (run.at, run.code) == (8, 1011)


def test_a_connection_that_has_lasted_begins_the_count_anew() -> None:
    models = [model().at(40.0 * (n + 1), LOST) for n in range(4)]
    front = Script().at(150, Close())

    _, run = talk(front, *models, reconnect=Reconnect(delays=(0.0,)))

    assert run.code == 1000
    assert errors(front) == ["upstream_closed"] * 3


def test_an_upstream_that_refuses_at_the_start_is_not_asked_again() -> None:
    front = Script()
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_model", "message": "No."}}
    upstream = Script().on("connected", refusal, Close(4000, "invalid_request_error.invalid_model"))

    _, run = talk(front, upstream)

    assert errors(front) == ["invalid_model"]
    assert run.code == 1011
    assert "invalid_model (4000)" in run.reason


@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_an_error_long_before_the_close_is_not_the_reason_for_it(mode: str) -> None:
    front = Script()
    mistake = {"type": "error", "error": {"code": "invalid_value", "message": "Not so."}}

    talk(front, Script().on("connected", session_created(), mistake).at(2, Close(1011, "")), mode=mode, reconnect=None)

    assert errors(front) == ["invalid_value", "upstream_closed"]


@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_a_server_that_says_why_it_closes_is_not_repeated(mode: str) -> None:
    front = Script()
    why = {"type": "error", "error": {"code": "server_error", "message": "Out of order."}}

    talk(front, Script().on("connected", session_created()).at(2, why, Close(1011, "")), mode=mode, reconnect=None)

    assert errors(front) == ["server_error"]


def test_a_transparent_session_is_not_connected_again() -> None:
    front = Script()

    steps, run = talk(front, model().at(5, LOST), mode="transparent")

    assert errors(front) == ["upstream_closed"]
    assert (run.at, run.code) == (5, 1011)
    assert [command for step in steps for command in step.commands if isinstance(command, Connect)] == [Connect(1)]


def test_a_server_that_says_good_bye_or_that_a_mistake_was_made_is_not_asked_again() -> None:
    for code, ends_with in ((1000, 1000), (1008, 1011), (4000, 1011)):
        _, run = talk(Script(), model().at(5, Close(code, "enough")))

        assert (run.at, run.code) == (5, ends_with)


# --- what the model knows -------------------------------------------------------------------------------------


def test_what_the_front_has_set_since_is_set_again_if_it_was_granted() -> None:
    def update(n: int, **fields: Any) -> Said:
        return {"type": "session.update", "event_id": f"mine_{n}", "session": {"type": "realtime", **fields}}

    def granted(event: dict[str, Any]) -> Sequence[Said]:
        if event.get("event_id") == "mine_2":
            return [{"type": "error", "error": {"code": "unknown_parameter", "event_id": "mine_2"}}]
        return [{"type": "session.updated", "session": event["session"]}]

    vad = {"type": "server_vad", "threshold": 0.7}
    front = Script().at(1, update(1, audio={"input": {"turn_detection": vad}}), update(2, bogus=True))
    front.at(2, update(3, audio={"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "ash"}}))
    front.at(9, Close())
    second = model()

    talk(front, model().on("session.update", granted).at(5, LOST), second, settings=Raw(json.dumps(BRIEF).encode()))

    (restored,) = second.all("session.update")
    audio = {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "ash"}}
    assert restored["session"] == {**BRIEF, "audio": audio}


def test_settings_that_a_new_server_refuses_are_an_error_that_the_front_hears() -> None:
    def refused(event: dict[str, Any]) -> Sequence[Said]:
        return [{"type": "error", "error": {"code": "unknown_parameter", "event_id": event["event_id"]}}]

    front = Script().at(9, Close())

    talk(front, model().at(5, LOST), model().on("session.update", refused), settings=Raw(b'{"type":"realtime"}'))

    assert errors(front) == ["upstream_closed", "unknown_parameter"]


def test_an_item_that_a_new_server_refuses_is_noted_and_the_front_hears_nothing() -> None:
    def refused(event: dict[str, Any]) -> Sequence[Said]:
        said = {"code": "too_long", "message": "'Tell me a secret' is too long.", "event_id": event["event_id"]}
        return [{"type": "error", "error": said}]

    front = Script().at(1, ASKED).at(9, Close())

    steps, _ = talk(front, model().at(5, LOST), model().on("conversation.item.create", refused))

    assert errors(front) == ["upstream_closed"]
    assert notes(steps) == ["the new connection could not be told of an item: too_long"]


def test_speech_that_was_cut_is_remembered_as_far_as_it_was_heard() -> None:
    front = Script().at(1, ASKED, "response.create").at(2, "output_audio_buffer.clear").at(9, Close())
    whole = [*begun(), speech(4.0, "item_a"), *ended(transcript="One two three four")]
    first = model().on("response.create", *whole).at(5, LOST)
    first.on("conversation.item.truncate", lambda event: [{**event, "type": "conversation.item.truncated"}])
    second = model()

    talk(front, first, second)

    assert first.truncations() == [("item_a", 1000)]
    assert said(items(second)[1]) == ("assistant", "output_text", "One")


def test_a_whole_call_and_its_output_are_remembered() -> None:
    call = {"id": "item_f", "type": "function_call", "status": "completed", "name": "look", "call_id": "call_1",
            "arguments": '{"at":"it"}'}  # fmt: skip
    output = {"id": "item_o", "type": "function_call_output", "call_id": "call_1", "output": "a parrot"}
    front = Script().at(9, Close())
    first = model().at(1, *[{"type": "conversation.item.added", "item": item} for item in (call, output)]).at(5, LOST)
    second = model()

    talk(front, first, second)

    assert items(second) == [{key: value for key, value in call.items() if key != "status"}, output]


def test_an_answer_that_is_cut_after_the_loss_is_told_anew_for_its_item_is_text_now() -> None:
    front = Script().at(1, ASKED, "response.create").at(5.5, "output_audio_buffer.clear").at(12, Close())
    first = model().on("response.create", *begun(), speech(8.0, "item_a"), *ended(transcript="la " * 8)).at(5, LOST)
    second, third = model().at(9, LOST), model()
    second.on("conversation.item.delete", lambda event: [{**event, "type": "conversation.item.deleted"}])

    talk(front, first, second, third)

    assert front.all("output_audio_buffer.cleared")
    assert not second.truncations()
    assert second.types()[2:] == ["conversation.item.delete", "conversation.item.create"]
    assert [said(item)[2] for item in items(second)] == ["What is it?", "la " * 8, "la la la la"]
    assert second.all("conversation.item.create")[2]["previous_item_id"] == "item_q"
    assert said(items(third)[1]) == ("assistant", "output_text", "la la la la")
    assert not front.all("conversation.item.deleted")
    assert front.types().count("conversation.item.done") == 2


@pytest.mark.parametrize("heard_ms", [0, 2000])
def test_a_report_that_comes_when_the_next_connection_is_there_corrects_what_that_was_told(heard_ms: int) -> None:
    session, tell = begun_session(reports=True)
    for event in [*added(QUESTION), *begun(), speech(8.0, "item_a"), *ended(transcript="la " * 8)]:
        tell(1, event)
    clear = Message(Side.FRONT, Kind.TEXT, b'{"type":"output_audio_buffer.clear"}')
    cleared = [event for event in sent(session.step(2, clear)) if event["type"] == "output_audio_buffer.cleared"]
    session.step(2.01, Closed(Side.UPSTREAM, 1, 1006))
    told = sent(session.step(2.02, Opened(Side.UPSTREAM, 2)))
    played = {"type": "output_audio_buffer.played", "item_id": "item_a", "audio_ms": heard_ms}
    played["cleared_event_id"] = cleared[0]["event_id"]

    corrected = sent(session.step(2.1, Message(Side.FRONT, Kind.TEXT, json.dumps(played).encode())))

    assert [said(event["item"])[2] for event in told] == ["What is it?", "la"]
    assert corrected[0]["type"] == "conversation.item.delete"
    assert [said(event["item"])[2] for event in corrected[1:]] == (["la la"] if heard_ms else [])


def test_the_newest_of_a_very_long_conversation_is_told() -> None:
    long = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 400}]}
    front = Script().at(9, Close())
    first = model().at(5, LOST)
    for n in range(9):
        first.at(1 + n / 10, *added({**long, "id": f"item_{n}"}))
    second = model()

    steps, _ = talk(front, first, second, limits=Limits(pending_bytes=2000))

    assert notes(steps) == ["the oldest 5 items are too much to be told again"]
    assert [item["id"] for item in items(second)] == ["item_5", "item_6", "item_7", "item_8"]


# --- what was under way ---------------------------------------------------------------------------------------


def test_a_turn_that_was_not_answered_is_asked_again() -> None:
    front = Script().at(1, ASKED, {"type": "response.create", "event_id": "mine_2"}).at(9, Close())
    first = model().on("response.create", created()).at(2, LOST)
    second = model().on("response.create", created("resp_2"), done("resp_2"))

    talk(front, first, second)

    assert second.types() == ["conversation.item.create", "response.create"]
    assert second.all("response.create")[0]["event_id"] == "mine_2"
    assert [event["response"]["status"] for event in front.all("response.done")] == ["cancelled", "completed"]
    assert front.all("response.done")[0]["response"]["status_details"]["reason"] == "connection_lost"


def test_a_turn_that_the_server_was_to_answer_by_itself_is_asked_again() -> None:
    item = {"id": "item_u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
    spoken = bytes(range(96)) * 500
    for begins in ([], [created()]):
        front = Script().at(1, spoken).at(9, Close())
        first = model(turn_detection={"type": "server_vad"})
        first.at(2.5, speech_started(500), speech_stopped(900), committed, *added(item), *begins).at(3, LOST)
        second = model(turn_detection={"type": "server_vad"})

        talk(front, first, second)

        assert second.types() == ["conversation.item.create", "input_audio_buffer.append", "response.create"]
        (part,) = items(second)[0]["content"]
        assert part == {"type": "input_audio", "audio": encode_base64(spoken[500 * 48 : 900 * 48]).decode()}
        rest = decode_base64(second.all("input_audio_buffer.append")[0]["audio"])
        assert rest == spoken[900 * 48 :]


def test_a_turn_that_was_written_down_is_told_in_words() -> None:
    item = {"id": "item_u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
    transcribed = {
        "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_u", "content_index": 0,
        "transcript": "Hello there.",
    }  # fmt: skip
    front = Script().at(1, bytes(48_000), "input_audio_buffer.commit").at(9, Close())
    first = model(turn_detection=None).at(3, LOST)
    first.on("input_audio_buffer.commit", committed, *added(item), {**transcribed, "transcript": ""}, transcribed)
    second = model(turn_detection=None)

    talk(front, first, second)

    assert second.types() == ["conversation.item.create"]
    assert said(items(second)[0]) == ("user", "input_text", "Hello there.")


def test_a_turn_whose_transcript_is_not_final_is_told_as_the_sound_it_was() -> None:
    """xAI calls the transcript of a turn that is still being said completed, and corrects it."""
    item = {"id": "item_u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
    name = "conversation.item.input_audio_transcription.completed"
    so_far = {"type": name, "item_id": "item_u", "content_index": 0, "transcript": "Hell", "status": "in_progress"}
    front = Script().at(1, bytes(48_000), "input_audio_buffer.commit").at(9, Close())
    for so, kinds in ((so_far, ["input_audio"]), ({**so_far, "status": "completed"}, ["input_text"])):
        first = model(turn_detection=None).at(3, LOST)
        first.on("input_audio_buffer.commit", committed, *added(item), so)
        second = model(turn_detection=None)

        talk(copy.deepcopy(front), first, second)

        assert [part["type"] for part in items(second)[0]["content"]] == kinds


def test_what_was_heard_of_an_unfinished_answer_stays_and_it_is_not_asked_again() -> None:
    front = Script().at(1, ASKED, "response.create").at(9, Close())
    begins = [*begun(), words("It is a parrot that has been sitting"), speech(0.5, "item_a")]
    second = model()

    talk(front, model().on("response.create", *begins).at(3, LOST), second)

    assert "response.create" not in second.types()
    assert said(items(second)[1]) == ("assistant", "output_text", "It is a")
    assert front.types().count("output_audio_buffer.stopped") == 1


def test_what_was_sent_and_not_confirmed_is_sent_again() -> None:
    """A connection hangs before it is lost: what the front said meanwhile was heard by nobody."""
    delete = {"type": "conversation.item.delete", "item_id": "item_q"}
    front = Script().at(1, ASKED).at(2, bytes(4800), delete, {**ASKED, "event_id": "mine_2"}, "response.create")
    front.at(3, "input_audio_buffer.commit").at(9, Close())
    first = Script().on("connected", session_created(turn_detection=None)).at(1.5, *added(QUESTION)).at(5, LOST)
    second = model(turn_detection=None)

    talk(front, first, second)

    assert second.types() == [
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.create",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]


def test_audio_and_words_that_come_while_nobody_is_there_wait() -> None:
    front = Script().at(5.2, bytes(9000), ASKED, "response.create", bytes(100)).at(9, Close())
    second = model(turn_detection=None).on("response.create", created("resp_2"), done("resp_2"))

    talk(front, model(turn_detection=None).at(5, LOST), second, reconnect=Reconnect(delays=(1.0,)))

    assert [(heard.at, heard.type) for heard in second.heard] == [
        (6.0, "input_audio_buffer.append"),
        (6.0, "conversation.item.create"),
        (6.0, "response.create"),
        (6.2, "input_audio_buffer.append"),
    ]


def test_too_much_of_it_ends_the_conversation_with_a_reason() -> None:
    front = Script().at(5.2, bytes(50_000))

    _, run = talk(front, model().at(5, LOST), reconnect=Reconnect(delays=(1.0,)), limits=Limits(pending_bytes=20_000))

    assert (run.at, run.code) == (5.2, 1013)


def test_a_turn_that_is_half_said_at_the_loss_is_heard_whole_by_the_next_connection() -> None:
    spoken = [bytes([n]) * 4800 for n in range(20)]
    front = Script().at(9, Close())
    for n, tenth in enumerate(spoken):
        front.at(1 + n / 10, tenth)
    first = model(turn_detection={"type": "server_vad"}).at(1.95, speech_started(500)).at(2.0, LOST)
    second = model(turn_detection={"type": "server_vad"})

    steps, _ = talk(front, first, second)

    audio = b"".join(decode_base64(event["audio"]) for event in second.all("input_audio_buffer.append"))
    assert audio == b"".join(spoken)
    sent = [c for step in steps for c in step.commands if isinstance(c, Send) and c.audio is not None]
    assert all(c.audio is not None and c.audio.stop - c.audio.start == len(decode_base64(
        json.loads(c.raw)["audio"])) for c in sent)  # fmt: skip


def test_a_tool_that_runs_while_the_connection_is_lost_gives_its_result_to_the_next() -> None:
    call = {"id": "item_call_1", "type": "function_call", "status": "completed", "name": "look", "call_id": "call_1",
            "arguments": "{}"}  # fmt: skip
    session = Session(SessionOptions(reconnect=Reconnect(), tools=(ToolSchema(name="look"),)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    for event in (session_created(), created(), {"type": "conversation.item.added", "item": call},
                  function_call("call_1", "look", "{}")):  # fmt: skip
        session.step(1, Message(Side.UPSTREAM, Kind.TEXT, json.dumps(event).encode()))

    session.step(2, Closed(Side.UPSTREAM, 1, 1006))
    session.step(2.5, ToolResult("call_1", "a parrot"))
    session.advance(3)
    commands = session.step(3, Opened(Side.UPSTREAM, 2))

    events = [json.loads(command.raw) for command in commands if isinstance(command, Send)]
    assert [event["type"] for event in events] == ["conversation.item.create"] * 2 + ["response.create"]
    assert [event["item"]["type"] for event in events[:2]] == ["function_call", "function_call_output"]


def test_the_model_goes_on_when_its_calls_were_answered_and_only_its_last_word_was_lost() -> None:
    session = Session(SessionOptions(reconnect=Reconnect(), tools=(ToolSchema(name="look"),)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    for event in (session_created(), created(), function_call("call_1", "look", "{}")):
        session.step(1, Message(Side.UPSTREAM, Kind.TEXT, json.dumps(event).encode()))
    session.step(1, ToolResult("call_1", "a parrot"))

    session.step(2, Closed(Side.UPSTREAM, 1, 1006))
    session.advance(2)
    commands = session.step(2, Opened(Side.UPSTREAM, 2))

    events = [json.loads(command.raw)["type"] for command in commands if isinstance(command, Send)]
    assert events == ["conversation.item.create", "response.create"]


def test_a_response_beside_the_conversation_ends_too() -> None:
    front = Script().at(9, Close())

    talk(front, model().at(4, created("resp_b", conversation=None)).at(5, LOST), model())

    (over,) = front.all("response.done")
    assert over["response"]["conversation_id"] is None


# --- before the server's own limit ----------------------------------------------------------------------------


def test_an_old_connection_is_made_anew_in_a_quiet_moment() -> None:
    front = Script().at(1, ASKED).at(150, ASKED, "response.create").at(190, Close())
    first, second = model(), model().on("response.create", created("resp_2"), done("resp_2"))

    steps, run = talk(front, first, second, reconnect=Reconnect(renew_after=100))

    assert states(front) == [(100, "reconnecting"), (100, "connected")]
    assert not errors(front)
    assert first.ended is not None
    assert first.ended.code == 1000
    assert second.types() == ["conversation.item.create"] * 2 + ["response.create"]
    assert (run.at, run.code) == (190, 1000)
    assert not any(isinstance(step.input, Closed) and step.input.side is Side.UPSTREAM for step in steps)


def test_an_answer_is_heard_to_its_end_before_the_connection_is_made_anew() -> None:
    front = Script().at(98, ASKED, "response.create").at(120, Close())
    first = model().on("response.create", *begun(), speech(4.2, "item_a"), *ended())

    talk(front, first, model(), reconnect=Reconnect(renew_after=100))

    assert [at for at, _ in states(front)] == [103, 103]


def test_a_turn_that_is_half_said_by_hand_is_not_disturbed() -> None:
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
    front = Script().at(99, bytes(9600)).at(105.5, "input_audio_buffer.commit").at(120, Close())
    first = model(turn_detection=None).on("input_audio_buffer.commit", committed)

    talk(front, first, model(turn_detection=None), reconnect=Reconnect(renew_after=100))

    assert [at for at, _ in states(front)] == [106, 106]


def test_a_connection_that_cannot_be_made_anew_is_a_lost_one() -> None:
    front = Script().at(120, Close())
    refusing = Script().on("connected", Close(1011, "no room"))

    talk(front, model(), refusing, model(), reconnect=Reconnect(renew_after=100))

    assert states(front) == [(100, "reconnecting"), (100, "reconnecting"), (100.5, "connected")]
    assert errors(front) == ["upstream_closed"]


def test_a_session_that_expired_is_gone_on_with_whatever_the_close_code_says() -> None:
    front = Script().at(9, Close())
    expired = {"type": "error", "error": {"code": "session_expired", "message": "Your session hit the maximum."}}

    _, run = talk(front, model().at(5, expired, Close(1000, "session_expired")), model())

    assert errors(front) == ["session_expired"]
    assert [state for _, state in states(front)] == ["reconnecting", "connected"]
    assert run.at == 9


def test_a_conversation_outlives_the_hours_of_its_sessions() -> None:
    """The embedded model, with the hosted service's limit, and somebody who says something every ten minutes."""
    local = Local(LocalOptions(speech="tones", expires_after=3600))
    front = Script().at(4 * 3600, Close())
    for n in range(23):
        item = {**QUESTION, "content": [{"type": "input_text", "text": f"This is number {n}."}]}
        front.at(600 * n + 10, {"type": "conversation.item.create", "item": item}, "response.create")
    options = SessionOptions(reconnect=Reconnect())

    run = simulate(Session(options), front=front, connect=local.connect)

    assert (run.at, run.code) == (4 * 3600, 1000)
    assert errors(front) == []
    assert len(states(front)) == 2 * 4
    assert len(front.all("response.done")) == 23


def test_who_is_asked_to_stop_does_not_connect_again() -> None:
    session = Session(SessionOptions(reconnect=Reconnect(renew_after=10)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    for event in (session_created(), created()):
        session.step(1, Message(Side.UPSTREAM, Kind.TEXT, json.dumps(event).encode()))
    session.step(2, Stop("restart", grace=60))

    assert session.advance(30) == []
    commands = session.step(30, Closed(Side.UPSTREAM, 1, 1006))

    assert isinstance(commands[-1], HangUp)


def test_nothing_is_heard_of_a_connection_that_was_given_up() -> None:
    session = Session(SessionOptions(reconnect=Reconnect(renew_after=10)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    greeting = Message(Side.UPSTREAM, Kind.TEXT, json.dumps(session_created()).encode())
    session.step(1, greeting)
    session.advance(10)

    assert session.deaf
    assert session.step(10, greeting) == []
    assert session.step(10, Closed(Side.UPSTREAM, 1, 1006)) == []


def test_a_connection_that_is_not_even_made_is_tried_again() -> None:
    session = Session(SessionOptions(reconnect=Reconnect(delays=(0.0, 0.5))))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    session.step(1, Message(Side.UPSTREAM, Kind.TEXT, json.dumps(session_created()).encode()))

    assert Connect(2) in session.step(2, Closed(Side.UPSTREAM, 1, 1006))
    told = sent(session.step(3, Closed(Side.UPSTREAM, 2, 1011, "no route to the host")))
    assert [event["type"] for event in told] == ["engine.upstream"]

    assert [(at, list(commands)) for at, commands in session.advance(9)] == [(3.5, [Connect(3)])]


def test_what_comes_at_the_very_moment_at_which_a_connection_is_given_up_is_not_heard() -> None:
    session = Session(SessionOptions(reconnect=Reconnect(renew_after=10)))
    session.step(0, Opened(Side.FRONT))
    session.step(0, Opened(Side.UPSTREAM))
    greeting = Message(Side.UPSTREAM, Kind.TEXT, json.dumps(session_created()).encode())
    session.step(1, greeting)

    (renewal,) = driving.steps(session, 10, greeting, driving.ignore)

    assert Connect(2) in renewal.commands


def test_a_turn_that_is_taken_out_of_the_conversation_is_not_remembered() -> None:
    item = {"id": "item_u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
    front = Script().at(1, bytes(48_000), "input_audio_buffer.commit")
    front.at(2, {"type": "conversation.item.delete", "item_id": "item_u"}).at(9, Close())
    first = model(turn_detection=None).on("input_audio_buffer.commit", committed, *added(item)).at(5, LOST)
    first.on("conversation.item.delete", {"type": "conversation.item.deleted", "item_id": "item_u"})
    second = model(turn_detection=None)

    talk(front, first, second)

    assert second.heard == []


def test_audio_that_the_server_was_told_to_forget_stays_forgotten() -> None:
    front = Script().at(1, bytes(48_000), "input_audio_buffer.clear", bytes(9600)).at(9, Close())
    first = model(turn_detection=None).on("input_audio_buffer.clear", {"type": "input_audio_buffer.cleared"})
    second = model(turn_detection=None)

    talk(front, first.at(5, LOST), second)

    audio = b"".join(decode_base64(event["audio"]) for event in second.all("input_audio_buffer.append"))
    assert len(audio) == 9600


# --- what goes wrong at a bad moment ----------------------------------------------------------------------------

COMMITTED: Final = {"type": "input_audio_buffer.committed", "item_id": "item_u", "previous_item_id": None}
SPOKEN: Final = {
    "id": "item_u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}],
}  # fmt: skip
EXPIRED: Final = {"type": "error", "error": {"code": "session_expired", "message": "It is over.", "event_id": None}}
VAD: Final = {"turn_detection": {"type": "server_vad"}}


def hears_a_turn() -> Script:
    """A server that hears a turn at 2.5 s, and does not answer."""
    return model(**VAD).at(2.5, speech_started(500), speech_stopped(900), COMMITTED, *added(SPOKEN))


@pytest.mark.parametrize("end", [(26, LOST), (1.2, EXPIRED, Close(1000, ""))])
def test_a_typed_question_into_a_connection_that_is_dead_or_at_its_end_is_asked_again(end: tuple[Any, ...]) -> None:
    front = Script().at(1, ASKED, "response.create").at(60, Close())
    second = model().on("response.create", created("resp_2"), done("resp_2"))

    talk(front, Script().on("connected", session_created()).at(*end), second)

    assert second.types() == ["conversation.item.create", "response.create"]


@pytest.mark.parametrize("end", [(26, LOST), (2.6, EXPIRED, Close(1001, ""))])
def test_a_spoken_question_into_a_connection_that_is_dead_or_at_its_end_is_asked_again(end: tuple[Any, ...]) -> None:
    front = Script().at(1, bytes(48_000)).at(60, Close())
    second = model(**VAD)

    talk(front, hears_a_turn().at(*end), second)

    assert second.types().count("response.create") == 1


def test_an_error_that_may_have_come_in_the_answers_place_is_the_answer() -> None:
    mistake = {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Too much."}}
    typed = Script().at(1, ASKED, "response.create").at(60, Close())
    spoken = Script().at(1, bytes(48_000)).at(60, Close())
    for front, first in ((typed, model().on("response.create", mistake)), (spoken, hears_a_turn().at(2.6, mistake))):
        second = model()

        talk(front, first.at(26, LOST), second)

        assert "response.create" not in second.types()


def test_a_create_that_was_refused_by_name_is_not_asked_again() -> None:
    def refuse(event: dict[str, Any]) -> Sequence[Said]:
        return [{"type": "error", "error": {"code": "invalid_value", "message": "No.", "event_id": event["event_id"]}}]

    front = Script().at(1, ASKED, "response.create").at(60, Close())
    second = model()

    talk(front, model().on("response.create", refuse).at(26, LOST), second)

    assert "response.create" not in second.types()


def test_a_create_that_collided_and_then_was_lost_is_asked_again_once() -> None:
    def collide(event: dict[str, Any]) -> Sequence[Said]:
        detail = {"code": "conversation_already_has_active_response", "message": "", "event_id": event["event_id"]}
        return [created("resp_v"), {"type": "error", "error": detail}]

    front = Script().at(1, ASKED, {"type": "response.create", "event_id": "mine_2"}).at(9, Close())
    second = model().on("response.create", created("resp_2"), done("resp_2"))

    talk(front, model().on("response.create", collide).at(2, LOST), second)

    asked = [event["event_id"] for event in second.all("response.create")]
    assert asked.count("mine_2") == 1


@pytest.mark.parametrize(
    ("withdrawn", "begins"),
    [
        ([(2, "response.cancel")], [created()]),
        ([(2, "output_audio_buffer.clear")], [created()]),
        ([(2, "output_audio_buffer.clear")], []),
        ([(3.5, "output_audio_buffer.clear")], []),
    ],
)
def test_what_the_person_does_not_want_any_more_is_not_asked_again(withdrawn: Any, begins: list[Said]) -> None:
    """Also where it is said before the answer begins, and while nobody is there."""
    front = Script().at(1, ASKED, "response.create").at(9, Close())
    for at, event in withdrawn:
        front.at(at, event)
    second = model()

    talk(
        front,
        model().on("response.create", lambda event: begins).at(3, LOST),
        second,
        reconnect=Reconnect(delays=(1.0,)),
    )

    assert second.types() == ["conversation.item.create"]


def test_an_answer_that_is_spoken_over_before_it_is_heard_is_not_asked_again() -> None:
    front = Script().at(1, ASKED, "response.create").at(1.5, bytes(48_000)).at(9, Close())
    second = model(**VAD)

    talk(front, model(**VAD).on("response.create", created()).at(2, speech_started(300)).at(2.05, LOST), second)

    assert second.types() == ["conversation.item.create", *["input_audio_buffer.append"] * 6]


def test_an_answer_cut_into_a_dead_connection_is_told_as_it_was_heard() -> None:
    front = Script().at(1, ASKED, "response.create").at(2, "output_audio_buffer.clear").at(40, Close())
    whole = [*begun(), speech(8.0, "item_a"), *ended(transcript="la " * 8)]
    second = model()

    talk(front, model().on("response.create", *whole).at(20, LOST), second)

    assert said(items(second)[1]) == ("assistant", "output_text", "la")


def test_an_answer_that_is_cut_while_nobody_is_there_is_told_as_it_was_heard() -> None:
    front = Script().at(1, ASKED, "response.create").at(5.5, "output_audio_buffer.clear").at(12, Close())
    first = model().on("response.create", *begun(), speech(8.0, "item_a"), *ended(transcript="la " * 8)).at(5, LOST)
    second = model()

    talk(front, first, second, reconnect=Reconnect(delays=(1.0,)))

    assert second.types() == ["conversation.item.create"] * 2
    assert said(items(second)[1]) == ("assistant", "output_text", "la la la la")


def test_speech_that_comes_after_the_cut_counts_for_how_long_the_answer_was() -> None:
    front = Script().at(1, ASKED, "response.create").at(3, "output_audio_buffer.clear").at(9, Close())
    words = "one two three four five six seven eight nine ten"
    first = model().on("response.create", *begun(), speech(4.0, "item_a"))
    first.at(3.1, speech(6.0, "item_a"), *ended(transcript=words)).at(5, LOST)
    second = model()

    talk(front, first, second)

    assert said(items(second)[1]) == ("assistant", "output_text", "one two")


def test_a_call_that_is_lost_before_it_is_handed_out_is_asked_for_again() -> None:
    call = {"id": "item_f", "type": "function_call", "name": "look", "call_id": "call_1", "arguments": "{}"}
    begins = {**call, "status": "in_progress", "arguments": ""}
    known = {"type": "response.output_item.added", "response_id": "resp_1", "item": begins}
    whole = {"type": "conversation.item.done", "item": {**call, "status": "completed"}}
    front = Script().at(1, ASKED, "response.create").at(20, Close())
    first = model().on("response.create", created(), known, {"type": "conversation.item.added", "item": begins}, whole)
    second = model()

    talk(front, first.at(2, LOST), second, tools=(ToolSchema(name="look"),))

    assert second.types() == ["conversation.item.create", "response.create"]


def test_ids_of_the_next_connection_are_its_own() -> None:
    front = Script().at(1, ASKED, "response.create").at(1.5, "output_audio_buffer.clear")
    front.at(6, "response.create").at(12, Close())

    talk(front, model().on("response.create", *answer()).at(5, LOST), model().on("response.create", *answer()))

    assert front.types().count("response.output_audio.delta") == 2
    assert front.types().count("conversation.item.done") == 3


def test_a_refusal_for_good_ends_the_conversation_at_once_and_is_told() -> None:
    session, _ = begun_session()
    session.step(5, Closed(Side.UPSTREAM, 1, 1006))

    commands = session.step(6, Closed(Side.UPSTREAM, 2, 1008, "a.example does not accept the key: check it"))

    (told,) = sent(commands)
    assert "does not accept the key: check it" in told["error"]["message"]
    assert isinstance(commands[-1], HangUp)
    assert commands[-1].code == 1011


@pytest.mark.parametrize("mode", ["managed", "transparent"])
def test_a_refusal_in_words_before_the_connection_is_lost_is_the_one_error(mode: str) -> None:
    refusal = {"type": "error", "error": {"code": "invalid_api_key", "message": "No.", "event_id": None}}
    front = Script()

    talk(front, Script().on("connected", refusal, LOST), mode=mode)

    assert errors(front) == ["invalid_api_key"]


def test_an_error_that_answers_the_front_is_not_the_reason_for_a_loss() -> None:
    mistake = {"type": "error", "error": {"code": "response_cancel_not_active", "message": "", "event_id": "mine_1"}}
    front = Script().at(9, Close())

    talk(front, model().at(5, mistake, LOST), model())

    assert errors(front) == ["response_cancel_not_active", "upstream_closed"]


def test_the_users_turn_by_the_fronts_word_goes_on_over_a_loss() -> None:
    session, _ = begun_session(detects_speech=True)
    session.step(2, Message(Side.FRONT, Kind.TEXT, b'{"type":"engine.speech_started"}'))

    session.step(3, Closed(Side.UPSTREAM, 1, 1006))
    assert not session.idle

    session.step(4, Message(Side.FRONT, Kind.TEXT, b'{"type":"engine.speech_stopped"}'))
    assert session.idle


def test_what_a_connection_that_knows_nothing_puts_at_the_front_stands_behind_what_is_lost() -> None:
    session, tell = begun_session()
    tell(
        1, {"type": "conversation.item.added", "previous_item_id": None, "item": {"id": "a", "type": "mcp_list_tools"}}
    )
    session.step(2, Closed(Side.UPSTREAM, 1, 1006))
    session.step(2, Opened(Side.UPSTREAM, 2))
    tell(2, session_created())

    tell(3, {"type": "conversation.item.added", "previous_item_id": None, "item": {**QUESTION, "id": "q"}})

    assert [entry.id for entry in session.conversation] == ["a", "q"]


def test_a_create_waits_for_the_connection_and_its_time_begins_when_it_is_sent() -> None:
    session = Session(SessionOptions(reconnect=Reconnect()))
    session.step(0, Opened(Side.FRONT))
    for at in (1, 2):
        session.step(at, Message(Side.FRONT, Kind.TEXT, b'{"type":"response.create"}'))
    assert session.advance(15) == []

    asked = sent(session.step(15, Opened(Side.UPSTREAM)))

    assert [event["type"] for event in asked] == ["response.create"]
    assert session.deadline == 25


def test_an_item_whose_id_no_client_may_choose_is_named_as_the_connection_knows_it() -> None:
    long = f"item_{'x' * 40}"
    delete = {"type": "conversation.item.delete", "item_id": long}
    front = Script().at(6, delete).at(9, Close())
    second = model().on("conversation.item.delete", lambda event: [{**event, "type": "conversation.item.deleted"}])

    talk(front, model().at(1, *added({**QUESTION, "id": long})).at(5, LOST), second)

    (item,) = items(second)
    assert len(item["id"]) == 32
    assert second.all("conversation.item.delete") == [{**delete, "item_id": item["id"]}]
    assert [event["item_id"] for event in front.all("conversation.item.deleted")] == [long]


def self_naming(*names: str) -> Script:
    """A server that names all items itself, as xAI may, and says of none that it is done."""
    left = iter(names)
    script = model().on(
        "conversation.item.create",
        lambda event: [{"type": "conversation.item.added", "item": {**event["item"], "id": next(left)}}],
    )
    return script.on("conversation.item.delete", lambda event: [{**event, "type": "conversation.item.deleted"}])


def test_a_server_may_name_the_items_itself_and_the_front_knows_them_as_before() -> None:
    delete = {"type": "conversation.item.delete", "item_id": "item_q"}
    front = Script().at(1, ASKED, "response.create").at(6, delete).at(9, Close())
    first = model().on("response.create", *answer()).at(5, LOST)
    second, third = self_naming("uuid-1", "uuid-2").at(7, LOST), model()

    talk(front, first, second, third)

    assert [item["id"] for item in items(second)] == ["item_q", "item_a"]
    assert [event["item_id"] for event in second.all("conversation.item.delete")] == ["uuid-1"]
    assert [event["item_id"] for event in front.all("conversation.item.deleted")] == ["item_q"]
    assert front.types().count("conversation.item.added") == 2
    assert [item["id"] for item in items(third)] == ["item_a"]


def test_an_answer_that_is_told_anew_to_a_server_that_names_items_stands_where_it_stood() -> None:
    front = Script().at(1, ASKED, "response.create").at(5.5, "output_audio_buffer.clear").at(12, Close())
    first = model().on("response.create", *begun(), speech(8.0, "item_a"), *ended(transcript="la " * 8)).at(5, LOST)
    second = self_naming("uuid-1", "uuid-2", "uuid-3")

    talk(front, first, second)

    assert [event["item_id"] for event in second.all("conversation.item.delete")] == ["uuid-2"]
    assert second.all("conversation.item.create")[2]["previous_item_id"] == "uuid-1"
    assert not front.all("conversation.item.deleted")
    assert front.types().count("conversation.item.added") == 2


def test_what_the_front_names_and_the_server_names_otherwise_is_not_told_twice() -> None:
    front = Script().at(1, {**ASKED, "item": {**QUESTION, "id": "mine"}}).at(9, Close())
    second = model()

    talk(front, self_naming("uuid-1").at(5, LOST), second)

    assert [item["id"] for item in items(second)] == ["uuid-1"]


def test_a_new_item_is_none_of_those_that_a_new_connection_was_told_of() -> None:
    """The server has not said yet that it has them; what comes between is news."""
    other = {"id": "item_v", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Other."}]}
    front = Script().at(1, ASKED).at(9, Close())
    second = Script().on("connected", session_created()).at(6, *added(other))

    talk(front, model().at(5, LOST), second)

    assert [event["item"]["id"] for event in front.all("conversation.item.added")] == ["item_q", "item_v"]


def test_a_new_connections_conversation_is_no_news() -> None:
    begins = {"type": "conversation.created", "conversation": {"id": "conv_1"}}
    front = Script().at(9, Close())

    talk(front, model().at(1, begins).at(5, LOST), model().at(6, begins))

    assert len(front.all("conversation.created")) == 1


# --- what cannot be told again is said --------------------------------------------------------------------------


def test_audio_that_is_too_old_to_be_said_again_is_noted() -> None:
    front = Script().at(60, Close())
    for second in range(45):
        front.at(1 + second, bytes(48_000))
    again = model(turn_detection=None)

    steps, _ = talk(front, model(turn_detection=None).at(46.5, LOST), again)

    audio = [decode_base64(event["audio"]) for event in again.all("input_audio_buffer.append")]
    assert sum(map(len, audio)) // 48_000 == 30
    assert notes(steps) == ["15.0 s of what was said are too old to be said again"]


def test_turns_that_nobody_wrote_down_or_kept_leave_a_gap_that_is_named() -> None:
    front, first, second = Script().at(60, Close()), model(turn_detection=None), model(turn_detection=None)
    for n in range(5):
        front.at(1 + 10 * n, bytes(480_000), "input_audio_buffer.commit")
    turns = iter(range(5))

    def commit(event: dict[str, Any]) -> Sequence[Said]:
        item_id = f"item_{next(turns)}"
        return [{**COMMITTED, "item_id": item_id, "previous_item_id": "item_x"}, *added({**SPOKEN, "id": item_id})]

    steps, _ = talk(front, first.on("input_audio_buffer.commit", commit).at(55, LOST), second)

    told = [item["content"][0] for item in items(second)]
    assert [part["type"] for part in told] == ["input_text"] * 2 + ["input_audio"] * 3
    assert told[0]["text"] == UNWRITTEN
    assert notes(steps) == ["2 spoken turns are neither written down nor kept"]


def test_a_server_that_leaves_too_much_unanswered_is_noted() -> None:
    deletes = [{"type": "conversation.item.delete", "item_id": f"item_{n}"} for n in range(300)]

    steps, _ = talk(Script().at(1, *deletes).at(2, Close()), model())

    assert notes(steps) == [
        "the model leaves too much unanswered: what is oldest is not said again if it is lost",
    ]


def test_what_only_a_server_can_make_is_noted() -> None:
    first = model().at(1, {"type": "conversation.item.added", "item": {"id": "a", "type": "mcp_list_tools"}})

    steps, _ = talk(Script().at(9, Close()), first.at(5, LOST), model())

    assert notes(steps) == ["1 items cannot be told again: only servers make them"]
